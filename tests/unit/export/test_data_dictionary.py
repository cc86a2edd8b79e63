"""Every file and column of an export is described: in the export itself, and in the reference."""

import json
import re
from pathlib import Path

import pytest

from studies import protocols
from studies.export import data_dictionary, export, psych_ds
from studies.results import figures
from tests.factories import answered_study

pytestmark = pytest.mark.django_db
PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "export.md").read_text()


@pytest.fixture
def exported(tmp_path, monkeypatch):
    # Drawing takes most of the time of an export, and what is drawn has tests of its own.
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")
    study = answered_study()
    export.write(study, tmp_path / "export")
    return study, tmp_path / "export"


def test_every_exported_column_and_file_is_described(exported):
    study, folder = exported
    description = json.loads((folder / psych_ds.NAME).read_text())
    described = {variable["name"] for variable in description["variableMeasured"]}
    expected = {
        "answers.csv": data_dictionary.ANSWERS,
        "stimuli.csv": data_dictionary.of_stimuli(study),
        "participants.csv": data_dictionary.PARTICIPANTS,
        "answering.csv": data_dictionary.ANSWERING,
        "posteriors.csv": data_dictionary.POSTERIORS,
        "looks.csv": data_dictionary.LOOKS,
        "questions.csv": data_dictionary.QUESTIONS,
        "pictures.csv": data_dictionary.PICTURES,
        "computations.csv": data_dictionary.COMPUTATIONS,
        "photographs.csv": data_dictionary.PHOTOGRAPHS,
        "log.csv": data_dictionary.LOG,
    }
    for name, known in expected.items():
        assert (folder / name).read_text("utf-8-sig").splitlines()[0].split(",") == list(known)
        assert set(known) <= described
    there = {path.name + ("/" if path.is_dir() else "") for path in folder.iterdir()}
    assert there == set(psych_ds.FILES) - {"pictures/"}


def test_the_reference_lists_every_file_and_column_and_no_other():
    parts = {part.partition("\n")[0].strip("` "): part for part in PAGE.split("\n## ")}
    listed = {
        title: dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", part, re.MULTILINE)) for title, part in parts.items()
    }
    assert listed["# The export"] == psych_ds.FILES
    for title, known in {
        "answers.csv": data_dictionary.ANSWERS,
        "stimuli.csv": data_dictionary.STIMULI | data_dictionary.STIMULI_END,
        "participants.csv": data_dictionary.PARTICIPANTS,
        "answering.csv": data_dictionary.ANSWERING,
        "posteriors.csv": data_dictionary.POSTERIORS,
        "looks.csv": data_dictionary.LOOKS,
        "questions.csv": data_dictionary.QUESTIONS,
        "pictures.csv": data_dictionary.PICTURES,
        "computations.csv": data_dictionary.COMPUTATIONS,
        "photographs.csv": data_dictionary.PHOTOGRAPHS,
        "log.csv": data_dictionary.LOG,
    }.items():
        assert listed[title] == {name: column.what for name, column in known.items()}
    for key, protocol in protocols.available().items():
        assert listed[f"What stimuli.csv adds in {key}"] == protocol.truth_columns

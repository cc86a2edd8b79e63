"""Every file and column of an export is described: in the export itself, and in the reference."""

import json
import re
from pathlib import Path

import pytest

from studies import protocols
from studies.reports import columns, export, figures, psychds
from tests.factories import answered_study

pytestmark = pytest.mark.django_db
PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "export.md").read_text()


@pytest.fixture
def exported(tmp_path, monkeypatch):
    # Drawing takes most of the time of an export, and what is drawn has tests of its own.
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")
    study = answered_study()
    export.write(study, tmp_path / "export")
    return study, tmp_path / "export"


def test_every_exported_column_and_file_is_described(exported):
    study, folder = exported
    description = json.loads((folder / psychds.NAME).read_text())
    described = {variable["name"] for variable in description["variableMeasured"]}
    expected = {
        "answers.csv": columns.ANSWERS,
        "stimuli.csv": columns.of_stimuli(study),
        "participants.csv": columns.PARTICIPANTS,
        "looks.csv": columns.LOOKS,
    }
    for name, known in expected.items():
        assert (folder / name).read_text().splitlines()[0].split(",") == list(known)
        assert set(known) <= described
    assert {path.name + ("/" if path.is_dir() else "") for path in folder.iterdir()} == set(psychds.FILES)


def test_the_reference_lists_every_file_and_column_and_no_other():
    parts = {part.partition("\n")[0].strip("` "): part for part in PAGE.split("\n## ")}
    listed = {
        title: dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", part, re.MULTILINE)) for title, part in parts.items()
    }
    assert listed["# The export"] == psychds.FILES
    for title, known in {
        "answers.csv": columns.ANSWERS,
        "stimuli.csv": columns.STIMULI | columns.STIMULI_END,
        "participants.csv": columns.PARTICIPANTS,
        "looks.csv": columns.LOOKS,
    }.items():
        assert listed[title] == {name: column.what for name, column in known.items()}
    for key, protocol in protocols.available().items():
        assert listed[f"What stimuli.csv adds in {key}"] == protocol.known

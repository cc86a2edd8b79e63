"""Paragraphs to paste: nothing is in them that is not in the data, in Markdown and in LaTeX."""

import json
import re

import pytest

from studies import lifecycle, protocols
from studies.export import export, paragraphs
from studies.models import Study
from studies.results import figures
from tests.bench import made_up_study
from tests.factories import answered_study, simulated_rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")


def written(folder, name: str) -> str:
    return (folder / "paper" / name).read_text()


def test_every_number_is_in_the_exported_files(tmp_path):
    study = answered_study(practice=0, gold=0)
    export.write(study, tmp_path / "export")
    files = ("analysis.json", "design.json", "study.json", "flow.json", "photographs.csv")
    data = "".join((tmp_path / "export" / name).read_text() for name in files)
    measure = json.loads((tmp_path / "export" / "analysis.json").read_text())["rectified_error"]
    rounded = {f"{measure[name]:.4f}" for name in ("estimate", "low", "high")}
    text = written(tmp_path / "export", "methods.md")
    # Citations and names of methods have the year and number of their source.
    text = re.sub(r"\[@\w+\]", "", text)
    text = re.sub(r"\([A-Z][^()]*(?:\d{4}|arXiv[^()]*)\)", "", text)
    for number in re.findall(r"\d[\d.]*\d|\d", text):
        percent = str(float(number) / 100) if re.fullmatch(r"\d+(\.\d+)?", number) else number
        assert number in data or number in rounded or percent in data or f"{percent}"[:6] in data, number


def test_the_three_files_belong_together(tmp_path):
    study = answered_study()
    export.write(study, tmp_path / "export")
    tex, cited = written(tmp_path / "export", "methods.tex"), written(tmp_path / "export", "references.bib")
    markdown = written(tmp_path / "export", "methods.md")
    keys = set(re.findall(r"\\cite\{(\w+)\}", tex))
    assert keys == set(re.findall(r"\[@(\w+)\]", markdown)) == set(re.findall(r"^@\w+\{(\w+),", cited, re.MULTILINE))
    assert "quorum" in keys
    assert tex.count("\\paragraph{") == markdown.count("## ")


@pytest.mark.parametrize("key", ["adversarial_trials", "simulatability", "preference"])
def test_other_protocols_tell_conditions_and_tests(key, tmp_path):
    study = made_up_study(key)
    lifecycle.open_study(study, anyway=True)
    export.write(simulated_rows(study), tmp_path / "export")
    text = written(tmp_path / "export", "methods.md")
    assert protocols.get(key).description.rstrip(".")[:40] in text.replace("\\", "")
    assert ("[@holm1979]" in text) == bool(study.frozen["analysis"]["contrasts"])


def test_a_title_or_name_with_signs_of_latex_stays_text():
    told = [paragraphs.Paragraph("A & B", ["The image set 100%_$ was used [[quorum]]."])]
    assert paragraphs.latex(told) == "\\paragraph{A \\& B} The image set 100\\%\\_\\$ was used \\cite{quorum}.\n"
    assert paragraphs.markdown(told) == "## A & B\n\nThe image set 100%\\_$ was used [@quorum].\n"


def test_a_study_without_answers_claims_none(tmp_path):
    study = answered_study(close=False)
    study.trials.update(counted=False, answered_at=None, answer="")
    export.write(Study.objects.get(pk=study.pk), tmp_path / "export")
    assert "0 of 60 wanted answers counted." in written(tmp_path / "export", "methods.md")

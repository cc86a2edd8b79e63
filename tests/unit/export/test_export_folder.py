"""The export: a folder from which a stranger gets the same result."""

import ast
import codecs
import csv
import filecmp
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from studies.export import checksums, data_dictionary, export, file_formats, psych_ds, recompute
from studies.lib import csv_files
from studies.lib.canonical_json import digest
from studies.models import Stimulus, Trial
from studies.protocols import Table
from studies.results import figures
from tests.factories import answered_study, open_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def drawn():
    """For tests that are about the figures too."""


@pytest.fixture(autouse=True)
def figures_are_drawn_only_where_they_matter(request, monkeypatch):
    """Drawing takes most of the time of an export; figures have tests of their own."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")


@pytest.fixture
def exported(tmp_path):
    study = answered_study()
    export.write(study, tmp_path / "export")
    return study, tmp_path / "export"


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def analysis(folder: Path) -> dict:
    return json.loads((folder / "analysis.json").read_text())


def change_one_answer(folder: Path, place: int) -> None:
    lines = (folder / "answers.csv").read_text().splitlines(keepends=True)
    old = lines[1 + place]
    lines[1 + place] = old.replace(",yes,", ",no,") if ",yes," in old else old.replace(",no,", ",yes,")
    assert lines[1 + place] != old
    (folder / "answers.csv").write_text("".join(lines))


# --- computing it again -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_rectified_error_follows_exactly_from_the_exported_answers_alone(seed, tmp_path):
    study, folder = answered_study(seed=seed), tmp_path / "export"
    export.write(study, folder)
    yes: dict[str, list[bool]] = {}
    for row in read(folder, "answers.csv"):
        if row["counted"] == "1":
            yes.setdefault(row["stimulus"], []).append(row["answer"] == "yes")
    assert {len(panel) for panel in yes.values()} == {5}
    accepted = sum(sum(panel) >= study.design["threshold"] for panel in yes.values())
    error = study.preparation["errors"] / study.preparation["images"]
    assert analysis(folder)["rectified_error"]["estimate"] == error * (1 - accepted / len(yes))


def test_the_exports_own_program_agrees_to_the_last_digit_anywhere(exported, tmp_path):
    _study, folder = exported
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "recompute.py")], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "agrees with analysis.json to the last digit" in done.stdout
    assert analysis(folder)["rectified_error"]["low"] is not None


def test_the_exports_own_program_needs_only_three_libraries():
    tree = ast.parse(export.RECOMPUTE.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"numpy", "scipy", "pandas"}


def test_the_exports_own_program_ends_with_status_1_when_one_answer_was_changed(exported):
    _study, folder = exported
    change_one_answer(folder, 0)
    done = subprocess.run([sys.executable, str(folder / "recompute.py")], capture_output=True, text=True)
    assert done.returncode == 1
    assert "DIFFERS" in done.stdout


@pytest.mark.parametrize("place", [7, 30, 59])
def test_whichever_answer_was_changed_is_noticed(place, exported, capsys):
    _study, folder = exported
    assert recompute.main(folder) == 0
    change_one_answer(folder, place)
    assert recompute.main(folder) == 1


@pytest.mark.parametrize("quantity", ["estimate", "low", "high", "standard_error"])
def test_a_changed_result_is_noticed(quantity, exported, capsys):
    _study, folder = exported
    content = analysis(folder)
    content["rectified_error"][quantity] += 1e-9
    (folder / "analysis.json").write_text(json.dumps(content))
    assert recompute.main(folder) == 1
    assert f"rectified_error.{quantity}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("n_stimuli", "panel", "people", "threshold"), [(40, 5, 17, 1), (40, 5, 17, 5), (30, 3, 12, 2), (25, 7, 31, 4)]
)
def test_the_exports_own_program_agrees_for_other_panels_and_thresholds(
    n_stimuli, panel, people, threshold, tmp_path, capsys
):
    study = answered_study(n_stimuli, panel, people, threshold=threshold, close=False)
    # Uneven: some panels are incomplete, and one participant has nothing left that counts.
    gone = Trial.objects.filter(study=study, participant=study.participants.first())
    gone.update(counted=False, exclusion="late")
    export.write(study, tmp_path / "export")
    assert recompute.main(tmp_path / "export") == 0
    assert "to the last digit" in capsys.readouterr().out


# --- the folder -------------------------------------------------------------------------------------------------------


def test_exported_twice_only_the_time_stamp_differs(drawn, exported, tmp_path):
    study, folder = exported
    assert "<path" in (folder / "figures" / "positive_answers.svg").read_text()
    export.write(study, tmp_path / "again")
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    again = sorted(str(p.relative_to(tmp_path / "again")) for p in (tmp_path / "again").rglob("*") if p.is_file())
    assert names == again
    _same, different, errors = filecmp.cmpfiles(folder, tmp_path / "again", names, shallow=False)
    assert set(different) <= {psych_ds.NAME, checksums.NAME}
    assert errors == []
    before, after = (json.loads((place / psych_ds.NAME).read_text()) for place in (folder, tmp_path / "again"))
    assert before | {"dateCreated": after["dateCreated"]} == after


def test_an_export_may_be_written_again_but_nothing_else_is_overwritten(exported, tmp_path):
    study, folder = exported
    export.write(study, folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / psych_ds.NAME).write_text('{"name": "somebody else\'s"}')
    export.write(answered_study(slug="other"), tmp_path / "other")
    (tmp_path / "file").write_text("")
    for place, said in {
        "mine": "mine: not empty, and no earlier export",
        "dataset": "dataset: not empty, and no earlier export",
        "other": "other: the export of another study, other",
        "file": "file: not a folder",
    }.items():
        with pytest.raises(CommandError, match=f"{said}$"):
            call_command("export_study", study.slug, str(tmp_path / place))
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_what_somebody_added_to_an_export_is_never_lost(exported):
    study, folder = exported
    (folder / "notebook.ipynb").write_text("{}")
    with pytest.raises(CommandError, match=r"holds notebook\.ipynb, which is not from an export"):
        call_command("export_study", study.slug, str(folder))
    assert (folder / "notebook.ipynb").exists()


def test_an_export_that_fails_half_way_leaves_the_earlier_one_as_it_was(exported, tmp_path, monkeypatch):
    study, folder = exported
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figures, "svg", full)
    with pytest.raises(CommandError, match=r"No space left on device$"):
        call_command("export_study", study.slug, str(folder))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_the_download_holds_the_same_files(exported):
    study, folder = exported
    with zipfile.ZipFile(io.BytesIO(export.zipped(study))) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    expected = {f"{study.slug}/{path.relative_to(folder)}": path for path in folder.rglob("*") if path.is_file()}
    assert set(content) == set(expected)
    different = {n for n, path in expected.items() if content[n] != path.read_bytes()}
    assert different <= {f"{study.slug}/{psych_ds.NAME}", f"{study.slug}/{checksums.NAME}"}


# --- what is in the files ---------------------------------------------------------------------------------------------


def test_each_row_is_one_trial(exported):
    study, folder = exported
    trials = Trial.objects.filter(study=study).select_related("stimulus__condition", "participant").order_by("pk")
    for row, trial in zip(read(folder, "answers.csv"), trials, strict=True):
        assert row["study"] == study.slug
        assert row["condition"] == trial.stimulus.condition.key
        assert row["stimulus"] == str(trial.stimulus.number)
        assert row["image"] == trial.stimulus.truth["image"]
        assert row["label"] == trial.stimulus.truth["label"]
        assert row["participant"] == str(trial.participant.public_id)
        assert row["position"] == str(trial.position)
        assert row["answer"] == trial.answer
        assert row["response_ms"] == str(trial.response_ms)
        assert row["server_ms"] == str(trial.response_ms + 120)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["presented_at"])


def test_parquet_and_csv_hold_the_same_answers(exported):
    _study, folder = exported
    rows = pd.read_parquet(folder / "answers.parquet")
    text = pd.read_csv(folder / "answers.csv", keep_default_na=False, parse_dates=["presented_at", "answered_at"])
    assert list(rows.columns) == list(text.columns) == list(data_dictionary.ANSWERS)
    assert str(rows["presented_at"].dtype) == "datetime64[ms, UTC]"
    for column in rows.columns:
        there = text[column] != ""
        assert (rows[column].notna() & (rows[column] != "")).tolist() == there.tolist(), column
        assert rows[column][there].tolist() == text[column][there].tolist(), column


def test_a_stranger_can_check_the_hashes(exported):
    study, folder = exported
    rows = read(folder, "stimuli.csv")
    for row in rows:
        content = {"condition": row["condition"], "shown": json.loads(row["shown"]), "truth": json.loads(row["truth"])}
        assert digest(content) == row["digest"]
        assert row["true_label"] == content["truth"]["true_label"]
    design = json.loads((folder / "design.json").read_text())
    assert digest(design["frozen"]) == design["sha256"] == study.design_sha256 == analysis(folder)["design_sha256"]
    assert digest([row["digest"] for row in rows]) == design["frozen"]["stimuli_sha256"]


def test_participants_are_random_identifiers_only(exported):
    study, folder = exported
    rows = read(folder, "participants.csv")
    assert {row["participant"] for row in rows} == set(map(str, study.participants.values_list("public_id", flat=True)))
    assert sum(int(row["counted"]) for row in rows) == 60
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file()).decode("utf-8", "replace")
    for person in study.participants.all():
        assert person.token_sha256 not in everything
        assert person.completion_code not in everything


def test_cells_that_a_spreadsheet_would_run_are_escaped_in_csv_only(tmp_path, capsys):
    study = answered_study()
    nasty = {"image": '=HYPERLINK("x"),"ü"\n;', "label": "@grüße, 你好", "true_label": "NA"}
    stimulus = Stimulus.objects.filter(study=study).first()
    Stimulus.objects.filter(pk=stimulus.pk).update(truth=stimulus.truth | nasty)
    export.write(study, tmp_path / "export")
    row = read(tmp_path / "export", "stimuli.csv")[0]
    assert [row["image"], row["label"], row["true_label"]] == ["'" + nasty["image"], "'" + nasty["label"], "NA"]
    assert json.loads(row["truth"]) == stimulus.truth | nasty
    rows = pd.read_parquet(tmp_path / "export" / "answers.parquet")
    assert set(rows.loc[rows["stimulus"] == stimulus.number, "image"]) == {nasty["image"]}
    assert set(rows.loc[rows["stimulus"] == stimulus.number, "label"]) == {nasty["label"]}
    # Every figure is found again; that the stimulus is not the one that was frozen is noticed.
    assert recompute.main(tmp_path / "export") == 1
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("differs: ")]
    assert said == [f"differs: stimuli.csv stimulus {stimulus.number}"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\tx", "\rx", "\nx"])
def test_every_way_to_begin_a_formula_is_escaped(text):
    assert csv_files.cell(text) == "'" + text
    for guarded in (text, "'" + text, "''" + text):
        assert csv_files.uncell(csv_files.cell(guarded)) == guarded


@pytest.mark.parametrize("value", ["a=b", "", -1, -0.5, None, "’tis", "'tis", "''"])
def test_everything_else_is_left_alone(value):
    assert csv_files.cell(value) == value
    assert not isinstance(value, str) or csv_files.uncell(value) == value


def test_spreadsheets_open_every_table_as_utf_8(exported):
    _study, folder = exported
    tables = list(folder.rglob("*.csv"))
    assert len(tables) > 8
    assert [path for path in tables if not path.read_bytes().startswith(codecs.BOM_UTF8)] == []


def test_latex_takes_every_character():
    table = Table("", ["", "100 % & $_#{}~^\\"], [["R × 2", None], ["a<b", 0.5]])
    assert file_formats.latex(table).splitlines()[2:] == [
        r" & 100 \% \& \$\_\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{} \\",
        r"\midrule",
        r"R $\times$ 2 &  \\",
        r"a\textless{}b & 0.5 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


# --- unusual studies --------------------------------------------------------------------------------------------------


def test_late_answers_are_exported_and_do_not_count(tmp_path, capsys):
    study = answered_study(close=False)
    trial = Trial.objects.filter(study=study).first()
    Trial.objects.filter(pk=trial.pk).update(counted=False, exclusion="late")
    export.write(study, tmp_path / "export")
    row = read(tmp_path / "export", "answers.csv")[0]
    assert (row["counted"], row["exclusion"], row["answer"] != "") == ("0", "late", True)
    found = analysis(tmp_path / "export")
    assert found["accepted_share"]["denominator"] == 11
    assert (found["state"], found["interim"], found["closed_at"]) == ("open", True, None)
    assert json.loads((tmp_path / "export" / "flow.json").read_text())["answers"]["excluded"] == {"late": 1}
    flow = json.loads((tmp_path / "export" / "flow.json").read_text())
    assert flow["by_rule"] == {"late": {"answers": 1, "participants": 1, "stimuli": 1}}
    assert recompute.main(tmp_path / "export") == 0


def test_what_was_shown_and_not_answered_is_a_row_without_an_answer(tmp_path, capsys):
    study = answered_study(close=False)
    trial = Trial.objects.filter(study=study).first()
    Trial.objects.filter(pk=trial.pk).update(counted=False, answered_at=None, answer="", response_ms=None)
    export.write(study, tmp_path / "export")
    row = read(tmp_path / "export", "answers.csv")[0]
    assert [row[name] for name in ("answer", "counted", "answered_at", "response_ms", "server_ms")] == [
        "",
        "0",
        "",
        "",
        "",
    ]
    assert pd.read_parquet(tmp_path / "export" / "answers.parquet")["server_ms"].isna().sum() == 1
    assert recompute.main(tmp_path / "export") == 0


def test_a_study_without_answers_has_counts_and_says_why_there_is_no_result(tmp_path, capsys):
    export.write(open_study(), tmp_path / "export")
    found = analysis(tmp_path / "export")
    assert found["rectified_error"]["estimate"] is None
    assert found["rectified_error"]["reason"] == "no answer counts yet"
    assert found["counts"]["panels"] == {"full": 0, "partly": 0, "empty": 3}
    assert list(pd.read_parquet(tmp_path / "export" / "answers.parquet").columns) == list(data_dictionary.ANSWERS)
    assert recompute.main(tmp_path / "export") == 0


def test_without_one_complete_panel_there_is_no_result_and_the_reason(tmp_path, capsys):
    study = answered_study()
    first = [study.trials.filter(stimulus=stimulus).first().pk for stimulus in study.stimuli.all()]
    study.trials.filter(pk__in=first).update(counted=False, exclusion="late")
    export.write(study, tmp_path / "export")
    found = analysis(tmp_path / "export")
    for name in ("accepted_share", "rectified_error"):
        assert (found[name]["estimate"], found[name]["reason"]) == (None, "no panel is complete")
    assert found["headline"] == "The top-1 error is 25.00%; it cannot be rectified yet: no panel is complete."
    assert recompute.main(tmp_path / "export") == 0


def test_few_participants_give_an_estimate_and_no_interval(tmp_path, capsys):
    export.write(answered_study(people=5), tmp_path / "export")
    found = analysis(tmp_path / "export")["rectified_error"]
    assert found["estimate"] is not None
    assert found["low"] is None
    assert "effective participants" in found["reason"]
    assert recompute.main(tmp_path / "export") == 0


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_unanimous_answers_are_no_error(answer, tmp_path, capsys):
    study = answered_study()
    Trial.objects.filter(study=study).update(answer=answer)
    export.write(study, tmp_path / "export")
    error = study.preparation["errors"] / study.preparation["images"]
    assert analysis(tmp_path / "export")["rectified_error"]["estimate"] == (0 if answer == "yes" else error)
    assert recompute.main(tmp_path / "export") == 0

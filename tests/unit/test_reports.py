"""What an analyst gets: a result, and a folder from which a stranger gets the same result."""

import csv
import filecmp
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from studies import lifecycle, participation
from studies.models import Stimulus, Trial
from studies.reports import export, figures, psychds, tables
from studies.reports.results import result
from tests.factories import open_study

pytestmark = pytest.mark.django_db


def answered(n_stimuli: int = 12, panel: int = 5, people: int = 15, *, close: bool = True, seed: int = 0, **design):
    """A study in which people with a mind of their own have answered."""
    study = open_study(n_stimuli, panel, **design)
    random = np.random.default_rng(seed)
    share = n_stimuli * panel // people
    type(study).objects.filter(pk=study.pk).update(design=study.design | {"trials_per_participant": share})
    relevant = {pk: random.random() for pk in study.stimuli.values_list("pk", flat=True)}
    for _ in range(people):
        person, _token = participation.enrol(study, consent=participation.current_consent(study))
        participation.start(person)
        while trial := participation.current_trial(person):
            value = "yes" if random.random() < relevant[trial.stimulus_id] else "no"
            participation.answer(person, trial.pk, value, response_ms=int(random.integers(400, 4000)))
    if close:
        lifecycle.close_study(study)
    study.refresh_from_db()
    return study


@pytest.fixture
def exported(tmp_path):
    study = answered()
    export.write(study, tmp_path / "export")
    return study, tmp_path / "export"


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def analysis(folder: Path) -> dict:
    return json.loads((folder / "analysis.json").read_text())


def recompute(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(folder / "recompute.py")], capture_output=True, text=True)


def test_the_rectified_error_follows_exactly_from_the_exported_answers_alone(exported):
    study, folder = exported
    yes: dict[str, list[bool]] = {}
    for row in read(folder, "answers.csv"):
        if row["counted"] == "1":
            yes.setdefault(row["stimulus"], []).append(row["answer"] == "yes")
    assert {len(panel) for panel in yes.values()} == {5}
    accepted = sum(sum(panel) >= study.design["threshold"] for panel in yes.values())
    error = study.preparation["errors"] / study.preparation["images"]
    assert analysis(folder)["rectified_error"]["estimate"] == error * (1 - accepted / len(yes))


def test_the_exports_own_program_agrees(exported):
    _study, folder = exported
    done = recompute(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "agrees with analysis.json" in done.stdout
    assert analysis(folder)["rectified_error"]["low"] is not None


def test_the_exports_own_program_notices_one_changed_panel(exported):
    study, folder = exported
    lines = (folder / "answers.csv").read_text().splitlines()
    rows = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    yes = {row["stimulus"]: 0 for row in rows}
    for row in rows:
        yes[row["stimulus"]] += row["answer"] == "yes"
    edge = next(s for s, n in yes.items() if n == study.design["threshold"])
    place = next(i for i, row in enumerate(rows) if row["stimulus"] == edge and row["answer"] == "yes")
    lines[place + 1] = lines[place + 1].replace(",yes,", ",no,")
    (folder / "answers.csv").write_text("\n".join(lines) + "\n")
    done = recompute(folder)
    assert done.returncode == 1
    assert "DIFFERS" in done.stdout


def test_exported_twice_only_the_time_stamp_differs(exported, tmp_path):
    study, folder = exported
    export.write(study, tmp_path / "again")
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert names == sorted(
        str(p.relative_to(tmp_path / "again")) for p in (tmp_path / "again").rglob("*") if p.is_file()
    )
    _same, different, errors = filecmp.cmpfiles(folder, tmp_path / "again", names, shallow=False)
    assert set(different) <= {"dataset_description.json"}
    assert errors == []


def test_an_export_may_be_written_again_but_nothing_else_is_overwritten(exported, tmp_path):
    study, folder = exported
    export.write(study, folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("")
    for place, said in (("mine", "not empty, and no earlier export"), ("file", "not a folder")):
        with pytest.raises(CommandError, match=said):
            call_command("export_study", study.slug, str(tmp_path / place))
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_parquet_and_csv_hold_the_same_answers(exported):
    _study, folder = exported
    rows = pd.read_parquet(folder / "answers.parquet")
    text = pd.read_csv(folder / "answers.csv", keep_default_na=False)
    assert list(rows.columns) == list(text.columns) == list(tables.ANSWERS)
    for column in ("participant", "answer", "image", "counted", "presented_at"):
        assert rows[column].tolist() == text[column].tolist()


def test_cells_that_a_spreadsheet_would_run_are_escaped_in_csv_only(tmp_path):
    study = answered(close=False)
    stimulus = Stimulus.objects.filter(study=study).first()
    Stimulus.objects.filter(pk=stimulus.pk).update(
        truth=stimulus.truth | {"image": '=HYPERLINK("x"),"ü"', "label": "@a"}
    )
    export.write(study, tmp_path / "export")
    row = next(r for r in read(tmp_path / "export", "stimuli.csv") if r["stimulus"] == str(stimulus.number))
    assert (row["image"], row["label"]) == ("'" + '=HYPERLINK("x"),"ü"', "'@a")
    rows = pd.read_parquet(tmp_path / "export" / "answers.parquet")
    assert '=HYPERLINK("x"),"ü"' in set(rows["image"])


def test_every_exported_column_and_file_is_described(exported):
    _study, folder = exported
    described = {v["name"] for v in json.loads((folder / "dataset_description.json").read_text())["variableMeasured"]}
    for name in ("answers.csv", "stimuli.csv", "participants.csv"):
        assert set(read(folder, name)[0]) <= described
    top = {path.name + ("/" if path.is_dir() else "") for path in folder.iterdir()}
    assert top - {"README.md"} == set(psychds.FILES)
    page = (Path(__file__).parents[2] / "docs" / "reference" / "export.md").read_text()
    for table in (tables.ANSWERS, tables.STIMULI, tables.PARTICIPANTS):
        assert all(f"| `{name}` | {text} |" in page for name, text in table.items())
    assert all(f"`{name}`" in page for name in psychds.FILES)


def test_late_answers_are_exported_and_do_not_count(tmp_path):
    study = answered(close=False)
    trial = Trial.objects.filter(study=study).first()
    Trial.objects.filter(pk=trial.pk).update(counted=False, exclusion="late")
    export.write(study, tmp_path / "export")
    row = read(tmp_path / "export", "answers.csv")[0]
    assert (row["counted"], row["exclusion"], row["answer"] != "") == ("0", "late", True)
    found = analysis(tmp_path / "export")
    assert found["accepted_share"]["denominator"] == 11
    assert found["interim"]
    assert recompute(tmp_path / "export").returncode == 0


def test_a_study_without_answers_has_counts_and_says_why_there_is_no_result(tmp_path):
    study = open_study()
    export.write(study, tmp_path / "export")
    found = analysis(tmp_path / "export")
    assert found["rectified_error"]["estimate"] is None
    assert found["rectified_error"]["reason"] == "no answer counts yet"
    assert found["counts"]["panels"] == {"full": 0, "partly": 0, "empty": 3}
    assert recompute(tmp_path / "export").returncode == 0


def test_few_participants_give_an_estimate_and_no_interval(tmp_path):
    export.write(answered(people=5), tmp_path / "export")
    found = analysis(tmp_path / "export")["rectified_error"]
    assert found["estimate"] is not None
    assert found["low"] is None
    assert "effective participants" in found["reason"]
    assert recompute(tmp_path / "export").returncode == 0


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_unanimous_answers_are_no_error(answer, tmp_path):
    study = answered()
    Trial.objects.filter(study=study).update(answer=answer)
    export.write(study, tmp_path / "export")
    error = study.preparation["errors"] / study.preparation["images"]
    assert analysis(tmp_path / "export")["rectified_error"]["estimate"] == (0 if answer == "yes" else error)
    assert recompute(tmp_path / "export").returncode == 0


def test_while_a_study_is_open_no_outcome_is_told():
    study = answered(close=False)
    assert result(study).summary is None
    assert result(study).counts["counted_answers"] == 60
    lifecycle.close_study(study)
    assert result(study).summary.headline.startswith("At least 4 of 5 people accept")


def test_an_interim_analysis_says_that_it_is_one(capsys):
    study = answered(close=False)
    call_command("analyse", study.slug)
    captured = capsys.readouterr()
    assert "an interim look" in captured.err
    assert captured.out.startswith("At least 4 of 5")


def test_the_analysis_is_written_as_json(tmp_path):
    study = answered()
    call_command("analyse", study.slug, json=tmp_path / "analysis.json")
    found = json.loads((tmp_path / "analysis.json").read_text())
    assert found["design_sha256"] == study.design_sha256
    assert sum(found["histogram"]) == 12
    with pytest.raises(CommandError, match="No such file"):
        call_command("analyse", study.slug, json=tmp_path / "nowhere" / "analysis.json")


def test_figures_are_drawn_to_the_byte_and_have_their_table():
    for figure in result(answered()).summary.figures:
        drawn = figures.svg(figure)
        assert drawn == figures.svg(figure)
        assert "<title>" in drawn
        assert "currentColor" in drawn
        assert len(figures.table(figure).rows) == sum(len(series["x"]) for series in figure.series)

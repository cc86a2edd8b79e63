"""The result of a study, on the page and on the command line."""

import json
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from studies import lifecycle
from studies.models import Trial
from studies.results.result import result
from tests.factories import answered_study, make_study, open_study

pytestmark = pytest.mark.django_db


def rows(summary, title):
    return {row[0]: row[1:] for row in next(table for table in summary.tables if table.title == title).rows}


def test_while_a_study_is_open_no_outcome_is_told():
    study = answered_study(close=False)
    found = result(study)
    assert found.summary is None
    assert found.counts["counted_answers"] == 60
    assert not {"yes", "no", "yes_share", "histogram"} & set(found.counts)
    lifecycle.close_study(study)
    assert result(study).summary.headline.startswith("At least 4 of 5 people accept")


def test_an_interim_analysis_says_that_it_is_one_and_is_logged(capsys, caplog):
    study = answered_study(close=False)
    call_command("analyse", study.slug)
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        f"{study.slug} is open: an interim look. Stopping at a look one likes misleads."
    ]
    assert captured.out.startswith("Exploratory (1 interim look not registered). At least 4 of 5")
    assert f"interim look at the outcomes of {study.slug} after 60 answers" in caplog.text


def test_a_closed_study_is_analysed_without_a_warning(capsys, caplog):
    call_command("analyse", answered_study().slug)
    assert capsys.readouterr().err == ""
    assert "interim" not in caplog.text


@pytest.mark.parametrize("command", [["analyse"], ["export_study", "folder"]])
def test_before_a_study_was_opened_there_is_nothing_to_tell(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, *rest = command
    with pytest.raises(CommandError, match=r"is ready: there is nothing to .* before it was opened$"):
        call_command(name, make_study().slug, *rest)
    assert list(tmp_path.iterdir()) == []


def test_the_headline_names_the_error_before_and_after_with_its_interval():
    study = answered_study(40, 5, 20)
    summary = result(study).summary
    measures = summary.measures
    share, new = (100 * measures[name]["estimate"] for name in ("accepted_share", "rectified_error"))
    counted = "{numerator} of {denominator}".format(**measures["accepted_share"])
    low, high = (100 * measures["rectified_error"][end] for end in ("low", "high"))
    assert summary.headline == (
        f"At least 4 of 5 people accept {share:.2f}% ({counted}) of the errors: "
        f"the top-1 error of 25.00% becomes {new:.2f}% "
        f"(95% interval {low:.2f}% to {high:.2f}%, for this image set)."
    )
    assert low < new < high < 25


def test_the_tables_say_what_the_result_rests_on():
    study = answered_study(close=False)
    Trial.objects.filter(pk=study.trials.first().pk).update(counted=False, exclusion="late")
    lifecycle.close_study(study)
    summary = result(study).summary
    basis = rows(summary, "What the result rests on")
    assert [basis[name] for name in ("Images", "Misclassified images", "Stimuli shown")] == [[48], [12], [12]]
    assert [basis["Panels with 5 answers"], basis["Panels with fewer, left out"]] == [[11], [1]]
    assert [basis["Answers counted"], basis["Participants"]] == [[59], [15]]
    assert summary.measures["rectified_error"]["notes"]
    assert "1 panels have fewer" in summary.tables[0].note
    flow = rows(summary, "What became of the answers")
    assert [flow["… of these answered"], flow["… of these not counted: late"]] == [[60], [1]]


def test_every_statistic_of_agreement_stands_with_both_intervals():
    agreement = rows(result(answered_study(40, 5, 20)).summary, "Agreement within panels")
    assert list(agreement) == ["Raw agreement", "Fleiss’ kappa", "Krippendorff’s alpha", "Gwet’s AC1"]
    for value, two_way, bootstrap in agreement.values():
        for interval in (two_way, bootstrap):
            low, high = map(float, interval.split(" to "))
            assert low < float(value) < high


def test_times_come_from_the_server_where_the_page_did_not_measure_them():
    study = answered_study()
    with_page = result(study).summary
    assert with_page.measures["response_times"]["server"]["median"] == pytest.approx(
        with_page.measures["response_times"]["page"]["median"] + 0.12
    )
    Trial.objects.filter(study=study).update(response_ms=None)
    without = result(study)
    assert without.counts["median_response_ms"] is None
    assert without.summary.measures["response_times"]["page"]["median"] is None
    figure = next(figure for figure in without.summary.figures if figure.name == "response_times")
    assert "from the page sent to the answer received" in figure.note


def test_a_closed_study_without_answers_has_a_result_that_says_so():
    study = open_study()
    lifecycle.close_study(study)
    summary = result(study).summary
    assert summary.headline == "No answer counts yet."
    assert summary.figures == []


def test_the_analysis_is_written_as_json(tmp_path, capsys):
    study = answered_study()
    call_command("analyse", study.slug, json=tmp_path / "analysis.json")
    found = json.loads((tmp_path / "analysis.json").read_text())
    assert found["design_sha256"] == study.design_sha256
    assert sum(found["histogram"]) == 12
    capsys.readouterr()
    call_command("analyse", study.slug, "--json", "-")
    assert json.loads(capsys.readouterr().out) == found
    with pytest.raises(CommandError, match="No such file"):
        call_command("analyse", study.slug, json=tmp_path / "nowhere" / "analysis.json")


def test_pages_load_neither_pandas_nor_matplotlib():
    check = (
        "import django, sys; django.setup(); import config.urls, studies.export.export; "
        "print([name for name in ('pandas', 'matplotlib', 'pyarrow', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", check],
        capture_output=True,
        text=True,
        env={"DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": "/tmp", "PATH": ""},
    )
    assert done.stdout.strip() == "[]", done.stderr

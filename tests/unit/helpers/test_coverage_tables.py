"""The coverage benchmark's counts, its resumption, and the tables that are made of them."""

import json

import pytest

from benchmarks.coverage import CASES, PARTS, simulate
from benchmarks.coverage_tables import BEGIN, END, fails, main

FEW = CASES[:2]


def test_a_run_that_was_stopped_goes_on_and_counts_what_a_whole_one_counts(tmp_path):
    whole = simulate(["accepted"], 4, 3, cases=FEW, size=2)
    file = tmp_path / "counts.json"
    simulate(["accepted"], 2, 3, file, cases=FEW, size=2)
    again = simulate(["accepted"], 4, 3, file, cases=FEW, size=2)
    assert json.loads(json.dumps(whole)) == json.loads(file.read_text()) == json.loads(json.dumps(again))
    assert again["counts"]["accepted"][FEW[0].name]["pivotal"][1] == 4


def test_a_file_of_another_run_is_not_gone_on_with(tmp_path):
    file = tmp_path / "counts.json"
    simulate(["accepted"], 2, 3, file, cases=FEW, size=2)
    with pytest.raises(ValueError, match="is of another run"):
        simulate(["accepted"], 4, 4, file, cases=FEW, size=2)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_counts_its_estimators_in_every_scenario(part):
    found = simulate([part], 1, 0, cases=FEW, size=1)["counts"][part]
    assert set(found) == {case.name for case in FEW}
    assert all(0 <= happened <= possible or name == "effective participants" for row in found.values()
               for name, (happened, possible) in row.items())  # fmt: skip


def test_a_rate_fails_by_two_points_and_two_errors_below_what_an_interval_means_and_above_what_a_test_does():
    assert fails("pivotal", 920, 1000)
    assert not fails("pivotal", 940, 1000)
    # Two points below, but of so few that chance does it.
    assert not fails("pivotal", 92, 100)
    assert fails("null, yes: jackknife", 80, 1000)
    assert not fails("null, yes: jackknife", 30, 1000)
    assert not fails("0 or all, bound missed", 10, 1000)


@pytest.fixture
def counts(tmp_path):
    rows = {"easy": {"effective participants": [950.0, 10], "pivotal": [950, 1000]}, "hard": {"pivotal": [900, 1000]}}
    state = {"benchmark": "coverage", "seed": 0, "round": 25, "rounds": {"accepted": 40}, "counts": {"accepted": rows}}
    file = tmp_path / "counts.json"
    file.write_text(json.dumps(state))
    return file


def test_tables_say_how_many_replicates_and_where_an_estimator_fails(counts, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nan earlier table\n{END}\nafter\n")
    told = main(counts, page)
    assert told.startswith("1,000 replicates of each of 2 scenarios, seed 0.")
    assert "| accepted | pivotal | 90.0 | 95.0 | 92.5 | hard (90.0) |" in told
    assert "| easy | 95.0 | 95.0 |" in told
    assert "| hard | – | **90.0** |" in told
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "an earlier table" not in text
    assert told in text


@pytest.mark.parametrize(("text", "said"), [("{}", "holds no counts"), ("{", "Expecting"), ("[]", "holds no counts")])
def test_a_file_without_counts_is_refused(tmp_path, text, said):
    file = tmp_path / "counts.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=said):
        main(file, None)


def test_a_page_without_marks_is_left_as_it_is(counts, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="has no place for tables"):
        main(counts, page)
    assert page.read_text() == "no marks"

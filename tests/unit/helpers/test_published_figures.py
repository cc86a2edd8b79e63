"""The comparison of what commands compute with what stands in print."""

import json

import pytest

from benchmarks.published_figures import compare, in_print, table

EXPECTED = {
    "bluebirds": {
        "figures": {"majority: error, %": {"printed": "24.07"}, "Dawid-Skene: error, %": {"printed": "10.19"}}
    },
    "generalisation-humans": {
        "figures": {
            "noise-experiment, 0.10: share of right answers": {"printed": "0.0833333333333333"},
            "trials": {"printed": "1,280"},
        }
    },
    "label-errors": {
        "one": {"figures": {"errors": {"printed": "54"}, "people": {"value": 3, "printed": None}}},
        "audioset": {"figures": {"errors": {"printed": "5"}}},
    },
}


@pytest.fixture
def work(tmp_path):
    reports = {
        "bluebirds": {"against_truth": {"majority": {"error": 26 / 108}, "dawid_skene": {"error": 12 / 108}}},
        "noise-experiment": {"answers": 1280, "conditions": {"0.10": {"estimate": 1 / 12}}},
        "label-errors-one": {"stimuli": 275, "errors": {"stimuli": 54, "by": {}, "by_none": 32, "by_several": 0}},
    }
    for name, report in reports.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
    return tmp_path


def test_figures_without_a_print_are_left_out_at_any_depth():
    assert [figure for _, figure, _ in in_print(EXPECTED)].count("people") == 0
    assert ("label-errors/one", "errors", "54") in set(in_print(EXPECTED))


def test_figures_are_compared_in_their_printed_digits_and_what_is_missing_has_its_reason(work):
    found = {(row.group, row.figure): row for row in compare(EXPECTED, work)}
    assert found["bluebirds", "majority: error, %"].agrees
    # 12 of 108 is 11.11.
    assert not found["bluebirds", "Dawid-Skene: error, %"].agrees
    assert found["generalisation-humans", "noise-experiment, 0.10: share of right answers"].agrees
    assert found["generalisation-humans", "trials"].agrees
    assert found["label-errors/one", "errors"].agrees
    missing = found["label-errors/audioset", "errors"]
    assert missing.value is None
    assert "several labels" in missing.reason


def test_the_table_counts_what_comes_out_and_names_the_rest(work):
    told = table(compare(EXPECTED, work))
    assert "| bluebirds | 2 | 1 | Dawid-Skene: error, %: 11.11 instead of 10.19 |" in told
    assert "| all | 6 | 4 | |" in told

"""Conditions side by side: forest, strata and the warning when they reverse."""

import pandas as pd
import pytest

from studies.planning.power import heat_maps
from studies.protocols.shared import condition_comparison
from studies.results import figures

PAIR = ("whole", "explanation")


def answers(counts: dict[tuple[str, str], tuple[int, int]]) -> pd.DataFrame:
    """Rows for (condition, class): (yes, answers)."""
    rows = [
        (condition, label, int(n < yes)) for (condition, label), (yes, total) in counts.items() for n in range(total)
    ]
    return pd.DataFrame(rows, columns=["condition", "label", "yes"])


#: Kidney stones (Charig et al. 1986): better within both strata, worse pooled.
REVERSED = {
    ("whole", "small"): (234, 270),
    ("whole", "large"): (55, 80),
    ("explanation", "small"): (81, 87),
    ("explanation", "large"): (192, 263),
}
ALIKE = {key: (50 if key[0] == "explanation" else 40, 100) for key in REVERSED}


def test_a_reversal_within_strata_is_warned_of():
    found = condition_comparison.strata(answers(REVERSED), "yes", "label", PAIR)
    assert found["pooled"]["difference"] < 0 < found["stratified"]
    (warning,) = condition_comparison.strata_warnings(found, "classes", "Explanations less whole images")
    assert "−4.57 points over all answers, but +5.37 points within classes" in warning
    (table,) = condition_comparison.strata_tables(found, "class", "Explanations less whole images", PAIR)
    assert table.exploratory
    assert table.note.endswith("have opposite signs.")
    assert [row[0] for row in table.rows] == ["large", "small", "All answers, pooled", "Mean of the differences within"]
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_where_the_signs_agree_there_is_no_warning():
    found = condition_comparison.strata(answers(ALIKE), "yes", "label", PAIR)
    assert condition_comparison.strata_warnings(found, "classes", "x") == []
    assert condition_comparison.strata_tables(found, "class", "x", PAIR)[0].note.endswith("The signs agree.")


def test_with_one_condition_there_is_nothing_to_stratify():
    alone = answers({key: value for key, value in REVERSED.items() if key[0] == "whole"})
    found = condition_comparison.strata(alone, "yes", "label", PAIR)
    assert found is None
    assert (
        condition_comparison.strata_tables(found, "class", "x", PAIR)
        == condition_comparison.strata_warnings(found, "class", "x")
        == []
    )


CONTRAST = {"estimate": 0.5, "low": 0.25, "high": 0.75, "null": 0.0}


@pytest.mark.parametrize(("ratios", "shown"), [(False, [50.0, 25.0, 75.0]), (True, [1.6487, 1.284, 2.117])])
def test_a_forest_draws_differences_in_points_and_log_odds_as_ratios(ratios, shown):
    undefined = {"estimate": None, "low": None, "high": None, "null": 0.0}
    (figure,) = condition_comparison.forest({"a less b": CONTRAST, "a less c": undefined}, "effect", ratios=ratios)
    series = figure.series[0]
    assert [series[end][0] for end in ("y", "low", "high")] == pytest.approx(shown, rel=1e-3)
    assert series["marked"] == (1.0 if ratios else 0.0)
    assert figures.table(figure).rows[1] == ["a less c", None, None, None]
    assert "<svg" in figures.svg(figure)
    assert condition_comparison.forest({"a less c": undefined}, "effect") == []


def test_shares_with_intervals_stand_in_percent_in_their_table():
    found = {"a": {"estimate": 0.25, "low": 0.125, "high": None}}
    figure = condition_comparison.figure("Right", "right in %", {"a": "A"}, found, 1 / 6)
    assert figures.table(figure).rows == [["A", 25.0, 12.5, None]]


def test_a_heat_map_has_a_cell_a_combination_and_one_without_a_value_where_there_is_none():
    rows = [
        {"stimuli": n, "participants": w, "panel": 5, "width": None if w == 3 else w / 100, "power": None}
        for n in (100, 200)
        for w in (3, 25, 100)
    ]
    (figure,) = heat_maps(rows)
    text = figures.svg(figure)
    assert text.count(">–<") == 2
    table = figures.table(figure)
    assert table.columns == ["participants", "stimuli", "in %"]
    assert [row[2] for row in table.rows] == [None, 25.0, 100.0] * 2

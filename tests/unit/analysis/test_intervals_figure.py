"""The figure of shares with intervals: drawn to the byte, with its table, also where something is missing."""

from studies.protocols.shared import condition_comparison
from studies.results import figures

WORDS = {"a": "With criticisms", "b": "Without", "c": "Nobody yet sure"}
FOUND = {
    "a": {"estimate": 0.61, "low": 0.5, "high": 0.7},
    "b": {"estimate": 0.4, "low": 0.3, "high": 0.52},
    "c": {"estimate": 0.25, "low": None, "high": None},
}


def test_points_intervals_and_chance_are_drawn_to_the_byte_and_told_in_a_table():
    figure = condition_comparison.figure("Right, by condition", "right in %", WORDS, FOUND, 1 / 6)
    drawn = figures.svg(figure)
    assert drawn == figures.svg(figure)
    assert all(words in drawn for words in (*WORDS.values(), "chance, 16.67%", "right in %"))
    assert figures.table(figure).rows == [
        ["With criticisms", 61.0, 50.0, 70.0],
        ["Without", 40.0, 30.0, 52.0],
        ["Nobody yet sure", 25.0, None, None],
    ]


def test_without_chance_there_is_no_line():
    assert "chance" not in figures.svg(condition_comparison.figure("Shares", "yes in %", WORDS, FOUND, None))

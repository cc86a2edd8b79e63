"""Figures: the same bytes from the same numbers, on light and dark pages, and for people who cannot see them."""

import re
from xml.etree import ElementTree

import pytest

from studies.protocols import Figure
from studies.results import figures
from studies.results.result import result
from tests.factories import answered_study

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def drawn(db):
    return [(figure, figures.svg(figure)) for figure in result(answered_study(40, 5, 20)).summary.figures]


def test_a_rectified_study_has_its_figures(drawn):
    names = [figure.name for figure, _ in drawn]
    assert names == ["positive_answers", "threshold_curve", "participants", "response_times"]


def test_figures_are_drawn_to_the_byte(drawn):
    for figure, text in drawn:
        assert text == figures.svg(figure)
        assert "dc:date" not in text


def test_figures_have_a_name_and_a_description(drawn):
    for figure, text in drawn:
        root = ElementTree.fromstring(text)
        title, note = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
        assert (title.text, note.text) == (figure.title, figure.note)
        assert (root.get("role"), root.get("aria-labelledby")) == ("img", title.get("id"))


def test_no_two_figures_of_a_page_share_a_name_inside(drawn):
    names = [name for _, text in drawn for name in re.findall(r' id="([^"]+)"', text)]
    assert len(names) == len(set(names))
    for _, text in drawn:
        used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text))
        assert {a or b for a, b in used} <= set(re.findall(r' id="([^"]+)"', text))


def test_figures_take_the_colour_of_the_page_and_are_black_on_paper(drawn):
    for _, text in drawn:
        assert "currentColor" in text
        assert figures.INK not in text
        assert "#ffffff" not in text
        assert "currentColor" not in figures.on_paper(text)


def test_every_number_drawn_is_in_the_table_beside_the_figure(drawn):
    for figure, _ in drawn:
        table = figures.table(figure)
        assert len(table.rows) == sum(len(series["x"]) for series in figure.series)
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_shares_stand_in_the_table_in_percent_as_they_are_drawn():
    curve = {"name": "R", "x": [0, 1, 2], "y": [0, 0.12345, None], "low": [None, 0.1, None], "high": [None, 0.15, None]}
    table = figures.table(Figure("r", "steps", "R", "k", "R in %", [curve]))
    assert table.columns == ["k", "R in %", "low", "high"]
    assert table.rows == [[0, 0, None, None], [1, 12.35, 10.0, 15.0], [2, None, None, None]]


def test_words_that_would_be_markup_are_not():
    series = [{"name": "<b>", "x": ["<1"], "y": [1]}]
    figure = Figure("bars", "bars", "a < b & c", "<x>", "y", series)
    assert ElementTree.fromstring(figures.svg(figure)).find(f"{SVG}title").text == "a < b & c"


@pytest.mark.parametrize("kind", ["bars", "steps"])
def test_several_series_stand_side_by_side_with_a_legend(kind):
    series = [{"name": name, "x": [0, 1, 2], "y": [0.1, 0.5, None if kind == "steps" else 1]} for name in ("a", "b")]
    figure = Figure("two", kind, "Two", "x", "y", series)
    assert "legend" in figures.svg(figure)
    assert figures.table(figure).columns == ["", "x", "y"]
    assert [row[0] for row in figures.table(figure).rows] == ["a"] * 3 + ["b"] * 3


def test_a_figure_with_very_many_points_stays_small():
    points = {"name": "people", "x": list(range(20_000)), "y": [0.5] * 20_000, "marked": 0.5}
    assert len(figures.svg(Figure("people", "scatter", "People", "x", "y", [points]))) < 200_000


def test_large_panels_have_no_labels_that_run_into_each_other():
    series = [{"name": "images", "x": list(range(100)), "y": [7] * 100}]
    text = figures.svg(Figure("many", "bars", "Many", "x", "y", series))
    assert len(re.findall(r"<text", text)) < 2 * figures.MOST_LABELS

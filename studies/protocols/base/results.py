"""The result of a study as values: measures, tables and figures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """A table of a result; cells are strings or numbers, None where there is nothing to say."""

    title: str
    columns: list[str]
    rows: list[list[Any]]
    note: str = ""
    #: Outside of what the design registered.
    exploratory: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure as data: `kind` names a drawing in studies.results.figures, `series` the numbers it draws.

    The table that screen readers get is made from the same numbers.
    """

    name: str
    kind: str
    title: str
    x: str
    y: str
    series: list[Mapping[str, Any]]
    note: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, for the researcher: one row an image, one column a way to show it.

    A row is what is said of the image, and for each column a picture: `file`, `width` and `height` in pixels.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Mapping[str, Any]]]]
    note: str = ""


@dataclass(frozen=True)
class Summary:
    """The result of a study: `measures` is what analysis.json holds, the rest is how it is shown."""

    headline: str
    measures: dict[str, Any]
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    #: What a reader of the headline has to know beside it.
    warnings: list[str] = field(default_factory=list)
    galleries: list[Gallery] = field(default_factory=list)


#: A share of fewer is told as what was counted: percentages of a handful look more exact than they are.
FEW = 20
#: A share of fewer stands beside what was counted: one thing more or less moves it by over a percentage point.
COUNTED_BELOW = 100


def percent(share: float | None, of: int | None = None) -> str:
    """A share in percent, with two digits after the point; "60.00% (3 of 5)" where it is of few things.

    of: number of things that the share is of.  A share that is no count of them, such as a weighted one, stands alone.
    """
    if share is None:
        return "–"
    said = f"{100 * share:.2f}%"
    if not of or of >= COUNTED_BELOW:
        return said
    counted = round(share * of)
    return f"{said} ({counted} of {of})" if abs(share * of - counted) < 1e-6 else said


def share_or_counts(share: Mapping[str, Any], of: str) -> str:
    """A share of things in percent, as in "35.00% (21 of 60) of the errors"; or of a handful, "7 of the 12 errors"."""
    if share["denominator"] >= FEW:
        return f"{percent(share['estimate'], share['denominator'])} of {of}"
    article = "the " if of.startswith("the ") else ""
    return f"{share['numerator']} of {article}{share['denominator']} {of.removeprefix('the ')}"


def points(difference: float | None) -> str:
    """A difference of shares in percentage points, signed."""
    return "–" if difference is None else f"{100 * difference:+.2f} points".replace("-", "−")


def span(quantity: Mapping[str, Any], form: Callable[[float | None], str] = percent) -> str:
    """The interval of a quantity with `low`, `high` and `level` in words; or its `reason` for having none."""
    if quantity["low"] is None:
        return f"no interval: {quantity['reason']}{_bounded(quantity.get('bound'), form)}"
    return f"{round(100 * quantity['level'])}% interval {form(quantity['low'])} to {form(quantity['high'])}"


def _bounded(bound: Mapping[str, Any] | None, form: Callable[[float | None], str]) -> str:
    if not bound:
        return ""
    side = "at least" if bound["side"] == "low" else "at most"
    return f"; {side} {form(bound['value'])} (one-sided {round(100 * bound['level'])} % bound)"


def p_value(p: float | None) -> str:
    """A p value with four digits after the point, not below what they can show."""
    return "–" if p is None else "< 0.0001" if p < 0.0001 else f"{p:.4f}"

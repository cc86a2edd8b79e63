"""The result of a study as values: measures, tables and figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """A table of a result; cells are strings or numbers, None where there is nothing to say."""

    title: str
    columns: list[str]
    rows: list[list[Any]]
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure as data: `kind` names a drawing in studies.reports.figures, `series` the numbers it draws.

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
class Summary:
    """The result of a study: `measures` is what analysis.json holds, the rest is how it is shown."""

    headline: str
    measures: dict[str, Any]
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

"""What the analyses of `studies.analysis` say of conditions and contrasts, as tables and figures."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.protocols.base.results import Figure, Table, p_value, percent, points, span

if TYPE_CHECKING:
    import pandas as pd

Found = Mapping[str, Any]
TWO_WAY = "The interval is two-way cluster-robust: it accounts for participants and for images."


def arrangement(answers: "pd.DataFrame") -> np.ndarray:
    """The arrangement of each answer; 0, as prepared, of answers that were made up without any page."""
    return answers["arrangement"].to_numpy() if "arrangement" in answers else np.zeros(len(answers), dtype=int)


def rating(value: float | None) -> str:
    """A mean of ratings with its sign."""
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


def ratio(value: float | None) -> str:
    """A ratio with two decimals; a dash where there is none."""
    return "–" if value is None else f"{value:.2f}"


def shares_table(title: str, found: Mapping[str, Found], note: str) -> Table:
    """Shares by condition with their intervals, the test against chance, and the naive interval beside them."""
    rows = [
        [
            name,
            f"{one['numerator']} of {one['denominator']}",
            percent(one["estimate"]),
            span(one),
            p_value(one["p_value"]),
            f"{100 * one['naive']['standard_error']:.2f}",
        ]
        for name, one in found.items()
    ]
    explained = f"{note} {TWO_WAY} Std is √(p(1 − p)/n) in points, which takes answers as independent."
    return Table(title, ["", "answers", "share", "uncertainty", "p, against chance", "Std"], rows, explained)


def contrasts_table(found: Sequence[Found], form: Callable[[float | None], str] = points) -> Table:
    """Registered contrasts: the difference, the odds ratio where there is one, and the test adjusted by Holm."""
    rows = []
    for one in found:
        difference = one.get("difference", one)
        cells = [one["name"], form(difference["estimate"]), span(difference, form)]
        if "odds_ratio" in one:
            odds = one["odds_ratio"]
            cells.append(f"{ratio(odds['estimate'])} ({ratio(odds['low'])} to {ratio(odds['high'])})")
        rows.append([*cells, p_value(one["p_value"]), p_value(one["p_holm"])])
    odds = ["odds ratio, 95% interval"] if any("odds_ratio" in one for one in found) else []
    columns = ["", "difference", "uncertainty", *odds, "p", "p by Holm"]
    note = (
        "Fixed by the design before any answer was given. Paired by image and by participant; p adjusted by Holm over "
        "all that could be tested, intervals not adjusted."
    )
    return Table("Registered contrasts", columns, rows, note)


def figure(title: str, y: str, found: Mapping[str, Found], marked: float | None, note: str) -> Figure:
    """Estimates by condition with their intervals, and a line where nothing is going on."""
    series = {"name": y, "x": list(found), "y": [one["estimate"] for one in found.values()]}
    series |= {end: [one[end] for one in found.values()] for end in ("low", "high")}
    if marked is not None:
        series |= {"marked": marked, "marked_as": f"chance, {percent(marked)}"}
    return Figure("shares", "intervals", title, "condition", y, [series], note)

"""Shares of several conditions side by side, as measures, tables and a figure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .results import Figure, Table, p_value, percent, points, span

if TYPE_CHECKING:
    import pandas as pd

Found = Mapping[str, Any]


def shares(said: "pd.DataFrame", value: str, item: str, conditions: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By condition that has answers: the share of ones in the column `value`, with its two-way interval.

    `said` has the columns condition and participant too; `item` is the column of what is judged, which has one name in
    all conditions it occurs in.
    """
    from studies.analysis.cluster import two_way_share

    found = {}
    for condition in conditions:
        arm = said[said["condition"] == condition]
        if len(arm):
            counts = {"numerator": int(arm[value].sum()), "denominator": len(arm), "items": int(arm[item].nunique())}
            found[condition] = two_way_share(arm[value], arm["participant"], arm[item]).as_dict() | counts
    return found


def shares_table(title: str, items: str, words: Mapping[str, str], found: Mapping[str, Found], note: str) -> Table:
    """With the paper's "Std", sqrt(p(1 − p)/n), beside the interval."""
    rows = [
        [
            words[condition],
            one["items"],
            f"{one['numerator']} of {one['denominator']}",
            percent(one["estimate"]),
            f"{100 * one['naive']['standard_error']:.2f}",
            span(one),
        ]
        for condition, one in found.items()
    ]
    explained = (
        f"{note} Std is √(p(1 − p)/n) in percentage points, which takes answers as independent; the interval is "
        f"two-way and accounts for participants and for {items}."
    ).strip()
    return Table(title, ["", items, "answers", "share", "Std", "uncertainty"], rows, explained)


def contrasts_table(items: str, contrasts: Sequence[Found]) -> Table:
    """Odds ratios for contrasts on the logit scale (against chance: to the odds of guessing), else differences."""
    rows = []
    for one in contrasts:
        estimate = _effect(one, "estimate")
        if one["low"] is None:
            rows.append([one["name"], estimate, f"no interval: {one['reason']}", None, None])
            continue
        between = f"{_effect(one, 'low')} to {_effect(one, 'high')}"
        rows.append([one["name"], estimate, between, p_value(one["p_value"]), p_value(one["p_holm"])])
    effect = "odds ratio" if any(one["scale"] == "logit" for one in contrasts) else "difference"
    note = (
        "Fixed by the design before any answer was given. Two-way cluster-robust tests by participant and by "
        f"{items.removesuffix('s')}; p adjusted by Holm over all that could be tested, intervals not adjusted."
    )
    return Table("Registered contrasts", ["", effect, "95 % interval", "p", "p by Holm"], rows, note)


def _effect(contrast: Found, name: str) -> str | None:
    value = contrast[name]
    if value is None:
        return None
    return f"{np.exp(value - (contrast['null'] or 0)):.2f}" if contrast["scale"] == "logit" else points(value)


def figure(title: str, y: str, words: Mapping[str, str], found: Mapping[str, Found], chance: float | None) -> Figure:
    """Points with their intervals, and a line at chance where there is one."""
    series = {
        "name": y,
        "x": [words[condition] for condition in found],
        "y": [one["estimate"] for one in found.values()],
        "low": [one["low"] for one in found.values()],
        "high": [one["high"] for one in found.values()],
    }
    note = "Shares with their two-way 95 % intervals."
    if chance is not None:
        series |= {"marked": chance, "marked_as": f"chance, {percent(chance)}"}
        note += " The dashed line is chance."
    return Figure(name="shares", kind="intervals", title=title, x="condition", y=y, series=[series], note=note)

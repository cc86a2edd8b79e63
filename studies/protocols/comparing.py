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


def forest(
    contrasts: Mapping[str, Found], x: str, *, ratios: bool = False, title: str = "Registered contrasts"
) -> list[Figure]:
    """The registered contrasts, one a line, with a line at no difference; none where nothing could be estimated."""
    if all(one["estimate"] is None for one in contrasts.values()):
        return []

    def natural(one: Found, name: str) -> float | None:
        value = one[name]
        if value is None:
            return None
        return float(np.exp(value - (one["null"] or 0))) if ratios else 100 * value

    series = {"name": x, "x": list(contrasts)}
    series |= {end: [natural(one, name) for one in contrasts.values()] for end, name in ENDS.items()}
    series |= {"marked": 1.0 if ratios else 0.0, "marked_as": "no difference", "logarithmic": ratios}
    return [
        Figure(
            name="contrasts",
            kind="forest",
            title=title,
            x="contrast",
            y=x,
            series=[series],
            note="Each with its two-way 95 % interval, not adjusted. The dashed line is no difference.",
        )
    ]


ENDS = {"y": "estimate", "low": "low", "high": "high"}


def people_figure(said: "pd.DataFrame", value: str) -> Figure:
    """One point a participant: how many answers, and which share of them is one in the column `value`."""
    each = said.groupby("participant")[value].agg(["size", "mean"])
    points = {"name": "participants", "x": each["size"].tolist(), "y": each["mean"].tolist()}
    return Figure(
        name="participants",
        kind="scatter",
        title="Participants",
        x="counted answers",
        y=f"{value} answers in %",
        series=[points | {"marked": float(said[value].mean())}],
        note=f"One point a participant. The dashed line is the share of {value} among all answers.",
    )


# --- within strata ----------------------------------------------------------------------------------------------------


def strata(said: "pd.DataFrame", value: str, stratum: str, pair: tuple[str, str]) -> dict[str, Any] | None:
    """The second condition of the pair less the first, over all answers and within strata; None without both."""
    from studies.analysis.simpson import pooled_and_stratified

    both = said[said["condition"].isin(pair)]
    if both["condition"].nunique() < len(pair):
        return None
    return pooled_and_stratified(both[value], both["condition"] == pair[1], both[stratum])


def strata_tables(found: Found | None, stratum: str, name: str, words: Sequence[str]) -> list[Table]:
    if found is None:
        return []
    pooled = found["pooled"] | {"stratum": "All answers, pooled", "answers_first": None, "answers_second": None}
    rows: list[list[Any]] = [
        [
            one["stratum"],
            one["answers_first"],
            percent(one["first"]),
            one["answers_second"],
            percent(one["second"]),
            points(one["difference"]),
        ]
        for one in [*found["strata"][:MOST_STRATA], pooled]
    ]
    rows.append(["Mean of the differences within", None, None, None, None, points(found["stratified"])])
    left = len(found["strata"]) - MOST_STRATA
    note = f"{left} more are in analysis.json. " if left > 0 else ""
    note += "Weighted by answers. " + (f"Warning: {found['warning']}." if found["warning"] else "The signs agree.")
    columns = [stratum, f"answers, {words[0]}", words[0], f"answers, {words[1]}", words[1], "difference"]
    return [Table(f"{name}, within each {stratum}", columns, rows, note, exploratory=True)]


def strata_warnings(found: Found | None, strata: str, name: str) -> list[str]:
    if found is None or not found["warning"]:
        return []
    pooled, within = points(found["pooled"]["difference"]), points(found["stratified"])
    return [
        f"{name}: {pooled} over all answers, but {within} within {strata}. The signs are opposite (Simpson’s paradox): "
        "the conditions do not have the same mix of answers, and the pooled difference misleads."
    ]


MOST_STRATA = 20


# --- figures ----------------------------------------------------------------------------------------------------------


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

"""Shares of several conditions side by side, as measures, tables and a figure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.protocols.base.results import Figure, Table, p_value, percent, points, span

if TYPE_CHECKING:
    import pandas as pd

Found = Mapping[str, Any]
#: What is judged, by its plural.
SINGULAR = {"targets": "target", "images": "image", "classes": "class"}


def shares(said: "pd.DataFrame", value: str, item: str, conditions: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By condition that has answers: the share of ones in the column `value`, with its two-way interval.

    `said` has the columns condition and participant too; `item` is the column of what is judged, which has one name in
    all conditions it occurs in.
    """
    from studies.analysis.two_way_clustering import two_way_share

    found = {}
    for condition in conditions:
        arm = said[said["condition"] == condition]
        if len(arm):
            counts = {"numerator": int(arm[value].sum()), "denominator": len(arm), "items": int(arm[item].nunique())}
            share = two_way_share(arm[value], arm["participant"], arm[item], estimator="jackknife", floor="larger")
            found[condition] = share.as_dict() | counts
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
        f"the two-way jackknife, which accounts for participants and for {items}."
    ).strip()
    return Table(title, ["", items, "answers", "share", "Std", "uncertainty"], rows, explained)


def contrasts_table(items: str, contrasts: Sequence[Found]) -> Table:
    """Each registered contrast in points and as an odds ratio (against chance: to the odds of guessing)."""
    rows = []
    for one in contrasts:
        difference = one["difference"]
        tests = (p_value(one["p_value"]), p_value(one["p_holm"])) if one["p_value"] is not None else (None, None)
        rows.append([one["name"], points(difference["estimate"]), _between(difference), ratio(one), *tests])
    tested = "log odds" if any(one["scale"] == "logit" for one in contrasts) else "shares"
    note = (
        "Fixed by the design before any answer was given. Two-way cluster jackknife tests by participant and by "
        f"{SINGULAR[items]}, of {tested}; p adjusted by Holm over all that could be tested, intervals not "
        "adjusted."
    )
    columns = ["", "difference", "95% interval", "odds ratio, 95% interval", "p", "p by Holm"]
    return Table("Registered contrasts", columns, rows, note)


def _between(difference: Found) -> str:
    if difference["low"] is None:
        return f"no interval: {difference['reason']}"
    return f"{points(difference['low'])} to {points(difference['high'])}"


def ratio(found: Found) -> str:
    """An odds ratio with its interval."""
    odds = found["odds_ratio"]
    if odds["estimate"] is None:
        return "–"
    if odds["low"] is None:
        return f"{odds['estimate']:.2f}"
    return f"{odds['estimate']:.2f} ({odds['low']:.2f} to {odds['high']:.2f})"


def forest(
    contrasts: Mapping[str, Found],
    x: str,
    *,
    ratios: bool = False,
    title: str = "Registered contrasts",
    margin: float | None = None,
) -> list[Figure]:
    """The registered contrasts, one a line, with a line at no difference; none where nothing could be estimated.

    With a margin they are drawn in points against it, whatever scale they are tested on.
    """
    if margin is not None:
        contrasts = {name: one.get("difference", one) for name, one in contrasts.items()}
        x, ratios = "difference in points", False
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
    note = "Each with its two-way 95% interval, not adjusted. The dashed line is no difference."
    if margin is not None:
        series |= {"margin": 100 * margin}
        note += f" The shaded band is the margin of ±{100 * margin:g} points."
    return [
        Figure(
            name="contrasts",
            kind="forest",
            title=title,
            x="contrast",
            y=x,
            series=[series],
            note=note,
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
        note=(
            f"One point a participant, or a larger one with their number. The dashed line is the share of "
            f"{value} among all answers."
        ),
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
    """What `strata` found: the differences within each stratum, beside the pooled one; none for None."""
    if found is None:
        return []
    pooled = found["pooled"] | {"stratum": "All answers, pooled", "answers_first": None, "answers_second": None}
    rows: list[list[Any]] = [
        [
            one["stratum"],
            one["answers_first"],
            percent(one["first"], one["answers_first"]),
            one["answers_second"],
            percent(one["second"], one["answers_second"]),
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
    """A line where pooled and stratified differences have opposite signs (Simpson’s paradox)."""
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
    note = "Shares with their two-way 95% intervals."
    if chance is not None:
        series |= {"marked": chance, "marked_as": f"chance, {percent(chance)}"}
        note += " The dashed line is chance."
    return Figure(name="shares", kind="intervals", title=title, x="condition", y=y, series=[series], note=note)

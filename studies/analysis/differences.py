"""Two conditions compared: the two-way pivotal difference of accepted shares, and McNemar's test beside it.

The two-way variance (see ``crossed``) was derived for this project and has no published reference. For a difference,
what a stimulus and what a participant contributes to the second condition is set against what the same stimulus and
the same participant contribute to the first, so the comparison is paired wherever the design is. Pairing takes variance
from the stimuli and not from single answers, so V_worker alone is no lower bound here: V = V_item +
max(V_worker - V_x, 0). With the bound of a single share the interval covered 98 to 99% where 95 were meant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr
from statsmodels.stats.contingency_tables import mcnemar

from .answers import Answers, AnswersError
from .crossed_panels import CrossedPanels, TwoWayParts, sum_of_squares
from .equivalence import within_margin
from .intervals import check_level, effective_participants, student, why_no_interval
from .panels import Panels, Rule, check_threshold, count_panels

METHOD = (
    "two-way pivotal difference, Student's t with W_eff - 1 degrees of freedom, W_eff the smaller of the conditions' "
    "(derived for this project; no published reference)"
)
IGNORES = "ignores participants: takes panels as independent"


def pivotal_difference(
    first: Answers,
    second: Answers,
    threshold: int,
    *,
    panel: int | None = None,
    rule: Rule = "drop",
    level: float = 0.95,
    margin: float | None = None,
) -> dict[str, Any]:
    """Accepted share of ``second`` less that of ``first``, with its two-way pivotal interval and test of no difference.

    Both must come from one table, so that their codes mean the same participants and stimuli
    (:meth:`studies.analysis.answers.Answers.by_condition`). Returns a JSON-ready dict: ``estimate, low, high,
    standard_error, statistic, p_value, degrees_of_freedom, effective_participants, method, level, first, second``
    (their accepted shares with numerators and denominators), ``paired_stimuli``, ``naive`` (the interval without the
    participants' part), ``odds_ratio`` (of the accepted shares, by the delta method on their log-odds), ``mcnemar``,
    ``reason``, and with a ``margin`` ``equivalence`` (:func:`studies.analysis.equivalence.within_margin`). The interval
    is null, with the reason, under the conditions of ``intervals.pivotal_interval``.
    """
    check_level(level)
    if first.condition is not None or second.condition is not None:
        raise AnswersError("compare two conditions taken apart by Answers.by_condition()")
    one, other = (count_panels(answers, panel=panel, rule=rule) for answers in (first, second))
    if one.panel != other.panel:
        raise AnswersError(f"panels of {one.panel} and of {other.panel} answers cannot be compared")
    check_threshold(threshold, one.panel)
    result: dict[str, Any] = dict.fromkeys(
        ("estimate", "low", "high", "standard_error", "statistic", "p_value", "degrees_of_freedom")
    )
    result |= {
        "effective_participants": None,
        "method": METHOD,
        "level": level,
        "threshold": threshold,
        "first": _share(one, threshold),
        "second": _share(other, threshold),
        "paired_stimuli": int(np.count_nonzero(_both(one, other))),
        "naive": None,
        "odds_ratio": dict.fromkeys(("estimate", "low", "high")),
        "mcnemar": mcnemar_test(one, other, threshold),
        "reason": None,
    }
    found = result | _compared(first, second, one, other, threshold, level)
    if margin is None:
        return found
    tested = (found["estimate"], found["standard_error"], found["degrees_of_freedom"])
    return found | {"equivalence": within_margin(*tested, margin, reason=found["reason"])}


def _compared(
    first: Answers, second: Answers, one: Panels, other: Panels, threshold: int, level: float
) -> dict[str, Any]:
    """What there is to say of the difference, or the reason why there is nothing."""
    if one.waiting or other.waiting:
        return {"reason": "panels wait for more answers"}
    if not (one.n_counted and other.n_counted):
        return {"reason": "one of the conditions has no complete panel"}
    crossed = [CrossedPanels.of(first, one), CrossedPanels.of(second, other)]
    parts = [each.parts(panels.acceptance(threshold)) for each, panels in zip(crossed, (one, other), strict=True)]
    difference = parts[1].mean - parts[0].mean
    effective = min(effective_participants(each.answers_each) for each in crossed)
    found: dict[str, Any] = {"estimate": difference, "effective_participants": effective}
    if reason := why_no_interval(min(one.n_counted, other.n_counted), effective):
        return found | {"reason": f"{reason} (in one of the conditions)"}
    shared = _shared_cells((first, second), (one, other), threshold)
    item, error = _variances((one, other), parts, threshold, shared, (1.0, 1.0))
    if item == 0:
        return found | {"reason": "the panels do not vary, so the variance is zero and says nothing"}
    freedom = effective - 1
    critical = student(level, freedom)
    half, naive = critical * error, student(level, math.inf) * math.sqrt(item)
    return found | {
        "low": max(-1.0, difference - half),
        "high": min(1.0, difference + half),
        "standard_error": error,
        "statistic": difference / error,
        "p_value": 2 * float(stdtr(freedom, -abs(difference) / error)),
        "degrees_of_freedom": freedom,
        "odds_ratio": _odds_ratio((one, other), parts, threshold, shared, critical),
        "naive": {
            "low": difference - naive,
            "high": difference + naive,
            "standard_error": math.sqrt(item),
            "p_value": 2 * float(ndtr(-abs(difference) / math.sqrt(item))),
            "label": IGNORES,
        },
    }


def _variances(
    panels: Sequence[Panels],
    parts: Sequence[TwoWayParts],
    threshold: int,
    shared: float,
    weights: Sequence[float],
) -> tuple[float, float]:
    """The images' variance and the standard error of the weighted second share less the weighted first."""
    item = _item_variance(panels, parts, threshold, weights)
    crossed = sum(weight**2 * part.crossed for weight, part in zip(weights, parts, strict=True))
    crossed -= 2 * weights[0] * weights[1] * shared
    return item, math.sqrt(item + max(_worker_variance(parts, weights) - crossed, 0.0))


def _odds_ratio(
    panels: Sequence[Panels], parts: Sequence[TwoWayParts], threshold: int, shared: float, critical: float
) -> dict[str, float | None]:
    shares = [part.mean for part in parts]
    if any(share in (0.0, 1.0) for share in shares):
        return dict.fromkeys(("estimate", "low", "high"))
    log_odds = [math.log(share / (1 - share)) for share in shares]
    _, error = _variances(panels, parts, threshold, shared, [1 / (share * (1 - share)) for share in shares])
    estimate = log_odds[1] - log_odds[0]
    return {
        "estimate": math.exp(estimate),
        "low": math.exp(estimate - critical * error),
        "high": math.exp(estimate + critical * error),
    }


def mcnemar_test(first: Panels, second: Panels, threshold: int) -> dict[str, Any]:
    """McNemar's exact test on stimuli with a counted panel in both conditions, labelled as ignoring participants.

    ``p_value`` is null when no stimulus is accepted in one condition only.
    """
    both = _both(first, second)
    length = len(both)
    one, other = (_accepted(each, threshold)[:length][both] for each in (first, second))
    lost, gained = int(np.count_nonzero(one & ~other)), int(np.count_nonzero(~one & other))
    # Exact: the chi-squared version gives p = 0 without discordant pairs.
    table = [[int(np.count_nonzero(one & other)), lost], [gained, int(np.count_nonzero(~one & ~other))]]
    return {
        "p_value": float(mcnemar(table, exact=True).pvalue) if lost + gained else None,
        "only_first": lost,
        "only_second": gained,
        "stimuli": int(np.count_nonzero(both)),
        "method": "McNemar's exact test",
        "label": IGNORES,
        "reason": None if lost + gained else "no stimulus is accepted in one condition only",
    }


def _share(panels: Panels, threshold: int) -> dict[str, Any]:
    accepted, n = panels.accepted(threshold), panels.n_counted
    return {"estimate": accepted / n if n else None, "numerator": accepted, "denominator": n, **panels.as_dict()}


def _accepted(panels: Panels, threshold: int) -> NDArray[np.bool_]:
    return panels.counted & panels.acceptance(threshold)(panels.size, panels.yes)


def _both(first: Panels, second: Panels) -> NDArray[np.bool_]:
    length = min(len(first.counted), len(second.counted))
    return first.counted[:length] & second.counted[:length]


def _item_variance(
    panels: Sequence[Panels], parts: Sequence[TwoWayParts], threshold: int, weights: Sequence[float]
) -> float:
    total = np.zeros(max(len(each.counted) for each in panels))
    for weight, each, part in zip((-weights[0], weights[1]), panels, parts, strict=True):
        n = part.n_panels
        residual = np.where(each.counted, _accepted(each, threshold) - part.mean, 0.0)
        total[: len(residual)] += weight * math.sqrt(n / (n - 1)) * residual / n
    return sum_of_squares(total)


def _worker_variance(parts: Sequence[TwoWayParts], weights: Sequence[float]) -> float:
    total = np.zeros(max(len(part.worker) for part in parts))
    for weight, part in zip((-weights[0], weights[1]), parts, strict=True):
        people = part.n_participants
        total[: len(part.worker)] += weight * math.sqrt(people / (people - 1)) * part.worker
    return sum_of_squares(total)


def _shared_cells(answers: Sequence[Answers], panels: Sequence[Panels], threshold: int) -> float:
    """Sum of d_1 d_2 over participants who met one stimulus in both conditions, as after a washout."""
    width = 1 + max(int(each.participant.max()) for each in answers)
    (keys, values), (other_keys, other_values) = (
        _pivotal(each, counts, threshold, width) for each, counts in zip(answers, panels, strict=True)
    )
    _, one, other = np.intersect1d(keys, other_keys, assume_unique=True, return_indices=True)
    return float(values[one] @ other_values[other])


def _pivotal(
    answers: Answers, panels: Panels, threshold: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pivotal answers: a key of stimulus and participant, and d."""
    accepts = panels.acceptance(threshold)
    size, others = panels.size[answers.stimulus], panels.yes[answers.stimulus] - answers.answer
    pivotal = panels.counted[answers.stimulus] & accepts(size, others + 1) & ~accepts(size, others)
    said, size, others = answers.answer[pivotal].astype(np.float64), size[pivotal], others[pivotal]
    # The share of yes among answers beside as many others, in panels as large.
    _, alike = np.unique(size * (size.max(initial=0) + 1) + others, return_inverse=True)
    share = np.bincount(alike, said) / np.bincount(alike)
    return answers.stimulus[pivotal].astype(np.int64) * width + answers.participant[pivotal], (
        said - share[alike]
    ) / panels.n_counted

"""Intervals for shares: Wilson's, and the two-way pivotal interval for the accepted share of crossed panels.

Every participant answers many stimuli and every stimulus is answered by several people, so the accepted share varies
with both. A Wilson interval over stimuli sees only the stimuli and is too narrow when people differ.

**The pivotal variance was derived for this project and has no published reference.** ``pivotal`` has it in full: an
answer is *pivotal* when the other n - 1 answers of its panel hold exactly k - 1 yes, and only pivotal answers carry
their participant's habits into the accepted share theta. The interval is Wilson's with the effective
n = theta (1 - theta) / V and Student's t with W_eff - 1 degrees of freedom, W_eff = (sum m)^2 / sum m^2 over the
answers m of each participant. Simulated coverage: docs/explanation/intervals.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from .answers import Answers, AnswersError
from .panels import Panels, check_threshold, count_panels
from .pivotal import AcceptedParts, PanelAnswers

PIVOTAL = (
    "two-way pivotal variance, Wilson form, Student's t with W_eff - 1 degrees of freedom "
    "(derived for this project; no published reference)"
)
JACKKNIFE = (
    "two-way cluster jackknife (MacKinnon, Nielsen & Webb, arXiv 2406.08880), Wilson form, Student's t with W_eff - 1 "
    "degrees of freedom"
)
ALIKE = "every answer is the same, so the variance is zero and says nothing"
MIN_EFFECTIVE_PARTICIPANTS = 10
MIN_ITEMS = 6

#: A one-sided bound, JSON-ready: {side: "low" or "high", value, level, clusters, method}.
Bound = dict[str, Any]


@dataclass(frozen=True)
class Estimate:
    """A share, or a difference of shares, with its interval; what is undefined is None and ``reason`` says why.

    ``wilson`` is the plain Wilson interval, which treats panels as independent, and ``jackknife`` the published two-way
    one; both stand beside the default one. ``bound`` is one-sided, where nothing or everything is accepted.
    """

    estimate: float | None
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    effective_participants: float | None = None
    degrees_of_freedom: float | None = None
    method: str = PIVOTAL
    level: float = 0.95
    numerator: int | None = None
    denominator: int | None = None
    wilson: tuple[float, float] | None = None
    jackknife: dict[str, Any] | None = None
    bound: Bound | None = None
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; ``wilson`` becomes {low, high}, both null when undefined."""
        low, high = self.wilson or (None, None)
        return {**vars(self), "wilson": {"low": low, "high": high}}


def wilson(successes: float, total: float, level: float = 0.95) -> tuple[float, float] | None:
    """Wilson's score interval (1927) for a share of independent trials; None when there are none.

    Raises AnswersError unless 0 <= successes <= total and 0 < level < 1.
    """
    check_level(level)
    if not 0 <= successes <= total:
        raise AnswersError(f"{successes} of {total} is not a share")
    if total == 0:
        return None
    return wilson_form(successes / total, total, float(ndtri(0.5 + level / 2)))


def wilson_form(share: float, n: float, critical: float) -> tuple[float, float]:
    """Wilson's interval for a share seen in n (effective) trials, at a critical value of z or t."""
    shrink = 1 + critical**2 / n
    centre = (share + critical**2 / (2 * n)) / shrink
    half = critical / shrink * math.sqrt(share * (1 - share) / n + critical**2 / (4 * n**2))
    return (0.0 if share == 0 else max(0.0, centre - half)), (1.0 if share == 1 else min(1.0, centre + half))


def check_level(level: float) -> None:
    """Raise AnswersError unless the confidence level lies strictly between 0 and 1."""
    if not 0 < level < 1:
        raise AnswersError(f"the confidence level must lie between 0 and 1, not {level}")


def student(level: float, degrees_of_freedom: float) -> float:
    """Two-sided critical value of Student's t; degrees of freedom need not be whole."""
    return float(stdtrit(degrees_of_freedom, 0.5 + level / 2))


def effective_participants(answers_each: NDArray[np.int64]) -> float:
    """W_eff = (sum m)^2 / sum m^2 (Kish 1965) over the answers m of each participant; W when all answer alike."""
    counts = answers_each.astype(np.float64)
    squares = float(counts @ counts)
    return float(counts.sum()) ** 2 / squares if squares else 0.0


def pivotal_interval(
    answers: Answers,
    threshold: int,
    *,
    panels: Panels | None = None,
    counted: PanelAnswers | None = None,
    level: float = 0.95,
) -> Estimate:
    """The accepted share at ``threshold`` with its two-way pivotal interval, beside it the jackknife's and Wilson's.

    ``panels`` defaults to ``count_panels(answers)`` and ``counted`` to ``PanelAnswers.of(answers, panels)``; give them
    where they are at hand, or where units are more than panels. The interval is None, with the reason, when panels
    still wait to be topped up, none is counted, only one is, there are under 10 effective participants or 6 items, or
    all units agree about being accepted: the variance is then zero by construction, and there is a one-sided ``bound``.
    """
    check_level(level)
    panels = panels or count_panels(answers)
    check_threshold(threshold, panels.panel)
    if panels.waiting:
        n = panels.n_counted if counted is None else counted.n_units
        return Estimate(None, level=level, denominator=n, reason=f"{panels.short} panels wait for more answers")
    counted = counted or PanelAnswers.of(answers, panels)
    if not counted.n_units:
        return Estimate(None, level=level, numerator=0, denominator=0, reason="no panel is complete")
    return share_with_interval(counted.parts(threshold), effective_participants(counted.answers_each), level)


def share_with_interval(parts: AcceptedParts, effective: float, level: float = 0.95) -> Estimate:
    """The accepted share of these parts, for new images and new participants."""
    accepted, n = parts.accepted, parts.units
    theta = accepted / n
    share = Estimate(
        theta,
        level=level,
        numerator=accepted,
        denominator=n,
        effective_participants=effective,
        wilson=wilson(accepted, n, level),
    )
    if accepted in (0, n) and n > 1 and effective >= MIN_EFFECTIVE_PARTICIPANTS:
        which = "every panel is" if accepted else "no panel is"
        return replace(
            share,
            reason=f"{which} accepted, so the variance is zero and says nothing",
            bound=one_sided_bound(theta, min(effective, parts.items), level) if parts.items >= MIN_ITEMS else None,
        )
    if reason := why_no_interval(parts.items, effective):
        return replace(share, reason=reason)
    freedom = effective - 1
    critical = student(level, freedom)
    low, high = wilson_form(theta, theta * (1 - theta) / parts.variance, critical)
    return replace(
        share,
        low=low,
        high=high,
        standard_error=math.sqrt(parts.variance),
        degrees_of_freedom=freedom,
        jackknife=jackknife_interval(theta, parts.v_jackknife, critical),
    )


def jackknife_interval(share: float, variance: float | None, critical: float) -> dict[str, Any]:
    """The interval beside the pivotal one, in Wilson's form too: {standard_error, low, high, method, reason}."""
    if not variance:
        reason = "a participant sat in every panel, so none would be left without them" if variance is None else ALIKE
        return {"standard_error": None, "low": None, "high": None, "method": JACKKNIFE, "reason": reason}
    low, high = wilson_form(share, share * (1 - share) / variance, critical)
    return {"standard_error": math.sqrt(variance), "low": low, "high": high, "method": JACKKNIFE, "reason": None}


def why_no_interval(n_items: int, effective: float) -> str | None:
    """The reason why crossed answers to so many items give no two-way interval, or None when they do."""
    if n_items < 2:
        return "one stimulus alone has no variance between stimuli"
    if effective < MIN_EFFECTIVE_PARTICIPANTS:
        return (
            f"{effective:.1f} effective participants; under {MIN_EFFECTIVE_PARTICIPANTS} "
            "the variance between participants cannot be estimated"
        )
    if n_items < MIN_ITEMS:
        return f"{n_items} items; under {MIN_ITEMS} the variance between items cannot be estimated"
    return None


def one_sided_bound(share: float, clusters: float, level: float = 0.95) -> Bound:
    """The bound of a share that was seen as 0 or as 1, where no variance can be estimated.

    The exact binomial one, 1 - (1 - level)^(1 / n), with n the number of independent ``clusters`` that the answers are
    at least worth: the smaller effective number of participants and items. It is cautious, since answers of one
    cluster are not all alike.
    """
    reach = (1 - level) ** (1 / clusters)
    return {
        "side": "low" if share else "high",
        "value": reach if share else 1 - reach,
        "level": level,
        "clusters": clusters,
        "method": "one-sided exact binomial bound with the smaller effective number of participants and items",
    }

"""Intervals for shares: Wilson's, and the two-way pivotal interval for the accepted share of crossed panels.

Every participant answers many stimuli and every stimulus is answered by several people, so the accepted share varies
with both. A Wilson interval over stimuli sees only the stimuli and is too narrow when people differ.

**The pivotal variance was derived for this project and has no published reference.** An answer is *pivotal* when the
other n - 1 answers of its panel hold exactly k - 1 yes: changing it changes whether the panel is accepted. With pi the
share of yes among pivotal answers, d = y - pi for a pivotal answer and 0 otherwise, N counted panels, W participants:

    V_item   = theta (1 - theta) / (N - 1)
    V_worker = W / (W - 1) * sum over participants of (their summed d)^2 / N^2
    V_x      = sum of d^2 / N^2
    V        = max(V_item + V_worker - V_x, V_item, V_worker)

The interval is Wilson's with the effective n = theta (1 - theta) / V and Student's t with W_eff - 1 degrees of freedom,
W_eff = (sum m)^2 / sum m^2 over the answers m of each participant. Simulated coverage: docs/explanation/intervals.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from .panels import Panels, check_threshold, count_panels
from .tables import Answers, AnswersError

PIVOTAL = (
    "two-way pivotal variance, Wilson form, Student's t with W_eff - 1 degrees of freedom "
    "(derived for this project; no published reference)"
)
MIN_EFFECTIVE_PARTICIPANTS = 10


@dataclass(frozen=True)
class Estimate:
    """A share, or a difference of shares, with its interval; what is undefined is None and ``reason`` says why.

    ``wilson`` is the plain Wilson interval, which treats panels as independent; it stands beside the default one.
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


@dataclass(frozen=True, eq=False)
class PivotalParts:
    """What the pivotal variance is made of, for one condition.

    Attributes:
        theta: accepted share of the N counted panels.
        worker: (W,) summed d of each participant code, divided by N.
        crossed: V_x, the sum of d^2 / N^2.
        answers_each: (W,) answers in counted panels of each participant code.
    """

    theta: float
    n_counted: int
    worker: NDArray[np.float64]
    crossed: float
    answers_each: NDArray[np.int64]

    @property
    def n_participants(self) -> int:
        return int(np.count_nonzero(self.answers_each))

    @property
    def item_variance(self) -> float:
        return self.theta * (1 - self.theta) / (self.n_counted - 1)

    @property
    def worker_variance(self) -> float:
        # Sorted before summing: the result then does not depend, to the last digit, on how participants are numbered.
        squares = np.sort(self.worker**2)
        return self.n_participants / (self.n_participants - 1) * float(squares.sum())

    @property
    def variance(self) -> float:
        item, worker = self.item_variance, self.worker_variance
        return max(item + worker - self.crossed, item, worker)


def pivotal_parts(answers: Answers, panels: Panels, threshold: int) -> PivotalParts:
    """The parts of the pivotal variance. Needs at least one counted panel."""
    codes = answers.panel_codes()
    needed = panels.needed(threshold)
    # A yes is pivotal in a panel that just makes it, a no in one that just fails.
    makes = panels.counted & (panels.yes == needed)
    fails = panels.counted & (panels.yes == needed - 1)
    state = makes.view(np.int8) - fails.view(np.int8)
    said = state[codes]
    pivotal_yes = answers.participant[(said == 1) & (answers.answer == 1)]
    pivotal_no = answers.participant[(said == -1) & (answers.answer == 0)]
    everyone = (
        answers.participant if panels.counted[panels.size > 0].all() else answers.participant[panels.counted[codes]]
    )
    answers_each = np.bincount(everyone)
    people = len(answers_each)
    n = panels.n_counted
    ups, downs = len(pivotal_yes), len(pivotal_no)
    share = ups / (ups + downs) if ups + downs else 0.0
    worker = (1 - share) * np.bincount(pivotal_yes, minlength=people) - share * np.bincount(
        pivotal_no, minlength=people
    )
    return PivotalParts(
        theta=panels.accepted(threshold) / n,
        n_counted=n,
        worker=worker / n,
        crossed=((1 - share) ** 2 * ups + share**2 * downs) / n**2,
        answers_each=answers_each,
    )


def pivotal_interval(
    answers: Answers, threshold: int, *, panels: Panels | None = None, level: float = 0.95
) -> Estimate:
    """The accepted share at ``threshold`` with its two-way pivotal interval, the plain Wilson interval beside it.

    ``panels`` defaults to ``count_panels(answers)``. The interval is None, with the reason, when panels still wait to
    be topped up, none is counted, only one is, there are under 10 effective participants, or all panels agree about
    being accepted (the variance is then zero by construction and says nothing).
    """
    check_level(level)
    panels = panels or count_panels(answers)
    check_threshold(threshold, panels.panel)
    n = panels.n_counted
    if panels.waiting:
        return Estimate(None, level=level, denominator=n, reason=f"{panels.short} panels wait for more answers")
    if not n:
        return Estimate(None, level=level, numerator=0, denominator=0, reason="no panel is complete")
    accepted = panels.accepted(threshold)
    parts = pivotal_parts(answers, panels, threshold)
    effective = effective_participants(parts.answers_each)
    share = Estimate(
        parts.theta,
        level=level,
        numerator=accepted,
        denominator=n,
        effective_participants=effective,
        wilson=wilson(accepted, n, level),
    )
    if reason := _why_no_interval(n, accepted, effective):
        return replace(share, reason=reason)
    variance, freedom = parts.variance, effective - 1
    low, high = wilson_form(parts.theta, parts.theta * (1 - parts.theta) / variance, student(level, freedom))
    return replace(share, low=low, high=high, standard_error=math.sqrt(variance), degrees_of_freedom=freedom)


def _why_no_interval(n: int, accepted: int, effective: float) -> str | None:
    if n < 2:
        return "one panel alone has no variance"
    if effective < MIN_EFFECTIVE_PARTICIPANTS:
        return (
            f"{effective:.1f} effective participants; under {MIN_EFFECTIVE_PARTICIPANTS} "
            "the variance between participants cannot be estimated"
        )
    if accepted in (0, n):
        return (
            f"{'no panel is' if accepted == 0 else 'every panel is'} accepted, so the variance is zero and says nothing"
        )
    return None

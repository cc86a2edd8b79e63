"""Intervals for shares: Wilson's, and the two-way pivotal interval for the accepted share of crossed panels.

Every participant answers many stimuli and every stimulus is answered by several people, so the accepted share varies
with both. A Wilson interval over stimuli sees only the stimuli and is too narrow when people differ.

**The pivotal variance was derived for this project and has no published reference.** ``crossed`` has it in full: an
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

from .crossed import CrossedPanels
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


def pivotal_interval(
    answers: Answers,
    threshold: int,
    *,
    panels: Panels | None = None,
    crossed: CrossedPanels | None = None,
    level: float = 0.95,
) -> Estimate:
    """The accepted share at ``threshold`` with its two-way pivotal interval, the plain Wilson interval beside it.

    ``panels`` defaults to ``count_panels(answers)`` and ``crossed`` to ``CrossedPanels.of(answers, panels)``; give them
    where they are at hand. The interval is None, with the reason, when panels still wait to be topped up, none is
    counted, only one is, there are under 10 effective participants, or all panels agree about being accepted (the
    variance is then zero by construction and says nothing).
    """
    check_level(level)
    panels = panels or count_panels(answers)
    check_threshold(threshold, panels.panel)
    n = panels.n_counted
    if panels.waiting:
        return Estimate(None, level=level, denominator=n, reason=f"{panels.short} panels wait for more answers")
    if not n:
        return Estimate(None, level=level, numerator=0, denominator=0, reason="no panel is complete")
    crossed = crossed or CrossedPanels.of(answers, panels)
    accepted, effective = panels.accepted(threshold), effective_participants(crossed.answers_each)
    theta = accepted / n
    share = Estimate(
        theta,
        level=level,
        numerator=accepted,
        denominator=n,
        effective_participants=effective,
        wilson=wilson(accepted, n, level),
    )
    if reason := why_no_interval(n, effective):
        return replace(share, reason=reason)
    if accepted in (0, n):
        which = "every panel is" if accepted else "no panel is"
        return replace(share, reason=f"{which} accepted, so the variance is zero and says nothing")
    variance, freedom = crossed.parts(panels.acceptance(threshold)).variance, effective - 1
    low, high = wilson_form(theta, theta * (1 - theta) / variance, student(level, freedom))
    return replace(share, low=low, high=high, standard_error=math.sqrt(variance), degrees_of_freedom=freedom)


def why_no_interval(n_panels: int, effective: float) -> str | None:
    """The reason why crossed panels give no two-way interval, or None when they do."""
    if n_panels < 2:
        return "one stimulus alone has no variance between stimuli"
    if effective < MIN_EFFECTIVE_PARTICIPANTS:
        return (
            f"{effective:.1f} effective participants; under {MIN_EFFECTIVE_PARTICIPANTS} "
            "the variance between participants cannot be estimated"
        )
    return None

"""Two-way cluster-robust means, shares, differences and contrasts: Cameron, Gelbach & Miller (2011).

Answers by one participant resemble each other, and so do answers to one stimulus. *Robust Inference With Multiway
Clustering* (Journal of Business & Economic Statistics 29(2)) adds the variance clustered by one to that clustered by
the other and takes away that clustered by both, each with its own G / (G - 1). That sum can be negative, or far too
small by chance: it is kept from falling below the smaller of the one-way variances (without that floor the interval
of a paired difference was seen to cover 92 %). Critical values are Student's t with one less degree of freedom than
the smaller effective number of clusters, (sum m)^2 / sum m^2 over answers m a cluster.

Shares are handled on the logit scale, where the interval keeps inside (0, 1) and the estimate is nearer to normal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, stdtr
from statsmodels.stats.multitest import multipletests

from .crossed import sum_of_squares
from .intervals import check_level, effective_participants, student, why_no_interval, wilson
from .tables import AnswersError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Scale = Literal["mean", "logit"]

METHOD = "two-way cluster-robust by participant and stimulus (Cameron, Gelbach & Miller 2011)"


@dataclass(frozen=True)
class Clustered:
    """An estimate with its two-way cluster-robust interval and test; what is undefined is None, and ``reason`` why.

    Attributes:
        estimate, low, high: on the natural scale, except for logit contrasts, where they are log-odds.
        standard_error: on the natural scale for means, shares (by the delta method) and differences.
        statistic, p_value: Student's t against ``null``, two-sided; both None without a null.
        degrees_of_freedom: one less than the smaller of the effective numbers of participants and stimuli.
        naive: the interval and standard error that take answers as independent, for comparison.
    """

    estimate: float | None
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    statistic: float | None = None
    p_value: float | None = None
    null: float | None = None
    degrees_of_freedom: float | None = None
    effective_participants: float | None = None
    effective_stimuli: float | None = None
    answers: int = 0
    method: str = METHOD
    level: float = 0.95
    naive: dict[str, float | None] | None = None
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Contrast:
    """A registered comparison: the weighted sum over conditions, tested against ``null``.

    ``weights`` names the conditions; {"a": 1, "b": -1} compares two, {"a": 1} with a null tests one against chance.
    ``null`` is on the natural scale for a single condition (a share such as 1/6) and otherwise 0.
    """

    name: str
    weights: Mapping[str, float]
    null: float = 0.0


@dataclass(frozen=True, eq=False)
class Crossing:
    """Who answered what, as codes, with the numbers of clusters."""

    participant: Codes
    stimulus: Codes
    cell: Codes
    effective_participants: float
    effective_stimuli: float

    @classmethod
    def of(cls, participant: ArrayLike, stimulus: ArrayLike, length: int) -> Crossing:
        people, items = (_codes(labels, length) for labels in (participant, stimulus))
        cells = people.astype(np.int64) * (int(items.max(initial=-1)) + 1) + items
        return cls(
            people,
            items,
            pd.factorize(cells)[0],
            effective_participants(np.bincount(people)),
            effective_participants(np.bincount(items)),
        )

    @property
    def degrees_of_freedom(self) -> float:
        return min(self.effective_participants, self.effective_stimuli) - 1

    @property
    def shortfall(self) -> str | None:
        """Why there is no two-way variance, if so."""
        return why_no_interval(int(self.stimulus.max()) + 1, self.effective_participants)

    def variance(self, influence: Floats) -> float:
        """Two-way variance of an estimator from the (A,) influence of each answer on it."""
        participant, stimulus, cell = (
            _one_way(codes, influence) for codes in (self.participant, self.stimulus, self.cell)
        )
        return max(participant + stimulus - cell, min(participant, stimulus))


def two_way_mean(
    values: ArrayLike, participant: ArrayLike, stimulus: ArrayLike, *, null: float | None = None, level: float = 0.95
) -> Clustered:
    """Mean of (A,) values, such as ratings from -2 to 2, with its interval, and its test against ``null``."""
    numbers, crossing = _table(values, participant, stimulus, level)
    mean = float(numbers.mean())
    found = _interval(mean, crossing, (numbers - mean) / len(numbers), null, level)
    spread = float(numbers.std(ddof=1)) / math.sqrt(len(numbers)) if len(numbers) > 1 else None
    return replace(found, naive=_wald(mean, spread, level))


def two_way_share(
    correct: ArrayLike, participant: ArrayLike, stimulus: ArrayLike, *, chance: float | None = None, level: float = 0.95
) -> Clustered:
    """Share of ones among (A,) zeros and ones, its interval and its test against ``chance`` on the logit scale.

    ``naive`` holds Wilson's interval and the paper's "Std", sqrt(p (1 - p) / n). Undefined when all answers agree.
    """
    numbers, crossing = _table(correct, participant, stimulus, level)
    _check_binary(numbers)
    total, n = float(numbers.sum()), len(numbers)
    share = total / n
    low, high = wilson(total, n, level) or (None, None)
    naive = {"low": low, "high": high, "standard_error": math.sqrt(share * (1 - share) / n)}
    if share in (0.0, 1.0):
        reason = "every answer is the same, so the variance is zero and says nothing"
        return Clustered(share, level=level, answers=n, naive=naive, reason=reason, null=chance)
    slope = share * (1 - share)
    null = None if chance is None else _logit(chance)
    found = _interval(float(logit(share)), crossing, (numbers - share) / (n * slope), null, level)
    return replace(
        found,
        estimate=share,
        low=None if found.low is None else float(expit(found.low)),
        high=None if found.high is None else float(expit(found.high)),
        standard_error=None if found.standard_error is None else slope * found.standard_error,
        null=chance,
        method=METHOD + ", on the logit scale",
        naive=naive,
    )


def two_way_difference(
    values: ArrayLike,
    second: ArrayLike,
    participant: ArrayLike,
    stimulus: ArrayLike,
    *,
    null: float = 0.0,
    level: float = 0.95,
) -> Clustered:
    """Mean of the second condition less that of the first, over (A,) values with ``second`` true or false.

    Participants and stimuli that appear in both conditions carry the same label in both: the difference is then paired
    by them, as far as the design is.
    """
    numbers, crossing = _table(values, participant, stimulus, level)
    groups = np.asarray(second).astype(np.int64)
    if groups.shape != numbers.shape or not np.isin(groups, (0, 1)).all():
        raise AnswersError("the condition must be true or false for every answer")
    means, counts, influence = _by_condition(numbers, groups, 2)
    difference = float(means[1] - means[0])
    found = _interval(difference, crossing, np.where(groups == 1, influence, -influence), null, level)
    squares = np.bincount(groups, (numbers - means[groups]) ** 2)
    spread = math.sqrt(float((squares / (counts - 1) / counts).sum())) if counts.min() > 1 else None
    return replace(found, naive=_wald(difference, spread, level))


def registered_contrasts(
    values: ArrayLike,
    condition: ArrayLike,
    participant: ArrayLike,
    stimulus: ArrayLike,
    contrasts: Sequence[Contrast],
    *,
    scale: Scale = "logit",
    level: float = 0.95,
) -> list[dict[str, Any]]:
    """Every registered contrast with its interval, its test and the p-value adjusted by Holm over all of them.

    On the logit scale ``values`` are zeros and ones, and estimates are log-odds (one condition) or log odds ratios.
    Intervals are not adjusted. A contrast that cannot be tested keeps a null p-value, has its reason, and is not
    counted in the family; ``family`` says how many tests were. Raises AnswersError for an unknown condition.
    """
    numbers, crossing = _table(values, participant, stimulus, level)
    groups, names = pd.factorize(np.asarray(condition))
    if len(groups) != len(numbers):
        raise AnswersError("the condition must be given for every answer")
    known = [str(name) for name in names]
    if scale == "logit":
        _check_binary(numbers)
    means, _, influence = _by_condition(numbers, groups, len(known))
    found = [_contrast(c, known, means, influence, groups, crossing, scale, level) for c in contrasts]
    adjusted = holm([each.p_value for each in found])
    family = sum(p is not None for p in adjusted)
    return [
        {
            "name": contrast.name,
            "weights": dict(contrast.weights),
            "scale": scale,
            **each.as_dict(),
            "p_holm": p,
            "correction": "Holm",
            "family": family,
        }
        for contrast, each, p in zip(contrasts, found, adjusted, strict=True)
    ]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) adjusted p-values, in the order given; tests without a p-value stay None and do not count."""
    given = [p for p in p_values if p is not None]
    if not given:
        return [None] * len(p_values)
    adjusted = iter(multipletests(given, method="holm")[1])
    return [None if p is None else float(next(adjusted)) for p in p_values]


def _contrast(
    contrast: Contrast,
    known: list[str],
    means: Floats,
    influence: Floats,
    groups: Codes,
    crossing: Crossing,
    scale: Scale,
    level: float,
) -> Clustered:
    if unknown := [name for name in contrast.weights if name not in known]:
        raise AnswersError(f"contrast {contrast.name!r}: no condition {unknown[0]!r}; there are {', '.join(known)}")
    weights = np.array([float(contrast.weights.get(name, 0.0)) for name in known])
    used = weights != 0
    if not used.any():
        raise AnswersError(f"contrast {contrast.name!r} has no weights")
    null = contrast.null
    if scale == "logit":
        if used.sum() == 1:
            null = float(weights.sum()) * _logit(contrast.null)
        if ((means[used] == 0) | (means[used] == 1)).any():
            return Clustered(None, level=level, null=null, reason="every answer in one of the conditions is the same")
        slopes = np.where(used, means * (1 - means), 1.0)
        estimate = float(weights[used] @ logit(means[used]))
        carried = influence * (weights / slopes)[groups]
    else:
        estimate = float(weights @ means)
        carried = influence * weights[groups]
    part = used[groups]
    if not part.all():
        crossing = Crossing.of(crossing.participant[part], crossing.stimulus[part], int(part.sum()))
        carried = carried[part]
    return _interval(estimate, crossing, carried, null, level)


def _interval(estimate: float, crossing: Crossing, influence: Floats, null: float | None, level: float) -> Clustered:
    found = Clustered(
        estimate,
        null=null,
        level=level,
        answers=len(influence),
        effective_participants=crossing.effective_participants,
        effective_stimuli=crossing.effective_stimuli,
    )
    if reason := crossing.shortfall:
        return replace(found, reason=reason)
    error = math.sqrt(crossing.variance(influence))
    if error == 0:
        return replace(found, reason="every answer is the same, so the variance is zero and says nothing")
    freedom = crossing.degrees_of_freedom
    half = student(level, freedom) * error
    t = None if null is None else (estimate - null) / error
    return replace(
        found,
        low=estimate - half,
        high=estimate + half,
        standard_error=error,
        statistic=t,
        p_value=None if t is None else 2 * float(stdtr(freedom, -abs(t))),
        degrees_of_freedom=freedom,
    )


def _one_way(codes: Codes, influence: Floats) -> float:
    sums: Floats = np.bincount(codes, influence).astype(np.float64, copy=False)
    return len(sums) / (len(sums) - 1) * sum_of_squares(sums) if len(sums) > 1 else 0.0


def _by_condition(numbers: Floats, groups: Codes, conditions: int) -> tuple[Floats, Floats, Floats]:
    """Means and counts of each condition, and each answer's influence on the mean of its own."""
    counts = np.bincount(groups, minlength=conditions).astype(np.float64)
    if counts.min() == 0:
        raise AnswersError("a condition has no answers")
    means = np.bincount(groups, numbers, minlength=conditions) / counts
    return means, counts, (numbers - means[groups]) / counts[groups]


def _table(values: ArrayLike, participant: ArrayLike, stimulus: ArrayLike, level: float) -> tuple[Floats, Crossing]:
    check_level(level)
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers):
        raise AnswersError("there are no answers")
    if not np.isfinite(numbers).all():
        raise AnswersError(f"row {int(np.argmin(np.isfinite(numbers)))}: the answer is missing or not a number")
    return numbers, Crossing.of(participant, stimulus, len(numbers))


def _codes(labels: ArrayLike, length: int) -> Codes:
    codes, _ = pd.factorize(np.asarray(labels))
    if codes.shape != (length,) or (length and codes.min() < 0):
        raise AnswersError("participant and stimulus must be given for every answer")
    return codes.astype(np.int64, copy=False)


def _check_binary(numbers: Floats) -> None:
    if not np.isin(numbers, (0, 1)).all():
        raise AnswersError("a share needs answers of 0 and 1")


def _logit(share: float) -> float:
    if not 0 < share < 1:
        raise AnswersError(f"chance must lie between 0 and 1, not {share}")
    return float(logit(share))


def _wald(estimate: float, error: float | None, level: float) -> dict[str, float | None]:
    if error is None:
        return {"low": None, "high": None, "standard_error": None}
    half = student(level, math.inf) * error
    return {"low": estimate - half, "high": estimate + half, "standard_error": error}

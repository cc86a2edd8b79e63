"""Two-way clustered means, shares, differences and contrasts of crossed answers.

Answers by one participant resemble each other, and so do answers to one item. :mod:`.cell_means` has the two variances
that account for both: the cluster-robust one of Cameron, Gelbach & Miller (2011) and the jackknife of MacKinnon,
Nielsen & Webb (arXiv 2406.08880). Either can be the published one; the other stands beside it. Critical values are
Student's t with one less degree of freedom than the smaller effective number of clusters, (sum m)^2 / sum m^2 over
answers m a cluster.

A single share or mean is kept from falling below the larger one-way variance, a comparison below the smaller: pairing
takes variance away from one side of it, and with the larger as floor intervals were seen to cover 99%. The contract
of ``reanalyse`` has the smaller for both. Shares are handled on the logit scale, where the interval keeps inside (0, 1)
and the estimate is nearer to normal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, stdtr

from .answers import AnswersError
from .cell_means import CellMeans, Floor
from .intervals import ALIKE, Bound, check_level, one_sided_bound, student, wilson

Floats = NDArray[np.float64]
Scale = Literal["mean", "logit"]
Estimator = Literal["robust", "jackknife"]

METHOD = "two-way cluster-robust by participant and stimulus (Cameron, Gelbach & Miller 2011)"
JACKKNIFE = "two-way cluster jackknife by participant and stimulus (MacKinnon, Nielsen & Webb, arXiv 2406.08880)"
METHODS: dict[Estimator, str] = {"robust": METHOD, "jackknife": JACKKNIFE}
EMPTIED = "without one participant, item or answer a condition would have no answers left"


@dataclass(frozen=True)
class Clustered:
    """An estimate with its two-way interval and test; what is undefined is None, and ``reason`` why.

    Attributes:
        estimate, low, high: on the natural scale, except for logit contrasts, where they are log-odds.
        standard_error: on the natural scale for means, shares (by the delta method) and differences.
        statistic, p_value: Student's t against ``null``, two-sided; both None without a null.
        degrees_of_freedom: one less than the smaller of the effective numbers of participants and items.
        naive: the interval and standard error that take answers as independent, for comparison.
        robust, jackknife: the other of the two, {standard_error, low, high}; None for the one that is published here.
        bound: where every answer is the same, a one-sided bound.
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
    effective_items: float | None = None
    answers: int = 0
    method: str = METHOD
    level: float = 0.95
    naive: dict[str, float | None] | None = None
    robust: dict[str, float | None] | None = None
    jackknife: dict[str, float | None] | None = None
    bound: Bound | None = None
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


def two_way_mean(
    values: ArrayLike,
    participant: ArrayLike,
    stimulus: ArrayLike,
    *,
    null: float | None = None,
    level: float = 0.95,
    estimator: Estimator = "robust",
    floor: Floor = "smaller",
) -> Clustered:
    """Mean of (A,) values, such as ratings from -2 to 2, with its interval, and its test against ``null``."""
    return mean_of(_one_cell(values, participant, stimulus, level), null, level, estimator, floor)


def two_way_share(
    correct: ArrayLike,
    participant: ArrayLike,
    stimulus: ArrayLike,
    *,
    chance: float | None = None,
    level: float = 0.95,
    estimator: Estimator = "robust",
    floor: Floor = "smaller",
) -> Clustered:
    """Share of ones among (A,) zeros and ones, its interval and its test against ``chance`` on the logit scale.

    ``naive`` holds Wilson's interval and the paper's "Std", sqrt(p (1 - p) / n). Undefined when all answers agree; then
    there is a one-sided bound.
    """
    return share_of(_one_cell(correct, participant, stimulus, level), chance, level, estimator, floor)


def mean_of(
    cells: CellMeans,
    null: float | None = None,
    level: float = 0.95,
    estimator: Estimator = "robust",
    floor: Floor = "smaller",
) -> Clustered:
    """The mean of the one cell there is."""
    return linear(cells, np.ones(1), float(cells.means[0]), null, level, estimator, floor)


def share_of(
    cells: CellMeans,
    chance: float | None = None,
    level: float = 0.95,
    estimator: Estimator = "robust",
    floor: Floor = "smaller",
) -> Clustered:
    """The share of ones in the one cell there is."""
    check_binary(cells.values)
    null = None if chance is None else to_logit(chance)
    n, share = len(cells), float(cells.means[0])
    low, high = wilson(round(share * n), n, level) or (None, None)
    naive = {"low": low, "high": high, "standard_error": math.sqrt(share * (1 - share) / n)}
    method = METHODS[estimator] + ", on the logit scale"
    if share in (0.0, 1.0):
        return Clustered(
            share,
            level=level,
            answers=n,
            naive=naive,
            reason=ALIKE,
            null=chance,
            method=method,
            effective_participants=cells.effective_participants,
            effective_items=cells.effective_items,
            bound=None
            if cells.shortfall
            else one_sided_bound(share, min(cells.effective_participants, cells.effective_items), level),
        )
    slope = share * (1 - share)
    on_logit = linear(cells, np.array([1 / slope]), float(logit(share)), null, level, estimator, floor)

    def back(bounds: Mapping[str, float | None] | None) -> dict[str, float | None] | None:
        if bounds is None or bounds["low"] is None or bounds["high"] is None or bounds["standard_error"] is None:
            return None if bounds is None else dict(bounds)
        ends = {name: float(expit(bounds[name])) for name in ("low", "high")}
        return {"standard_error": slope * bounds["standard_error"], **ends}

    here = back({name: getattr(on_logit, name) for name in ("standard_error", "low", "high")})
    return replace(
        on_logit,
        **(here or {}),  # type: ignore[arg-type]
        estimate=share,
        null=chance,
        method=method,
        naive=naive,
        robust=back(on_logit.robust),
        jackknife=back(on_logit.jackknife),
    )


def two_way_difference(
    values: ArrayLike,
    second: ArrayLike,
    participant: ArrayLike,
    stimulus: ArrayLike,
    *,
    null: float = 0.0,
    level: float = 0.95,
    estimator: Estimator = "robust",
) -> Clustered:
    """Mean of the second condition less that of the first, over (A,) values with ``second`` true or false.

    Participants and stimuli that appear in both conditions carry the same label in both: the difference is then paired
    by them, as far as the design is.
    """
    check_level(level)
    groups = np.asarray(second).astype(np.int64)
    if groups.shape != np.shape(values) or not np.isin(groups, (0, 1)).all():
        raise AnswersError("the condition must be true or false for every answer")
    cells = CellMeans.of(values, groups, participant, stimulus)
    if len(cells.names) < 2:
        raise AnswersError("a condition has no answers")
    return linear(cells, np.array([-1.0, 1.0]), float(cells.means[1] - cells.means[0]), null, level, estimator)


def registered_contrasts(
    values: ArrayLike,
    condition: ArrayLike,
    participant: ArrayLike,
    stimulus: ArrayLike,
    contrasts: Sequence[Contrast],
    *,
    scale: Scale = "logit",
    level: float = 0.95,
    estimator: Estimator = "robust",
) -> list[dict[str, Any]]:
    """Every registered contrast with its interval, its test and the p-value adjusted by Holm over all of them.

    On the logit scale ``values`` are zeros and ones, and estimates are log-odds (one condition) or log odds ratios.
    Intervals are not adjusted. A contrast that cannot be tested keeps a null p-value, has its reason, and is not
    counted in the family; ``family`` says how many tests were. Raises AnswersError for an unknown condition.
    """
    check_level(level)
    cells = CellMeans.of(values, condition, participant, stimulus)
    if scale == "logit":
        check_binary(cells.values)
    return with_holm(contrasts, [contrast_of(cells, each, scale, level, estimator) for each in contrasts], scale)


def with_holm(contrasts: Sequence[Contrast], found: Sequence[Clustered], scale: Scale) -> list[dict[str, Any]]:
    """The contrasts with what was found of them, JSON-ready, and their p-values adjusted by Holm."""
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
    """Holm's (1979) adjusted p-values, in the order given; tests without a p-value stay None and do not count.

    The m p-values in ascending order are multiplied by m, m - 1, ..., 1; none is less than the one before it, or above
    one.  statsmodels' `multipletests` gives the same and collects garbage at each call: half a second beside PyTorch.
    """
    given = np.array([p for p in p_values if p is not None], dtype=float)
    order = np.argsort(given, kind="stable")
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1)), 1)
    left = iter(adjusted.tolist())
    return [None if p is None else next(left) for p in p_values]


def contrast_of(
    cells: CellMeans, contrast: Contrast, scale: Scale, level: float = 0.95, estimator: Estimator = "robust"
) -> Clustered:
    """One contrast of the cells' means, or of their log-odds."""
    if unknown := [name for name in contrast.weights if name not in cells.names]:
        raise AnswersError(
            f"contrast {contrast.name!r}: no condition {unknown[0]!r}; there are {', '.join(cells.names)}"
        )
    if not any(contrast.weights.values()):
        raise AnswersError(f"contrast {contrast.name!r} has no weights")
    cells = cells.only([name for name, weight in contrast.weights.items() if weight])
    weights = np.array([float(contrast.weights[name]) for name in cells.names])
    null = contrast.null
    if scale == "mean":
        return linear(cells, weights, float(weights @ cells.means), null, level, estimator)
    if len(cells.names) == 1:
        null = float(weights.sum()) * to_logit(contrast.null)
    if ((cells.means == 0) | (cells.means == 1)).any():
        return Clustered(
            None,
            level=level,
            null=null,
            method=METHODS[estimator],
            reason="every answer in one of the conditions is the same",
        )
    slopes = cells.means * (1 - cells.means)
    return linear(cells, weights / slopes, float(weights @ logit(cells.means)), null, level, estimator)


def linear(
    cells: CellMeans,
    gradient: Floats,
    estimate: float,
    null: float | None = None,
    level: float = 0.95,
    estimator: Estimator = "robust",
    floor: Floor = "smaller",
) -> Clustered:
    """The interval and test of an estimate whose (C,) gradient in the cells' means is known."""
    found = Clustered(
        estimate,
        null=null,
        level=level,
        answers=len(cells),
        method=METHODS[estimator],
        effective_participants=cells.effective_participants,
        effective_items=cells.effective_items,
        naive=_wald(estimate, cells.independent(gradient, binary=bool(np.isin(cells.values, (0, 1)).all())), level),
    )
    other: Estimator = "jackknife" if estimator == "robust" else "robust"
    if reason := cells.shortfall:
        return _beside(found, other, _wald(estimate, None, level), reason)
    freedom = cells.degrees_of_freedom
    # The jackknife of a single share or mean keeps the larger floor, also beside a contract that has the smaller.
    bounds: dict[Estimator, Floor] = {
        "robust": floor,
        "jackknife": "larger" if len(cells.names) == 1 else floor,
    }
    errors: dict[Estimator, float | None] = {"robust": math.sqrt(cells.robust(gradient).total(bounds["robust"]))}
    parts = cells.jackknife(gradient)
    errors["jackknife"] = None if parts is None else math.sqrt(parts.total(bounds["jackknife"]))
    error = errors[estimator]
    reason = None if error else EMPTIED if error is None else ALIKE
    found = _beside(found, other, _wald(estimate, errors[other] or None, level, freedom), reason)
    if not error:
        return found
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


def _beside(found: Clustered, name: Estimator, bounds: dict[str, float | None], reason: str | None) -> Clustered:
    robust, jackknife = (bounds if name == each else None for each in ("robust", "jackknife"))
    return replace(found, robust=robust, jackknife=jackknife, reason=reason)


def _one_cell(values: ArrayLike, participant: ArrayLike, stimulus: ArrayLike, level: float) -> CellMeans:
    check_level(level)
    return CellMeans.of(values, np.zeros(np.shape(values), dtype=np.int64), participant, stimulus)


def check_binary(numbers: Floats) -> None:
    """Raise AnswersError unless all are 0 or 1."""
    if not np.isin(numbers, (0, 1)).all():
        raise AnswersError("a share needs answers of 0 and 1")


def to_logit(share: float) -> float:
    """Log-odds of chance. Raises AnswersError unless it lies strictly between 0 and 1."""
    if not 0 < share < 1:
        raise AnswersError(f"chance must lie between 0 and 1, not {share}")
    return float(logit(share))


def _wald(
    estimate: float, error: float | None, level: float, degrees_of_freedom: float = math.inf
) -> dict[str, float | None]:
    if error is None:
        return {"standard_error": None, "low": None, "high": None}
    half = student(level, degrees_of_freedom) * error
    return {"standard_error": error, "low": estimate - half, "high": estimate + half}

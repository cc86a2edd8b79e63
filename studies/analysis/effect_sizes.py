"""Comparisons of shares on two scales, percentage points and odds ratios, and against a margin.

Whatever scale a comparison is tested on, its size is told on both: points are what a reader sees, odds ratios can be
compared where shares lie near 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .cell_means import CellMeans
from .equivalence import within_margin
from .intervals import check_level
from .two_way_clustering import (
    Clustered,
    Contrast,
    Estimator,
    Scale,
    check_binary,
    contrast_of,
    two_way_difference,
    with_holm,
)

#: What is told of the scale that a comparison is not tested on.
TOLD = ("estimate", "low", "high", "standard_error", "degrees_of_freedom", "reason")


def sized_contrasts(
    values: ArrayLike,
    condition: ArrayLike,
    participant: ArrayLike,
    stimulus: ArrayLike,
    contrasts: Sequence[Contrast],
    *,
    scale: Scale = "logit",
    level: float = 0.95,
    estimator: Estimator = "jackknife",
    margin: float | None = None,
) -> list[dict[str, Any]]:
    """Return `registered_contrasts` of zeros and ones, with the size of each on both scales.

    Each has ``difference`` (in shares; of one condition against chance that from chance), ``odds_ratio``, and for two
    conditions with a ``margin`` its ``equivalence`` on the difference.
    """
    check_level(level)
    cells = CellMeans.of(values, condition, participant, stimulus)
    check_binary(cells.values)
    both: dict[Scale, list[Clustered]] = {
        of: [contrast_of(cells, each, of, level, estimator) for each in contrasts] for of in ("mean", "logit")
    }
    found = with_holm(contrasts, both[scale], scale)
    for at, contrast in enumerate(contrasts):
        single = sum(bool(weight) for weight in contrast.weights.values()) == 1
        points, odds = both["mean"][at], both["logit"][at]
        found[at]["difference"] = _moved(points, contrast.null if single else 0.0)
        found[at]["odds_ratio"] = odds_ratio(odds.as_dict(), odds.null or 0.0)
        if margin is not None and not single:
            found[at]["equivalence"] = within_margin(
                points.estimate, points.standard_error, points.degrees_of_freedom, margin, reason=points.reason
            )
    return found


def sized_difference(
    values: ArrayLike, second: ArrayLike, participant: ArrayLike, stimulus: ArrayLike, *, level: float = 0.95
) -> dict[str, Any]:
    """The two-way difference of zeros and ones by the jackknife, JSON-ready, with its ``odds_ratio``."""
    found = two_way_difference(values, second, participant, stimulus, level=level, estimator="jackknife")
    groups = np.where(np.asarray(second), "second", "first")
    cells = CellMeans.of(values, groups, participant, stimulus)
    odds = contrast_of(cells, Contrast("", {"second": 1.0, "first": -1.0}), "logit", level, "jackknife")
    return {**found.as_dict(), "odds_ratio": odds_ratio(odds.as_dict())}


def odds_ratio(log_odds: Mapping[str, Any], null: float = 0.0) -> dict[str, float | None]:
    """{estimate, low, high} of a difference of log-odds, as a ratio to that of ``null``."""
    return {
        name: None if log_odds[name] is None else math.exp(log_odds[name] - null)
        for name in ("estimate", "low", "high")
    }


def _moved(found: Clustered, null: float) -> dict[str, Any]:
    told = {name: getattr(found, name) for name in TOLD}
    return told | {name: None if told[name] is None else told[name] - null for name in ("estimate", "low", "high")}

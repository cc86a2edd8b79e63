"""What all explanations by examples have in common: what they check, and the order of what they give."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .base import ExamplePool, Examples, MethodError, as_numbers

# Scores closer than this share of the largest one are ties, so that rounding does not order duplicates.
_TIE = 1e-12


def checked_count(n: int) -> int:
    """n, a whole number of at least 1."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise MethodError(f"a prediction is explained by a whole number of examples, at least 1, not {n!r}")
    return int(n)


def checked_matrix(what: str, values: Any) -> Tensor:
    """`values` as float64 [n, f], a copy. Raises MethodError, calling them `what`, for anything but finite numbers."""
    matrix = torch.from_numpy(np.array(as_numbers(what, values), order="C"))
    if matrix.ndim != 2 or not matrix.shape[1]:
        raise MethodError(f"{what} must have two dimensions, not {list(matrix.shape)}")
    broken = ~matrix.isfinite().all(1)
    if bool(broken.any()):
        raise MethodError(f"row {int(broken.nonzero()[0])} of the {what} holds NaN or infinity")
    return matrix


def checked_features(pool: ExamplePool, queries: ExamplePool) -> tuple[Tensor, Tensor]:
    """The features of both, float64 [n, f] and [q, f]. Raises MethodError where one has more of them."""
    ours, theirs = pool.tensor("features"), queries.tensor("features")
    if ours.shape[1] != theirs.shape[1]:
        raise MethodError(
            f"pool {pool.name!r} has {ours.shape[1]} features an image, {queries.name!r} has {theirs.shape[1]}"
        )
    return ours, theirs


def best_first(scores: Tensor, n: int, among: Tensor, facts: dict[str, float]) -> Examples:
    """The n images with the largest scores, ties to the lower index.

    scores: float64 [k], finite, of the images whose numbers in the pool are `among`, int64 [k] and rising.
    """
    step = float(scores.abs().max()) * _TIE or 1.0
    order = torch.argsort((scores / step).round(), descending=True, stable=True)[:n]
    # What is a tie gets one score, the first one's, so that scores never rise.
    given = scores[order].cummin(0).values
    return Examples(tuple(among[order].tolist()), tuple(given.tolist()), facts)

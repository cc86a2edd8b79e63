"""MMD-critic: prototypes that together resemble a class, and criticisms that it represents badly.

Kim, Khanna & Koyejo, *Examples are not enough, learn to criticize!* (NeurIPS 2016); on hidden representations, as in
section 3.3 of Stock & Cissé (2018). With K a kernel over the n points and k̄_j = Σ_i K_ij / n:

Prototypes S maximise J_b(S) = 2/|S| Σ_{j∈S} k̄_j − 1/|S|² Σ_{i,j∈S} K_ij, the part of the squared maximum mean
discrepancy that depends on S, greedily: the next one has the largest 2·k̄_j − (2·Σ_{i∈S} K_ij + K_jj)/(|S|+1).

Criticisms C lie where the witness function w_j = k̄_j − Σ_{i∈S} K_ij / |S| is far from 0, and apart from each other:
the next one has the largest |w_j| + λ·log r_j, with r_j what is left of K_jj once the criticisms before it are known
(the increase of log det K_CC). λ, the `regularizer`, is 1e-5 with Stock & Cissé, where that term all but vanishes, and
1 in the code of Kim et al., where it dominates; 1e-5 here unless told otherwise. At the first criticism their code
subtracts log K_jj where the objective adds it; with a kernel whose diagonal is 1, as here from features, it is 0.

Prototypes are no criticisms. Scores within 1e-12 of the best are ties, which the lowest index wins, so that rounding
does not choose among duplicates. A point that duplicates a criticism has r_j = 0 and comes after all that do not.

Cost: O(n) a prototype, with a running sum; O(n·m) a criticism, with an incremental pivoted Cholesky decomposition.
From features no n × n kernel is held: blocks are streamed for k̄ (n²·f/2 multiplications), and only the columns of
chosen points are computed after that. Products run on the features' device; the bookkeeping, on one number a point, on
the processor. Everything is computed and summed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from .base import MethodError, Pool, Selection, Selector, as_numbers

# Points whose pairwise distances give the default bandwidth: all of a class, evenly spaced ones of anything larger.
_BANDWIDTH_POINTS = 5000
# Points in a block of the kernel: enough for products at full speed on a processor, or to fill a GPU. And in a block of
# one column: few, so that their features in float64 stay in the processor's cache.
_BLOCK_ON_CPU, _BLOCK_ON_GPU = 1024, 8192
_COLUMN_BLOCK_ON_CPU = 64
_ROWS_IN_CACHE = 64  # of a given kernel

_TIE = 1e-12
# Share of the largest K_jj, for one entry; kernels computed in float32 are symmetric to about 1e-6.
_ASYMMETRY = 1e-4
# Share of K_jj under which a residual is rounding error: the point duplicates what has been chosen.
_NOTHING_LEFT = 1e-10


@dataclass(frozen=True)
class PrototypesAndCriticisms:
    """prototypes, criticisms: int64 indices in order of selection. objective: float64 [n_prototypes], J_b after each
    prototype. gamma: of the RBF kernel; None where the kernel was given."""

    prototypes: Tensor
    criticisms: Tensor
    objective: Tensor
    gamma: float | None = None


@dataclass(frozen=True)
class MMDCritic(Selector):
    """Prototypes and criticisms by maximum mean discrepancy, with the kernel exp(−γ·‖x − y‖²) on the features.

    regularizer: λ ≥ 0. gamma: γ > 0, in 1/squared feature distance; None: 1/median squared distance within the class.
    The choice involves no chance: the seed changes nothing. facts: gamma, as used.
    """

    name: ClassVar[str] = "mmd_critic"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "MMD-critic"
    needs: ClassVar[tuple[str, ...]] = ("features",)

    regularizer: float = 1e-5
    gamma: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_parameters(self.regularizer, self.gamma)

    def select(self, pool: Pool, n_prototypes: int, n_criticisms: int, *, seed: int) -> Selection:
        """See `Selector.select`. The criticisms' pool is what the prototypes leave over."""
        features = pool.tensor("features")
        if pool.size < n_prototypes + n_criticisms:
            raise MethodError(
                f"class {pool.name!r}: MMD-critic is to choose {n_prototypes} prototypes and {n_criticisms} criticisms"
                f" from a pool of {pool.size}"
            )
        try:
            gamma = median_bandwidth(features) if self.gamma is None else self.gamma
            chosen = select_from_features(
                features, n_prototypes, n_criticisms, gamma=gamma, regularizer=self.regularizer
            )
        except MethodError as error:
            raise MethodError(f"class {pool.name!r}: {error}") from None
        return Selection(
            prototypes=tuple(chosen.prototypes.tolist()),
            criticisms=tuple(chosen.criticisms.tolist()),
            prototype_pool=pool.size,
            criticism_pool=pool.size - n_prototypes,
            facts={"gamma": gamma},
        )


def select_from_kernel(
    kernel: Any, n_prototypes: int, n_criticisms: int, *, regularizer: float = 1e-5
) -> PrototypesAndCriticisms:
    """Choose from n points by their kernel [n, n], a tensor or array: symmetric, finite, positive semi-definite (which
    is not checked).

    n_prototypes ≥ 1 and n_criticisms ≥ 0, together at most n. regularizer: λ ≥ 0. Raises MethodError of one line.
    """
    _check_parameters(regularizer, None)
    # NumPy, also for what was on a GPU: at this size what counts is what it costs to begin an operation.
    matrix = as_numbers("kernel", kernel)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise MethodError(f"a kernel is a square matrix, not {list(matrix.shape)}")
    _check_counts(len(matrix), n_prototypes, n_criticisms)
    means, means_of_rows = _means(matrix)
    diagonal = matrix.diagonal()
    if not np.isfinite(means).all():
        raise MethodError(f"column {int(np.isfinite(means).argmin())} of the kernel holds NaN or infinity")
    if (diagonal < 0).any():
        raise MethodError(f"the kernel is negative at {int((diagonal < 0).argmax())} on its diagonal")
    asymmetry = float(np.abs(means - means_of_rows).max()) * math.sqrt(len(matrix))
    if asymmetry > _ASYMMETRY * float(diagonal.max()):
        raise MethodError("the kernel is not symmetric: its rows and columns have different means")
    device = kernel.device if isinstance(kernel, Tensor) else torch.device("cpu")
    return _select(means, diagonal, matrix.__getitem__, n_prototypes, n_criticisms, regularizer, None, device)


def select_from_features(
    features: Tensor,
    n_prototypes: int,
    n_criticisms: int,
    *,
    gamma: float | None = None,
    regularizer: float = 1e-5,
) -> PrototypesAndCriticisms:
    """Choose from n points with features [n, f], finite, by the kernel exp(−γ·‖x − y‖²).

    gamma: γ; None: `median_bandwidth(features)`. The rest as for `select_from_kernel`. Memory beside the input: some
    blocks, (n_criticisms + 10)·n numbers, and what `median_bandwidth` needs before.
    """
    _check_parameters(regularizer, gamma)
    features = _check_features(features)
    _check_counts(len(features), n_prototypes, n_criticisms)
    if gamma is None:
        gamma = median_bandwidth(features)
    column_block = _COLUMN_BLOCK_ON_CPU if features.device.type == "cpu" else _BLOCK_ON_GPU
    squares = torch.cat([block.square().sum(1) for _, block in _in_blocks(features, column_block)])

    def column(index: int) -> np.ndarray:
        point = features[index].to(torch.float64)
        products = torch.cat([block @ point for _, block in _in_blocks(features, column_block)])
        values = _rbf(products.mul_(-2).add_(squares).add_(squares[index]), gamma)
        values[index] = 1
        return values.cpu().numpy()

    means, diagonal = _column_means(features, squares, gamma).cpu().numpy(), np.ones(len(features))
    return _select(means, diagonal, column, n_prototypes, n_criticisms, regularizer, gamma, features.device)


def median_bandwidth(features: Tensor) -> float:
    """γ = 1/median of the squared distances between different points of `features` [n, f].

    Over all pairs where n ≤ 5000, else over the pairs of 5000 evenly spaced points. Where more than half of the pairs
    are duplicates the median is over the others; where all points are one, γ = 1 (every γ gives the same kernel).
    """
    features = _check_features(features)
    n = min(len(features), _BANDWIDTH_POINTS)
    points = features[torch.arange(n, device=features.device) * len(features) // n].to(torch.float64)
    squares = points.square().sum(1)
    lengths = np.empty(n * (n - 1) // 2)
    filled = 0
    for rows, block in _in_blocks(points):
        distances = _squared_distances(block, points, squares[rows], squares).clamp_min_(0).cpu().numpy()
        for number, distance in enumerate(distances, rows.start + 1):
            lengths[filled : filled + n - number] = distance[number:]
            filled += n - number
    zero = _TIE * float(squares.max())
    median = _median(lengths)
    if median <= zero:
        median = _median(lengths[lengths > zero])
    return 1 / median if median > 0 else 1.0


def _median(values: np.ndarray) -> float:
    """Of an even number of values, the mean of the middle two; 0 of none. Reorders them."""
    return float(np.median(values, overwrite_input=True)) if len(values) else 0.0


def _means(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the columns and of the rows, from one reading of the memory."""
    share = np.full(len(matrix), 1 / len(matrix))
    of_columns, of_rows = np.zeros_like(share), np.empty_like(share)
    with np.errstate(invalid="ignore"):  # what comes of infinity is looked for, not warned about
        for start in range(0, len(matrix), _ROWS_IN_CACHE):
            rows = slice(start, start + _ROWS_IN_CACHE)
            of_columns += share[rows] @ matrix[rows]
            of_rows[rows] = matrix[rows] @ share
    return of_columns, of_rows


def _select(
    means: np.ndarray,
    diagonal: np.ndarray,
    column: Callable[[int], np.ndarray],
    n_prototypes: int,
    n_criticisms: int,
    regularizer: float,
    gamma: float | None,
    device: torch.device,
) -> PrototypesAndCriticisms:
    """means: column means of the kernel. column: one of its columns. All float64 [n]."""
    tie = _TIE * float(diagonal.max())
    prototypes, objective, sums = _prototypes(means, diagonal, column, n_prototypes, tie)
    distance = np.abs(means - sums / n_prototypes)
    with np.errstate(divide="ignore"):  # log 0 = −infinity is meant
        criticisms = _criticisms(distance, diagonal, column, prototypes, n_criticisms, tie, regularizer)
    return PrototypesAndCriticisms(
        torch.tensor(prototypes, dtype=torch.int64, device=device),
        torch.tensor(criticisms, dtype=torch.int64, device=device),
        torch.tensor(objective, dtype=torch.float64, device=device),
        gamma,
    )


def _prototypes(
    means: np.ndarray, diagonal: np.ndarray, column: Callable[[int], np.ndarray], count: int, tie: float
) -> tuple[list[int], list[float], np.ndarray]:
    """The indices, J_b after each, and the sum of their columns."""
    chosen: list[int] = []
    objective: list[float] = []
    twice_means = 2 * means  # −infinity once chosen
    costs = diagonal.copy()  # 2·Σ K_ij + K_jj
    scores = np.empty_like(means)
    affinity = within = 0.0  # Σ k̄_j and Σ K_ij over what has been chosen
    for size in range(1, count + 1):
        np.divide(costs, -size, out=scores)
        scores += twice_means
        best = _best(scores, tie)
        affinity += means[best]
        within += costs[best]
        objective.append(2 * affinity / size - within / size**2)
        costs += 2 * column(best)
        twice_means[best] = -math.inf
        chosen.append(best)
    return chosen, objective, (costs - diagonal) / 2


def _criticisms(
    distance: np.ndarray,
    diagonal: np.ndarray,
    column: Callable[[int], np.ndarray],
    prototypes: list[int],
    count: int,
    tie: float,
    regularizer: float,
) -> list[int]:
    """distance: |witness|."""
    chosen: list[int] = []
    distance[prototypes] = -math.inf
    residual = diagonal.copy()
    floor = diagonal * _NOTHING_LEFT
    factor = np.zeros((count, len(distance)))  # the Cholesky factor, transposed
    scores = distance if regularizer == 0 else np.empty_like(distance)
    square = np.empty_like(distance)
    for size, row in enumerate(factor):
        if regularizer > 0:  # 0 · log 0 is not 0 to a computer
            np.log(residual, out=scores)
            scores *= regularizer
            scores += distance
        best = _best(scores, tie)
        if scores[best] == -math.inf:  # only duplicates are left
            best = int((distance > -math.inf).argmax())
        chosen.append(best)
        distance[best] = -math.inf
        if residual[best] > 0:
            np.subtract(column(best), factor[:size, best] @ factor[:size], out=row)
            row /= math.sqrt(residual[best])
            residual -= np.multiply(row, row, out=square)
            residual[residual <= floor] = 0
    return chosen


def _best(scores: np.ndarray, tie: float) -> int:
    """The lowest index whose score is within `tie` of the best."""
    return int((scores >= scores[scores.argmax()] - tie).argmax())


def _in_blocks(features: Tensor, size: int | None = None) -> Iterator[tuple[slice, Tensor]]:
    """The rows in float64, some at a time and all in one place: a block is overwritten by the next one. A second copy
    of everything could be the larger part of the memory."""
    if size is None:
        size = _BLOCK_ON_CPU if features.device.type == "cpu" else _BLOCK_ON_GPU
    place = torch.empty(min(size, len(features)), features.shape[1], dtype=torch.float64, device=features.device)
    for start in range(0, len(features), size):
        rows = slice(start, min(start + size, len(features)))
        yield rows, place[: rows.stop - rows.start].copy_(features[rows])


def _column_means(features: Tensor, squares: Tensor, gamma: float) -> Tensor:
    """Of the kernel, of which only the blocks on and above the diagonal are computed, one at a time."""
    sums = torch.zeros_like(squares)
    place: Tensor | None = None
    for rows, block in _in_blocks(features):
        for offset, other in _in_blocks(features[rows.start :]):
            columns = slice(rows.start + offset.start, rows.start + offset.stop)
            if place is None or place.shape != (len(block), len(other)):
                place = squares.new_empty(len(block), len(other))
            kernel = _rbf(_squared_distances(block, other, squares[rows], squares[columns], out=place), gamma)
            if columns == rows:
                kernel.fill_diagonal_(1)
            else:
                sums[rows] += kernel.sum(1)
            sums[columns] += kernel.sum(0)
    return sums / len(features)


def _rbf(squared_distances: Tensor, gamma: float) -> Tensor:
    """exp(−γ·‖x − y‖²), in the memory of the squared distances, of which some are a rounding error under 0."""
    return squared_distances.mul_(-gamma).clamp_max_(0).exp_()


def _squared_distances(
    points: Tensor, others: Tensor, squares: Tensor, other_squares: Tensor, out: Tensor | None = None
) -> Tensor:
    """‖x − y‖² to rounding, [points, others]."""
    return torch.addmm(other_squares, points, others.T, alpha=-2, out=out).add_(squares[:, None])


def _check_parameters(regularizer: float, gamma: float | None) -> None:
    if not (isinstance(regularizer, Real) and math.isfinite(regularizer) and regularizer >= 0):
        raise MethodError(f"regularizer must be a number of at least 0, not {regularizer!r}")
    if gamma is not None and not (isinstance(gamma, Real) and math.isfinite(gamma) and gamma > 0):
        raise MethodError(f"gamma must be a positive number, not {gamma!r}")


def _check_counts(n: int, n_prototypes: int, n_criticisms: int) -> None:
    for name, count in (("n_prototypes", n_prototypes), ("n_criticisms", n_criticisms)):
        if isinstance(count, bool) or not isinstance(count, Integral):
            raise MethodError(f"{name} must be a whole number, not {count!r}")
    if n_prototypes < 1 or n_criticisms < 0:
        raise MethodError(
            f"at least 1 prototype and 0 criticisms are chosen, not {n_prototypes} and {n_criticisms}:"
            " a criticism is one of the prototypes"
        )
    if n_prototypes + n_criticisms > n:
        raise MethodError(f"{n_prototypes} prototypes and {n_criticisms} criticisms cannot be chosen from {n} points")


def _check_features(features: Tensor) -> Tensor:
    features = torch.as_tensor(features).detach()
    if features.ndim != 2 or not features.is_floating_point() or not features.numel():
        raise MethodError(
            f"features must be floating-point numbers [n, f], not {features.dtype} {list(features.shape)}"
        )
    for rows, block in _in_blocks(features):
        broken = ~block.isfinite().all(1)
        if bool(broken.any()):
            raise MethodError(f"the features of point {rows.start + int(broken.nonzero()[0])} hold NaN or infinity")
    return features

"""MMD-critic: prototypes that together resemble a class, and criticisms that it represents badly.

Kim, Khanna & Koyejo, *Examples are not enough, learn to criticize!* (NeurIPS 2016); on hidden representations, as in
section 3.4 of Stock & Cissé (2018). With K a kernel over the n points and k̄_j = Σ_i K_ij / n:

Prototypes S maximise J_b(S) = 2/|S| Σ_{j∈S} k̄_j − 1/|S|² Σ_{i,j∈S} K_ij, the part of the squared maximum mean
discrepancy that depends on S, greedily: the next one has the largest 2·k̄_j − (2·Σ_{i∈S} K_ij + K_jj)/(|S|+1).

Criticisms C lie where the witness function w_j = k̄_j − Σ_{i∈S} K_ij / |S| is far from 0, and apart from each other:
the next one has the largest |w_j| + λ·log r_j, with r_j what is left of K_jj once the criticisms before it are known
(the increase of log det K_CC). λ, the `regularizer`, is 1e-5 in the paper, where that term all but vanishes, and 1 in
the authors' code, where it dominates; 1e-5 here unless told otherwise. At the first criticism the authors' code
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
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from .base import MethodError, Pool, Selection, Selector

# Points whose pairwise distances give the default bandwidth: all of a class, evenly spaced ones of anything larger.
_BANDWIDTH_POINTS = 5000
# A block of the kernel that stays in a processor's second-level cache, or fills a GPU.
_BLOCK_ON_CPU, _BLOCK_ON_GPU = 1024, 8192

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
    kernel: Tensor, n_prototypes: int, n_criticisms: int, *, regularizer: float = 1e-5
) -> PrototypesAndCriticisms:
    """Choose from n points by their kernel [n, n]: symmetric, finite, positive semi-definite (which is not checked).

    n_prototypes ≥ 1 and n_criticisms ≥ 0, together at most n. regularizer: λ ≥ 0. Raises MethodError of one line.
    """
    _check_parameters(regularizer, None)
    kernel = torch.as_tensor(kernel).detach()
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise MethodError(f"a kernel is a square matrix, not {list(kernel.shape)}")
    kernel = kernel.to(torch.float64)
    _check_counts(len(kernel), n_prototypes, n_criticisms)
    means, diagonal = kernel.mean(0), kernel.diagonal()
    if not bool(means.isfinite().all()):
        raise MethodError(f"column {int((~means.isfinite()).nonzero()[0])} of the kernel holds NaN or infinity")
    if bool((diagonal < 0).any()):
        raise MethodError(f"the kernel is negative at {int((diagonal < 0).nonzero()[0])} on its diagonal")
    asymmetry = float((means - kernel.mean(1)).abs().max()) * math.sqrt(len(kernel))
    if asymmetry > _ASYMMETRY * float(diagonal.max()):
        raise MethodError("the kernel is not symmetric: its rows and columns have different means")
    rows = kernel.numpy().__getitem__ if kernel.device.type == "cpu" else lambda index: kernel[index].cpu().numpy()
    return _select(means, diagonal, rows, n_prototypes, n_criticisms, regularizer, None)


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
    squares = torch.cat([block.square().sum(1) for _, block in _in_blocks(features)])

    def column(index: int) -> np.ndarray:
        point = features[index].to(torch.float64)
        products = torch.cat([block @ point for _, block in _in_blocks(features)])
        values = _rbf(products, squares, squares[index], gamma)
        values[index] = 1
        return values.cpu().numpy()

    means = _column_means(features, squares, gamma)
    return _select(means, torch.ones_like(squares), column, n_prototypes, n_criticisms, regularizer, gamma)


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
        distances = _squared_distances(block @ points.T, squares[rows, None], squares).cpu().numpy()
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


def _select(
    means: Tensor,
    diagonal: Tensor,
    column: Callable[[int], np.ndarray],
    n_prototypes: int,
    n_criticisms: int,
    regularizer: float,
    gamma: float | None,
) -> PrototypesAndCriticisms:
    """means: column means of the kernel. column: one of its columns. All float64 [n]."""
    k_bar, k_diagonal = means.cpu().numpy(), diagonal.cpu().numpy()
    tie = _TIE * float(k_diagonal.max())
    prototypes, objective, sums = _prototypes(k_bar, k_diagonal, column, n_prototypes, tie)
    distance = np.abs(k_bar - sums / n_prototypes)
    criticisms = _criticisms(distance, k_diagonal, column, prototypes, n_criticisms, tie, regularizer)
    return PrototypesAndCriticisms(
        torch.tensor(prototypes, dtype=torch.int64, device=means.device),
        torch.tensor(criticisms, dtype=torch.int64, device=means.device),
        torch.tensor(objective, dtype=torch.float64, device=means.device),
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
    factor = np.empty((count, len(distance)))  # the Cholesky factor, transposed
    for size in range(count):
        scores = distance
        if regularizer > 0:  # 0 · log 0 is not 0 to a computer
            with np.errstate(divide="ignore"):
                scores = np.log(residual)
            scores *= regularizer
            scores += distance
        best = _best(scores, tie)
        if scores[best] == -math.inf:  # only duplicates are left
            best = int((distance > -math.inf).argmax())
        chosen.append(best)
        distance[best] = -math.inf
        row = factor[size]
        if residual[best] > 0:
            np.subtract(column(best), factor[:size, best] @ factor[:size], out=row)
            row /= math.sqrt(residual[best])
            residual -= row * row
            residual[residual <= floor] = 0
        else:
            row[:] = 0
    return chosen


def _best(scores: np.ndarray, tie: float) -> int:
    """The lowest index whose score is within `tie` of the best."""
    return int((scores >= scores.max() - tie).argmax())


def _in_blocks(features: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The rows in float64, some at a time: a second copy of everything could be the larger part of the memory."""
    size = _BLOCK_ON_CPU if features.device.type == "cpu" else _BLOCK_ON_GPU
    for start in range(0, len(features), size):
        rows = slice(start, start + size)
        yield rows, features[rows].to(torch.float64)


def _column_means(features: Tensor, squares: Tensor, gamma: float) -> Tensor:
    """Of the kernel, of which only the blocks on and above the diagonal are computed, one at a time."""
    sums = torch.zeros_like(squares)
    for rows, block in _in_blocks(features):
        for offset, other in _in_blocks(features[rows.start :]):
            columns = slice(rows.start + offset.start, rows.start + offset.stop)
            kernel = _rbf(block @ other.T, squares[rows, None], squares[columns], gamma)
            if columns == rows:
                kernel.fill_diagonal_(1)
            else:
                sums[rows] += kernel.sum(1)
            sums[columns] += kernel.sum(0)
    return sums / len(features)


def _rbf(products: Tensor, squares: Tensor, other_squares: Tensor, gamma: float) -> Tensor:
    """exp(−γ·‖x − y‖²), in the memory of the inner products."""
    return _squared_distances(products, squares, other_squares).mul_(-gamma).exp_()


def _squared_distances(products: Tensor, squares: Tensor, other_squares: Tensor) -> Tensor:
    return products.mul_(-2).add_(squares).add_(other_squares).clamp_min_(0)


def _check_parameters(regularizer: float, gamma: float | None) -> None:
    if not (math.isfinite(regularizer) and regularizer >= 0):
        raise MethodError(f"regularizer must be a number of at least 0, not {regularizer!r}")
    if gamma is not None and not (math.isfinite(gamma) and gamma > 0):
        raise MethodError(f"gamma must be a positive number, not {gamma!r}")


def _check_counts(n: int, n_prototypes: int, n_criticisms: int) -> None:
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

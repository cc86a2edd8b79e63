"""Means of crossed answers by cell, and the two variances of whatever is computed from them.

A *cell* is a condition, or a condition in a phase: a group of answers with a mean of its own. An estimate is a smooth
function of the means, known here by its gradient. An answer y in a cell of n answers with mean m then has the influence
gradient * (y - m) / n on it. Two variances are made of that, each clustered by participant and by item:

*Cluster-robust*, Cameron, Gelbach & Miller (2011), *Robust Inference With Multiway Clustering*, Journal of Business &
Economic Statistics 29(2): the squared sums of influence by participant, plus those by item, less those by participant
and item together, each times its own G / (G - 1).

*Jackknife*, MacKinnon, Nielsen & Webb, *Jackknife Inference with Two-Way Clustering*, arXiv 2406.08880: the same three
parts, each (G - 1) / G times the squared changes of the means when one cluster is left out, carried through the
gradient.

Either sum can come out too small by chance, and is kept from falling below the smaller of its two one-way parts, or
below the larger one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .answers import AnswersError
from .crossed_panels import sum_of_squares
from .intervals import effective_participants, why_no_interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
#: Which of the one-way parts a two-way variance never falls below.
Floor = Literal["smaller", "larger"]


@dataclass(frozen=True)
class Variances:
    """The parts of a two-way variance: by participant, by item, and by both together."""

    participants: float
    items: float
    both: float

    def total(self, floor: Floor) -> float:
        bound = min if floor == "smaller" else max
        return max(self.participants + self.items - self.both, bound(self.participants, self.items))


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """Answers summed by cluster and cell; one row for each pair that occurs, in ascending order.

    Attributes:
        cluster: (R,) codes in [0, ``clusters``).
        cell: (R,) cell codes.
        answers: (R,) how many answers.
        residual: (R,) their sum less what as many answers at the cell's mean would give.
        clusters: how many clusters have an answer.
    """

    cluster: Codes
    cell: Codes
    answers: Floats
    residual: Floats
    clusters: int

    @classmethod
    def of(cls, cluster: Codes, cell: Codes, values: Floats, means: Floats) -> ClusterSums:
        width = len(means)
        pairs, place = np.unique(cluster * width + cell, return_inverse=True)
        answers = np.bincount(place).astype(np.float64)
        which, cells = np.divmod(pairs, width)
        # Sums of whole numbers are exact: so the order of rows changes no digit.
        residual = np.bincount(place, values) - means[cells] * answers
        codes, dense = np.unique(which, return_inverse=True)
        return cls(dense.astype(np.int64), cells, answers, residual, len(codes))

    def robust(self, weights: Floats, counts: Floats) -> float:
        """G / (G - 1) times the squared sums of influence."""
        if self.clusters < 2:
            return 0.0
        summed = self._by_cluster(weights[self.cell] * self.residual / counts[self.cell])
        return self.clusters / (self.clusters - 1) * sum_of_squares(summed)

    def jackknife(self, weights: Floats, counts: Floats) -> float | None:
        """(G - 1) / G times the squared changes; None when leaving a cluster out would empty a cell."""
        left = counts[self.cell] - self.answers
        used = weights[self.cell] != 0
        if self.clusters < 2 or (left[used] == 0).any():
            return None
        change = np.zeros(len(left))
        change[used] = weights[self.cell[used]] * self.residual[used] / left[used]
        return (self.clusters - 1) / self.clusters * sum_of_squares(self._by_cluster(change))

    def _by_cluster(self, values: Floats) -> Floats:
        return np.bincount(self.cluster, values, minlength=self.clusters).astype(np.float64, copy=False)


@dataclass(frozen=True, eq=False)
class CellMeans:
    """The means of some cells, and the answers they come from.

    Attributes:
        names: (C,) what the cells are called.
        means, counts: (C,) of the answers of each cell.
        values: (A,) the answers.
        cell, participant, item: (A,) codes.
    """

    names: tuple[str, ...]
    means: Floats
    counts: Floats
    values: Floats
    cell: Codes
    participant: Codes
    item: Codes

    @classmethod
    def of(cls, values: ArrayLike, cell: ArrayLike, participant: ArrayLike, item: ArrayLike) -> CellMeans:
        """Count (A,) values by cell; cells are named and put in order by what they are called.

        Raises AnswersError without answers, for a value that is missing or not a number, and for columns of another
        length.
        """
        numbers = np.asarray(values, dtype=np.float64)
        if numbers.ndim != 1 or not len(numbers):
            raise AnswersError("there are no answers")
        if not np.isfinite(numbers).all():
            raise AnswersError(f"row {int(np.argmin(np.isfinite(numbers)))}: the answer is missing or not a number")
        labels = np.asarray(cell)
        if labels.shape != numbers.shape:
            raise AnswersError("the condition must be given for every answer")
        groups, names = pd.factorize(labels, sort=True)
        if groups.min() < 0:
            raise AnswersError("the condition must be given for every answer")
        counts = np.bincount(groups).astype(np.float64)
        return cls(
            tuple(map(str, names)),
            np.bincount(groups, numbers) / counts,
            counts,
            numbers,
            groups.astype(np.int64),
            _codes(participant, len(numbers)),
            _codes(item, len(numbers)),
        )

    def only(self, names: Sequence[str]) -> CellMeans:
        """The named cells alone, with the participants and items that have answers in them."""
        wanted = [self.names.index(name) for name in self.names if name in names]
        if len(wanted) == len(self.names):
            return self
        place = np.full(len(self.names), -1, dtype=np.int64)
        place[wanted] = np.arange(len(wanted))
        keep = place[self.cell] >= 0
        return CellMeans(
            tuple(self.names[at] for at in wanted),
            self.means[wanted],
            self.counts[wanted],
            self.values[keep],
            place[self.cell[keep]],
            pd.factorize(self.participant[keep])[0].astype(np.int64),
            pd.factorize(self.item[keep])[0].astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.values)

    def mean(self, name: str) -> float:
        return float(self.means[self.names.index(name)])

    def count(self, name: str) -> int:
        return int(self.counts[self.names.index(name)])

    @cached_property
    def effective_participants(self) -> float:
        return effective_participants(np.bincount(self.participant))

    @cached_property
    def effective_items(self) -> float:
        return effective_participants(np.bincount(self.item))

    @property
    def n_items(self) -> int:
        return int(self.item.max()) + 1

    @property
    def degrees_of_freedom(self) -> float:
        return min(self.effective_participants, self.effective_items) - 1

    @property
    def shortfall(self) -> str | None:
        """Why there is no two-way variance, if so."""
        return why_no_interval(self.n_items, self.effective_participants)

    @cached_property
    def _sums(self) -> tuple[ClusterSums, ClusterSums, ClusterSums]:
        both = self.participant * self.n_items + self.item
        return tuple(  # type: ignore[return-value]
            ClusterSums.of(codes, self.cell, self.values, self.means) for codes in (self.participant, self.item, both)
        )

    def robust(self, weights: Floats) -> Variances:
        """The cluster-robust parts of the variance of an estimate with this (C,) gradient."""
        return Variances(*(sums.robust(weights, self.counts) for sums in self._sums))

    def jackknife(self, weights: Floats) -> Variances | None:
        """The jackknife's parts; None when leaving out a participant, an item or an answer would empty a cell."""
        parts = [sums.jackknife(weights, self.counts) for sums in self._sums]
        return None if None in parts else Variances(*parts)  # type: ignore[arg-type]

    def independent(self, weights: Floats, *, binary: bool) -> float | None:
        """Standard error were answers independent; None where a cell of the estimate has a single answer.

        Of zeros and ones it is the paper's sqrt(p (1 - p) / n), of other values that with n - 1.
        """
        used = weights != 0
        if binary:
            spread = self.means * (1 - self.means) / self.counts
        elif self.counts[used].min() < 2:
            return None
        else:
            squares = np.bincount(self.cell, (self.values - self.means[self.cell]) ** 2, minlength=len(self.counts))
            spread = squares / np.maximum(self.counts - 1, 1) / self.counts
        return math.sqrt(float((weights[used] ** 2 * spread[used]).sum()))


def _codes(labels: ArrayLike, length: int) -> Codes:
    codes, _ = pd.factorize(np.asarray(labels))
    if codes.shape != (length,) or (length and codes.min() < 0):
        raise AnswersError("participant and stimulus must be given for every answer")
    return codes.astype(np.int64, copy=False)

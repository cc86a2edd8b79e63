"""The two-way variance of a statistic of crossed panels: what its stimuli and what its participants contribute.

**It was derived for this project and has no published reference.** Take the mean T over N panels of a score t(Y) of
the number of yes in each. Beside an answer y stand the other answers of its panel, o of them yes; had it been the
other answer, the panel's score would differ by t(o + 1) - t(o). With pi(o) the share of yes among all answers that
stand beside o others, the answer's part in T is

    d = (t(o + 1) - t(o)) (y - pi(o)) / N

For the accepted share t is 1 from k yes up and d is zero but for the *pivotal* answers, o = k - 1. Then

    V_item   = sum over panels of (t(Y) - T)^2 / (N (N - 1))
    V_worker = W / (W - 1) * sum over participants of (their summed d / (1 - m / M))^2, m of all M answers theirs
    V_x      = sum of d^2
    V        = max(V_item + V_worker - V_x, V_item, V_worker)

as in Cameron, Gelbach & Miller (2011), V_x being what both count. For the yes share, t = Y / n, it is their variance,
less the scaling. :mod:`.pivotal` has the accepted share itself, also of images with several panels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .answers import Answers
from .panels import Panels

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Score = Callable[[Integers, Integers], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class CrossedPanels:
    """Counted panels by pattern, and participants' answers by the pattern of the panel they belong to.

    Attributes:
        size, yes: (P,) the distinct patterns among counted panels, in ascending order: answers, and yes among them.
        frequency: (P,) panels of each.
        participant: (C,) participant codes; one row for each participant, pattern and answer that occurs.
        cell: (C,) 2 * pattern + answer.
        count: (C,) answers.
        answers_each: (W,) answers of each participant code to counted panels.
        items: where panels share items, (R,) item codes, patterns and panels; one row for each item and pattern that
            occurs. None where each panel is about an item of its own.
    """

    size: Integers
    yes: Integers
    frequency: Integers
    participant: Integers
    cell: Integers
    count: Integers
    answers_each: Integers
    items: tuple[Integers, Integers, Integers] | None = None

    @classmethod
    def of(cls, answers: Answers, panels: Panels, *, item: NDArray[Any] | None = None) -> CrossedPanels:
        """Reduce the answers to counts. Takes one pass; the rest no longer depends on the number of answers.

        ``item`` (P,) says what panel codes have in common, such as the image that several labels are about.
        """
        width = int(panels.size.max()) + 1
        counted = np.flatnonzero(panels.counted)
        coded = panels.yes[counted]
        if panels.rule == "proportion":
            coded = coded + width * panels.size[counted]
            seen, inverse, frequency = np.unique(coded, return_inverse=True, return_counts=True)
        else:
            seen = np.flatnonzero(panels.histogram)
            frequency = panels.histogram[seen]
            inverse = np.searchsorted(seen, coded)
            seen = seen + width * panels.panel
        # Twice the pattern, or -1 where the panel is not counted: small enough for 32 bits.
        pattern = np.full(len(panels.size), -1, dtype=np.int32)
        pattern[counted] = 2 * inverse
        cell = pattern[answers.panel_codes()]
        people, said = answers.participant, answers.answer
        if len(counted) < panels.n_stimuli:
            keep = cell >= 0
            cell, people, said = cell[keep], people[keep], said[keep]
        cells = 2 * len(seen)
        codes = people.astype(np.int64) * cells
        codes += cell
        codes += said
        rows, count = _tally(codes, (int(people.max(initial=-1)) + 1) * cells)
        participant, cell = np.divmod(rows, max(cells, 1))
        return cls(
            size=seen // width,
            yes=seen % width,
            frequency=frequency,
            participant=participant,
            cell=cell,
            count=count,
            answers_each=np.bincount(participant, count).astype(np.int64),
            items=None if item is None else _by_item(np.asarray(item)[counted], inverse, len(seen)),
        )

    def with_pairs(self) -> CrossedPanels:
        """Without the panels of a single answer, in which nobody can agree with anybody."""
        keep = self.size >= 2
        if keep.all():
            return self
        place = np.cumsum(keep) - 1
        pattern, answer = np.divmod(self.cell, 2)
        kept = keep[pattern]
        participant, count = self.participant[kept], self.count[kept]
        items = None
        if self.items is not None:
            of_kept = keep[self.items[1]]
            items = self.items[0][of_kept], place[self.items[1][of_kept]], self.items[2][of_kept]
        return CrossedPanels(
            size=self.size[keep],
            yes=self.yes[keep],
            frequency=self.frequency[keep],
            participant=participant,
            cell=(2 * place[pattern] + answer)[kept],
            count=count,
            answers_each=np.bincount(participant, count).astype(np.int64),
            items=items,
        )

    @property
    def n_items(self) -> int:
        """Items with a counted panel."""
        return self.n_panels if self.items is None else len(np.unique(self.items[0]))

    @property
    def n_panels(self) -> int:
        return int(self.frequency.sum())

    @cached_property
    def _beside(self) -> tuple[Floats, Floats]:
        """(P,) pi(o) for a no (o = yes) and for a yes (o = yes - 1) in each pattern; 0 where nobody says it."""
        return self._share_beside(self.yes), self._share_beside(self.yes - 1)

    def _share_beside(self, others: Integers) -> Floats:
        saying_yes = (others + 1) * self._frequency_of(others + 1)
        saying_no = (self.size - others) * self._frequency_of(others)
        total = saying_yes + saying_no
        return np.divide(saying_yes, total, out=np.zeros(len(total)), where=total > 0)

    def _frequency_of(self, yes: Integers) -> Integers:
        """(P,) panels with each pattern's size and another number of yes."""
        width = int(self.size.max(initial=0)) + 2
        known, wanted = self.size * width + self.yes, self.size * width + yes
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return np.where((known[place] == wanted) & (yes >= 0), self.frequency[place], 0)

    def parts(self, score: Score) -> TwoWayParts:
        """The parts of the variance of the mean over panels of ``score(size, yes)``, a function of two (P,) arrays."""
        n = self.n_panels
        here = np.asarray(score(self.size, self.yes), dtype=np.float64)
        mean = float(self.frequency @ here) / n
        up = np.asarray(score(self.size, self.yes + 1), dtype=np.float64) - here
        down = here - np.asarray(score(self.size, self.yes - 1), dtype=np.float64)
        no, yes = self._beside
        # Patterns without a no (yes == size) or without a yes have no such answers: their part is never looked up.
        influence = np.column_stack([-up * no, down * (1 - yes)]).ravel() / n
        occurring = np.bincount(self.cell, self.count, minlength=len(influence))
        carried: Floats = self.count * influence[self.cell]
        worker = np.bincount(self.participant, carried, minlength=len(self.answers_each)).astype(np.float64)
        # A participant who gave many answers draws pi to themselves: the division undoes that.
        left = 1 - self.answers_each / max(int(self.answers_each.sum()), 1)
        worker = np.divide(worker, left, out=np.zeros(len(worker)), where=left > 0)
        return TwoWayParts(
            mean=mean,
            n_panels=n,
            spread=self._spread(here - mean),
            n_items=self.n_items,
            influence=influence,
            worker=worker,
            crossed=float(occurring @ influence**2),
            n_participants=int(np.count_nonzero(self.answers_each)),
        )

    def _spread(self, residual: Floats) -> float:
        if self.items is None:
            return float(self.frequency @ residual**2)
        item, pattern, panels = self.items
        return sum_of_squares(np.bincount(item, panels * residual[pattern]).astype(np.float64))


@dataclass(frozen=True, eq=False)
class TwoWayParts:
    """What the variance is made of; the variances need at least two panels and two participants.

    Attributes:
        mean: T.
        spread: sum over items of (their summed t - T)^2.
        influence: (2P,) d by 2 * pattern + answer.
        worker: (W,) summed d of each participant code, scaled by the share of answers that are not theirs.
        crossed: V_x.
    """

    mean: float
    n_panels: int
    spread: float
    influence: Floats
    worker: Floats
    crossed: float
    n_participants: int
    n_items: int

    @property
    def item_variance(self) -> float:
        return self.n_items / (self.n_items - 1) * self.spread / self.n_panels**2

    @property
    def worker_variance(self) -> float:
        return self.n_participants / (self.n_participants - 1) * sum_of_squares(self.worker)

    @property
    def variance(self) -> float:
        item, worker = self.item_variance, self.worker_variance
        return max(item + worker - self.crossed, item, worker)


def sum_of_squares(values: Floats) -> float:
    """Summed in ascending order and without zeros, so that neither how codes are numbered nor codes that do not occur
    change a digit.
    """
    squares = values**2
    return float(np.sort(squares[squares > 0]).sum())


def _by_item(item: Integers, pattern: Integers, patterns: int) -> tuple[Integers, Integers, Integers]:
    _, codes = np.unique(item, return_inverse=True)
    rows, panels = np.unique(codes * max(patterns, 1) + pattern, return_counts=True)
    items, of = np.divmod(rows, max(patterns, 1))
    return items, of, panels


def _tally(codes: Integers, length: int) -> tuple[Integers, Integers]:
    """The distinct codes in ascending order and how often each occurs; never more memory than the codes take."""
    if length > len(codes):
        return np.unique(codes, return_counts=True)
    count = np.bincount(codes, minlength=length)
    rows = np.flatnonzero(count)
    return rows, count[rows]

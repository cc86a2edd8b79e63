"""The two-way variances of an accepted share: the pivotal one, and the cluster jackknife that stands beside it.

A *unit* is what is accepted: a panel, or an image with a panel for each of several labels, which is accepted when one
of its panels is. An answer is *pivotal* when its unit is accepted with a yes in its place and not with a no: the other
answers of its panel hold exactly k - 1 yes, and no other panel of the unit is accepted. With pi the share of yes among
answers that stand beside as many others, as many of them yes, let d = (y - pi) / N for a pivotal answer and 0
otherwise, N the number of units. Units that share an *item*, such as the conditions of one image, are one cluster.

    V_item   = G / (G - 1) * sum over items of (sum of accepted - theta)^2 / N^2
    V_worker = W / (W - 1) * sum over participants of (sum of d / (1 - m / M))^2
    V_x      = sum over participants and items of (sum of d)^2

m of all M answers are the participant's: a participant who gave many draws pi to themselves, which the division undoes.

**Derived for this project; it has no published reference.** It is the infinitesimal jackknife of a two-sample
U-statistic (Efron & Stein 1981, *The Jackknife Estimate of Variance*; Gallas & Brown 2008, *Reader studies for
validation of CAD systems*), with the subtraction of Cameron, Gelbach & Miller (2011). It is cautious to the second
order, and does not hold where items depend on each other.

The *jackknife* is that of MacKinnon, Nielsen & Webb (arXiv 2406.08880): theta without each participant, all units they
sat in left out, and without each item; less what a participant and an item share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .answers import Answers, AnswersError
from .crossed_panels import sum_of_squares
from .panels import Panels

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class AcceptedParts:
    """An accepted share and the parts of its variance.

    Attributes:
        accepted, units: how many units are accepted, of how many that count.
        items, participants: how many clusters there are.
        v_item, v_worker, v_crossed: of the pivotal variance.
        v_corrected: V_x with half an answer of either kind added to the pivotal ones; 0 without any.
        v_jackknife: the whole of the jackknife's; None where a participant sat in every unit, or there is one item.
    """

    accepted: int
    units: int
    items: int
    participants: int
    v_item: float
    v_worker: float
    v_crossed: float
    v_corrected: float
    v_jackknife: float | None

    @property
    def variance(self) -> float:
        """For new images and new participants, never below the larger of its one-way parts."""
        return max(self.v_item + self.v_worker - self.v_crossed, self.v_item, self.v_worker)

    @property
    def v_habits(self) -> float:
        """What participants add by being alike with themselves."""
        return max(self.v_worker - self.v_crossed, 0.0)

    @property
    def v_habits_by_jackknife(self) -> float | None:
        """The same by the jackknife."""
        return None if self.v_jackknife is None else max(self.v_jackknife - self.v_item, 0.0)

    @property
    def v_images(self) -> float:
        """What another draw of images would change, answers apart."""
        return max(self.v_item - self.v_crossed, 0.0)


@dataclass(frozen=True, eq=False)
class PanelAnswers:
    """The answers of units that count, ready for the parts at any threshold.

    Attributes:
        panels: the panels.
        unit: (P,) unit code of each panel code, -1 for panels of units that do not count.
        item: (U,) item code of each unit.
        participant, panel, answer: (A,) of the answers that count.
        pair_participant, pair_unit: (R,) each participant with each unit they sat in, once.
        cell: (R,) code of the participant with the item of that unit.
    """

    panels: Panels
    unit: Integers
    item: Integers
    participant: Integers
    panel: Integers
    answer: Integers
    pair_participant: Integers
    pair_unit: Integers
    cell: Integers

    @classmethod
    def of(
        cls, answers: Answers, panels: Panels, *, unit: ArrayLike | None = None, item: ArrayLike | None = None
    ) -> PanelAnswers:
        """Take the panels of ``answers``.

        Args:
            unit: (P,) what each panel code is a label of; a panel is a unit of its own when None. A unit counts when
                all its panels do, so every panel of it has to be there, also those without an answer.
            item: (P,) what panels have in common; the stimulus of the answers when None.
        """
        length = len(panels.size)
        labels = np.arange(length) if unit is None else np.asarray(unit, dtype=np.int64)
        if labels.shape != (length,):
            raise AnswersError(f"{len(labels)} units for {length} panels")
        shared = _item_of(answers, length) if item is None else np.asarray(item, dtype=np.int64)
        named = np.ones(length, dtype=bool) if unit is not None else panels.size > 0
        counts = np.ones(int(labels.max(initial=-1)) + 1, dtype=bool)
        counts[labels[named & ~panels.counted]] = False
        counted = named & counts[labels]
        _, first, place = np.unique(labels[counted], return_index=True, return_inverse=True)
        units = np.full(length, -1, dtype=np.int64)
        units[counted] = place
        _, items = np.unique(shared[counted][first], return_inverse=True)
        codes = answers.panel_codes().astype(np.int64)
        keep = units[codes] >= 0
        people, codes = answers.participant[keep].astype(np.int64), codes[keep]
        width = max(len(first), 1)
        pairs = np.unique(people * width + units[codes])
        pair_participant, pair_unit = np.divmod(pairs, width)
        _, cell = np.unique(
            pair_participant * (int(items.max(initial=0)) + 1) + items[pair_unit] if len(pairs) else pairs,
            return_inverse=True,
        )
        said = answers.answer[keep].astype(np.int64)
        return cls(panels, units, items, people, codes, said, pair_participant, pair_unit, cell)

    @property
    def n_units(self) -> int:
        return len(self.item)

    @property
    def answers_each(self) -> Integers:
        """(W,) answers of each participant code to units that count."""
        return np.bincount(self.participant).astype(np.int64)

    def accepted(self, threshold: int) -> NDArray[np.bool_]:
        """(U,) whether each unit is accepted."""
        return self._accepted_panels(threshold) > 0

    def parts(self, threshold: int) -> AcceptedParts:
        """The accepted share and its variances; there has to be at least one unit."""
        n = self.n_units
        through = self._accepted_panels(threshold)
        accepted = through > 0
        # From counts, so that the order of rows changes no digit.
        share = float(np.count_nonzero(accepted)) / n
        of_items = np.bincount(self.item)
        summed = np.bincount(self.item, accepted) - share * of_items
        worker, crossed, corrected = self._workers(threshold, through)
        many = len(summed) > 1
        return AcceptedParts(
            accepted=int(np.count_nonzero(accepted)),
            units=n,
            items=len(summed),
            participants=int(np.count_nonzero(self.answers_each)),
            v_item=len(summed) / (len(summed) - 1) * sum_of_squares(summed) / n**2 if many else 0.0,
            v_worker=worker,
            v_crossed=crossed,
            v_corrected=corrected,
            v_jackknife=self._jackknife(accepted, share, summed / (n - of_items)) if many else None,
        )

    def _accepted_panels(self, threshold: int) -> Integers:
        """(U,) how many panels of each unit are accepted."""
        accepts = self.panels.acceptance(threshold)(self.panels.size, self.panels.yes) & (self.unit >= 0)
        return np.bincount(self.unit[accepts], minlength=self.n_units)

    def _workers(self, threshold: int, through: Integers) -> tuple[float, float, float]:
        """V_worker, V_x, and V_x as corrected."""
        accepts = self.panels.acceptance(threshold)
        size = self.panels.size[self.panel]
        others = self.panels.yes[self.panel] - self.answer
        own = accepts(size, others + self.answer)
        alone = through[self.unit[self.panel]] - own == 0
        pivotal = np.flatnonzero(accepts(size, others + 1) & ~accepts(size, others) & alone)
        each = self.answers_each
        people = int(np.count_nonzero(each))
        if people < 2 or not len(pivotal):
            return 0.0, 0.0, 0.0
        said, who = self.answer[pivotal], self.participant[pivotal]
        _, alike = np.unique(size[pivotal] * (int(size.max()) + 1) + others[pivotal], return_inverse=True)
        yes, of = np.bincount(alike, said), np.bincount(alike)
        share, smooth = yes / of, (yes + 0.5) / (of + 1)
        deviation = _Deviations(said, alike, share, self.n_units)
        scaled = deviation.by(who, len(each))
        left = 1 - each / each.sum()
        scaled = np.divide(scaled, left, out=np.zeros(len(each)), where=left > 0)
        cells = who * (int(self.item.max()) + 1) + self.item[self.unit[self.panel[pivotal]]]
        _, place = np.unique(cells, return_inverse=True)
        crossed = sum_of_squares(deviation.by(place, int(place.max()) + 1))
        corrected = float(of @ (smooth * (1 - smooth))) / self.n_units**2
        return people / (people - 1) * sum_of_squares(scaled), crossed, corrected

    def _jackknife(self, accepted: NDArray[np.bool_], share: float, without_item: Floats) -> float | None:
        n, among = self.n_units, accepted[self.pair_unit]
        sat = np.bincount(self.pair_participant)
        people, items = int(np.count_nonzero(sat)), len(without_item)
        if people < 2 or sat.max() == n:
            return None
        lost = np.bincount(self.pair_participant, among) - share * sat
        by_participant = (people - 1) / people * sum_of_squares(lost / (n - sat))
        by_item = (items - 1) / items * sum_of_squares(without_item)
        both = sum_of_squares(np.bincount(self.cell, among) - share * np.bincount(self.cell)) / n**2
        return max(by_participant + by_item - both, by_item)


@dataclass(frozen=True, eq=False)
class _Deviations:
    """d of pivotal answers, summed from counts by pattern, so that the order of rows changes no digit."""

    said: Integers
    alike: Integers
    share: Floats
    units: int

    def by(self, codes: Integers, length: int) -> Floats:
        total = np.zeros(length)
        for pattern, share in enumerate(self.share.tolist()):
            here = self.alike == pattern
            yes = np.bincount(codes[here], self.said[here], minlength=length)
            total += (yes - share * np.bincount(codes[here], minlength=length)) / self.units
        return total


def _item_of(answers: Answers, length: int) -> Integers:
    """(P,) the stimulus of each panel code."""
    items = np.full(length, -1, dtype=np.int64)
    items[answers.panel_codes()] = answers.stimulus
    return items

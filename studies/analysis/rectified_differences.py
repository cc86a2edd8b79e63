"""Differences of rectified errors between classifiers whose errors were judged by the same panels.

Each classifier has R = E (1 - s), with s the accepted share of *its* errors. A question that two of them share, the
same picture with the same labels, was judged once, so whatever is said of it moves both, and cancels in their
difference. With w = E / N, N the images of a classifier that count, and A(i) whether its label of image i is accepted,

    R_B - R_A = E_B - E_A - (w_B sum of A_B(i) - w_A sum of A_A(i))

An answer is *pivotal* for a classifier as in :mod:`.pivotal`. With v = w_B where it is pivotal for B, less w_A where it
is for A, and pi the share of yes among answers that are pivotal for either and stand beside as many others, as many of
them yes, let d = v (y - pi). The image is the item: its residual r is w_B (A_B - s_B) - w_A (A_A - s_A). Then

    V_worker = W / (W - 1) * sum over participants of (sum of d / (1 - m / M))^2
    V_x      = sum over participants and images of (sum of d)^2
    V_item   = G / (G - 1) * sum over images of r^2

On *this image set* both E are known and only other participants would judge: V = V_worker, and of a sample of images
(1 - n / M) (V_item - V_x) more. On *new images* everything is drawn again. With z = 1 for an image that is an error of
B alone after people judged it, -1 for one of A alone and 0 else, V = Var(z) / (images - 1) + max(V_worker - V_x, 0),
and of a sample (1 - n / M) V_item more. Intervals are symmetric, with Student's t and W_eff - 1 degrees of freedom,
W_eff that of the answers to questions which only one of the two has.

**Derived for this project, as the pivotal variance is; it has no published reference.**
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr

from .answers import Answers
from .crossed_panels import sum_of_squares
from .estimands import ESTIMANDS, NOBODY, Estimand, check_estimand
from .intervals import effective_participants, student, why_no_interval
from .panels import Panels
from .two_way_clustering import holm

MEANING: dict[Estimand, str] = {
    "this image set": "the difference of the errors on these images, by any judges",
    "new images": "the difference of the errors on new images from the same source, judged by new participants",
}
DERIVED = "(derived for this project; no published reference)"
METHOD: dict[Estimand, str] = {
    "this image set": f"participants' part of the two-way pivotal variance of the paired difference, Student's t with "
    f"W_eff - 1 degrees of freedom {DERIVED}",
    "new images": "paired part of all images and participants' part of the two-way pivotal variance of the paired "
    f"difference, Student's t with W_eff - 1 degrees of freedom {DERIVED}",
}
IGNORES = "ignores participants: takes images as independent and panels as certain"
SAME = "both classifiers are asked the same questions, so the difference is known"
TESTED = ("low", "high", "standard_error", "statistic", "p_value", "degrees_of_freedom")

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SharedPanels:
    """The panels of all classifiers together.

    Attributes:
        answers: every answer, to stimulus codes from 0.
        panels: their panels, those without an answer among them.
        image: (P,) code of the image each panel code is about.
        asked: by classifier, (P,) whether the panel is about an error of it.
    """

    answers: Answers
    panels: Panels
    image: Integers
    asked: Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Rectified:
    """One classifier's part.

    Attributes:
        error: E.
        result: its rectified error as :func:`.rectified.rectified_by` gives it.
    """

    error: float
    result: Mapping[str, Any]


def rectified_differences(
    shared: SharedPanels,
    classifiers: Mapping[str, Rectified],
    threshold: int,
    *,
    population: int,
    either: Mapping[tuple[str, str], int],
    level: float = 0.95,
    estimand: Estimand = "this image set",
) -> list[dict[str, Any]]:
    """Each pair of classifiers, the later less the earlier one, with two-way intervals and tests of no difference.

    Args:
        shared: who said what.
        classifiers: each with its E and R, in their order.
        population: images in the set the errors are taken over.
        either: by pair, how many of them are an error of at least one of the two.
        estimand: the registered one.

    Returns JSON-ready dicts: ``name`` "B - A", ``first`` A, ``second`` B, ``estimate`` R_B - R_A with its interval and
    ``p_value`` under ``estimand``, ``p_holm`` over all pairs, ``estimands`` with both, ``error_difference`` E_B - E_A,
    how many ``questions`` both share and each has alone, ``naive`` and ``reason``.
    """
    check_estimand(estimand)
    pairs = list(combinations(classifiers, 2))
    found = [
        _pair(shared, classifiers, (first, second), threshold, population, either[first, second], level)
        for first, second in pairs
    ]
    for name in ESTIMANDS:
        tested = [one["estimands"][name] for one in found]
        for one, p in zip(tested, holm([one["p_value"] for one in tested]), strict=True):
            one["p_holm"] = p
    return [{**one, **one["estimands"][estimand]} for one in found]


def _pair(
    shared: SharedPanels,
    classifiers: Mapping[str, Rectified],
    pair: tuple[str, str],
    threshold: int,
    population: int,
    either: int,
    level: float,
) -> dict[str, Any]:
    first, second = (classifiers[name] for name in pair)
    sides = [_Side.of(shared, name, classifiers[name].error, threshold) for name in pair]
    one, other = (shared.asked[name] for name in pair)
    result: dict[str, Any] = {
        "name": f"{pair[1]} - {pair[0]}",
        "first": pair[0],
        "second": pair[1],
        "error_difference": second.error - first.error,
        "questions": {
            "shared": int(np.count_nonzero(one & other)),
            "only_first": int(np.count_nonzero(one & ~other)),
            "only_second": int(np.count_nonzero(other & ~one)),
        },
        "naive": None,
    }
    blank = {"estimate": None, **dict.fromkeys((*TESTED, "effective_participants")), "level": level}
    for one_of in (first, second):
        if one_of.result["estimate"] is None:
            return result | {"estimands": _both(blank | {"reason": one_of.result["reason"]})}
    difference = second.result["estimate"] - first.result["estimate"]
    parts = _parts(shared, sides, threshold, either)
    blank |= {"estimate": difference, "effective_participants": parts.effective}
    sampled = _of_images(difference, parts.moment * either / population, population)
    result["naive"] = _naive(difference, sampled, level)
    if reason := SAME if not parts.deciding else why_no_interval(parts.items, parts.effective):
        return result | {"estimands": _both(blank | {"reason": reason})}
    habits = max(parts.worker - parts.crossed, 0.0)
    variances: dict[Estimand, float] = {
        "this image set": (parts.worker or parts.corrected) + parts.unseen * max(parts.item - parts.crossed, 0.0),
        "new images": sampled + habits + parts.unseen * parts.item,
    }
    both = _both(blank | {"reason": None})
    for name in ESTIMANDS:
        both[name] |= _tested(difference, variances[name], parts.effective - 1, level)
    return result | {"estimands": both}


def _both(found: Mapping[str, Any]) -> dict[Estimand, dict[str, Any]]:
    return {
        name: {"estimand": name, "meaning": MEANING[name], "method": METHOD[name], **found, "p_holm": None}
        for name in ESTIMANDS
    }


def _tested(difference: float, variance: float, freedom: float, level: float) -> dict[str, Any]:
    if variance == 0:
        return {"reason": NOBODY}
    error = math.sqrt(variance)
    half = student(level, freedom) * error
    return {
        "low": max(-1.0, difference - half),
        "high": min(1.0, difference + half),
        "standard_error": error,
        "statistic": difference / error,
        "p_value": 2 * float(stdtr(freedom, -abs(difference) / error)),
        "degrees_of_freedom": freedom,
    }


def _of_images(difference: float, moment: float, population: int) -> float:
    """Var(z) / (images - 1): what another draw of all images would change."""
    return max(moment - difference**2, 0.0) / max(population - 1, 1)


def _naive(difference: float, variance: float, level: float) -> dict[str, Any] | None:
    if variance == 0:
        return None
    error = math.sqrt(variance)
    half = float(ndtri(0.5 + level / 2)) * error
    return {
        "low": max(-1.0, difference - half),
        "high": min(1.0, difference + half),
        "standard_error": error,
        "p_value": 2 * float(ndtr(-abs(difference) / error)),
        "label": IGNORES,
    }


@dataclass(frozen=True, eq=False)
class _Side:
    """One classifier of a pair.

    Attributes:
        panel: (P,) its panels whose image counts; an image counts when all of its panels do.
        shown, counts: (I,) by image code, whether it is an error of this classifier, and whether it counts as well.
        through: (I,) how many of its panels are accepted.
        weight: w = E / N.
        share: s.
    """

    panel: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    through: Integers
    weight: float
    share: float

    @classmethod
    def of(cls, shared: SharedPanels, name: str, error: float, threshold: int) -> _Side:
        asked, image, panels = shared.asked[name], shared.image, shared.panels
        length = int(image.max(initial=-1)) + 1
        shown = np.bincount(image[asked], minlength=length) > 0
        lacking = np.bincount(image[asked & ~panels.counted], minlength=length) > 0
        counts = shown & ~lacking
        panel = asked & counts[image]
        accepted = panel & panels.acceptance(threshold)(panels.size, panels.yes)
        through = np.bincount(image[accepted], minlength=length)
        n = int(np.count_nonzero(counts))
        share = int(np.count_nonzero(through)) / n if n else 0.0
        return cls(panel, shown, counts, through, error / n if n else 0.0, share)

    @property
    def accepted(self) -> NDArray[np.bool_]:
        return self.through > 0


@dataclass(frozen=True)
class _Parts:
    """Of the variance of a pair's difference; moment: the mean of z^2 over the images that are an error of either."""

    worker: float
    crossed: float
    corrected: float
    item: float
    moment: float
    unseen: float
    effective: float
    deciding: int
    items: int


def _parts(shared: SharedPanels, sides: Sequence[_Side], threshold: int, either: int) -> _Parts:
    one, other = sides
    judged = (one.counts | other.counts) & ~((one.shown & ~one.counts) | (other.shown & ~other.counts))
    left = [side.counts & ~side.accepted for side in sides]
    n = int(np.count_nonzero(judged))
    moment = int(np.count_nonzero((left[0] != left[1]) & judged)) / n if n else 0.0
    residual = other.weight * np.where(other.counts, other.accepted - other.share, 0.0)
    residual -= one.weight * np.where(one.counts, one.accepted - one.share, 0.0)
    images = int(np.count_nonzero(one.counts | other.counts))
    codes = shared.answers.panel_codes()
    deciding = one.panel != other.panel
    worker, crossed, corrected = _workers(shared, sides, threshold, codes)
    return _Parts(
        worker=worker,
        crossed=crossed,
        corrected=corrected,
        item=images / (images - 1) * sum_of_squares(residual) if images > 1 else 0.0,
        moment=moment,
        unseen=max(1 - images / either, 0.0) if either else 0.0,
        effective=effective_participants(np.bincount(shared.answers.participant[deciding[codes]])),
        deciding=int(np.count_nonzero(deciding)),
        items=len(np.unique(shared.image[deciding])),
    )


def _workers(
    shared: SharedPanels, sides: Sequence[_Side], threshold: int, codes: NDArray[Any]
) -> tuple[float, float, float]:
    """V_worker, V_x, and V_x with half an answer of either kind added to the pivotal ones."""
    panels, accepts = shared.panels, shared.panels.acceptance(threshold)
    here = (sides[0].panel | sides[1].panel)[codes]
    codes, said, people = (
        column[here].astype(np.int64) for column in (codes, shared.answers.answer, shared.answers.participant)
    )
    size, image = panels.size[codes], shared.image[codes]
    others = panels.yes[codes] - said
    own, close = accepts(size, others + said), accepts(size, others + 1) & ~accepts(size, others)
    pivotal = [close & side.panel[codes] & (side.through[image] - own == 0) for side in sides]
    each = np.bincount(people)
    at = np.flatnonzero(pivotal[0] | pivotal[1])
    active = int(np.count_nonzero(each))
    if active < 2 or not len(at):
        return 0.0, 0.0, 0.0
    # Sums come from counts by pattern and weight, so that the order of rows changes no digit.
    weights = (-sides[0].weight, sides[1].weight, sides[1].weight - sides[0].weight)
    kind = pivotal[0][at] + 2 * pivotal[1][at] - 1
    _, alike = np.unique(size[at] * (int(size.max()) + 1) + others[at], return_inverse=True)
    yes, of = np.bincount(alike, said[at]), np.bincount(alike)
    share, smooth = yes / of, (yes + 0.5) / (of + 1)

    def deviations(by: Integers, length: int) -> NDArray[np.float64]:
        total = np.zeros(length)
        for pattern, pi in enumerate(share.tolist()):
            for which, weight in enumerate(weights):
                rows = (alike == pattern) & (kind == which)
                answered = np.bincount(by[rows], minlength=length)
                total += weight * (np.bincount(by[rows], said[at][rows], minlength=length) - pi * answered)
        return total

    left = 1 - each / each.sum()
    scaled = np.divide(deviations(people[at], len(each)), left, out=np.zeros(len(each)), where=left > 0)
    _, cell = np.unique(people[at] * (int(image.max()) + 1) + image[at], return_inverse=True)
    often = np.array([[np.count_nonzero((alike == p) & (kind == w)) for w in range(3)] for p in range(len(share))])
    corrected = float((smooth * (1 - smooth)) @ (often @ np.array(weights) ** 2))
    return (
        active / (active - 1) * sum_of_squares(scaled),
        sum_of_squares(deviations(cell, int(cell.max()) + 1)),
        corrected,
    )

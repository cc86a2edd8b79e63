"""Means over images with their intervals, and paired differences: of measures that each image has one value of.

Images are a sample; whatever else is random (a seed, an attack) is part of the image's value.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .intervals import MIN_ITEMS, student, wilson

LEVEL = 0.95


def image_mean(values: Sequence[float], *, outcomes: bool = False, level: float = LEVEL) -> dict[str, Any]:
    """estimate, low, high, n and reason: the mean with its interval over images.

    outcomes: the values are shares of right decisions; where each is 0 or 1 the interval is Wilson's, else and for
    other quantities Student's t.  No interval under MIN_ITEMS images; `reason` then says why.
    """
    array = np.asarray(values, dtype=np.float64)
    found: dict[str, Any] = {"estimate": None, "low": None, "high": None, "n": int(array.size), "reason": None}
    if not array.size:
        return found | {"reason": "no image has a value"}
    found["estimate"] = float(array.mean())
    if array.size < MIN_ITEMS:
        return found | {"reason": f"{array.size} images; under {MIN_ITEMS} there is no interval"}
    if outcomes and np.isin(array, (0, 1)).all():
        low, high = wilson(float(array.sum()), array.size, level) or (None, None)
        return found | {"low": low, "high": high}
    margin = _margin(array, level)
    return found | {"low": found["estimate"] - margin, "high": found["estimate"] + margin}


def paired_difference(
    first: Mapping[Any, float], second: Mapping[Any, float], *, level: float = LEVEL
) -> dict[str, Any]:
    """The mean of second − first over the images that both have a value of, as `image_mean` gives it, by Student's t.

    No interval where no image differs: then nothing is known of how often one would.
    """
    shared = [key for key in first if key in second]
    array = np.array([second[key] - first[key] for key in shared], dtype=np.float64)
    found: dict[str, Any] = {"estimate": None, "low": None, "high": None, "n": int(array.size), "reason": None}
    if not array.size:
        return found | {"reason": "no image has both values"}
    found["estimate"] = float(array.mean())
    if array.size < MIN_ITEMS:
        return found | {"reason": f"{array.size} images; under {MIN_ITEMS} there is no interval"}
    if not array.any():
        return found | {"reason": "no image differs"}
    margin = _margin(array, level)
    return found | {"low": found["estimate"] - margin, "high": found["estimate"] + margin}


def rejection_scores(largest: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """The pointing game with rejection (Selvaraju et al. 2017, 4.2): each image's share of right decisions.

    largest: [images, classes], the largest value of each class's map.  hits: the same, 1 or 0 whether the map points at
    an object of the class, NaN where the picture has none.  A class is rejected where its map's largest value is
    below a threshold; that is right where it has no object.  A class that is not rejected must be hit.

    The threshold of an image is the one that does best on the other half of the images, every second one: a method's
    values have no common unit, and no image decides about itself.  All are kept where there is no other image.
    """
    n = len(largest)
    scores = np.empty(n)
    for half in (0, 1):
        own, other = np.arange(n) % 2 == half, np.arange(n) % 2 != half
        threshold = _best_threshold(largest[other], hits[other])
        scores[own] = _decisions(largest[own], hits[own], threshold).mean(axis=1)
    return scores


def _best_threshold(largest: np.ndarray, hits: np.ndarray) -> float:
    """Of midpoints between the maxima, at most 500 evenly over them, the one with most right decisions; the lowest."""
    if not largest.size:
        return -np.inf
    levels = np.unique(largest)
    if len(levels) > 500:
        levels = levels[np.linspace(0, len(levels) - 1, 500).round().astype(int)]
    candidates = [-np.inf, *((levels[1:] + levels[:-1]) / 2), np.inf]
    rates = [float(_decisions(largest, hits, one).mean()) for one in candidates]
    return float(candidates[int(np.argmax(rates))])


def _decisions(largest: np.ndarray, hits: np.ndarray, threshold: float) -> np.ndarray:
    rejected, present = largest < threshold, ~np.isnan(hits)
    return np.where(present, ~rejected & (np.nan_to_num(hits) > 0), rejected).astype(np.float64)


def _margin(array: np.ndarray, level: float) -> float:
    return student(level, array.size - 1) * float(array.std(ddof=1)) / float(np.sqrt(array.size))

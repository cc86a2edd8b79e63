"""Explanations as pictures for people: pure functions from uint8 [h, w, 3] to uint8 [h, w, 3].

The same input gives the same bytes everywhere: integer arithmetic, or float64 with the four basic operations, rounded
once. Nothing here changes its input, reads or writes a file, or knows which method made an explanation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from .base import Explanation, MethodError
from .images import GREY, ImageError

Fill = Literal["grey", "mean"]

# Red speaks for the label and blue against it: told apart with the common kinds of colour blindness.
_FOR, _AGAINST = (202, 0, 32), (5, 113, 176)
_STRONGEST = 0.8  # opacity of the largest coefficient; the picture stays visible below


def most_positive(explanation: Explanation, n: int) -> list[int]:
    """The superpixels with the n largest positive coefficients, largest first, ties to the lower label.

    Fewer than n where fewer are positive; none where there is no explanation.
    """
    order = np.argsort(-explanation.coefficients, kind="stable")[:n]
    return [int(superpixel) for superpixel in order if explanation.coefficients[superpixel] > 0]


def covered(picture: np.ndarray, segments: np.ndarray, *, fill: Fill = "grey") -> np.ndarray:
    """The picture with every superpixel hidden: grey, or its mean colour rounded to the nearest level."""
    _check(picture, segments)
    if fill not in get_args(Fill):
        raise MethodError(f"fill must be one of {', '.join(get_args(Fill))}, not {fill!r}")
    if fill == "grey":
        return np.full_like(picture, GREY)
    owner = segments.reshape(-1)
    counts = np.bincount(owner)
    sums = [np.bincount(owner, weights=channel).astype(np.int64) for channel in picture.reshape(-1, 3).T]
    means = np.stack([(2 * total + counts) // (2 * np.maximum(counts, 1)) for total in sums], axis=1)
    return means.astype(np.uint8)[segments]


def only(picture: np.ndarray, segments: np.ndarray, shown: Sequence[int], *, fill: Fill = "grey") -> np.ndarray:
    """The picture with the superpixels `shown`, and the others hidden."""
    hidden = covered(picture, segments, fill=fill)
    return np.where(np.isin(segments, list(shown))[:, :, None], picture, hidden)


def top_superpixels(
    picture: np.ndarray, explanation: Explanation, *, n_shown: int = 8, fill: Fill = "grey"
) -> np.ndarray:
    """The n_shown superpixels that speak most for the label, the rest hidden.

    With fewer positive superpixels fewer are shown; with none all is hidden: see `Explanation.n_positive`.
    """
    return only(picture, explanation.segments, most_positive(explanation, n_shown), fill=fill)


def explanation_path(
    picture: np.ndarray, explanation: Explanation, *, n_steps: int = 8, fill: Fill = "grey"
) -> list[np.ndarray]:
    """The explanation path (Stock & Cissé 2018, figure 10b): the picture uncovered one superpixel at a time.

    The first picture shows the most positive superpixel, each further one the next as well; at most n_steps pictures,
    fewer with fewer positive superpixels, [] with none.
    """
    order = most_positive(explanation, n_steps)
    return [only(picture, explanation.segments, order[: length + 1], fill=fill) for length in range(len(order))]


def heat_map(picture: np.ndarray, explanation: Explanation) -> np.ndarray:
    """The picture in shades of grey under red where a superpixel speaks for the label, blue where it speaks against.

    The opacity is proportional to the coefficient; the largest absolute one gets 80%.
    """
    _check(picture, explanation.segments)
    grey = ((picture.astype(np.int64) @ np.array([299, 587, 114]) + 500) // 1000)[:, :, None]
    largest = np.abs(explanation.coefficients).max()
    if largest == 0:
        return np.repeat(grey, 3, axis=2).astype(np.uint8)
    strength = (explanation.coefficients / largest)[explanation.segments][:, :, None]
    colour = np.where(strength > 0, _FOR, _AGAINST)
    opacity = np.abs(strength) * _STRONGEST
    return np.floor(grey * (1 - opacity) + colour * opacity + 0.5).astype(np.uint8)


def difference(before: np.ndarray, after: np.ndarray, *, times: int = 20) -> np.ndarray:
    """What `after` has more or less than `before`, magnified: mid-grey where they agree, cut off at black and white."""
    if before.shape != after.shape or before.dtype != np.uint8 or after.dtype != np.uint8:
        raise ImageError(
            f"a difference is of two uint8 pictures of one size, not of {before.dtype} {list(before.shape)} and"
            f" {after.dtype} {list(after.shape)}"
        )
    change = after.astype(np.int64) - before
    return np.clip(GREY + times * change, 0, 255).astype(np.uint8)


def side_by_side(pictures: Sequence[np.ndarray], *, gap: int = 8) -> np.ndarray:
    """Pictures of one height in a row, `gap` white pixels between them."""
    if not pictures or len({len(picture) for picture in pictures}) > 1:
        raise ImageError("pictures side by side need one height")
    space = np.full((len(pictures[0]), gap, 3), 255, np.uint8)
    row = [part for picture in pictures for part in (picture, space)][:-1]
    return np.concatenate(row, axis=1)


def examples_sheet(query: np.ndarray, examples: Sequence[np.ndarray], *, gap: int = 8) -> np.ndarray:
    """A picture and, after a gap three times as wide, those that explain it, best first."""
    return side_by_side([side_by_side([query, *examples[:1]], gap=3 * gap), *examples[1:]], gap=gap)


def stacked(rows: Sequence[np.ndarray], *, gap: int = 8) -> np.ndarray:
    """Rows below each other, `gap` white pixels between them, shorter rows filled with white on the right."""
    width = max((row.shape[1] for row in rows), default=0)
    if not width:
        raise ImageError("no rows to stack")
    padded = [np.pad(row, ((0, gap), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    return np.concatenate(padded)[: -gap or None]


def magnified(picture: np.ndarray, times: int) -> np.ndarray:
    """Every pixel as a square of times × times: enlarged without inventing anything."""
    if times < 1:
        raise ImageError(f"a picture is magnified by a whole number of at least 1, not {times}")
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _check(picture: np.ndarray, segments: np.ndarray) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ImageError(f"a picture is uint8 [height, width, 3], not {picture.dtype} {list(picture.shape)}")
    if segments.shape != picture.shape[:2]:
        raise ImageError(f"segments of {list(segments.shape)} do not fit a picture of {list(picture.shape[:2])}")

"""Measures of a heat map: where it points, the box it draws, and what happens to the probability as pixels go or come.

A box is (x0, y0, x1, y1) in pixels of the map, ends exclusive. Maps are [h, w], signed, arrays or tensors; positive
values speak for the label.

Weakly supervised localisation draws the box around the largest part above 15% of the map's maximum (Zhou et al. 2016,
Selvaraju et al. 2017) and counts an IoU of at least 0.5, as ILSVRC does. The pointing game asks whether the largest
value lies on the object, give or take 15 pixels (Zhang et al., *Top-down Neural Attention by Excitation Backprop*,
2018). Deletion and insertion curves: Petsiuk, Das & Saenko, *RISE*, BMVC 2018.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Literal, get_args

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from .base import MethodError, as_numbers
from .frozen_model import checked_logits, frozen
from .gradient_passes import batch_limit, even_slices
from .input_checks import check_range

Box = tuple[int, int, int, int]
CurveKind = Literal["deletion", "insertion"]

_TOUCHING = np.ones((3, 3))  # 8-connected: pixels that share a corner are one part


def bounding_box(values: Any, share: float = 0.15) -> Box | None:
    """The box around the largest 8-connected part of the pixels with at least `share` of the map's maximum.

    values: [h, w]. share: above 0, at most 1. Of parts of one size, the one met first row by row. None for a map
    without a positive value, which points nowhere. Raises MethodError for other values and for NaN or infinity.
    """
    map_ = _checked_map(values)
    if isinstance(share, bool) or not isinstance(share, Real) or not 0 < share <= 1:
        raise MethodError(f"share must be above 0 and at most 1, not {share!r}")
    largest = map_.max()
    if largest <= 0:
        return None
    parts, _ = ndimage.label(map_ >= share * largest, structure=_TOUCHING)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    rows, columns = ndimage.find_objects(parts)[int(sizes.argmax()) - 1]
    return int(columns.start), int(rows.start), int(columns.stop), int(rows.stop)


def iou(box: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes, in [0, 1]. Raises MethodError for a box without pixels."""
    one, two = _checked_box(box), _checked_box(other)
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    shared = max(width, 0) * max(height, 0)
    areas = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (one, two))
    return shared / (areas - shared)


def pointing_hit(values: Any, box: Sequence[float], tolerance: float = 15) -> bool:
    """Whether the pixel with the map's largest value lies in the box or at most `tolerance` pixels from it.

    values: [h, w]; of equal values the lowest index, row by row, counts. The distance is Euclidean, to the nearest
    pixel of the box. Raises MethodError for other values, for NaN or infinity, and for a box without pixels.
    """
    map_ = _checked_map(values)
    if isinstance(tolerance, bool) or not isinstance(tolerance, Real) or not tolerance >= 0:
        raise MethodError(f"tolerance must be at least 0 pixels, not {tolerance!r}")
    x0, y0, x1, y1 = _checked_box(box)
    y, x = divmod(int(map_.argmax()), map_.shape[1])
    return math.hypot(max(x0 - x, 0, x - (x1 - 1)), max(y0 - y, 0, y - (y1 - 1))) <= tolerance


def curve(
    classifier: nn.Module,
    image: Tensor,
    label: int,
    values: Any,
    *,
    kind: CurveKind = "deletion",
    n_steps: int,
    fill: Tensor,
) -> Tensor:
    """The label's probability as the pixels with the largest values go ("deletion") or come ("insertion").

    image: [3, h, w] in [0, 1]. values: [h, w]; largest first, of equal values the lower index. fill: like the image,
    what stands where a pixel is gone: black, grey or a blurred image. n_steps: steps, 1 to h·w; after step k
    ⌊k·h·w / n_steps⌋ pixels are exchanged.

    Returns n_steps + 1 probabilities on the CPU, from the whole image to `fill`, or back. Their mean is the area under
    the curve: small is good for deletion, large for insertion. Raises MethodError for anything else.
    """
    image, fill, order = _checked_curve(image, values, kind, n_steps, fill)
    before, after = (image, fill) if kind == "deletion" else (fill, image)
    pixels = image.shape[1] * image.shape[2]
    when = torch.empty(pixels, dtype=torch.int64)  # at which place in the order each pixel is exchanged
    when[order] = torch.arange(pixels)
    when = when.view(image.shape[1:]).to(image.device)
    counts = torch.arange(n_steps + 1, device=image.device) * pixels // n_steps
    if int(label) < 0:
        raise MethodError(f"label {int(label)} is none of the classifier's outputs")
    asked = torch.full((n_steps + 1,), int(label), device=image.device)
    probabilities = []
    with frozen(classifier, image.device), torch.no_grad():
        for rows in even_slices(n_steps + 1, batch_limit(pixels, image.device)):
            exchanged = when < counts[rows, None, None]
            pictures = torch.where(exchanged[:, None], after, before)
            logits = checked_logits(classifier, pictures, asked[rows])
            probabilities.append(logits.softmax(1)[:, int(label)])
    return torch.cat(probabilities).cpu()


def _checked_map(values: Any) -> np.ndarray:
    map_ = as_numbers("values of the map", values)
    if map_.ndim != 2 or not map_.size:
        raise MethodError(f"a map is [h, w], not {list(map_.shape)}")
    if not np.isfinite(map_).all():
        raise MethodError("the map holds NaN or infinity")
    return map_


def _checked_box(box: Sequence[float]) -> tuple[float, float, float, float]:
    try:
        x0, y0, x1, y1 = (float(edge) for edge in box)
    except (TypeError, ValueError):
        raise MethodError(f"a box is four numbers (x0, y0, x1, y1), not {box!r}") from None
    if not all(map(math.isfinite, (x0, y0, x1, y1))) or x0 >= x1 or y0 >= y1:
        raise MethodError(f"a box is (x0, y0, x1, y1) with x0 < x1 and y0 < y1, not {(x0, y0, x1, y1)}")
    return x0, y0, x1, y1


def _checked_curve(image: Tensor, values: Any, kind: str, n_steps: int, fill: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The image, what fills it, and the order of its pixels."""
    if kind not in get_args(CurveKind):
        raise MethodError(f"kind must be one of {', '.join(get_args(CurveKind))}, not {kind!r}")
    if not isinstance(image, Tensor) or image.ndim != 3 or not image.is_floating_point():
        what = f"{image.dtype} {list(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
        raise MethodError(f"the image must be floating point [channels, h, w], not {what}")
    check_range(image[None])
    if not isinstance(fill, Tensor) or fill.shape != image.shape or not fill.is_floating_point():
        what = f"{fill.dtype} {list(fill.shape)}" if isinstance(fill, Tensor) else type(fill).__name__
        raise MethodError(f"fill must be like the image, {list(image.shape)}, not {what}")
    fill = fill.detach().to(image)
    if not bool(((fill >= 0) & (fill <= 1)).all()):
        raise MethodError("fill must be in [0, 1]")
    map_ = _checked_map(values)
    if map_.shape != image.shape[1:]:
        raise MethodError(f"a map of {list(map_.shape)} does not fit an image of {list(image.shape[1:])}")
    if isinstance(n_steps, bool) or not isinstance(n_steps, Integral) or not 1 <= n_steps <= map_.size:
        raise MethodError(f"n_steps must be a whole number from 1 to {map_.size}, not {n_steps!r}")
    return image.detach(), fill, torch.from_numpy(np.argsort(-map_.ravel(), kind="stable"))

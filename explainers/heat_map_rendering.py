"""Heat maps as pictures for people: one function from a `HeatMap` or an `Explanation` to uint8 [h, w, 3].

Signed values are drawn in orange for the label and blue against it, values that are never negative from dark violet to
yellow. Both scales are paths through CIELAB in equal steps of CIEDE2000 with lightness that only rises or only falls,
so equal differences of values look equally large, also to people with the common kinds of colour blindness.

The same input gives the same bytes everywhere: float64 with the four basic operations, rounded once. How a map is drawn
changes what people read from it, so a `Style` is plain values for a recipe.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, get_type_hints

import numpy as np

from .base import Explanation, HeatMap, MethodError, checked_value
from .images import GREY, ImageError

_POSITIVE = """
142149 232658 332b64 442e6e 553177 66337f 773383 883184 992f83 aa2d81 b82f7f c4367c cd3d77 d54372 dd496c e44f66 eb5560
f25c5b f86457 fc6d53 ff764f ff7f4b ff8747 ff9044 ff9a43 ffa445 ffaf4b ffb953 ffc45c ffd066 ffdb73 ffe682 fdf091"""
_FOR = """
e8e8e8 eae5e3 ebe3de eddfd8 efdcd1 f0d8ca f1d4c3 f3cfbb f4cab2 f4c4a8 f5bd9e f4b693 f4ae88 f3a67d f19e72 f09667 ed8e5d
ea8554 e67d4c e17546 db6e40 d6673b d16037 cc5932 c6532e c04d29 ba4725 b34121 ab3b1e a4361d 9c311c 932c1b 8b281b"""
_AGAINST = """
e8e8e8 e3e7e9 dde5e9 d6e3ea cfe1ea c6deea bddbeb b3d8eb a9d4ea 9ecfea 93cae9 88c4e7 7ebee6 73b7e3 69b1e1 5eabde 53a4db
489ed8 3d98d4 3192d1 238dce 1287cb 0082c7 007dc3 0077bf 0072ba 006db5 0068af 0062aa 005da4 00579f 005199 004c93"""

_STEPS = 256
_LEGEND_GAP = 4


@dataclass(frozen=True)
class Style:
    """How a map is drawn.

    over: the "image" in its colours, in shades of "grey", or "nothing" but mid-grey. palette: "diverging" for signed
    values, "sequential" for values that are never negative (negative ones count as 0), or "auto", by whether a value of
    this map is negative. channels: draw the three channels of a map as colours around mid-grey, as guided
    backpropagation is shown, instead of its values. scale: the absolute value that gets the strongest colour, for maps
    that are to be compared with each other; none: this map's own, below which `percentile` per cent of its absolute
    values are. threshold: values below this share of the scale are not drawn. opacity: of the strongest colour. fade:
    opacity falls with the value; without, it is the same for all that is drawn. legend: the scale as a bar on the
    right.
    """

    over: Literal["image", "grey", "nothing"] = "grey"
    palette: Literal["auto", "diverging", "sequential"] = "auto"
    channels: bool = False
    scale: float | None = None
    percentile: float = 100.0
    threshold: float = 0.0
    opacity: float = 0.8
    fade: bool = True
    legend: bool = False

    def __post_init__(self) -> None:
        types = get_type_hints(type(self))
        for parameter in fields(self):
            name = parameter.name
            object.__setattr__(self, name, checked_value(f"style: {name}", getattr(self, name), types[name]))
        if self.scale is not None and self.scale <= 0:
            raise MethodError(f"style: scale must be above 0, not {self.scale}")
        for name, within in (
            ("percentile", 0 < self.percentile <= 100),
            ("threshold", 0 <= self.threshold < 1),
            ("opacity", 0 < self.opacity <= 1),
        ):
            if not within:
                raise MethodError(f"style: {name} is out of range: {getattr(self, name)}")


def drawn(picture: np.ndarray, result: HeatMap | Explanation, style: Style | None = None) -> np.ndarray:
    """The picture uint8 [h, w, 3] with a heat map, or the weights of its superpixels, in the manner of `style`.

    Raises MethodError for a map with values that are not finite, and where a style wants channels and there are none.
    """
    style = style or Style()
    values = _values(picture, result, style)
    if style.channels:
        return _as_colours(values, style)
    signed = _is_signed(values, style)
    strength = _strength(values if signed else np.maximum(values, 0), style)
    painted = _painted(_background(picture, style), strength, signed, style)
    if style.legend:
        painted = np.concatenate([painted, _legend(len(painted), signed, style)], axis=1)
    return painted


def top_pixels(
    picture: np.ndarray, heat_map: HeatMap, *, share: float = 0.15, fill: Literal["grey", "mean"] = "grey"
) -> np.ndarray:
    """The picture with this share of its pixels, those with the largest positive values, and the others hidden.

    share: of all pixels, 0 to 1, rounded to the nearest number of them; ties go to the first in reading order. Where
    fewer are positive, fewer are shown. fill: "grey", or the mean colour of what is hidden, rounded.
    """
    shown = top_mask(_values(picture, heat_map, Style()), share)
    return np.where(shown[:, :, None], picture, np.array(_hiding(picture[~shown], fill), dtype=np.uint8))


def top_mask(values: np.ndarray, share: float) -> np.ndarray:
    """Which pixels `top_pixels` shows of a map [h, w]: bool [h, w]."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise MethodError(f"share must be above 0 and at most 1, not {share!r}")
    flat = values.reshape(-1)
    n = math.floor(share * flat.size + 0.5)
    chosen = np.argsort(-flat, kind="stable")[:n]
    shown = np.zeros(flat.size, bool)
    shown[chosen[flat[chosen] > 0]] = True
    return shown.reshape(values.shape)


def framed(picture: np.ndarray, box: tuple[int, int, int, int], *, width: int = 2) -> np.ndarray:
    """The picture with a box as a white line within a black one, both inside the box.

    box: left, top, right and bottom in pixels, ends exclusive. width: of each line, in pixels.
    """
    left, top, right, bottom = box
    height, length = picture.shape[:2]
    if not (0 <= left < right <= length and 0 <= top < bottom <= height):
        raise ImageError(f"the box {list(box)} is not inside a picture of {height} × {length}")
    painted = picture.copy()
    for level, inset in ((0, 0), (255, width)):
        part = painted[top + inset : max(bottom - inset, 0), left + inset : max(right - inset, 0)]
        for edge in (part[:width], part[-width:], part[:, :width], part[:, -width:]):
            edge[:] = level
    return painted


def _hiding(hidden: np.ndarray, fill: str) -> list[int]:
    """The colour that hides these pixels, uint8 [n, 3]."""
    if fill not in ("grey", "mean"):
        raise MethodError(f"fill must be one of grey, mean, not {fill!r}")
    if fill == "grey" or not len(hidden):
        return [GREY] * 3
    total = hidden.sum(0, dtype=np.int64)
    return list((2 * total + len(hidden)) // (2 * len(hidden)))


def _values(picture: np.ndarray, result: HeatMap | Explanation, style: Style) -> np.ndarray:
    """What is drawn: float64 [h, w], or [h, w, 3] for channels."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ImageError(f"a picture is uint8 [height, width, 3], not {picture.dtype} {list(picture.shape)}")
    if isinstance(result, Explanation):
        values = None if style.channels else result.coefficients[result.segments]
    elif style.channels:
        values = None if result.channels is None else result.channels.transpose(1, 2, 0)
    else:
        values = result.values
    if values is None:
        raise MethodError("style: this method gives no channels to draw as colours")
    if values.shape[:2] != picture.shape[:2]:
        raise ImageError(f"a map of {list(values.shape[:2])} does not fit a picture of {list(picture.shape[:2])}")
    if not np.isfinite(values).all():
        raise MethodError("the values of the map are not finite")
    return values.astype(np.float64)


def _is_signed(values: np.ndarray, style: Style) -> bool:
    return style.palette == "diverging" or (style.palette == "auto" and bool((values < 0).any()))


def _strength(values: np.ndarray, style: Style) -> np.ndarray:
    """In −1..1, 0 where nothing is drawn."""
    size = np.abs(values)
    scale = style.scale
    if scale is None:
        rank = math.ceil(style.percentile / 100 * size.size) - 1
        scale = float(np.partition(size.reshape(-1), rank)[rank]) or float(size.max())
    if scale == 0:
        return np.zeros_like(values)
    strength = np.clip(values / scale, -1, 1)
    return np.where(np.abs(strength) < style.threshold, 0, strength)


def _painted(background: np.ndarray, strength: np.ndarray, signed: bool, style: Style) -> np.ndarray:
    size = np.abs(strength)
    step = np.floor(size * (_STEPS - 1) + 0.5).astype(np.int64)
    if signed:
        colour = np.where((strength > 0)[:, :, None], _table(_FOR)[step], _table(_AGAINST)[step])
    else:
        colour = _table(_POSITIVE)[step]
    opacity = style.opacity * (size if style.fade else size >= style.threshold)
    if style.threshold > 0:
        opacity = np.where(size == 0, 0, opacity)
    opacity = opacity[:, :, None]
    return np.floor(background * (1 - opacity) + colour * opacity + 0.5).astype(np.uint8)


def _as_colours(channels: np.ndarray, style: Style) -> np.ndarray:
    """Mid-grey where there is nothing, to 0 and 255 at the scale."""
    return np.floor(127.5 + 127.5 * _strength(channels, style) + 0.5).clip(0, 255).astype(np.uint8)


def _background(picture: np.ndarray, style: Style) -> np.ndarray:
    if style.over == "image":
        return picture.astype(np.int64)
    if style.over == "nothing":
        return np.full(picture.shape, GREY, np.int64)
    grey = (picture.astype(np.int64) @ np.array([299, 587, 114]) + 500) // 1000
    return np.repeat(grey[:, :, None], 3, axis=2)


def _legend(height: int, signed: bool, style: Style) -> np.ndarray:
    """A white gap, then the scale from its strongest value at the top, over mid-grey, to its lowest."""
    width = max(6, height // 16)
    lowest = -1 if signed else 0
    down = np.arange(height) / max(height - 1, 1)
    strength = np.repeat((1 - (1 - lowest) * down)[:, None], width, axis=1)
    strength = np.where(np.abs(strength) < style.threshold, 0, strength)
    bar = _painted(np.full((height, width, 3), GREY, np.int64), strength, signed, style)
    return np.concatenate([np.full((height, _LEGEND_GAP, 3), 255, np.uint8), bar], axis=1)


def _table(anchors: str) -> Any:
    """The 256 colours on a line through the anchors: float64 [256, 3]."""
    levels = np.array([list(bytes.fromhex(anchor)) for anchor in anchors.split()], dtype=np.float64)
    place = np.arange(_STEPS) * (len(levels) - 1) / (_STEPS - 1)
    before = np.minimum(place.astype(np.int64), len(levels) - 2)
    share = (place - before)[:, None]
    return np.floor(levels[before] * (1 - share) + levels[before + 1] * share + 0.5)

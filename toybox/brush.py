"""Painting: every part of a thing is a polygon, filled as if it were a small painted cushion under one lamp.

The lamp stands at the upper left whatever way the thing is turned, so the scene holds together. A part is rasterised
larger and reduced, its blurred mask serves as a height, the slope of that height as the normal of its surface.
"""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import uniform_filter1d

from .palette import WHITE, darker, planes

_OVERSAMPLE = 2  # masks are rasterised this much larger than the canvas, on top of the canvas's own oversampling
_LAMP = np.array([-0.46, -0.60, 0.655], dtype=np.float32)
_GLINT = np.array([-0.26, -0.34, 0.90], dtype=np.float32)  # halfway between the lamp and the eye


def blurred(field: np.ndarray, radius: float, passes: int = 2) -> np.ndarray:
    """Return a float32 field (h, w) blurred by box filters each way; the field is 0 outside its frame."""
    size = 2 * max(1, round(radius)) + 1
    for axis in (0, 1) * passes:
        field = uniform_filter1d(field, size, axis, mode="constant")
    return field


def ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return a smooth step of `value`: 0 up to `low`, 1 from `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


class Brush:
    """A square transparent patch with one thing on it.

    `radius` is the length of the thing's unit in canvas pixels; `detail` the canvas's pixels to one of the picture.
    `colour` (3, n, n) and `alpha` (n, n) are the result, colour not premultiplied.
    """

    def __init__(self, radius: float, turn: float = 0.0, flip: bool = False, stretch: float = 1.0, detail: int = 2):
        self.radius, self.flip, self.detail = radius, flip, detail
        self.side = 2 * int(np.ceil(radius * 1.2)) + 4
        c, s = np.cos(turn), np.sin(turn)
        shape = np.diag([-stretch if flip else stretch, 1 / stretch])
        self._matrix = radius * shape @ np.array([[c, s], [-s, c]])
        self.colour = np.zeros((3, self.side, self.side), dtype=np.float32)
        self.alpha = np.zeros((self.side, self.side), dtype=np.float32)
        grid = np.arange(self.side) + 0.5 - self.side / 2
        inverse = np.linalg.inv(self._matrix)
        x, y = np.meshgrid(grid, grid)
        self.u = (x * inverse[0, 0] + y * inverse[1, 0]).astype(np.float32)
        self.v = (x * inverse[0, 1] + y * inverse[1, 1]).astype(np.float32)

    def mask(self, shapes: np.ndarray | Sequence[np.ndarray], holes: Sequence[np.ndarray] = ()) -> np.ndarray:
        """Return the coverage (n, n) in [0, 1] of the union of the polygons, less the holes."""
        mask = np.zeros((self.side, self.side), dtype=np.float32)
        polygons = [shapes] if isinstance(shapes, np.ndarray) else shapes
        placed = [polygon @ self._matrix + self.side / 2 for polygon in (*polygons, *holes)]
        corners = np.concatenate(placed[: len(polygons)])
        left, top = np.clip(np.floor(corners.min(axis=0)).astype(int) - 1, 0, self.side - 1)
        right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 1, self.side)
        large = Image.new("L", ((right - left) * _OVERSAMPLE, (bottom - top) * _OVERSAMPLE))
        pen = ImageDraw.Draw(large)
        for k, polygon in enumerate(placed):
            p = (polygon - (left, top)) * _OVERSAMPLE - 0.5
            pen.polygon(p.ravel().tolist(), fill=255 if k < len(polygons) else 0)
        mask[top:bottom, left:right] = np.asarray(large.reduce(_OVERSAMPLE), dtype=np.float32) / 255
        return mask

    def fill(
        self,
        shapes: np.ndarray | Sequence[np.ndarray],
        paint: np.ndarray,
        *,
        holes: Sequence[np.ndarray] = (),
        within: np.ndarray | None = None,
        puff: float = 0.16,
        gloss: float = 0.25,
        outline: float = 0.5,
        shadow: float = 0.35,
        pattern: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
        second: np.ndarray | None = None,
    ) -> np.ndarray:
        """Paint a part over what is there and return its mask.

        `within` clips it to an earlier mask; `puff` is the radius of its rounded edge, in the thing's units; `gloss`
        the strength of the highlight; `outline` how dark its rim; `shadow` how dark the shade it throws on earlier
        parts; `pattern(u, v)` in [0, 1] mixes in the `second` paint.
        """
        mask = self.mask(shapes, holes)
        if within is not None:
            mask = mask * within
        area = _extent(mask, int(0.1 * self.radius) + 3)
        m = mask[area]
        if m.size == 0:
            return mask
        base = planes(paint)
        if pattern is not None:
            base = base + pattern(self.u[area], self.v[area]) * planes(second - paint)
        painted = self._lit(m, base, puff, gloss, outline, planes(darker(paint, 0.72)))
        below, cover = self.colour[:, *area], self.alpha[area]
        if shadow:
            shift = max(1, round(0.03 * self.radius))
            cast = np.zeros_like(m)
            cast[shift:, shift:] = m[:-shift, :-shift]
            below = below * (1 - shadow * blurred(cast, 0.045 * self.radius))
        total = m + cover * (1 - m)
        weight = m / np.maximum(total, 1e-6)
        self.colour[:, *area] = below + (painted - below) * weight
        self.alpha[area] = total
        return mask

    def tint(self, shapes, paint: np.ndarray, strength: float = 1.0, within=None, soft: float = 0.0) -> None:
        """Lay a flat, unlit film over what is there; it never reaches beyond it. `soft` blurs its edge, in units."""
        mask = self.mask(shapes)
        area = _extent(mask, int(2 * soft * self.radius) + 2)
        m = blurred(mask[area], soft * self.radius) if soft else mask[area]
        if within is not None:
            m = m * within[area]
        film = np.float32(strength) * m * (self.alpha[area] > 0)
        self.colour[:, *area] += film * (planes(paint) - self.colour[:, *area])

    def frame(self) -> tuple[float, float, float, float]:
        """Return the bounds of what is painted, about the patch's centre: left, top, right, bottom."""
        rows, columns = _extent(self.alpha, 0)
        middle = self.side / 2
        return columns.start - middle, rows.start - middle, columns.stop - middle, rows.stop - middle

    def _lit(self, m, base, puff, gloss, outline, rim) -> np.ndarray:
        r = max(puff * self.radius, 1.5)
        # On a straight edge the blur is a half, at a corner a quarter: start low, or corners come out flat.
        inside = np.clip((blurred(m, 0.85 * r, passes=3) - 0.3) / 0.7, 0, 1)
        height = np.sqrt(1 - (1 - inside) ** 2 + 0.02) * r * 1.15
        down, right = np.gradient(height)
        norm = 1 / np.sqrt(down**2 + right**2 + 1)
        facing = (_LAMP[2] - _LAMP[0] * right - _LAMP[1] * down) * norm
        glint = np.maximum((_GLINT[2] - _GLINT[0] * right - _GLINT[1] * down) * norm, 0) ** 2
        glint = (glint * glint) ** 2
        glint = glint * glint * glint
        light = 0.62 + 0.58 * np.maximum(facing, 0)
        lit = base * light
        # Shade turns a little towards blue, light towards yellow: plain darkening looks dirty.
        lit += np.float32(0.10) * np.clip(0.9 - light, 0, 1) * planes(np.array([0.1, 0.1, 0.9], np.float32))
        lit += gloss * glint * (base + (planes(WHITE) - base) * np.float32(0.85) - lit)
        if outline:
            edge = np.clip(2 * blurred(m, 0.75 * self.detail) - 1, 0, 1)
            lit += outline * (1 - ramp(edge, 0.0, 0.9)) * (rim - lit)
        return np.clip(lit, 0, 1)


def _extent(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Return the smallest window of the mask that holds all its cover and a margin."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(max(rows[0] - margin, 0), rows[-1] + margin + 1), slice(
        max(columns[0] - margin, 0), columns[-1] + margin + 1
    )

"""Scenes: one to three things on a ground, one of them the truth."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .brush import Brush, blurred, ramp
from .grounds import ground
from .palette import planes
from .taste import Taste
from .things import KINDS

SIDE = 128  # pixels of a picture
DETAIL = 2  # scenes are painted this much larger, then reduced
TRUTH_IS_LARGEST = 0.9  # share of scenes in which this is certain; otherwise the truth is any of the things
ABSENT, PROMINENT = 0.04, 0.97  # chances of a "yes": for a class that is not in the picture, for a large whole thing

_HOW_MANY = (0.46, 0.34, 0.20)  # chances of one, two and three things
_RADII = {1: [(34, 50)], 2: [(31, 40), (20, 33)], 3: [(27, 34), (19, 29), (16, 25)]}  # largest first, picture's pixels


@dataclass(frozen=True)
class Seen:
    """A thing in a scene: the share of the picture it covers, and the share of itself that can be seen.

    box: what of it can be seen lies within left, top, right and bottom, in the picture's pixels, ends exclusive; None
    where nothing can.
    """

    name: str
    area: float
    visible: float
    box: tuple[int, int, int, int] | None = None

    @property
    def rate(self) -> float:
        """The chance that an attentive person calls the thing's class relevant for the picture."""
        size = float(ramp(np.float64(self.area), 0.0, 0.09))
        whole = float(ramp(np.float64(self.visible), 0.3, 1.0))
        return ABSENT + (PROMINENT - ABSENT) * (0.7 + 0.3 * size) * whole


@dataclass(frozen=True)
class Scene:
    """A picture, uint8 (SIDE, SIDE, 3), with what is in it; `truth` is the name of one of the things."""

    picture: np.ndarray
    truth: str
    things: tuple[Seen, ...]


def scene(truth: str, rng: np.random.Generator) -> Scene:
    """Return a scene with a thing of the class `truth`; the other things are of other classes, all different."""
    count = 1 + int(rng.choice(3, p=_HOW_MANY))
    others = rng.choice([name for name in KINDS if name != truth], size=count - 1, replace=False).tolist()
    rank = 0 if rng.random() < TRUTH_IS_LARGEST else int(rng.integers(count))
    names = [*others[:rank], truth, *others[rank:]]
    radii = sorted((rng.uniform(low, high) for low, high in _RADII[count]), reverse=True)
    n = SIDE * DETAIL
    canvas = ground(n, rng)
    lying_on = canvas[:, n // 4 : -n // 4, n // 4 : -n // 4].mean(axis=(1, 2))
    painted = [_painted(name, radius, lying_on, rng) for name, radius in zip(names, radii, strict=True)]
    places = _places([brush.frame() for brush in painted], rng)
    left = np.zeros((count, n, n), dtype=np.float32)  # what can be seen of each thing
    for k in rng.permutation(count):
        cover = _lay(canvas, painted[k], places[k])
        left *= 1 - cover
        left[k] = cover
    whole = [brush.alpha.sum() for brush in painted]
    area = left.sum(axis=(1, 2))
    pixels = np.ascontiguousarray(np.rint(canvas * 255).astype(np.uint8).transpose(1, 2, 0))
    small = np.asarray(Image.fromarray(pixels).reduce(DETAIL))
    seen = tuple(
        Seen(name, float(a) / n**2, float(a / w), _box(cover))
        for name, a, w, cover in zip(names, area, whole, left, strict=True)
    )
    return Scene(small, truth, seen)


def _box(cover: np.ndarray) -> tuple[int, int, int, int] | None:
    """The bounds of the picture's pixels of which the cover (n, n) of a thing takes at least half."""
    taken = cover.reshape(SIDE, DETAIL, SIDE, DETAIL).mean(axis=(1, 3)) >= 0.5
    rows, columns = np.flatnonzero(taken.any(1)), np.flatnonzero(taken.any(0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _painted(name: str, radius: float, lying_on: np.ndarray, rng: np.random.Generator) -> Brush:
    kind = KINDS[name]
    turn = np.radians(rng.normal(0, kind.askew))
    brush = Brush(radius * DETAIL, turn, bool(rng.random() < 0.5), float(np.exp(rng.normal(0, 0.045))), DETAIL)
    kind.paint(brush, Taste(rng, lying_on))
    return brush


def _places(frames: list[tuple[float, float, float, float]], rng: np.random.Generator) -> np.ndarray:
    """Return where the centres of the patches lie, (count, 2) in canvas pixels.

    `frames` are the things' bounds about their patch's centre: left, top, right, bottom. The things are balanced about
    the middle, keep to the canvas where they can, and are pushed apart as if they filled their bounds' ellipses.
    """
    n = SIDE * DETAIL
    low, high = np.array(frames)[:, :2], np.array(frames)[:, 2:]
    offset, half = (low + high) / 2, (high - low) / 2
    room = np.maximum(n / 2 - half - 3 * DETAIL, 0)
    if len(frames) == 1:
        return n / 2 + rng.uniform(-0.75, 0.75, (1, 2)) * room - offset
    # Two things lie best along a diagonal, three in a triangle.
    first = (
        np.pi / 4 + rng.integers(4) * np.pi / 2 + rng.normal(0, 0.3) if len(frames) == 2 else rng.uniform(0, 2 * np.pi)
    )
    angle = first + np.arange(len(frames)) * 2 * np.pi / len(frames)
    p = n / 2 + np.stack([np.cos(angle), np.sin(angle)], axis=1) * room
    spacing = rng.uniform(0.92, 1.25)
    for _ in range(40):
        for i in range(len(p)):
            for j in range(i):
                reach = spacing * (half[i] + half[j])
                gap = (p[i] - p[j]) / reach
                far = max(float(np.hypot(*gap)), 1e-3)
                push = max(1 - far, 0) * 0.3 * gap / far * reach
                p[i] += push
                p[j] -= push
        p += 0.012 * (n / 2 - p)
        p = n / 2 + np.clip(p - n / 2, -room, room)
    return p + rng.normal(0, 1.2 * DETAIL, p.shape) - offset


def _lay(canvas: np.ndarray, brush: Brush, centre: np.ndarray) -> np.ndarray:
    """Lay a painted thing, with its shadow, on the canvas (3, n, n); return its cover (n, n)."""
    n, side = canvas.shape[-1], brush.side
    margin = int(0.3 * brush.radius)
    reach = side + 2 * margin
    alpha = np.zeros((reach, reach), dtype=np.float32)
    alpha[margin:-margin, margin:-margin] = brush.alpha
    soft, close = max(2, round(0.075 * brush.radius)), max(1, round(0.025 * brush.radius))
    shade = np.maximum(
        0.40 * np.roll(blurred(alpha, 1.5 * soft), (2 * soft, soft), (0, 1)),
        0.48 * np.roll(blurred(alpha, close), (close, close), (0, 1)),
    )
    top, left = (round(float(c)) - reach // 2 for c in centre[::-1])
    rows, columns = slice(max(top, 0), min(top + reach, n)), slice(max(left, 0), min(left + reach, n))
    inner = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    colour = np.zeros((3, reach, reach), dtype=np.float32)
    colour[:, margin:-margin, margin:-margin] = brush.colour
    shaded = canvas[:, rows, columns] * (1 - shade[inner] * planes(np.array([1.0, 0.97, 0.86], np.float32)))
    canvas[:, rows, columns] = shaded + (colour[:, *inner] - shaded) * alpha[inner]
    cover = np.zeros((n, n), dtype=np.float32)
    cover[rows, columns] = alpha[inner]
    return cover

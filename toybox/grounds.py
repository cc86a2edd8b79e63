"""What the things lie on: paper, cloth, wood and the like, quiet enough not to compete with them.

Every ground is a function `(n, rng)` returning float32 RGB (3, n, n) in [0, 1], before the light of the scene.
"""

import numpy as np
from PIL import Image

from .brush import ramp
from .palette import GROUNDS, WOODS, darker, distance, lighter, mix, planes

_PICTURE = 128  # the picture's side; every length below is in its pixels


def ground(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a lit ground of n by n pixels."""
    make = _GROUNDS[int(rng.choice(len(_GROUNDS)))]
    field = make(n, rng)
    # The lamp at the upper left leaves the lower right corner a little darker.
    line = _line(n) / _PICTURE
    away = np.sqrt((line - rng.uniform(0.2, 0.45)) ** 2 + (line[:, None] - rng.uniform(0.15, 0.4)) ** 2)
    light = 1.06 - np.float32(rng.uniform(0.16, 0.3)) * away * np.sqrt(away)
    return np.clip(field * light, 0, 1)


def _line(n: int) -> np.ndarray:
    """Return where the middles of n pixels lie along a side, (n,) in picture pixels."""
    return (np.arange(n, dtype=np.float32) + 0.5) * np.float32(_PICTURE / n)


def _coordinates(n: int, turn: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(_line(n), _line(n))
    if not turn:
        return x, y
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    return c * x + s * y, c * y - s * x


def _noise(n: int, rng: np.random.Generator, cells_down: float, cells_across: float) -> np.ndarray:
    """Return smooth noise (n, n) with mean about 0 and deviation about 1."""
    coarse = rng.standard_normal((max(2, round(cells_down)), max(2, round(cells_across)))).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((n, n), Image.Resampling.BICUBIC))


def _fraction(value: np.ndarray) -> np.ndarray:
    return value - np.floor(value)  # several times faster than % 1


def _wave(value: np.ndarray, period: float, share: float = 0.5, soft: float = 0.7) -> np.ndarray:
    """Return a band wave: 1 over a `share` of each period, its edges `soft` pixels wide."""
    offset = np.abs(_fraction(value / period) - 0.5) * period
    return ramp(offset, (1 - share) * period / 2 - soft / 2, (1 - share) * period / 2 + soft / 2)


def _spread(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return `a` with a share (n, n) of `b` mixed in; both are colours (3,) or fields (3, n, n)."""
    a, b = (planes(colour) if colour.ndim == 1 else colour for colour in (a, b))
    return a + (b - a) * share


def _two(rng: np.random.Generator, contrast: tuple[float, float] = (0.06, 0.3)) -> tuple[np.ndarray, np.ndarray]:
    """Return a ground colour and a companion within the contrast."""
    base = GROUNDS[int(rng.integers(len(GROUNDS)))]
    near = [other for other in GROUNDS if contrast[0] < distance(base, other) < contrast[1]]
    if near and rng.random() < 0.5:
        return base, near[int(rng.integers(len(near)))]
    shift = rng.uniform(0.12, 0.26)
    return base, lighter(base, 1.6 * shift) if rng.random() < 0.6 else darker(base, shift)


def _grain(n: int, rng: np.random.Generator, field: np.ndarray, strength: float = 0.008) -> np.ndarray:
    return field + strength * (_noise(n, rng, n / 2, n / 2) + _noise(n, rng, 24, 24))


def _gradient(n: int, rng: np.random.Generator) -> np.ndarray:
    a, b = _two(rng, (0.08, 0.5))
    x, _ = _coordinates(n, rng.uniform(0, 2 * np.pi))
    along = x - x.mean()
    share = ramp(along + 4 * _noise(n, rng, 3, 3), -80, 80)
    return _grain(n, rng, _spread(a, b, share))


def _dotted(n: int, rng: np.random.Generator) -> np.ndarray:
    a, b = _two(rng)
    pitch = rng.uniform(11, 20)
    size = pitch * rng.uniform(0.14, 0.26)
    x, y = _coordinates(n, float(rng.choice([0, np.pi / 4, rng.uniform(0, 1.5)])))
    row = np.floor(y / pitch)
    u = _fraction(x / pitch + _fraction(row / 2)) - 0.5
    v = y / pitch - row - 0.5
    return _grain(n, rng, _spread(a, b, 1 - ramp(np.hypot(u, v) * pitch, size - 0.5, size + 0.5)))


def _striped(n: int, rng: np.random.Generator) -> np.ndarray:
    a, b = _two(rng)
    x, _ = _coordinates(n, rng.choice([0, np.pi / 2, np.pi / 4, -np.pi / 4]))
    period = rng.uniform(10, 26)
    band = _wave(x, period, rng.uniform(0.3, 0.55))
    if rng.random() < 0.4:
        band = np.maximum(band, 0.6 * _wave(x + period / 2, period, 0.08))
    return _grain(n, rng, _spread(a, b, 0.85 * band))


def _chevron(n: int, rng: np.random.Generator) -> np.ndarray:
    a, b = _two(rng, (0.05, 0.22))
    x, y = _coordinates(n, rng.choice([0, np.pi / 2]))
    width = rng.uniform(14, 26)
    fold = np.abs(_fraction(x / width) - 0.5) * width
    return _grain(n, rng, _spread(a, b, 0.8 * _wave(y + fold, rng.uniform(10, 18), 0.5)))


def _gingham(n: int, rng: np.random.Generator) -> np.ndarray:
    a, b = _two(rng)
    x, y = _coordinates(n, rng.choice([0, np.pi / 4]))
    period = rng.uniform(14, 26)
    cover = (_wave(x, period) + _wave(y, period)) / 2
    return _weave(n, rng, _spread(lighter(a, 0.25), b, 0.9 * cover), 0.03)


def _linen(n: int, rng: np.random.Generator) -> np.ndarray:
    a, _ = _two(rng)
    field = planes(a) + 0.02 * _noise(n, rng, 5, 5)
    return _weave(n, rng, field, 0.05)


def _weave(n: int, rng: np.random.Generator, field: np.ndarray, strength: float) -> np.ndarray:
    """Return the field as a cloth of crossed, slightly uneven threads."""
    x, y = _coordinates(n)
    thread = np.sin(x * (2 * np.pi / 2.6)) * np.sin(y * (2 * np.pi / 2.6))
    uneven = _noise(n, rng, n / 3, 5) + _noise(n, rng, 5, n / 3)
    return field + strength * (0.6 * thread + 0.4 * uneven)


def _wood(n: int, rng: np.random.Generator) -> np.ndarray:
    base = WOODS[int(rng.integers(len(WOODS)))]
    planks = int(rng.integers(2, 6))
    edges = (np.arange(planks + 1) + np.r_[0, rng.uniform(-0.15, 0.15, planks - 1), 0]) * _PICTURE / planks
    _, y = _coordinates(n)
    plank = np.clip(np.searchsorted(edges, y[:, 0]) - 1, 0, planks - 1)
    tone = rng.uniform(-0.07, 0.07, planks).astype(np.float32)[plank][:, None]
    # Long, thin noise is grain; the slow waves under it are the year rings.
    grain = 0.6 * _noise(n, rng, n / 2.5, 5) + 0.6 * _noise(n, rng, n / 8, 3)
    rings = np.sin(y * 0.55 + 2.2 * _noise(n, rng, 2 * planks, 3) + 9 * plank[:, None].astype(np.float32))
    light = tone + 0.028 * grain + 0.03 * rings
    gap = np.abs(y[:, :1] - edges).min(axis=1).astype(np.float32)
    seam = 1 - 0.55 * (1 - ramp(gap, 0.2, 1.1)) + 0.12 * (1 - ramp(np.abs(gap - 1.5), 0.1, 0.9))
    field = (planes(base) + light * planes(np.array([1.0, 0.9, 0.75], np.float32))) * seam[:, None]
    return field.transpose(0, 2, 1) if rng.random() < 0.4 else field


def _tiled(n: int, rng: np.random.Generator) -> np.ndarray:
    a, b = _two(rng, (0.05, 0.25))
    size = float(rng.choice([32, 42.67]))
    line = _line(n)
    index = (line // size).astype(int)
    within = line - size * index.astype(np.float32)  # how far into its tile a pixel is
    shade = rng.uniform(-0.025, 0.025, (5, 5)).astype(np.float32)[index[None, :], index[:, None]]
    odd = ((index + index[:, None]) % 2).astype(np.float32) * (1.0 if rng.random() < 0.6 else 0.0)
    tile = _spread(a, b, odd) + shade
    seam = np.minimum(within, size - within)
    joint = 1 - ramp(np.minimum(seam, seam[:, None]), 0.6, 1.4)
    shine = 0.05 * (1 - ramp(within, 1.2, 3.2))
    field = tile + (shine + shine[:, None])
    return _grain(n, rng, _spread(field, lighter(mix(a, b, 0.5), 0.35), joint * 0.8), 0.006)


def _table(n: int, rng: np.random.Generator) -> np.ndarray:
    """A wall and the table before it."""
    wall, top = _two(rng, (0.12, 0.6))
    _, y = _coordinates(n)
    edge = rng.uniform(66, 92)
    share = ramp(y, edge - 0.6, edge + 0.6)
    field = _spread(wall, top, share)
    shade = (
        1
        - 0.16 * np.exp(-np.maximum(y - edge, 0) / 5) * share
        - 0.10 * np.exp(-np.maximum(edge - y, 0) / 9) * (1 - share)
    )
    return _grain(n, rng, field * shade)


def _confetti(n: int, rng: np.random.Generator) -> np.ndarray:
    a, b = _two(rng)
    field = np.tile(planes(a), (1, n, n))
    x, y = _coordinates(n)
    for _ in range(int(rng.integers(14, 30))):
        cx, cy, r = rng.uniform(0, _PICTURE), rng.uniform(0, _PICTURE), rng.uniform(1.5, 4.5)
        tone = b if rng.random() < 0.6 else GROUNDS[int(rng.integers(len(GROUNDS)))]
        left, top = (int(max(0, (c - r - 2) * n / _PICTURE)) for c in (cx, cy))
        side = int((2 * r + 4) * n / _PICTURE) + 1
        area = slice(top, top + side), slice(left, left + side)
        disc = 1 - ramp(np.hypot(x[area] - cx, y[area] - cy), r - 0.5, r + 0.5)
        field[:, *area] = _spread(field[:, *area], tone, 0.8 * disc)
    return _grain(n, rng, field)


_GROUNDS = (
    _gradient,
    _gradient,
    _dotted,
    _striped,
    _chevron,
    _gingham,
    _linen,
    _wood,
    _wood,
    _tiled,
    _table,
    _confetti,
)

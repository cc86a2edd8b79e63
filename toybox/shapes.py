"""Outlines as arrays of points, in a thing's own units.

A thing lives in a square from -1 to 1, x to the right, y downwards. Every function here returns one closed polygon, an
array of shape (n, 2); curves are sampled finely enough to look smooth at any size the brush paints them.
"""

import itertools

import numpy as np

_STEPS = 14  # points a Bézier segment


def path(description: str) -> np.ndarray:
    """Return the polygon of an SVG-like path: absolute M, L, Q, C and Z, numbers separated by spaces."""
    points: list[np.ndarray] = []
    t = np.linspace(0, 1, _STEPS + 1)[1:, None]
    tokens = description.split()
    at = 0
    while at < len(tokens):
        command, at = tokens[at], at + 1
        if command == "Z":
            continue
        count = {"M": 1, "L": 1, "Q": 2, "C": 3}[command]
        p = np.array(tokens[at : at + 2 * count], dtype=float).reshape(count, 2)
        at += 2 * count
        if command in "ML":
            points.append(p)
        elif command == "Q":
            start = points[-1][-1]
            points.append((1 - t) ** 2 * start + 2 * t * (1 - t) * p[0] + t**2 * p[1])
        else:
            start = points[-1][-1]
            points.append((1 - t) ** 3 * start + 3 * t * (1 - t) ** 2 * p[0] + 3 * t**2 * (1 - t) * p[1] + t**3 * p[2])
    return np.concatenate(points)


def ellipse(x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0) -> np.ndarray:
    """Return an ellipse about (x, y), turned clockwise by `turn` radians."""
    a = np.linspace(0, 2 * np.pi, 44, endpoint=False)
    p = np.stack([rx * np.cos(a), (rx if ry is None else ry) * np.sin(a)], axis=1)
    return turned(p, turn) + np.array((x, y))


def box(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> np.ndarray:
    """Return a rectangle with rounded corners."""
    radius = min(radius, (right - left) / 2, (bottom - top) / 2)
    a = np.linspace(0, np.pi / 2, 7)
    corner = np.stack([np.cos(a), np.sin(a)], axis=1) * radius
    centres = [(right - radius, bottom - radius), (left + radius, bottom - radius)]
    centres += [(left + radius, top + radius), (right - radius, top + radius)]
    return np.concatenate([turned(corner, k * np.pi / 2) + centre for k, centre in enumerate(centres)])


def smooth(points, closed: bool = True, steps: int = 8) -> np.ndarray:
    """Return a Catmull-Rom curve through the points: a polygon, or an open line when `closed` is false."""
    p = np.asarray(points, dtype=float)
    p = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True)
    ]
    return np.concatenate([*pieces, p[-2:-1]])


def stroke(points, width, end_width=None) -> np.ndarray:
    """Return the outline of a line with round ends, `width` wide at its start and `end_width` at its end."""
    p = np.asarray(points, dtype=float)
    along = np.gradient(p, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    half = np.linspace(width, width if end_width is None else end_width, len(p))[:, None] / 2
    a = np.linspace(0, np.pi, 9)[1:-1, None]
    head = p[-1] + half[-1] * (np.cos(a) * across[-1] + np.sin(a) * along[-1])
    tail = p[0] - half[0] * (np.cos(a) * across[0] + np.sin(a) * along[0])
    return np.concatenate([p + half * across, head, (p - half * across)[::-1], tail])


def line(*points) -> np.ndarray:
    """Return a straight or broken line, sampled so that `stroke` can taper it."""
    p = np.asarray(points, dtype=float)
    return np.concatenate([np.linspace(a, b, 6) for a, b in itertools.pairwise(p)])


def arc(x: float, y: float, radius: float, start: float, end: float) -> np.ndarray:
    """Return an open arc; angles in radians, clockwise from the right."""
    a = np.linspace(start, end, 28)
    return np.stack([x + radius * np.cos(a), y + radius * np.sin(a)], axis=1)


def star(x: float, y: float, outer: float, inner: float, points: int = 5, turn: float = -np.pi / 2) -> np.ndarray:
    """Return a star."""
    a = turn + np.arange(2 * points) * np.pi / points
    r = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return np.stack([x + r * np.cos(a), y + r * np.sin(a)], axis=1)


def heart(x: float, y: float, size: float) -> np.ndarray:
    """Return a heart `2 * size` wide."""
    half = path("M 0 0.9 C -0.5 0.5 -1 0.2 -1 -0.3 C -1 -0.95 -0.2 -0.95 0 -0.4")
    return np.concatenate([half, mirrored(half)[::-1]]) * size + (x, y)


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    """Return the points turned clockwise about the origin."""
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


def mirrored(points: np.ndarray) -> np.ndarray:
    """Return the points mirrored left to right."""
    return points * (-1, 1)

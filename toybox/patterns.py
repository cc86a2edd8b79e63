"""Repeating ornaments as functions of a thing's own coordinates, in [0, 1]."""

from collections.abc import Callable

import numpy as np

Pattern = Callable[[np.ndarray, np.ndarray], np.ndarray]


def stripes(pitch: float, curve: float = 0.0) -> Pattern:
    """Return level stripes, `pitch` radians a unit, sagging by `curve` away from the middle."""

    def pattern(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.clip(0.5 + 3 * np.sin(pitch * (v + curve * u**2)), 0, 1)

    return pattern

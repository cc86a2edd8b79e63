"""The colours: sRGB triples in [0, 1], picked to sit well together."""

import numpy as np


def _rgb(code: str) -> np.ndarray:
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], dtype=np.float32) / 255


PAINTS = {
    name: _rgb(code)
    for name, code in {
        "tomato": "d9483b",
        "coral": "ee7f62",
        "tangerine": "ee8b35",
        "marigold": "f4b63c",
        "butter": "f8dc8b",
        "lime": "a5bf4b",
        "grass": "62a551",
        "forest": "2f7a57",
        "teal": "2c9a94",
        "mint": "93d3bd",
        "sky": "62b2dd",
        "royal": "3c66b4",
        "indigo": "50498f",
        "plum": "934f95",
        "rose": "e98aa4",
        "cream": "fbf1dc",
        "chocolate": "7a4e38",
        "tan": "c99a6b",
        "charcoal": "474a57",
    }.items()
}
METALS = {
    "gold": _rgb("e3ac3b"),
    "brass": _rgb("c99a4a"),
    "copper": _rgb("cd7a54"),
    "silver": _rgb("b9c2cb"),
    "steel": _rgb("7f8d9c"),
}
GROUNDS = [
    _rgb(code)
    for code in [
        "f1e6d0",
        "e6d3b3",
        "d9e2cf",
        "b9cfb4",
        "cfdfe6",
        "a9c3d1",
        "d9d2e6",
        "b7afcf",
        "f2d5cb",
        "e3b7ab",
        "f3e2b2",
        "e9cf8f",
        "c2d9d2",
        "8fb5ae",
        "6f8798",
        "50617c",
        "3f4863",
        "5c7360",
        "47604f",
        "b06f57",
        "8c5a49",
        "7a5d7e",
        "56607a",
        "d98f6c",
        "cdb79c",
    ]
]
WOODS = [_rgb(code) for code in ["c9966a", "b57f56", "dcb78c", "8a5a3f", "a8774f", "e6cda8", "6d4a38"]]
CREAM, CHARCOAL = PAINTS["cream"], PAINTS["charcoal"]


_BLACK = np.array([0.13, 0.08, 0.14], dtype=np.float32)
WHITE = np.array([1.0, 0.98, 0.93], dtype=np.float32)


def planes(colour: np.ndarray) -> np.ndarray:
    """Return a colour (3,) as (3, 1, 1), to be mixed into pictures of shape (3, h, w)."""
    return colour[:, None, None]


def lightness(colour: np.ndarray) -> float:
    """Return the luma of a colour, in [0, 1]."""
    return float(colour @ np.array([0.299, 0.587, 0.114], dtype=np.float32))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return how different two colours look, roughly: luma counts double."""
    d = a - b
    return float(np.sqrt(d @ d + 2 * (lightness(a) - lightness(b)) ** 2))


def mix(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """Return `a` with a share of `b` mixed in."""
    return a + (b - a) * np.float32(share)


def darker(colour: np.ndarray, share: float) -> np.ndarray:
    """Return the colour towards a warm black."""
    return mix(colour, _BLACK, share)


def lighter(colour: np.ndarray, share: float) -> np.ndarray:
    """Return the colour towards a warm white."""
    return mix(colour, WHITE, share)

"""Arrays as files: NumPy's own format, little-endian, never pickled.  The same array gives the same bytes."""

import io

import numpy as np

from . import File


def file(array: np.ndarray) -> File:
    """The array as a file's content and suffix."""
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(array), allow_pickle=False)
    return File(content.getvalue(), ".npy")


def read(content: bytes) -> np.ndarray:
    """The array that these bytes of a file hold."""
    return np.load(io.BytesIO(content), allow_pickle=False)

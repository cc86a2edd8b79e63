"""Arrays as files: NumPy's own format, little-endian, never pickled.  The same array gives the same bytes."""

import io

import numpy as np

from studies import storage

from .kinds import File


def file(array: np.ndarray) -> File:
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(array), allow_pickle=False)
    return File(content.getvalue(), ".npy")


def read(name: str) -> np.ndarray:
    return np.load(io.BytesIO(storage.read(name)), allow_pickle=False)

"""Superpixels ahead of the network: cut in worker processes as soon as a picture is decoded, and kept for a while.

A GPU would wait for the first picture of every batch otherwise.  A picture that is explained for several labels, or
with other numbers of masks, is cut once.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from functools import cache
from threading import Lock

import numpy as np

from explainers.superpixels import Algorithm, Segmenter, cache_key

from . import inputs, process_pool

#: Segmentations kept in memory, the latest; at 224 × 224 pixels they take 100 MB.
KEPT = 256
MOST_PROCESSES = 8

Segments = np.ndarray | Future[np.ndarray]


class Ahead(MutableMapping[str, np.ndarray]):
    """A cache for `Segmenter` that may hold what is still being cut; whoever asks for that waits for it."""

    def __init__(self, n_processes: int, kept: int = KEPT):
        self._processes, self._kept = n_processes, kept
        self._known: OrderedDict[str, Segments] = OrderedDict()
        self._pool: ProcessPoolExecutor | None = None
        self._lock = Lock()

    def begin(self, picture: np.ndarray, algorithm: Algorithm) -> None:
        """Have uint8 [h, w, 3] cut by a process; without processes, and where they ended, it is cut when asked for."""
        key = cache_key(picture, algorithm)
        with self._lock:
            if self._processes and key not in self._known:
                try:
                    self._keep(key, self._started().submit(algorithm.segment, picture))
                except BrokenExecutor:
                    self._pool = None  # A process was killed; the next picture gets new ones.

    def close(self) -> None:
        """End the processes; what they have not begun is dropped."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def __getitem__(self, key: str) -> np.ndarray:
        with self._lock:
            found = self._known[key]
            self._known.move_to_end(key)
        if not isinstance(found, Future):
            return found
        try:
            segments = found.result()
        except Exception as error:
            with self._lock:
                self._known.pop(key, None)
            if isinstance(error, BrokenExecutor):
                raise KeyError(key) from None
            raise
        self[key] = segments
        return segments

    def __setitem__(self, key: str, segments: np.ndarray) -> None:
        with self._lock:
            self._keep(key, segments)

    def __delitem__(self, key: str) -> None:
        with self._lock:
            del self._known[key]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._known))

    def __len__(self) -> int:
        return len(self._known)

    def _keep(self, key: str, segments: Segments) -> None:
        self._known[key] = segments
        self._known.move_to_end(key)
        while len(self._known) > self._kept:
            self._known.popitem(last=False)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = process_pool.pool(self._processes)
        return self._pool


@cache
def ahead() -> Ahead:
    """This process's own: beside a GPU the other cores cut ahead of it; a CPU has enough to do already."""
    spare = (os.cpu_count() or 1) - 1
    return Ahead(min(spare, MOST_PROCESSES) if inputs.device().startswith("cuda") else 0)


@cache
def segmenter() -> Segmenter:
    """What an explainer asks for superpixels."""
    return Segmenter(cache=ahead())

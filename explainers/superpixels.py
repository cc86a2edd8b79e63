"""Superpixels: groups of neighbouring pixels that look alike, from scikit-image, in worker processes where wanted.

A segmentation depends on the picture and the parameters alone, so it can be made ahead and kept. Nothing here imports
torch: worker processes start in about a second.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator, MutableMapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import numpy as np
from skimage import segmentation

from .base import MethodError


@dataclass(frozen=True)
class Quickshift:
    """Quick shift (Vedaldi & Soatto 2008): mode seeking in colour and place. The defaults are the `lime` package's.

    kernel_size: width of the Gaussian that estimates the density, in pixels. max_dist: longest step to a denser pixel,
    in pixels of the joint space; larger gives fewer superpixels. ratio: weight of colour (CIELAB) against place, 0..1.
    """

    kernel_size: float = 4.0
    max_dist: float = 200.0
    ratio: float = 0.2

    def segment(self, picture: np.ndarray) -> np.ndarray:
        """Superpixels of uint8 [h, w, 3]: int64 [h, w], labelled 0..d-1."""
        # rng breaks exact ties of the density: a constant, so that the picture alone decides.
        labels = segmentation.quickshift(
            picture, kernel_size=self.kernel_size, max_dist=self.max_dist, ratio=self.ratio, rng=42
        )
        return relabelled(labels)


@dataclass(frozen=True)
class Slic:
    """SLIC (Achanta et al. 2012): k-means in colour and place, about ten times faster than quick shift.

    n_segments: how many to aim at. compactness: weight of place against colour; larger gives squarer superpixels.
    sigma: Gaussian smoothing beforehand, in pixels.
    """

    n_segments: int = 50
    compactness: float = 10.0
    sigma: float = 1.0

    def segment(self, picture: np.ndarray) -> np.ndarray:
        """Superpixels of uint8 [h, w, 3]: int64 [h, w], labelled 0..d-1."""
        labels = segmentation.slic(
            picture,
            n_segments=self.n_segments,
            compactness=self.compactness,
            sigma=self.sigma,
            start_label=0,
            channel_axis=-1,
        )
        return relabelled(labels)


Algorithm = Quickshift | Slic


def algorithm_of(method: Any) -> Algorithm:
    """The algorithm that a method's parameters `segmentation`, `quickshift_…` and `slic_…` describe."""
    if method.segmentation == "slic":
        return Slic(method.slic_n_segments, method.slic_compactness, method.slic_sigma)
    return Quickshift(method.quickshift_kernel_size, method.quickshift_max_dist, method.quickshift_ratio)


def check_parameters(method: Any) -> None:
    """Raises MethodError, naming the method, for values of these parameters that make no sense."""
    if method.slic_n_segments < 1:
        raise MethodError(f"{method.name}: slic_n_segments must be at least 1, not {method.slic_n_segments}")
    for name in ("quickshift_kernel_size", "quickshift_max_dist", "slic_compactness"):
        if getattr(method, name) <= 0:
            raise MethodError(f"{method.name}: {name} must be above 0, not {getattr(method, name)}")
    if not 0 <= method.quickshift_ratio <= 1:
        raise MethodError(f"{method.name}: quickshift_ratio must be in 0..1, not {method.quickshift_ratio}")
    if method.slic_sigma < 0:
        raise MethodError(f"{method.name}: slic_sigma must not be negative, not {method.slic_sigma}")


def relabelled(labels: np.ndarray) -> np.ndarray:
    """The same regions labelled 0..d-1 in the order of their old labels: int64."""
    _, inverse = np.unique(labels, return_inverse=True)
    return inverse.reshape(labels.shape).astype(np.int64)


def cache_key(picture: np.ndarray, algorithm: Algorithm) -> str:
    """SHA-256, hex, of a picture's shape and pixels and of the algorithm with its parameters."""
    digest = hashlib.sha256(f"{algorithm!r} {picture.shape}\n".encode())
    digest.update(np.ascontiguousarray(picture).data)
    return digest.hexdigest()


class Segmenter:
    """Where superpixels come from: a number of worker processes and a cache, both explicit.

    workers: processes that work ahead of whoever asks; with 0 the caller's own process segments when asked. cache: any
    mapping from `cache_key` to segments, for instance a dict, kept by the caller; None remembers nothing. Neither
    changes a result. Use it in a `with` statement, or call `close`: it ends the processes.
    """

    def __init__(self, workers: int = 0, cache: MutableMapping[str, np.ndarray] | None = None):
        self._workers = workers
        self._cache = cache
        # Not forked: a copy of a process that has used CUDA or OpenMP threads does not work.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, mp_context=context) if workers else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes; what they have not begun is dropped."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def segment(self, pictures: Iterable[np.ndarray], algorithm: Algorithm) -> Iterator[np.ndarray]:
        """The superpixels of each of the pictures (uint8 [h, w, 3]), in order: int64 [h, w], labelled 0..d-1.

        With workers, the first pictures (two for each worker) are under way when this returns, and as many stay ahead.
        """
        pictures = iter(pictures)
        ahead: deque[tuple[str, np.ndarray | Future[np.ndarray]]] = deque(
            self._begin(picture, algorithm) for picture in islice(pictures, 2 * self._workers)
        )

        def in_order() -> Iterator[np.ndarray]:
            for picture in pictures:
                ahead.append(self._begin(picture, algorithm))
                yield self._finish(*ahead.popleft())
            while ahead:
                yield self._finish(*ahead.popleft())

        return in_order()

    def _begin(self, picture: np.ndarray, algorithm: Algorithm) -> tuple[str, np.ndarray | Future[np.ndarray]]:
        key = cache_key(picture, algorithm) if self._cache is not None else ""
        if self._cache is not None and (known := self._cache.get(key)) is not None:
            return key, known
        if self._pool:
            return key, self._pool.submit(algorithm.segment, picture)
        return key, algorithm.segment(picture)

    def _finish(self, key: str, begun: np.ndarray | Future[np.ndarray]) -> np.ndarray:
        segments = begun.result() if isinstance(begun, Future) else begun
        segments.setflags(write=False)  # a cached array has many readers
        if self._cache is not None:
            self._cache[key] = segments
        return segments

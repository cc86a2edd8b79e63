"""What computations start from: photographs, earlier results and loaded classifiers, from the source that is connected.

A process connects one source, before the first computation.  torch is imported when a classifier is loaded, not before.
"""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from explainers import images

from . import ComputationFailure, InputError

if TYPE_CHECKING:
    from explainers.classifiers import ImageClassifier


#: One photograph of 48 megapixels, or hundreds of the usual size: half a gigabyte while they are decoded.
PIXELS_AT_ONCE = 60_000_000
AS_IT_IS = {"resize": None, "crop": None}

#: Pixels under way; `.result()` waits for them.
Loading = Future["np.ndarray | ComputationFailure"]


@dataclass(frozen=True)
class NetworkEntry:
    """A classifier as a catalogue describes it.

    source: how to build the network: a library's name for it, or a module and a checkpoint as stored files.
    preprocessing: resize and crop in pixels or None, mean and std of pixels in [0, 1].  state_digest: of its weights.
    as_written: whether methods ask it as it was written, since a faster copy was seen to differ.
    """

    name: str
    digest: str
    source: dict[str, Any]
    preprocessing: dict[str, Any]
    state_digest: str
    as_written: bool


class KnownResult(Protocol):
    """A result that was computed before: its recipe, its value, and the names of its files by what they are."""

    @property
    def recipe(self) -> dict[str, Any]: ...
    @property
    def value(self) -> dict[str, Any]: ...
    @property
    def files(self) -> dict[str, str]: ...


class InputSource(ABC):
    """Where a process has from what recipes name.  Stored files have names that hold the SHA-256 of their bytes."""

    @abstractmethod
    def photographs(self, digests: Iterable[str]) -> Mapping[str, str]:
        """The stored file of each photograph, by the SHA-256 of its bytes; those that are not known are left out."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A stored file's bytes; FileNotFoundError where there is none, OSError where it cannot be had."""

    @abstractmethod
    def path(self, name: str) -> AbstractContextManager[Path]:
        """A stored file as a file of this machine, for as long as the context lasts."""

    @abstractmethod
    def network(self, digest: str) -> NetworkEntry:
        """The classifier with this digest; InputError where there is none."""

    @abstractmethod
    def results(self, digests: Sequence[str]) -> Mapping[str, KnownResult]:
        """Finished results by the digests of their recipes; those that are not there are left out."""

    @abstractmethod
    def device(self) -> str:
        """Where networks run, as torch calls it; empty for a GPU where there is one."""


_connected: list[InputSource] = []


def connect(source: InputSource) -> None:
    """Have this process's computations start from this source; what was loaded from another is forgotten."""
    _connected[:] = [source]
    classifier.cache_clear()


def connected() -> InputSource:
    """The source of this process's computations."""
    if not _connected:
        raise InputError("computations have no source of photographs and networks here")
    return _connected[0]


def load_photographs(recipes: Sequence[Mapping[str, Any]], preprocessing: Mapping[str, Any] | None) -> list[Loading]:
    """Begin to decode the photograph of each recipe; with no `preprocessing` given each recipe is its own."""
    files = connected().photographs(recipe["image"] for recipe in recipes)
    return [_decoders().submit(pixels, files.get(r["image"]), preprocessing or r) for r in recipes]


def load_pictures(names: Iterable[str], then: Callable[[np.ndarray], None] | None = None) -> list[Loading]:
    """Begin to decode pictures that were made before, pixel by pixel as they were stored.

    then: what is done with each before it is handed on, in the thread that decoded it.
    """

    def decode(name: str) -> np.ndarray | ComputationFailure:
        decoded = pixels(name, AS_IT_IS)
        if then and not isinstance(decoded, ComputationFailure):
            then(decoded)
        return decoded

    return [_decoders().submit(decode, name) for name in names]


def arrived(loaded: Sequence[Loading]) -> tuple[dict[int, np.ndarray], dict[int, ComputationFailure]]:
    """Wait for what is loaded: pixels by their place, and by place why there are none."""
    found = dict(enumerate(loading.result() for loading in loaded))
    readable = {place: pixels for place, pixels in found.items() if not isinstance(pixels, ComputationFailure)}
    return readable, {place: failure for place, failure in found.items() if isinstance(failure, ComputationFailure)}


def pixels(file: str | None, preprocessing: Mapping[str, Any]) -> np.ndarray | ComputationFailure:
    """The image: uint8 [h, w, 3], resized and cropped as the classifier's preprocessing says."""
    if file is None:
        return ComputationFailure("the image is no longer in the catalogue")
    try:
        data = connected().read(file)
        with _budget.take(images.count_pixels(data)):
            return images.load(data, resize=preprocessing["resize"], crop=preprocessing["crop"])
    except FileNotFoundError:
        return ComputationFailure(f"its file {file} is gone from the storage")
    except images.ImageError as error:
        return ComputationFailure(str(error))


def preprocessing(digest: str) -> dict[str, Any]:
    """That of the classifier with this digest; InputError where there is none."""
    return connected().network(digest).preprocessing


@lru_cache(maxsize=2)
def classifier(digest: str) -> "ImageClassifier":
    """The network with that digest on this process's device; InputError, in one line, where it cannot be had."""
    from explainers.classifiers import ClassifierError

    entry = connected().network(digest)
    try:
        network = build(entry.source, entry.preprocessing)
    except ClassifierError as error:
        raise InputError(str(error)) from None
    if network.state_digest != entry.state_digest:
        raise InputError(f"the weights of classifier {entry.name} are no longer those that were imported")
    # What was seen at import on photographs holds, whatever else the faster copy is tried on.
    network.as_written = entry.as_written
    return network.to(device())


def build(source: Mapping[str, Any], preprocessing: Mapping[str, Any]) -> "ImageClassifier":
    """The network that an entry's source describes, on the CPU; ClassifierError where it cannot be built."""
    from explainers import classifiers, libraries

    normalisation = {"mean": preprocessing["mean"], "std": preprocessing["std"]}
    if key := next((key for key in libraries.LIBRARIES if key in source), ""):
        options = {"prompts": source["prompts"]} if "prompts" in source else {}
        return libraries.load(key, source[key], **normalisation, **options)
    if "torchvision" in source:
        return classifiers.from_torchvision(source["torchvision"], source["weights"], **normalisation)
    with connected().path(source["module"]) as module, connected().path(source["checkpoint"]) as checkpoint:
        outputs_are = source.get("outputs_are", "logits")
        return classifiers.from_module(module, source["factory"], checkpoint, outputs_are=outputs_are, **normalisation)


def device() -> str:
    """Where networks run: where the source says, else on a GPU where there is one."""
    import torch

    return connected().device() or ("cuda" if torch.cuda.is_available() else "cpu")


class _PixelBudget:
    """So many pixels are decoded at once at most, by all threads together; a picture that is larger, alone."""

    def __init__(self, pixels: int):
        self._pixels, self._taken, self._changed = pixels, 0, threading.Condition()

    @contextmanager
    def take(self, pixels: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + pixels <= self._pixels)
            self._taken += pixels
        try:
            yield
        finally:
            with self._changed:
                self._taken -= pixels
                self._changed.notify_all()


_budget = _PixelBudget(PIXELS_AT_ONCE)


@cache
def _decoders() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(os.cpu_count() or 1, 8), thread_name_prefix="decode")

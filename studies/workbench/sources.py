"""What computations start from: stored photographs and loaded classifiers.

Only workers and commands call this; torch is imported when a classifier is loaded, not before.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings
from django.core.files.storage import default_storage

from explainers import images
from studies import storage
from studies.errors import StudyError
from studies.models import Classifier, Image

from .kinds import Failure

if TYPE_CHECKING:
    from explainers.classifiers import Classifier as Network


AS_IT_IS = {"resize": None, "crop": None}

#: Pixels under way; `.result()` waits for them.
Loading = Future["np.ndarray | Failure"]


def load_photographs(recipes: Sequence[Mapping[str, Any]], preprocessing: Mapping[str, Any] | None) -> list[Loading]:
    """Begin to decode the photograph of each recipe; with no `preprocessing` given each recipe is its own."""
    files = image_files(recipe["image"] for recipe in recipes)
    return [_decoders().submit(pixels, files.get(r["image"]), preprocessing or r) for r in recipes]


def load_pictures(names: Iterable[str], then: Callable[[np.ndarray], None] | None = None) -> list[Loading]:
    """Begin to decode pictures that were made before, pixel by pixel as they were stored.

    then: what is done with each before anybody gets it, in the thread that decoded it.
    """

    def decode(name: str) -> np.ndarray | Failure:
        decoded = pixels(name, AS_IT_IS)
        if then and not isinstance(decoded, Failure):
            then(decoded)
        return decoded

    return [_decoders().submit(decode, name) for name in names]


def image_files(digests: Iterable[str]) -> dict[str, str]:
    """The stored file of each photograph, by the SHA-256 of its bytes."""
    return dict(Image.objects.filter(sha256__in=set(digests)).values_list("sha256", "file"))


def pixels(file: str | None, preprocessing: Mapping[str, Any]) -> np.ndarray | Failure:
    """The image: uint8 [h, w, 3], resized and cropped as the classifier's preprocessing says."""
    if file is None:
        return Failure("the image is no longer in the catalogue")
    try:
        return images.load(storage.read(file), resize=preprocessing["resize"], crop=preprocessing["crop"])
    except FileNotFoundError:
        return Failure(f"its file {file} is gone from the storage")
    except images.ImageError as error:
        return Failure(str(error))


def preprocessing(digest: str) -> dict[str, Any]:
    """That of the classifier with this digest; StudyError where there is none."""
    return _row(digest).preprocessing


@lru_cache(maxsize=2)
def classifier(digest: str) -> "Network":
    """The network with that digest on this process's device."""
    row = _row(digest)
    network = build(row.source, row.preprocessing)
    if network.state_digest != row.state_digest:
        raise StudyError(f"the weights of classifier {row.name} are no longer those that were imported")
    return network.to(device())


def _row(digest: str) -> Classifier:
    row = Classifier.objects.filter(digest=digest).first()
    if row is None:
        raise StudyError(f"no classifier has the digest {digest[:12]}…")
    return row


def build(source: Mapping[str, Any], preprocessing: Mapping[str, Any]) -> "Network":
    """The network a catalogue entry describes; StudyError with the reason where it cannot be built."""
    from explainers import classifiers

    normalisation = {"mean": preprocessing["mean"], "std": preprocessing["std"]}
    try:
        if "torchvision" in source:
            return classifiers.from_torchvision(source["torchvision"], source["weights"], **normalisation)
        with _local(source["module"]) as module, _local(source["checkpoint"]) as checkpoint:
            return classifiers.from_module(module, source["factory"], checkpoint, **normalisation)
    except classifiers.ClassifierError as error:
        raise StudyError(str(error)) from None


def device() -> str:
    """Where networks run: the setting DEVICE, else a GPU where there is one."""
    import torch

    return settings.DEVICE or ("cuda" if torch.cuda.is_available() else "cpu")


@cache
def _decoders() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(os.cpu_count() or 1, 8), thread_name_prefix="decode")


@contextmanager
def _local(name: str):
    """The path of a stored file, copied to a temporary one where the storage is elsewhere."""
    try:
        yield Path(default_storage.path(name))
    except NotImplementedError:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(name).name
            path.write_bytes(storage.read(name))
            yield path

"""What computations start from: stored photographs and loaded classifiers.

Only workers and commands call this; torch is imported when a classifier is loaded, not before.
"""

import tempfile
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from functools import lru_cache
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


@lru_cache(maxsize=2)
def classifier(digest: str) -> "tuple[Network, dict[str, Any]]":
    """The network with that digest on this process's device, and its preprocessing."""
    row = Classifier.objects.filter(digest=digest).first()
    if row is None:
        raise StudyError(f"no classifier has the digest {digest[:12]}…")
    network = build(row.source, row.preprocessing)
    if network.state_digest != row.state_digest:
        raise StudyError(f"the weights of classifier {row.name} are no longer those that were imported")
    return network.to(device()), row.preprocessing


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

"""Networks of libraries that are no requirement: one file for each, imported when it is named.

Each file has

    preprocessing(name)                   {"resize", "crop", "mean", "std"} from the library's own configuration
    load(name, *, mean, std, **options)   the ImageClassifier, from files that are on this machine
    output_names(name)                    what the library calls the outputs, in their order; empty for nothing

and raises ClassifierError of one line. Nothing is downloaded: a study must not depend on what a hub gives tomorrow, and
a worker may have no network. `hf download REPOSITORY` brings the files into the cache.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from . import file_kinds
from .classifiers import ClassifierError, ImageClassifier

#: By the key of a source, what is installed for it.
LIBRARIES = {"timm": "timm", "transformers": "transformers", "open_clip": "open_clip_torch"}

#: An empty file may be one that nobody needs.
_STANDING_IN = (file_kinds.LFS_POINTER, file_kinds.ANNEX_POINTER)


def library(key: str) -> ModuleType:
    """The file of one of LIBRARIES; ClassifierError where that is not installed."""
    try:
        return importlib.import_module(f"{__package__}.{key}_networks")
    except ImportError as error:
        reason = " ".join(str(error).split())[:200]
        message = f"{LIBRARIES[key]} is not installed here ({reason}): pip install -r requirements-networks.txt"
        raise ClassifierError(message) from None


def load(key: str, name: str, *, mean: list[float], std: list[float], **options: Any) -> ImageClassifier:
    """The classifier called `name` in one of LIBRARIES."""
    return library(key).load(name, mean=mean, std=std, **options)


@contextmanager
def from_cache(what: str, repository: str = "", folder: Path | None = None) -> Iterator[None]:
    """Load with files of this machine alone; what goes wrong is a ClassifierError about `what`.

    repository: where its files would come from, for the remedy.  folder: where they lie instead.
    """
    from huggingface_hub import constants

    if folder is not None:
        check_files(folder)
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    except ClassifierError:
        raise
    except Exception as error:  # these libraries raise almost anything on a missing or torn file
        reason = " ".join(str(error).split())[:200]
        if repository and not _is_cached(repository):
            message = f"{what} is not in the cache of this machine: hf download {repository}"
            raise ClassifierError(message) from None
        raise ClassifierError(f"{what} cannot be loaded: {type(error).__name__}: {reason}") from None
    finally:
        constants.HF_HUB_OFFLINE = before


def check_files(folder: Path) -> None:
    """ClassifierError where a file of a network's folder stands for another: a clone without Git LFS is full of them,
    and the libraries say of it that the weights are torn."""
    for path in sorted(folder.glob("*")):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            head = file.read(512)
        if file_kinds.recognise(head) in _STANDING_IN:
            raise ClassifierError(f"{path.name} in {folder} {file_kinds.instead(head, 'the file itself')}")


def _is_cached(repository: str) -> bool:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots"
    return any(folder.glob("*/*"))

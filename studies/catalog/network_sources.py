"""Where networks come from: torchvision, a library of named networks, or a module with a checkpoint.

Each kind of source says what is stored of it, how its weights want their pictures, and what its outputs are called.
"""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from studies.lib import storage
from studies.lib.errors import StudyError

if TYPE_CHECKING:
    from explainers.classifiers import ImageClassifier as Network

PLAIN: dict[str, Any] = {"resize": None, "crop": None, "mean": [0.0] * 3, "std": [1.0] * 3}
#: Radford et al. 2021; {} is a class's title.
PROMPT = "a photo of a {}."


class NetworkSource(ABC):
    """One network.  What goes wrong is a StudyError or one of explainers' ClassifierErrors, of one line."""

    def preprocessing(self) -> dict[str, Any]:
        """resize, crop, mean and std where nothing else is said."""
        return PLAIN

    @abstractmethod
    def build(self, preprocessing: dict[str, Any]) -> "Network":
        """The network, with this mean and standard deviation."""

    def output_names(self) -> list[str]:
        """What it calls its outputs, in their order; empty for nothing."""
        return []

    @abstractmethod
    def stored(self) -> dict[str, Any]:
        """What a catalog entry keeps, once nothing was refused; files are stored now."""

    def accuracy(self) -> float | None:
        """How often it is right on ImageNet's validation images, where whoever published it says so."""
        return None


@dataclass
class TorchvisionSource(NetworkSource):
    name: str
    weights: str

    def preprocessing(self) -> dict[str, Any]:
        from explainers import classifiers

        return PLAIN | classifiers.torchvision_preprocessing(self.name, self.weights)

    def build(self, preprocessing: dict[str, Any]) -> "Network":
        from explainers.computations import inputs

        return inputs.build(self.stored(), preprocessing)

    def output_names(self) -> list[str]:
        from explainers import classifiers

        return classifiers.torchvision_categories(self.name, self.weights)

    def stored(self) -> dict[str, Any]:
        return {"torchvision": self.name, "weights": self.weights}

    def accuracy(self) -> float | None:
        from explainers import classifiers

        return classifiers.torchvision_accuracy(self.name, self.weights)


@dataclass
class LibrarySource(NetworkSource):
    """prompts: one for each class, for a network that compares images with texts; else none."""

    key: str
    name: str
    prompts: tuple[str, ...] = ()

    def preprocessing(self) -> dict[str, Any]:
        from explainers import libraries

        return PLAIN | libraries.library(self.key).preprocessing(self.name)

    def build(self, preprocessing: dict[str, Any]) -> "Network":
        from explainers.computations import inputs

        return inputs.build(self.stored(), preprocessing)

    def output_names(self) -> list[str]:
        from explainers import libraries

        return list(libraries.library(self.key).output_names(self.name))

    def stored(self) -> dict[str, Any]:
        return {self.key: self.name, **({"prompts": list(self.prompts)} if self.prompts else {})}


class ModuleSource(NetworkSource):
    """The module and the checkpoint as they are now, in a folder of their own: what is tried is what is stored."""

    def __init__(self, module: str, checkpoint: Path | None, folder: Path, outputs_are: str = "logits"):
        file, colon, self.factory = module.rpartition(":")
        if not colon or not file.strip() or not self.factory.isidentifier():
            raise StudyError(f"--module {module}: must be FILE.py:FACTORY")
        if checkpoint is None or not str(checkpoint).strip():
            raise StudyError("--module needs --checkpoint FILE.safetensors")
        # Under their own names, which messages tell.
        self.module = _copy(Path(file), folder / "module")
        self.checkpoint = _copy(Path(checkpoint), folder / "checkpoint")
        self.outputs_are = outputs_are

    def build(self, preprocessing: dict[str, Any]) -> "Network":
        from explainers import classifiers

        return classifiers.from_module(
            self.module,
            self.factory,
            self.checkpoint,
            mean=preprocessing["mean"],
            std=preprocessing["std"],
            outputs_are=self.outputs_are,
        )

    def stored(self) -> dict[str, Any]:
        stored = {"factory": self.factory}
        if self.outputs_are != "logits":
            stored["outputs_are"] = self.outputs_are
        for what, path, suffix in (("module", self.module, ".py"), ("checkpoint", self.checkpoint, ".safetensors")):
            stored[what], stored[f"{what}_sha256"] = storage.store_file("classifiers", path, suffix)
        return stored


def prompts_for(template: str, titles: Sequence[str]) -> tuple[str, ...]:
    """The prompt of each class; StudyError for a template that has no place for one."""
    if "{}" not in template:
        raise StudyError(f"--prompt {template!r}: must have {{}} where the class's title goes, as in {PROMPT!r}")
    return tuple(template.replace("{}", title) for title in titles)


def _copy(path: Path, folder: Path) -> Path:
    folder.mkdir()
    limit = settings.CHECKPOINT_MAX_BYTES
    try:
        if not path.is_file():
            raise StudyError(f"{path}: {'is not an ordinary file' if path.exists() else 'No such file'}")
        if path.stat().st_size > limit:
            raise StudyError(f"{path}: has more than {limit:,} bytes (CHECKPOINT_MAX_BYTES)")
        return Path(shutil.copyfile(path, folder / path.name))
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # a zero byte in the name
        raise StudyError(f"{str(path)!r}: {error}") from None

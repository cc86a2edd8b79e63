"""Classifiers: networks with their preprocessing inside, mapping RGB in [0, 1] to logits.

Two ways to get one: `from_torchvision` by name, through torchvision's own loading and cache; `from_module` from a
researcher's Python file and a safetensors checkpoint. Every failure is a ClassifierError of one line.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torchvision import models

#: Bytes of what a checkpoint says about its tensors: about 130 for each, of which large networks have 1,500.
LONGEST_HEADER = 1_000_000


class ClassifierError(ValueError):
    """A classifier cannot be made or cannot be used. One line."""


class Classifier(nn.Module):
    """A network with its normalisation inside, in evaluation mode for good, parameters without gradients.

    network: maps normalised images [n, 3, h, w] to logits [n, c]. mean, std: per channel, for images in [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, *, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.network = network
        for name, values in (("mean", mean), ("std", std)):
            value = torch.tensor([float(number) for number in values])
            if value.shape != (3,) or not value.isfinite().all():
                raise ClassifierError(f"{name} must be three finite numbers, not {list(values)}")
            self.register_buffer(name, value.view(1, 3, 1, 1))
        if not bool((self.std > 0).all()):
            raise ClassifierError(f"std must be positive, not {list(std)}")
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, c] of images [n, 3, h, w] in [0, 1]. Differentiable in the images."""
        return self.network(self.normalised(images))

    def normalised(self, images: Tensor) -> Tensor:
        """What the network itself is given: images [n, 3, h, w] in its own standard deviations."""
        return (images - self.mean) / self.std

    def train(self, mode: bool = True) -> Classifier:
        """Stays in evaluation mode: what a study records about a classifier must not depend on its batches."""
        return super().train(False)

    @torch.no_grad()
    def predict(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [n, c] and the last hidden representation, float32 [n, f]: what the last executed nn.Linear is given.

        Raises ClassifierError for a network that executes no nn.Linear, or gives its last one other than [n, f].
        """
        seen: list[Tensor] = []

        def remember(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen[:] = [inputs[0]]

        hooks = [m.register_forward_pre_hook(remember) for m in self.network.modules() if isinstance(m, nn.Linear)]
        try:
            logits = self(images)
        finally:
            for hook in hooks:
                hook.remove()
        if not seen:
            raise ClassifierError(f"{type(self.network).__name__} has no linear layer to take the hidden values from")
        hidden = seen[0]
        if hidden.ndim != 2 or len(hidden) != len(images):
            shape = list(hidden.shape)
            raise ClassifierError(f"the last linear layer is given {shape}, not one row for each of {len(images)}")
        return logits, hidden.float().clone()

    @property
    def state_digest(self) -> str:
        """SHA-256, hex, over the sorted names, dtypes, shapes and bytes of all tensors, mean and std among them.

        It tells weights apart, not code: two networks with the same tensors and another wiring have the same digest.
        """
        digest = hashlib.sha256()
        for name, value in sorted(self.state_dict().items()):
            digest.update(f"{name}\n{value.dtype}\n{list(value.shape)}\n".encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def check(classifier: Classifier, image_size: tuple[int, int], n_classes: int) -> int:
    """Classify black images of `image_size` (height, width) once and return the number of outputs c.

    Raises ClassifierError for a network that fails on that size, gives another shape than [n, c], fewer outputs than
    `n_classes`, values that are not finite, or no hidden representation.
    """
    device = classifier.mean.device
    images = torch.zeros(2, 3, *image_size, device=device)
    try:
        logits, _ = classifier.predict(images)
    except ClassifierError:
        raise
    except Exception as error:
        raise ClassifierError(f"fails on images of {image_size[1]} × {image_size[0]}: {_one_line(error)}") from None
    if not isinstance(logits, Tensor):
        raise ClassifierError(f"returns {type(logits).__name__}, not a tensor of logits [n, classes]")
    if logits.ndim != 2 or len(logits) != len(images):
        raise ClassifierError(f"returns shape {list(logits.shape)} for {len(images)} images, not [n, classes]")
    if logits.shape[1] < n_classes:
        raise ClassifierError(f"has {logits.shape[1]} outputs, too few for {n_classes} classes")
    if not bool(logits.isfinite().all()):
        raise ClassifierError("returns values that are not finite for a black image")
    return logits.shape[1]


def from_torchvision(
    name: str,
    weights: str = "IMAGENET1K_V1",
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Classifier:
    """One of torchvision's classification networks with published weights.

    The weights come from torchvision's cache (the folder of `torch.hub`, which TORCH_HOME moves) or are downloaded into
    it. mean, std: instead of those that the weights were trained with.
    """
    entry = _weights(name, weights)
    preset = entry.transforms()
    try:
        network = models.get_model(name, weights=entry, progress=False)
    except Exception as error:  # URLError without a network; pickle and torch raise almost anything on a torn file
        cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
        verb = "cannot be read from the cache" if cached.exists() else "is not in the cache and could not be downloaded"
        raise ClassifierError(f"{entry} {verb} ({cached}): {_one_line(error)}") from None
    return Classifier(network, mean=preset.mean if mean is None else mean, std=preset.std if std is None else std)


def torchvision_preprocessing(name: str, weights: str = "IMAGENET1K_V1") -> dict[str, Any]:
    """What the weights were evaluated with, read without downloading them: {"resize", "crop", "mean", "std"}.

    resize, crop: int, for `images.load`. Some weights were evaluated with bicubic resizing; images are always resized
    bilinearly here, so that all classifiers of a study see the same image.
    """
    preset = _weights(name, weights).transforms()
    return {
        "resize": int(preset.resize_size[0]),
        "crop": int(preset.crop_size[0]),
        "mean": [float(value) for value in preset.mean],
        "std": [float(value) for value in preset.std],
    }


def from_module(
    file: Path, factory: str, checkpoint: Path, *, mean: Sequence[float], std: Sequence[float]
) -> Classifier:
    """A network from a researcher's own file.

    file: Python, run with this program's rights: only files that the installation's owner trusts. factory: the name of
    a function (or class) in it that takes no arguments and returns the nn.Module. checkpoint: safetensors with exactly
    the tensors of its state; pickles (.pth, .pt) are refused because reading one runs code.
    """
    file, checkpoint = Path(file), Path(checkpoint)
    state = _read_safetensors(checkpoint)
    network = _make_network(file, factory)
    _load_state(network, state, checkpoint)
    return Classifier(network, mean=mean, std=std)


def _weights(name: str, weights: str) -> models.WeightsEnum:
    names = models.list_models(module=models)
    if name not in names:
        raise ClassifierError(f"torchvision has no classification model {name!r}{_near(name, names)}")
    entries = models.get_model_weights(name).__members__
    member = weights.rpartition(".")[2]
    if member not in entries:
        raise ClassifierError(f"{name} has no weights {weights!r}{_near(member, entries)}")
    return entries[member]


def _near(name: str, names: Iterable[str]) -> str:
    names = list(names)
    close = difflib.get_close_matches(name.lower(), [n.lower() for n in names], n=3, cutoff=0.5)
    matches = [n for n in names if n.lower() in close] or (names if len(names) <= 4 else [])
    return f"; did you mean {' or '.join(matches)}?" if matches else ""


def _make_network(file: Path, factory: str) -> nn.Module:
    try:
        source = file.read_bytes()
    except OSError as error:
        raise ClassifierError(f"{file.name} cannot be read: {error.strerror}") from None
    # Named by content, so that two files, or two versions of one, never share a module.
    module_name = f"classifier_{hashlib.sha256(source).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise ClassifierError(f"{file.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses and pickling in the file look themselves up here
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        raise ClassifierError(f"{file.name} cannot be imported: {_one_line(error)}") from None
    make = getattr(module, factory, None)
    if not callable(make):
        raise ClassifierError(f"{file.name} has no function {factory!r}{_near(factory, _functions_of(module))}")
    try:
        network = make()
    except (Exception, SystemExit) as error:
        raise ClassifierError(f"{factory}() in {file.name} fails: {_one_line(error)}") from None
    if not isinstance(network, nn.Module):
        raise ClassifierError(f"{factory}() in {file.name} returns {type(network).__name__}, not an nn.Module")
    return network


def _functions_of(module: Any) -> list[str]:
    return [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]


def _read_safetensors(checkpoint: Path) -> dict[str, Tensor]:
    try:
        with checkpoint.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ClassifierError(f"{checkpoint.name} cannot be read: {error.strerror}") from None
    if head[:2] == b"PK" or head[:1] == b"\x80":  # torch.save writes a zip archive of pickles, before 1.6 a bare pickle
        raise ClassifierError(
            f"{checkpoint.name} is a pickle, which can run code when read; save it with safetensors.torch.save_file"
        )
    if (length := int.from_bytes(head, "little")) > LONGEST_HEADER:
        # Written about a few thousand tensors; about a hundred thousand it takes the reader half a minute.
        raise ClassifierError(
            f"{checkpoint.name} is not a whole safetensors file: its header would have {length:,} bytes, more than "
            f"{LONGEST_HEADER:,}"
        )
    try:
        return safetensors.torch.load_file(checkpoint)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ClassifierError(f"{checkpoint.name} is not a whole safetensors file: {_one_line(error)}") from None


def _load_state(network: nn.Module, state: dict[str, Tensor], checkpoint: Path) -> None:
    wanted = network.state_dict()
    misshapen = [
        f"{name} {list(value.shape)} instead of {list(wanted[name].shape)}"
        for name, value in state.items()
        if name in wanted and value.shape != wanted[name].shape
    ]
    fitting = {name: value for name, value in state.items() if name not in wanted or value.shape == wanted[name].shape}
    # torch itself says what is missing: it knows, for one, that the batch counters of batch norm may be absent.
    missing, unexpected = network.load_state_dict(fitting, strict=False)
    # A safetensors file holds tied weights once.
    given = {wanted[name].data_ptr() for name in state if name in wanted and wanted[name].numel()}
    missing = [name for name in missing if name not in state and wanted[name].data_ptr() not in given]
    problems = {"lacks": missing, "has unknown": unexpected, "has misshapen": misshapen}
    if any(problems.values()):
        lines = [f"{verb} {_first_few(names)}" for verb, names in problems.items() if names]
        raise ClassifierError(f"{checkpoint.name} does not fit the network: it {'; it '.join(lines)}")


def _first_few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__

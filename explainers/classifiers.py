"""Classifiers: networks with their preprocessing inside, mapping RGB in [0, 1] to logits.

Two ways to get one: `from_torchvision` by name, through torchvision's own loading and cache; `from_module` from a
researcher's Python file and a safetensors checkpoint. Every failure is a ClassifierError of one line.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from .checkpoints import CheckpointError, load_state, read_safetensors
from .normalisation import normalisation_problem

#: What a network's outputs may be. Log-probabilities are logits: their softmax is the same.
OUTPUTS = ("logits", "probabilities")

#: So far below the best, softmax is 0 in float32, and so is what becomes of its logarithm.
_NOTHING = 80
_SMALLEST = torch.finfo(torch.float32).tiny


class ClassifierError(ValueError):
    """A classifier cannot be made or cannot be used. One line."""


class LogOfProbabilities(nn.Module):
    """The logits of a network that gives probabilities [n, c]: their logarithms, whose softmax gives them back."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        # A number, since the dtype of fx's stand-in for a tensor is none.
        return self.network(x).clamp_min(_SMALLEST).log()


class ImageClassifier(nn.Module):
    """A network with its normalisation inside, in evaluation mode for good, parameters without gradients.

    network: maps normalised images [n, 3, h, w] to logits [n, c]. mean, std: per channel, for images in [0, 1], and in
    [0, 1] themselves. outputs_are: "probabilities" where the network gives these; their logarithms are the logits then.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, *, mean: Sequence[float], std: Sequence[float], outputs_are: str = "logits"):
        super().__init__()
        if outputs_are not in OUTPUTS:
            raise ClassifierError(f"a network's outputs are {' or '.join(OUTPUTS)}, not {outputs_are!r}")
        self.network = LogOfProbabilities(network) if outputs_are == "probabilities" else network
        #: Whether it is asked as it was written, by methods that would rewrite its code to be faster.
        self.as_written = False
        for name, values in (("mean", mean), ("std", std)):
            if problem := normalisation_problem(name, values):
                raise ClassifierError(problem)
            self.register_buffer(name, torch.tensor([float(value) for value in values]).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, c] of images [n, 3, h, w] in [0, 1]. Differentiable in the images."""
        return self.network(self.normalised(images))

    def normalised(self, images: Tensor) -> Tensor:
        """What the network itself is given: images [n, 3, h, w] in its own standard deviations."""
        return (images - self.mean) / self.std

    def train(self, mode: bool = True) -> ImageClassifier:
        """Stays in evaluation mode: what a study records about a classifier must not depend on its batches."""
        return super().train(False)

    @torch.no_grad()
    def predict(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [n, c] and the last hidden representation, float32 [n, f]: what the last nn.Linear is given.

        Raises ClassifierError, saying why, for a network that has none: see `outputs`.
        """
        logits, hidden, why = self.outputs(images)
        if hidden is None:
            raise ClassifierError(why)
        return logits, hidden

    @torch.no_grad()
    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor | None, str]:
        """Logits [n, c], and the last hidden representation, float32 [n, f], or None with the reason in one line.

        It is what the nn.Linear is given whose values are the logits, but for a constant for each image, as
        log-softmax leaves them. A linear layer in the middle of a network is not taken for it.
        """
        calls: list[tuple[Tensor, Tensor]] = []
        shapes: list[list[int]] = []

        def remember(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            shapes.append(list(inputs[0].shape))
            if inputs[0].ndim == 2 and len(inputs[0]) == len(images):
                # Copies: what comes after may change its input in place.
                calls.append((inputs[0].clone(), output.clone()))

        hooks = [m.register_forward_hook(remember) for m in self.network.modules() if isinstance(m, nn.Linear)]
        try:
            logits = self(images)
        finally:
            for hook in hooks:
                hook.remove()
        name = type(self.network).__name__
        if not shapes:
            return logits, None, f"{name} has no linear layer to take the hidden values from"
        if isinstance(logits, Tensor):
            for hidden, output in reversed(calls):
                if _same_but_for_a_constant(output, logits):
                    return logits, hidden.float(), ""
        if len(shapes[-1]) != 2 or shapes[-1][0] != len(images):
            return logits, None, f"the last linear layer is given {shapes[-1]}, not one row for each of {len(images)}"
        return logits, None, f"no linear layer gives the outputs of {name}: something else comes after the last one"

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


@torch.no_grad()
def check(classifier: ImageClassifier, image_size: tuple[int, int], n_classes: int) -> int:
    """Classify black images of `image_size` (height, width) once and return the number of outputs c.

    Raises ClassifierError, with what mends it where that is known, for a network that fails on that size, gives
    something else than float32 [n, c], fewer outputs than `n_classes`, or values that are not finite.
    """
    images = torch.zeros(2, 3, *image_size, device=classifier.mean.device)
    try:
        logits = classifier(images)
    except Exception as error:
        raise ClassifierError(_why_it_fails(classifier, images, error)) from None
    if not isinstance(logits, Tensor):
        raise ClassifierError(_not_a_tensor(logits))
    if logits.ndim != 2 or len(logits) != len(images):
        flat = logits.ndim > 2 and logits.flatten(1).shape[1] == logits.shape[1] and len(logits) == len(images)
        mend = ": end its forward with return x.flatten(1)" if flat else ""
        raise ClassifierError(f"returns shape {list(logits.shape)} for {len(images)} images, not [n, classes]{mend}")
    if logits.dtype != torch.float32:
        raise ClassifierError(_precision(logits.dtype))
    if logits.shape[1] < n_classes:
        mend = ": for two classes return torch.cat([-x, x], 1) / 2" if (logits.shape[1], n_classes) == (1, 2) else ""
        raise ClassifierError(f"has {logits.shape[1]} outputs, too few for {n_classes} classes{mend}")
    if not bool(logits.isfinite().all()):
        raise ClassifierError("returns values that are not finite for a black image")
    return logits.shape[1]


def _why_it_fails(classifier: ImageClassifier, images: Tensor, error: Exception) -> str:
    """The error of a network that cannot be asked about images, and what mends it where another input would do."""
    height, width = images.shape[2:]
    says = f"fails on images of {width} × {height}: {_one_line(error)}"
    kinds = {value.dtype for value in classifier.network.parameters() if value.is_floating_point()} - {torch.float32}
    if kinds:
        return f"{says}. {_precision(kinds.pop())}"
    try:
        classifier.network(classifier.normalised(images).mean(1, keepdim=True))
    except Exception:
        return says
    return (
        "takes images of one channel, and those here have three: let its forward begin with x = x.mean(1, keepdim=True)"
    )


def _precision(kind: torch.dtype) -> str:
    name = str(kind).removeprefix("torch.")
    return f"It computes in {name}, images are float32: end its factory with return network.float()"


def _not_a_tensor(outputs: Any) -> str:
    """What a network gives instead of logits, and the line that gives them."""
    found = type(outputs).__name__
    part = ""
    if isinstance(outputs, Mapping) and outputs:
        names = [str(name) for name in outputs]
        found += f" of {', '.join(names[:5])}"
        part = repr("logits" if "logits" in names else names[0])
    elif isinstance(outputs, Sequence) and outputs:
        found += f" of {len(outputs)}"
        part = "0"
    mend = f": wrap it in a module whose forward is return self.network(x)[{part}]" if part else ""
    return f"returns {found}, not a tensor of logits [n, classes]{mend}"


def _same_but_for_a_constant(output: Tensor, logits: Tensor) -> bool:
    """Whether two batches [n, c] differ by a number for each image, to rounding, where their softmax can be told
    from 0."""
    if output.shape != logits.shape:
        return False
    output, logits = output.double(), logits.double()
    best = logits.argmax(1, keepdim=True)
    difference = (logits - logits.gather(1, best)) - (output - output.gather(1, best))
    told = logits > logits.gather(1, best) - _NOTHING
    scale = float(output.abs().max())
    return bool((difference.abs().where(told, 0) <= 1e-4 * scale + 1e-6).all())


def from_torchvision(
    name: str,
    weights: str = "IMAGENET1K_V1",
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> ImageClassifier:
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
    return ImageClassifier(network, mean=preset.mean if mean is None else mean, std=preset.std if std is None else std)


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


def torchvision_categories(name: str, weights: str = "IMAGENET1K_V1") -> list[str]:
    """What torchvision calls the outputs of these weights, in their order; empty where it has no names for them."""
    return list(_weights(name, weights).meta.get("categories") or [])


def torchvision_accuracy(name: str, weights: str = "IMAGENET1K_V1") -> float | None:
    """The share of ImageNet's validation images that these weights are right on, as torchvision publishes it."""
    metrics = (_weights(name, weights).meta.get("_metrics") or {}).get("ImageNet-1K") or {}
    return float(metrics["acc@1"]) / 100 if "acc@1" in metrics else None


def from_module(
    file: Path,
    factory: str,
    checkpoint: Path,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    outputs_are: str = "logits",
) -> ImageClassifier:
    """A network from a researcher's own file.

    file: Python, run with this program's rights: only files that the installation's owner trusts. factory: the name of
    a function (or class) in it that takes no arguments and returns the nn.Module. checkpoint: safetensors with exactly
    the tensors of its state; pickles (.pth, .pt) are refused because reading one runs code. outputs_are: see
    `ImageClassifier`.
    """
    file, checkpoint = Path(file), Path(checkpoint)
    try:
        state = read_safetensors(checkpoint)
        network = _make_network(file, factory)
        if isinstance(network, torch.jit.ScriptModule):
            raise ClassifierError(
                f"{factory}() in {file.name} returns TorchScript, whose code is compiled: return the nn.Module it was "
                "made from"
            )
        load_state(network, state, checkpoint)
        made = ImageClassifier(network, mean=mean, std=std, outputs_are=outputs_are)
        made.state_dict()
        return made
    except CheckpointError as error:
        raise ClassifierError(str(error)) from None
    except (ClassifierError, MemoryError):
        raise
    except Exception as error:  # a network may have train() or state_dict() of its own, which raise anything
        raise ClassifierError(
            f"the network of {factory}() in {file.name} cannot be set up: {_one_line(error)}"
        ) from None


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


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__

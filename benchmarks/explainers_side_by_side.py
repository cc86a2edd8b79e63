"""Every explanation beside the bare passes it needs and beside captum, with random weights.

    python -m benchmarks.explainers_side_by_side [--rounds 3] [--images 4] [--samples 200] [--pool 2000] [--side 224]
        [--threads 2] [--only METHOD …]

Prints one JSON line for ResNet-18 at `side` and one for a ResNet-20 at 32 × 32: for each method the seconds an image,
the ratio to its bare passes, and the ratio of captum's time to ours (above 1: captum is slower). Bare passes are those
of the network with the same batches on pictures that are there already, forward alone or forward and backward. samples:
masks, coalitions or noisy copies, the same for all sides. Explanations by examples have a pool of random features, and
no passes. Where captum is not installed the line says so. The goal is a ratio of at most 1.15.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.measure import MEAN, STD, alternating, arguments, photograph, resnet18, tell
from explainers import base
from explainers.base import ExamplePool
from explainers.classifiers import ImageClassifier
from explainers.frozen_model import frozen
from explainers.gradient_passes import batch_limit, even_slices
from explainers.images import to_tensor
from explainers.masked_passes import MaskedPasses, batch_size
from explainers.superpixels import Segmenter, Slic

try:
    from captum import attr as captum
except ImportError:
    captum = None

STEPS = 50
Side = Callable[[], object]


class Block(nn.Module):
    """Two convolutions of 3 × 3 and what goes past them; modules for every ReLU, so that captum sees them."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outside), nn.BatchNorm2d(outside)])
        self.rectifiers = nn.ModuleList([nn.ReLU(), nn.ReLU()])
        self.past = nn.Identity() if stride == 1 else nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.rectifiers[0](self.norms[0](self.first(x)))
        return self.rectifiers[1](self.norms[1](self.second(inner)) + self.past(x))


def resnet20() -> ImageClassifier:
    """He et al.'s network for CIFAR."""
    torch.manual_seed(0)
    blocks = [Block(16, 16, 1) for _ in range(3)]
    for inside, outside in ((16, 32), (32, 64)):
        blocks += [Block(inside, outside, 2), Block(outside, outside, 1), Block(outside, outside, 1)]
    front = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    network = nn.Sequential(*front, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    return ImageClassifier(network, mean=MEAN, std=STD)


@dataclass(frozen=True)
class Task:
    """What is explained, and what the sides share. layer: the last with pixels, for Grad-CAM."""

    classifier: ImageClassifier
    layer: nn.Module
    images: Tensor
    labels: Tensor
    samples: int
    segments: np.ndarray

    @property
    def window(self) -> int:
        return self.images.shape[-1] // 7 + 4

    def parameters(self) -> dict[str, dict[str, Any]]:
        """By method what is not its default."""
        slic = {"segmentation": "slic", "n_samples": self.samples}
        return {
            "lime": slic,
            "kernel_shap": slic,
            "rise": {"n_masks": self.samples},
            "smoothgrad": {"n_samples": STEPS},
            "integrated_gradients": {"n_steps": STEPS},
            "occlusion": {"window": self.window, "stride": self.window // 2},
        }

    def ours(self, name: str) -> Side:
        method = base.get("explainer", name)(**self.parameters().get(name, {}))
        segmenter = Segmenter(cache={})
        return lambda: method.explain(
            self.classifier, self.images, self.labels, seeds=range(len(self.images)), segmenter=segmenter
        )


def bare(task: Task, name: str) -> Side:
    """The passes of a method and nothing else."""
    n = len(task.images)
    side, stride = task.images.shape[-1], task.window // 2
    per_image = {
        "lime": task.samples,
        "kernel_shap": task.samples,
        "rise": task.samples,
        "occlusion": (-(-(side - task.window) // stride) + 1) ** 2 + 1,
    }
    if name in per_image:
        return lambda: [_forward(task, per_image[name]) for _ in range(n)]
    steps = {"smoothgrad": STEPS, "integrated_gradients": STEPS}.get(name, 1)
    by = task.layer if name == "gradcam" else None

    def run() -> None:
        _backward(task, steps, by)
        if name == "integrated_gradients":
            with torch.no_grad():
                for _ in range(2):
                    task.classifier(task.images)

    return run


@torch.inference_mode()
def _forward(task: Task, count: int) -> None:
    """By the network made ready as for all methods by perturbation."""
    network = _ready(task)
    batch = batch_size(count, task.images.shape[-1] ** 2, task.images.device)
    pictures = task.images[:1].expand(batch, -1, -1, -1).contiguous(memory_format=torch.channels_last)
    for _ in range(0, count, batch):
        network(pictures)


_networks: dict[int, nn.Module] = {}


def _ready(task: Task) -> nn.Module:
    if id(task) not in _networks:
        _networks[id(task)] = MaskedPasses(task.classifier, task.images, torch.float32).network
    return _networks[id(task)]


def _backward(task: Task, steps: int, layer: nn.Module | None) -> None:
    limit = batch_limit(task.images.shape[-1] ** 2, task.images.device)
    pictures = task.images.repeat(steps, 1, 1, 1)
    labels = task.labels.repeat(steps)
    with frozen(task.classifier, task.images.device):
        for rows in even_slices(len(pictures), limit):
            values: list[Tensor] = [pictures[rows].requires_grad_()]
            hook = (
                layer.register_forward_hook(lambda _, __, output, kept=values: kept.append(output)) if layer else None
            )
            logits = task.classifier(values[0])
            torch.autograd.grad(logits.gather(1, labels[rows, None]).sum(), values[-1])
            if hook:
                hook.remove()


def by_captum(task: Task, name: str) -> Side | None:
    """captum's own way, with its defaults but for the number of samples; None for what it has not."""
    if captum is None:
        return None
    network, images, labels = task.classifier, task.images, task.labels
    gradients = captum.Saliency(network)
    mask = torch.from_numpy(task.segments)[None, None]
    perturbations = batch_size(task.samples, images.shape[-1] ** 2, images.device)

    def probabilities(pictures: Tensor) -> Tensor:
        return network(pictures).softmax(1)

    def one_by_one(method: Any, **more: Any) -> None:
        with torch.inference_mode():
            for image, label in zip(images.split(1), labels.tolist(), strict=True):
                method(probabilities).attribute(image, target=label, perturbations_per_eval=perturbations, **more)

    def gradcam() -> None:
        values = captum.LayerGradCam(network, task.layer).attribute(images, target=labels, relu_attributions=True)
        functional.interpolate(values, images.shape[2:], mode="bilinear")

    window = task.window
    return {
        "gradients": lambda: gradients.attribute(images, target=labels),
        "gradient_times_input": lambda: captum.InputXGradient(network).attribute(images, target=labels),
        "smoothgrad": lambda: captum.NoiseTunnel(gradients).attribute(
            images, nt_samples=STEPS, stdevs=0.15, target=labels, abs=False
        ),
        "integrated_gradients": lambda: captum.IntegratedGradients(network).attribute(
            images, target=labels, n_steps=STEPS, return_convergence_delta=True
        ),
        "guided_backprop": lambda: captum.GuidedBackprop(network).attribute(images, target=labels),
        "deconvolution": lambda: captum.Deconvolution(network).attribute(images, target=labels),
        "gradcam": gradcam,
        "occlusion": lambda: one_by_one(
            captum.Occlusion, sliding_window_shapes=(3, window, window), strides=(3, window // 2, window // 2)
        ),
        "lime": lambda: one_by_one(captum.Lime, feature_mask=mask, n_samples=task.samples),
        "kernel_shap": lambda: one_by_one(captum.KernelShap, feature_mask=mask, n_samples=task.samples),
    }.get(name)


def by_examples(name: str, size: int, features: int, classes: int) -> Side:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(size + 1, features)).astype(np.float32)
    head = rng.normal(size=(classes, features)).astype(np.float32), np.zeros(classes, np.float32)
    labels = (points @ head[0].T).argmax(1)
    pool = ExamplePool("pool", size, points[:-1], labels[:-1], labels[:-1], head)
    query = ExamplePool("query", 1, points[-1:], labels[-1:], labels[-1:])
    method = base.get("example_explainer", name)()
    return lambda: method.explain(pool, query, 6, seed=0)


def figures(task: Task, rounds: int, only: list[str]) -> dict[str, dict[str, float | None]]:
    found = {}
    for name in base.available("explainer"):
        if only and name not in only:
            continue
        sides = {"ours": task.ours(name), "bare": bare(task, name)}
        if beside := by_captum(task, name):
            sides["captum"] = beside
        seconds = alternating(sides, rounds)
        found[name] = {
            "s_an_image": round(seconds["ours"] / len(task.images), 4),
            "to_bare": round(seconds["ours"] / seconds["bare"], 3),
            "captum_to_ours": round(seconds["captum"] / seconds["ours"], 2) if beside else None,
        }
    return found


def main() -> None:
    only = sys.argv[sys.argv.index("--only") + 1 :] if "--only" in sys.argv else []
    if only:
        del sys.argv[sys.argv.index("--only") :]
    given = arguments(__doc__, rounds=3, images=4, samples=200, pool=2000, side=224)
    picture = photograph()
    for called, classifier, side in (("resnet18", resnet18(), given.side), ("resnet20", resnet20(), 32)):
        small = to_tensor([picture[:: 224 // side, :: 224 // side][:side, :side].copy()])
        images = torch.cat([small.roll(shift, 3) for shift in range(given.images)])
        layer = classifier.network.layer4 if called == "resnet18" else classifier.network[-4]
        labels = classifier(images).argmax(1)
        segments = Slic().segment((small[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
        task = Task(classifier, layer, images, labels, given.samples, segments)
        features, classes = (512, 10) if called == "resnet18" else (64, 10)
        examples = {
            name: alternating({"ours": by_examples(name, given.pool, features, classes)}, given.rounds)["ours"]
            for name in base.available("example_explainer")
            if not only or name in only
        }
        tell(
            "explainers_side_by_side",
            given,
            network=called,
            goal_to_bare=1.15,
            captum=getattr(sys.modules.get("captum"), "__version__", None) or "not installed",
            explainers=figures(task, given.rounds, only),
            example_explainers_s_a_query={name: round(seconds, 4) for name, seconds in examples.items()},
        )


if __name__ == "__main__":
    main()

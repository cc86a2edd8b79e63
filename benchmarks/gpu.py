"""All figures of a GPU in one table, in about ten minutes: needs neither a network nor a data set.

    python -m benchmarks.gpu [--seconds 20] [--tiny]

ResNet-101 at 224 × 224 with random weights, whose batch norm has seen noise, on drawn pictures:

    lime              masked pictures a second of the whole method, superpixels cached, in float32 and bfloat16, beside
                      the bare tuned network on one resident batch of the same shape; the goal is a share of 0.9
    ifgsm             images a second of ten steps in strict float32, beside the bare passes in batches of the same size
    gradient methods  pictures a second of each, beside one forward and backward pass of each picture
    mmd_critic        seconds for 100 prototypes and 100 criticisms of 50,000 × 2048 features
    CPU and GPU       explanations, attacks, maps and selections of the same input on both: how far they are apart

Prints the table and one JSON line. --tiny: a small network and few points, on the CPU where there is no GPU; it shows
that the program runs, and its figures mean nothing. Without a GPU only --tiny runs: else it ends with status 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.mmd_critic import points
from explainers import base, mmd_critic
from explainers.classifiers import ImageClassifier
from explainers.frozen_model import strict_precision
from explainers.ifgsm import IFGSM
from explainers.inference import probes, tuned
from explainers.lime import Lime
from explainers.masked_passes import batch_size
from explainers.superpixels import Segmenter

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Explainers whose cost is passes with a gradient.
GRADIENTS = ("gradients", "gradient_times_input", "guided_backprop", "deconvolution", "gradcam")
STEPS = 10


@dataclass(frozen=True)
class Scale:
    """How large everything is. explained: pictures of LIME; attacked: of IFGSM and of the gradient methods; compared:
    of CPU against GPU; masks: of each explanation there."""

    side: int
    explained: int
    samples: int
    attacked: int
    compared: int
    masks: int
    points: int
    features: int
    chosen: int


FULL = Scale(
    224, explained=20, samples=1000, attacked=256, compared=2, masks=200, points=50_000, features=2048, chosen=100
)
TINY = Scale(32, explained=2, samples=20, attacked=4, compared=2, masks=20, points=60, features=16, chosen=4)


@dataclass(frozen=True)
class Row:
    """A line of the table. beside: the bare passes, in the unit of the figure; goal: of the share, or of the figure."""

    what: str
    figure: float
    unit: str
    beside: float | None = None
    goal: str = ""

    @property
    def share(self) -> float | None:
        return None if self.beside is None else self.figure / self.beside


def classifier(scale: Scale) -> ImageClassifier:
    """ResNet-101, or three layers for the tiny scale; batch norm fitted to noise, so that no value runs away."""
    torch.manual_seed(0)
    if scale is TINY:
        network: nn.Module = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
            nn.Linear(128, 10),
        )  # fmt: skip
    else:
        from torchvision.models import resnet101

        network = resnet101()
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network(torch.randn(16, 3, scale.side, scale.side))
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    nn.init.normal_(last.weight, 0, 0.5)
    return ImageClassifier(network, mean=MEAN, std=STD)


def pictures(n: int, side: int) -> Tensor:
    """Smooth colours with some noise, on the 8-bit grid: float32 [n, 3, side, side]."""
    generator = torch.Generator().manual_seed(1)
    smooth = functional.interpolate(torch.rand(n, 3, 5, 5, generator=generator), (side, side), mode="bicubic")
    noisy = smooth + 0.05 * torch.randn(n, 3, side, side, generator=generator)
    return (noisy.clamp(0, 1) * 255).round() / 255


class Bench:
    """One device, and how long things take on it."""

    def __init__(self, device: str, scale: Scale, seconds: float):
        self.device, self.scale, self.seconds = device, scale, seconds
        self.model = classifier(scale).to(device)

    def on(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device)

    def alternating(self, *sides: Callable[[], object]) -> list[float]:
        """Median seconds of each side, one after the other until the time is over, at least once each; the first round
        is not counted."""
        taken: list[list[float]] = [[] for _ in sides]
        until = None
        while until is None or not taken[0] or time.monotonic() < until:
            for number, run in enumerate(sides):
                self._wait()
                start = time.perf_counter()
                run()
                self._wait()
                if until is not None:
                    taken[number].append(time.perf_counter() - start)
            until = until or time.monotonic() + self.seconds
        return [median(values) for values in taken]

    def _wait(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()


def lime(bench: Bench) -> Iterator[Row]:
    scale, segmenter = bench.scale, Segmenter(cache={})
    images = bench.on(pictures(scale.explained, scale.side))
    labels = bench.model(images).argmax(1)
    for precision in ("float32", "bfloat16"):
        method, dtype = Lime(n_samples=scale.samples, precision=precision), getattr(torch, precision)
        asked = bench.model.normalised(probes(scale.side, scale.side, bench.device))
        network = tuned(bench.model.network, dtype, asked).network
        size = batch_size(scale.samples, scale.side**2, torch.device(bench.device))
        batch = torch.rand(size, 3, scale.side, scale.side, device=bench.device, dtype=dtype)
        batch = batch.to(memory_format=torch.channels_last)
        batches = -(-scale.samples // size) * scale.explained

        def bare(network: nn.Module = network, batch: Tensor = batch, batches: int = batches) -> None:
            with torch.inference_mode():
                for _ in range(batches):
                    network(batch)

        def whole(method: Lime = method) -> None:
            method.explain(bench.model, images, labels, seeds=range(len(images)), segmenter=segmenter)

        bare_s, whole_s = bench.alternating(bare, whole)
        passes = scale.explained * scale.samples
        yield Row(f"LIME, {precision}", passes / whole_s, "passes/s", batches * size / bare_s, "share 0.9")


def _forward_and_backward(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    given = images.detach().requires_grad_(True)
    torch.autograd.grad(functional.cross_entropy(model(given), labels, reduction="sum"), given)


def ifgsm(bench: Bench) -> Iterator[Row]:
    scale = bench.scale
    images = bench.on(pictures(scale.attacked, scale.side))
    labels = bench.model(images[:1]).argmax(1).expand(len(images)).contiguous()
    method, size = IFGSM(step=0.001, max_steps=STEPS), 8 if bench.device == "cpu" else 64

    def bare() -> None:
        with strict_precision():
            for part, answers in zip(images.split(size), labels.split(size), strict=True):
                for _ in range(STEPS):
                    _forward_and_backward(bench.model, part, answers)
                with torch.no_grad():
                    # The decision of the last step, and the one on the picture as displayed.
                    bench.model(part)
                    bench.model(part)

    bare_s, whole_s = bench.alternating(bare, lambda: method.attack(bench.model, images, labels))
    n = len(images)
    yield Row(f"IFGSM, {STEPS} steps, strict float32", n / whole_s, "images/s", n / bare_s, "50,000 in 245 s")


def gradient_methods(bench: Bench) -> Iterator[Row]:
    scale = bench.scale
    images = bench.on(pictures(scale.attacked, scale.side))
    labels = bench.model(images[:1]).argmax(1).expand(len(images)).contiguous()
    for name in GRADIENTS:
        method = base.get("explainer", name)()

        def bare() -> None:
            with strict_precision():
                for part, answers in zip(images.split(16), labels.split(16), strict=True):
                    _forward_and_backward(bench.model, part, answers)

        def whole(method: Any = method) -> None:
            for start in range(0, len(images), 16):
                some = slice(start, start + 16)
                method.explain(bench.model, images[some], labels[some], seeds=range(len(images[some])))

        bare_s, whole_s = bench.alternating(bare, whole)
        yield Row(name, len(images) / whole_s, "images/s", len(images) / bare_s)


def selection(bench: Bench) -> Iterator[Row]:
    scale = bench.scale
    features = bench.on(points(scale.points, scale.features))
    (seconds,) = bench.alternating(lambda: mmd_critic.select_from_features(features, scale.chosen, scale.chosen))
    yield Row(f"MMD-critic, {scale.points:,} × {scale.features:,}", seconds, "s", goal="under 1 s")


def equality(bench: Bench) -> Iterator[Row]:
    """The same input on this device and on the CPU."""
    scale, here = bench.scale, deepcopy(bench.model).cpu()
    images = pictures(scale.compared, scale.side)
    labels = here(images).argmax(1)
    both: tuple[tuple[ImageClassifier, Callable[[Tensor], Tensor]], ...] = (
        (here, lambda t: t),
        (bench.model, bench.on),
    )

    def explained(method: Any) -> list[list[Any]]:
        segmenter = {"segmenter": Segmenter(cache={})} if isinstance(method, Lime) else {}
        return [
            method.explain(model, to(images), to(labels), seeds=range(len(images)), **segmenter) for model, to in both
        ]

    pairs = list(zip(*explained(Lime(n_samples=scale.masks)), strict=True))
    far = max(float(np.abs(a.coefficients - b.coefficients).max()) for a, b in pairs)
    yield Row("LIME: largest difference of a coefficient", far, "", goal="1e-3")
    maps = list(zip(*explained(base.get("explainer", "gradients")()), strict=True))
    far = max(float(np.abs(a.values - b.values).max() / max(np.abs(a.values).max(), 1e-30)) for a, b in maps)
    yield Row("gradients: largest difference, of the largest value", far, "", goal="1e-3")
    method = IFGSM(step=0.001, max_steps=STEPS)
    ours, theirs = (method.attack(model, to(images), to(labels)) for model, to in both)
    differ = ((ours.images - theirs.images.cpu()).abs() > 1e-6).float().mean()
    yield Row("IFGSM: share of values that differ", float(differ), "", goal="0.01")
    same = (ours.flip_step == theirs.flip_step.cpu()).float().mean()
    yield Row("IFGSM: share of equal flip steps", float(same), "", goal="1")
    features = points(min(scale.points, 2000), scale.features)
    chosen = [mmd_critic.select_from_features(to(features), scale.chosen, scale.chosen) for _, to in both]
    first, second = ([*one.prototypes.tolist(), *one.criticisms.tolist()] for one in chosen)
    yield Row("MMD-critic: share of equal choices", float(np.mean(np.array(first) == np.array(second))), "", goal="1")


PARTS = (lime, ifgsm, gradient_methods, selection, equality)


def table(rows: list[Row]) -> str:
    """The rows in columns."""
    cells = [["", "figure", "", "bare", "share", "goal"]]
    for row in rows:
        bare, share = ("", "") if row.beside is None else (f"{row.beside:,.4g}", f"{row.share:.3f}")
        cells.append([row.what, f"{row.figure:,.4g}", row.unit, bare, share, row.goal])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def main(argv: list[str] | None = None) -> int:
    """Measure, print the table and the line; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="for each line of the table; default: 20")
    parser.add_argument("--tiny", action="store_true", help="only to see that it runs")
    given = parser.parse_args(argv)
    there = torch.cuda.is_available()
    if not there and not given.tiny:
        print("gpu: no CUDA device here; --tiny tries the program on the CPU", file=sys.stderr)
        return 1
    device, scale = "cuda" if there else "cpu", TINY if given.tiny else FULL
    bench = Bench(device, scale, 0 if given.tiny else given.seconds)
    rows = [row for part in PARTS for row in part(bench)]
    print(table(rows))
    called = torch.cuda.get_device_name() if there else "cpu"
    facts = {"benchmark": "gpu", "device": called, "torch": torch.__version__, "tiny": given.tiny}
    print(json.dumps({**facts, "rows": [asdict(row) for row in rows]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

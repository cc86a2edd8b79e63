"""LIME's throughput on a GPU as a share of the bare, tuned forward pass.

    python -m benchmarks.lime_on_gpu [--images 40] [--samples 1000] [--rounds 3] [--threads 2]

Prints one JSON line, for ResNet-101 at 224 × 224 with random weights, in float32 and bfloat16: masked pictures a second
of the whole method, superpixels cached, and of the network alone on one resident batch of the same shape, precision and
tuning; alternating, medians. The goal is a share of at least 0.9. Without a CUDA device the line says that the row
stays open.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torchvision import models

from benchmarks.measure import MEAN, STD, arguments, photograph, tell
from explainers.classifiers import Classifier
from explainers.images import to_tensor
from explainers.inference import tuned
from explainers.lime import Lime
from explainers.superpixels import Segmenter

BATCH = 250  # what `Lime` uses for 1000 masks


def seconds(run: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    given = arguments(__doc__, images=40, samples=1000, rounds=3)
    if not torch.cuda.is_available():
        tell("lime_on_gpu", given, open="no CUDA device here")
        return
    torch.manual_seed(0)
    classifier = Classifier(models.resnet101(), mean=MEAN, std=STD).cuda()
    images = to_tensor([np.roll(photograph(), 5 * number, axis=1) for number in range(given.images)]).cuda()
    labels = torch.full((given.images,), 3).cuda()
    segmenter = Segmenter(cache={})
    figures: dict[str, float] = {}
    for precision in ("float32", "bfloat16"):
        method = Lime(n_samples=given.samples, precision=precision)
        dtype = getattr(torch, precision)
        network = tuned(classifier.network, dtype)
        batch = torch.rand(BATCH, 3, 224, 224, device="cuda", dtype=dtype).to(memory_format=torch.channels_last)
        batches = given.images * given.samples // BATCH

        def bare(network: torch.nn.Module = network, batch: torch.Tensor = batch, batches: int = batches) -> None:
            with torch.inference_mode():
                for _ in range(batches):
                    network(batch)

        def whole(method: Lime = method) -> None:
            method.explain(classifier, images, labels, seeds=range(given.images), segmenter=segmenter)

        sides: dict[str, list[float]] = {"bare": [], "whole": []}
        for number in range(given.rounds + 1):  # the first fills the cache and warms up
            for name, run in (("bare", bare), ("whole", whole)):
                taken = seconds(run)
                if number:
                    sides[name].append(taken)
        passes = {"bare": batches * BATCH, "whole": given.images * given.samples}
        for name, values in sides.items():
            figures[f"{precision}_{name}_per_s"] = round(passes[name] / median(values))
        figures[f"{precision}_share"] = round(
            figures[f"{precision}_whole_per_s"] / figures[f"{precision}_bare_per_s"], 3
        )
    tell("lime_on_gpu", given, device=torch.cuda.get_device_name(), goal_share=0.9, **figures)


if __name__ == "__main__":
    main()

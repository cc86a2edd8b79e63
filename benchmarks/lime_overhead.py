"""LIME's cost beside the network: a stub for the network, the superpixels given, 224 × 224.

    python -m benchmarks.lime_overhead [--rounds 5] [--samples 1000] [--threads 2]

Prints one JSON line: seconds an image of this code, the `lime` package and captum, alternating, medians. The goal is at
most 0.3 s an image.
"""

import torch
from torch import Tensor, nn

from benchmarks.lime_sides import captum, ours, package
from benchmarks.measure import MEAN, STD, alternating, arguments, photograph, tell
from explainers.classifiers import ImageClassifier
from explainers.lime import Lime
from explainers.superpixels import Segmenter


class Stub(nn.Module):
    """Looks at sixteen pixels: next to no work, and scores that depend on the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(48, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.out(images[:, :, 28::56, 28::56].flatten(1))


def main() -> None:
    given = arguments(__doc__, rounds=5, samples=1000)
    torch.manual_seed(0)
    classifier, picture = ImageClassifier(Stub(), mean=MEAN, std=STD), photograph()
    segmenter = Segmenter(cache={})
    (segments,) = segmenter.segment([picture], Lime().superpixels)
    sides = {
        "ours": ours(classifier, picture, given.samples, "float32", segmenter),
        "lime": package(classifier, picture, given.samples, segments),
        "captum": captum(classifier, picture, given.samples, segments),
    }
    seconds = alternating(sides, given.rounds)
    tell("lime_overhead", given, goal_s=0.3, **{f"{name}_s": round(value, 3) for name, value in seconds.items()})


if __name__ == "__main__":
    main()

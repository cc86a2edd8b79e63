"""What else may be done to a photograph before a network sees it: the usual ways, to find out which one is meant.

Of each the question is what a classifier would say: `predictions(classifier, images, way)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .classifiers import ImageClassifier

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LEVEL = 1 / 255


@dataclass(frozen=True)
class Preprocessing:
    """key, title: its name, for rows and for people. mean, std: of pixels in [0, 1]. flipped: whether the network is
    given blue, green and red, mean and std in that order."""

    key: str
    title: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    flipped: bool = False


def usual(mean: Sequence[float], std: Sequence[float]) -> list[Preprocessing]:
    """The usual ways, but for the one that a classifier with this mean and std has.

    Pixels from 0 to 255; pixels from 0 to 1; ImageNet's mean and deviation; 0.5 and 0.5; its own with the channels the
    other way round (blue first, as OpenCV reads them); and pixels from 0 to 255 less their mean, blue first, Caffe's.
    """
    own_mean, own_std = _three(mean), _three(std)
    plain = (0.0, 0.0, 0.0)
    ways = [
        Preprocessing("levels", "pixels from 0 to 255", plain, (_LEVEL,) * 3),
        Preprocessing("plain", "pixels from 0 to 1 without normalisation", plain, (1.0,) * 3),
        Preprocessing("imagenet", "ImageNet’s mean and deviation", IMAGENET_MEAN, IMAGENET_STD),
        Preprocessing("half", "mean 0.5 and deviation 0.5", (0.5,) * 3, (0.5,) * 3),
        Preprocessing("flipped", "blue, green, red instead of red, green, blue", own_mean[::-1], own_std[::-1], True),
        Preprocessing(
            "caffe", "pixels from 0 to 255 less their mean, blue first", IMAGENET_MEAN[::-1], (_LEVEL,) * 3, True
        ),
    ]
    return [way for way in ways if way.flipped or not _alike(way, own_mean, own_std)]


@torch.no_grad()
def predictions(classifier: ImageClassifier, images: Tensor, way: Preprocessing) -> Tensor:
    """The decisions int64 [n] of a classifier's network on images float32 [n, 3, h, w] in [0, 1], prepared this way."""
    given = images.flip(1) if way.flipped else images
    mean, std = (torch.tensor(values).to(given).view(1, 3, 1, 1) for values in (way.mean, way.std))
    return classifier.network((given - mean) / std).argmax(1)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue


def _alike(way: Preprocessing, mean: tuple[float, ...], std: tuple[float, ...]) -> bool:
    return all(abs(a - b) < 1e-3 for a, b in zip((*way.mean, *way.std), (*mean, *std), strict=True))

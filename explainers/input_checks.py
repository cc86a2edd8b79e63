"""What every method checks of the images, labels and seeds that it is given."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .base import MethodError


def check_images(images: Tensor) -> None:
    if not isinstance(images, Tensor) or images.dtype not in (torch.float32, torch.float64):
        what = str(images.dtype) if isinstance(images, Tensor) else type(images).__name__
        raise MethodError(f"images must be a float32 or float64 tensor, not {what}")
    if images.ndim != 4:
        raise MethodError(f"images must be [n, channels, height, width], not {list(images.shape)}")
    check_range(images)


def check_range(images: Tensor) -> None:
    """Raises MethodError, naming the image, for values outside [0, 1], NaN and infinity among them."""
    valid = ((images >= 0) & (images <= 1)).flatten(1).all(1)  # NaN and infinity fail both comparisons or one
    if not bool(valid.all()):
        first = int((~valid).nonzero()[0])
        what = "has values outside [0, 1]" if bool(images[first].isfinite().all()) else "holds NaN or infinity"
        raise MethodError(f"image {first} of the batch {what}")


def checked_request(images: Tensor, labels: Tensor, seeds: Sequence[int]) -> list[tuple[int, int]]:
    """The label and seed of each image.

    Raises MethodError where images are not finite floating point [n, 3, h, w] in [0, 1], or where there are not as many
    labels and seeds, and for a negative label.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise MethodError(f"images must be floating point [n, 3, h, w], not {images.dtype} {list(images.shape)}")
    if labels.shape != (len(images),) or len(seeds) != len(images):
        raise MethodError(
            f"{len(images)} images need as many labels and seeds, not {list(labels.shape)} and {len(seeds)}"
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise MethodError(f"labels must be whole numbers, not {labels.dtype}")
    check_range(images)
    wanted = [(int(label), int(seed)) for label, seed in zip(labels.tolist(), seeds, strict=True)]
    if wanted and (lowest := min(label for label, _ in wanted)) < 0:
        raise MethodError(f"label {lowest} is none of the classifier's outputs")
    return wanted

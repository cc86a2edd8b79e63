"""SmoothGrad: the mean gradient over noisy copies of the image.

Smilkov, Thorat, Kim, Viégas & Wattenberg, *SmoothGrad: removing noise by adding noise* (2017). The noise is normal and
is not clipped to [0, 1]: clipping would move its mean where pixels are nearly black or white.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from .base import Explainer, HeatMap, MethodError
from .gradient_passes import heat_maps, weighted_gradients
from .input_checks import checked_request
from .superpixels import Segmenter


@dataclass(frozen=True)
class SmoothGrad(Explainer):
    """The mean gradient of the label's logit over noisy copies of the image.

    n_samples: copies. noise: the standard deviation of what is added to each pixel, in units of [0, 1]; the paper takes
    0.1 to 0.2 of the range of an image's values.
    """

    name: ClassVar[str] = "smoothgrad"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "SmoothGrad"

    n_samples: int = 50
    noise: float = 0.15

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_samples < 1:
            raise MethodError(f"smoothgrad: n_samples must be at least 1, not {self.n_samples}")
        if self.noise < 0:
            raise MethodError(f"smoothgrad: noise must not be negative, not {self.noise}")

    def explain(
        self,
        classifier: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        seeds: Sequence[int],
        segmenter: Segmenter | None = None,
    ) -> list[HeatMap]:
        """See `Explainer.explain`. channels: the mean gradient. values: the largest of its absolute values, never
        negative. An image's noise comes from its seed alone, drawn on the CPU: the same on every device."""
        wanted = checked_request(images, labels, seeds)
        if not wanted:
            return []
        generators = [torch.Generator().manual_seed(seed) for _, seed in wanted]

        def noisy(rows: slice, steps: slice) -> Tensor:
            # A copy at a time: the generator gives other numbers when it is asked for several at once.
            drawn = [
                [torch.randn(images.shape[1:], generator=generator) for generator in generators[rows]]
                for _ in range(steps.start, steps.stop)
            ]
            noise = torch.stack([torch.stack(step) for step in drawn])
            return images[rows] + self.noise * noise.to(images)

        weights = torch.full((self.n_samples,), 1 / self.n_samples)
        channels, n_classes = weighted_gradients(classifier, images, labels, weights, noisy)
        return heat_maps(
            channels.abs().amax(1),
            channels,
            wanted,
            n_classes=n_classes,
            when_zero="the label's logit does not change with any pixel, nor near the image",
        )

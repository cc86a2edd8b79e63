"""Gradients: how a label's logit changes with each pixel.

Simonyan, Vedaldi & Zisserman, *Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency
Maps* (2014). The gradient is with respect to pixels in [0, 1]; a pixel's value is the largest absolute one of its three
channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from .base import Explainer, HeatMap
from .gradient_passes import gradients, heat_maps
from .input_checks import checked_request
from .superpixels import Segmenter


@dataclass(frozen=True)
class Gradients(Explainer):
    """The gradient of the label's logit with respect to the pixels; no parameters."""

    name: ClassVar[str] = "gradients"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Gradients"

    def explain(
        self,
        classifier: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        seeds: Sequence[int],
        segmenter: Segmenter | None = None,
    ) -> list[HeatMap]:
        """See `Explainer.explain`. channels: the gradient. values: the largest of its absolute values, never negative.
        Nothing is random: seeds are only recorded."""
        wanted = checked_request(images, labels, seeds)
        if not wanted:
            return []
        channels, n_classes = gradients(classifier, images, labels)
        return heat_maps(
            channels.abs().amax(1),
            channels,
            wanted,
            n_classes=n_classes,
            when_zero="the label's logit does not change with any pixel",
        )

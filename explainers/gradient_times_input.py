"""Gradient × input: how much of a label's logit each pixel makes up, if the classifier were linear.

Shrikumar, Greenside, Shcherbina & Kundaje, *Not Just a Black Box: Learning Important Features Through Propagating
Activation Differences* (2016). The gradient is with respect to pixels in [0, 1], so black contributes nothing.
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
class GradientTimesInput(Explainer):
    """The gradient of the label's logit times the pixel; no parameters."""

    name: ClassVar[str] = "gradient_times_input"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Gradient × input"

    def explain(
        self,
        classifier: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        seeds: Sequence[int],
        segmenter: Segmenter | None = None,
    ) -> list[HeatMap]:
        """See `Explainer.explain`. channels: gradient times pixel. values: their sum over the channels. Nothing is
        random: seeds are only recorded."""
        wanted = checked_request(images, labels, seeds)
        if not wanted:
            return []
        gradient, n_classes = gradients(classifier, images, labels)
        channels = gradient * images
        return heat_maps(
            channels.sum(1),
            channels,
            wanted,
            n_classes=n_classes,
            when_zero="every pixel is black, or the label's logit does not change with it",
        )

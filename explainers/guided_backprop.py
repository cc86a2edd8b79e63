"""Guided backpropagation: the gradient, of which every ReLU lets through only what is positive where it is active.

Springenberg, Dosovitskiy, Brox & Riedmiller, *Striving for Simplicity: The All Convolutional Net* (2015). ReLU and
ReLU6 count however the network writes them (`rectifiers`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from .base import Explainer, HeatMap
from .gradient_passes import gradients, heat_maps
from .input_checks import checked_request
from .rectifiers import rectifiers
from .superpixels import Segmenter


@dataclass(frozen=True)
class GuidedBackprop(Explainer):
    """The gradient with guided ReLUs; no parameters."""

    name: ClassVar[str] = "guided_backprop"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Guided backpropagation"

    def explain(
        self,
        classifier: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        seeds: Sequence[int],
        segmenter: Segmenter | None = None,
    ) -> list[HeatMap]:
        """See `Explainer.explain`. channels: what arrives at the pixels. values: the largest of its absolute values,
        never negative. Nothing is random: seeds are only recorded. MethodError for a classifier without ReLUs."""
        wanted = checked_request(images, labels, seeds)
        if not wanted:
            return []
        with rectifiers(self.name, classifier, "guided"):
            channels, n_classes = gradients(classifier, images, labels)
        return heat_maps(
            channels.abs().amax(1),
            channels,
            wanted,
            n_classes=n_classes,
            when_zero="nothing of the label's logit arrives at the pixels",
        )

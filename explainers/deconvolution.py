"""Deconvolution: the gradient, of which every ReLU lets through only what is positive, active or not.

Zeiler & Fergus, *Visualizing and Understanding Convolutional Networks* (2014). ReLU and ReLU6 count however the network
writes them (`rectifiers`); a max-pooling sends back to where its maximum was, as their switches do.
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
class Deconvolution(Explainer):
    """The gradient with ReLUs that rectify on the way back; no parameters."""

    name: ClassVar[str] = "deconvolution"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Deconvolution"

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
        with rectifiers(self.name, classifier, "deconvolution"):
            channels, n_classes = gradients(classifier, images, labels)
        return heat_maps(
            channels.abs().amax(1),
            channels,
            wanted,
            n_classes=n_classes,
            when_zero="nothing of the label's logit arrives at the pixels",
        )

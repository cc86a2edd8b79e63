"""Integrated gradients: a label's logit, less that of a baseline, divided among the pixels.

Sundararajan, Taly & Yan, *Axiomatic Attribution for Deep Networks* (2017). With x the image and b the baseline, the
attribution of a pixel's channel is (x − b) times the integral over α from 0 to 1 of the gradient at b + α·(x − b),
computed by Gauss–Legendre quadrature with `n_steps` nodes. With the exact integral attributions sum to the difference
of the two logits (completeness); the fact `completeness_gap` says how far they are from it, in logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from .base import Explainer, HeatMap, MethodError
from .gradient_passes import heat_maps, logits_at, weighted_gradients
from .images import GREY
from .input_checks import checked_request
from .superpixels import Segmenter


@dataclass(frozen=True)
class IntegratedGradients(Explainer):
    """The label's logit, less that of a baseline, divided among the pixels.

    n_steps: nodes of the quadrature, a forward and a backward pass each. baseline: what counts as nothing, "black",
    "grey" (level 128) or the image's "mean" colour; pixels that look like it get nothing.
    """

    name: ClassVar[str] = "integrated_gradients"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Integrated gradients"

    n_steps: int = 50
    baseline: Literal["black", "grey", "mean"] = "black"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_steps < 1:
            raise MethodError(f"integrated_gradients: n_steps must be at least 1, not {self.n_steps}")

    def explain(
        self,
        classifier: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        seeds: Sequence[int],
        segmenter: Segmenter | None = None,
    ) -> list[HeatMap]:
        """See `Explainer.explain`. channels: the attributions. values: their sum over the channels. facts:
        `completeness_gap`, the absolute difference between the sum of all and what they should sum to. Nothing is
        random: seeds are only recorded."""
        wanted = checked_request(images, labels, seeds)
        if not wanted:
            return []
        baselines = self._baselines(images)
        nodes, weights = np.polynomial.legendre.leggauss(self.n_steps)
        alphas = torch.tensor((nodes + 1) / 2).to(images)

        def on_the_path(rows: slice, steps: slice) -> Tensor:
            return baselines[rows] + alphas[steps, None, None, None, None] * (images[rows] - baselines[rows])

        mean, n_classes = weighted_gradients(classifier, images, labels, torch.tensor(weights / 2), on_the_path)
        channels = (images - baselines) * mean
        difference = logits_at(classifier, images, labels) - logits_at(classifier, baselines, labels)
        gaps = (channels.double().sum((1, 2, 3)) - difference).abs()
        return heat_maps(
            channels.sum(1),
            channels,
            wanted,
            n_classes=n_classes,
            when_zero="the image is its own baseline, or the label's logit does not change on the way from it",
            facts=[{"completeness_gap": gap} for gap in gaps.tolist()],
        )

    def _baselines(self, images: Tensor) -> Tensor:
        if self.baseline == "mean":
            return images.mean((2, 3), keepdim=True).expand_as(images)
        return torch.full_like(images, {"black": 0.0, "grey": GREY / 255}[self.baseline])

"""Occlusion: how much less probable a label becomes when a grey square hides a part of the image.

Zeiler & Fergus, *Visualizing and Understanding Convolutional Networks* (2014). The square moves in steps of `stride`
from the upper left corner; at the right and lower edge it is cut off where it does not fit. A pixel's value is the mean
over the squares that hide it of the probability without a square less that with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from .base import Explainer, HeatMap, MethodError
from .images import GREY
from .input_checks import checked_request
from .masked_passes import MaskedPasses, batch_size, padded, perturbation_maps, score_pictures
from .superpixels import Segmenter


@dataclass(frozen=True)
class Occlusion(Explainer):
    """How much less probable the label is with a grey square over the pixel.

    window: side of the square, in pixels. stride: how far it moves, in pixels, at most `window`.
    """

    name: ClassVar[str] = "occlusion"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Occlusion"

    window: int = 32
    stride: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window < 1:
            raise MethodError(f"occlusion: window must be at least 1 pixel, not {self.window}")
        if not 1 <= self.stride <= self.window:
            raise MethodError(f"occlusion: stride must be in 1..{self.window}, the window, not {self.stride}")

    def explain(
        self,
        classifier: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        seeds: Sequence[int],
        segmenter: Segmenter | None = None,
    ) -> list[HeatMap]:
        """See `Explainer.explain`. Nothing is random: seeds are only recorded.

        Raises MethodError for images smaller than the window.
        """
        wanted = checked_request(images, labels, seeds)
        if not wanted:
            return []
        height, width = images.shape[-2:]
        if min(height, width) < self.window:
            raise MethodError(
                f"occlusion: a window of {self.window} pixels does not fit into images of {height} × {width}"
            )
        passes = MaskedPasses(classifier, images, images.dtype)
        # Which rows, and which columns, each position of the window covers: bool [positions, h or w].
        rows, columns = (self._covered(side).to(images.device) for side in (height, width))
        scored = (
            self._scored(passes, image, rows, columns, label) for image, (label, _) in zip(images, wanted, strict=True)
        )
        return perturbation_maps(scored, wanted)

    def _covered(self, side: int) -> Tensor:
        starts = torch.arange(math.ceil((side - self.window) / self.stride) + 1)[:, None] * self.stride
        pixels = torch.arange(side)
        return (starts <= pixels) & (pixels < starts + self.window)

    def _scored(
        self, passes: MaskedPasses, image: Tensor, rows: Tensor, columns: Tensor, label: int
    ) -> tuple[Tensor, Tensor]:
        """The map [h, w], and the scores it was made of."""
        shown, hidden = passes.given(image[None]), passes.given(torch.full_like(image[None], GREY / 255))
        # Every pair of a row and a column position, behind the whole image.
        row_masks = torch.cat([torch.zeros_like(rows[:1]), rows.repeat_interleave(len(columns), 0)])
        column_masks = torch.cat([torch.zeros_like(columns[:1]), columns.repeat(len(rows), 1)])
        n = len(row_masks)
        batch = batch_size(n, image.shape[-2] * image.shape[-1], image.device)
        row_masks, column_masks = padded(row_masks, batch), padded(column_masks, batch)

        def compose(some: slice, pictures: Tensor) -> None:
            covered = row_masks[some, None, :, None] & column_masks[some, None, None, :]
            torch.where(covered, hidden, shown, out=pictures)

        scores = score_pictures(passes.network, compose, n, batch, shown, label)
        lost = (scores[0] - scores[1:]).view(len(rows), len(columns))
        per_row, per_column = rows.to(lost), columns.to(lost)
        covering = per_row.sum(0)[:, None] * per_column.sum(0)
        return per_row.T @ lost @ per_column / covering, scores

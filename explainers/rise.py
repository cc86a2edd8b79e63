"""RISE: the mean over random masks of the label's probability, where each mask shows the pixel.

Petsiuk, Das & Saenko, *RISE: Randomized Input Sampling for Explanation of Black-box Models* (BMVC 2018). A mask is
`cells` × `cells` coins that show with probability `share`, enlarged bilinearly to one cell more than the image on each
side and cut out at random. Pixels are multiplied with it, so what is hidden is black. With N masks M_i the value of
pixel λ is Σ_i p(x · M_i)·M_i(λ) / (N · share).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import Explainer, HeatMap, MethodError
from .input_checks import checked_request
from .masked_passes import MaskedPasses, batch_size, onto, padded, perturbation_maps, score_pictures
from .superpixels import Segmenter


class Masks(NamedTuple):
    """Random masks before they are enlarged, on the CPU. coins: bool [n, cells, cells]. rows, columns: int64 [n], where
    each is cut out, in pixels from the edge."""

    coins: Tensor
    rows: Tensor
    columns: Tensor


@dataclass(frozen=True)
class RISE(Explainer):
    """The mean probability of the label over random masks that show the pixel.

    n_masks: masks for each image. cells: how many cells a mask has on each side; more make a finer map, which needs
    more masks. share: the probability that a cell is shown.
    """

    name: ClassVar[str] = "rise"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "RISE"

    n_masks: int = 4000
    cells: int = 7
    share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n_masks", "cells"):
            if getattr(self, name) < 1:
                raise MethodError(f"rise: {name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.share < 1:
            raise MethodError(f"rise: share must be between 0 and 1, not {self.share}")

    def explain(
        self,
        classifier: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        seeds: Sequence[int],
        segmenter: Segmenter | None = None,
    ) -> list[HeatMap]:
        """See `Explainer.explain`. values: never negative. An image's masks come from its seed alone, drawn on the CPU:
        the same on every device. Raises MethodError for images smaller than the cells."""
        wanted = checked_request(images, labels, seeds)
        if not wanted:
            return []
        height, width = images.shape[-2:]
        if min(height, width) < self.cells:
            raise MethodError(f"rise: {self.cells} × {self.cells} cells do not fit into images of {height} × {width}")
        passes = MaskedPasses(classifier, images, images.dtype)
        row_shares, column_shares = (self._shares(side).to(images) for side in (height, width))
        scored = (
            self._scored(passes, image, row_shares, column_shares, self.masks(height, width, seed), label)
            for image, (label, seed) in zip(images, wanted, strict=True)
        )
        return perturbation_maps(scored, wanted)

    def masks(self, height: int, width: int, seed: int) -> Masks:
        """The masks of an image of that size: the same on every device."""
        generator = torch.Generator().manual_seed(seed)
        coins = torch.rand(self.n_masks, self.cells, self.cells, generator=generator) < self.share
        rows, columns = (
            torch.randint(0, self._cell(side), (self.n_masks,), generator=generator) for side in (height, width)
        )
        return Masks(coins, rows, columns)

    def _cell(self, side: int) -> int:
        """The side of an enlarged cell, in pixels."""
        return math.ceil(side / self.cells)

    def _shares(self, side: int) -> Tensor:
        """How much of each cell is in each pixel, for each place where a mask may be cut out: [places, side, cells].
        Bilinear interpolation is this along the rows and along the columns."""
        cell = self._cell(side)
        enlarged = functional.interpolate(
            torch.eye(self.cells)[None], (self.cells + 1) * cell, mode="linear", align_corners=False
        )
        return torch.stack([enlarged[0, :, place : place + side].T for place in range(cell)])

    def _scored(
        self, passes: MaskedPasses, image: Tensor, row_shares: Tensor, column_shares: Tensor, masks: Masks, label: int
    ) -> tuple[Tensor, Tensor]:
        """The map [h, w], and the scores it was made of."""
        shown, hidden = passes.given(image[None]), passes.given(torch.zeros_like(image[None]))
        batch = batch_size(self.n_masks, image.shape[-2] * image.shape[-1], image.device)
        coins, rows, columns = (onto(padded(values, batch), image.device) for values in masks)

        def enlarged(some: slice) -> Tensor:
            """[batch, h, w]"""
            return row_shares[rows[some]] @ coins[some].to(image) @ column_shares[columns[some]].mT

        def compose(some: slice, pictures: Tensor) -> None:
            torch.lerp(hidden, shown, enlarged(some)[:, None].to(shown), out=pictures)

        scores = score_pictures(passes.network, compose, self.n_masks, batch, shown, label)
        total = torch.zeros_like(image[0])
        for start in range(0, self.n_masks, batch):
            of_batch = scores[start : start + batch].to(image)
            total += torch.tensordot(of_batch, enlarged(slice(start, start + batch))[: len(of_batch)], 1)
        return total / (self.n_masks * self.share), scores

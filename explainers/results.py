"""What methods give back: an explanation by superpixels, by pixels or by examples, an attack, a selection.

All of them are plain values, for a record as they are. `explainers.base` hands them on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class Explanation:
    """Why a classifier gives one image one label. Signed, not normalised; rendering is elsewhere.

    segments: int64 [h, w], labels 0..d-1. coefficients: float64 [d], the weight of each segment, 0 where it was not
    selected. intercept; r2: weighted share of variance explained by the fit. n_positive: number of positive
    coefficients. label: the explained label. seed: what the randomness came from. reason: None, or one line that says
    why there is no explanation (all coefficients are then 0 and r2 is 0). facts: what else belongs in the record, such
    as the efficiency gap of Shapley values; plain JSON.
    """

    segments: np.ndarray
    coefficients: np.ndarray
    intercept: float
    r2: float
    n_positive: int
    label: int
    seed: int
    reason: str | None = None
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class HeatMap:
    """Why a classifier gives one image one label, pixel by pixel. Signed, not rescaled; rendering is elsewhere.

    values: float32 [h, w], in the method's own unit: per unit of pixel value, logit or probability. label: the
    explained label. seed: what the randomness came from. reason: None, or one line that says why there is no map (all
    values are then 0). channels: float32 [3, h, w], red, green and blue apart, of the methods that have them; else
    None. facts: what else belongs in the record, such as the completeness gap; plain JSON.
    """

    values: np.ndarray
    label: int
    seed: int
    reason: str | None = None
    channels: np.ndarray | None = None
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Attacked:
    """A batch after an attack; all with the batch's n.

    images: float32 [n, 3, h, w], exact: the record. pictures: uint8 [n, h, w, 3], what a person sees. flip_step:
    int64 [n], the step at which the decision first differed from the label: 0 wrong from the start, -1 never.
    predictions: int64 [n], the classifier's decision on `images`; displayed_predictions: the same, asked again on
    `pictures`. fooled_exact, fooled_displayed: bool [n], whether those decisions differ from the label. A stimulus may
    use only images that fool the classifier as displayed.
    """

    images: torch.Tensor
    pictures: np.ndarray
    flip_step: torch.Tensor
    predictions: torch.Tensor
    displayed_predictions: torch.Tensor
    fooled_exact: torch.Tensor
    fooled_displayed: torch.Tensor

    @property
    def survival_rate(self) -> float | None:
        """Of the images that the attack made fool the classifier, the share that still does as displayed; None where
        there are none. Images that were wrong from the start are no work of the attack and do not count."""
        made = self.fooled_exact & (self.flip_step != 0)
        return int((made & self.fooled_displayed).sum()) / int(made.sum()) if bool(made.any()) else None


@dataclass(frozen=True)
class Selection:
    """Which images of a pool were chosen: indices into it, in order of selection.

    prototype_pool, criticism_pool: how many images each was drawn from. facts: what else belongs in the record, such
    as the bandwidth that was used; plain JSON.
    """

    prototypes: tuple[int, ...]
    criticisms: tuple[int, ...]
    prototype_pool: int
    criticism_pool: int
    facts: dict[str, float]


@dataclass(frozen=True)
class Examples:
    """Why a classifier gives one image one label, by other images: indices into a pool, best first.

    scores: one for each, never rising, in the method's own unit; images with equal scores are in the pool's order.
    facts: what else belongs in the record; plain JSON.
    """

    indices: tuple[int, ...]
    scores: tuple[float, ...]
    facts: dict[str, float] = field(default_factory=dict)

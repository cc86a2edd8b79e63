"""KernelSHAP: Shapley values of superpixels, what each one adds to a label's probability.

Lundberg & Lee, *A Unified Approach to Interpreting Model Predictions* (NeurIPS 2017). The players are d superpixels; a
coalition's worth v is the label's probability with the others hidden. With n_samples ≥ 2^d every coalition is asked
about and the values are exact, by Shapley's formula. Otherwise they are the weighted least squares of the sampled
coalitions' worth, under the constraint that all values sum to v(all) − v(none) (efficiency). A coalition of s
superpixels weighs (d − 1) / (C(d, s)·s·(d − s)).

Which coalitions: all and none; then of the sizes 1 and d − 1, 2 and d − 2, … every coalition, as long as the samples
that are left, drawn in proportion to the weights, would suffice for it; the rest are drawn, each with its complement,
which takes out most of the sampling error (Covert & Lee, *Improving KernelSHAP*, AISTATS 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from .base import Explainer, Explanation, MethodError
from .images import to_pixels
from .input_checks import checked_request
from .masked_passes import MaskedPasses, MaskedScores, one_behind, score_each
from .superpixels import Algorithm, Segmenter, algorithm_of, check_parameters


class Coalitions(NamedTuple):
    """masks: bool [n, d], the first row all ones, the second all zeros. weights: float64 [n], 0 for these two.
    complete: whether these are all coalitions, each once."""

    masks: np.ndarray
    weights: np.ndarray
    complete: bool


@dataclass(frozen=True)
class KernelSHAP(Explainer):
    """Shapley values of superpixels, by KernelSHAP.

    n_samples: coalitions of superpixels that are asked about; with 2^d or more, for d superpixels, all of them, and the
    values are exact. fill: what absent superpixels look like, their "mean" colour, "grey" or "black". segmentation:
    "quickshift", with quickshift_kernel_size, quickshift_max_dist (both in pixels) and quickshift_ratio, or "slic",
    with slic_n_segments, slic_compactness and slic_sigma (in pixels): see `superpixels`; the other's are ignored.
    """

    name: ClassVar[str] = "kernel_shap"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "KernelSHAP"

    n_samples: int = 1000
    fill: Literal["mean", "grey", "black"] = "mean"
    segmentation: Literal["quickshift", "slic"] = "quickshift"
    quickshift_kernel_size: float = 4.0
    quickshift_max_dist: float = 200.0
    quickshift_ratio: float = 0.2
    slic_n_segments: int = 50
    slic_compactness: float = 10.0
    slic_sigma: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_samples < 2:
            raise MethodError(f"kernel_shap: n_samples must be at least 2, not {self.n_samples}")
        check_parameters(self)

    @property
    def superpixels(self) -> Algorithm:
        """The algorithm that cuts the image, with its parameters."""
        return algorithm_of(self)

    def explain(
        self,
        classifier: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        seeds: Sequence[int],
        segmenter: Segmenter | None = None,
    ) -> list[Explanation]:
        """See `Explainer.explain`. coefficients: Shapley values. intercept: the probability with everything hidden. r2:
        of the additive model, over the coalitions but all and none. facts: `efficiency_gap`, how far the values are
        from summing to the probability less the intercept, which is a matter of rounding."""
        wanted = checked_request(images, labels, seeds)
        if not wanted:
            return []
        segments_of_each = (segmenter or Segmenter()).segment(to_pixels(images), self.superpixels)
        scored = score_each(
            MaskedPasses(classifier, images, images.dtype),
            images,
            images.cpu(),
            wanted,
            segments_of_each,
            fill=self.fill,
            masks=lambda n, seed: torch.from_numpy(self.coalitions(n, seed).masks),
        )
        return [self._fit(image) for image in one_behind(scored)]

    def coalitions(self, n_superpixels: int, seed: int) -> Coalitions:
        """Which coalitions of superpixels are asked about, and how much each weighs: the same on every device."""
        if n_superpixels < self.n_samples.bit_length():  # 2^d ≤ n_samples
            return _all_coalitions(n_superpixels)
        return _sampled_coalitions(n_superpixels, self.n_samples, torch.Generator().manual_seed(seed))

    def _fit(self, scored: MaskedScores) -> Explanation:
        worth = scored.scores().double().numpy()
        if not np.isfinite(worth).all():
            raise MethodError(f"image {scored.position} of the batch: the scores must be finite")
        coalitions = self.coalitions(scored.masks.shape[1], scored.seed)
        values, reason = np.zeros(scored.masks.shape[1]), None
        if worth.min() == worth.max():
            reason = "the probability is the same whichever superpixels are present"
        elif (fitted := shapley_values(coalitions, worth)) is None:
            reason = f"{self.n_samples} samples are too few for {len(values)} superpixels"
        else:
            values = fitted
        return Explanation(
            segments=scored.segments,
            coefficients=values,
            intercept=float(worth[1]),
            r2=0.0 if reason else _r2(coalitions, worth, values),
            n_positive=int((values > 0).sum()),
            label=scored.label,
            seed=scored.seed,
            reason=reason,
            facts={"efficiency_gap": abs(float(worth[0] - worth[1] - values.sum()))},
        )


def shapley_values(coalitions: Coalitions, worth: np.ndarray) -> np.ndarray | None:
    """The Shapley values float64 [d] of coalitions with their worth [n]: exact where the coalitions are complete, else
    estimated; None where there are too few to tell the superpixels apart."""
    return _by_formula(coalitions.masks, worth) if coalitions.complete else _by_least_squares(coalitions, worth)


def _by_formula(masks: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """φ_i = Σ over coalitions S without i of |S|!·(d − |S| − 1)!/d! · (v(S with i) − v(S))."""
    d = masks.shape[1]
    codes = masks @ (1 << np.arange(d))
    of_code, sizes = np.empty(len(codes)), np.empty(len(codes), dtype=np.int64)
    of_code[codes], sizes[codes] = worth, masks.sum(1)
    share = np.array([1 / (d * math.comb(d - 1, size)) for size in range(d)])
    values = np.empty(d)
    for i in range(d):
        without = codes[~masks[:, i]]
        values[i] = share[sizes[without]] @ (of_code[without | 1 << i] - of_code[without])
    return values


def _by_least_squares(coalitions: Coalitions, worth: np.ndarray) -> np.ndarray | None:
    """With the last value as what the others leave of the sum, so that efficiency holds exactly."""
    masks, total = coalitions.masks.astype(np.float64), worth[0] - worth[1]
    root = np.sqrt(coalitions.weights)[:, None]
    design = (masks[:, :-1] - masks[:, -1:]) * root
    response = (worth - worth[1] - masks[:, -1] * total) * root[:, 0]
    others, _, rank, _ = np.linalg.lstsq(design, response, rcond=None)
    return np.append(others, total - others.sum()) if rank == design.shape[1] else None


def _r2(coalitions: Coalitions, worth: np.ndarray, values: np.ndarray) -> float:
    weights = coalitions.weights
    if not weights.any():  # one superpixel: nothing between all and none
        return 1.0
    residual = worth - worth[1] - coalitions.masks @ values
    spread = worth - np.average(worth, weights=weights)
    explained = float(weights @ residual**2), float(weights @ spread**2)
    return 1 - explained[0] / explained[1] if explained[1] > 0 else 0.0


def _kernel(d: int, size: int) -> float:
    """The weight of all coalitions of a size together, but for a common factor."""
    return 1 / (size * (d - size))


def _all_coalitions(d: int) -> Coalitions:
    codes = np.arange(1 << d)
    codes = np.concatenate([codes[-1:], codes[:-1]])
    masks = (codes[:, None] >> np.arange(d) & 1).astype(bool)
    sizes = masks.sum(1)
    weights = np.array([_kernel(d, size) / math.comb(d, size) if 0 < size < d else 0.0 for size in sizes.tolist()])
    return Coalitions(masks, weights, complete=True)


def _sampled_coalitions(d: int, n_samples: int, generator: torch.Generator) -> Coalitions:
    masks, weights = [np.ones((1, d), bool), np.zeros((1, d), bool)], [np.zeros(2)]
    left = n_samples - 2
    sizes = list(range(1, d // 2 + 1))
    # A size stands for itself and its complement's.
    mass = {size: _kernel(d, size) * (1 if 2 * size == d else 2) for size in sizes}
    while sizes:
        size, count = sizes[0], math.comb(d, sizes[0]) * (1 if 2 * sizes[0] == d else 2)
        if left * mass[size] < count * sum(mass[size] for size in sizes):
            break
        chosen = _indicators(d, list(combinations(range(d), size)))
        masks += [chosen] if 2 * size == d else [chosen, ~chosen]
        weights.append(np.full(count, mass[size] / count))
        left -= count
        sizes.pop(0)
    if sizes and left > 0:
        drawn = _drawn(d, torch.tensor(sizes), torch.tensor([mass[size] for size in sizes]), (left + 1) // 2, generator)
        masks.append(np.stack([drawn, ~drawn], axis=1).reshape(-1, d)[:left])
        weights.append(np.full(left, sum(mass[size] for size in sizes) / left))
    return Coalitions(np.concatenate(masks), np.concatenate(weights), complete=False)


def _indicators(d: int, members: list[tuple[int, ...]]) -> np.ndarray:
    masks = np.zeros((len(members), d), bool)
    np.put_along_axis(masks, np.array(members), True, axis=1)
    return masks


def _drawn(d: int, sizes: Tensor, mass: Tensor, n: int, generator: torch.Generator) -> np.ndarray:
    """n coalitions: the size in proportion to its mass, then uniformly among those of the size."""
    size = sizes[torch.multinomial(mass, n, replacement=True, generator=generator)]
    ranks = torch.rand(n, d, generator=generator).argsort(1).argsort(1)
    return (ranks < size[:, None]).numpy()

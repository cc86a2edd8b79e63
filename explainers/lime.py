"""LIME for images: which superpixels speak for a label.

Ribeiro, Singh & Guestrin, *"Why Should I Trust You?"* (KDD 2016), as used by Stock & Cissé, *ConvNets and ImageNet
Beyond Accuracy* (2018). The image is cut into d superpixels. n binary masks say which of them are present; the absent
ones take their mean colour, or grey. The classifier's probability of the explained label is fitted by a weighted linear
model of the masks with at most K superpixels (K-Lasso, then least squares).

The weight of a mask is a kernel of D, the cosine distance to the mask of all ones, which depends on the number of ones
alone: D = 1 − sqrt(ones / d). The paper writes exp(−D²/σ²) (kernel="paper"); the authors' `lime` package computes
exp(−D²/(2σ²)) (kernel="lime", the default). From the same masks and scores the coefficients are those of the package
with `feature_selection="lasso_path"` and an unregularised regressor; where its Lasso path is empty, because the score
does not change, the package falls back to all superpixels and this code says that there is no explanation.

The masks are fair coins, as the package draws them; the paper draws the number of ones first, uniformly, and then which
superpixels they are, which gives more masks near the whole image and near the empty one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lars_path
from torch import Tensor, nn

from .base import Explainer, Explanation, MethodError, as_numbers
from .images import to_pixels
from .input_checks import checked_request
from .masked_passes import MaskedPasses, MaskedScores, one_behind, score_each
from .superpixels import Algorithm, Segmenter, algorithm_of, check_parameters

Kernel = Literal["lime", "paper"]

_LARGEST_SCORE = 1e100


@dataclass(frozen=True)
class Surrogate:
    """The linear model. coefficients: float64 [d], 0 where not selected. intercept. r2: weighted R² of the fit. reason:
    None, or why there is no model; then every coefficient and r2 are 0 and the intercept is the mean score."""

    coefficients: np.ndarray
    intercept: float
    r2: float
    reason: str | None = None


def fit_surrogate(
    masks: Any, scores: Any, *, n_features: int, kernel_width: float = 0.25, kernel: str = "lime"
) -> Surrogate:
    """Fit the scores of masks by a weighted linear model of at most `n_features` superpixels.

    masks: [n, d] of 0 and 1, one row a sample. scores: [n], the score of each. kernel_width: σ > 0, in units of the
    cosine distance. kernel: "lime" for exp(−D²/(2σ²)), "paper" for exp(−D²/σ²).

    K-Lasso: the Lasso path of the weighted, centred data by LARS, read from its end to the first point with at most
    n_features superpixels; then weighted least squares on these. All in float64. Of superpixels that come together in
    every mask the first may be selected, the others get 0.

    Raises MethodError for anything else than such masks, finite scores and parameters that make sense.
    """
    design, response, weights = _checked_data(masks, scores, n_features, kernel_width, kernel)
    mean_row, mean_score = weights @ design / weights.sum(), float(weights @ response / weights.sum())
    root = np.sqrt(weights)
    weighted_design, weighted_response = (design - mean_row) * root[:, None], (response - mean_score) * root
    nothing = np.zeros(design.shape[1])
    if response.min() == response.max():
        return Surrogate(nothing, mean_score, 0.0, "the score is the same whichever superpixels are present")
    candidates = _distinct(design)
    support = candidates[_support(weighted_design[:, candidates], weighted_response, n_features)]
    if not len(support):
        return Surrogate(nothing, mean_score, 0.0, "the score hardly changes, whichever superpixels are present")
    fitted, residual = _least_squares(weighted_design[:, support], weighted_response)
    coefficients = nothing
    coefficients[support] = fitted
    r2 = 1 - float(residual @ residual) / float(weighted_response @ weighted_response)
    return Surrogate(coefficients, mean_score - float(mean_row[support] @ fitted), r2)


def mask_weights(masks: Any, *, kernel_width: float = 0.25, kernel: str = "lime") -> np.ndarray:
    """The weight of each mask, in 0..1, from its number of ones alone: float64 [n]. masks: [n, d] of 0 and 1."""
    if not (isinstance(kernel_width, Real) and math.isfinite(kernel_width) and kernel_width > 0):
        raise MethodError(f"kernel_width must be a finite number above 0, not {kernel_width!r}")
    if kernel not in get_args(Kernel):
        raise MethodError(f"kernel must be one of {', '.join(get_args(Kernel))}, not {kernel!r}")
    design = as_numbers("masks", masks)
    distance = 1 - np.sqrt(design.sum(axis=1) / design.shape[1])
    return np.exp(-((distance / kernel_width) ** 2) / (2 if kernel == "lime" else 1))


@dataclass(frozen=True)
class Lime(Explainer):
    """LIME for images.

    n_samples: masks for each image, the first all ones. n_features: K, the most superpixels with a coefficient; of 8
    often only five are positive, so the default is 16 where 8 are to be shown. segmentation: "quickshift", with
    quickshift_kernel_size, quickshift_max_dist (both in pixels) and quickshift_ratio, or "slic", with slic_n_segments,
    slic_compactness and slic_sigma (in pixels): see `superpixels`; the other's are ignored. fill: what absent
    superpixels look like, their "mean" colour or "grey". kernel, kernel_width: see `fit_surrogate`. precision:
    "float32" stands for the precision of the images; "bfloat16" is faster where the processor has it and changes the
    chosen superpixels less than another seed does.
    """

    name: ClassVar[str] = "lime"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "LIME"

    n_samples: int = 1000
    n_features: int = 16
    segmentation: Literal["quickshift", "slic"] = "quickshift"
    quickshift_kernel_size: float = 4.0
    quickshift_max_dist: float = 200.0
    quickshift_ratio: float = 0.2
    slic_n_segments: int = 50
    slic_compactness: float = 10.0
    slic_sigma: float = 1.0
    fill: Literal["mean", "grey"] = "mean"
    kernel: Kernel = "lime"
    kernel_width: float = 0.25
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("n_samples", 2), ("n_features", 1)):
            if getattr(self, name) < least:
                raise MethodError(f"lime: {name} must be at least {least}, not {getattr(self, name)}")
        if self.kernel_width <= 0:
            raise MethodError(f"lime: kernel_width must be above 0, not {self.kernel_width}")
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
        """See `Explainer.explain`. A batch of masked pictures never mixes two images, and all batches of an image have
        one shape, so its explanation has the same bytes whatever else is explained beside it."""
        wanted = checked_request(images, labels, seeds)
        if not wanted:
            return []
        segments_of_each = (segmenter or Segmenter()).segment(to_pixels(images), self.superpixels)
        scored = self._score_each(classifier, images, images.cpu(), wanted, segments_of_each)
        return [self._fit(image) for image in one_behind(scored)]

    def masks(self, n_superpixels: int, seed: int) -> Tensor:
        """bool [n_samples, n_superpixels], the first row all ones, the others fair coins: the same on every device."""
        generator = torch.Generator().manual_seed(seed)
        masks = torch.randint(0, 2, (self.n_samples, n_superpixels), generator=generator, dtype=torch.uint8).bool()
        masks[0] = True
        return masks

    def _score_each(
        self,
        classifier: nn.Module,
        images: Tensor,
        images_here: Tensor,
        wanted: list[tuple[int, int]],
        segments_of_each: Iterator[np.ndarray],
    ) -> Iterator[MaskedScores]:
        dtype = torch.bfloat16 if self.precision == "bfloat16" else images.dtype
        passes = MaskedPasses(classifier, images, dtype)
        return score_each(passes, images, images_here, wanted, segments_of_each, fill=self.fill, masks=self.masks)

    def _fit(self, scored: MaskedScores) -> Explanation:
        try:
            surrogate = fit_surrogate(
                scored.masks,
                scored.scores(),
                n_features=self.n_features,
                kernel_width=self.kernel_width,
                kernel=self.kernel,
            )
        except MethodError as error:
            raise MethodError(f"image {scored.position} of the batch: {error}") from None
        return Explanation(
            segments=scored.segments,
            coefficients=surrogate.coefficients,
            intercept=surrogate.intercept,
            r2=surrogate.r2,
            n_positive=int((surrogate.coefficients > 0).sum()),
            label=scored.label,
            seed=scored.seed,
            reason=surrogate.reason,
        )


def _distinct(design: np.ndarray) -> np.ndarray:
    """The columns without those that repeat or complement an earlier one.

    Such a column adds nothing to a model with an intercept, and with it the Lasso path is decided by rounding errors:
    the `lime` package then chooses other superpixels when the same masks come in another order.
    """
    _, first = np.unique(np.packbits(design != design[0], axis=0), axis=1, return_index=True)
    return np.sort(first)


def _least_squares(design: np.ndarray, response: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients [k] and residual [n], from the k × k Gram matrix: a decomposition of the tall design is many times
    slower. The second pass gives back the digits that squaring the design has cost."""
    inverse = np.linalg.pinv(design.T @ design, hermitian=True)
    fitted = inverse @ (design.T @ response)
    fitted += inverse @ (design.T @ (response - design @ fitted))
    return fitted, response - design @ fitted


def _support(weighted_design: np.ndarray, weighted_response: np.ndarray, n_features: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # collinear masks end the path early; it is read from there
        _, _, path = lars_path(weighted_design, weighted_response, method="lasso")
    for point in path.T[:0:-1]:
        support = point.nonzero()[0]
        if len(support) <= n_features:
            return support
    return np.empty(0, dtype=np.int64)


def _checked_data(
    masks: Any, scores: Any, n_features: int, kernel_width: float, kernel: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks and scores in float64, and the weight of each row."""
    # In one layout, whatever they come in: sums are taken in its order, to the last digit.
    design, response = (
        np.ascontiguousarray(as_numbers(name, given)) for name, given in (("masks", masks), ("scores", scores))
    )
    if design.ndim != 2 or not design.size or not np.isin(design, (0, 1)).all():
        raise MethodError(f"masks must be [n, d] of 0 and 1 with n and d at least 1, not {list(design.shape)}")
    if response.shape != (len(design),):
        raise MethodError(f"{len(design)} masks need {len(design)} scores, not {list(response.shape)}")
    if not np.isfinite(response).all():
        raise MethodError("the scores must be finite numbers")
    if np.abs(response).max() > _LARGEST_SCORE:
        raise MethodError(f"the scores are too large to be squared: one is {response[np.abs(response).argmax()]:.3g}")
    if isinstance(n_features, bool) or not isinstance(n_features, Integral) or n_features < 1:
        raise MethodError(f"n_features must be a whole number of at least 1, not {n_features!r}")
    weights = mask_weights(design, kernel_width=kernel_width, kernel=kernel)
    if not weights.any():
        raise MethodError(f"kernel_width {kernel_width} is so small that no mask has any weight")
    return design, response, weights

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
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lars_path
from torch import Tensor, nn

from .base import Explainer, Explanation, MethodError, as_numbers
from .classifiers import Classifier
from .images import GREY, to_pixels
from .inference import tuned
from .superpixels import Algorithm, Quickshift, Segmenter, Slic

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
        for name, least in (("n_samples", 2), ("n_features", 1), ("slic_n_segments", 1)):
            if getattr(self, name) < least:
                raise MethodError(f"lime: {name} must be at least {least}, not {getattr(self, name)}")
        for name in ("quickshift_kernel_size", "quickshift_max_dist", "slic_compactness", "kernel_width"):
            if getattr(self, name) <= 0:
                raise MethodError(f"lime: {name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.quickshift_ratio <= 1:
            raise MethodError(f"lime: quickshift_ratio must be in 0..1, not {self.quickshift_ratio}")
        if self.slic_sigma < 0:
            raise MethodError(f"lime: slic_sigma must not be negative, not {self.slic_sigma}")

    @property
    def superpixels(self) -> Algorithm:
        """The algorithm that cuts the image, with its parameters."""
        if self.segmentation == "slic":
            return Slic(self.slic_n_segments, self.slic_compactness, self.slic_sigma)
        return Quickshift(self.quickshift_kernel_size, self.quickshift_max_dist, self.quickshift_ratio)

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
        wanted = _checked_request(images, labels, seeds)
        if not wanted:
            return []
        segments_of_each = (segmenter or Segmenter()).segment(to_pixels(images), self.superpixels)
        explanations: list[Explanation] = []
        # One image behind: on a GPU the next image's passes are under way while this one's scores are fitted.
        behind: _Scored | None = None
        for scored in self._score_each(classifier, images, images.cpu(), wanted, segments_of_each):
            if behind:
                explanations.append(self._fit(behind))
            behind = scored
        if behind:
            explanations.append(self._fit(behind))
        return explanations

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
    ) -> Iterator[_Scored]:
        """images_here: the images again, on the CPU, so that nothing below has to wait for the device."""
        dtype = torch.bfloat16 if self.precision == "bfloat16" else images.dtype
        normalised = classifier.normalised if isinstance(classifier, Classifier) else _unchanged
        network = tuned(classifier.network if isinstance(classifier, Classifier) else classifier, dtype)
        for position, ((label, seed), segments) in enumerate(zip(wanted, segments_of_each, strict=True)):
            image = images[position : position + 1]
            masks = self.masks(int(segments.max()) + 1, seed)
            hidden = _onto(_filled(images_here[position : position + 1], segments, self.fill), image.device)
            scores = score_masks(
                network, normalised(image).to(dtype), normalised(hidden).to(dtype), segments, masks, label
            )
            yield _Scored(position, label, seed, segments, masks, _fetching(scores))

    def _fit(self, scored: _Scored) -> Explanation:
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


@dataclass(frozen=True)
class _Scored:
    """An image whose passes have been started; `scores()` waits for them."""

    position: int
    label: int
    seed: int
    segments: np.ndarray
    masks: Tensor
    scores: Callable[[], Tensor]


@torch.inference_mode()
def score_masks(
    network: nn.Module, shown: Tensor, hidden: Tensor, segments: np.ndarray, masks: Tensor, label: int
) -> Tensor:
    """The probability of `label` for each mask: float32 [n], on the device of `shown`.

    shown, hidden: [1, 3, h, w], what the network is given where a superpixel is present and where it is absent.
    segments: int [h, w], labelled 0..d−1. masks: bool [n, d].

    The pictures are composed on the device, channels-last, into one buffer, a batch at a time; nothing waits for it.
    """
    _, channels, height, width = shown.shape
    device = shown.device
    batch = _batch_size(len(masks), height * width, device)
    shown, hidden = (picture.permute(0, 2, 3, 1).reshape(1, -1) for picture in (shown, hidden))
    owner = _onto(torch.tensor(segments).reshape(-1).repeat_interleave(channels), device).expand(batch, -1)
    spare = -len(masks) % batch  # the last batch is filled up, so that all have one shape
    present = _onto(torch.cat([masks, masks[:1].expand(spare, -1)]), device)
    kept = torch.empty(owner.shape, dtype=torch.bool, device=device)
    composed = torch.empty(owner.shape, dtype=shown.dtype, device=device)
    pictures = composed.view(batch, height, width, channels).permute(0, 3, 1, 2)
    scores = []
    for rows in present.split(batch):
        torch.gather(rows, 1, owner, out=kept)
        torch.where(kept, shown, hidden, out=composed)
        logits = network(pictures)
        if logits.ndim != 2 or not 0 <= label < logits.shape[1]:
            raise MethodError(f"label {label} is none of the classifier's outputs, {list(logits.shape[1:])}")
        scores.append(logits.float().softmax(1)[:, label])
    return torch.cat(scores)[: len(masks)]


def _batch_size(n: int, pixels: int, device: torch.device) -> int:
    """Equal shares of n: on a CPU small enough for the activations to stay in the cache, on a GPU enough to fill it."""
    of_224 = 8 if device.type == "cpu" else 256
    most = min(max(of_224 * 224 * 224 // pixels, of_224), 1024)
    return math.ceil(n / math.ceil(n / most))


def _onto(tensor: Tensor, device: torch.device) -> Tensor:
    """Without waiting for what the device is doing."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _fetching(scores: Tensor) -> Callable[[], Tensor]:
    """Begin to bring the scores to the CPU. The function that it gives waits for these, not for what the device is
    told to do later."""
    if scores.device.type != "cuda":
        return lambda: scores
    here = torch.empty(scores.shape, dtype=scores.dtype, pin_memory=True).copy_(scores, non_blocking=True)
    arrived = torch.cuda.current_stream(scores.device).record_event()

    def fetched() -> Tensor:
        arrived.synchronize()
        return here

    return fetched


def _filled(image: Tensor, segments: np.ndarray, fill: str) -> Tensor:
    """The image [1, 3, h, w], on the CPU, with every superpixel absent."""
    if fill == "grey":
        return torch.full_like(image, GREY / 255)
    owner = segments.reshape(-1)
    counts = np.bincount(owner)
    pixels = image[0].reshape(3, -1).double().numpy()
    means = np.stack([np.bincount(owner, weights=channel) / counts for channel in pixels])
    return torch.from_numpy(means[:, segments]).to(image.dtype)[None]


def _unchanged(images: Tensor) -> Tensor:
    return images


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


def _checked_request(images: Tensor, labels: Tensor, seeds: Sequence[int]) -> list[tuple[int, int]]:
    """Label and seed of each image."""
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise MethodError(f"images must be floating point [n, 3, h, w], not {images.dtype} {list(images.shape)}")
    if labels.shape != (len(images),) or len(seeds) != len(images):
        raise MethodError(
            f"{len(images)} images need as many labels and seeds, not {list(labels.shape)} and {len(seeds)}"
        )
    return [(int(label), int(seed)) for label, seed in zip(labels.tolist(), seeds, strict=True)]

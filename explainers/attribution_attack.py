"""An attack on the explanation: a picture that gets the same decision and another map.

After Ghorbani, Abid & Zou, *Interpretation of Neural Networks is Fragile* (AAAI 2019), and Dombrowski, Alber, Anders,
Ackermann, Müller & Kessel, *Explanations can be manipulated and geometry is to blame* (NeurIPS 2019). With m(x) the map
Σ_channels |∂ logit/∂x| divided by its length, x_0 the image and p the probabilities, sign steps within ε of x_0 lower

    m(x) · m(x_0) + ‖p(x) − p(x_0)‖²

A network of ReLUs is linear in pieces, so its gradients have no gradient. In this objective, and nowhere else, every
ReLU is a softplus of sharpness β (and a ReLU6 the difference of two).

What counts is what people see. After each step the iterate is put on the 8-bit grid, towards the image, so that it
stays within ε; the classifier as it is, with its ReLUs, gives its decision and its map. Of all these pictures the one
is kept whose map is least like the image's among those with the decision of the image. So the decision is the same as
displayed for certain, and where nothing is found the picture is the image.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from .base import Attack, Attacked, MethodError
from .frozen_model import checked_logits, frozen
from .images import to_pixels
from .input_checks import check_images, checked_request
from .rectifiers import SmoothRectifiers, check_visible

_LEVELS = 255
# A step from one side of the ball to the other takes so many of the steps there are.
_CROSSINGS = 5
# ε of "exactly one level" may be short of it by rounding.
_SLACK = 1e-6


@dataclass(frozen=True)
class AttributionAttack(Attack):
    """Same decision as displayed, another map.

    epsilon: the most that a pixel value changes, in [0, 1], at least one level of 1/255. max_steps: steps, each with a
    gradient of the map and a look at the displayed picture. beta: sharpness of the softplus that stands for ReLU in
    the objective; larger is nearer to ReLU and harder to descend.
    """

    name: ClassVar[str] = "attribution_attack"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Attack on the explanation"
    flips: ClassVar[bool] = False

    epsilon: float = 0.032
    max_steps: int = 50
    beta: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 - _SLACK <= self.epsilon * _LEVELS <= _LEVELS:
            raise MethodError(f"{self.name}: epsilon must be from 1/255 = 0.00393 to 1, not {self.epsilon}")
        if self.max_steps < 1:
            raise MethodError(f"{self.name}: max_steps must be at least 1, not {self.max_steps}")
        if self.beta <= 0:
            raise MethodError(f"{self.name}: beta must be above 0, not {self.beta}")

    def attack(self, classifier: nn.Module, images: Tensor, labels: Tensor) -> Attacked:
        """Change the map of `labels` [n] on `images` [n, 3, h, w], and keep the classifier's decisions.

        `images` of the result are on the 8-bit grid: they are the pictures. flip_step is 0 where the image was not
        given its label, else -1: nothing flips. Raises MethodError for a classifier without gradients, and for one
        with compiled parts, whose ReLUs cannot be seen.
        """
        check_images(images)
        checked_request(images, labels, range(len(images)))
        labels = labels.to(images.device, torch.int64)
        check_visible(self.name, classifier)
        batch = 8 if images.device.type == "cpu" else 64
        found, decisions = [images[:0].detach().clone()], [labels[:0]]
        # The kernels of attention that are fast have no gradient of a gradient.
        with frozen(classifier, images.device), sdpa_kernel(SDPBackend.MATH):
            for rows in torch.arange(len(images), device=images.device).split(batch) if len(images) else ():
                padded = torch.cat([rows, rows[-1:].expand(batch - len(rows))])  # one batch shape throughout
                pictures, given = self._attacked(classifier, images[padded].detach(), labels[padded])
                found.append(pictures[: len(rows)])
                decisions.append(given[: len(rows)])
        pictures, predictions = torch.cat(found), torch.cat(decisions)
        fooled = predictions != labels
        return Attacked(
            images=pictures,
            pictures=to_pixels(pictures),
            flip_step=torch.where(fooled, 0, -1),
            predictions=predictions,
            displayed_predictions=predictions.clone(),
            fooled_exact=fooled,
            fooled_displayed=fooled.clone(),
        )

    def _attacked(self, classifier: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures, and what the classifier decides on them and on the images."""
        start = _on_grid(images)
        best = start.clone()
        decisions, clean_map = _decided(classifier, start, labels)
        likeness = torch.full((len(images),), torch.inf, dtype=images.dtype, device=images.device)
        likeness[:] = (clean_map * clean_map).sum(1)
        smooth_map, probabilities = (part.detach() for part in self._smooth(classifier, start, labels, attach=False))
        step = self.epsilon * 2 * _CROSSINGS / self.max_steps
        # At the image itself the maps are equal and the gradient is 0: begin beside it, the same for every image.
        current = (start + _checkered(start) / _LEVELS).clamp(0, 1)
        for _ in range(self.max_steps):
            gradient = self._gradient(classifier, current, labels, smooth_map, probabilities)
            current = current - min(step, self.epsilon) * gradient.sign()
            current = (start + (current - start).clamp(-self.epsilon, self.epsilon)).clamp(0, 1)
            shown = _towards(start, current)
            given, map_ = _decided(classifier, shown, labels)
            alike = (map_ * clean_map).sum(1)
            better = (given == decisions) & (alike < likeness)
            likeness = torch.where(better, alike, likeness)
            best = torch.where(better[:, None, None, None], shown, best)
        return best, decisions

    def _gradient(
        self, classifier: nn.Module, images: Tensor, labels: Tensor, clean_map: Tensor, probabilities: Tensor
    ) -> Tensor:
        """Of the objective, [n, 3, h, w]."""
        pixels = images.clone().requires_grad_()
        map_, given = self._smooth(classifier, pixels, labels, attach=True)
        objective = (map_ * clean_map).sum() + (given - probabilities).square().sum()
        if not objective.requires_grad:
            return torch.zeros_like(images)
        (gradient,) = _differentiated(objective, pixels, attach=False)
        if gradient is None:
            return torch.zeros_like(images)
        if not bool(gradient.isfinite().all()):
            raise MethodError("the classifier gives gradients of gradients that are not finite")
        return gradient

    def _smooth(self, classifier: nn.Module, pixels: Tensor, labels: Tensor, *, attach: bool) -> tuple[Tensor, Tensor]:
        """The map of the smooth network, [n, h·w] of length 1, and its probabilities."""
        return _map(classifier, pixels, labels, beta=self.beta, attach=attach)


def _map(
    classifier: nn.Module, pixels: Tensor, labels: Tensor, *, beta: float | None, attach: bool
) -> tuple[Tensor, Tensor]:
    """The map, [n, h·w] of length 1, or 0, and the probabilities. attach: they can be differentiated."""
    if not pixels.requires_grad:
        pixels = pixels.clone().requires_grad_()
    rectified: Any = nullcontext() if beta is None else SmoothRectifiers(beta)
    with rectified:
        # A copy of the leaf: a network may change what it is given in place.
        logits = checked_logits(classifier, pixels.clone(), labels)
        if not logits.requires_grad:
            raise MethodError("the classifier's logits have no gradient with respect to the images")
        (gradient,) = _differentiated(logits.gather(1, labels[:, None]).sum(), pixels, attach=attach)
    if gradient is None:
        raise MethodError("the classifier's logits have no gradient with respect to the images")
    if not bool(gradient.isfinite().all()):
        raise MethodError("the classifier gives gradients that are not finite")
    return functional.normalize(gradient.abs().sum(1).flatten(1), dim=1), logits.softmax(1)


def _decided(classifier: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The decisions and maps of the classifier as it is."""
    map_, probabilities = _map(classifier, images, labels, beta=None, attach=False)
    return probabilities.detach().argmax(1), map_.detach()


def _differentiated(output: Tensor, pixels: Tensor, *, attach: bool) -> tuple[Tensor | None, ...]:
    try:
        return torch.autograd.grad(output, pixels, create_graph=attach, allow_unused=True)
    except RuntimeError as error:
        if "derivative" in str(error) or "not implemented" in str(error):  # of an operation that has none
            raise MethodError("the classifier's gradients have no gradient with respect to the images") from None
        raise


def _on_grid(images: Tensor) -> Tensor:
    # Divided by a tensor: CUDA multiplies by the reciprocal of a Python number, which is not k/255.
    return (images * _LEVELS).round() / images.new_tensor(_LEVELS)


def _towards(start: Tensor, images: Tensor) -> Tensor:
    """The images on the grid, each value rounded towards `start`, which is on it."""
    levels = torch.trunc((images - start) * (_LEVELS * (1 + _SLACK)))
    return ((start * _LEVELS).round() + levels).clamp(0, _LEVELS) / images.new_tensor(_LEVELS)


def _checkered(images: Tensor) -> Tensor:
    """+1 and -1 by turns, like the images."""
    height, width = images.shape[2:]
    places = torch.arange(height, device=images.device)[:, None] + torch.arange(width, device=images.device)
    return (1 - 2 * (places % 2)).to(images.dtype).expand_as(images)

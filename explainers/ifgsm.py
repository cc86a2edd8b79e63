"""IFGSM, the iterative fast gradient sign method, and FGSM, which is IFGSM with `max_steps=1`.

Kurakin, Goodfellow & Bengio, *Adversarial examples in the physical world* (2017), as used in section 3.2 of Stock &
Cissé, *ConvNets and ImageNet Beyond Accuracy* (2018). Untargeted, started from the clean image x_0:

    x_{k+1} = clip_[0,1](x_k + d_k),  k = 0 .. max_steps − 1
    d_k = ε · sign(g)      for norm="linf"
    d_k = ε · g / ‖g‖₂     for norm="l2", the norm taken over the whole image; no move where g = 0

with g the gradient of the summed cross-entropy at the label. Two things decide what a study may show:

Unit. ε is added to pixels in [0, 1] (unit="pixel") or to the tensor that the network is given once the classifier has
normalised it (unit="normalised", what the paper's ε = 0.001 means if its figures are to be plausible). A normalised
step moves channel c by ε·std[c] in pixels; for L2, g is the gradient and ‖·‖ the length in normalised space.

Eight bits. People see whole levels of 1/255, so a perturbation under half a level is not in the picture they judge.
`IFGSM.attack` therefore asks the classifier again about the picture as displayed. With on_grid=True every iterate is
rounded to a level, towards the iterate before it so that it stays within steps × step; the exact image then *is* the
picture.

Sign steps amplify rounding errors: a gradient of ±1e-9 moves a pixel by a whole ε. So everything runs in the images'
own precision without TF32 or autocast, with deterministic kernels, and `IFGSM` uses one batch shape throughout, padding
the last batch: an image's result does not depend on its neighbours, bit for bit on one machine. Only a single image on
a CPU has a smaller shape; given twice, it has the bits it has among others. Another batch size, device or version of
PyTorch may round otherwise; the tests allow 1% of an image's values to differ after ten steps.
A batch of a single image differs far more (16% on a ResNet-20: other kernels are chosen for it), so none is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import Attack, Attacked, MethodError
from .frozen_model import checked_logits, frozen
from .images import to_pixels, to_tensor
from .input_checks import check_images

NORMS = ("linf", "l2")
UNITS = ("pixel", "normalised")

_LEVELS = 255
# A step of "exactly one level" may be one unit in the last place short of it once it has been through a division.
_SLACK = 1e-6


@dataclass(frozen=True)
class AttackResult:
    """images: like the input, after the attack. flip_step: int64 [n], the first k at which x_k is not given its label:
    0 wrong at the start, -1 never. predictions: int64 [n], the classifier's decision on `images`."""

    images: Tensor
    flip_step: Tensor
    predictions: Tensor


@dataclass(frozen=True)
class IFGSM(Attack):
    """Iterative fast gradient sign; max_steps=1 is FGSM.

    step: ε, in the unit below. max_steps: M. norm: "linf" or "l2". unit: "pixel", of [0, 1], or "normalised", of the
    classifier's own standard deviations. on_grid: every iterate on the 8-bit grid; needs a step of at least 1/255 in
    pixels. stop_at_flip: leave an image at its first wrong decision: cheaper, and enough where only the step is wanted,
    but a picture taken there seldom survives its display.
    """

    name: ClassVar[str] = "ifgsm"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Iterative fast gradient sign (IFGSM)"

    step: float = 0.001
    max_steps: int = 10
    norm: Literal["linf", "l2"] = "linf"
    unit: Literal["pixel", "normalised"] = "normalised"
    on_grid: bool = False
    stop_at_flip: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_parameters(self.step, self.max_steps, self.norm, self.unit)
        if self.max_steps == 0:
            raise MethodError("max_steps must be at least 1, not 0")
        if self.on_grid and self.unit == "pixel":
            _check_grid_step([self.step])

    def attack(self, classifier: nn.Module, images: Tensor, labels: Tensor) -> Attacked:
        """See `Attack.attack`. One batch shape throughout: 8 images on a CPU, 64 on a GPU; a single image on a CPU is
        computed as a batch of two, at a quarter of the cost, and may round otherwise than among others."""
        alone = len(images) == 1 and images.device.type == "cpu"
        batch_size = 2 if alone else _default_batch_size(images)
        result = attack(
            classifier,
            images,
            labels,
            step=self.step,
            max_steps=self.max_steps,
            norm=self.norm,
            unit=self.unit,
            stop_at_flip=self.stop_at_flip,
            on_grid=self.on_grid,
            batch_size=batch_size,
        )
        pictures = to_pixels(result.images)
        displayed = to_tensor(list(pictures)).to(images) if len(pictures) else result.images
        displayed_predictions = predict(classifier, displayed, batch_size=batch_size)
        return Attacked(
            images=result.images,
            pictures=pictures,
            flip_step=result.flip_step,
            predictions=result.predictions,
            displayed_predictions=displayed_predictions,
            fooled_exact=result.predictions != labels,
            fooled_displayed=displayed_predictions != labels,
        )


def attack(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    step: float,
    max_steps: int,
    norm: str = "linf",
    unit: str = "pixel",
    stop_at_flip: bool = False,
    on_grid: bool = False,
    batch_size: int | None = None,
) -> AttackResult:
    """Attack `images` away from `labels`; see the module for the formulas.

    model: maps images to logits [n, c]; a Module runs in evaluation mode, without gradients for its parameters, and is
    left as it was found. With unit="normalised" the standard deviation of each channel is its attribute `std` or, where
    it has none, that of its only submodule that has one, such as torchvision's `Normalize` in a `Sequential`.
    images: float32 or float64 [n, channels, h, w], finite, in [0, 1]. labels: int64 [n], each in 0..c−1.

    step: ε > 0. max_steps: M ≥ 0. stop_at_flip: an image stays as it is once its decision is wrong, and costs no more
    passes; else every image takes all M steps. on_grid: images are on the 8-bit grid and stay on it; for "l2", values
    whose share of the step is under one level do not move, so ε has to be large.

    batch_size: images in each pass, 2 or more, every pass with exactly that many (the last one padded). None: 2 to 8 on
    a CPU, where small batches stay in the cache, 2 to 64 elsewhere, as even as they come.

    The cost is M forward and backward passes and one forward pass, which decides the last step.

    Raises MethodError (a ValueError) of one line for parameters or tensors other than these, for a model without `std`
    where that is needed, and for a model whose logits or gradients are not finite.
    """
    _check_parameters(step, max_steps, norm, unit)
    _check_batch_size(batch_size)
    _check_tensors(images, labels)
    step, max_steps = float(step), int(max_steps)
    scale = _scale(model, images, unit)
    if on_grid:
        _check_grid_step((step * scale.double()).flatten().tolist())
        if bool(((_to_grid(images) - images).abs() > _SLACK).any()):
            raise MethodError("on_grid needs images on the 8-bit grid, multiples of 1/255")

    with frozen(model, images.device):
        flip_step = torch.full_like(labels, -1)
        predictions = torch.full_like(labels, -1)
        margins = torch.zeros(len(labels), dtype=images.dtype, device=images.device)
        moving = torch.arange(len(labels), device=labels.device)
        current = _to_grid(images.detach()) if on_grid else images.detach().clone()
        for k in range(max_steps + 1):
            still_moving = []
            for rows, padded in _batches(moving, batch_size or _default_batch_size(images), pad=batch_size is not None):
                pixels = current[padded].requires_grad_(k < max_steps)
                logits = checked_logits(model, pixels, labels[padded])
                decided = logits.detach().argmax(1)[: len(rows)]
                wrong = decided != labels[rows]
                predictions[rows] = decided
                flip_step[rows] = torch.where(wrong & (flip_step[rows] < 0), k, flip_step[rows])
                if k == max_steps:
                    continue
                keep = ~wrong if stop_at_flip else torch.ones_like(wrong)
                if stop_at_flip:
                    margins[rows] = _margins(logits.detach()[: len(rows)], labels[rows]).to(margins)
                    if not keep.any():
                        continue
                gradient = _gradient(logits, labels[padded], pixels)[: len(rows)][keep]
                before = pixels.detach()[: len(rows)][keep]
                current[rows[keep]] = _move(before, gradient, step, scale, norm, on_grid)
                still_moving.append(rows[keep])
            if not still_moving:
                break
            moving = torch.cat(still_moving)
            if stop_at_flip:
                # The images closest to flipping go together: a batch in which all have flipped needs no backward pass.
                moving = moving[margins[moving].argsort(stable=True)]
    return AttackResult(current, flip_step, predictions)


def predict(model: Callable[[Tensor], Tensor], images: Tensor, *, batch_size: int | None = None) -> Tensor:
    """The decisions int64 [n], under the conditions and batches of `attack`."""
    _check_batch_size(batch_size)
    check_images(images)
    decisions = torch.empty(len(images), dtype=torch.int64, device=images.device)
    everything = torch.arange(len(images), device=images.device)
    with frozen(model, images.device), torch.no_grad():
        for rows, padded in _batches(everything, batch_size or _default_batch_size(images), pad=batch_size is not None):
            logits = checked_logits(model, images[padded], None)
            decisions[rows] = logits.argmax(1)[: len(rows)]
    return decisions


def _move(images: Tensor, gradient: Tensor, step: float, scale: Tensor, norm: str, on_grid: bool) -> Tensor:
    """The next iterate. scale: pixels in one unit of the step, [1, channels or 1, 1, 1]."""
    if norm == "linf":
        direction = gradient.sign()
    else:
        direction = gradient * scale  # the chain rule: the gradient for the tensor in the step's own unit
        # First to a largest value of 1: the squares of a confident classifier's gradients are not representable.
        direction = direction / direction.abs().amax((1, 2, 3), keepdim=True).clamp_min(torch.finfo(images.dtype).tiny)
        direction = direction / torch.linalg.vector_norm(direction, dim=(1, 2, 3), keepdim=True).clamp_min(1)
    displacement = direction * (scale * step)
    if on_grid:
        levels = torch.trunc(displacement * (_LEVELS * (1 + _SLACK)))
        return _from_levels((_levels(images) + levels).clamp_(0, _LEVELS))
    return displacement.add_(images).clamp_(0, 1)


def _gradient(logits: Tensor, labels: Tensor, pixels: Tensor) -> Tensor:
    if not logits.requires_grad:
        raise MethodError("the classifier's logits have no gradient with respect to the images")
    (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, labels, reduction="sum"), pixels)
    if not bool(gradient.isfinite().all()):
        raise MethodError("the classifier gives gradients that are not finite")
    return gradient


def _margins(logits: Tensor, labels: Tensor) -> Tensor:
    """How far the label's logit is above the best other one, [n]."""
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], -math.inf)
    return (own - others.amax(1, keepdim=True)).squeeze(1)


def _batches(rows: Tensor, size: int, *, pad: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """`rows` in batches: the rows themselves, and those to compute on: `size` of them with `pad`, else at least 2."""
    if not len(rows):
        return
    for part in rows.split(int(size)) if pad else rows.tensor_split(math.ceil(len(rows) / size)):
        missing = max(size if pad else 2, len(part)) - len(part)
        yield part, torch.cat([part, part[-1:].expand(missing)])


def _default_batch_size(images: Tensor) -> int:
    return 8 if images.device.type == "cpu" else 64


def _levels(images: Tensor) -> Tensor:
    return (images * _LEVELS).round()


def _from_levels(levels: Tensor) -> Tensor:
    # Divided by a tensor on the same device: CUDA multiplies by the reciprocal of a Python number, which is not k/255.
    return levels / levels.new_tensor(_LEVELS)


def _to_grid(images: Tensor) -> Tensor:
    return _from_levels(_levels(images))


def _scale(model: Any, images: Tensor, unit: str) -> Tensor:
    """How far one unit of the step goes in pixels, [1, channels, 1, 1] or [1, 1, 1, 1]."""
    if unit == "pixel":
        return torch.ones(1, 1, 1, 1, dtype=images.dtype, device=images.device)
    name = type(model).__name__
    owners = [model] if getattr(model, "std", None) is not None else _submodules_with_std(model)
    if len(owners) != 1:
        found = f"{len(owners)} of its submodules have one" if owners else "neither has any of its submodules"
        raise MethodError(
            f'unit="normalised" needs the classifier\'s per-channel std; {name} has no attribute `std`, {found}'
        )
    std = owners[0].std
    try:
        std = torch.as_tensor(std, dtype=torch.float64).detach().flatten()
    except (TypeError, ValueError, RuntimeError):
        raise MethodError(f"{name}.std is not a list of numbers") from None
    channels = images.shape[1]
    if len(std) != channels or not bool((std.isfinite() & (std > 0)).all()):
        raise MethodError(f"{name}.std must be {channels} positive numbers, one for each channel, not {std.tolist()}")
    return std.to(images).view(1, channels, 1, 1)


def _submodules_with_std(model: Any) -> list[Any]:
    modules = model.modules() if isinstance(model, nn.Module) else []
    return [module for module in modules if getattr(module, "std", None) is not None]


def _check_parameters(step: float, max_steps: int, norm: str, unit: str) -> None:
    if isinstance(step, bool) or not isinstance(step, Real) or not (math.isfinite(step) and step > 0):
        raise MethodError(f"step must be a positive number, not {step!r}")
    if isinstance(max_steps, bool) or not isinstance(max_steps, Integral) or max_steps < 0:
        raise MethodError(f"max_steps must be a whole number of at least 0, not {max_steps!r}")
    for name, value, allowed in (("norm", norm, NORMS), ("unit", unit, UNITS)):
        if value not in allowed:
            raise MethodError(f"{name} must be {' or '.join(map(repr, allowed))}, not {value!r}")


def _check_batch_size(batch_size: int | None) -> None:
    if batch_size is not None and (not isinstance(batch_size, Integral) or batch_size < 2):
        raise MethodError(f"batch_size must be a whole number of at least 2, not {batch_size!r}")


def _check_grid_step(steps: list[float]) -> None:
    """steps: of each channel, in pixels."""
    if min(steps) * _LEVELS < 1 - _SLACK:
        raise MethodError(f"on_grid needs a step of at least 1/255 = 0.00392 in pixels, not {min(steps):.3g}")


def _check_tensors(images: Tensor, labels: Tensor) -> None:
    check_images(images)
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
        what = f"{labels.dtype} {list(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        raise MethodError(f"labels must be int64 [{len(images)}], one for each image, not {what}")
    if labels.device != images.device:
        raise MethodError(f"images are on {images.device} and labels on {labels.device}")
    if len(labels) and int(labels.min()) < 0:
        raise MethodError(f"labels must not be negative, but one is {int(labels.min())}")

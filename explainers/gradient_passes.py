"""Gradients of logits with respect to pixels: what all methods by gradient have in common.

Images and steps (noisy copies, points of a path) go together in one pass, as many as a batch holds: 8 pictures at
224 × 224 on a CPU, where small batches stay in the cache, 64 elsewhere, more of smaller ones. Memory depends on that,
not on the number of steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from .base import HeatMap, MethodError
from .fast_pooling import FastPooling
from .frozen_model import checked_logits, frozen

#: From rows of the batch and steps to what the classifier is given there: [steps, rows, 3, h, w].
Points = Callable[[slice, slice], Tensor]

_NO_GRADIENT = "the classifier's logits have no gradient with respect to"


def gradients(classifier: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    """The gradient of each image's logit at its label: [n, 3, h, w], and how many classes there are."""
    one = torch.ones(1, dtype=images.dtype)
    return weighted_gradients(classifier, images, labels, one, lambda rows, steps: images[rows][None])


def weighted_gradients(
    classifier: nn.Module, images: Tensor, labels: Tensor, weights: Tensor, points: Points
) -> tuple[Tensor, int]:
    """For each image the sum over steps k of weights[k] times the gradient at its point k: [n, 3, h, w], and how many
    classes there are.

    images: [n, 3, h, w], n at least 1. labels: int64 [n]. weights: [steps]. points: called for some of the images with
    steps in increasing order.

    Raises MethodError for a classifier without gradients, and for logits or gradients that are not finite.
    """
    n, device = len(images), images.device
    labels = labels.to(device, torch.int64)
    limit = batch_limit(images.shape[-2] * images.shape[-1], device)
    n_classes = 0
    with frozen(classifier, device), FastPooling():
        weights = weights.to(images)
        sums = torch.zeros(images.shape, dtype=images.dtype, device=device)
        for rows in even_slices(n, limit):
            some = labels[rows]
            front = _Front()
            for steps in _passes(len(weights), max(1, limit // len(some))):
                at = points(rows, steps)
                pixels = at.detach().flatten(0, 1).clone().requires_grad_()
                logit, n_classes = asked(classifier, pixels, some.repeat(len(at)))
                edge = affine_front(logit, pixels) if len(at) < len(weights) else None
                gradient = differentiated(logit, pixels if edge is None else edge)
                weighted = torch.tensordot(weights[steps], gradient.unflatten(0, (len(at), len(some))), 1)
                if edge is None:
                    sums[rows] += weighted
                else:
                    sums[rows] += front.add(weighted, edge, pixels)
            sums[rows] += front.at_pixels()
    return sums, n_classes


class _Front:
    """Gradients summed behind the affine front of a network, brought back to the pixels once for all steps."""

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._edge: GradientEdge | None = None
        self._pixels: Tensor | None = None

    def add(self, gradient: Tensor, edge: GradientEdge, pixels: Tensor) -> Tensor | int:
        """Add a sum of gradients [rows, …] at an edge; what a front of another shape has summed is given back."""
        done: Tensor | int = 0
        if self._sum is not None and self._sum.shape != gradient.shape:
            done = self.at_pixels()
            self._sum = None
        self._sum = gradient if self._sum is None else self._sum + gradient
        self._edge, self._pixels = edge, pixels
        return done

    def at_pixels(self) -> Tensor | int:
        """The sum as a gradient of the pixels, [rows, 3, h, w]."""
        if self._sum is None or self._edge is None or self._pixels is None:
            return 0
        rows = len(self._sum)
        # The front does the same to every row of a pass; the sum takes the place of its first rows.
        whole = torch.zeros(len(self._pixels), *self._sum.shape[1:], dtype=self._sum.dtype, device=self._sum.device)
        whole[:rows] = self._sum
        (gradient,) = torch.autograd.grad([self._edge], [self._pixels], [whole])
        return gradient[:rows]


def affine_front(output: Tensor, pixels: Tensor) -> GradientEdge | None:
    """The output of the first convolution, where nothing but affine arithmetic stands before it and everything goes
    through it; None where that is not so. Read from autograd's own graph, so it holds for what was really computed.

    A sum of gradients may be taken there, and brought back to the pixels once: the transposed first convolution, whose
    three output channels make it the dearest of many networks, is then not computed for every step.
    """
    users: dict[Any, list[tuple[Any, int]]] = {}
    left: list[Any] = [output.grad_fn]
    seen: set[Any] = set()
    while left:
        node = left.pop()
        if node in seen:
            continue
        seen.add(node)
        for place, (before, _) in enumerate(node.next_functions):
            if before is not None:
                users.setdefault(before, []).append((node, place))
                left.append(before)
    node = next((node for node in users if getattr(node, "variable", None) is pixels), None)
    while node is not None and len(users.get(node, ())) == 1:
        ((node, place),) = users[node]
        alone = sum(before is not None for before, _ in node.next_functions) == 1
        if not alone or node.name() not in _AFFINE or place not in _AFFINE[node.name()]:
            return None
        if node.name() == "ConvolutionBackward0":
            return GradientEdge(node, 0)
    return None


#: Names of autograd's nodes that are affine, with the operands of which they are: x / 2 is, 2 / x is not.
_AFFINE = {
    "CloneBackward0": (0,),
    "AddBackward0": (0, 1),
    "SubBackward0": (0, 1),
    "MulBackward0": (0, 1),
    "DivBackward0": (0,),
    "ConvolutionBackward0": (0,),
}


def _passes(n_steps: int, most: int) -> Iterator[slice]:
    """The steps of each pass. Of several passes the last has one step, which is cheap to go back through."""
    if n_steps <= most:
        yield slice(0, n_steps)
    else:
        yield from even_slices(n_steps - 1, most)
        yield slice(n_steps - 1, n_steps)


def logits_at(classifier: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The logit of each image's label: [n]."""
    labels = labels.to(images.device, torch.int64)
    limit = batch_limit(images.shape[-2] * images.shape[-1], images.device)
    with frozen(classifier, images.device), torch.no_grad():
        found = [
            checked_logits(classifier, images[rows].clone(), labels[rows]).gather(1, labels[rows, None]).squeeze(1)
            for rows in even_slices(len(images), limit)
        ]
    return torch.cat(found)


def heat_maps(
    values: Tensor,
    channels: Tensor | None,
    wanted: Sequence[tuple[int, int]],
    *,
    n_classes: int,
    when_zero: str,
    facts: Sequence[dict[str, float]] | None = None,
) -> list[HeatMap]:
    """The maps of a batch, on the CPU.

    values: [n, h, w]. channels: [n, 3, h, w] or None. wanted: label and seed of each. when_zero: the reason where all
    values are 0. With one class there is no other to tell it from, so there is no map.
    """
    if n_classes == 1:
        values, channels = torch.zeros_like(values), None if channels is None else torch.zeros_like(channels)
        when_zero = "the classifier has one class only: there is no other to tell it from"
    maps = values.detach().float().cpu().numpy()
    colours = None if channels is None else channels.detach().float().cpu().numpy()
    return [
        HeatMap(
            values=map_,
            label=label,
            seed=seed,
            reason=None if map_.any() else when_zero,
            channels=None if colours is None else colours[i],
            facts=facts[i] if facts else {},
        )
        for i, (map_, (label, seed)) in enumerate(zip(maps, wanted, strict=True))
    ]


def batch_limit(pixels: int, device: torch.device) -> int:
    """The most pictures of so many pixels in one pass."""
    of_224 = 8 if device.type == "cpu" else 64
    return min(max(of_224 * 224 * 224 // pixels, of_224), 1024)


def even_slices(n: int, most: int) -> Iterator[slice]:
    """Slices of range(n) of at most so many, as even as they come."""
    parts = math.ceil(n / most)
    for part in range(parts):
        yield slice(part * n // parts, (part + 1) * n // parts)


def asked(classifier: nn.Module, pixels: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    """The sum of the labels' logits, to be differentiated, and how many classes there are. pixels: a leaf."""
    # A copy of the leaf: a network may change what it is given in place.
    logits = checked_logits(classifier, pixels.clone(), labels)
    if not logits.requires_grad:
        raise MethodError(f"{_NO_GRADIENT} the images")
    return logits.gather(1, labels[:, None]).sum(), logits.shape[1]


def differentiated(
    output: Tensor, by: Tensor | GradientEdge, *, keep_graph: bool = False, what: str = "the images"
) -> Tensor:
    """The gradient with respect to `by`, which messages call `what`. Raises MethodError where there is none, and where
    it is not finite."""
    try:
        (gradient,) = torch.autograd.grad(output, by, retain_graph=keep_graph, allow_unused=True)
    except RuntimeError as error:
        if "derivative" in str(error):  # of an operation that has none
            raise MethodError(f"{_NO_GRADIENT} {what}") from None
        raise
    if gradient is None:
        raise MethodError(f"{_NO_GRADIENT} {what}")
    if not bool(gradient.isfinite().all()):
        raise MethodError("the classifier gives gradients that are not finite")
    return gradient

"""A model held still while it is asked and differentiated, and what it answers, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .base import MethodError


@contextmanager
def frozen(model: Any, device: torch.device) -> Iterator[None]:
    """Evaluation mode, no gradients for parameters, strict precision; everything as it was afterwards."""
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    training = [module for module in modules if module.training]
    learning = [p for module in modules for p in module.parameters(recurse=False) if p.requires_grad]
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autocast(device.type, enabled=False))
        stack.enter_context(strict_precision())
        try:
            for module in training:
                module.training = False
            for parameter in learning:
                parameter.requires_grad_(False)
            yield
        finally:
            for module in training:
                module.training = True
            for parameter in learning:
                parameter.requires_grad_(True)


@contextmanager
def strict_precision() -> Iterator[None]:
    """float32 means float32, and the same call gives the same bits."""
    backends: Any = torch.backends
    wanted: list[tuple[Any, str, Any]] = [
        (backends.cuda.matmul, "fp32_precision", "ieee"),
        (backends.cudnn.conv, "fp32_precision", "ieee"),
        (backends.mkldnn.matmul, "fp32_precision", "ieee"),
        (backends.mkldnn.conv, "fp32_precision", "ieee"),
        (backends.cudnn, "deterministic", True),
        (backends.cudnn, "benchmark", False),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in wanted]
    try:
        for owner, name, value in wanted:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def checked_logits(model: Callable[[Tensor], Tensor], pixels: Tensor, labels: Tensor | None) -> Tensor:
    logits = model(pixels)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(pixels):
        what = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise MethodError(f"the classifier gives {what} for {len(pixels)} images, not logits [n, classes]")
    if labels is not None and int(labels.max()) >= logits.shape[1]:
        raise MethodError(f"label {int(labels.max())} is not among the classifier's {logits.shape[1]} classes")
    if not bool(logits.isfinite().all()):
        raise MethodError("the classifier gives logits that are not finite")
    return logits

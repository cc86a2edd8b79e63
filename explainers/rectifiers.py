"""Other gradients for ReLU and ReLU6, however a network writes them.

A hook on `nn.ReLU` sees modules only: on a network whose code says `torch.relu(x)`, `x.relu_()` or `F.relu6(x)` it sees
nothing, and what it gives is the plain gradient without an error. A `TorchFunctionMode` sees every call of Python's:

    with Rectifiers("guided") as seen:
        logits = network(pixels)  # forward: the values are the network's own
        torch.autograd.grad(logits.sum(), pixels)
    seen.count  # how many there were

Rules, with g the gradient at a rectifier's output and y that output:

    plain           g where the rectifier passes (0 < y, for ReLU6 also y < 6), else 0: the derivative
    guided          max(g, 0) where it passes, else 0 (Springenberg et al. 2015)
    deconvolution   max(g, 0), wherever it passes (Zeiler & Fergus 2014)

`rule` is read in the backward pass, so one forward pass serves several rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .base import MethodError

Rule = Literal["plain", "guided", "deconvolution"]


class _Call(NamedTuple):
    """One call of a rectifier: clamp(input, 0, upper), in place or not."""

    input: Tensor
    upper: float
    in_place: bool


class Rectifiers(TorchFunctionMode):
    """Within it every rectifier's gradient follows `rule`. count: how many rectifiers were executed."""

    def __init__(self, rule: Rule):
        super().__init__()
        self.rule = rule
        self.count = 0

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        call = _READERS[function](*args, **kwargs) if function in _READERS and "out" not in kwargs else None
        if call is None or not call.input.requires_grad:
            return function(*args, **kwargs)
        self.count += 1
        output = _Rectified.apply(call.input, call.upper, self)
        # Written back rather than computed in place: the input may be a view of something else.
        return call.input.copy_(output) if call.in_place else output


class SmoothRectifiers(TorchFunctionMode):
    """Within it every rectifier is smooth: softplus(x) = log(1 + exp(beta·x)) / beta for ReLU, softplus(x) less
    softplus(x − 6) for ReLU6. So gradients have gradients, which those of a rectifier have not."""

    def __init__(self, beta: float):
        super().__init__()
        self.beta = beta

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        call = _READERS[function](*args, **kwargs) if function in _READERS and "out" not in kwargs else None
        if call is None or not call.input.is_floating_point():
            return function(*args, **kwargs)
        # A copy where the input is written over: the gradient needs what it was.
        values = call.input.clone() if call.in_place else call.input
        output = functional.softplus(values, self.beta)
        if not math.isinf(call.upper):
            output = output - functional.softplus(values - call.upper, self.beta)
        return call.input.copy_(output) if call.in_place else output


def check_visible(method: str, model: nn.Module) -> None:
    """Raises MethodError for a model with parts compiled by TorchScript, which call no function of Python's."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            what = f"its part {name!r}" if name else "it"
            raise MethodError(f"{method}: the ReLUs of the classifier cannot be seen, because {what} is compiled")


@contextmanager
def rectifiers(method: str, model: nn.Module, rule: Rule) -> Iterator[Rectifiers]:
    """`Rectifiers(rule)`, which must meet at least one.

    Raises MethodError, naming the method, for a model without any, whose map would silently be the plain gradient, and
    for one with compiled parts.
    """
    check_visible(method, model)
    with Rectifiers(rule) as seen:
        yield seen
    if not seen.count:
        raise MethodError(
            f"{method}: the classifier has no ReLU; without one this is the plain gradient: use gradients"
        )


class _Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, upper: float, rectifiers: Rectifiers) -> Tensor:
        output = values.clamp(0, None if math.isinf(upper) else upper)
        ctx.rectifiers, ctx.upper = rectifiers, upper
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rule = ctx.rectifiers.rule
        if rule != "plain":
            gradient = gradient.clamp(min=0)
        if rule != "deconvolution":
            (output,) = ctx.saved_tensors
            gradient = torch.where((output > 0) & (output < ctx.upper), gradient, 0)
        return gradient, None, None


# How each function is called. A reader returns None where the call is no rectifier: clamp(x, 0, 1), say, is not.


def _relu(input: Tensor, inplace: bool = False) -> _Call:
    return _Call(input, math.inf, inplace)


def _relu6(input: Tensor, inplace: bool = False) -> _Call:
    return _Call(input, 6.0, inplace)


def _hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> _Call | None:
    return _clipped(input, min_val, max_val, inplace)


def _threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> _Call | None:
    return _clipped(input, threshold, None, inplace) if value == 0 else None


def _clamp(input: Tensor, min: Any = None, max: Any = None) -> _Call | None:
    return _clipped(input, min, max, False)


def _clamp_min(input: Tensor, min: Any) -> _Call | None:
    return _clipped(input, min, None, False)


def _clipped(input: Tensor, low: Any, high: Any, in_place: bool) -> _Call | None:
    """Clipping at 0, or at 0 and 6, by numbers."""
    if (
        isinstance(low, Tensor)
        or isinstance(high, Tensor)
        or low is None
        or low != 0
        or high not in (None, 6, math.inf)
    ):
        return None
    return _Call(input, math.inf if high is None else float(high), in_place)


def _maximum(input: Tensor, other: Any = None, *rest: Any, **more: Any) -> _Call | None:
    if rest or more or not isinstance(other, Tensor) or other.requires_grad or bool(other.any()):
        return None
    return _Call(input, math.inf, False) if torch.broadcast_shapes(input.shape, other.shape) == input.shape else None


def _in_place(read: Callable[..., _Call | None]) -> Callable[..., _Call | None]:
    def read_in_place(*args: Any, **kwargs: Any) -> _Call | None:
        call = read(*args, **kwargs)
        return call and call._replace(in_place=True)

    return read_in_place


_READ_BY_NAME: dict[str, Callable[..., _Call | None]] = {
    "relu": _relu,
    "relu_": _in_place(_relu),
    "relu6": _relu6,
    "relu6_": _in_place(_relu6),
    "hardtanh": _hardtanh,
    "hardtanh_": _in_place(_hardtanh),
    "threshold": _threshold,
    "threshold_": _in_place(_threshold),
    "clamp": _clamp,
    "clamp_": _in_place(_clamp),
    "clip": _clamp,
    "clip_": _in_place(_clamp),
    "clamp_min": _clamp_min,
    "clamp_min_": _in_place(_clamp_min),
    "maximum": _maximum,
    "max": _maximum,
}


def _readers() -> dict[Any, Callable[..., _Call | None]]:
    """From every function that may be called to its reader; those of torch.ops.aten are what exported networks call."""
    readers: dict[Any, Callable[..., _Call | None]] = {}
    for name, read in _READ_BY_NAME.items():
        for owner in (functional, torch, Tensor, torch._C._nn):
            if function := getattr(owner, name, None):
                readers[function] = read
        packet = getattr(torch.ops.aten, name, None)
        if packet and "default" in packet.overloads():
            readers |= {packet: read, packet.default: read}
    return readers


_READERS = _readers()

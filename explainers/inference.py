"""A network made ready for many forward passes that need no gradient: batch norm folded into the convolutions, values
rectified after pooling instead of before, weights channels-last, in the wanted precision. The outputs are those of the
original to rounding."""

from __future__ import annotations

import copy

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def tuned(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of `network` for inference in `dtype`, on its device; the original is left as it is.

    The network is rewritten where torch.fx can follow its code; one that it cannot follow (control flow that depends on
    the data, for one) runs as it was written.
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    try:
        network = _rectified_after_pooling(_with_folded_batch_norm(fx.symbolic_trace(network)))
    except Exception:  # whatever the network's own code raises when it meets fx's stand-in for a tensor
        network = copy.deepcopy(network)
    return network.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]


def _with_folded_batch_norm(traced: fx.GraphModule) -> fx.GraphModule:
    modules = dict(traced.named_modules())
    calls: dict[object, int] = {}
    for node in traced.graph.nodes:
        if node.op == "call_module":
            calls[modules[node.target]] = calls.get(modules[node.target], 0) + 1
    for node in list(traced.graph.nodes):
        if node.op != "call_module" or not isinstance(modules[node.target], nn.BatchNorm2d):
            continue
        before, norm = node.args[0], modules[node.target]
        if before.op != "call_module" or len(before.users) > 1 or norm.running_mean is None:
            continue
        conv = modules[before.target]
        if type(conv) is not nn.Conv2d or calls[conv] > 1:  # a shared convolution has one norm at each of its places
            continue
        modules[before.target] = fuse_conv_bn_eval(conv, norm)
        parent, _, name = before.target.rpartition(".")
        setattr(traced.get_submodule(parent), name, modules[before.target])
        node.replace_all_uses_with(before)
        traced.graph.erase_node(node)
    traced.recompile()
    return traced


def _rectified_after_pooling(traced: fx.GraphModule) -> fx.GraphModule:
    """max(relu(x)) = relu(max(x)), which rectifies a quarter of the values and less: behind the first convolution of
    most networks these are the largest of all."""
    modules = dict(traced.named_modules())
    for pool in list(traced.graph.nodes):
        if pool.op != "call_module" or not isinstance(modules[pool.target], nn.MaxPool2d):
            continue
        relu = pool.args[0]
        if relu.op != "call_module" or not isinstance(modules[relu.target], nn.ReLU) or len(relu.users) > 1:
            continue
        before = relu.args[0]
        # Other readers of an operation in place see what it has changed. A window beside the picture holds no value.
        if (
            len(before.users) > 1
            or modules[pool.target].return_indices
            or modules[pool.target].dilation not in (1, (1, 1))
        ):
            continue
        pool.args = (before,)
        with traced.graph.inserting_after(pool):
            late = traced.graph.call_module(relu.target, (before,))
        pool.replace_all_uses_with(late)
        late.args = (pool,)
        traced.graph.erase_node(relu)
    traced.recompile()
    return traced

"""A network made ready for many forward passes that need no gradient: batch norm folded into the convolutions, weights
in the order that the device reads them in, on a CPU values rectified while a convolution writes them, in the wanted
precision. The outputs are those of the original to rounding."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def tuned(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of `network` for inference in `dtype`, on its device; the original is left as it is.

    The network is rewritten where torch.fx can follow its code; one that it cannot follow (control flow that depends on
    the data, for one) runs as it was written.
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    try:
        network = _with_folded_batch_norm(fx.symbolic_trace(network))
    except Exception:  # whatever the network's own code raises when it meets fx's stand-in for a tensor
        network = copy.deepcopy(network)
    network.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return _with_packed_convolutions(network) if isinstance(network, fx.GraphModule) else network


class PackedConvolution(nn.Module):
    """A convolution on the CPU by oneDNN, as torch.compile calls it: the weight is brought into the library's own order
    once, not at every pass, and the output is rectified while it is written.

    conv: a plain nn.Conv2d. then: "relu" or "none". The weight is packed again when the input's shape changes.
    """

    def __init__(self, conv: nn.Conv2d, then: str):
        super().__init__()
        self.conv, self.then = conv, then
        self._packed: Tensor | None = None
        self._shape: torch.Size | None = None

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        how = conv.padding, conv.stride, conv.dilation, conv.groups
        if x.shape != self._shape:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(conv.weight, *how, x.shape)
            self._shape = x.shape
        return torch.ops.mkldnn._convolution_pointwise(x, self._packed, conv.bias, *how, self.then, [], None)

    @staticmethod
    def can_stand_for(module: nn.Module) -> bool:
        """These operations are torch's own business: where they are missing everything runs as it was written."""
        return (
            type(module) is nn.Conv2d
            and module.weight.device.type == "cpu"
            and module.weight.dtype in (torch.float32, torch.bfloat16)
            and module.padding_mode == "zeros"
            and not isinstance(module.padding, str)
            and torch.backends.mkldnn.is_available()
            and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
            and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")
            and (module.weight.dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported())
        )


def _with_packed_convolutions(traced: fx.GraphModule) -> fx.GraphModule:
    modules = dict(traced.named_modules())
    for number, node in enumerate(list(traced.graph.nodes)):
        if node.op != "call_module" or not PackedConvolution.can_stand_for(modules[node.target]):
            continue
        user = next(iter(node.users), node)
        fused = len(node.users) == 1 and user.op == "call_module" and isinstance(modules[user.target], nn.ReLU)
        name = f"packed_{number}"  # one for each place: a shared convolution may be rectified at one and not at another
        traced.add_submodule(name, PackedConvolution(modules[node.target], "relu" if fused else "none"))
        node.target = name
        if fused:
            user.replace_all_uses_with(node)
            traced.graph.erase_node(user)
    traced.recompile()
    return traced


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

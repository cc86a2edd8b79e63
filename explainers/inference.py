"""A network made ready for many forward passes that need no gradient: batch norm folded into the convolutions, weights
in the order that the device reads them in, on a CPU values rectified while a convolution writes them, in the wanted
precision. The outputs are those of the original to rounding, which is tried before such a copy is used: torch.fx takes
the wrong branch at `isinstance(x, torch.Tensor)` or `torch.is_tensor(x)` without an exception."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .images import GREY

#: How far outputs may lie apart to be the same to rounding, as a share of how far an image's outputs are spread.
ROUNDING = {torch.float64: 1e-6, torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}

_BLOCKS, _PROBES = 8, 4


@dataclass(frozen=True)
class Tuned:
    """network: for inference. reason: None where it was rewritten, else why it runs as it was written."""

    network: nn.Module
    reason: str | None = None


def tuned(network: nn.Module, dtype: torch.dtype, probes: Tensor) -> Tuned:
    """A copy of `network` for inference in `dtype`, on its device; the original is left as it is.

    probes: what the network is asked about to compare the copy with the original, [n, channels, h, w], normalised: see
    `probes`. The network is rewritten where torch.fx can follow its code and the outputs stay the same to rounding;
    else it runs as it was written.
    """
    try:
        rewritten = _with_folded_batch_norm(fx.symbolic_trace(_frozen(network)))
    except Exception as error:  # whatever the network's own code raises when it meets fx's stand-in for a tensor
        return Tuned(as_written(network, dtype), f"torch.fx cannot follow its code ({type(error).__name__})")
    with torch.inference_mode():
        # In evaluation, whatever the original is in, which is left as it is.
        if apart(_frozen(network)(probes), rewritten(probes)) > ROUNDING.get(probes.dtype, 0):
            return Tuned(as_written(network, dtype), "torch.fx takes another way through its code")
        plain = _channels_last(rewritten, dtype)  # rewritten itself
        packed = _with_packed_convolutions(copy.deepcopy(rewritten))
        given = probes.to(dtype, memory_format=torch.channels_last)
        if apart(plain(given), packed(given)) > ROUNDING.get(dtype, 0):
            return Tuned(plain)
    return Tuned(packed)


def as_written(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of `network` for inference in `dtype` whose code is the original's."""
    return _channels_last(_frozen(network), dtype)


def probes(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Pictures float32 [4, 3, height, width] in [0, 1], the same each time: noise, and smooth colours of which some
    blocks are hidden by grey, as LIME composes them. What a copy is compared on does not depend on who is asked about,
    so that an explanation does not depend on its neighbours."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(_PROBES, 3, height, width, generator=generator)
    colours = torch.rand(_PROBES, 3, 3, 3, generator=generator)
    smooth = nn.functional.interpolate(colours, (height, width), mode="bilinear")
    pictures[1:] = composed(smooth, generator)[1:]
    return pictures.to(device)


def composed(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures [n, 3, h, w] of which half the blocks, drawn at random for each, are hidden by grey."""
    blocks = torch.rand(len(pictures), 1, _BLOCKS, _BLOCKS, generator=generator) < 0.5
    shown = nn.functional.interpolate(blocks.float(), pictures.shape[2:]).to(pictures) > 0
    return torch.where(shown, pictures, torch.full_like(pictures, GREY / 255))


def apart(first: Tensor, second: Tensor) -> float:
    """The largest difference of two batches of outputs [n, c], as a share of how far an image's outputs are spread;
    infinity where they are not two such batches, or not finite in the same places."""
    if not (isinstance(first, Tensor) and isinstance(second, Tensor)) or first.shape != second.shape:
        return float("inf")
    if first.ndim != 2 or not first.numel():
        return float("inf")
    first, second = first.double(), second.double()
    finite = first.isfinite()
    if not torch.equal(finite, second.isfinite()):
        return float("inf")
    first, second = first.where(finite, 0), second.where(finite, 0)
    spread = float((first.amax(1) - first.amin(1)).max())
    difference = float((first - second).abs().max())
    # Outputs that are all the same are spread by rounding alone.
    return difference / max(spread, 1e-4 * float(first.abs().max()), 1e-30) if difference else 0.0


def _frozen(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).eval().requires_grad_(False)


def _channels_last(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Only what has four dimensions has channels to put last: `Module.to` fails on tables of five."""
    network.to(dtype=dtype)
    for owner in network.modules():
        tensors = [*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False)]
        for _, tensor in tensors:
            if tensor.ndim == 4:
                tensor.data = tensor.data.to(memory_format=torch.channels_last)
    return network


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

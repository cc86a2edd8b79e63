"""The cascade of the sanity check: a classifier whose layers are replaced by random ones, the last layer first.

Adebayo, Gilmer, Muelly, Goodfellow, Hardt & Kim, *Sanity Checks for Saliency Maps* (NeurIPS 2018), section 3: a map
that explains a network changes as its layers are randomised, one after another from the logits to the pixels. A map
that stays as it was goes by the image rather than by the network.

A layer is a module with parameters of its own, in the order in which the network defines its modules. Its parameters,
and running statistics, become what they were before training: what `reset_parameters` makes of them. Parameters of
modules that cannot reset themselves, such as the class token of a transformer, are drawn from a normal distribution
with the mean and the standard deviation of their present values.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from numbers import Integral

import torch
from torch import nn

from .base import MethodError


def layer_names(classifier: nn.Module) -> list[str]:
    """The layers that `cascade` randomises, in its order: the last layer first."""
    return [name for name, module in reversed(list(classifier.named_modules())) if _owns_parameters(module)]


def cascade(classifier: nn.Module, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """For each layer its name, as `named_modules` gives it, and a copy of the classifier in which it and all layers
    after it are random. The last layer comes first; each copy stands for itself, and the classifier stays as it is.

    seed: the random weights come from it and from nothing else; no global generator is touched. Raises MethodError for
    a classifier without parameters, and for another seed than a whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < 2**63:
        raise MethodError(f"seed must be a whole number from 0 to 2^63 - 1, not {seed!r}")
    names = layer_names(classifier)
    if not names:
        raise MethodError(f"{type(classifier).__name__} has no parameters that could be randomised")
    return _randomised(classifier, names, int(seed))


def _randomised(classifier: nn.Module, names: list[str], seed: int) -> Iterator[tuple[str, nn.Module]]:
    device = next(classifier.parameters()).device
    # Drawn on the CPU, so that a GPU gets the same layers.
    current = copy.deepcopy(classifier).cpu()
    draws = torch.Generator().manual_seed(seed)
    for name in names:
        # A seed for each layer: what one layer draws does not shift what the next one gets.
        layer_seed = int(torch.randint(2**62, (), generator=draws))
        _randomise(name, current.get_submodule(name), layer_seed)
        yield name, copy.deepcopy(current).to(device)


def _randomise(name: str, layer: nn.Module, seed: int) -> None:
    reset = getattr(layer, "reset_parameters", None) or getattr(layer, "_reset_parameters", None)
    with torch.random.fork_rng(range(torch.cuda.device_count())), torch.no_grad():
        torch.manual_seed(seed)
        if callable(reset):
            try:
                reset()
            except Exception as error:  # a layer of your own may raise anything
                told = " ".join(str(error).split())
                raise MethodError(f"layer {name!r} cannot be randomised: {type(error).__name__}: {told}") from None
            return
        for parameter in layer.parameters(recurse=False):
            if parameter.is_floating_point():
                values = parameter.double()
                drawn = torch.randn(values.shape, dtype=torch.float64) * values.std(correction=0) + values.mean()
                parameter.copy_(drawn)


def _owns_parameters(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None

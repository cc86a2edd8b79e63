"""What a network keeps beside its tensors: plain attributes of its modules, which evaluation mode leaves free."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

#: What PyTorch itself keeps in every module.
_TORCHS_OWN = frozenset(vars(nn.Module()))
#: How deep within lists and mappings, and how many of their items.
_DEEPEST, _ITEMS = 3, 100


def kept_values(network: nn.Module) -> dict[str, Any]:
    """The values of all plain attributes by name, in a form that can be compared with ==; what has none is left out."""
    found = {}
    for path, module in network.named_modules():
        for name, value in vars(module).items():
            if name not in _TORCHS_OWN and (printed := _printed(value, 0)) is not None:
                found[f"{path}.{name}" if path else name] = printed
    return found


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names whose values differ, sorted."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _printed(value: Any, depth: int) -> Any:
    match value:
        case bool() | int() | float() | str() | bytes():
            return repr(value)
        case Tensor() if not value.is_meta:
            return (str(value.dtype), tuple(value.shape), _sums(value.detach()))
        case np.ndarray():
            return (str(value.dtype), value.shape, value.tobytes())
        case Mapping() if depth < _DEEPEST:
            items = list(value.items())
            return ("mapping", len(items), [(repr(k), _printed(v, depth + 1)) for k, v in items[:_ITEMS]])
        case list() | tuple() | deque() if depth < _DEEPEST:
            return ("sequence", len(value), [_printed(one, depth + 1) for one in list(value)[-_ITEMS:]])
        case set() | frozenset():
            return ("set", len(value))
    return None


def _sums(value: Tensor) -> tuple[str, str]:
    """Two numbers that hardly any change leaves as they are, without a copy of the tensor being kept."""
    flat = torch.view_as_real(value).flatten() if value.is_complex() else value.flatten()
    flat = flat.double()
    places = torch.arange(1, len(flat) + 1, device=flat.device, dtype=torch.float64)
    return repr(float(flat.sum())), repr(float((flat * places).sum()))

"""Weights from safetensors files into networks; every failure is a CheckpointError of one line.

A file is told by its framing: eight bytes that give the length of a JSON header, and the header. What is not framed so
is refused and named for what it is; a pickle is never read, since that runs code.
"""

from __future__ import annotations

from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from . import file_kinds

#: Bytes of what a checkpoint says about its tensors: about 130 for each, of which large networks have 1,500.
LONGEST_HEADER = 1_000_000

_SAVE = "save its weights with safetensors.torch.save_file"
_FROM_PYTORCH = f"give its weights to the network in PyTorch and {_SAVE.replace('its weights', 'them')}"
_REMEDIES = {
    file_kinds.PICKLE: f"reading one can run code; {_SAVE}",
    file_kinds.NUMPY: _FROM_PYTORCH,
    file_kinds.NUMPY_ARCHIVE: _FROM_PYTORCH,
    file_kinds.HDF5: _FROM_PYTORCH,
    file_kinds.ONNX: f"take the network of PyTorch that it was made from and {_SAVE}",
    file_kinds.ZIP: "unpack it, and name the safetensors file in it",
    file_kinds.JSON: "where it is an index, merge the files that it names into one",
}


class CheckpointError(ValueError):
    """A checkpoint cannot be read, or does not fit its network. One line."""


def read_safetensors(checkpoint: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, on the CPU.

    Raises CheckpointError for a file that cannot be read, that is a pickle, or that is not whole.
    """
    try:
        with checkpoint.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise CheckpointError(f"{checkpoint.name} cannot be read: {error.strerror}") from None
    length = int.from_bytes(head[:8], "little")
    framed = head[8:9] == b"{" and length <= max(checkpoint.stat().st_size - 8, 0)
    # One that is cut short is told by its length below.
    torn = file_kinds.recognise(head) == file_kinds.SAFETENSORS
    if not (framed or torn) and (said := file_kinds.instead(head, "a safetensors file", _REMEDIES)):
        raise CheckpointError(f"{checkpoint.name} {said}")
    if length > LONGEST_HEADER:
        # Written about a few thousand tensors; about a hundred thousand it takes the reader half a minute.
        raise CheckpointError(
            f"{checkpoint.name} is not a whole safetensors file: its header would have {length:,} bytes, more than "
            f"{LONGEST_HEADER:,}"
        )
    try:
        return safetensors.torch.load_file(checkpoint)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{checkpoint.name} is not a whole safetensors file: {type(error).__name__}: {reason}"
        ) from None


def load_state(network: nn.Module, state: dict[str, Tensor], checkpoint: Path) -> None:
    """Give a network the tensors of a checkpoint, which must be exactly those of its state.

    A prefix that all names of the file have and none of the network's, such as the `module.` of DataParallel or the
    `_orig_mod.` of torch.compile, is left away. A counter of batches that batch norm keeps may be missing, and tied
    weights may be stored once. Raises CheckpointError, naming what is missing, unknown or of another shape.
    """
    wanted = network.state_dict()
    _check_kinds(wanted)
    state = _without_prefix(state, wanted)
    misshapen = [
        f"{name} {list(value.shape)} instead of {list(wanted[name].shape)}"
        for name, value in state.items()
        if name in wanted and value.shape != wanted[name].shape
    ]
    strange = [
        f"{name} {_kind(value)} instead of {_kind(wanted[name])}"
        for name, value in state.items()
        if name in wanted and wanted[name].is_floating_point() and not value.is_floating_point()
    ]
    if strange:
        # Copied number by number they would be other weights: a scale is missing.
        raise CheckpointError(
            f"{checkpoint.name} does not fit the network: it has {_first_few(strange)}; save its weights as float32"
        )
    fitting = {name: value for name, value in state.items() if name not in wanted or value.shape == wanted[name].shape}
    # torch itself says what is missing: it knows, for one, that the batch counters of batch norm may be absent.
    missing, unexpected = network.load_state_dict(fitting, strict=False)
    # A safetensors file holds tied weights once.
    given = {wanted[name].data_ptr() for name in state if name in wanted and wanted[name].numel()}
    missing = [name for name in missing if name not in state and wanted[name].data_ptr() not in given]
    problems = {"lacks": missing, "has unknown": unexpected, "has misshapen": misshapen}
    if any(problems.values()):
        lines = [f"{verb} {_first_few(names)}" for verb, names in problems.items() if names]
        raise CheckpointError(f"{checkpoint.name} does not fit the network: it {'; it '.join(lines)}")


def _check_kinds(wanted: dict[str, Tensor]) -> None:
    """CheckpointError for a network that cannot be given tensors: its own are no ordinary ones yet, or never."""
    for name, value in wanted.items():
        if not isinstance(value, Tensor) or value.is_quantized:
            raise CheckpointError(f"{name} of the network is quantised or not a tensor: return the network in float32")
        if is_lazy(value):
            raise CheckpointError(
                f"{name} of the network has no size yet, since its layer is lazy: return nn.Linear or nn.Conv2d with "
                "sizes, or ask the network about a picture in its factory"
            )
        if value.is_meta:
            raise CheckpointError(f"{name} of the network is on the device meta, without numbers: make it on the CPU")


def _kind(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _without_prefix(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by the names that the network knows them by, where one prefix is all that is in the way."""
    while state and not any(name in wanted for name in state):
        prefixes = {name.partition(".")[0] + "." for name in state if "." in name}
        if len(prefixes) != 1 or not all("." in name for name in state):
            break
        (prefix,) = prefixes
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _first_few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

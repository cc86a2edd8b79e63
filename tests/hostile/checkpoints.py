"""Hostile checkpoints and modules, as importing a classifier is given them."""

import io
import json
import pickle
import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage

from studies.catalog import classifiers
from studies.catalog.importing import jobs
from studies.models import Classifier, Event
from tests.small_networks import NETWORK, import_small

from . import Hostile, World, mangled

Send = Callable[[World], Any]


def made() -> Iterator[Hostile]:
    for name, make in CHECKPOINTS.items():
        yield Hostile("checkpoints", name, lambda data, world: _load(data)(world), make)
    for name, source in SOURCES.items():
        yield Hostile("checkpoints", name, lambda world, s=source: jobs.request_classifier("x", owner=None, **s))


def _load(data: bytes) -> Send:
    """Through the whole import; what turns out to be weights that fit is taken away again."""

    def send(world: World) -> Any:
        module, checkpoint = world.folder / "small.py", world.folder / "hostile.safetensors"
        module.write_text(NETWORK.format(fault="pass"))
        checkpoint.write_bytes(data)
        name = world.study.design["classifier"]
        image_set = Classifier.objects.get(name=name).image_set.name
        try:
            row = classifiers.import_classifier(
                "hostile", image_set=image_set, module=f"{module}:small", checkpoint=checkpoint
            )
        finally:
            assert not OWNED.exists(), "a pickle ran"
        for what in ("module", "checkpoint"):
            default_storage.delete(row.source[what])
        row.delete()
        Event.objects.filter(slug=row.name).delete()
        return "weights that fit"

    return send


@cache
def weights() -> bytes:
    """A checkpoint that fits the small network."""
    from django.db import transaction

    from tests.factories import make_image_set

    folder = Path(settings.DATA_DIR) / "weights"
    folder.mkdir(exist_ok=True)
    with transaction.atomic():
        row = import_small("weights", make_image_set("weights").name, folder)
        for what in ("module", "checkpoint"):
            default_storage.delete(row.source[what])
        transaction.set_rollback(True)
    return (folder / "weights.safetensors").read_bytes()


OWNED = Path(settings.DATA_DIR) / "owned"


class _Owner:
    """What a pickle can do."""

    def __reduce__(self) -> tuple:
        return Path.touch, (OWNED,)


def _torch_saved() -> bytes:
    import torch

    file = io.BytesIO()
    torch.save({"linear.weight": torch.zeros(3, 3)}, file)
    return file.getvalue()


def header(facts: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    text = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(shape: list[int], start: int, end: int, kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


CHECKPOINTS: dict[str, Callable[[], bytes]] = {
    "a pickle": lambda: pickle.dumps(_Owner()),
    "a pickle of the oldest kind": lambda: pickle.dumps(_Owner(), 0),
    "a pickle behind a header": lambda: header({}, pickle.dumps(_Owner())),
    "a checkpoint of torch.save": _torch_saved,
    "a header of two to the sixty-four bytes": lambda: header(b"{}", length=2**64 - 1),
    "a header longer than the file": lambda: header(b"{}", length=10_000),
    "a header that is no JSON": lambda: header(b"{" * 1000),
    "a header nested ten thousand deep": lambda: header(b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}"),
    "a tensor of a terabyte": lambda: header({"linear.weight": tensor([2**38], 0, 2**40)}, bytes(9)),
    "a tensor whose size overflows": lambda: header({"linear.weight": tensor([2**32, 2**32, 4], 0, 0)}),
    "a tensor below zero": lambda: header({"linear.weight": tensor([-1, 3], 0, 12)}, bytes(12)),
    "a tensor of a kind there is none of": lambda: header({"linear.weight": tensor([3], 0, 12, "F99")}, bytes(12)),
    "tensors that overlap": lambda: header({"a": tensor([3], 0, 12), "b": tensor([3], 0, 12)}, bytes(12)),
    "a hundred thousand tensors": lambda: header({f"t{n}": tensor([0], 0, 0) for n in range(100_000)}),
    "a name that is a path": lambda: header({"../../x": tensor([3], 0, 12)}, bytes(12)),
    "weights that are not finite": lambda: weights()[:-512] + b"\xff" * 512,
    "weights cut short": lambda: weights()[:-1],
    "nothing at all": lambda: b"",
}

SOURCES: dict[str, dict[str, Any]] = {
    "a module of the system": {"module": "/usr/lib/python3/os.py:system", "checkpoint": "/etc/passwd"},
    "a module without a name": {"module": ":", "checkpoint": ""},
    "a module with a zero byte": {"module": "a\0b.py:x", "checkpoint": "\0"},
    "a module that is a device": {"module": "/dev/zero:x", "checkpoint": "/dev/zero"},
}


def _spoilt_weights(dice: Random) -> Send:
    data = weights()
    if dice.random() < 0.5:
        # In the header, where a mistake counts most.
        length = struct.unpack_from("<Q", data)[0]
        return _load(mangled(dice, data[: 8 + length]) + data[8 + length :])
    return _load(mangled(dice, data))


GENERATORS: dict[str, Callable[[Random], Send]] = {"checkpoints": _spoilt_weights}

"""A small network that can really be asked, and that misbehaves on a marked photograph where a test wants it to."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from explainers.images import encode_png
from studies.catalog.classifiers import import_classifier
from studies.models import Classifier

NETWORK = """
import os, signal, time
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.linear = nn.Linear(128, 3)

    def forward(self, x):
        {fault}
        return self.linear(self.conv(x).relu()[:, :, ::8, ::8].flatten(1))

def marks(x):
    return (x[:, :, :1, :1] == torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1, 1)).all(1, keepdim=True)

def marked(x):
    return bool(marks(x).any())

def small():
    return Small()
"""

#: What the network does first of all; `marked(x)` says whether the marked photograph is in the batch.  "slow" takes
#: 10 ms for each different picture; "stuck" hears no alarm, as compiled code that never comes back to Python; "between"
#: looks only at what lies between the levels of 8 bits, which no picture has once it is displayed.
FAULTS = {
    "none": "pass",
    "slow": "time.sleep(0.01 * len(x[:, 0, :2, :2].flatten(1).unique(dim=0)))",
    "killing": "marked(x) and os.kill(os.getpid(), signal.SIGKILL)",
    "raising": "if marked(x): raise RuntimeError('cannot look at this')",
    "hanging": "if marked(x): time.sleep(3600)",
    "stuck": "if marked(x): signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]); time.sleep(3600)",
    "between": "b = (x - (x * 255).round() / 255).sum((1, 2, 3)); "
    "return 0 * self.linear(self.conv(x)[:, :, ::8, ::8].flatten(1)) + torch.stack([0 * b + 1e-3, b, b - 1], 1)",
    "nan": "x = torch.where(marks(x), float('nan'), x)",
}

_SHAPES = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "linear.weight": (3, 128), "linear.bias": (3,)}


def marked_picture() -> bytes:
    """A PNG of 32 by 32 random pixels whose first one is the mark."""
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    pixels[0, 0] = 255, 0, 255
    return encode_png(pixels)


def import_small(name: str, image_set: str, folder: Path, *, fault: str = "none") -> Classifier:
    """Import the network, with the same weights each time, for an image set of three classes at 32 by 32 pixels."""
    module = folder / f"{name}.py"
    module.write_text(NETWORK.format(fault=FAULTS[fault]))
    generator = torch.Generator().manual_seed(1)
    checkpoint = folder / f"{name}.safetensors"
    save_file({key: torch.randn(shape, generator=generator) for key, shape in _SHAPES.items()}, checkpoint)
    return import_classifier(name, image_set=image_set, module=f"{module}:small", checkpoint=checkpoint)

"""Training the toybox classifier, on scenes that the image set never shows."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from . import CLASSES, MEAN, STD
from .imageset import EVALUATION_SEED, IMAGES_PER_CLASS
from .network import ToyboxNet, toybox_net
from .scenes import scene

TRAINING_SEED = 1959  # must differ from the evaluation seed
SCENES_PER_CLASS = 230  # few enough to leave the classifier some true errors
EPOCHS = 12
BATCH = 64
RATE = 0.004
THREADS = 2


def train(out: Path) -> None:
    """Train the network, save its weights to `out` (safetensors) and print its top-1 accuracy on the image set.

    The same seed, thread count and PyTorch give the same weights. A few minutes on two cores.
    """
    torch.manual_seed(TRAINING_SEED)
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    pictures, labels, _ = _drawn(SCENES_PER_CLASS, TRAINING_SEED)
    print(f"{len(labels)} scenes drawn to learn from", flush=True)
    network = toybox_net().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.02)
    batches = len(labels) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, EPOCHS * batches, pct_start=0.2)
    rng = np.random.default_rng(TRAINING_SEED)
    for epoch in range(EPOCHS):
        network.train()
        order, total = rng.permutation(len(labels)), 0.0
        for batch in order[: batches * BATCH].reshape(batches, BATCH):
            x = normalised(_varied(pictures[batch], rng))
            loss = nn.functional.cross_entropy(network(x), torch.from_numpy(labels[batch]), label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {total / batches:.3f}", flush=True)
    network.eval()
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, out)
    pictures, labels, present = _drawn(IMAGES_PER_CLASS, EVALUATION_SEED)
    right, excused = measured(network, pictures, labels, present)
    errors = len(labels) - right
    print(f"top-1 {right / len(labels):.1%} on the {len(labels)} pictures of the image set: {errors} errors, ", end="")
    print(f"of which {excused} ({excused / max(errors, 1):.0%}) name a thing that is in the picture")


def normalised(pictures: np.ndarray) -> torch.Tensor:
    """Return pictures, uint8 (n, h, w, 3), as the network's input (n, 3, h, w)."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def measured(network: ToyboxNet, pictures: np.ndarray, labels: np.ndarray, present: np.ndarray) -> tuple[int, int]:
    """Return how many predictions are right, and how many of the others name something `present` (n, classes)."""
    with torch.inference_mode():
        said = np.concatenate([network(normalised(part)).argmax(1) for part in np.array_split(pictures, 12)])
    wrong = said != labels
    return int((~wrong).sum()), int(present[np.arange(len(said)), said][wrong].sum())


def _drawn(per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the scenes' pictures, labels and which classes are present, drawn by as many processes as threads."""
    jobs = [(seed, index, number) for index in range(len(CLASSES)) for number in range(per_class)]
    with ProcessPoolExecutor(THREADS, mp_context=multiprocessing.get_context("spawn")) as pool:
        done = list(pool.map(_scene, jobs, chunksize=64))
    pictures, present = np.stack([d[0] for d in done]), np.stack([d[1] for d in done])
    return pictures, np.array([index for _, index, _ in jobs]), present


def _scene(job: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    drawn = scene(CLASSES[job[1]], np.random.default_rng(job))
    return drawn.picture, np.isin(CLASSES, [thing.name for thing in drawn.things])


def _varied(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the pictures shifted by up to eight pixels and half of them mirrored."""
    side = pictures.shape[1]
    padded = np.pad(pictures, ((0, 0), (8, 8), (8, 8), (0, 0)), mode="reflect")
    varied = np.empty_like(pictures)
    for k, (top, left, mirror) in enumerate(
        zip(*rng.integers(0, 17, (2, len(pictures))), rng.random(len(pictures)), strict=True)
    ):
        cut = padded[k, top : top + side, left : left + side]
        varied[k] = cut[:, ::-1] if mirror < 0.5 else cut
    return varied

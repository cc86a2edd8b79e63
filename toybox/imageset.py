"""The image set on disk: pictures in one folder a class, their labels, and what people would say of them."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from .scenes import ABSENT, Scene, scene
from .things import KINDS

EVALUATION_SEED = 2018
IMAGES_PER_CLASS = 60


def scenes(images_per_class: int, seed: int) -> Iterator[tuple[str, Scene]]:
    """Yield (path below the folder, scene), class by class; each scene has a generator of its own."""
    for index, name in enumerate(KINDS):
        for number in range(images_per_class):
            yield f"{name}/{number + 1:04d}.png", scene(name, np.random.default_rng([seed, index, number]))


def draw(folder: str | Path, *, images_per_class: int = IMAGES_PER_CLASS, seed: int = EVALUATION_SEED) -> int:
    """Draw the image set into `folder` and return the number of pictures.

    Written are `CLASS/NUMBER.png`, `labels.csv` (file, label), `objects.csv` (file, label, x0, y0, x1, y1): the box of
    each thing that can be seen, in pixels, ends exclusive; and `rates.csv` (image, label, rate): for every picture and
    class the chance that an attentive person says the class is relevant. The same seed gives the same bytes.
    Raises ValueError when there is nothing to draw or the folder already holds something.
    """
    folder = Path(folder)
    if images_per_class < 1:
        raise ValueError(f"images_per_class must be at least 1, not {images_per_class}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: is not an empty folder")
    for name in KINDS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    labels, objects, rates = [], [], []
    for file, drawn in scenes(images_per_class, seed):
        Image.fromarray(drawn.picture).save(folder / file, compress_level=4)
        labels.append((file, drawn.truth))
        objects.extend((file, thing.name, *map(str, thing.box)) for thing in drawn.things if thing.box)
        known = {thing.name: thing.rate for thing in drawn.things}
        rates.extend((file, name, f"{known.get(name, ABSENT):.3f}") for name in KINDS)
    _write(folder / "labels.csv", ("file", "label"), labels)
    _write(folder / "objects.csv", ("file", "label", "x0", "y0", "x1", "y1"), objects)
    _write(folder / "rates.csv", ("image", "label", "rate"), rates)
    return len(labels)


def _write(file: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)

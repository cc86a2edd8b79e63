"""The 1,000 classes of ImageNet (ILSVRC 2012): WordNet ids and readable names, in the order of networks' outputs.

`imagenet_classes.csv` was made from two published lists: the ids are those of timm 1.0.31 (Apache-2.0,
`timm/data/_info/imagenet_synsets.txt`), the names those that torchvision 0.29 gives its weights (BSD-3-Clause).  The
order is that of the sorted ids.  Web processes read it too, so nothing here imports torch.
"""

import csv
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple


class ImageNetClass(NamedTuple):
    output: int
    wordnet_id: str
    name: str


@cache
def classes() -> tuple[ImageNetClass, ...]:
    """All 1,000, by output."""
    with (Path(__file__).parent / "imagenet_classes.csv").open(encoding="utf-8", newline="") as file:
        return tuple(ImageNetClass(i, row["wordnet_id"], row["name"]) for i, row in enumerate(csv.DictReader(file)))


def find(name: str) -> ImageNetClass | None:
    """The class with this WordNet id or readable name; None where there is none, or several.

    Names may have underscores for spaces and any case: `golden_retriever`.  The garment *cardigan* and the dog
    *Cardigan* are told apart by their case.
    """
    exact, loose = _by_name()
    return exact.get(name) or exact.get(name.replace("_", " ")) or loose.get(plain(name))


def plain(name: str) -> str:
    """A name as it is compared: without case, underscores and hyphens."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


@cache
def _by_name() -> tuple[dict[str, ImageNetClass], dict[str, ImageNetClass]]:
    exact = {name: one for one in classes() for name in (one.wordnet_id, one.name)}
    counts = Counter(plain(one.name) for one in classes())
    return exact, {plain(one.name): one for one in classes() if counts[plain(one.name)] == 1}

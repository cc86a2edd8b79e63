"""The usual other ways to prepare photographs, tried on some of a classifier's: which of them would it be right with?

Two hundred photographs, evenly over the classes; where they cannot tell, up to a thousand.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from explainers import computations
from studies.models import Classifier
from studies.preparation.class_outputs import class_outputs

from . import remembered

FIRST, LATER = 200, 1000
#: Between these gains of two hundred photographs more are asked about.
UNDECIDED = (-0.01, 0.08)
#: Resized and cropped, in pixels: ImageNet's, and the small networks'.
SIZES = ((256, 224), (64, 64), (32, 32))
AS_THEY_ARE = "as-they-are"
SIZE_KEYS = {AS_THEY_ARE, *(f"size-{crop}" for _, crop in SIZES)}
#: So many photographs show whether a network takes another size at all.
PROBES = 3


def ways(classifier: Classifier) -> list[dict[str, Any]]:
    """The other ways: key, title, resize, crop, mean, std and flipped of each.

    Sizes are tried for a network of one's own alone; the others come with theirs.
    """
    from explainers.preprocessings import usual

    own = {name: classifier.preprocessing[name] for name in ("resize", "crop", "mean", "std")}
    found = [
        own | {"key": way.key, "title": way.title, "mean": list(way.mean), "std": list(way.std), "flipped": way.flipped}
        for way in usual(own["mean"], own["std"])
    ]
    if "module" in classifier.source:
        found += [own | size | {"flipped": False} for size in _sizes(classifier)]
    return found


def run(classifier: Classifier, *, until: float) -> bool:
    """Compute what `outcomes` reads; False where the turn is over before."""
    for n in (FIRST, LATER):
        for way in ways(classifier):
            if n == LATER and not _undecided(classifier, way):
                continue
            recipes = _recipes(classifier, way, _sample(classifier, n))
            # A size that a network cannot take fails with every photograph: a few of them tell.
            for some in (recipes[:PROBES], recipes[PROBES:]) if way["key"] in SIZE_KEYS else (recipes,):
                if not remembered.compute("trial", some, until=until):
                    return False
                if not any(remembered.values(some)):
                    break
    return True


def outcomes(classifier: Classifier) -> list[dict[str, Any]]:
    """Of each way its key and title, how many photographs were tried, and on how many of them the classifier is right
    so (`right`) and as it was imported (`now`)."""
    found = []
    for way in ways(classifier):
        counted = _counted(classifier, way, FIRST)
        if _gains_little(counted):
            counted = _counted(classifier, way, LATER)
        if counted["images"]:
            found.append({"key": way["key"], "title": way["title"], **counted})
    return found


def _sizes(classifier: Classifier) -> Iterator[dict[str, Any]]:
    own = (classifier.preprocessing["resize"], classifier.preprocessing["crop"])
    sides = list(classifier.image_set.images.values_list("height", "width").distinct().order_by()[:2])
    if len(sides) == 1 and own != (None, None) and own[1] != min(sides[0]):
        height, width = sides[0]
        title = f"the photographs as they are, {width} × {height} pixels"
        yield {"key": AS_THEY_ARE, "title": title, "resize": None, "crop": None}
    # A side that photographs come out with already is no other size.
    now = own[1] or own[0] or (sides[0][0] if len(sides) == 1 else None)
    for resize, crop in SIZES:
        if (resize, crop) != own and crop != now:
            title = f"resized to {resize} and cropped to {crop} pixels"
            yield {"key": f"size-{crop}", "title": title, "resize": resize, "crop": crop}


def _sample(classifier: Classifier, n: int) -> list[tuple[str, int]]:
    """Digest and class of so many photographs, evenly in the order of classes and paths."""
    rows = list(classifier.image_set.images.order_by("label", "path").values_list("sha256", "label"))
    if not rows:
        return []
    return [rows[i] for i in sorted(set(np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(int)))]


def _recipes(classifier: Classifier, way: Mapping[str, Any], sample: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    kind = computations.get("trial")
    return [kind.recipe(sha256, classifier.digest, way) for sha256, _ in sample]


def _counted(classifier: Classifier, way: Mapping[str, Any], n: int) -> dict[str, int]:
    labels, sample = class_outputs(classifier).of_classes, _sample(classifier, n)
    prediction = computations.get("prediction")
    tried = remembered.values(_recipes(classifier, way, sample))
    now = remembered.values([prediction.recipe(sha256, labels[index], classifier.digest) for sha256, index in sample])
    both = [
        (labels[index], one["predicted"], other["top"][0][0])
        for (_, index), one, other in zip(sample, tried, now, strict=True)
        if one and other
    ]
    return {
        "images": len(both),
        "right": sum(label == predicted for label, predicted, _ in both),
        "now": sum(label == predicted for label, _, predicted in both),
    }


def _undecided(classifier: Classifier, way: Mapping[str, Any]) -> bool:
    return _gains_little(_counted(classifier, way, FIRST))


def _gains_little(counted: Mapping[str, int]) -> bool:
    low, high = UNDECIDED
    return bool(counted["images"]) and low < (counted["right"] - counted["now"]) / counted["images"] < high

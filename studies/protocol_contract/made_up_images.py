"""Made-up image sets and classifiers: rows and random pixels, so that a study can be made where no network is."""

from collections import Counter
from itertools import count
from typing import Any

import numpy as np

from explainers.images import encode_png
from studies.lib import storage
from studies.lib.canonical_json import digest
from studies.models import Classifier, ClassifierEvaluation, Image, ImageClass, ImageSet
from studies.protocols import Protocol

CLASSES = ("accordion", "saxophone", "grand_piano")
_numbers = count(1)


def make_picture(seed: int, side: int = 32) -> bytes:
    """A PNG of `side` by `side` random pixels."""
    return encode_png(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def make_image_set(name: str = "", *, classes: tuple[str, ...] = CLASSES, n_images: int = 12, side: int = 32):
    """An image set whose n-th image is of the n-th class, in turn."""
    image_set = ImageSet.objects.create(name=name or f"things-{next(_numbers)}")
    ImageClass.objects.bulk_create(
        ImageClass(image_set=image_set, index=i, name=label, title=label.replace("_", " "))
        for i, label in enumerate(classes)
    )
    rows = []
    for n in range(n_images):
        file = storage.store("images", make_picture(n, side), ".png")
        label = n % len(classes)
        path, sha256 = f"{classes[label]}/{n:03}.png", file.split("/")[-1].removesuffix(".png")
        rows.append(
            Image(image_set=image_set, label=label, path=path, sha256=sha256, file=file, width=side, height=side)
        )
    Image.objects.bulk_create(rows)
    return image_set


def make_classifier(image_set: ImageSet, name: str = "") -> Classifier:
    """A classifier as a row; nothing can be computed with it."""
    name = name or f"net-{next(_numbers)}"
    return Classifier.objects.create(
        name=name,
        image_set=image_set,
        source={"module": "classifiers/none.py", "factory": "none"},
        preprocessing={"resize": None, "crop": None, "mean": [0.0] * 3, "std": [1.0] * 3},
        state_digest=digest(name),
        digest=digest({"name": name}),
        n_outputs=image_set.classes.count(),
    )


#: What a classifier is called that is made beside another and is wrong about other images.
OTHERWISE = "-otherwise"


def takes_several(protocol: Protocol) -> bool:
    """Whether a design names one classifier, or several instead."""
    return {"classifier", "classifiers"} <= set(protocol.form_class.base_fields)


def about(protocol: Protocol, classifier: str, *, several: bool = False) -> dict[str, Any]:
    """What a design says of classifiers: the one; of protocols that compare two also one that is made beside it.

    several: of protocols that take one or several, one that is wrong about other images beside it.
    """
    if "classifiers" not in protocol.form_class.base_fields:
        return {"classifier": classifier}
    if several:
        return {"classifier": "", "classifiers": [classifier, _beside(classifier, OTHERWISE)]}
    if takes_several(protocol):
        return {"classifier": classifier, "classifiers": []}
    return {"classifiers": [classifier, _beside(classifier, "-second")]}


def _beside(classifier: str, suffix: str) -> str:
    name = f"{classifier}{suffix}"
    if not Classifier.objects.filter(name=name).exists():
        without_doubts(make_classifier(Classifier.objects.get(name=classifier).image_set, name))
    return name


def without_doubts(classifier: Classifier) -> Classifier:
    """The classifier, evaluated so that a study of it opens without asking."""
    n = classifier.image_set.images.count()
    counts = {"images": n, "failed": 0, "failures": [], "right": n, "among_five": n, "inside": n}
    shares = {"accuracy": 1.0 if n else None, "low": 0.9, "high": 1.0}
    pairs = [
        [label, label, n] for label, n in Counter(classifier.image_set.images.values_list("label", flat=True)).items()
    ]
    found = {"pairs": sorted(pairs), "trials": [], "best_order": None, "doubts": []}
    result = {"state": ClassifierEvaluation.State.DONE, "result": {**counts, **shares, **found}}
    ClassifierEvaluation.objects.update_or_create(classifier=classifier, defaults=result)
    return classifier

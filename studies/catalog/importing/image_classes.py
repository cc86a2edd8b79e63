"""The classes of a new image set, their order, numbers and titles; and writing the set down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from studies import audit
from studies.audit import About, What
from studies.catalog import imagenet
from studies.lib.errors import StudyError
from studies.models import Image, ImageClass, ImageObject, ImageSet

from .annotations import NewObject
from .photographs import Examined, Settled, final_paths

#: A box as a row has it.
EDGES = ("x0", "y0", "x1", "y1")

#: How classes get their titles: as ImageNet's where all folders are its WordNet ids; as the folders; as ImageNet's.
AUTOMATIC, FOLDERS, IMAGENET = "automatic", "folders", "imagenet"
CLASS_NAMES = {
    AUTOMATIC: "ImageNet’s names where every class is one of its WordNet ids, else the classes’ own",
    FOLDERS: "the classes’ own names",
    IMAGENET: "ImageNet’s names, by WordNet id or name",
}


@dataclass(frozen=True)
class NewClass:
    name: str
    title: str
    #: The output that the image set itself names.
    output: int | None
    wordnet_id: str


def order_classes(outputs: Mapping[str, int | None], class_names: str = AUTOMATIC) -> list[NewClass]:
    """The classes in their order: by number where they have numbers, else by name.

    outputs: the number of each class in labels.csv, or None.  Classes that are all called by whole numbers are these
    outputs.  StudyError for classes that should be ImageNet's and are not.
    """
    labels = sorted(outputs)
    numbers = dict(outputs)
    if all(number is None for number in numbers.values()) and all(map(is_number, labels)):
        numbers = {label: int(label) for label in labels}
    if all(number is not None for number in numbers.values()):
        labels.sort(key=lambda label: numbers[label])
    known = {label: found for label in labels if (found := imagenet.find(label))}
    by_id = {label for label, one in known.items() if one.wordnet_id == label}
    if class_names == IMAGENET:
        _check_imagenet(labels, known)
    readable = class_names == IMAGENET or (class_names == AUTOMATIC and by_id == set(labels))
    return [
        NewClass(
            name=label,
            title=known[label].name if readable else label.replace("_", " "),
            output=numbers[label],
            wordnet_id=known[label].wordnet_id if readable or label in by_id else "",
        )
        for label in labels
    ]


def is_number(label: str) -> bool:
    return label.isascii() and label.isdecimal() and len(label) < 10


def classes_of(settled: Settled, class_names: str = AUTOMATIC) -> list[NewClass]:
    """Those of the accepted photographs."""
    return order_classes({one.label: one.output for one in settled.accepted}, class_names)


def write(
    name: str,
    settled: Settled,
    *,
    class_names: str = AUTOMATIC,
    objects: Sequence[NewObject] = (),
    who: str = "",
    **details: Any,
) -> ImageSet:
    """The image set of the accepted photographs and their objects, in one transaction with its first line of log."""
    classes, paths = classes_of(settled, class_names), final_paths(settled)
    index = {one.name: i for i, one in enumerate(classes)}
    with transaction.atomic():
        image_set = ImageSet.objects.create(name=name)
        ImageClass.objects.bulk_create(
            ImageClass(
                image_set=image_set,
                index=i,
                name=one.name,
                title=one.title,
                output=one.output,
                wordnet_id=one.wordnet_id,
            )
            for i, one in enumerate(classes)
        )
        rows = (_row(image_set, one, index[one.label], paths[one.path]) for one in settled.accepted)
        Image.objects.bulk_create(rows, batch_size=1000)
        counts = {"images": len(settled.accepted), "classes": len(classes)}
        if objects:
            _write_objects(image_set, objects, paths)
            counts["objects"] = len(objects)
        audit.record_of_catalogue(About.IMAGES, name, What.IMPORTED, who=who, **counts, **details)
    return image_set


def _row(image_set: ImageSet, one: Examined, label: int, path: str) -> Image:
    size = {"width": one.width, "height": one.height}
    return Image(image_set=image_set, label=label, path=path, sha256=one.sha256, file=one.file, **size)


def _write_objects(image_set: ImageSet, objects: Sequence[NewObject], paths: Mapping[str, str]) -> None:
    ids = dict(image_set.images.values_list("path", "pk"))
    rows = (
        ImageObject(image_id=ids[paths[one.path]], label=one.label, **dict(zip(EDGES, one.box, strict=True)))
        for one in objects
    )
    ImageObject.objects.bulk_create(rows, batch_size=1000)


def _check_imagenet(labels: Sequence[str], known: Mapping[str, imagenet.ImageNetClass]) -> None:
    if strange := [label for label in labels if label not in known]:
        more = f" and {len(strange) - 5:,} more" if len(strange) > 5 else ""
        raise StudyError(
            f"class names of ImageNet: {', '.join(strange[:5])}{more} {'is' if len(strange) == 1 else 'are'} not among "
            "its 1,000 WordNet ids and names"
        )
    seen: dict[str, str] = {}
    for label in labels:
        wordnet_id = known[label].wordnet_id
        if wordnet_id in seen:
            raise StudyError(f"class names of ImageNet: {seen[wordnet_id]} and {label} are both {wordnet_id}")
        seen[wordnet_id] = label

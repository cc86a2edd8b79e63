"""Annotated objects as a classifier sees them: in pixels of its own picture, after resizing and cropping."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from explainers import boxes
from explainers.boxes import Box
from studies.models import Image, ImageObject

WINDOW = 500


class SeenObject(NamedTuple):
    """An object in *the image*: the index of its class, and its box in pixels of that picture, ends exclusive."""

    label: int
    box: Box


class SeenObjects(NamedTuple):
    """By the SHA-256 of photographs, the objects of each that are seen; and how many are cropped away in all."""

    by_image: dict[str, list[SeenObject]]
    cropped_away: int


def seen_objects(images: Iterable[Image], preprocessing: Mapping[str, Any]) -> SeenObjects:
    """What of these photographs' objects is in the picture that `preprocessing` (resize, crop) makes of each."""
    rows = {image.pk: image for image in images}
    found: dict[str, list[SeenObject]] = {image.sha256: [] for image in rows.values()}
    cropped_away = 0
    ids = list(rows)
    for start in range(0, len(ids), WINDOW):
        for one in ImageObject.objects.filter(image__in=ids[start : start + WINDOW]).order_by("image", "pk"):
            image = rows[one.image_id]
            box = seen_box(one, image, preprocessing)
            if box is None:
                cropped_away += 1
            else:
                found[image.sha256].append(SeenObject(one.label, box))
    return SeenObjects(found, cropped_away)


def seen_box(one: ImageObject, image: Image, preprocessing: Mapping[str, Any]) -> Box | None:
    """The object's box in the picture of its photograph; None where it is cropped away."""
    size = (image.width, image.height)
    return boxes.in_image(one.box, size, resize=preprocessing["resize"], crop=preprocessing["crop"])


def seen_size(image: Image, preprocessing: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height of the picture that `preprocessing` makes of a photograph, without decoding it."""
    if crop := preprocessing["crop"]:
        return crop, crop
    short, long = sorted((image.width, image.height))
    if (resize := preprocessing["resize"]) is None or resize == short:
        return image.width, image.height
    longer = int(resize * long / short)
    return (resize, longer) if image.width <= image.height else (longer, resize)

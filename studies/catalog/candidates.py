"""Photographs that a design may name, a page at a time: all of them, or those with one right answer."""

from dataclasses import dataclass

from django.db.models import F

from explainers import computations
from studies.models import Classifier, Image, ImageObject
from studies.preparation.class_outputs import class_outputs

from . import remembered

PAGE = 48
#: At most so many photographs are gone through for one page; the next page goes on from there.
WINDOW, WINDOWS = 480, 10


@dataclass(frozen=True)
class Candidates:
    """photographs: of this page.  next: where the next page begins, None after the last.  unknown: how many of them
    the classifier was not evaluated on."""

    photographs: list[Image]
    next: int | None
    unknown: int


def candidates(classifier: Classifier, *, label: int | None, clear: float | None, start: int = 0) -> Candidates:
    """Photographs of the classifier's image set in the order of their paths, of one class or of all.

    clear: those alone without an annotated object of another class, whose class the classifier names first and gives
    at least this probability, as far as its predictions are remembered.
    """
    rows = classifier.image_set.images.order_by("label", "path")
    if label is not None:
        rows = rows.filter(label=label)
    if clear is None:
        page = list(rows[start : start + PAGE + 1])
        return Candidates(page[:PAGE], start + PAGE if len(page) > PAGE else None, 0)
    others = ImageObject.objects.filter(image__image_set=classifier.image_set_id).exclude(label=F("image__label"))
    rows = rows.exclude(pk__in=others.values("image"))
    kind, outputs = computations.get("prediction"), class_outputs(classifier).of_classes
    found: list[Image] = []
    unknown, at = 0, start
    for _ in range(WINDOWS):
        window = list(rows[at : at + WINDOW])
        recipes = [kind.recipe(row.sha256, outputs[row.label], classifier.digest) for row in window]
        for row, recipe, value in zip(window, recipes, remembered.values(recipes), strict=True):
            at += 1
            if value is None:
                unknown += 1
            elif value["top"][0][0] != recipe["label"] or value["true_probability"] < clear:
                continue
            found.append(row)
            if len(found) == PAGE:
                return Candidates(found, at, unknown)
        if len(window) < WINDOW:
            return Candidates(found, None, unknown)
    return Candidates(found, at, unknown)

"""Where a stored file came from: the artifacts it was made by, back to the photographs."""

from collections.abc import Iterable, Iterator
from typing import Any

from explainers import computations
from studies.lib.canonical_json import digest
from studies.models import Artifact, Classifier, Image, Study
from studies.protocols import classifiers_of

from .class_outputs import class_outputs

#: What artifacts call a picture that people see.
PICTURE = "picture"
#: A file is made of files, and those of others; nothing here is made in more steps.
DEEPEST = 6


def made_by(study: Study, pictures: Iterable[str]) -> list[Artifact]:
    """The artifacts that a study's pictures came from, the latest step first; each once.

    Pictures with the same content have one name: then all that made it are told.
    """
    found: dict[int, Artifact] = {}
    names, images = set(pictures), set()
    for _step in range(DEEPEST):
        if not names:
            break
        rows = Artifact.objects.filter(studies=study, **{f"files__{PICTURE}__in": sorted(names)}).order_by("-pk")
        new = [row for row in rows if row.pk not in found]
        found |= {row.pk: row for row in new}
        images |= {row.recipe["image"] for row in new if "image" in row.recipe}
        names = {file for row in new for file in _files(row.recipe)}
    return [*found.values(), *_predictions(study, images)]


def _predictions(study: Study, images: set[str]) -> Iterator[Artifact]:
    """What the classifier said of the photographs, without which none of these would be shown."""
    classifier = Classifier.objects.filter(name=classifiers_of(study.design)[0]).first()
    if classifier is None:
        return iter(())
    rows = Image.objects.filter(image_set=classifier.image_set_id, sha256__in=images).values_list("sha256", "label")
    kind, labels = computations.get("prediction"), class_outputs(classifier).of_classes
    digests = [digest(kind.recipe(image, labels[index], classifier.digest)) for image, index in rows]
    return iter(Artifact.objects.filter(studies=study, digest__in=digests).order_by("-pk"))


def _files(recipe: Any) -> Iterator[str]:
    """The stored files that a recipe names."""
    if isinstance(recipe, dict):
        for value in recipe.values():
            yield from _files(value)
    elif isinstance(recipe, str) and recipe.startswith("artifacts/"):
        yield recipe

"""study.json: what another installation needs to make the same study again, beside the photographs and networks.

`studies.repeating.folder` reads it.  Words of classes are those that the study was prepared with, whatever the catalog
says today.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from studies.lib.canonical_json import canonical, digest
from studies.models import Classifier, Event, ImageSet, Study
from studies.protocols import classifiers_of
from studies.results.frames import Row

from .versions import quorum

NAME, FORMAT, FORMAT_VERSION = "study.json", "quorum-study", 1


def content(study: Study) -> dict[str, Any]:
    """The design and every text, the image sets with the words of their classes, and the classifiers."""
    rows = classifiers(study)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "quorum": quorum(),
        "study": study.slug,
        "title": study.title,
        "protocol": study.protocol,
        "protocol_version": study.protocol_version,
        "design": study.design,
        "consent_text": study.consent_text,
        "consent_details": study.consent_details,
        "consents": [
            {"version": one.version, "language": one.language, "text": one.text, "sha256": one.sha256}
            for one in study.consents.order_by("version", "language")
        ],
        "design_sha256": study.design_sha256,
        "stimuli_sha256": (study.frozen or {}).get("stimuli_sha256"),
        "image_sets": [image_set(row, study) for row in image_sets(rows)],
        "classifiers": [classifier(row) for row in rows],
        "missing_classifiers": sorted(set(classifiers_of(study.design)) - {row.name for row in rows}),
    }


def classifiers(study: Study) -> list[Classifier]:
    """The classifiers of a design that are still there, in its order."""
    known = Classifier.objects.select_related("image_set").in_bulk(classifiers_of(study.design), field_name="name")
    return [known[name] for name in classifiers_of(study.design) if name in known]


def image_sets(rows: Sequence[Classifier]) -> list[ImageSet]:
    """The image sets of these classifiers, each once."""
    return list({row.image_set_id: row.image_set for row in rows}.values())


def classifier(row: Classifier) -> dict[str, Any]:
    """Source, weights, preprocessing and which output is which class."""
    return {
        "name": row.name,
        "image_set": row.image_set.name,
        "digest": row.digest,
        "weights_sha256": row.state_digest,
        "source": row.source,
        "preprocessing": row.preprocessing,
        "outputs": row.n_outputs,
        "class_mapping": row.class_mapping,
        "checks": row.checks,
        "expected_accuracy": row.expected_accuracy,
    }


def image_set(row: ImageSet, study: Study) -> dict[str, Any]:
    """Its classes in their order, with their words as the study was prepared with them, and a digest of its images."""
    words = _words(row, study)
    return {
        "name": row.name,
        "photographs": row.images.count(),
        "photographs_sha256": photographs_sha256(row),
        "classes": [
            {"name": one.name, "output": one.output, "wordnet_id": one.wordnet_id, **words[one.name]}
            for one in row.classes.order_by("index")
        ],
    }


def photographs_sha256(row: ImageSet) -> str:
    """Of the canonical JSON of the list of digests, one a photograph by path: path, class, SHA-256 and its objects."""
    return digest([digest([path, name, sha, objects]) for _set, path, name, sha, _w, _h, objects in photographs([row])])


def photographs(sets: Sequence[ImageSet]) -> Iterator[Row]:
    """One row for each photograph of these image sets, by path."""
    for row in sets:
        names = dict(row.classes.values_list("index", "name"))
        objects: dict[int, list[Any]] = {}
        boxes = row.images.filter(annotated_objects__isnull=False).order_by("annotated_objects")
        named = ("pk", *(f"annotated_objects__{name}" for name in ("label", "x0", "y0", "x1", "y1")))
        for image, label, *box in boxes.values_list(*named).iterator(chunk_size=2000):
            objects.setdefault(image, []).append([names.get(label, label), *box])
        columns = ("pk", "path", "label", "sha256", "width", "height")
        for pk, path, label, sha256, width, height in (
            row.images.order_by("path").values_list(*columns).iterator(chunk_size=2000)
        ):
            annotated = sorted(objects.get(pk, []), key=canonical)
            yield row.name, path, names.get(label, str(label)), sha256, width, height, annotated


def _words(row: ImageSet, study: Study) -> dict[str, dict[str, Any]]:
    """Title, gloss and example of each class, with what was changed after the study was prepared taken back."""
    classes = row.classes.select_related("example").order_by("index")
    words = {
        one.name: {"title": one.title, "gloss": one.gloss, "example": one.example.path if one.example else None}
        for one in classes
    }
    if study.prepared_at:
        about = {"about": Event.About.IMAGES, "slug": row.name, "what": Event.What.WORDS}
        for event in Event.objects.filter(**about, at__gt=study.prepared_at).order_by("-at", "-pk"):
            for changed, (before, _after) in event.details.get("changes", {}).items():
                name, _comma, what = changed.rpartition(", ")
                if name in words and what in words[name]:
                    words[name][what] = before
    return words

"""What participants read of a class: its title, a gloss, an example image.

A study keeps the words it was prepared with, and opening freezes them with its stimuli.  So words change only for
studies that are prepared afterwards, and what is ready has to be prepared again.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from studies import audit
from studies.audit import About, What
from studies.lib.errors import StudyError
from studies.models import ImageClass, ImageSet, Study

State = Study.State


def change_words(
    image_set: ImageSet, words: Mapping[int, Mapping[str, Any]], *, actor: AbstractBaseUser | None = None
) -> list[Study]:
    """Change title, gloss or example (an image of the class, or None) of classes, by their index.

    Returns the studies that were ready and are drafts again.  StudyError while a study is prepared with the words.
    """
    with transaction.atomic():
        studies = Study.objects.select_for_update().filter(
            design__classifier__in=list(image_set.classifiers.values_list("name", flat=True))
        )
        rows = image_set.classes.select_related("example").filter(index__in=words)
        changes = {row: found for row in rows if (found := _changes(row, words[row.index]))}
        if not changes:
            return []
        if studies.filter(state=State.PREPARING).exists():
            # Not which: whoever changes words need not see it.
            raise StudyError("a study is being prepared with these words: wait until it is done or cancelled")
        changed = list(changes)
        ImageClass.objects.bulk_update(changed, ["title", "gloss", "example"])
        ready = list(studies.filter(state=State.READY))
        problem = "the words for its classes changed: prepare it again"
        Study.objects.filter(pk__in=[study.pk for study in ready], state=State.READY).update(
            state=State.DRAFT, problem=problem
        )
        told = {f"{row.name}, {name}": pair for row, found in changes.items() for name, pair in found.items()}
        audit.record_of_catalogue(About.IMAGES, image_set.name, What.WORDS, actor, changes=told)
        for study in ready:
            audit.record(study, What.WORDS, actor, image_set=image_set.name)
        return ready


def _changes(row: ImageClass, words: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What becomes different in the row, before and after."""
    before = _read(row)
    for name, value in words.items():
        setattr(row, name, value)
    if not row.title.strip():
        raise StudyError(f"class {row.name}: participants need something to read")
    if row.example and (row.example.image_set_id, row.example.label) != (row.image_set_id, row.index):
        raise StudyError(f"class {row.name}: the example must be an image of the class")
    return audit.differences(before, _read(row))


def _read(row: ImageClass) -> dict[str, Any]:
    return {"title": row.title, "gloss": row.gloss, "example": row.example.path if row.example else None}

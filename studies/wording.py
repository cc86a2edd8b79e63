"""What participants read of a class: its title, a gloss, an example image.

A study keeps the words it was prepared with, and opening freezes them with its stimuli.  So words change only for
studies that are prepared afterwards, and what is ready has to be prepared again.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from studies.errors import StudyError
from studies.models import ImageClass, ImageSet, Study

State = Study.State


def change_words(image_set: ImageSet, words: Mapping[int, Mapping[str, Any]]) -> list[Study]:
    """Change title, gloss or example (an image of the class, or None) of classes, by their index.

    Returns the studies that were ready and are drafts again.  StudyError while a study is prepared with the words.
    """
    with transaction.atomic():
        studies = Study.objects.select_for_update().filter(
            design__classifier__in=list(image_set.classifiers.values_list("name", flat=True))
        )
        changed = [row for row in image_set.classes.filter(index__in=words) if _changes(row, words[row.index])]
        if not changed:
            return []
        if busy := studies.filter(state=State.PREPARING).first():
            raise StudyError(f"study {busy.slug} is being prepared with these words: wait, or call it off")
        ImageClass.objects.bulk_update(changed, ["title", "gloss", "example"])
        ready = list(studies.filter(state=State.READY))
        problem = "the words for its classes changed: prepare it again"
        Study.objects.filter(pk__in=[study.pk for study in ready], state=State.READY).update(
            state=State.DRAFT, problem=problem
        )
        return ready


def _changes(row: ImageClass, words: Mapping[str, Any]) -> bool:
    before = (row.title, row.gloss, row.example_id)
    for name, value in words.items():
        setattr(row, name, value)
    if not row.title.strip():
        raise StudyError(f"class {row.name}: participants need something to read")
    if row.example and (row.example.image_set_id, row.example.label) != (row.image_set_id, row.index):
        raise StudyError(f"class {row.name}: the example must be an image of the class")
    return (row.title, row.gloss, row.example_id) != before

"""Counting which images fulfil a design's rules, before it is prepared: by a command here, or by a worker."""

import logging
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from studies import protocols
from studies.jobs import queue
from studies.lib.canonical_json import digest
from studies.lib.errors import StudyError
from studies.models import Study
from studies.protocols import DesignError, Table

from .bench import Bench
from .executors import Progress

log = logging.getLogger(__name__)

#: So many images of a class are attacked, unless told otherwise.
SAMPLED = 10
NONE = "this kind of study chooses no images by a rule, so that there is nothing to count"


def count(study: Study, *, sampled: int = SAMPLED, progress: Progress | None = None) -> list[Table]:
    """Count, keep what came of it with the study, and return it.  StudyError where the design cannot be counted.

    Predictions and attacks are remembered: preparing, and counting again, start from these.
    """
    try:
        found = protocols.get(study.protocol).selection_counts(study.design, Bench(progress=progress), sampled)
        if not found:
            raise StudyError(NONE)
    except (StudyError, DesignError) as error:
        _keep(study, problem=str(error))
        raise
    _keep(study, tables=[asdict(table) for table in found], sampled=sampled)
    return found


def enqueue(study: Study) -> None:
    """Have a worker count.  Asked for twice, it is counted twice, the second time from what is remembered."""
    _keep(study, asked_at=timezone.now().isoformat())
    if not queue.send("studies.tasks.count_selectable", study.pk, queue.NETWORKS):
        _keep(study, problem="the queue cannot be reached: try again, or use manage.py count_selectable")


def count_for_page(study_id: int) -> None:
    """A worker's turn; a study that is gone meanwhile is not counted."""
    if study := Study.objects.filter(pk=study_id).first():
        try:
            count(study)
        except (StudyError, DesignError) as error:
            log.warning("study %s: not counted: %s", study.slug, error)


def counted(study: Study) -> dict[str, Any]:
    """What was counted last: `tables`, `problem` or `asked_at`, and whether it is `stale`; {} where nothing was."""
    if not study.selection_counts:
        return {}
    return {**study.selection_counts, "stale": study.selection_counts["design"] != digest(study.design)}


def _keep(study: Study, **found: Any) -> None:
    study.selection_counts = {"design": digest(study.design), **found}
    Study.objects.filter(pk=study.pk).update(selection_counts=study.selection_counts)

"""What workers do when the bell rings: compute a chunk, and sweep up what was lost."""

import logging
import time
from collections.abc import Sequence

from django.db.models import Exists, OuterRef

from studies.jobs import leases, queue
from studies.jobs.time_limit import OUTAGES
from studies.lib.errors import one_line
from studies.models import Artifact, Study

from . import chunks, execution

log = logging.getLogger(__name__)

State = Artifact.State

#: A chunk hands back what it has not begun by then, so that with its last batch it takes two minutes at most.
DEADLINE_SECONDS = 90


def compute(ids: Sequence[int]) -> None:
    """Work off a chunk; then ring for what it did not get to, and for the studies that were waiting for it."""
    try:
        rest = execution.compute_pending(ids, until=time.monotonic() + DEADLINE_SECONDS)
    except OUTAGES as error:
        _tell(ids, error)
        raise
    for kind in Artifact.objects.filter(pk__in=rest).values_list("kind", flat=True).order_by().distinct():
        left = Artifact.objects.filter(pk__in=rest, kind=kind).order_by("pk").values_list("pk", flat=True)
        chunks.enqueue_artifacts(kind, list(left))
    if not rest:
        for study_id in _complete_studies().filter(artifacts__in=ids).values_list("pk", flat=True).distinct():
            queue.enqueue_study(study_id)


def sweep() -> None:
    """Ring again for what is wanted, free, and in no queue: whatever was lost, it goes on from here.

    A queue in which messages wait has lost nothing that will not be missed when it is empty.
    """
    if released := execution.reclaim_from_dead_processes():
        log.warning("took over %d artifacts from processes that are gone", released)
    if buried := execution.fail_exhausted():
        log.warning("gave up on %d artifacts that ended their workers", buried)
    wanted = Artifact.objects.filter(execution.free(), execution.wanted())
    for kind in wanted.values_list("kind", flat=True).order_by().distinct():
        if queue.waiting(chunks.queue_of(kind)) == 0:
            ids = list(wanted.filter(kind=kind).order_by("pk").values_list("pk", flat=True))
            log.info("ringing again for %d artifacts (%s)", len(ids), kind)
            chunks.enqueue_artifacts(kind, ids)
    complete = list(_complete_studies().values_list("pk", flat=True))
    if complete and queue.waiting(queue.DEFAULT) == 0:
        for study_id in complete:
            queue.enqueue_study(study_id)


def _complete_studies():
    """Studies in preparation that wait for no artifact: it is their protocol's turn."""
    links = Study.artifacts.through.objects.filter(study=OuterRef("pk"))
    undone = links.filter(artifact__state__in=[State.PENDING, State.RUNNING])
    return Study.objects.filter(~Exists(undone), state=Study.State.PREPARING).order_by()


def _tell(ids: Sequence[int], error: BaseException) -> None:
    """Say on the study's page why nothing moves."""
    reason = one_line(error)
    waiting = Study.objects.filter(state=Study.State.PREPARING, artifacts__in=ids)
    try:
        Study.objects.filter(pk__in=list(waiting.values_list("pk", flat=True).distinct())).update(
            problem=leases.INTERRUPTED.format(reason)
        )
    except OUTAGES:
        log.warning("could not say so: %s", reason)

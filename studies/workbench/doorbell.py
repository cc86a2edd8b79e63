"""Ringing for workers.  The queue carries ids and may lose, repeat or delay them: the rows are the truth.

Whatever is not rung for, because the queue was down or was emptied, the sweeper rings for later.
"""

import logging
from collections.abc import Iterable, Sequence
from itertools import islice

from celery import current_app
from django.db.models import Avg
from kombu.exceptions import KombuError

from studies.models import Artifact

from . import kinds

log = logging.getLogger(__name__)

DEFAULT, NETWORKS = "default", "gpu"
QUEUES = (DEFAULT, NETWORKS)
#: What a worker is given at once: about a minute's work, and never more than this many artifacts.
CHUNK_SECONDS = 60
LARGEST_CHUNK = 500


def ring_for_artifacts(kind: str, ids: Sequence[int]) -> bool:
    """Hand out artifacts of one kind in chunks; False where the queue cannot be reached."""
    size = chunk_size(kind)
    rest = iter(ids)
    while chunk := list(islice(rest, size)):
        if not _send("studies.tasks.compute", chunk, queue_of(kind)):
            return False
    return True


def ring_for_study(study_id: int) -> bool:
    """Have a study's preparation replayed; False where the queue cannot be reached."""
    return _send("studies.tasks.prepare", study_id, DEFAULT)


def ring_for_import(run_id: int, queue: str) -> bool:
    """Have a worker go on with an import; False where the queue cannot be reached."""
    return _send("studies.tasks.bring_in", run_id, queue)


def ring_for_check(check_id: int) -> bool:
    """Have a worker go on with looking at a classifier; False where the queue cannot be reached."""
    return _send("studies.tasks.check", check_id, NETWORKS)


def ring_for_tally(tally_id: int) -> bool:
    """Have a worker count the answers of a study; False where the queue cannot be reached."""
    return _send("studies.tasks.tally", tally_id, DEFAULT)


def queue_of(kind: str) -> str:
    return kinds.get(kind).queue


def chunk_size(kind: str) -> int:
    """How many artifacts of a kind make a chunk, by the time that the latest ones took: whole batches of it."""
    latest = Artifact.objects.filter(kind=kind, state=Artifact.State.DONE).order_by("-pk")[:200]
    seconds = latest.aggregate(mean=Avg("seconds"))["mean"]
    batch = kinds.get(kind).batch
    if not seconds:
        return batch
    return max(1, min(int(CHUNK_SECONDS / seconds), LARGEST_CHUNK) // batch) * batch


def waiting(queue: str) -> int | None:
    """How many messages wait in a queue; None where it cannot be reached."""
    try:
        with current_app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
            channel = connection.channel()
            return channel.queue_declare(queue, durable=True, auto_delete=False).message_count
    except (KombuError, OSError, *current_app.connection_for_read().connection_errors) as error:
        log.warning("the queue cannot be reached: %s", error)
        return None


def _send(task: str, argument: int | Iterable[int], queue: str) -> bool:
    try:
        current_app.send_task(task, [argument], queue=queue)
    except (KombuError, OSError) as error:
        log.warning("the queue cannot be reached (%s); the sweeper rings when it is back", error)
        return False
    return True

"""Chunks of artifacts, as messages hand them to workers: about a minute's work each."""

from collections.abc import Sequence
from itertools import islice

from django.db.models import Avg

from explainers import computations
from studies.jobs import queue
from studies.models import Artifact

#: What a worker is given at once: about a minute's work, and never more than this many artifacts.
CHUNK_SECONDS = 60
LARGEST_CHUNK = 500


def enqueue_artifacts(kind: str, ids: Sequence[int]) -> bool:
    """Hand out artifacts of one kind in chunks; False where the queue cannot be reached."""
    size = chunk_size(kind)
    rest = iter(ids)
    while chunk := list(islice(rest, size)):
        if not queue.send("studies.tasks.compute", chunk, queue_of(kind)):
            return False
    return True


def queue_of(kind: str) -> str:
    return computations.get(kind).queue


def chunk_size(kind: str) -> int:
    """How many artifacts of a kind make a chunk, by the time that the latest ones took: whole batches of it."""
    latest = Artifact.objects.filter(kind=kind, state=Artifact.State.DONE).order_by("-pk")[:200]
    seconds = latest.aggregate(mean=Avg("seconds"))["mean"]
    batch = computations.get(kind).batch
    if not seconds:
        return batch
    return max(1, min(int(CHUNK_SECONDS / seconds), LARGEST_CHUNK) // batch) * batch

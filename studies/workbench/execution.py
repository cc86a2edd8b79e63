"""Computing artifacts: claim, compute, write, mark; in that order, so that any of it may be repeated."""

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.db.models import F, Q
from django.utils import timezone

from studies import storage
from studies.models import Artifact

from . import kinds

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)


def claim(ids: Sequence[int], worker: str) -> list[Artifact]:
    """Take those of the artifacts that nobody is computing; attempts are counted before, not after, the work."""
    now = timezone.now()
    free = Q(state=Artifact.State.PENDING) | Q(state=Artifact.State.RUNNING, leased_until__lt=now)
    # One statement, so that of two workers who are given the same ids each artifact goes to one.
    claim = {"state": Artifact.State.RUNNING, "worker": worker, "leased_until": now + LEASE}
    Artifact.objects.filter(free, pk__in=ids).update(attempts=F("attempts") + 1, **claim)
    return list(Artifact.objects.filter(pk__in=ids, **claim).order_by("pk"))


def run(ids: Sequence[int], *, progress: Callable[[int], None] | None = None) -> None:
    """Compute the artifacts with these ids, all of one kind; an outcome for one never depends on another's failure."""
    worker = f"{socket.gethostname()}:{os.getpid()}"
    chunk = kinds.get(Artifact.objects.values_list("kind", flat=True).get(pk=ids[0])).chunk if ids else 1
    for start in range(0, len(ids), chunk):
        _run_chunk(claim(ids[start : start + chunk], worker))
        if progress:
            progress(len(ids[start : start + chunk]))


def _run_chunk(artifacts: Sequence[Artifact]) -> None:
    if not artifacts:
        return
    started = time.monotonic()
    kind = kinds.get(artifacts[0].kind)
    try:
        outcomes = list(kind.compute([artifact.recipe for artifact in artifacts]))
    except BaseException:
        # An interrupted chunk goes back at once; one that kills its process is found by its lease.
        Artifact.objects.filter(pk__in=[a.pk for a in artifacts]).update(state=Artifact.State.PENDING)
        raise
    seconds = (time.monotonic() - started) / len(artifacts)
    for artifact, outcome in zip(artifacts, outcomes, strict=True):
        artifact.seconds, artifact.leased_until, artifact.finished_at = seconds, None, timezone.now()
        if isinstance(outcome, kinds.Failure):
            artifact.state, artifact.error = Artifact.State.FAILED, outcome.reason
            log.warning("artifact %s failed: %s", artifact.digest[:12], outcome.reason)
        else:
            artifact.state, artifact.error, artifact.value = Artifact.State.DONE, "", outcome.value
            if outcome.content:
                artifact.file = storage.store("artifacts", outcome.content, outcome.suffix)
    Artifact.objects.bulk_update(
        artifacts, ["state", "error", "value", "file", "seconds", "leased_until", "finished_at"]
    )

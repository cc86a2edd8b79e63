"""Computing artifacts: claim, compute, write, mark; in that order, so that any of it may be repeated.

A worker claims a batch by compare-and-set under a lease.  The attempt is counted before the work, so that an image that
kills its worker is found out: whatever was tried before is tried alone, so that of MAX_ATTEMPTS all but the first are,
and no image is given up for another's sake.  Times are the database's, so that a worker whose clock is wrong does no
harm.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import DatabaseError
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from explainers import computations
from studies.jobs import leases
from studies.jobs.leases import LEASE
from studies.jobs.time_limit import OUTAGES, time_limit
from studies.lib import storage
from studies.lib.database import retry_while_database_is_down
from studies.lib.errors import StudyError
from studies.models import Artifact, Study

log = logging.getLogger(__name__)

State = Artifact.State


class Stopped(StudyError):
    """The work was cancelled."""


@dataclass(frozen=True)
class PendingArtifact:
    """An artifact to be computed."""

    pk: int
    digest: str
    kind: str
    recipe: dict[str, Any]
    attempts: int


def wanted() -> Exists:
    """Of an artifact: a study that is being prepared asks for it."""
    links = Study.artifacts.through.objects.filter(artifact=OuterRef("pk"))
    return Exists(links.filter(study__state=Study.State.PREPARING))


def free() -> Q:
    """Nobody is computing it, or nobody is any longer."""
    return Q(state__in=Artifact.TO_DO) & leases.free()


def compute_pending(
    ids: Sequence[int],
    *,
    only_wanted: bool = True,
    progress: Callable[[int], None] | None = None,
    until: float = float("inf"),
) -> list[int]:
    """Compute those of the artifacts that nobody else computes; an outcome never depends on another's failure.

    only_wanted: pass over what no study in preparation asks for: a study that is cancelled stops its workers here.
    until: begin no batch after this time of `time.monotonic()`.  Returns the ids it did not get to for that reason.
    Raises one of OUTAGES where results cannot be computed or kept for now; what was begun is given back.
    """
    pace: dict[tuple[str, str], float] = {}
    batches = _batches(ids, pace)
    upcoming = next(batches, None)
    loading = _begin(upcoming) if upcoming else None
    while upcoming:
        batch, loaded = upcoming, loading
        if time.monotonic() > until:
            return [work.pk for rest in (batch, *batches) for work in rest]
        _warm_up(batch[0])
        mine = claim([work.pk for work in batch], only_wanted=only_wanted)
        # The next batch is read and decoded while this one is computed.
        upcoming = next(batches, None)
        loading = _begin(upcoming) if upcoming else None
        if mine.pks:
            ready = [one for work, one in zip(batch, loaded, strict=True) if work.pk in mine.pks] if loaded else None
            pace[_batch_key(batch[0])] = _run([work for work in batch if work.pk in mine.pks], ready, mine.mark)
            if progress:
                progress(len(mine.pks))
    return []


def _batches(ids: Sequence[int], pace: Mapping[tuple[str, str], float]) -> Iterator[list[PendingArtifact]]:
    """The undone ones in batches of one kind that can be computed at once; what was tried before, alone, at the end.

    pace: seconds a result, measured meanwhile; where nothing is known a batch is as small as is sensible.
    """
    fields = ("pk", "digest", "kind", "recipe", "attempts")
    rows = Artifact.objects.filter(pk__in=ids, state__in=[State.PENDING, State.RUNNING]).order_by("pk")
    groups: dict[tuple[str, str], list[PendingArtifact]] = {}
    alone = []
    for row in retry_while_database_is_down(lambda: list(rows.values_list(*fields))):
        work = PendingArtifact(*row)
        if work.attempts:
            alone.append([work])
        else:
            groups.setdefault(_batch_key(work), []).append(work)
    for together, group in groups.items():
        kind, start = computations.get(together[0]), 0
        while start < len(group):
            size = computations.batch_size(kind, pace.get(together))
            yield group[start : start + size]
            start += size
    yield from alone


def _batch_key(work: PendingArtifact) -> tuple[str, str]:
    return work.kind, computations.get(work.kind).batch_key(work.recipe)


class Claim(NamedTuple):
    """The artifacts that were taken, and the mark of this very claim in their rows."""

    mark: str
    pks: set[int]


def claim(ids: Sequence[int], process: str = "", *, only_wanted: bool = False) -> Claim:
    """Take those of the artifacts that nobody is computing, under a lease; attempts are counted before the work.

    Of several only those are taken that were never tried: that may have changed since somebody looked.
    """
    rows = Artifact.objects.filter(free(), pk__in=ids)
    if len(ids) > 1:
        rows = rows.filter(attempts=0)
    if only_wanted:
        rows = rows.filter(wanted())

    def compare_and_set() -> Claim:
        fail_exhausted(ids)
        mark = leases.claim_all(rows, process=process, state=State.RUNNING)
        return Claim(mark, set(Artifact.objects.filter(pk__in=ids, worker=mark).values_list("pk", flat=True)))

    return retry_while_database_is_down(compare_and_set)


def reclaim_from_dead_processes(ids: Sequence[int] | None = None) -> int:
    """Free what processes of this machine held that are no longer there: their leases need not be waited for.

    Of all artifacts where no ids are given.  Returns how many.
    """
    held = Artifact.objects.filter(state=State.RUNNING, worker__startswith=f"{socket.gethostname()}:")
    if ids is not None:
        held = held.filter(pk__in=ids)
    marks = set(held.values_list("worker", flat=True))
    dead = [mark for mark in marks if not _is_running(int(mark.rsplit(":", 2)[1]))]
    return held.filter(worker__in=dead).update(state=State.PENDING, leased_until=None) if dead else 0


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def fail_exhausted(ids: Sequence[int] | None = None) -> int:
    """Give up on what ended so many workers without a result; of all artifacts where no ids are given."""
    lost = leases.exhausted(Artifact.objects.filter(state__in=Artifact.TO_DO))
    if ids is not None:
        lost = lost.filter(pk__in=ids)
    return lost.update(
        state=State.FAILED,
        leased_until=None,
        finished_at=Now(),
        problem=leases.CRASHED,
    )


# --- one batch --------------------------------------------------------------------------------------------------------


def _warm_up(work: PendingArtifact) -> None:
    # What goes wrong here goes wrong again when the batch is computed, where it is dealt with.
    with suppress(Exception):
        computations.get(work.kind).warm_up(work.recipe)


def _begin(batch: Sequence[PendingArtifact]) -> list[Any] | None:
    """What the batch needs, being loaded; None where even that fails, and is tried again when it is its turn."""
    try:
        return computations.get(batch[0].kind).load([work.recipe for work in batch])
    except Exception:
        return None


def _run(batch: Sequence[PendingArtifact], loaded: list[Any] | None, mark: str) -> float:
    """Seconds that one of the results took, on average."""
    started = time.monotonic()
    try:
        outcomes = _outcomes(batch, loaded)
        seconds = max(time.monotonic() - started, 1e-6) / len(batch)
        keep(batch, outcomes, seconds)
    except BaseException:
        # An interrupted batch goes back at once, its attempt not counted; one that ends its process is found by its
        # lease.
        _give_back(mark)
        raise
    return seconds


def _give_back(mark: str) -> None:
    running = Artifact.objects.filter(worker=mark, state=State.RUNNING)
    try:
        given = running.update(state=State.PENDING, leased_until=None, attempts=F("attempts") - 1)
    except DatabaseError:
        log.warning("what was begun could not be given back; it is free when its lease ends")
    else:
        log.info("gave back %d artifacts", given)


def _outcomes(batch: Sequence[PendingArtifact], loaded: list[Any] | None) -> list[computations.Outcome]:
    """One outcome for each; a batch that fails as a whole is computed one by one, each with a lease of its own."""
    kind = computations.get(batch[0].kind)

    def prolong(place: int) -> None:
        row = Artifact.objects.filter(pk=batch[place].pk)
        retry_while_database_is_down(lambda: row.update(leased_until=Now() + LEASE))

    try:
        return computations.outcomes(
            kind,
            [work.recipe for work in batch],
            loaded,
            outages=OUTAGES,
            limit=lambda: time_limit(LEASE),
            before_one_alone=prolong,
        )
    except computations.InputError as error:
        return [computations.ComputationFailure(str(error))] * len(batch)


def keep(
    batch: Sequence[PendingArtifact],
    outcomes: Sequence[computations.Outcome],
    seconds: float | None,
) -> None:
    """Write the files, all of them on the disk, and then mark the rows."""
    files = [file for one in outcomes if isinstance(one, computations.ComputationResult) for file in one.files.values()]
    names = iter(storage.store_all("artifacts", files))
    done, failed = [], []
    for work, outcome in zip(batch, outcomes, strict=True):
        row = Artifact(pk=work.pk, seconds=seconds, finished_at=Now())
        if isinstance(outcome, computations.ComputationFailure):
            row.state, row.problem = State.FAILED, outcome.reason
            failed.append(row)
        else:
            row.state, row.value, row.files = State.DONE, outcome.value, {what: next(names) for what in outcome.files}
            done.append(row)
    fields = ["state", "problem", "leased_until", "seconds", "finished_at"]
    if done:
        retry_while_database_is_down(lambda: Artifact.objects.bulk_update(done, [*fields, "value", "files"]))
    if failed:
        # Somebody else may have had more luck meanwhile.
        retry_while_database_is_down(lambda: Artifact.objects.exclude(state=State.DONE).bulk_update(failed, fields))

"""Computing artifacts: claim, compute, write, mark; in that order, so that any of it may be repeated.

A worker claims a batch by compare-and-set under a lease.  The attempt is counted before the work, so that an image that
kills its worker is found out: whatever was tried before is tried alone, so that of MAX_ATTEMPTS all but the first are,
and no image is given up for another's sake.  Times are the database's, so that a worker whose clock is wrong does no
harm.
"""

import faulthandler
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import DatabaseError
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from studies import storage
from studies.errors import StudyError
from studies.models import Artifact, Study

from . import kinds
from .leases import LEASE, MAX_ATTEMPTS
from .patience import patiently
from .recipes import canonical

log = logging.getLogger(__name__)

State = Artifact.State

#: A batch is about so long where the results are slow: between two batches a worker notices that it was called off.
BATCH_SECONDS = 30
#: File descriptor of the process's own standard error, whatever a worker makes of `sys.stderr`.
STANDARD_ERROR = 2
#: What is no recipe's fault: it is tried again later, and no attempt is counted.
OUTAGES = (OSError, DatabaseError, MemoryError)


class Stopped(StudyError):
    """The work was called off."""


class TooSlow(Exception):
    """A computation did not end within its lease."""


@dataclass(frozen=True)
class Work:
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
    return Q(state=State.PENDING) | Q(state=State.RUNNING, leased_until__lt=Now())


def work_off(
    ids: Sequence[int],
    *,
    only_wanted: bool = True,
    progress: Callable[[int], None] | None = None,
    until: float = float("inf"),
) -> list[int]:
    """Compute those of the artifacts that nobody else computes; an outcome never depends on another's failure.

    only_wanted: pass over what no study in preparation asks for: a study that is called off stops its workers here.
    until: begin no batch after this time of `time.monotonic()`.  Returns the ids it did not get to for that reason.
    Raises one of OUTAGES where results cannot be computed or kept for now; what was begun is given back.
    """
    worker = f"{socket.gethostname()}:{os.getpid()}"
    pace: dict[tuple[str, str], float] = {}
    batches = _batches(ids, pace)
    upcoming = next(batches, None)
    loading = _begin(upcoming) if upcoming else None
    while upcoming:
        batch, loaded = upcoming, loading
        if time.monotonic() > until:
            return [work.pk for rest in (batch, *batches) for work in rest]
        _get_ready(batch[0])
        mine = claim([work.pk for work in batch], worker, only_wanted=only_wanted)
        # The next batch is read and decoded while this one is computed.
        upcoming = next(batches, None)
        loading = _begin(upcoming) if upcoming else None
        if mine.pks:
            ready = [one for work, one in zip(batch, loaded, strict=True) if work.pk in mine.pks] if loaded else None
            pace[_together(batch[0])] = _run([work for work in batch if work.pk in mine.pks], ready, mine.mark)
            if progress:
                progress(len(mine.pks))
    return []


def _batches(ids: Sequence[int], pace: Mapping[tuple[str, str], float]) -> Iterator[list[Work]]:
    """The undone ones in batches of one kind that can be computed at once; what was tried before, alone, at the end.

    pace: seconds a result, measured meanwhile; where nothing is known a batch is as small as is sensible.
    """
    fields = ("pk", "digest", "kind", "recipe", "attempts")
    rows = Artifact.objects.filter(pk__in=ids, state__in=[State.PENDING, State.RUNNING]).order_by("pk")
    groups: dict[tuple[str, str], list[Work]] = {}
    alone = []
    for row in patiently(lambda: list(rows.values_list(*fields))):
        work = Work(*row)
        if work.attempts:
            alone.append([work])
        else:
            groups.setdefault(_together(work), []).append(work)
    for together, group in groups.items():
        kind, start = kinds.get(together[0]), 0
        while start < len(group):
            fitting = int(BATCH_SECONDS / pace[together]) if together in pace else 0
            size = min(max(fitting, getattr(kind, "least", kind.batch)), kind.batch)
            yield group[start : start + size]
            start += size
    yield from alone


def _together(work: Work) -> tuple[str, str]:
    return work.kind, kinds.get(work.kind).together(work.recipe)


class Claim(NamedTuple):
    """The artifacts that were taken, and the mark of this very claim in their rows."""

    mark: str
    pks: set[int]


def claim(ids: Sequence[int], worker: str, *, only_wanted: bool = False) -> Claim:
    """Take those of the artifacts that nobody is computing, under a lease; attempts are counted before the work.

    Of several only those are taken that were never tried: that may have changed since somebody looked.
    """
    rows = Artifact.objects.filter(free(), pk__in=ids)
    if len(ids) > 1:
        rows = rows.filter(attempts=0)
    if only_wanted:
        rows = rows.filter(wanted())

    def compare_and_set() -> Claim:
        bury(ids)
        # Its own, so that of two workers who are given the same ids each artifact goes to one.
        mark = f"{worker}:{time.monotonic_ns()}"
        rows.update(state=State.RUNNING, worker=mark, leased_until=Now() + LEASE, attempts=F("attempts") + 1)
        return Claim(mark, set(Artifact.objects.filter(pk__in=ids, worker=mark).values_list("pk", flat=True)))

    return patiently(compare_and_set)


def release(ids: Sequence[int] | None = None) -> int:
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


def bury(ids: Sequence[int] | None = None) -> int:
    """Give up on what ended so many workers without a result; of all artifacts where no ids are given."""
    lost = Artifact.objects.filter(free(), attempts__gte=MAX_ATTEMPTS)
    if ids is not None:
        lost = lost.filter(pk__in=ids)
    return lost.update(
        state=State.FAILED,
        leased_until=None,
        finished_at=Now(),
        error=f"its computation ended its worker {MAX_ATTEMPTS} times without a result "
        "(out of memory, stuck, or killed)",
    )


# --- one batch --------------------------------------------------------------------------------------------------------


def _get_ready(work: Work) -> None:
    # What goes wrong here goes wrong again when the batch is computed, where it is dealt with.
    with suppress(Exception):
        kinds.get(work.kind).get_ready(work.recipe)


def _begin(batch: Sequence[Work]) -> list[Any] | None:
    """What the batch needs, being loaded; None where even that fails, and is tried again when it is its turn."""
    try:
        return kinds.get(batch[0].kind).load([work.recipe for work in batch])
    except Exception:
        return None


def _run(batch: Sequence[Work], loaded: list[Any] | None, mark: str) -> float:
    """Seconds that one of the results took, on average."""
    started = time.monotonic()
    try:
        outcomes = _outcomes(batch, loaded)
        seconds = max(time.monotonic() - started, 1e-6) / len(batch)
        _keep(batch, outcomes, seconds)
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


def _outcomes(batch: Sequence[Work], loaded: list[Any] | None) -> list[kinds.Result | kinds.Failure]:
    """One outcome for each; where the batch as a whole fails, each is computed alone to find which one it is."""
    kind = kinds.get(batch[0].kind)
    recipes = [work.recipe for work in batch]
    try:
        with within(LEASE):
            return [_checked(one) for one in kind.compute(recipes, loaded or kind.load(recipes))]
    except OUTAGES:
        raise
    except StudyError as error:
        return [kinds.Failure(str(error))] * len(batch)
    except Exception as error:
        if len(batch) > 1:
            return [outcome for work in batch for outcome in _alone(work)]
        log.warning("artifact %s fails", batch[0].digest[:12], exc_info=True)
        return [kinds.Failure(_one_line(error))]


def _alone(work: Work) -> list[kinds.Result | kinds.Failure]:
    patiently(lambda: Artifact.objects.filter(pk=work.pk).update(leased_until=Now() + LEASE))
    return _outcomes([work], None)


def _checked(outcome: kinds.Result | kinds.Failure) -> kinds.Result | kinds.Failure:
    if isinstance(outcome, kinds.Result):
        try:
            canonical(outcome.value)
        except ValueError:
            return kinds.Failure("its values are not finite")
    return outcome


def _keep(batch: Sequence[Work], outcomes: Sequence[kinds.Result | kinds.Failure], seconds: float) -> None:
    """Write the files, all of them on the disk, and then mark the rows."""
    files = [file for one in outcomes if isinstance(one, kinds.Result) for file in one.files.values()]
    names = iter(storage.store_all("artifacts", files))
    done, failed = [], []
    for work, outcome in zip(batch, outcomes, strict=True):
        row = Artifact(pk=work.pk, seconds=seconds, finished_at=Now())
        if isinstance(outcome, kinds.Failure):
            row.state, row.error = State.FAILED, outcome.reason
            failed.append(row)
        else:
            row.state, row.value, row.files = State.DONE, outcome.value, {what: next(names) for what in outcome.files}
            done.append(row)
    fields = ["state", "error", "leased_until", "seconds", "finished_at"]
    if done:
        patiently(lambda: Artifact.objects.bulk_update(done, [*fields, "value", "files"]))
    if failed:
        # Somebody else may have had more luck meanwhile.
        patiently(lambda: Artifact.objects.exclude(state=State.DONE).bulk_update(failed, fields))


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, ValueError | TooSlow) and text else f"{type(error).__name__}: {text}"


@contextmanager
def within(limit: timedelta) -> Iterator[None]:
    """Interrupt what takes longer than its lease, when others would take it over anyway; needs the main thread.

    What does not come back to Python even then, stuck in compiled code, ends its process with a traceback of where.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: Any) -> None:
        raise TooSlow(f"no result after {limit.total_seconds():,.0f} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit.total_seconds() * 0.9)
    faulthandler.dump_traceback_later(limit.total_seconds(), exit=True, file=STANDARD_ERROR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

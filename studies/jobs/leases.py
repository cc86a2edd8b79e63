"""Turns at background work: a row of `Job` is claimed by compare-and-set under a lease, guarded, and released.

The attempt is counted before the work, so that work which kills its worker is found out; times are the database's, so
that a worker whose clock is wrong does no harm.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from studies.lib.errors import one_line
from studies.models.jobs import Job

from . import queue
from .time_limit import OUTAGES

LEASE = timedelta(seconds=settings.WORK_LEASE)
MAX_ATTEMPTS = 3
#: The fields of a row that no worker holds.
RELEASED = {"leased_until": None, "worker": "", "attempts": 0}
UNREACHABLE = "the queue of the workers cannot be reached; it begins when the queue is back"
INTERRUPTED = "interrupted, and tried again every minute: {}"
CRASHED = f"its worker crashed {MAX_ATTEMPTS} times (out of memory, hung, or killed)"
LONGEST_PROBLEM = 1000

J = TypeVar("J", bound=Job)


def free() -> Q:
    """Rows that no worker holds, or whose lease has run out."""
    return Q(leased_until=None) | Q(leased_until__lt=Now())


def exhausted(rows: QuerySet[J]) -> QuerySet[J]:
    """Free rows whose workers crashed MAX_ATTEMPTS times."""
    return rows.filter(free(), attempts__gte=MAX_ATTEMPTS)


def process_mark() -> str:
    """The host and process at the beginning of each claim's mark."""
    return f"{socket.gethostname()}:{os.getpid()}"


def claim_all(rows: QuerySet[J], *, process: str = "", **changes: Any) -> str:
    """Take all free rows of these; the mark of this very claim, which their `worker` then has.

    process: the host and process that claims them, unless it is this one.
    """
    # Its own, so that of two workers who are given the same rows each row goes to one.
    mark = f"{process or process_mark()}:{time.monotonic_ns()}"
    rows.filter(free(), attempts__lt=MAX_ATTEMPTS).update(
        worker=mark, leased_until=Now() + LEASE, attempts=F("attempts") + 1, **changes
    )
    return mark


def held(job: J) -> QuerySet[J]:
    """The row as long as this worker holds it and there is something to do; empty otherwise."""
    rows: QuerySet[J] = type(job)._default_manager.all()
    return rows.filter(pk=job.pk, worker=job.worker, state__in=job.TO_DO)


def release(job: Job, **changes: Any) -> int:
    """Give the row back with these changes; 0 where another worker took it over."""
    return held(job).update(**{**RELEASED, **changes})


@contextmanager
def turn(rows: QuerySet[J], *, fail: Callable[[J, str], object]) -> Iterator[J | None]:
    """A worker's turn at the one row of `rows`: the row, claimed, or None where there is nothing for this worker.

    An outage gives the row back and is raised; `fail(job, reason)` records any other exception, which is raised too.
    Work that ends its process without a word is found by its lease.
    """
    mark = claim_all(rows.filter(state__in=rows.model.TO_DO), problem="")
    job = rows.filter(worker=mark).first()
    if job is None:
        yield None
        return
    try:
        yield job
    except OUTAGES as error:
        release(job, problem=INTERRUPTED.format(one_line(error)))
        raise
    except Exception as error:
        fail(job, f"it stopped unexpectedly ({type(error).__name__}: {one_line(error)})"[:LONGEST_PROBLEM])
        raise


def notify(job: Job, enqueue: Callable[[int], bool]) -> None:
    """Notify the workers of a row, or say on it why that is not possible; the sweeper notifies them later."""
    if not enqueue(job.pk):
        type(job)._default_manager.filter(pk=job.pk, state__in=job.TO_DO).update(problem=UNREACHABLE)


def sweep(
    rows: QuerySet[J], *, fail: Callable[[J, str], object], queue_of: Callable[[J], str], enqueue: Callable[[J], object]
) -> None:
    """Fail the exhausted ones of the rows with something to do, and notify the workers again of those that are free.

    A queue in which messages wait has lost nothing that will not be missed when it is empty.
    """
    to_do = rows.filter(state__in=rows.model.TO_DO)
    for job in exhausted(to_do):
        fail(job, CRASHED)
    empty: dict[str, bool] = {}
    for job in to_do.filter(free()).order_by("pk"):
        name = queue_of(job)
        if name not in empty:
            empty[name] = queue.waiting(name) == 0
        if empty[name]:
            enqueue(job)

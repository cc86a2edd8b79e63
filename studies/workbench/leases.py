"""Whose turn it is at work that one worker does alone: an import, a check, a tally.

A row is taken by compare-and-set under a lease, the attempt counted before the work; times are the database's.  Its
model has `worker`, `leased_until`, `attempts` and `problem`.  Artifacts are taken in batches: see `execution`.
"""

import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from . import doorbell

LEASE = timedelta(seconds=settings.WORK_LEASE)
MAX_ATTEMPTS = 3
#: What a row has that nobody is at.
NOBODYS = {"leased_until": None, "worker": "", "attempts": 0}
#: What is said of it, in one line.
UNREACHABLE = "the queue of the workers cannot be reached; it begins when the queue is back"
INTERRUPTED = "interrupted, and tried again every minute: {}"
ENDED_WORKERS = f"it ended its worker {MAX_ATTEMPTS} times (out of memory, stuck, or killed)"


def free() -> Q:
    """Nobody is at it, or nobody is any longer."""
    return Q(leased_until=None) | Q(leased_until__lt=Now())


def claim(rows: QuerySet) -> Any:
    """The row, taken where it is among these and free; None where it is not, or another worker was faster."""
    mark = f"{socket.gethostname()}:{os.getpid()}:{time.monotonic_ns()}"
    rows.filter(free(), attempts__lt=MAX_ATTEMPTS).update(
        worker=mark, leased_until=Now() + LEASE, attempts=F("attempts") + 1, problem=""
    )
    return rows.filter(worker=mark).first()


def left_behind(rows: QuerySet) -> QuerySet:
    """Those of the rows that nobody is at, though they ended so many workers already."""
    return rows.filter(free(), attempts__gte=MAX_ATTEMPTS)


def sweep(running: QuerySet, queue: str, ring: Callable[[int], object]) -> None:
    """Ring again for those of these rows that nobody is at; the ones left behind have failed."""
    left_behind(running).update(state=running.model.State.FAILED, problem=ENDED_WORKERS)
    waiting = list(running.filter(free()).values_list("pk", flat=True))
    if waiting and doorbell.waiting(queue) == 0:
        for pk in waiting:
            ring(pk)

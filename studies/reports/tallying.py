"""Tallies: what the answers of a large study come to, counted by a worker and kept as a row for the results page.

The page reads the row, and rings for a worker where what was counted is of other answers, or too old.  It never counts:
that takes seconds, and a web process has others to serve.
"""

import logging
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Now

from studies import protocols
from studies.errors import one_line
from studies.models import Artifact, Check, Import, Study, Tally
from studies.workbench import doorbell, execution, leases
from studies.workbench.recipes import digest

from . import tables

log = logging.getLogger(__name__)

State = Tally.State

#: A study of so many trials is counted while its page waits; a larger one by a worker.
AT_ONCE = 5_000
#: Rises whenever the same answers would be told otherwise.
VERSION = 1
#: The counts of a study that runs are renewed where they are older than this.
RENEWED_AFTER = timedelta(minutes=1)
#: Longer than the chunk of other work a worker may be at.
PATIENCE = timedelta(minutes=3)
LONGEST_PROBLEM = 1000


class Counted(NamedTuple):
    """The tally of a study, and what it tells; `told` is None where that is of other answers, or nothing yet."""

    tally: Tally
    told: dict[str, Any] | None
    #: Whether a worker is at it now.
    at_work: bool
    #: Nobody has taken it up for a while; `busy`, because workers have other work.
    stuck: bool
    busy: bool


def large(study: Study) -> bool:
    """Whether a worker has to count."""
    return study.trials.order_by()[AT_ONCE:].exists()


def key_of(study: Study) -> str:
    """Another one whenever a closed study could have another result: answers, people, amendments, the program.

    Of a study that runs it is always the same: what was counted is true of the time when it was counted.
    """
    changing: list[Any] = []
    if study.state == Study.State.CLOSED:
        trials = study.trials.aggregate(
            n=Count("pk"), answered=Count("answered_at"), counted=Count("pk", filter=Q(counted=True))
        )
        people = study.participants.aggregate(
            n=Count("pk"), excluded=Count("excluded_at"), withdrawn=Count("withdrawn_at")
        )
        changing = [trials, people, study.amendments.count()]
    return digest([VERSION, study.pk, protocols.get(study.protocol).version, changing])


def look_up(study: Study) -> Counted:
    """What was counted of a large study; a worker is rung for where that is not how it is now."""
    key, tally = key_of(study), _read(study)
    if tally is None or (tally.state == State.DONE and not _fresh(tally, study, key)):
        tally = ask(study, instead_of=tally)
    at_work = tally.leased_until is not None and tally.leased_until > tally.now
    stuck = tally.state == State.RUNNING and not at_work and tally.now - tally.asked_at > PATIENCE
    return Counted(tally, tally.told if tally.key == key else None, at_work, stuck, stuck and _busy())


def ask(study: Study, *, instead_of: Tally | None = None) -> Tally:
    """Have a worker count, where none is asked to already.

    instead_of: do so only where that is still what was counted last.
    """
    with transaction.atomic():
        tally, made = Tally.objects.get_or_create(study=study, defaults={"asked_at": Now()})
        rows = Tally.objects.filter(pk=tally.pk).exclude(state=State.RUNNING)
        if instead_of is not None:
            rows = rows.filter(state=State.DONE, counted_at=instead_of.counted_at)
        if rows.update(state=State.RUNNING, problem="", asked_at=Now(), **leases.NOBODYS) or made:
            transaction.on_commit(lambda: _ring(tally))
    return _read(study)


def try_again(study: Study) -> bool:
    """Have a worker count what could not be counted; False where it was not so."""
    if not Tally.objects.filter(study=study, state=State.FAILED).exists():
        return False
    ask(study)
    return True


def count(tally_id: int) -> None:
    """A worker's turn; nothing where another worker is at it, or there is nothing left to count."""
    tally = leases.claim(Tally.objects.filter(pk=tally_id, state=State.RUNNING))
    if tally is None:
        return
    try:
        with execution.within(leases.LEASE):
            found = _count(tally)
    except execution.OUTAGES as error:
        _release(tally, problem=leases.INTERRUPTED.format(one_line(error)))
        raise
    except Exception as error:
        reason = f"it stopped ({type(error).__name__}: {one_line(error)})"
        _release(tally, state=State.FAILED, problem=reason[:LONGEST_PROBLEM])
        raise
    if found["key"] == key_of(Study.objects.get(pk=tally.study_id)):
        _release(tally, state=State.DONE, **found)
    elif _release(tally):
        # Somebody closed the study meanwhile, withdrew or amended: it is counted again.
        doorbell.ring_for_tally(tally.pk)


def sweep() -> None:
    """Ring again for tallies that nobody is at."""
    leases.sweep(Tally.objects.filter(state=State.RUNNING), doorbell.DEFAULT, doorbell.ring_for_tally)


def _count(tally: Tally) -> dict[str, Any]:
    # Loaded here: closing a study imports this, and needs none of it.
    from . import results, telling

    with tables.one_moment():
        study = Study.objects.annotate(now=Now()).get(pk=tally.study_id)
        key, found = key_of(study), results.result(study)
    return {"key": key, "told": telling.told(found), "counted_at": study.now}


def _read(study: Study) -> Any:
    """The row, with the time of the database, by which its own times are."""
    return Tally.objects.filter(study=study).annotate(now=Now()).first()


def _fresh(tally: Any, study: Study, key: str) -> bool:
    closed = study.state == Study.State.CLOSED
    return tally.key == key and (closed or tally.now - tally.counted_at <= RENEWED_AFTER)


def _busy() -> bool:
    """Whether workers are at anything else."""
    artifacts = Artifact.objects.filter(state=Artifact.State.RUNNING)
    others = (artifacts, Import.objects, Check.objects, Tally.objects)
    return any(rows.filter(leased_until__gte=Now()).exists() for rows in others)


def _ring(tally: Tally) -> None:
    if not doorbell.ring_for_tally(tally.pk):
        Tally.objects.filter(pk=tally.pk, state=State.RUNNING).update(problem=leases.UNREACHABLE)


def _release(tally: Tally, **changes: Any) -> int:
    mine = Tally.objects.filter(pk=tally.pk, worker=tally.worker, state=State.RUNNING)
    return mine.update(**leases.NOBODYS, **changes)

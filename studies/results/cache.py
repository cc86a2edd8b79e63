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
from studies.jobs import leases, queue
from studies.jobs.time_limit import time_limit
from studies.lib import database
from studies.lib.canonical_json import digest
from studies.models import Artifact, ClassifierEvaluation, Import, ResultCache, Study

log = logging.getLogger(__name__)

State = ResultCache.State

#: A study of so many trials is counted while its page waits; a larger one by a worker.
AT_ONCE = 5_000
#: Rises whenever the same answers would be told otherwise.
VERSION = 1
#: The counts of a study that runs are renewed where they are older than this.
RENEWED_AFTER = timedelta(minutes=1)
#: Longer than the chunk of other work a worker may be at.
PATIENCE = timedelta(minutes=3)


class Counted(NamedTuple):
    """The cached of a study, and what it tells; `page_data` is None where that is of other answers, or nothing yet."""

    cached: ResultCache
    page_data: dict[str, Any] | None
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
    key, cached = key_of(study), _read(study)
    if cached is None or (cached.state == State.DONE and not _fresh(cached, study, key)):
        cached = ask(study, instead_of=cached)
    at_work = cached.leased_until is not None and cached.leased_until > cached.now
    stuck = cached.state == State.RUNNING and not at_work and cached.now - cached.requested_at > PATIENCE
    return Counted(cached, cached.page_data if cached.key == key else None, at_work, stuck, stuck and _busy())


def ask(study: Study, *, instead_of: ResultCache | None = None) -> ResultCache:
    """Have a worker count, where none is asked to already.

    instead_of: do so only where that is still what was counted last.
    """
    with transaction.atomic():
        cached, made = ResultCache.objects.get_or_create(study=study, defaults={"requested_at": Now()})
        rows = ResultCache.objects.filter(pk=cached.pk).exclude(state=State.RUNNING)
        if instead_of is not None:
            rows = rows.filter(state=State.DONE, computed_at=instead_of.computed_at)
        if rows.update(state=State.RUNNING, problem="", requested_at=Now(), **leases.RELEASED) or made:
            transaction.on_commit(lambda: leases.notify(cached, queue.enqueue_result_cache))
    return _read(study)


def try_again(study: Study) -> bool:
    """Have a worker count what could not be counted; False where it was not so."""
    if not ResultCache.objects.filter(study=study, state=State.FAILED).exists():
        return False
    ask(study)
    return True


def count(cache_id: int) -> None:
    """A worker's turn; nothing where another worker is at it, or there is nothing left to count."""
    with leases.turn(ResultCache.objects.filter(pk=cache_id), fail=_fail) as cached:
        if cached is None:
            return
        with time_limit(leases.LEASE):
            computed = _compute(cached)
        if computed["key"] == key_of(Study.objects.get(pk=cached.study_id)):
            leases.release(cached, state=State.DONE, **computed)
        elif leases.release(cached):
            # The study was closed or amended meanwhile, or a participant withdrew: it is counted again.
            queue.enqueue_result_cache(cached.pk)


def sweep() -> None:
    """Notify the workers again of results that no worker is counting."""
    leases.sweep(
        ResultCache.objects.all(),
        fail=_fail,
        queue_of=lambda _: queue.DEFAULT,
        enqueue=lambda cached: queue.enqueue_result_cache(cached.pk),
    )


def _fail(cached: ResultCache, reason: str) -> None:
    leases.release(cached, state=State.FAILED, problem=reason)


def _compute(cached: ResultCache) -> dict[str, Any]:
    # Loaded here: closing a study imports this, and needs none of it.
    from . import page_data, result

    with database.one_moment():
        study = Study.objects.annotate(now=Now()).get(pk=cached.study_id)
        key, found = key_of(study), result.result(study)
    return {"key": key, "page_data": page_data.page_data(found), "computed_at": study.now}


def _read(study: Study) -> Any:
    """The row, with the time of the database, by which its own times are."""
    return ResultCache.objects.filter(study=study).annotate(now=Now()).first()


def _fresh(cached: Any, study: Study, key: str) -> bool:
    closed = study.state == Study.State.CLOSED
    return cached.key == key and (closed or cached.now - cached.computed_at <= RENEWED_AFTER)


def _busy() -> bool:
    """Whether workers are at anything else."""
    artifacts = Artifact.objects.filter(state=Artifact.State.RUNNING)
    others = (artifacts, Import.objects, ClassifierEvaluation.objects, ResultCache.objects)
    return any(rows.filter(leased_until__gte=Now()).exists() for rows in others)

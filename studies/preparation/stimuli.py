"""Preparing a study: run its protocol over a bench and write down the stimuli.

Called off, interrupted or killed, it goes on where it stopped when it is asked for again.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import DatabaseError, transaction
from django.utils import timezone

from studies import audit, protocols
from studies.jobs import leases, queue
from studies.lib.canonical_json import digest
from studies.lib.errors import StudyError
from studies.models import Condition, Role, Stimulus, Study
from studies.protocols import DesignError, Protocol, StimulusSpec

from . import verification
from .bench import Bench
from .executors import Executor, Foreground, Pending, Progress, Queued

log = logging.getLogger(__name__)

What = audit.What

PREPARABLE = (Study.State.DRAFT, Study.State.PREPARING, Study.State.READY)
CALLED_OFF = "its preparation was cancelled; what was computed is kept"


def prepare(study: Study, *, progress: Progress | None = None, actor: AbstractBaseUser | None = None) -> None:
    """Compute what the study shows, here and now; afterwards it is ready to open.

    Raises StudyError where it cannot be done; the reason is kept with the study, which is a draft again.
    """
    _begin(study, actor)
    try:
        _run(study, Foreground(study), progress, actor)
    except KeyboardInterrupt:
        _give_up(study, CALLED_OFF, What.CANCELLED, actor)
        raise
    study.refresh_from_db()


def enqueue_preparation(study: Study, *, actor: AbstractBaseUser | None = None) -> None:
    """Have workers prepare the study.  What failed before is tried anew."""
    with transaction.atomic():
        _begin(study, actor)
        transaction.on_commit(lambda: _ring(study))
    study.refresh_from_db()


def cancel(study: Study, *, actor: AbstractBaseUser | None = None) -> None:
    """Call a preparation off: workers stop after the batch they are at."""
    if not _give_up(study, CALLED_OFF, What.CANCELLED, actor):
        raise StudyError(f"study {study.slug} is {study.state}: it is not being prepared")


def resume_preparation(study_id: int) -> None:
    """A worker's turn at a study that was requested: as far as the results reach, ringing for those it lacks.

    Does nothing for a study that is not being prepared: the bell may ring late, or twice.
    """
    preparing = Study.objects.filter(pk=study_id, state=Study.State.PREPARING)
    if not preparing.update(problem=""):
        return
    study = preparing.get()
    try:
        _run(study, Queued(), None, who=audit.WORKER)
    except Pending:
        return
    except StudyError as error:
        log.warning("study %s: %s", study.slug, error)


def _ring(study: Study) -> None:
    if not queue.enqueue_study(study.pk):
        Study.objects.filter(pk=study.pk, state=Study.State.PREPARING).update(problem=leases.UNREACHABLE)


def _begin(study: Study, actor: AbstractBaseUser | None) -> None:
    with transaction.atomic():
        if not Study.objects.filter(pk=study.pk, state__in=PREPARABLE).update(state=Study.State.PREPARING, problem=""):
            study.refresh_from_db()
            raise StudyError(f"study {study.slug} is {study.state}: only a draft can be prepared")
        study.artifacts.clear()
        audit.record(study, What.REQUESTED, actor)
    study.refresh_from_db()


@transaction.atomic
def _give_up(study: Study, problem: str, what: str, actor: AbstractBaseUser | None = None, who: str = "") -> bool:
    preparing = Study.objects.filter(pk=study.pk, state=Study.State.PREPARING)
    given_up = bool(preparing.update(state=Study.State.DRAFT, problem=problem))
    if given_up:
        audit.record(study, what, actor, who=who, **({"problem": problem} if what == What.FAILED else {}))
    study.refresh_from_db()
    return given_up


def _run(
    study: Study,
    executor: Executor,
    progress: Progress | None,
    actor: AbstractBaseUser | None = None,
    who: str = "",
) -> None:
    protocol = protocols.get(study.protocol)
    bench = Bench(study, executor, progress)
    try:
        specs = specifications(protocol, study.design, bench)
        verification.mend(sorted({name for spec in specs for name in verification.stored_names(spec.shown)}))
    except (StudyError, DesignError) as error:
        _give_up(study, str(error), What.FAILED, actor=actor, who=who)
        raise StudyError(str(error)) from None
    except (Pending, DatabaseError):
        raise
    except Exception as error:
        # A worker's log is not where a researcher looks: without this the study would seem to be prepared for ever.
        problem = f"it stopped unexpectedly ({type(error).__name__}: {error})"
        _give_up(study, problem, What.FAILED, actor=actor, who=who)
        raise
    report = {**bench.report, "classifiers": bench.classifier_digests()}
    write(study, specs, report, protocol.version, actor, who)


def specifications(protocol: Protocol, design: Mapping[str, Any], bench: Any) -> list[StimulusSpec]:
    """All stimuli of a design; StudyError, in one line, where they do not make the session that it asks for."""
    specs = list(protocol.stimuli(design, bench))
    made = Counter(spec.role for spec in specs)
    if not made[Role.MAIN]:
        raise StudyError("the design gives no stimuli")
    missing = [
        f"{role} {n} ({made[role]} made)" for role, n in protocol.control_trials(design).items() if made[role] < n
    ]
    if missing:
        raise StudyError(f"the design asks for control trials that {protocol.key} did not make: {', '.join(missing)}")
    for number, spec in enumerate(specs, start=1):
        if problem := next(_problems(spec), ""):
            raise StudyError(f"{protocol.key} made stimulus {number} with {problem}")
    return specs


def _problems(spec: StimulusSpec) -> Iterator[str]:
    if spec.role not in Role.values:
        yield f"the role {spec.role!r}; the roles are {', '.join(Role.values)}"
    known_answer = [] if spec.role == Role.MAIN else ["expected"]
    if missing := [name for name in ("image", "label", *known_answer) if name not in spec.truth]:
        yield f"the role {spec.role} and without {missing[0]!r} in its truth"


def write(
    study: Study,
    specs: Iterable[StimulusSpec],
    report: dict,
    version: int,
    actor: AbstractBaseUser | None = None,
    who: str = "",
) -> None:
    with transaction.atomic():
        row = Study.objects.select_for_update().get(pk=study.pk)
        if row.state == Study.State.READY and row.design == study.design:
            return  # Somebody else was faster, with the same stimuli.
        if row.state != Study.State.PREPARING or row.design != study.design:
            raise StudyError(f"study {study.slug} was changed while it was prepared: prepare it again")
        row.stimuli.all().delete()
        row.conditions.all().delete()
        conditions: dict[str, Condition] = {}
        rows = []
        for number, spec in enumerate(specs, start=1):
            if spec.condition not in conditions:
                conditions[spec.condition] = Condition.objects.create(study=row, key=spec.condition)
            content = {"condition": spec.condition, "shown": spec.shown, "truth": spec.truth}
            if spec.role != Role.MAIN:
                content["role"] = spec.role
            if spec.block:
                content["block"] = spec.block
            rows.append(
                Stimulus(
                    study=row,
                    condition=conditions[spec.condition],
                    number=number,
                    role=spec.role,
                    digest=digest(content),
                    block=spec.block,
                    shown=spec.shown,
                    truth=spec.truth,
                    family=digest(spec.family) if spec.family else "",
                )
            )
        Stimulus.objects.bulk_create(rows, batch_size=1000)
        row.preparation = report
        row.protocol_version = version
        row.state, row.prepared_at, row.problem = Study.State.READY, timezone.now(), ""
        row.save(update_fields=["preparation", "protocol_version", "state", "prepared_at", "problem"])
        audit.record(row, What.PREPARED, actor, who=who, stimuli=len(rows))

"""Preparing a study: run its protocol over a bench and write down the stimuli."""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from studies import protocols
from studies.errors import StudyError
from studies.models import Condition, Stimulus, Study
from studies.protocols import DesignError, StimulusSpec

from .bench import Bench, Progress
from .recipes import digest

PREPARABLE = (Study.State.DRAFT, Study.State.PREPARING, Study.State.READY)


def prepare(study: Study, *, progress: Progress | None = None) -> None:
    """Compute what the study shows; afterwards it is ready to open.

    Interrupted, it goes on where it stopped when called again.  Raises StudyError where it cannot be done; the
    reason is kept with the study, which is a draft again.
    """
    if not Study.objects.filter(pk=study.pk, state__in=PREPARABLE).update(state=Study.State.PREPARING, problem=""):
        study.refresh_from_db()
        raise StudyError(f"study {study.slug} is {study.state}: only a draft can be prepared")
    protocol = protocols.get(study.protocol)
    bench = Bench(progress)
    try:
        specs = list(protocol.stimuli(study.design, bench))
        if not specs:
            raise StudyError("the design gives no stimuli")
    except (StudyError, DesignError) as error:
        _give_up(study, str(error))
        raise StudyError(str(error)) from None
    except Exception as error:
        # A worker's log is not where a researcher looks: without this the study would seem to be prepared for ever.
        _give_up(study, f"it stopped unexpectedly ({type(error).__name__}: {error})")
        raise
    _write(study, specs, {**bench.notes, "classifiers": bench.classifier_digests()}, protocol.version)
    study.refresh_from_db()


def _give_up(study: Study, problem: str) -> None:
    Study.objects.filter(pk=study.pk, state=Study.State.PREPARING).update(state=Study.State.DRAFT, problem=problem)
    study.refresh_from_db()


def _write(study: Study, specs: Iterable[StimulusSpec], report: dict, version: int) -> None:
    with transaction.atomic():
        row = Study.objects.select_for_update().get(pk=study.pk)
        if row.state not in PREPARABLE or row.design != study.design:
            raise StudyError(f"study {study.slug} was changed while it was prepared: prepare it again")
        row.stimuli.all().delete()
        row.conditions.all().delete()
        conditions: dict[str, Condition] = {}
        rows = []
        for number, spec in enumerate(specs, start=1):
            if spec.condition not in conditions:
                conditions[spec.condition] = Condition.objects.create(study=row, key=spec.condition)
            content = {"condition": spec.condition, "shown": spec.shown, "truth": spec.truth}
            rows.append(
                Stimulus(
                    study=row,
                    condition=conditions[spec.condition],
                    number=number,
                    digest=digest(content),
                    shown=spec.shown,
                    truth=spec.truth,
                )
            )
        Stimulus.objects.bulk_create(rows, batch_size=1000)
        row.preparation = report
        row.protocol_version = version
        row.state, row.problem, row.prepared_at = Study.State.READY, "", timezone.now()
        row.save(update_fields=["preparation", "protocol_version", "state", "problem", "prepared_at"])

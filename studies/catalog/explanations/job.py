"""Measuring explanations as background work: a turn ends after a minute and a half, the next goes on from there."""

import logging
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from studies import audit
from studies.catalog import remembered
from studies.jobs import leases, queue
from studies.jobs.time_limit import OUTAGES
from studies.lib.errors import StudyError
from studies.models import Artifact, Classifier, ExplanationMeasurement
from studies.preparation.cleanup import OF_EXPLANATIONS

from .plan import Plan
from .request import MeasurementRequest, check_request
from .results import results

log = logging.getLogger(__name__)

State = ExplanationMeasurement.State

WINDOW = 64
TURN_SECONDS = 90


@transaction.atomic
def request_measurement(
    classifier: Classifier, request: MeasurementRequest, *, actor: AbstractBaseUser | None = None, who: str = ""
) -> ExplanationMeasurement:
    """Have a worker measure the explanations of a classifier; what failed before is tried again.  StudyError for a
    request that cannot be measured."""
    measurement = _begun(classifier, request, actor, who)
    transaction.on_commit(lambda: leases.notify(measurement, queue.enqueue_measurement))
    return measurement


def _begun(
    classifier: Classifier, request: MeasurementRequest, actor: AbstractBaseUser | None, who: str
) -> ExplanationMeasurement:
    check_request(classifier, request)
    details = {"explainers": list(request.explainers), "sample": request.sample}
    audit.record_of_catalogue(audit.About.CLASSIFIER, classifier.name, audit.What.MEASURED, actor, who=who, **details)
    anew: dict[str, Any] = {"state": State.RUNNING, "problem": "", "done": 0, "total": 0, **leases.RELEASED}
    measurement, _ = ExplanationMeasurement.objects.update_or_create(
        classifier=classifier, defaults=anew | {"settings": request.as_json()}
    )
    failed = Artifact.objects.filter(
        kind__in=("prediction", *OF_EXPLANATIONS), state=Artifact.State.FAILED, recipe__classifier=classifier.digest
    )
    failed.update(state=Artifact.State.PENDING, attempts=0, problem="")
    return measurement


def measure(measurement_id: int) -> None:
    """A worker's turn; nothing where another worker is at it, or there is nothing left to do."""
    if _turn(measurement_id):
        queue.enqueue_measurement(measurement_id)


def measure_here(classifier: Classifier, request: MeasurementRequest, *, who: str = "") -> dict[str, Any]:
    """Measure in this process, however long it takes, and return the result; what is remembered is not computed again.

    StudyError where it cannot be done.
    """
    with transaction.atomic():
        measurement = _begun(classifier, request, None, who)
    while measurement.state == State.RUNNING:
        try:
            if not _turn(measurement.pk):
                time.sleep(0.1)  # It is done, or a worker is at it.
        except OUTAGES:
            raise
        except Exception as error:
            log.warning("measuring the explanations of %s stopped", classifier.name, exc_info=error)
        measurement.refresh_from_db()
    if measurement.state == State.FAILED:
        raise StudyError(f"classifier {classifier.name}: {measurement.problem}")
    if measurement.settings != request.as_json():
        raise StudyError(f"classifier {classifier.name}: something else was asked of its explanations meanwhile")
    return measurement.result


def sweep() -> None:
    """Notify the workers again of measurements that no worker is at."""
    leases.sweep(
        ExplanationMeasurement.objects.all(),
        fail=_fail,
        queue_of=lambda _: queue.NETWORKS,
        enqueue=lambda measurement: queue.enqueue_measurement(measurement.pk),
    )


def _turn(measurement_id: int) -> bool:
    """True where the turn is over and something is left to do."""
    rows = ExplanationMeasurement.objects.filter(pk=measurement_id).select_related("classifier__image_set")
    with leases.turn(rows, fail=_fail) as measurement:
        if measurement is None:
            return False
        until = time.monotonic() + TURN_SECONDS
        try:
            plan = Plan(measurement.classifier, MeasurementRequest.from_json(measurement.settings))
            if not plan.images:
                raise StudyError("no image has an object of its own class in the classifier's picture")
        except StudyError as error:
            _fail(measurement, str(error))
            return False
        if not _compute(measurement, plan, until=until):
            return bool(leases.release(measurement))
        leases.release(measurement, state=State.DONE, result=results(plan), finished_at=timezone.now())
    return False


def _compute(measurement: ExplanationMeasurement, plan: Plan, *, until: float) -> bool:
    """See to it that everything is computed; False where the turn is over before."""
    for window in _windows(plan.prediction_recipes()):
        leases.held(measurement).update(leased_until=Now() + leases.LEASE)
        if not remembered.compute("prediction", window, until=until):
            return False
    plan.read_predictions()
    parts = list(plan.parts())
    total, done = sum(len(recipes) for _, recipes in parts), 0
    for kind, recipes in parts:
        for window in _windows(recipes):
            leases.held(measurement).update(total=total, done=done, leased_until=Now() + leases.LEASE)
            if not remembered.compute(kind, window, until=until):
                return False
            done += len(window)
    leases.held(measurement).update(total=total, done=done)
    return True


def _windows(recipes: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    rest = iter(recipes)
    while window := list(islice(rest, WINDOW)):
        yield window


def _fail(measurement: ExplanationMeasurement, reason: str) -> None:
    leases.release(measurement, state=State.FAILED, problem=reason)

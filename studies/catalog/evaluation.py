"""Looking at a classifier: how often it is right on its image set, what it takes for what, and which images those are.

The predictions are artifacts like those of a study, so a study of the same classifier finds them remembered.  A turn
ends after a minute and a half; the next goes on from what is there.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from explainers import computations
from studies import audit
from studies.jobs import leases, queue
from studies.jobs.time_limit import OUTAGES
from studies.lib.canonical_json import digest
from studies.lib.errors import StudyError
from studies.models import Artifact, Classifier, ClassifierEvaluation, Image, Misclassification
from studies.preparation.class_outputs import class_outputs

from . import judgement, remembered, trials

log = logging.getLogger(__name__)

State = ClassifierEvaluation.State

WINDOW = 500
TURN_SECONDS = 90
#: So many of the images that fail are named.
FAILURES = 5


@transaction.atomic
def request_evaluation(
    classifier: Classifier, *, actor: AbstractBaseUser | None = None, who: str = ""
) -> ClassifierEvaluation:
    """Have a worker evaluate the classifier, for the first time or again; what failed before is tried again."""
    evaluation = _begun(classifier, actor, who)
    transaction.on_commit(lambda: leases.notify(evaluation, queue.enqueue_evaluation))
    return evaluation


def _begun(classifier: Classifier, actor: AbstractBaseUser | None, who: str) -> ClassifierEvaluation:
    audit.record_of_catalogue(audit.About.CLASSIFIER, classifier.name, audit.What.CHECKED, actor, who=who)
    anew = {"state": State.RUNNING, "problem": "", "done": 0, **leases.RELEASED}
    evaluation, _ = ClassifierEvaluation.objects.update_or_create(
        classifier=classifier, defaults={**anew, "total": classifier.image_set.images.count()}
    )
    failed = Artifact.objects.filter(
        kind__in=("prediction", "trial"), state=Artifact.State.FAILED, recipe__classifier=classifier.digest
    )
    failed.update(state=Artifact.State.PENDING, attempts=0, problem="")
    return evaluation


def evaluate(evaluation_id: int) -> None:
    """A worker's turn; nothing where another worker is at it, or there is nothing left to do."""
    if _turn(evaluation_id):
        queue.enqueue_evaluation(evaluation_id)


def evaluate_here(classifier: Classifier, *, who: str = "") -> ClassifierEvaluation:
    """Evaluate the classifier in this process, however long it takes; what is remembered is not computed again.

    StudyError where it cannot be done.
    """
    with transaction.atomic():
        evaluation = _begun(classifier, None, who)
    while evaluation.state == State.RUNNING:
        try:
            if not _turn(evaluation.pk):
                time.sleep(0.1)  # It is done, or a worker is at it.
        except OUTAGES:
            raise
        except Exception as error:
            log.warning("the evaluation of %s stopped", classifier.name, exc_info=error)
        evaluation.refresh_from_db()
    if evaluation.state == State.FAILED:
        raise StudyError(f"classifier {classifier.name}: {evaluation.problem}")
    return evaluation


def _turn(evaluation_id: int) -> bool:
    """True where the turn is over and something is left to do."""
    rows = ClassifierEvaluation.objects.filter(pk=evaluation_id).select_related("classifier__image_set")
    with leases.turn(rows, fail=_fail) as evaluation:
        if evaluation is None:
            return False
        until = time.monotonic() + TURN_SECONDS
        if not _predict(evaluation, until=until) or not trials.run(evaluation.classifier, until=until):
            return bool(leases.release(evaluation))
        _write(evaluation)
    return False


def sweep() -> None:
    """Notify the workers again of evaluations that no worker is at."""
    leases.sweep(
        ClassifierEvaluation.objects.all(),
        fail=_fail,
        queue_of=lambda _: queue.NETWORKS,
        enqueue=lambda evaluation: queue.enqueue_evaluation(evaluation.pk),
    )


def _fail(evaluation: ClassifierEvaluation, reason: str) -> None:
    leases.release(evaluation, state=State.FAILED, problem=reason)


# --- predictions ------------------------------------------------------------------------------------------------------


def _predict(evaluation: ClassifierEvaluation, *, until: float) -> bool:
    """See to it that there is a prediction of every image; False where the turn is over before."""
    done = 0
    for window in _windows(evaluation.classifier):
        if not remembered.compute("prediction", [recipe for _, recipe in window], until=until):
            return False
        done += len(window)
        leases.held(evaluation).update(done=done, leased_until=Now() + leases.LEASE)
    return True


def _windows(classifier: Classifier) -> Iterator[list[tuple[Image, dict[str, Any]]]]:
    """Images with the recipes of their predictions; a recipe's label is the output of the image's class."""
    kind, labels = computations.get("prediction"), class_outputs(classifier).of_classes
    rows = classifier.image_set.images.order_by("label", "path").only("pk", "sha256", "label")
    rest = (
        (row, kind.recipe(row.sha256, labels[row.label], classifier.digest)) for row in rows.iterator(chunk_size=2000)
    )
    while window := list(islice(rest, WINDOW)):
        yield window


# --- what they come to ------------------------------------------------------------------------------------------------


def _write(evaluation: ClassifierEvaluation) -> None:
    from studies.analysis.confusion import best_assignment

    classifier = evaluation.classifier
    result, mistakes = _counted(evaluation)
    outputs, halves = class_outputs(classifier), result.pop("halves")
    tried = trials.outcomes(classifier)
    assignment = best_assignment(halves, outputs.of_classes)
    result |= {
        "trials": tried,
        "best_order": asdict(assignment) if assignment else None,
        "doubts": judgement.judged(
            classifier,
            result,
            titles=outputs.titles,
            of_classes=outputs.of_classes,
            assignment=assignment,
            trials=tried,
        ),
    }
    with transaction.atomic():
        if not leases.release(evaluation, state=State.DONE, result=result, finished_at=timezone.now()):
            return
        Misclassification.objects.filter(evaluation=evaluation).delete()
        Misclassification.objects.bulk_create(mistakes, batch_size=1000)


def _counted(evaluation: ClassifierEvaluation) -> tuple[dict[str, Any], list[Misclassification]]:
    """The counts, and the images that were given another class than their own.

    "halves": the confusions of every other image of a class, by which an order of outputs is found and judged.
    """
    from studies.analysis.intervals import wilson

    with_class = set(class_outputs(evaluation.classifier).of_classes)
    halves: tuple[Counter[tuple[int, int]], Counter[tuple[int, int]]] = (Counter(), Counter())
    seen: Counter[int] = Counter()
    among_five = inside = 0
    failures: list[str] = []
    mistakes: list[Misclassification] = []
    for window in _windows(evaluation.classifier):
        recipes = [recipe for _, recipe in window]
        for (image, recipe), value in zip(window, remembered.values(recipes), strict=True):
            if value is None:
                failures.append(image.path)
                continue
            label, (predicted, probability) = recipe["label"], value["top"][0]
            halves[seen[label] % 2][label, predicted] += 1
            seen[label] += 1
            guesses = [guess for guess, _ in value["top"]]
            among_five += label in guesses
            inside += label == next((guess for guess in guesses if guess in with_class), None)
            if predicted != label:
                made = {"label": label, "predicted": predicted, "probability": probability}
                mistakes.append(Misclassification(evaluation=evaluation, image=image, **made))
    pairs = halves[0] + halves[1]
    total, right = sum(pairs.values()), sum(n for (label, predicted), n in pairs.items() if label == predicted)
    low, high = wilson(right, total) or (None, None)
    return {
        "images": total,
        "failed": len(failures),
        "failures": _reasons(evaluation.classifier, failures[:FAILURES]),
        "right": right,
        "among_five": among_five,
        "inside": inside,
        "accuracy": right / total if total else None,
        "low": low,
        "high": high,
        "pairs": sorted([label, predicted, n] for (label, predicted), n in pairs.items()),
        "halves": halves,
    }, mistakes


def _reasons(classifier: Classifier, paths: list[str]) -> list[str]:
    """Each of the images with why there is no prediction of it."""
    kind, labels = computations.get("prediction"), class_outputs(classifier).of_classes
    rows = classifier.image_set.images.filter(path__in=paths).order_by("label", "path")
    keys = {digest(kind.recipe(row.sha256, labels[row.label], classifier.digest)): row.path for row in rows}
    problems = dict(Artifact.objects.filter(digest__in=keys).values_list("digest", "problem"))
    return [f"{path}: {problems.get(key) or 'not computed'}" for key, path in keys.items()]

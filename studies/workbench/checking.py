"""Looking at a classifier: how often it is right on its image set, what it takes for what, and which images those are.

The predictions are artifacts like those of a study, so a study of the same classifier finds them remembered.  A turn
ends after a minute and a half; the next goes on from what is there.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from studies import audit
from studies.errors import one_line
from studies.models import Artifact, Check, Classifier, Image, Mistake

from . import doorbell, execution, kinds, leases
from .patience import patiently
from .recipes import digest

log = logging.getLogger(__name__)

State = Check.State

WINDOW = 500
TURN_SECONDS = 90
UNDONE = (Artifact.State.PENDING, Artifact.State.RUNNING)


@transaction.atomic
def request(classifier: Classifier, *, actor: AbstractBaseUser | None = None, who: str = "") -> Check:
    """Have a worker look at the classifier, or look again; what failed before is tried anew."""
    audit.record_of_catalogue(audit.About.CLASSIFIER, classifier.name, audit.What.CHECKED, actor, who=who)
    anew = {"state": State.RUNNING, "problem": "", "done": 0, **leases.NOBODYS}
    check, _ = Check.objects.update_or_create(
        classifier=classifier, defaults={**anew, "total": classifier.image_set.images.count()}
    )
    failed = Artifact.objects.filter(
        kind="prediction", state=Artifact.State.FAILED, recipe__classifier=classifier.digest
    )
    failed.update(state=Artifact.State.PENDING, attempts=0, error="")
    transaction.on_commit(lambda: _ring(check))
    return check


def look(check_id: int) -> None:
    """A worker's turn; nothing where another worker is at it, or there is nothing left to do."""
    rows = Check.objects.filter(pk=check_id, state=State.RUNNING)
    check = leases.claim(rows.select_related("classifier__image_set"))
    if check is None:
        return
    try:
        if _predict(check, until=time.monotonic() + TURN_SECONDS):
            _write(check)
            return
    except execution.OUTAGES as error:
        _release(check, problem=leases.INTERRUPTED.format(one_line(error)))
        raise
    except Exception as error:
        _release(check, state=State.FAILED, problem=f"it stopped ({type(error).__name__}: {error})")
        raise
    _release(check)
    doorbell.ring_for_check(check.pk)


def sweep() -> None:
    """Ring again for checks that nobody is at."""
    leases.sweep(Check.objects.filter(state=State.RUNNING), doorbell.NETWORKS, doorbell.ring_for_check)


# --- predictions ------------------------------------------------------------------------------------------------------


def _predict(check: Check, *, until: float) -> bool:
    """See to it that there is a prediction of every image; False where the turn is over before."""
    done = 0
    for window in _windows(check.classifier):
        ids = _planned([recipe for _, recipe in window])
        while ids:
            if time.monotonic() > until:
                return False
            execution.release(ids)
            execution.work_off(ids, only_wanted=False, until=until)
            ids = list(Artifact.objects.filter(pk__in=ids, state__in=UNDONE).values_list("pk", flat=True))
            if ids:
                time.sleep(0.5)  # A study's preparation is computing them.
        done += len(window)
        _touch(check, done=done)
    return True


def _windows(classifier: Classifier) -> Iterator[list[tuple[Image, dict[str, Any]]]]:
    kind = kinds.get("prediction")
    rows = classifier.image_set.images.order_by("label", "path").only("pk", "sha256", "label")
    rest = ((row, kind.recipe(row.sha256, row.label, classifier.digest)) for row in rows.iterator(chunk_size=2000))
    while window := list(islice(rest, WINDOW)):
        yield window


def _planned(recipes: list[dict[str, Any]]) -> list[int]:
    """The ids of those of the predictions that are still to be made."""
    wanted = {digest(recipe): recipe for recipe in recipes}

    def plan() -> list[int]:
        rows = Artifact.objects.filter(digest__in=wanted)
        known = set(rows.values_list("digest", flat=True))
        new = [Artifact(digest=key, kind="prediction", recipe=r) for key, r in wanted.items() if key not in known]
        Artifact.objects.bulk_create(new, ignore_conflicts=True)
        return list(rows.filter(state__in=UNDONE).order_by("pk").values_list("pk", flat=True))

    return patiently(plan)


# --- what they come to ------------------------------------------------------------------------------------------------


def _write(check: Check) -> None:
    from studies.analysis.intervals import wilson

    pairs: Counter[tuple[int, int]] = Counter()
    failed = among_five = 0
    mistakes: list[Mistake] = []
    for window in _windows(check.classifier):
        keys = {digest(recipe): image for image, recipe in window}
        rows = Artifact.objects.filter(digest__in=keys, state=Artifact.State.DONE).values_list("digest", "value")
        values = dict(rows)
        failed += len(window) - len(values)
        for key, value in values.items():
            image, (predicted, probability) = keys[key], value["top"][0]
            pairs[image.label, predicted] += 1
            among_five += image.label in {label for label, _ in value["top"]}
            if predicted != image.label:
                made = {"label": image.label, "predicted": predicted, "probability": probability}
                mistakes.append(Mistake(checked=check, image=image, **made))
    total, right = sum(pairs.values()), sum(n for (label, predicted), n in pairs.items() if label == predicted)
    low, high = wilson(right, total) or (None, None)
    result = {
        "images": total,
        "failed": failed,
        "right": right,
        "among_five": among_five,
        "accuracy": right / total if total else None,
        "low": low,
        "high": high,
        "pairs": sorted([label, predicted, n] for (label, predicted), n in pairs.items()),
    }
    with transaction.atomic():
        if not _mine(check).update(state=State.DONE, result=result, finished_at=timezone.now(), **leases.NOBODYS):
            return
        Mistake.objects.filter(checked=check).delete()
        Mistake.objects.bulk_create(mistakes, batch_size=1000)


# --- whose turn it is -------------------------------------------------------------------------------------------------


def _ring(check: Check) -> None:
    if not doorbell.ring_for_check(check.pk):
        Check.objects.filter(pk=check.pk, state=State.RUNNING).update(problem=leases.UNREACHABLE)


def _mine(check: Check) -> Any:
    return Check.objects.filter(pk=check.pk, worker=check.worker, state=State.RUNNING)


def _touch(check: Check, *, done: int) -> None:
    _mine(check).update(done=done, leased_until=Now() + leases.LEASE)


def _release(check: Check, **changes: Any) -> None:
    _mine(check).update(**leases.NOBODYS, **changes)

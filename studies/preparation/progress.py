"""How far a preparation is: what its study asked for, and what became of it; and what the workers do."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, Max, Min, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from studies.models import Artifact, Image, Study
from studies.protocols import classifiers_of

from . import execution

State = Artifact.State
#: Work that nobody takes up for so long is not just between two batches.
PATIENCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Stage:
    """The results of one kind that a study asked for.  seconds: of one, on average; None where none is known."""

    kind: str
    wanted: int
    done: int
    running: int
    failed: int
    seconds: float | None

    @property
    def percent(self) -> int:
        return 100 * self.done // self.wanted if self.wanted else 0

    @property
    def minutes_left(self) -> int | None:
        """The work that is left for one worker, rounded up; None where it is done, or nothing is known."""
        left = self.wanted - self.done - self.failed
        return math.ceil(left * self.seconds / 60) if left and self.seconds else None


def stages(study: Study) -> list[Stage]:
    """In the order in which they were begun.  Later stages are known when the ones before are done."""
    rows = (
        Artifact.objects.filter(studies=study)
        .values("kind")
        .annotate(
            wanted=Count("pk"),
            done=Count("pk", filter=Q(state=State.DONE)),
            running=Count("pk", filter=Q(state=State.RUNNING)),
            failed=Count("pk", filter=Q(state=State.FAILED)),
            seconds=Avg("seconds", filter=Q(state=State.DONE)),
            first=Min("pk"),
        )
    )
    ordered = sorted(rows, key=lambda row: row["first"])
    return [Stage(**{name: value for name, value in row.items() if name != "first"}) for row in ordered]


@dataclass(frozen=True)
class Failed:
    """A result that cannot be had: of which image, by its path below the imported folder or empty, and why."""

    image: str
    error: str


def failures(study: Study, *, most: int = 5) -> list[Failed]:
    """The first of what failed so far."""
    rows = Artifact.objects.filter(studies=study, state=State.FAILED).order_by("pk")[:most]
    return [Failed(_image_of(study, row.recipe), row.problem) for row in rows]


def _image_of(study: Study, recipe: dict[str, Any]) -> str:
    sha256 = recipe.get("image")
    if "picture" in recipe:
        # A picture that was made before, of an image.
        made = Artifact.objects.filter(studies=study, files__picture=recipe["picture"]).order_by("pk").first()
        sha256 = made.recipe.get("image") if made else None
    images = Image.objects.filter(sha256=sha256, image_set__classifiers__name=classifiers_of(study.design)[0])
    return images.values_list("path", flat=True).first() or ""


# --- the workers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WorkerActivity:
    """What is to be computed, and who does it; read from the rows, since the queue only rings."""

    waiting: int
    #: When the oldest of what waits was asked for.
    oldest: datetime | None
    running: int
    workers: int
    #: When something was last finished.
    last: datetime | None

    @property
    def stuck(self) -> bool:
        """Something waits and nobody works: perhaps no worker is running."""
        if not self.waiting or self.running:
            return False
        return timezone.now() - max(filter(None, (self.last, self.oldest))) > PATIENCE


def worker_activity() -> WorkerActivity:
    """Of all studies in preparation together."""
    waiting = Artifact.objects.filter(execution.free(), execution.wanted()).aggregate(
        n=Count("pk"), at=Min("created_at")
    )
    busy = Artifact.objects.filter(state=State.RUNNING, leased_until__gte=Now())
    busy = busy.aggregate(n=Count("pk"), workers=Count("worker", distinct=True))
    return WorkerActivity(
        waiting=waiting["n"],
        oldest=waiting["at"],
        running=busy["n"],
        workers=busy["workers"],
        last=Artifact.objects.aggregate(at=Max("finished_at"))["at"],
    )


def waiting_artifacts() -> QuerySet[Artifact]:
    """Results that a study in preparation asks for and nobody computes."""
    return Artifact.objects.filter(execution.free(), execution.wanted())

"""What of the studies needs somebody: each question is asked once for all of them, and tells no outcome."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Max, Q
from django.utils import timezone

from studies.models import Artifact, Role, Slot, Study, Trial

from .progress import progress

State = Study.State

#: A gold rate below the design's own, or below this where it names none, after so many gold trials.
GOLD_RATE, GOLD_FROM = 0.7, 20
#: A study in which nothing happens for so long.
QUIET = timedelta(days=1)
#: Stimuli without an answer starve while so much of what is wanted is there.
STARVING_FROM = 50


@dataclass(frozen=True)
class Need:
    """One thing to look at; `page` is the study's page that shows it."""

    study: Study
    what: str
    page: str = "running"


def needs(studies: Iterable[Study]) -> list[Need]:
    """Of studies from `progress.counted`, in their order."""
    studies = list(studies)
    running = [study.pk for study in studies if study.state == State.OPEN]
    preparing = [study.pk for study in studies if study.state == State.PREPARING]
    failed = _by_study(Study.artifacts.through.objects.filter(artifact__state=Artifact.State.FAILED), preparing)
    gold = Trial.objects.filter(study__in=running, role=Role.GOLD, correct__isnull=False).order_by().values("study")
    right = {
        one["study"]: (one["n"], one["right"])
        for one in gold.annotate(n=Count("pk"), right=Count("pk", filter=Q(correct=True)))
    }
    heard = Trial.objects.filter(study__in=running).order_by().values("study").annotate(last=Max("answered_at"))
    last = {one["study"]: one["last"] for one in heard}
    begun = Slot.objects.filter(study__in=running, filled=True).order_by().values("study")
    answered = {one["study"]: one["n"] for one in begun.annotate(n=Count("stimulus", distinct=True))}
    found = []
    for study in studies:
        if study.state == State.OPEN:
            found += [Need(study, what) for what in _of_open(study, right, last, answered)]
        elif n := failed.get(study.pk):
            found.append(Need(study, f"{n:,} result{'s' * (n != 1)} failed while it is prepared", "change"))
        elif study.problem:
            found.append(Need(study, f"Preparing it went wrong: {study.problem}", "change"))
    return found


def _of_open(study: Study, right: dict, last: dict, answered: dict) -> Iterable[str]:
    so_far, now = progress(study), timezone.now()
    if not so_far.missing:
        yield f"All {so_far.wanted:,} answers are there: it can be closed"
        return
    n, good = right.get(study.pk, (0, 0))
    least = GOLD_RATE if study.design.get("gold_rate") is None else study.design["gold_rate"]
    if n >= GOLD_FROM and good < least * n:
        yield f"Gold is answered right in {round(100 * good / n)} % of {n:,} trials, below {round(100 * least)} %"
    empty = so_far.stimuli - answered.get(study.pk, 0)
    if empty and so_far.percent >= STARVING_FROM:
        them = "1 stimulus has" if empty == 1 else f"{empty:,} stimuli have"
        yield f"{them} no answer, while {so_far.percent} % of the answers are there"
    since = last.get(study.pk) or study.opened_at
    if since and now - since > QUIET:
        days = (now - since).days
        yield f"Nothing has happened for {days} day{'s' * (days != 1)}"


def _by_study(rows, studies: list[int]) -> dict[int, int]:
    return dict(rows.filter(study__in=studies).order_by().values_list("study").annotate(n=Count("pk")))

"""What of the studies needs somebody: each question is asked once for all of them, and tells no outcome."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.core.cache import cache
from django.db.models import Count, Max, Q
from django.utils import timezone

from studies.models import Artifact, Participant, Role, Slot, Study, Trial
from studies.results import quality

from .progress import progress

State = Study.State

#: A study in which nothing happens for so long.
QUIET = timedelta(days=1)
#: What is odd about answers that are all there is counted once in so long, while none is added.
ODDITIES_SECONDS = 60
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
    odd = _oddities(
        [study for study in studies if study.state == State.OPEN and not progress(study).missing], right, last
    )
    found = []
    for study in studies:
        if study.state == State.OPEN:
            found += [Need(study, what) for what in _of_open(study, right, last, answered, odd)]
        elif n := failed.get(study.pk):
            found.append(Need(study, f"{n:,} result{'s' * (n != 1)} failed while it is prepared", "change"))
        elif study.problem:
            found.append(Need(study, f"Preparing it went wrong: {study.problem}", "change"))
    return found


def _of_open(study: Study, right: dict, last: dict, answered: dict, odd: dict) -> Iterable[str]:
    so_far, now = progress(study), timezone.now()
    if not so_far.missing:
        # Before closing: afterwards nobody can be excluded.
        warned = odd.get(study.pk, [])
        first = " once you have read what is odd about them" if warned else ""
        yield f"All {so_far.wanted:,} answers are there: it can be closed{first}"
        yield from warned
        return
    n, good = right.get(study.pk, (0, 0))
    least = quality.GOLD_RATE if study.design.get("gold_rate") is None else study.design["gold_rate"]
    if quality.below_gold(n, good, least):
        yield f"Gold is answered right in {round(100 * good / n)}% of {n:,} trials, below {round(100 * least)}%"
    empty = so_far.stimuli - answered.get(study.pk, 0)
    if empty and so_far.percent >= STARVING_FROM:
        them = "1 stimulus has" if empty == 1 else f"{empty:,} stimuli have"
        yield f"{them} no answer, while {so_far.percent}% of the answers are there"
    since = last.get(study.pk) or study.opened_at
    if since and now - since > QUIET:
        days = (now - since).days
        yield f"Nothing has happened for {days} day{'s' * (days != 1)}"


def _oddities(studies: list[Study], right: dict, last: dict) -> dict[int, list[str]]:
    """The warnings of each study whose answers are all there, from one pass over them; kept while none comes."""
    keys = {study.pk: f"odd:{study.pk}:{last.get(study.pk)}:{right.get(study.pk)}" for study in studies}
    kept = cache.get_many(keys.values())
    found = {pk: kept[key] for pk, key in keys.items() if key in kept}
    if new := [study for study in studies if study.pk not in found]:
        counted = _counted_oddities(new, right)
        cache.set_many({keys[pk]: told for pk, told in counted.items()}, ODDITIES_SECONDS)
        found |= counted
    return found


def _counted_oddities(studies: list[Study], right: dict) -> dict[int, list[str]]:
    people = {one["study"]: one for one in _people([study.pk for study in studies])}
    frames = quality.frames_of([study.pk for study in studies])
    found = {}
    for study in studies:
        n, good = right.get(study.pk, (0, 0))
        one = people.get(study.pk, {"participants": 0, "simulated": 0})
        counts = {
            "checks": {"gold": {"answers": n, "right": good}},
            "participants": one["participants"],
            "simulated_participants": one["simulated"],
        }
        odd = quality.quality(study.design, counts, frames[study.pk])
        found[study.pk] = quality.warnings_of(odd, counts, rehearsal=study.rehearsal_of_id is not None)
    return found


def _people(studies: list[int]):
    rows = Participant.objects.filter(study__in=studies).order_by().values("study")
    return rows.annotate(participants=Count("pk"), simulated=Count("pk", filter=Q(simulated=True)))


def _by_study(rows, studies: list[int]) -> dict[int, int]:
    return dict(rows.filter(study__in=studies).order_by().values_list("study").annotate(n=Count("pk")))

"""How a study that runs is doing: people, answers and times, and nothing of what was answered.

Every number is counted by the database in one pass over an index, so that a page that asks again and again is cheap.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, TextField
from django.db.models.functions import Cast, Substr
from django.utils import timezone

from studies.models import Role, Study, Trial
from studies.participation import visits
from studies.protocols import Figure

#: The median is of so many of the latest answers; fewer than the second number say nothing.
LATEST, FEW = 2000, 5
#: The pace is that of the last day; so many answers at least make one.
PACE_OF, PACE_FROM = timedelta(days=1), 10
#: Bars of a chart: hours while they fit, days after that.
MOST_HOURS = 48
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Station:
    """How many people got so far."""

    name: str
    people: int
    of: int

    @property
    def percent(self) -> int:
        return 100 * self.people // self.of if self.of else 0


@dataclass(frozen=True)
class Running:
    at: datetime
    wanted: int
    answered: int
    #: Panels with all their answers, with some, with none.
    full: int
    partly: int
    empty: int
    #: The way through, in order; and those who went another way.
    funnel: tuple[Station, ...]
    screened_out: int
    excluded: int
    #: Unfinished, inactive for a day.
    gone: int
    median_seconds: float | None
    gold: int
    gold_right: int
    last_answer: datetime | None
    #: Answers counted in the last day; None for too few to make a pace.
    pace: int | None
    ends_at: datetime | None

    @property
    def gold_percent(self) -> int | None:
        return round(100 * self.gold_right / self.gold) if self.gold else None

    @property
    def percent(self) -> int:
        return 100 * self.answered // self.wanted if self.wanted else 0


def running(study: Study) -> Running:
    now = timezone.now()
    stimuli, slots = study.stimuli.main().count(), study.slots
    wanted, left = slots.count(), slots.filter(filled=False).count()
    unfinished = slots.filter(filled=False).values("stimulus").distinct().count()
    begun = slots.filter(filled=True).values("stimulus").distinct().count()
    trials = Trial.objects.filter(study=study, answered_at__isnull=False)
    lately = trials.filter(answered_at__gt=now - PACE_OF, counted=True).count()
    pace = lately if lately >= PACE_FROM else None
    since = min(PACE_OF, now - study.opened_at) if study.opened_at else PACE_OF
    goes_on = study.state == Study.State.OPEN and left and pace
    gold = trials.filter(role=Role.GOLD).aggregate(n=Count("pk"), right=Count("pk", filter=Q(correct=True)))
    people = study.participants.aggregate(
        screened_out=Count("pk", filter=Q(screened_out_at__isnull=False, excluded_at=None)),
        excluded=Count("pk", filter=Q(excluded_at__isnull=False)),
    )
    return Running(
        at=now,
        wanted=wanted,
        answered=wanted - left,
        full=stimuli - unfinished,
        partly=max(0, begun + unfinished - stimuli),
        empty=stimuli - begun,
        funnel=tuple(_funnel(study)),
        **people,
        gone=_gone(study, now),
        median_seconds=_median(trials),
        gold=gold["n"],
        gold_right=gold["right"],
        last_answer=trials.order_by("-answered_at").values_list("answered_at", flat=True).first(),
        pace=pace,
        ends_at=now + since * left / pace if goes_on else None,
    )


def _funnel(study: Study) -> Iterable[Station]:
    """People by the last step they reached, those that the design has; screened out and excluded are told apart."""
    design = study.design
    told = study.participants.aggregate(
        agreed=Count("pk"),
        asked=Count("pk", filter=Q(background__isnull=False)),
        began=Count("pk", filter=Q(started_at__isnull=False)),
        finished=Count("pk", filter=Q(finished_at__isnull=False, screened_out_at=None, excluded_at=None)),
    )
    practice = Trial.objects.filter(study=study, role=Role.PRACTICE, feedback_seen_at__isnull=False)
    practised = practice.order_by().values("participant").annotate(n=Count("pk")).filter(n__gte=design["practice"])
    answering = Trial.objects.filter(study=study, answered_at__isnull=False).exclude(role=Role.PRACTICE)
    agreed = told["agreed"]
    yield Station("Agreed", agreed, agreed)
    if design["questions"]:
        yield Station("Left the questions", told["asked"], agreed)
    yield Station("Left the instructions", told["began"], agreed)
    if design["practice"]:
        yield Station("Left the practice", practised.count(), agreed)
    yield Station("Answered a trial", answering.order_by().values("participant").distinct().count(), agreed)
    if (between := visits.counts(study)) is not None:
        yield Station("Came back for another visit", between["returned"], agreed)
    yield Station("Finished", told["finished"], agreed)


def _gone(study: Study, now: datetime) -> int:
    """Between visits nobody is waited for."""
    quiet = study.participants.filter(finished_at=None, returns_at=None, consented_at__lt=now - visits.PATIENCE)
    heard = Trial.objects.filter(study=study, answered_at__gt=now - visits.PATIENCE).order_by()
    return quiet.exclude(pk__in=heard.values("participant")).count()


def _median(trials: Any) -> float | None:
    """Seconds, by the participants' browsers, of the latest counted answers."""
    latest = trials.filter(counted=True, response_ms__isnull=False).order_by("-answered_at")
    times = sorted(latest.values_list("response_ms", flat=True)[:LATEST])
    return times[len(times) // 2] / 1000 if len(times) >= FEW else None


# --- over time --------------------------------------------------------------------------------------------------------


def over_time(study: Study) -> list[Figure]:
    """Answers that count, and people who agreed, by hour or by day; none while there are none."""
    trials = Trial.objects.filter(study=study, counted=True, answered_at__isnull=False)
    answers, people = _by_hour(trials, "answered_at"), _by_hour(study.participants, "consented_at")
    if not people:
        return []
    first, last = min([*answers, *people]), max([*answers, *people])
    by_day = last - first >= MOST_HOURS * HOUR
    return [
        _bars("answers", "Answers over time", "answers counted", answers, first, last, by_day),
        _bars("recruitment", "Recruitment over time", "people who agreed", people, first, last, by_day),
    ]


def _by_hour(rows: Any, moment: str) -> dict[datetime, int]:
    # Both databases write a moment as year-month-day hour in UTC: cutting that off is faster than any calendar.
    hour = Substr(Cast(moment, TextField()), 1, 13)
    counts = rows.order_by().annotate(hour=hour).values_list("hour").annotate(n=Count("pk"))
    return {datetime.fromisoformat(f"{hour.replace('T', ' ')}:00:00+00:00"): n for hour, n in counts}


def _bars(
    name: str, title: str, y: str, counts: dict[datetime, int], first: datetime, last: datetime, by_day: bool
) -> Figure:
    def start(moment: datetime) -> datetime:
        return timezone.localtime(moment).replace(hour=0) if by_day else timezone.localtime(moment)

    step, form = (DAY, "%-d %b") if by_day else (HOUR, "%H:00")
    bins: dict[datetime, int] = {}
    at = start(first)
    while at <= last:
        bins[at] = 0
        at = start(at + step)
    for moment, n in counts.items():
        bins[start(moment)] = bins.get(start(moment), 0) + n
    series = {"name": y, "x": [at.strftime(form) for at in bins], "y": list(bins.values())}
    unit = "day" if by_day else "hour"
    return Figure(name=name, kind="bars", title=title, x=unit, y=y, series=[series], note=f"By {unit}.")

"""The pages of a session, each with the form that leads on from it."""

import logging
from contextlib import suppress
from datetime import timedelta

from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from studies import participation, protocols, recruitment
from studies.errors import one_line
from studies.models import Participant, Role, Study, Trial
from studies.participation import Standing
from studies.protocols.session import BackgroundForm
from studies.recruiting import Outcome

from .pages import leads
from .pictures import picture_url

log = logging.getLogger(__name__)

#: What a form is about; the name of a trial follows where there is one.
QUESTIONS, START, TRIAL, FEEDBACK, COMMENTS = "questions", "start", "trial", "feedback", "comments"
LONGEST_COMMENT = 5000
#: How many of the latest answers say how long people need, how few say nothing, and how long that is remembered.
PACE_OF, PACE_FROM, PACE_SECONDS = 200, 20, 300


def questions(
    request: HttpRequest, participant: Participant, form: BackgroundForm | None = None, *, status: int = 200
) -> HttpResponse:
    study = participant.study
    context = {
        "study": study,
        "questions": form or BackgroundForm(None, study.design["questions"]),
        "form": signer(participant).sign(QUESTIONS),
    }
    return render(request, "participant/questions.html", context, status=status)


def instructions(request: HttpRequest, participant: Participant) -> HttpResponse:
    study = participant.study
    _, total = participation.progress(participant)
    context = {
        "page": "participant/instructions.html",
        "study": study,
        "total": total,
        "minutes": _minutes(study, total),
        "again": participant.returns_at is not None,
        "practice": study.design["practice"] if participant.returns_at is None else 0,
        "form": signer(participant).sign(START),
    }
    if study.design["example"] and (example := study.stimuli.filter(role=Role.EXAMPLE).first()):
        protocol, shown = protocols.get(study.protocol), example.shown
        choices = protocol.choices(study.design, shown)
        context |= {"shown": shown, "expected": _label(choices, example.truth["expected"]), "example": True}
    return render(request, _template(study), context)


def trial(request: HttpRequest, standing: Standing) -> HttpResponse:
    """Of the stimulus only `shown` goes to the page; the rest of it stays here."""
    study, now, tally = standing.study, standing.shown, standing.tally
    protocol, shown = protocols.get(study.protocol), now.stimulus.shown
    practice = now.role == Role.PRACTICE
    answered = tally.practised if practice else tally.answered
    total = study.design["practice"] if practice else tally.total
    context = {
        "page": "participant/trial.html",
        "study": study,
        "shown": shown,
        "choices": protocol.choices(study.design, shown),
        "practice": practice,
        "answered": answered,
        "number": answered + 1,
        "total": total,
        "minutes_left": None if practice else _minutes(study, total - answered),
        "form": signer(standing.person).sign(f"{TRIAL}:{now.pk}"),
        "ahead": [picture_url(name) for one in standing.ready[:1] for name in protocol.pictures(one.stimulus.shown)],
    }
    return render(request, _template(study), context)


def feedback(request: HttpRequest, standing: Standing) -> HttpResponse:
    """What was expected in a practice trial."""
    study, done = standing.study, standing.feedback
    shown = done.stimulus.shown
    choices = protocols.get(study.protocol).choices(study.design, shown)
    context = {
        "page": "participant/feedback.html",
        "study": study,
        "shown": shown,
        "said": _label(choices, done.answer),
        "expected": _label(choices, done.stimulus.truth["expected"]),
        "correct": done.correct,
        "last": standing.tally.practised >= study.design["practice"],
        "form": signer(standing.person).sign(f"{FEEDBACK}:{done.pk}"),
    }
    return render(request, _template(study), context)


def come_back(request: HttpRequest, participant: Participant, *, status: int = 200) -> HttpResponse:
    """When the next visit may begin, by the server's clock, and the way back: this very address."""
    # Rounded up to the minute, so that whoever comes at the time it says is not too early.
    when = timezone.localtime(participant.returns_at) + timedelta(minutes=1)
    way = recruitment.way_on(participant, Outcome.COME_BACK)
    leads(request, way)
    context = {
        "study": participant.study,
        "code": participant.completion_code,
        "when": when,
        "zone": when.tzname(),
        "address": request.build_absolute_uri(request.path),
        "way": way,
    }
    return render(request, "participant/come_back.html", context, status=status)


def comments(request: HttpRequest, participant: Participant) -> HttpResponse:
    context = {
        "study": participant.study,
        "form": signer(participant).sign(COMMENTS),
        "longest": LONGEST_COMMENT,
    }
    return render(request, "participant/comments.html", context)


def thanks(request: HttpRequest, participant: Participant, *, answered: int) -> HttpResponse:
    """The end, whichever way it came, after so many answers: debriefing, completion code, and the way on."""
    outcome = Outcome.SCREENED_OUT if participant.screened_out_at else Outcome.COMPLETED
    way = recruitment.way_on(participant, outcome if answered else Outcome.NOTHING_LEFT)
    leads(request, way)
    context = {
        "study": participant.study,
        "participant": participant,
        "answered": answered,
        "debrief": participant.study.design["debrief"],
        "way": way,
    }
    return render(request, "participant/thanks.html", context)


# --- what they have in common -----------------------------------------------------------------------------------------


def signer(participant: Participant) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"studies.take:{participant.public_id}")


def _template(study: Study) -> str:
    return f"protocols/{study.protocol}.html"


def _label(choices: tuple[protocols.Choice, ...], value: str) -> str:
    return next((choice.label for choice in choices if choice.value == value), value)


def _minutes(study: Study, trials: int) -> int | None:
    """How long people usually need for so many trials, in whole minutes; None while too few have answered."""
    key = f"pace:{study.link}"
    try:
        seconds = cache.get(key)
    except Exception as error:  # each cache raises errors of its client's own
        log.warning("how long people need is not told, the cache cannot be reached: %s", one_line(error))
        return None
    if seconds is None:
        seconds = _pace(study) or 0
        with suppress(Exception):  # nothing is lost but asking again
            cache.set(key, seconds, PACE_SECONDS)
    return max(1, round(trials * seconds / 60)) if seconds and trials > 0 else None


def _pace(study: Study) -> float | None:
    """Median seconds from a stimulus shown to its answer, of the latest answers."""
    latest = Trial.objects.filter(study=study, answered_at__isnull=False).order_by("-answered_at")
    times = sorted(
        (answered - shown).total_seconds()
        for shown, answered in latest.values_list("presented_at", "answered_at")[:PACE_OF]
    )
    return times[len(times) // 2] if len(times) >= PACE_FROM else None

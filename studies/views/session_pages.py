"""The pages of a session, each with the form that leads on from it."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from studies import participation, protocols
from studies.designs.debriefing import debriefing
from studies.lib.errors import one_line
from studies.models import Participant, Role, Study, Trial
from studies.participation import SessionState
from studies.protocols.base.session_form import BackgroundForm
from studies.recruiters import VisitOutcome
from studies.recruitment import arrivals

from . import rate_limits
from .evidence import HIDDEN_FIELD
from .measurements import recorded_sizes
from .pages import leads
from .pictures import picture_url

log = logging.getLogger(__name__)

#: What a form is about; the name of a trial follows where there is one.
QUESTIONS, START, TRIAL, FEEDBACK, COMMENTS = "questions", "start", "trial", "feedback", "comments"
STOP = "stop"
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
        "minutes": _minutes(request, study, total),
        "again": participant.returns_at is not None,
        "practice": study.design["practice"] if participant.returns_at is None else 0,
        "by_yourself": bool(study.design.get("by_yourself")),
        "form": signer(participant).sign(START),
    }
    if study.design["example"] and (example := study.stimuli.filter(role=Role.EXAMPLE).first()):
        shown, truth = example.shown, example.truth
        expected = _in_words(study, shown, truth["expected"], truth.get("expected_parts", {}))
        context |= {"shown": shown, "expected": expected, "example": True}
    return render(request, _template(study), context)


def trial(request: HttpRequest, standing: SessionState) -> HttpResponse:
    """Of the stimulus only `shown` goes to the page; the rest of it stays here."""
    study, now, counts = standing.study, standing.shown, standing.counts
    protocol, shown = protocols.get(study.protocol), participation.shown_to(now)
    first = protocol.before(study.design, shown) if now.parts is None else ()
    practice = now.role == Role.PRACTICE
    answered = counts.practised if practice else counts.answered
    total = study.design["practice"] if practice else counts.total
    context = {
        "page": "participant/trial.html",
        "study": study,
        "shown": protocol.shown_before(shown) if first else shown,
        "choices": () if first else protocol.choices(study.design, shown),
        "parts": first or protocol.parts(study.design, shown),
        "first_step": bool(first),
        "practice": practice,
        "phase": None if practice else counts.phase_number(now.stimulus.block),
        "phases": len(counts.phases),
        "answered": answered,
        "number": answered + 1,
        "total": total,
        "minutes_left": None if practice else _minutes(request, study, total - answered),
        "form": signer(standing.person).sign(f"{TRIAL}:{now.pk}"),
        "sizes": recorded_sizes(study.design),
        "evidence": bool(study.design.get("evidence")),
        "hidden_field": HIDDEN_FIELD if study.design.get("hidden_field") else "",
        "ahead": [picture_url(name) for one in standing.ready[:1] for name in protocol.pictures(one.stimulus.shown)],
    }
    return render(request, _template(study), context)


def waiting(request: HttpRequest, participant: Participant) -> HttpResponse:
    """Others hold what is left: it goes on by itself when a lease ends, with scripts and without."""
    context = {"study": participant.study, "form": signer(participant).sign(STOP), "seconds": rate_limits.LOOK_AGAIN}
    response = render(request, "participant/waiting.html", context)
    response.headers["Refresh"] = str(rate_limits.LOOK_AGAIN)
    return response


def feedback(request: HttpRequest, standing: SessionState) -> HttpResponse:
    """What was expected in a practice trial."""
    study, done = standing.study, standing.feedback
    shown, truth = participation.shown_to(done), done.stimulus.truth
    parts = truth.get("expected_parts", {})
    said = {name: value for name, value in (done.parts or {}).items() if name in parts}
    context = {
        "page": "participant/feedback.html",
        "study": study,
        "shown": shown,
        "said": _in_words(study, shown, done.answer, said),
        "expected": _in_words(study, shown, truth["expected"], parts),
        "correct": done.correct,
        "training": done.role == Role.TRAINING,
        "last": done.role == Role.PRACTICE and standing.counts.practised >= study.design["practice"],
        "form": signer(standing.person).sign(f"{FEEDBACK}:{done.pk}"),
    }
    return render(request, _template(study), context)


def come_back(request: HttpRequest, participant: Participant, *, status: int = 200) -> HttpResponse:
    """When the next visit may begin, by the server's clock, and the way back: this very address."""
    # Rounded up to the minute, so that whoever comes at the time it says is not too early.
    when = timezone.localtime(participant.returns_at) + timedelta(minutes=1)
    way = arrivals.exit_for(participant, VisitOutcome.COME_BACK)
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
    outcome = VisitOutcome.SCREENED_OUT if participant.screened_out_at else VisitOutcome.COMPLETED
    way = arrivals.exit_for(participant, outcome if answered else VisitOutcome.NOTHING_LEFT)
    leads(request, way)
    context = {
        "study": participant.study,
        "participant": participant,
        "answered": answered,
        "hidden": debriefing(participant.study),
        "debrief": participant.study.design["debrief"],
        "way": way,
    }
    return render(request, "participant/thanks.html", context)


# --- what they have in common -----------------------------------------------------------------------------------------


def signer(participant: Participant) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"studies.take:{participant.public_id}")


def _template(study: Study) -> str:
    return f"protocols/{study.protocol}.html"


def _in_words(study: Study, shown: Mapping[str, Any], answer: str, parts: Mapping[str, Any]) -> str:
    """An answer by the words of its buttons, and these parts; each with what it is about where there are several."""
    protocol = protocols.get(study.protocol)
    choices = {choice.value: choice.label for choice in protocol.choices(study.design, shown)}
    decision = str(choices.get(answer, answer))
    if not parts:
        return decision
    said = [(shown.get("decision", ""), decision)]
    for part in protocol.parts(study.design, shown):
        if part.name in parts:
            options = dict(getattr(part, "options", ()))
            said.append((part.label, str(options.get(parts[part.name], parts[part.name]))))
    return "; ".join(f"{about}: {words}" if about else words for about, words in said)


def _minutes(request: HttpRequest, study: Study, trials: int) -> int | None:
    """How long people usually need for so many trials, in whole minutes; None while too few have answered, and on a
    page `as_designed`, which has nothing that depends on them.
    """
    if getattr(request, "as_designed", False):
        return None
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

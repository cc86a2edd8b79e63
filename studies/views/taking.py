"""A participant's page.

It sets no cookie and reads none: inside a frame on a crowdsourcing site cookies do not arrive. Who somebody is stands
in the path, and what a form is about in a signed field of it. One address shows each participant the page they are
at, so that reload, back and a second tab all lead to the same place.
"""

import re
from datetime import timedelta

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from studies import participation, protocols
from studies.models import Participant, Study, Trial

from .pages import FORM_AGE, SeeOther, notice, public_page, unknown
from .pictures import picture_url

#: What the form of the instructions is about, where a trial's form names the trial.
START = "start"
#: A page's script sends its form with this header and is answered by the next page itself; without a script the answer
#: is a redirect to it, so that a reload sends nothing twice.
NEXT_PAGE = "X-Quorum-Page"
#: No picture is looked at for longer; what a page claims beyond this is no measurement.
LONGEST_RESPONSE_MS = int(FORM_AGE.total_seconds() * 1000)


@public_page
@require_http_methods(["GET", "HEAD", "POST"])
def take(request: HttpRequest, token: str) -> HttpResponse:
    """The page this participant is at; a form sent from it leads back here."""
    participant = participation.find(token)
    if participant is None:
        return unknown(request)
    if request.method != "POST":
        return _current_page(request, participant)
    try:
        about = _form_signer(participant).unsign(request.POST.get("trial", ""), max_age=FORM_AGE)
    except signing.SignatureExpired:
        return _refusal(request, participant, _("This page was open for too long, so nothing was stored."))
    except signing.BadSignature:
        return _refusal(request, participant, _("This form does not belong to this page, so nothing was stored."))
    if about == START:
        try:
            participation.start(participant)
        except participation.TooEarly:
            return _come_back(request, participant, status=403)
        return _onward(request, participant)
    value, response_ms = request.POST.get("answer", ""), _milliseconds(request.POST.get("response_ms", ""))
    try:
        participation.answer(participant, int(about), value, response_ms=response_ms)
    except participation.StudyClosed:
        return _closed(request, participant, _("It closed before this answer arrived, so this one was not stored."))
    except participation.AnswerRefused as refusal:
        return _refusal(request, participant, str(refusal))
    return _onward(request, participant)


def _onward(request: HttpRequest, participant: Participant) -> HttpResponse:
    """To the page the participant is at now."""
    if NEXT_PAGE not in request.headers:
        return SeeOther(request.path)
    participant.refresh_from_db()
    return _current_page(request, participant)


def _current_page(request: HttpRequest, participant: Participant) -> HttpResponse:
    study = participant.study
    if participant.finished_at:
        return _thanks(request, participant)
    if study.state == Study.State.CLOSED:
        return _closed(request, participant)
    if participant.returns_at:
        return _between_visits(request, participant)
    if participant.started_at is None:
        return _instructions(request, participant) if study.state == Study.State.OPEN else _paused(request, study)
    if trial := participation.current_trial(participant):
        return _trial(request, participant, trial)
    participant.refresh_from_db(fields=["finished_at", "returns_at"])
    if participant.returns_at:
        return _between_visits(request, participant)
    return _thanks(request, participant) if participant.finished_at else _paused(request, study)


def _between_visits(request: HttpRequest, participant: Participant) -> HttpResponse:
    if participant.returns_at > timezone.now():
        return _come_back(request, participant)
    if participant.study.state != Study.State.OPEN:
        return _paused(request, participant.study)
    return _instructions(request, participant)


def _come_back(request: HttpRequest, participant: Participant, *, status: int = 200) -> HttpResponse:
    """When the next visit may begin, by the server's clock, and the way back: this very address."""
    # Rounded up to the minute, so that whoever comes at the time it says is not too early.
    when = timezone.localtime(participant.returns_at) + timedelta(minutes=1)
    context = {
        "study": participant.study,
        "code": participant.completion_code,
        "when": when,
        "zone": when.tzname(),
        "address": request.build_absolute_uri(request.path),
    }
    return render(request, "participant/come_back.html", context, status=status)


def _instructions(request: HttpRequest, participant: Participant) -> HttpResponse:
    study = participant.study
    _, total = participation.progress(participant)
    context = {
        "page": "participant/instructions.html",
        "study": study,
        "total": total,
        "again": participant.returns_at is not None,
        "form": _form_signer(participant).sign(START),
    }
    return render(request, _template(study), context)


def _trial(request: HttpRequest, participant: Participant, trial: Trial) -> HttpResponse:
    """Of the stimulus only `shown` goes to the page; the rest of it stays here."""
    study, shown = participant.study, trial.stimulus.shown
    protocol = protocols.get(study.protocol)
    answered, total = participation.progress(participant)
    upcoming = participation.upcoming_trial(participant)
    context = {
        "page": "participant/trial.html",
        "study": study,
        "shown": shown,
        "choices": protocol.choices(study.design, shown),
        "answered": answered,
        "number": answered + 1,
        "total": total,
        "form": _form_signer(participant).sign(str(trial.pk)),
        "ahead": [picture_url(name) for name in protocol.pictures(upcoming.stimulus.shown)] if upcoming else [],
    }
    return render(request, _template(study), context)


def _thanks(request: HttpRequest, participant: Participant) -> HttpResponse:
    answered = participation.answers_given(participant)
    context = {"study": participant.study, "participant": participant, "answered": answered}
    return render(request, "participant/thanks.html", context)


def _paused(request: HttpRequest, study: Study) -> HttpResponse:
    text = _("Your answers are stored and your place is kept. Please come back later, to the same address.")
    return notice(request, study, _("This study is paused"), text, again=request.path)


def _closed(request: HttpRequest, participant: Participant, text: str = "") -> HttpResponse:
    """Whoever had begun keeps what they have earned: closing is not their doing."""
    text = text or _("It takes no more answers. Thank you for your interest.")
    code = participant.completion_code if participation.answers_given(participant) else ""
    return notice(request, participant.study, _("This study has ended"), text, status=410, code=code)


def _refusal(request: HttpRequest, participant: Participant, text: str) -> HttpResponse:
    again = _("Your earlier answers are safe. Please go on from the page you are at.")
    heading = _("That did not work")
    return notice(request, participant.study, heading, text, again, status=400, onward=request.path)


def _template(study: Study) -> str:
    return f"protocols/{study.protocol}.html"


def _form_signer(participant: Participant) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"studies.take:{participant.public_id}")


def _milliseconds(text: str) -> int | None:
    """The response time a page measured; None where it sent none, or something that cannot be one."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > LONGEST_RESPONSE_MS:
        return None
    return int(text)

"""Participants' pages.

They set no cookie and read none: inside a frame on a crowdsourcing site cookies do not arrive. Who somebody is stands
in the path, and what a form is about in a signed field of it. One address shows each participant the page they are
at, so that reload, back and a second tab all lead to the same place.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from studies import participation, protocols, storage
from studies.models import Participant, Study, Trial

#: How long a page can lie open before its form is refused.
FORM_AGE = timedelta(days=1)
#: What the form of the instructions is about, where a trial's form names the trial.
START = "start"
#: No picture is looked at for longer; what a page claims beyond this is no measurement.
LONGEST_RESPONSE_MS = int(FORM_AGE.total_seconds() * 1000)

#: This site, and where its pictures are where that is elsewhere.
PICTURE_SOURCES = ["'self'"]
if settings.PICTURES_URL:
    PICTURE_SOURCES.append("{0.scheme}://{0.netloc}".format(urlsplit(settings.PICTURES_URL)))
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {' '.join(PICTURE_SOURCES)}; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
KEEP_FOR_EVER = "public, max-age=31536000, immutable"
PICTURE_NAME = re.compile(r"artifacts/[0-9a-f]{2}/[0-9a-f]{64}\.png")


class SeeOther(HttpResponseRedirect):
    """After a POST: the page to GET, so that a reload sends nothing twice."""

    status_code = 303


def public_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """What every page outside the admin has: headers that let in nothing but our own files, and no CSRF cookie.

    The forms need none: each holds a signed field that only the page of that participant was given.
    """

    @csrf_exempt
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return wrapper


@public_page
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "participant/home.html")


# --- joining ----------------------------------------------------------------------------------------------------------


@public_page
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, link: UUID) -> HttpResponse:
    """The text to agree to; agreeing leads to the participant's own page."""
    study = Study.objects.filter(link=link).first()
    if study is None:
        return _unknown(request)
    if request.method != "POST":
        return _not_joinable(request, study) or _consent(request, study)
    try:
        form = _join_signer(study).unsign_object(request.POST.get("join", ""), max_age=FORM_AGE)
    except signing.BadSignature:
        problem = _("This page was open for too long, or was changed on its way. Please read it and agree once more.")
        return _not_joinable(request, study) or _consent(request, study, problem=problem, status=400)
    token, consent = form["token"], participation.current_consent(study)
    if participation.find(token) is None:
        if refusal := _not_joinable(request, study):
            return refusal
        if form["version"] != consent.version:
            return _consent(request, study, problem=_("This text has changed meanwhile. Please read it once more."))
        participation.enrol(study, consent=consent, token=token)
    return SeeOther(reverse("studies:take", args=[token]))


def _consent(request: HttpRequest, study: Study, *, problem: str = "", status: int = 200) -> HttpResponse:
    consent, token = participation.current_consent(study), participation.new_token()
    context = {
        "study": study,
        "consent": consent,
        "problem": problem,
        # The token is drawn here, not when it is sent: a form sent twice enrols one participant.
        "join": _join_signer(study).sign_object({"token": token, "version": consent.version}),
        "own_page": reverse("studies:take", args=[token]),
    }
    response = render(request, "participant/consent.html", context, status=status)
    # Going back shows the same form, which leads to the same participant; a new visit asks for a new one.
    response.headers["Cache-Control"] = "private, max-age=0"
    return response


def _join_signer(study: Study) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"studies.join:{study.link}")


def _not_joinable(request: HttpRequest, study: Study) -> HttpResponse | None:
    """Why nobody can join now; None when they can."""
    if study.state == Study.State.CLOSED:
        text = _("It takes no more answers. Thank you for your interest.")
        return _notice(request, study, _("This study has ended"), text, status=410)
    if study.state == Study.State.PAUSED:
        text = _("Nobody can join at the moment. Please come back later, to the same address.")
        return _notice(request, study, _("This study is paused"), text, again=request.path)
    if study.state != Study.State.OPEN:
        text = _("It is still being prepared. Please come back later, to the same address.")
        return _notice(request, study, _("This study has not begun yet"), text, status=403, again=request.path)
    if not participation.has_room(study):
        text = _("Every picture is taken at the moment. Please come back later: some places may become free again.")
        return _notice(request, study, _("There is nothing to do just now"), text, again=request.path)
    return None


# --- taking part ------------------------------------------------------------------------------------------------------


@public_page
@require_http_methods(["GET", "HEAD", "POST"])
def take(request: HttpRequest, token: str) -> HttpResponse:
    """The page this participant is at; a form sent from it leads back here."""
    participant = participation.find(token)
    if participant is None:
        return _unknown(request)
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
        return SeeOther(request.path)
    value, response_ms = request.POST.get("answer", ""), _milliseconds(request.POST.get("response_ms", ""))
    try:
        participation.answer(participant, int(about), value, response_ms=response_ms)
    except participation.StudyClosed:
        return _closed(request, participant, _("It closed before this answer arrived, so this one was not stored."))
    except participation.AnswerRefused as refusal:
        return _refusal(request, participant, str(refusal))
    return SeeOther(request.path)


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
    return _notice(request, study, _("This study is paused"), text, again=request.path)


def _closed(request: HttpRequest, participant: Participant, text: str = "") -> HttpResponse:
    """Whoever had begun keeps what they have earned: closing is not their doing."""
    text = text or _("It takes no more answers. Thank you for your interest.")
    code = participant.completion_code if participation.answers_given(participant) else ""
    return _notice(request, participant.study, _("This study has ended"), text, status=410, code=code)


def _refusal(request: HttpRequest, participant: Participant, text: str) -> HttpResponse:
    again = _("Your earlier answers are safe. Please go on from the page you are at.")
    heading = _("That did not work")
    return _notice(request, participant.study, heading, text, again, status=400, onward=request.path)


def _unknown(request: HttpRequest) -> HttpResponse:
    text = _("Please check that the whole link was copied, or open it again from where you found it.")
    return _notice(request, None, _("There is nothing at this address"), text, status=404)


def _notice(
    request: HttpRequest, study: Study | None, heading: str, *paragraphs: str, status: int = 200, **links: str
) -> HttpResponse:
    """A page that says one thing; `again` and `onward` are addresses it offers, `code` a completion code."""
    context = {"study": study, "heading": heading, "paragraphs": paragraphs, **links}
    return render(request, "participant/notice.html", context, status=status)


def _template(study: Study) -> str:
    return f"protocols/{study.protocol}.html"


def _form_signer(participant: Participant) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"studies.take:{participant.public_id}")


def _milliseconds(text: str) -> int | None:
    """The response time a page measured; None where it sent none, or something that cannot be one."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > LONGEST_RESPONSE_MS:
        return None
    return int(text)


# --- pictures ---------------------------------------------------------------------------------------------------------


def picture_url(name: str) -> str:
    return reverse("studies:picture", args=[name])


@public_page
@require_safe
def picture(request: HttpRequest, name: str) -> HttpResponse:
    """A picture made for a study, never a photograph as it was imported. The name is the digest of the content."""
    if not PICTURE_NAME.fullmatch(name):
        raise Http404
    if settings.PICTURES_URL:
        # From the bucket or a web server: the name is the content's, so the browser may keep even the way there.
        response: HttpResponse = HttpResponseRedirect(f"{settings.PICTURES_URL}/{name}")
    else:
        try:
            content = storage.read(name)
        except FileNotFoundError:
            raise Http404 from None
        response = HttpResponse(content, content_type="image/png")
    response.headers["Cache-Control"] = KEEP_FOR_EVER
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response

"""The way in: the text to agree to."""

from uuid import UUID

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from studies import participation
from studies.models import Consent, Study

from . import limits
from .pages import FORM_AGE, SeeOther, in_its_language, notice, participants_page, public_page, unknown


@public_page
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "participant/home.html")


@participants_page
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, link: UUID) -> HttpResponse:
    """The text to agree to; agreeing leads to the participant's own page."""
    study = Study.objects.filter(link=link).first()
    if study is None:
        return unknown(request)
    with in_its_language(study):
        if request.method == "POST" and limits.too_often_by_address(request):
            return limits.wait(request, study)
        return _join(request, study)


def _join(request: HttpRequest, study: Study) -> HttpResponse:
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
    return consent_page(request, study, consent, token, problem=problem, status=status)


def consent_page(
    request: HttpRequest, study: Study, consent: Consent, token: str, *, problem: str = "", status: int = 200
) -> HttpResponse:
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
        return notice(request, study, _("This study has ended"), text, status=410)
    if study.state == Study.State.PAUSED:
        text = _("Nobody can join at the moment. Please come back later, to the same address.")
        return notice(request, study, _("This study is paused"), text, again=request.path)
    if study.state != Study.State.OPEN:
        text = _("It is still being prepared. Please come back later, to the same address.")
        return notice(request, study, _("This study has not begun yet"), text, status=403, again=request.path)
    if not participation.has_room(study):
        text = _("Every picture is taken at the moment. Please come back later: some places may become free again.")
        return notice(request, study, _("There is nothing to do just now"), text, again=request.path)
    return None

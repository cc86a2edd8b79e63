"""Withdrawing, in two steps: what it means, and whether somebody is sure.  By their own page, or by their code."""

from uuid import UUID

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from studies import participation
from studies.designs.debriefing import debriefing
from studies.models import Participant, Study
from studies.protocols.base.session_form import Withdrawal
from studies.recruiters import VisitOutcome
from studies.recruitment import arrivals

from . import rate_limits, session_pages
from .pages import FORM_AGE, in_its_language, notice, participants_page, unknown

#: What a signed field says: that somebody has read what it means, and that they are sure.
READ, SURE = "withdraw:read", "withdraw:sure"


@participants_page
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: HttpRequest, token: str) -> HttpResponse:
    """From a participant's own page."""
    if rate_limits.too_often_by_token(token):
        return rate_limits.wait(request)
    participant = participation.find(token)
    if participant is None:
        return rate_limits.wait(request) if rate_limits.too_often_by_address(request) else _gone(request)
    request.ancestors = arrivals.ancestors(participant.study)
    with in_its_language(participant.study):
        said = _said(participant, request.POST.get("withdraw", ""))
        if said == SURE:
            return _done(request, participant)
        request.own_consent = reverse("studies:own_consent", args=[token])
        return _ask(request, participant, sure=said == READ)


@participants_page
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw_by_code(request: HttpRequest, link: UUID) -> HttpResponse:
    """From below the study's link, by the completion code; for participants who lost the address of their own page."""
    study = Study.objects.select_related("recruitment").filter(link=link).first()
    if study is None:
        return unknown(request)
    request.ancestors = arrivals.ancestors(study)
    with in_its_language(study):
        if request.method != "POST":
            return _code(request, study)
        if rate_limits.too_often_by_address(request):
            return rate_limits.wait(request, study)
        participant = participation.by_code(study, request.POST.get("code", ""))
        if participant is None:
            return _code(request, study, problem=_("This code does not belong to this study."), status=400)
        if _said(participant, request.POST.get("withdraw", "")) == SURE:
            return _done(request, participant)
        return _ask(request, participant, sure=True, code=participant.completion_code)


def _said(participant: Participant, field: str) -> str:
    """What the signed field of this participant's form says; nothing where it is not theirs, or too old."""
    try:
        return session_pages.signer(participant).unsign(field, max_age=FORM_AGE)
    except signing.BadSignature:
        return ""


def _ask(request: HttpRequest, participant: Participant, *, sure: bool, code: str = "") -> HttpResponse:
    study = participant.study
    context = {
        "study": study,
        "sure": sure,
        "code": code,
        "removes": study.design["withdrawal"] == Withdrawal.REMOVE,
        "open": study.state == Study.State.OPEN,
        "field": session_pages.signer(participant).sign(SURE if sure else READ),
        "back": "" if code else request.path.removesuffix("withdraw/"),
    }
    return render(request, "participant/withdraw.html", context)


def _gone(request: HttpRequest) -> HttpResponse:
    """Of nobody, or of somebody whose second click comes after their first."""
    if request.method != "POST":
        return unknown(request)
    text = _("If you have just withdrawn, that is done: nothing is left that identifies you.")
    return notice(request, None, _("There is nothing at this address"), text, status=404)


def _code(request: HttpRequest, study: Study, *, problem: str = "", status: int = 200) -> HttpResponse:
    return render(request, "participant/withdraw_code.html", {"study": study, "problem": problem}, status=status)


def _done(request: HttpRequest, participant: Participant) -> HttpResponse:
    """What was done until now stays paid: the code and the way on are there a last time, and can be checked later."""
    answered = participation.answers_given(participant)
    outcome = VisitOutcome.SCREENED_OUT if participant.screened_out_at else VisitOutcome.COMPLETED
    way = arrivals.exit_for(participant, outcome if answered else VisitOutcome.NO_CONSENT)
    code, study = participant.completion_code if answered else "", participant.study
    participation.withdraw(participant)
    if study.design["withdrawal"] == Withdrawal.REMOVE:
        text = _("Your answers are deleted, and nothing is left in this study that identifies you.")
    else:
        text = _("Nothing is left in this study that identifies you.")
    paid = [_("You are paid for what you have done. Please copy your code now: it is shown for the last time.")] * bool(
        code
    )
    told = debriefing(study) if answered else []
    closing = [] if code or way else [_("You can close this page.")]
    links = {"gone": True, "code": code, "way": way}
    return notice(request, study, _("You have withdrawn"), text, *told, *paid, *closing, **links)

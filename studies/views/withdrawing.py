"""Withdrawing, in two steps: what it means, and whether somebody is sure.  By their own page, or by their code."""

from uuid import UUID

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from studies import participation, recruitment
from studies.models import Participant, Study
from studies.protocols.session import Withdrawal

from . import limits, steps
from .pages import FORM_AGE, in_its_language, notice, participants_page, unknown

#: What a signed field says: that somebody has read what it means, and that they are sure.
READ, SURE = "withdraw:read", "withdraw:sure"


@participants_page
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: HttpRequest, token: str) -> HttpResponse:
    """From a participant's own page."""
    if limits.too_often_by_token(token):
        return limits.wait(request)
    participant = participation.find(token)
    if participant is None:
        return limits.wait(request) if limits.too_often_by_address(request) else _gone(request)
    request.ancestors = recruitment.ancestors(participant.study)
    with in_its_language(participant.study):
        said = _said(participant, request.POST.get("withdraw", ""))
        if said == SURE:
            return _done(request, participant)
        return _ask(request, participant, sure=said == READ)


@participants_page
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw_by_code(request: HttpRequest, link: UUID) -> HttpResponse:
    """From below the study's link, by the completion code; for whoever has lost the address of their own page."""
    study = Study.objects.select_related("recruitment").filter(link=link).first()
    if study is None:
        return unknown(request)
    request.ancestors = recruitment.ancestors(study)
    with in_its_language(study):
        if request.method != "POST":
            return _code(request, study)
        if limits.too_often_by_address(request):
            return limits.wait(request, study)
        participant = participation.by_code(study, request.POST.get("code", ""))
        if participant is None:
            return _code(request, study, problem=_("Nobody in this study has this code."), status=400)
        if _said(participant, request.POST.get("withdraw", "")) == SURE:
            return _done(request, participant)
        return _ask(request, participant, sure=True, code=participant.completion_code)


def _said(participant: Participant, field: str) -> str:
    """What the signed field of this participant's form says; nothing where it is not theirs, or too old."""
    try:
        return steps.signer(participant).unsign(field, max_age=FORM_AGE)
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
        "field": steps.signer(participant).sign(SURE if sure else READ),
        "back": "" if code else request.path.removesuffix("withdraw/"),
    }
    return render(request, "participant/withdraw.html", context)


def _gone(request: HttpRequest) -> HttpResponse:
    """Of nobody, or of somebody whose second click comes after their first."""
    if request.method != "POST":
        return unknown(request)
    text = _("If you have just withdrawn, that is done: nothing is left that leads to you.")
    return notice(request, None, _("There is nothing at this address"), text, status=404)


def _code(request: HttpRequest, study: Study, *, problem: str = "", status: int = 200) -> HttpResponse:
    return render(request, "participant/withdraw_code.html", {"study": study, "problem": problem}, status=status)


def _done(request: HttpRequest, participant: Participant) -> HttpResponse:
    participation.withdraw(participant)
    if participant.study.design["withdrawal"] == Withdrawal.REMOVE:
        text = _("Your answers are deleted, and nothing is left in this study that leads to you.")
    else:
        text = _("Nothing is left in this study that leads to you.")
    return notice(request, participant.study, _("You have withdrawn"), text, _("You can close this page."), gone=True)

"""The way in: the text to agree to."""

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from studies import participation, recruiters
from studies.lib.client_browser import OLDEST
from studies.lib.errors import StudyError
from studies.models import Consent, Study
from studies.recruiters import Arrived
from studies.recruitment import arrivals

from . import rate_limits
from .pages import FORM_AGE, SeeOther, in_its_language, notice, participants_page, public_page, unknown

log = logging.getLogger(__name__)

#: The cookie of a study that asks for one enrolment a browser, and for how long it is kept.
TOOK_PART, REMEMBERED = "quorum_took_part", timedelta(days=180)


@public_page
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "participant/home.html")


@participants_page
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, link: UUID) -> HttpResponse:
    """The text to agree to; agreeing leads to the participant's own page.

    Whom a recruiter names, and who has agreed before, is led there at once.
    """
    study = Study.objects.select_related("recruitment").filter(link=link).first()
    if study is None:
        return unknown(request)
    request.ancestors = arrivals.ancestors(study)
    with in_its_language(study):
        if request.method == "POST" and rate_limits.too_often_by_address(request):
            return rate_limits.wait(request, study)
        try:
            arrived = arrivals.identify_arrival(study, dict(request.GET.lists()))
            if arrived is None:
                return _join(request, study)
            if arrived.preview:
                return _preview(request, study)
            return _come(request, study, arrived)
        except recruiters.NotFromHere as refusal:
            return notice(request, study, _("That did not work"), str(refusal), status=400)


def _join(request: HttpRequest, study: Study, arrived: Arrived | None = None, known_as: str = "") -> HttpResponse:
    if not arrived and _has_taken_part(request, study):
        text = _("This browser has taken part in this study. To go on, open the address of your own page.")
        return notice(request, study, _("You have taken part already"), text, status=403)
    if request.method != "POST":
        return _not_joinable(request, study) or _consent(request, study, known_as)
    try:
        form = _join_signer(study).unsign_object(request.POST.get("join", ""), max_age=FORM_AGE)
        if known_as and form["token"] != known_as:
            raise signing.BadSignature
    except signing.BadSignature:
        problem = _("This page was open for too long or was changed. Please read it and agree again.")
        return _not_joinable(request, study) or _consent(request, study, known_as, problem=problem, status=400)
    token, consent = form["token"], participation.current_consent(study, form.get("language", ""))
    person = participation.find(token)
    if person is None:
        if refusal := _not_joinable(request, study):
            return refusal
        if form["version"] != consent.version:
            changed = _("This text has changed in the meantime. Please read it again.")
            return _consent(request, study, known_as, problem=changed)
        try:
            person, _token = participation.enrol(study, consent=consent, token=token)
        except participation.AlreadyWithdrawn:
            return _has_withdrawn(request, study)
    if arrived:
        arrivals.record_arrival(person, arrived)
    response = SeeOther(reverse("studies:take", args=[token]))
    if study.design.get("one_per_browser") and not arrived:
        options = {"path": reverse("studies:join", args=[study.link]), "secure": settings.HTTPS, "httponly": True}
        response.set_cookie(TOOK_PART, _remembers(study, token), REMEMBERED, samesite="Lax", **options)
    return response


def _has_taken_part(request: HttpRequest, study: Study) -> bool:
    """Whether this browser has enrolled in a study that asks for one a browser; the same form may come twice."""
    known = request.COOKIES.get(TOOK_PART) if study.design.get("one_per_browser") else None
    if not known:
        return False
    try:
        form = _join_signer(study).unsign_object(request.POST.get("join", ""), max_age=FORM_AGE)
    except signing.BadSignature:
        return True
    return not constant_time_compare(known, _remembers(study, form["token"]))


def _remembers(study: Study, token: str) -> str:
    """What a browser keeps of its participant: enough to tell a form that is sent again, and for nothing else."""
    return salted_hmac(f"studies.took-part:{study.link}", token).hexdigest()


def _come(request: HttpRequest, study: Study, arrived: Arrived) -> HttpResponse:
    """Somebody whom the recruiter names: to where they were, or to the text they are to agree to."""
    try:
        token = arrivals.participant_token(study, arrived)
    except StudyError as error:
        log.error("study %s takes nobody in: %s", study.slug, error)
        text = _("You cannot join at the moment. Please come back later, to the same address.")
        return notice(request, study, _("Please wait a moment"), text, status=503)
    person = participation.find(token)
    if person is None and participation.is_buried(study, participation.token_hash(token)):
        return _has_withdrawn(request, study)
    if person is None:
        return _join(request, study, arrived, token)
    # Whoever knows the ids is led on: somebody who tries many is slowed down.
    if rate_limits.too_often_by_token(token) or (request.method == "GET" and rate_limits.too_often_by_address(request)):
        return rate_limits.wait(request, study)
    if request.method != "HEAD":
        arrivals.record_arrival(person, arrived)
    return SeeOther(reverse("studies:take", args=[token]))


def _has_withdrawn(request: HttpRequest, study: Study) -> HttpResponse:
    """To someone whom the recruiter names, who took part and withdrew."""
    text = _("You took part in this study and withdrew. A person can take part in it once.")
    way = arrivals.way_back(study, recruiters.VisitOutcome.NOTHING_LEFT)
    return notice(request, study, _("You have withdrawn"), text, status=403, way=way)


def _preview(request: HttpRequest, study: Study) -> HttpResponse:
    """What somebody reads who only looks: nothing is asked, nothing stored, and no place taken."""
    recruiter, _settings = arrivals.recruiter_of(study)
    refusal = _not_joinable(request, study)
    if refusal:
        return refusal
    consent = participation.current_consent(study, get_language())
    context = {"study": study, "consent": consent, "preview": recruiter.preview_says()}
    return render(request, "participant/consent.html", context)


def _consent(
    request: HttpRequest, study: Study, known_as: str = "", *, problem: str = "", status: int = 200
) -> HttpResponse:
    consent, token = participation.current_consent(study, get_language()), known_as or participation.new_token()
    recruited = bool(known_as)
    return consent_page(request, study, consent, token, problem=problem, status=status, recruited=recruited)


def consent_page(
    request: HttpRequest,
    study: Study,
    consent: Consent,
    token: str,
    *,
    problem: str = "",
    status: int = 200,
    recruited: bool = False,
) -> HttpResponse:
    """`recruited`: somebody whom a recruiter names, so that this browser need not remember them."""
    context = {
        "study": study,
        "consent": consent,
        "problem": problem,
        # The token is there now, not when it is sent: a form sent twice enrols one participant.
        "join": _join_signer(study).sign_object(
            {"token": token, "version": consent.version, "language": consent.language}
        ),
        "own_page": "" if recruited else reverse("studies:take", args=[token]),
        "browsers": OLDEST,
        "decline": arrivals.way_back(study, recruiters.VisitOutcome.NO_CONSENT) if recruited else None,
    }
    response = render(request, "participant/consent.html", context, status=status)
    # Going back shows the same form, which leads to the same participant; a new visit asks for a new one.
    response.headers["Cache-Control"] = "private, max-age=0"
    return response


def _join_signer(study: Study) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"studies.join:{study.link}")


def _not_joinable(request: HttpRequest, study: Study) -> HttpResponse | None:
    """Why nobody can join now; None when they can."""
    way = arrivals.way_back(study, recruiters.VisitOutcome.NOTHING_LEFT)
    if study.state == Study.State.CLOSED:
        text = _("It accepts no more answers. Thank you for your interest.")
        return notice(request, study, _("This study has ended"), text, status=410, way=way)
    # The whole address: a recruiter's stands in its query.
    again = request.get_full_path()
    if study.state == Study.State.PAUSED:
        text = _("You cannot join at the moment. Please come back later, to the same address.")
        return notice(request, study, _("This study is paused"), text, again=again, way=way)
    if study.state != Study.State.OPEN:
        text = _("It is still being prepared. Please come back later, to the same address.")
        return notice(request, study, _("This study has not begun yet"), text, status=403, again=again, way=way)
    if not participation.has_room(study):
        text = _("Every place is taken at the moment. Please come back later: some places may become free again.")
        return notice(request, study, _("There is nothing to do right now"), text, again=again, way=way)
    return None

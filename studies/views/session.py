"""A participant's page.

It sets no cookie and reads none: inside a frame on a crowdsourcing site cookies do not arrive. Who somebody is stands
in the path, and what a form is about in a signed field of it. One address shows each participant the page they are
at, so that reload, back and a second tab all lead to the same place.
"""

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from studies import participation
from studies.models import Participant, Study
from studies.participation import SessionState
from studies.protocols.base.answer_parts import PREFIX
from studies.protocols.base.session_form import BackgroundForm
from studies.recruiters import VisitOutcome
from studies.recruitment import arrivals

from . import rate_limits, session_pages
from .evidence import evidence_of, hidden_field
from .measurements import measured
from .pages import FORM_AGE, SeeOther, in_its_language, notice, participants_page, unknown

#: A page's script sends its form with this header and is answered by the next page itself; without a script the answer
#: is a redirect to it, so that a reload sends nothing twice.
NEXT_PAGE = "X-Quorum-Page"


@participants_page
@require_http_methods(["GET", "HEAD", "POST"])
def take(request: HttpRequest, token: str) -> HttpResponse:
    """The page this participant is at; a form sent from it leads back here."""
    if rate_limits.too_often_by_token(token):
        return rate_limits.wait(request)
    participant = participation.find(token)
    if participant is None:
        return rate_limits.wait(request) if rate_limits.too_often_by_address(request) else unknown(request)
    # On every page that follows, beneath it.
    request.way_out = reverse("studies:withdraw", args=[token])
    request.own_consent = reverse("studies:own_consent", args=[token])
    request.ancestors = arrivals.ancestors(participant.study)
    with in_its_language(participant.study):
        return _sent(request, participant) if request.method == "POST" else _current_page(request, participant)


# --- forms ------------------------------------------------------------------------------------------------------------


def _sent(request: HttpRequest, participant: Participant) -> HttpResponse:
    try:
        about = session_pages.signer(participant).unsign(request.POST.get("trial", ""), max_age=FORM_AGE)
    except signing.SignatureExpired:
        return _refusal(request, participant, _("This page was open for too long, so nothing was stored."))
    except signing.BadSignature:
        return _refusal(request, participant, _("This form does not belong to this page, so nothing was stored."))
    step, _colon, trial_id = about.partition(":")
    try:
        return FORMS[step](request, participant, trial_id)
    except participation.TooEarly:
        return _come_back(request, participant, status=403)
    except participation.StudyClosed:
        return _closed(request, participant, _("It closed before this answer arrived, so this one was not stored."))
    except participation.AnswerRefused as refusal:
        return _refusal(request, participant, str(refusal))


def _background(request: HttpRequest, participant: Participant, _trial_id: str) -> HttpResponse:
    form = BackgroundForm(request.POST, participant.study.design["questions"])
    if participant.background is None:
        if not form.is_valid():
            return session_pages.questions(request, participant, form, status=400)
        participation.tell_background(participant, form.said())
    return _onward(request, participant)


def _start(request: HttpRequest, participant: Participant, _trial_id: str) -> HttpResponse:
    if rate_limits.too_many_beginning(request, participant):
        return rate_limits.wait_to_begin(request, participant.study)
    return _onward(request, participant, participation.start(participant))


def _answer(request: HttpRequest, participant: Participant, trial_id: str) -> HttpResponse:
    design = participant.study.design
    how, session = evidence_of(request, design)
    value, found = request.POST.get("answer", ""), measured(request, design, how)
    seen = {"session": session, "hidden_field": hidden_field(request, design)}
    parts = {name.removeprefix(PREFIX): request.POST.getlist(name) for name in request.POST if name.startswith(PREFIX)}
    given = participation.answer(participant, int(trial_id), value, measured=found, parts=parts, **seen)
    return _onward(request, participant, given.standing)


def _stop(request: HttpRequest, participant: Participant, _trial_id: str) -> HttpResponse:
    return _onward(request, participant, participation.stop_waiting(participant))


def _feedback_read(request: HttpRequest, participant: Participant, trial_id: str) -> HttpResponse:
    return _onward(request, participant, participation.leave_feedback(participant, int(trial_id)))


def _comments(request: HttpRequest, participant: Participant, _trial_id: str) -> HttpResponse:
    participation.comment(
        participant, request.POST.get("comments", "").replace("\x00", "").strip()[: session_pages.LONGEST_COMMENT]
    )
    return _onward(request, participant)


#: By what a form is about.
FORMS = {
    session_pages.QUESTIONS: _background,
    session_pages.START: _start,
    session_pages.TRIAL: _answer,
    session_pages.FEEDBACK: _feedback_read,
    session_pages.COMMENTS: _comments,
    session_pages.STOP: _stop,
}


def _onward(request: HttpRequest, participant: Participant, standing: SessionState | None = None) -> HttpResponse:
    """To the page the participant is at now."""
    if NEXT_PAGE not in request.headers:
        return SeeOther(request.path)
    return _page(request, standing) if standing else _current_page(request, participant)


# --- pages ------------------------------------------------------------------------------------------------------------


def _current_page(request: HttpRequest, participant: Participant) -> HttpResponse:
    if participant.started_at is None or participant.returns_at or participant.finished_at:
        return _page(request, SessionState.without_trials(participant))
    return _page(request, participation.arrive(participant))


def _page(request: HttpRequest, standing: SessionState) -> HttpResponse:
    """The one page of this moment, by what has happened and what has not."""
    person, study = standing.person, standing.study
    if person.screened_out_at or person.finished_at:
        answered = participation.answers_given(person)
        if study.design["comments"] and person.comments is None and answered:
            return session_pages.comments(request, person)
        return session_pages.thanks(request, person, answered=answered)
    if study.state == Study.State.CLOSED:
        return _closed(request, person)
    if person.returns_at and person.returns_at > timezone.now():
        return _come_back(request, person)
    if person.started_at is None or person.returns_at:
        if study.state != Study.State.OPEN:
            return _paused(request, study)
        if person.background is None and study.design["questions"]:
            return session_pages.questions(request, person)
        return session_pages.instructions(request, person)
    if standing.feedback:
        return session_pages.feedback(request, standing)
    if standing.waits:
        return session_pages.waiting(request, person)
    return session_pages.trial(request, standing) if standing.shown else _paused(request, study)


def _come_back(request: HttpRequest, person: Participant, *, status: int = 200) -> HttpResponse:
    person.refresh_from_db(fields=["returns_at"])
    return session_pages.come_back(request, person, status=status)


def _paused(request: HttpRequest, study: Study) -> HttpResponse:
    text = _("Your answers are stored and your place is kept. Please come back later, to the same address.")
    return notice(request, study, _("This study is paused"), text, again=request.path)


def _closed(request: HttpRequest, participant: Participant, text: str = "") -> HttpResponse:
    """Whoever had begun keeps what they have earned: closing is not their doing."""
    text = text or _("It accepts no more answers. Thank you for your interest.")
    answered = participation.answers_given(participant)
    way = arrivals.exit_for(participant, VisitOutcome.COMPLETED if answered else VisitOutcome.NOTHING_LEFT)
    code = participant.completion_code if answered else ""
    return notice(request, participant.study, _("This study has ended"), text, status=410, code=code, way=way)


def _refusal(request: HttpRequest, participant: Participant, text: str) -> HttpResponse:
    again = _("Your earlier answers are saved. Please continue from your current page.")
    heading = _("That did not work")
    return notice(request, participant.study, heading, text, again, status=400, onward=request.path)

"""Every page a participant will see, with the study's own stimuli and no participant: nothing is stored.

The pages are those of studies.views.steps, given rows that were never saved; a form leads to the next page and no
further.  They stand below /admin/, because the desk's cookies go nowhere else.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid5

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from studies import participation, protocols, visits
from studies.models import Condition, Consent, Participant, Role, Stimulus, Study, Trial
from studies.participation.standing import Standing, Tally
from studies.views import steps
from studies.views.joining import consent_page
from studies.views.pages import SeeOther, in_its_language, public_page
from studies.views.taking import NEXT_PAGE

from .pages import row, sentence

if TYPE_CHECKING:
    from .studies import StudyAdmin

CODE = "PREVIEW"
#: A page's script asks for the next page in the place of this one.  It gets one that does not fit there, and then has
#: the browser send the form: each previewed page has an address of its own, and can be loaded again.
NOT_HERE = '<!doctype html><meta name="application-name" content="Quorum"><title>Preview</title>'


@dataclass(frozen=True)
class Page:
    key: str
    title: str
    show: partial[HttpResponse]


def previewable(study: Study) -> bool:
    """Whether the stimuli are those of the design."""
    return study.state not in (Study.State.DRAFT, Study.State.PREPARING)


@csrf_exempt
def preview(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """One page, by `at`; or, by `number`, that stimulus as it is asked about.  A form sent from it leads to the next.

    Participants' forms have no CSRF token; here they change nothing.
    """
    return _previewed(request, admin, pk)


@public_page
def _previewed(request: HttpRequest, admin: "StudyAdmin", pk: int) -> HttpResponse:
    study = row(admin, request, pk, "view")
    if not previewable(study):
        messages.error(request, sentence(f"study {study.slug} is {study.state}: prepare it first, then look at it"))
        return redirect(admin.address(study))
    shown = pages(study, request.GET.get("number", ""))
    at = next((n for n, one in enumerate(shown) if one.key == request.GET.get("at")), None)
    if at is None:
        asked = request.GET.get("number")
        at = next((n for n, one in enumerate(shown) if asked and one.key == f"stimulus-{asked}"), 0)
    address, following = admin.address(study, "preview"), shown[(at + 1) % len(shown)]
    if request.method == "POST":
        if NEXT_PAGE in request.headers:
            return HttpResponse(NOT_HERE, status=409)
        return SeeOther(f"{address}?at={following.key}")
    request.preview = {
        "pages": [{"title": one.title, "url": f"{address}?at={one.key}"} for one in shown],
        "title": shown[at].title,
        "number": at + 1,
        "before": f"{address}?at={shown[at - 1].key}" if at else "",
        "after": f"{address}?at={following.key}" if at + 1 < len(shown) else "",
        "back": admin.address(study),
    }
    if shown[at].show.func is not _consent:
        # There is nobody to withdraw: the link stays here.
        request.way_out = f"{address}?at={shown[at].key}"
    with in_its_language(study):
        return shown[at].show(request)


def pages(study: Study, number: str = "") -> list[Page]:
    """The pages in the order in which somebody meets them; `number` is a stimulus to be among them."""
    design, arms = study.design, visits.arms_of(study)
    # In this browser somebody may really take part: what its pages remember by the study's link is not overwritten.
    study.link = uuid5(study.link, "preview")
    study.reach = study.reach or participation.reach(study)
    trials = _trials(study, number)
    person = _person(study, trials[0][1].condition)
    found = [Page("consent", "Consent", partial(_consent, study=study))]
    if design["questions"]:
        found.append(Page("questions", "Questions", partial(steps.questions, participant=person)))
    found.append(Page("instructions", "Instructions", partial(steps.instructions, participant=person)))
    practice = study.stimuli.filter(role=Role.PRACTICE).order_by("number").first() if design["practice"] else None
    if practice:
        found += _practice(study, person, practice)
    for place, (title, stimulus) in enumerate(trials):
        asked = _person(study, stimulus.condition)
        key = f"stimulus-{stimulus.number}"
        found.append(Page(key, title, partial(steps.trial, standing=_at(asked, stimulus, place))))
    if arms and arms.visits > 1:
        waiting = _person(study, person.arm, returns_at=timezone.now() + arms.washout)
        back = _person(study, person.arm, returns_at=timezone.now() - timedelta(minutes=1))
        found.append(Page("come-back", "Come back", partial(steps.come_back, participant=waiting)))
        found.append(Page("next-visit", "Next visit", partial(steps.instructions, participant=back)))
    if design["comments"]:
        found.append(Page("comments", "Comments", partial(steps.comments, participant=person)))
    total = Tally(person).total * (arms.visits if arms else 1)
    found.append(Page("thanks", "Thanks", partial(steps.thanks, participant=person, answered=total)))
    if design["gold"] and design["gold_rate"] is not None:
        out = _person(study, person.arm, screened_out_at=timezone.now())
        found.append(Page("screened-out", "Screened out", partial(steps.thanks, participant=out, answered=total)))
    return found


def _consent(request: HttpRequest, study: Study) -> HttpResponse:
    if study.opened_at:
        consent = participation.current_consent(study)
    else:
        consent = Consent(study=study, version=1, text=study.consent_text)
    return consent_page(request, study, consent, CODE)


def _person(study: Study, arm: Condition | None, **how: object) -> Participant:
    """Somebody who is not there: no row has their number."""
    arm = arm if visits.arms_of(study) else None
    return Participant(pk=0, study=study, number=1, arm=arm, completion_code=CODE, **how)


def _trials(study: Study, number: str) -> list[tuple[str, Stimulus]]:
    """The first stimulus of each condition, or the one asked for; with what it is called here."""
    stimuli = study.stimuli.select_related("condition").order_by("number")
    asked = stimuli.filter(number=int(number)).first() if number.isdecimal() and len(number) < 10 else None
    found = []
    for condition in study.conditions.order_by("pk"):
        if asked and asked.condition_id == condition.pk:
            stimulus = asked
        else:
            stimulus = stimuli.filter(condition=condition).main().first()
        if stimulus:
            found.append((f"Trial, {condition.key}", stimulus))
    return found


def _at(person: Participant, stimulus: Stimulus, place: int) -> Standing:
    """Somebody at their trial number `place`, from 0."""
    tally = Tally(person, answered=place, practised=place)
    return Standing(person, Trial(study=person.study, stimulus=stimulus, role=Role.MAIN), [], None, tally)


def _practice(study: Study, person: Participant, stimulus: Stimulus) -> list[Page]:
    """The trial, and what follows on the expected answer and on another one."""
    asked = Standing(person, Trial(study=study, stimulus=stimulus, role=Role.PRACTICE), [], None, Tally(person))
    expected = stimulus.truth["expected"]
    offered = [choice.value for choice in protocols.get(study.protocol).choices(study.design, stimulus.shown)]
    other = next(value for value in offered if value != expected)

    def told(answer: str) -> partial[HttpResponse]:
        done = Trial(study=study, stimulus=stimulus, role=Role.PRACTICE, answer=answer, correct=answer == expected)
        return partial(steps.feedback, standing=Standing(person, None, [], done, Tally(person, practised=1)))

    return [
        Page("practice", "Practice", partial(steps.trial, standing=asked)),
        Page("as-expected", "Practice, answered as expected", told(expected)),
        Page("otherwise", "Practice, answered otherwise", told(other)),
    ]

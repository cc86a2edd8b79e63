"""The pages of a study in the order in which a participant meets them, with its own stimuli and no participant.

The pages are those of `session_pages`, given rows that were never saved; nothing is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid5

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import get_language

from studies import participation, protocols
from studies.designs.consent import full_consent_text
from studies.models import Condition, Consent, Participant, Role, Stimulus, Study, Trial
from studies.participation import visits
from studies.participation.standing import ParticipantCounts, SessionState

from . import session_pages
from .consent import consent_page

#: In the place of the key of a participant, and of their completion code.
CODE = "PREVIEW"


@dataclass(frozen=True)
class Page:
    key: str
    title: str
    show: partial[HttpResponse]


def pages(study: Study, number: str = "", *, now: datetime | None = None) -> list[Page]:
    """The pages in their order; `number` is a stimulus to be among them, `now` the moment between two visits."""
    now = now or timezone.now()
    design, arms = study.design, visits.arms_of(study)
    # In this browser somebody may really take part: what its pages remember by the study's link is not overwritten.
    study.link = uuid5(study.link, "preview")
    study.reach = study.reach or participation.max_stimuli_per_visit(study)
    trials = _trials(study, number)
    person = _person(study, trials[0][1].condition)
    found = [Page("consent", "Consent", partial(consent, study=study))]
    if design["questions"]:
        found.append(Page("questions", "Questions", partial(session_pages.questions, participant=person)))
    found.append(Page("instructions", "Instructions", partial(session_pages.instructions, participant=person)))
    practice = study.stimuli.filter(role=Role.PRACTICE).order_by("number").first() if design["practice"] else None
    if practice:
        found += _told(study, person, practice)
    if training := study.stimuli.filter(role=Role.TRAINING).exclude(block="").order_by("number").last():
        found += _told(study, _person(study, training.condition), training)
    for place, (title, stimulus) in enumerate(trials):
        asked = _person(study, stimulus.condition)
        key = f"stimulus-{stimulus.number}"
        found.append(Page(key, title, partial(session_pages.trial, standing=_at(asked, stimulus, place))))
        if protocols.get(study.protocol).before(design, stimulus.shown):
            then = partial(session_pages.trial, standing=_at(asked, stimulus, place, parts={}))
            found.append(Page(f"then-{key}", f"{title}, after the first answer", then))
    if arms and arms.visits > 1:
        waiting = _person(study, person.arm, returns_at=now + arms.washout)
        back = _person(study, person.arm, returns_at=now - timedelta(minutes=1))
        found.append(Page("come-back", "Come back", partial(session_pages.come_back, participant=waiting)))
        found.append(Page("next-visit", "Next visit", partial(session_pages.instructions, participant=back)))
    if design["comments"]:
        found.append(Page("comments", "Comments", partial(session_pages.comments, participant=person)))
    total = ParticipantCounts(person).total * (arms.visits if arms else 1)
    found.append(Page("thanks", "Thanks", partial(session_pages.thanks, participant=person, answered=total)))
    if design["gold"] and design["gold_rate"] is not None:
        out = _person(study, person.arm, screened_out_at=now)
        found.append(
            Page("screened-out", "Screened out", partial(session_pages.thanks, participant=out, answered=total))
        )
    return found


def consent(request: HttpRequest, study: Study) -> HttpResponse:
    if study.opened_at:
        agreed = participation.current_consent(study, get_language())
    else:
        agreed = Consent(study=study, version=1, text=full_consent_text(study))
    return consent_page(request, study, agreed, CODE)


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


def _at(person: Participant, stimulus: Stimulus, place: int, parts: dict | None = None) -> SessionState:
    """Somebody at their trial number `place`, from 0; with `parts`, after what is asked first."""
    counts = ParticipantCounts(person, answered=place, practised=place)
    trial = Trial(study=person.study, stimulus=stimulus, role=Role.MAIN, parts=parts)
    return SessionState(person, trial, [], None, counts)


def _told(study: Study, person: Participant, stimulus: Stimulus) -> list[Page]:
    """The practice or training trial, and what follows on the expected answer and on another one."""
    role, before = stimulus.role, "" if stimulus.role == Role.PRACTICE else f"{stimulus.role}-"
    asked = SessionState(person, Trial(study=study, stimulus=stimulus, role=role), [], None, ParticipantCounts(person))
    expected = stimulus.truth["expected"]
    offered = [choice.value for choice in protocols.get(study.protocol).choices(study.design, stimulus.shown)]
    other = next(value for value in offered if value != expected)

    def told(answer: str) -> partial[HttpResponse]:
        done = Trial(study=study, stimulus=stimulus, role=role, answer=answer, correct=answer == expected)
        return partial(
            session_pages.feedback,
            standing=SessionState(person, None, [], done, ParticipantCounts(person, practised=1)),
        )

    return [
        Page(role, role.capitalize(), partial(session_pages.trial, standing=asked)),
        Page(f"{before}as-expected", f"{role.capitalize()}, answered as expected", told(expected)),
        Page(f"{before}otherwise", f"{role.capitalize()}, answered otherwise", told(other)),
    ]


def trial_pages(study: Study, stimulus: Stimulus) -> Iterator[partial[HttpResponse]]:
    """The page that asks about a stimulus; two where something is asked before the rest is shown."""
    person = _person(study, stimulus.condition)
    yield partial(session_pages.trial, standing=_at(person, stimulus, 0))
    if protocols.get(study.protocol).before(study.design, stimulus.shown):
        yield partial(session_pages.trial, standing=_at(person, stimulus, 0, parts={}))

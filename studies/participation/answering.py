"""Answering: what people say is stored when they say it, and the first time stands."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

from studies import protocols
from studies.lib.errors import StudyError
from studies.models import Participant, Role, Slot, Study, Trial
from studies.protocols import AnswerPart, PartError, Protocol

from . import clock, evidence, visits
from .claiming import held_firmly, hold, locked, present_next
from .retrying import Conflict, retried
from .standing import SessionState, stand

#: Why answers of a person do not count whose checks went wrong too often.
SCREENED_OUT = "screened out"
LATE = "late"
#: Why an answer does not count that was given before its picture can have been seen.
UNSEEN = "before it can be seen"
#: Why answers of a person do not count whom a researcher excluded.
EXCLUDED = "excluded"
#: Why answers of a person do not count that a program gave, by the signals the design registered.
FLAGGED = "signs of a program"
#: After these the expected answer is told.
TOLD = (Role.PRACTICE, Role.TRAINING)


class AnswerRefused(StudyError):
    """The answer was not stored; the message says why."""


class TooEarly(AnswerRefused):
    """The next visit cannot begin yet: the washout is not over."""


class StudyClosed(AnswerRefused):
    """The answer came after the study closed."""


@dataclass(frozen=True)
class Measured:
    """What a page measured of an answer, as columns of Trial; None where it did not."""

    response_ms: int | None = None
    away_ms: int | None = None
    hidden_count: int | None = None
    blur_count: int | None = None
    translated: bool | None = None
    shown_width: float | None = None
    shown_height: float | None = None
    smallest_width: float | None = None
    pixel_ratio: float | None = None
    zoom: float | None = None
    browser: str = ""
    evidence: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Answered:
    """What became of an answer, and where the participant stands now.

    `repeated`: it had been given before, and the first one stands.
    """

    trial: Trial
    repeated: bool
    standing: SessionState


# --- where somebody is ------------------------------------------------------------------------------------------------


def arrive(participant: Participant) -> SessionState:
    """Where this participant is, with a trial on their screen where there is one for them.

    Coming back continues the same trial; whoever is shown one holds a slot of it where there still is one.  Nothing is
    written where nothing has to be: `participant` must have been read just now.
    """
    standing = stand(participant)
    if not standing.goes_on or standing.feedback or (standing.shown and held_firmly(standing.shown)):
        return standing
    return _arrive(participant)


@retried
def _arrive(participant: Participant) -> SessionState:
    standing = stand(locked(participant))
    if standing.shown and standing.goes_on:
        hold(standing.shown)
    present_next(standing)
    return standing


def current_trial(participant: Participant) -> Trial | None:
    """The trial this participant is at; None when they are done, or the study gives out nothing more."""
    return _arrive(participant).shown


def progress(participant: Participant) -> tuple[int, int]:
    """How many trials this participant has answered in this visit, and how many they will be shown at most."""
    counts = stand(participant).counts
    return counts.answered, counts.total


def answers_given(participant: Participant) -> int:
    """How many trials this participant has answered, in all visits together."""
    return Trial.objects.filter(participant=participant, answered_at__isnull=False).exclude(role=Role.PRACTICE).count()


# --- before and after the trials --------------------------------------------------------------------------------------


def tell_background(participant: Participant, said: Mapping[str, str]) -> None:
    """Keep what somebody says about themselves, by question; the first time stands."""
    Participant.objects.filter(pk=participant.pk, background__isnull=True, withdrawn_at=None).update(
        background=dict(said)
    )
    _read_again(participant, "background")


@retried
def start(participant: Participant) -> SessionState:
    """Leave the instructions and be given the first stimulus of this visit.

    Between two visits this begins the next one; TooEarly, with nothing changed, while the washout is not over.
    """
    person = locked(participant)
    if person.returns_at and person.study.state == Study.State.OPEN and not visits.begin_next(person):
        raise TooEarly(_("It is too early for your next visit."))
    if person.started_at is None:
        person.started_at = clock.now()
        Participant.objects.filter(pk=person.pk).update(started_at=person.started_at)
    standing = stand(person)
    present_next(standing)
    return standing


@retried
def stop_waiting(participant: Participant) -> SessionState:
    """End a visit while others hold all that is left for this participant; what there is for them is shown."""
    standing = stand(locked(participant))
    present_next(standing)
    if standing.waits:
        visits.finish(standing.person)
        standing.person.refresh_from_db(fields=["finished_at", "returns_at"])
        standing.waits = False
    return standing


@retried
def leave_feedback(participant: Participant, trial_id: int) -> SessionState:
    """Go on from the feedback to a practice or training trial."""
    person = locked(participant)
    told = Trial.objects.filter(pk=trial_id, participant=person, role__in=TOLD, answered_at__isnull=False)
    told.filter(feedback_seen_at=None).update(feedback_seen_at=clock.now())
    standing = stand(person)
    present_next(standing)
    return standing


def comment(participant: Participant, text: str) -> None:
    """Keep what somebody has to say in the end; the first time stands, and nothing is a thing to say."""
    Participant.objects.filter(pk=participant.pk, comments=None, withdrawn_at=None).update(comments=text)
    _read_again(participant, "comments")


def _read_again(participant: Participant, field: str) -> None:
    """Bring one column up to date; who has withdrawn meanwhile has none."""
    with suppress(Participant.DoesNotExist):
        participant.refresh_from_db(fields=[field])


# --- the trials -------------------------------------------------------------------------------------------------------


@retried
def answer(
    participant: Participant,
    trial_id: int,
    value: str,
    *,
    response_ms: int | None = None,
    measured: Measured | None = None,
    parts: Mapping[str, Sequence[str]] | None = None,
    session: Mapping[str, Any] | None = None,
    hidden_field: bool = False,
) -> Answered:
    """Store an answer and show the next stimulus; `parts` is what was sent for each part beside the decision, by name.

    `session` is what the page saw of the browser, and `hidden_field` whether what nobody comes upon was filled in.

    The first answer to a trial stands; every repeat changes nothing.  An answer whose slot went to somebody else, or
    that the protocol does not accept, is kept with its reason and does not count.  Raises AnswerRefused for an answer
    that is not offered, a trial that is not this participant's, and a closed study.
    """
    standing = stand(locked(participant))
    if standing.person.withdrawn_at:
        raise AnswerRefused(_("This page does not belong to you."))
    trial = standing.shown
    if trial is None or trial.pk != trial_id:
        trial = _earlier(standing.person, trial_id)
        if trial.answered_at:
            present_next(standing)
            return Answered(trial, True, standing)
    study = standing.study
    if study.state not in (Study.State.OPEN, Study.State.PAUSED):
        raise StudyClosed(_("This study is closed: it accepts no more answers."))
    protocol = protocols.get(study.protocol)
    shown = shown_to(trial)
    first = protocol.before(study.design, shown)
    if first and (trial.parts is None or (not value and parts)):
        return _first_step(trial, standing, first, parts or {})
    if value not in {choice.value for choice in protocol.choices(study.design, shown)}:
        raise AnswerRefused(_("Please choose one of the answers offered."))
    trial.parts = {**(trial.parts or {}), **_read(protocol.parts(study.design, shown), parts or {})} or None
    measured = measured or Measured(response_ms)
    evidence.note(standing.person, measured.evidence, session, hidden_field=hidden_field)
    _store(trial, value, measured, protocol)
    standing.shown = None
    if trial.role == Role.PRACTICE:
        standing.counts.practised += 1
        standing.feedback = trial
    else:
        standing.counts.answered += 1
        standing.counts.wrong += trial.role == Role.GOLD and trial.correct is False
        if trial.role in TOLD:
            standing.feedback = trial
    _screen(standing)
    if evidence.excludes(standing.person):
        uncount(standing.person, FLAGGED)
    present_next(standing)
    return Answered(trial, False, standing)


def _earlier(person: Participant, trial_id: int) -> Trial:
    trials = Trial.objects.filter(pk=trial_id, participant=person, presented_at__isnull=False)
    trial = trials.select_related("stimulus").first()
    if trial is None:
        raise AnswerRefused(_("This page does not belong to you."))
    trial.participant, trial.study = person, person.study
    return trial


def shown_to(trial: Trial) -> Mapping[str, Any]:
    """What the page of a trial shows, in the order that was drawn for it."""
    return protocols.get(trial.study.protocol).arranged(trial.stimulus.shown, trial.arrangement)


def _first_step(
    trial: Trial, standing: SessionState, first: Sequence[AnswerPart], sent: Mapping[str, Sequence[str]]
) -> Answered:
    """Store what is asked before the rest of a trial is shown; sent again, it changes nothing."""
    if trial.parts is None:
        trial.parts = _read(first, sent)
        if not Trial.objects.filter(pk=trial.pk, answered_at=None, parts__isnull=True).update(parts=trial.parts):
            raise Conflict
        return Answered(trial, False, standing)
    return Answered(trial, True, standing)


def _read(parts: Sequence[AnswerPart], sent: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The values of the parts, by name."""
    try:
        return {part.name: part.read(sent.get(part.name, ())) for part in parts}
    except PartError as error:
        raise AnswerRefused(str(error)) from None


def _store(trial: Trial, value: str, measured: Measured, protocol: Protocol) -> None:
    trial.answer, trial.answered_at = value, clock.now()
    for name, measure in asdict(measured).items():
        setattr(trial, name, measure)
    if trial.role == Role.MAIN:
        server_ms = round((trial.answered_at - trial.presented_at).total_seconds() * 1000)
        # Excluded while this was on their screen.
        gone = EXCLUDED if trial.participant.excluded_at else ""
        design = trial.study.design
        gone = gone or (FLAGGED if evidence.excludes(trial.participant) else "")
        trial.exclusion = (
            gone or _unseen(design, measured) or protocol.exclusion(design, value, server_ms) or _fill(trial)
        )
        trial.counted = not trial.exclusion
        if trial.exclusion:
            Slot.objects.filter(holder=trial, filled=False).update(holder=None, leased_until=None)
    else:
        trial.correct = protocol.is_right(value, trial.parts or {}, trial.stimulus.truth)
    names = ("answer", "parts", "answered_at", "counted", "exclusion", "correct")
    values = {name: getattr(trial, name) for name in names}
    if not Trial.objects.filter(pk=trial.pk, answered_at=None).update(**values, **asdict(measured)):
        raise Conflict


def _unseen(design: Mapping[str, Any], measured: Measured) -> str:
    """Why an answer does not count that came sooner after the paint than the design allows."""
    least, took = design.get("min_answer_ms") or 0, measured.response_ms
    return UNSEEN if took is not None and took < least else ""


def _fill(trial: Trial) -> str:
    """Fill the slot the trial holds, or another free one of its stimulus; the reason where there is none."""
    for _attempt in range(2):
        if Slot.objects.filter(holder=trial).update(filled=True, leased_until=None):
            return ""
        if not hold(trial, answering=True):
            return LATE
    raise Conflict


# --- people whose answers do not count --------------------------------------------------------------------------------


def _screen(standing: SessionState) -> None:
    """Screen somebody out as soon as they can no longer answer enough of a visit's gold right."""
    design, person = standing.study.design, standing.person
    if design["gold_rate"] is None or person.screened_out_at:
        return
    # A rate such as 0.7 of 10 is 7, however it is rounded on its way.
    if standing.counts.wrong <= math.floor(design["gold"] * (1 - design["gold_rate"]) + 1e-9):
        return
    person.screened_out_at = person.finished_at = clock.now()
    Participant.objects.filter(pk=person.pk).update(
        screened_out_at=person.screened_out_at, finished_at=person.finished_at
    )
    release(person, standing.ready)
    standing.ready.clear()
    if design["reopen_screened"]:
        uncount(person, SCREENED_OUT)


def release(person: Participant, ready: list[Trial]) -> None:
    """Give back the places somebody holds and has not filled."""
    Trial.objects.filter(pk__in=[trial.pk for trial in ready]).update(released_at=clock.now())
    Slot.objects.filter(holder__participant=person, filled=False).update(holder=None, leased_until=None)


def uncount(person: Participant, exclusion: str) -> int:
    """Keep somebody's answers, but count none of them: their slots open again.  Returns how many that are."""
    Slot.objects.filter(holder__participant=person).update(holder=None, leased_until=None, filled=False)
    return Trial.objects.filter(participant=person, counted=True).update(counted=False, exclusion=exclusion)

"""Enrolling, claiming and answering: exactly N distinct people for each stimulus, whatever happens.

The constraints in studies.models.answers hold it up; here every write is a short transaction that is simply tried
again when another one was faster (docs/decisions/0002).
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from studies import protocols, visits
from studies.errors import StudyError
from studies.models import Consent, Participant, Slot, Study, Trial

#: Without letters and digits that look alike.
CODE_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
ATTEMPTS = 20


class Conflict(Exception):
    """Somebody else took the slot first: try again."""


class AnswerRefused(StudyError):
    """The answer was not stored; the message says why."""


class TooEarly(AnswerRefused):
    """The next visit cannot begin yet: the washout is not over."""


class StudyClosed(AnswerRefused):
    """The answer came after the study closed."""


@dataclass(frozen=True)
class Answered:
    """What became of an answer.  `repeated`: it had been given before, and the first one stands."""

    trial: Trial
    repeated: bool


def retried(function: Callable) -> Callable:
    """Run the function in a transaction, and again when another process was faster."""

    @wraps(function)
    def wrapper(*args, **kwargs):
        for attempt in range(ATTEMPTS):
            try:
                with transaction.atomic():
                    return function(*args, **kwargs)
            except (Conflict, IntegrityError):
                if attempt == ATTEMPTS - 1:
                    raise
            except OperationalError as error:
                # PostgreSQL ends one of two transactions that wait for each other; the other one goes on.
                if "deadlock" not in str(error) or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError

    return wrapper


def token_hash(token: str) -> str:
    """What is stored of a participant's token."""
    return hashlib.sha256(token.encode()).hexdigest()


# --- enrolling --------------------------------------------------------------------------------------------------------


def current_consent(study: Study) -> Consent:
    return study.consents.latest("version")


def new_token() -> str:
    """A token nobody can guess."""
    return secrets.token_urlsafe(16)


def has_room(study: Study) -> bool:
    """Whether somebody who comes now finds a slot that is neither filled, nor held by another, nor spoken for."""
    _arm, room = visits.first_arm(study)
    return room and Slot.objects.filter(_free(timezone.now()), study=study).exists()


def enrol(
    study: Study, *, consent: Consent, simulated: bool = False, token: str | None = None
) -> tuple[Participant, str]:
    """A participant who agreed to `consent`, and the token that is the only key to their pages.

    A `token` (from `new_token`) that was given before leads to the same participant: a form sent twice enrols once.
    """
    if study.state != Study.State.OPEN:
        raise StudyError("This study is not open.")
    if consent.study_id != study.pk:
        raise StudyError("This consent belongs to another study.")
    token = token or new_token()
    arm, _room = visits.first_arm(study)
    participant, _created = Participant.objects.get_or_create(
        token_sha256=token_hash(token),
        defaults={
            "study": study,
            "arm": arm,
            "simulated": simulated,
            "consent": consent,
            "consented_at": timezone.now(),
            "completion_code": "".join(secrets.choice(CODE_ALPHABET) for _ in range(10)),
        },
    )
    return participant, token


def find(token: str) -> Participant | None:
    """Whose token this is."""
    return Participant.objects.select_related("study").filter(token_sha256=token_hash(token)).first()


# --- claiming ---------------------------------------------------------------------------------------------------------


@retried
def start(participant: Participant) -> None:
    """Leave the instructions and be given the first stimulus of this visit.

    Between two visits this begins the next one; TooEarly, with nothing changed, while the washout is not over.
    """
    person = _locked(participant)
    if person.returns_at and person.study.state == Study.State.OPEN and not visits.begin_next(person):
        raise TooEarly(_("It is too early for your next visit."))
    Participant.objects.filter(pk=person.pk, started_at=None).update(started_at=timezone.now())
    _present_next(person)


@retried
def current_trial(participant: Participant) -> Trial | None:
    """The trial this participant is at; None when they are done, or the study gives out nothing more.

    Coming back continues the same trial; whoever is shown one holds a slot of it where there still is one.
    """
    trial = _shown(participant)
    if trial is None:
        return _present_next(participant)
    if trial.participant.study.state == Study.State.OPEN:
        _hold(trial)
    return trial


def upcoming_trial(participant: Participant) -> Trial | None:
    """The trial kept ready after the current one, so that its picture can be loaded ahead."""
    return _waiting(participant).select_related("stimulus").first()


def _shown(participant: Participant) -> Trial | None:
    open_trials = Trial.objects.filter(participant=participant, presented_at__isnull=False, answered_at=None)
    return open_trials.select_related("stimulus", "participant__study").order_by("position").first()


def _waiting(participant: Participant):
    return Trial.objects.filter(participant=participant, presented_at=None, released_at=None).order_by("position")


def _present_next(participant: Participant) -> Trial | None:
    """Show the trial kept ready, or claim one; keep another one ready.  Ends a visit where nothing is left to do."""
    participant = _locked(participant)
    if shown := _shown(participant):
        return shown
    study = participant.study
    if study.state != Study.State.OPEN or participant.finished_at or participant.returns_at:
        return None
    trial = None
    for waiting in _waiting(participant).select_related("stimulus"):
        if _hold(waiting):
            trial = waiting
            break
        Trial.objects.filter(pk=waiting.pk).update(released_at=timezone.now())
    trial = trial or _claim(participant, study)
    if trial is None:
        visits.finish(participant)
        return None
    trial.presented_at = timezone.now()
    Trial.objects.filter(pk=trial.pk).update(presented_at=trial.presented_at)
    _claim(participant, study)
    return trial


def _locked(participant: Participant) -> Participant:
    """The participant as they are now, and as they stay until this transaction ends: two tabs take turns."""
    rows = Participant.objects.select_for_update(of=("self",), no_key=True).select_related("study", "arm")
    return rows.get(pk=participant.pk)


def _free(now) -> Q:
    return Q(filled=False) & (Q(holder=None) | Q(leased_until__lt=now))


def _lease(study: Study) -> timedelta:
    return protocols.get(study.protocol).lease


def _claim(participant: Participant, study: Study) -> Trial | None:
    """Lease the least answered stimulus this participant may meet; None when there is none, or they had enough.

    They have met neither it nor, in this visit, another of its family; and it belongs to their arm where they have one.
    """
    trials = Trial.objects.filter(participant=participant)
    position = trials.count() + 1
    here = trials.filter(visit=participant.visit)
    if here.filter(released_at=None).count() >= study.design["trials_per_participant"]:
        return None
    now = timezone.now()
    met = Exists(trials.filter(stimulus=OuterRef("stimulus")))
    met_family = Exists(here.exclude(family="").filter(family=OuterRef("family")))
    candidates = Slot.objects.filter(_free(now), ~met, ~met_family, study=study).order_by("slot_no", "rank")
    if participant.arm_id:
        candidates = candidates.filter(condition=participant.arm_id)
    if connection.features.has_select_for_update_skip_locked:
        candidates = candidates.select_for_update(skip_locked=True)
    slot = candidates.first()
    if slot is None:
        return None
    trial = Trial.objects.create(
        study=study,
        participant=participant,
        stimulus_id=slot.stimulus_id,
        position=position,
        claimed_at=now,
        family=slot.family,
        visit=participant.visit,
        washed_out_at=participant.washed_out_at,
    )
    if not Slot.objects.filter(_free(now), pk=slot.pk).update(holder=trial, leased_until=now + _lease(study)):
        raise Conflict
    return trial


def _hold(trial: Trial) -> bool:
    """Renew the trial's lease, or lease another free slot of its stimulus; False when all are taken."""
    now = timezone.now()
    until = now + _lease(trial.study)
    if Slot.objects.filter(holder=trial).update(leased_until=until):
        return True
    free = Slot.objects.filter(_free(now), stimulus=trial.stimulus_id).order_by("slot_no")
    if connection.features.has_select_for_update_skip_locked:
        free = free.select_for_update(skip_locked=True)
    slot = free.first()
    if slot is None:
        return False
    if not Slot.objects.filter(_free(now), pk=slot.pk).update(holder=trial, leased_until=until):
        raise Conflict
    return True


# --- answering --------------------------------------------------------------------------------------------------------


@retried
def answer(participant: Participant, trial_id: int, value: str, *, response_ms: int | None = None) -> Answered:
    """Store an answer and show the next stimulus.

    The first answer to a trial stands; every repeat changes nothing.  An answer whose slot went to somebody else, or
    that the protocol does not accept, is kept with its reason and does not count.  Raises AnswerRefused for an answer
    that is not offered, a trial that is not this participant's, and a closed study.
    """
    trial = (
        Trial.objects.select_related("stimulus", "study")
        .filter(pk=trial_id, participant=participant, presented_at__isnull=False)
        .first()
    )
    if trial is None:
        raise AnswerRefused(_("This page does not belong to you."))
    if trial.answered_at:
        return Answered(trial, repeated=True)
    study = trial.study
    if study.state not in (Study.State.OPEN, Study.State.PAUSED):
        raise StudyClosed(_("This study is closed: it takes no more answers."))
    protocol = protocols.get(study.protocol)
    if value not in {choice.value for choice in protocol.choices(study.design, trial.stimulus.shown)}:
        raise AnswerRefused(_("Please choose one of the answers offered."))
    now = timezone.now()
    server_ms = round((now - trial.presented_at).total_seconds() * 1000)
    exclusion = protocol.exclusion(study.design, value, server_ms)
    if exclusion:
        Slot.objects.filter(holder=trial).update(holder=None, leased_until=None)
    elif _hold(trial):
        Slot.objects.filter(holder=trial).update(filled=True, leased_until=None)
    else:
        exclusion = "late"
    changed = Trial.objects.filter(pk=trial.pk, answered_at=None).update(
        answer=value, answered_at=now, response_ms=response_ms, counted=not exclusion, exclusion=exclusion
    )
    if not changed:
        raise Conflict
    trial.refresh_from_db()
    _present_next(participant)
    return Answered(trial, repeated=False)


def progress(participant: Participant) -> tuple[int, int]:
    """How many trials this participant has answered in this visit, and how many they will be shown at most."""
    trials = Trial.objects.filter(participant=participant, visit=participant.visit, released_at=None)
    answered = trials.filter(answered_at__isnull=False).count()
    study = participant.study
    stimuli = study.stimuli.filter(condition=participant.arm_id) if participant.arm_id else study.stimuli
    alone = Q(family="")
    most = stimuli.aggregate(n=Count("pk", filter=alone) + Count("family", distinct=True, filter=~alone))["n"]
    return answered, min(study.design["trials_per_participant"], most)


def answers_given(participant: Participant) -> int:
    """How many trials this participant has answered, in all visits together."""
    return Trial.objects.filter(participant=participant, answered_at__isnull=False).count()

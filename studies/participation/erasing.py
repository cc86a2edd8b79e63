"""Erasing: what joins rows to a person is taken out of them, in rows and log, so that it joins to no earlier copy.

An earlier export or backup has a person's number, random id and times to the millisecond.  After erasing, rows have
others, or the day on which their study opened.
"""

import secrets
import uuid
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, QuerySet, Value
from django.utils import timezone

from studies.models import Arrival, Event, Participant, Study, Trial
from studies.models.answers import LARGEST_NUMBER

from .answering import Measured
from .enrolling import token_hash

#: Times of a participant, of which the day of opening is left where there was one.
TIMES = ("started_at", "finished_at", "screened_out_at", "excluded_at", "returns_at")
#: The lines of the log that name a participant.
LOGGED = (Event.What.EXCLUDED,)


def day_of(study: Study) -> datetime:
    """The midnight (UTC) before the study opened, in the place of every exact time."""
    return (study.opened_at or study.created_at).replace(hour=0, minute=0, second=0, microsecond=0)


def disconnect(people: QuerySet[Participant]) -> int:
    """Remove what leads from these rows to persons; returns how many people they are.

    Key, code, ids of recruiters, what they said about themselves and comments, number, random id, reason and exact
    times go.  Answers stay, with the time that each took.
    """
    n = 0
    for person in people.select_related("study"):
        clear_log(person)
        Arrival.objects.filter(participant=person).delete()
        Participant.objects.filter(pk=person.pk).update(**_nobody(person))
        day = day_of(person.study)
        trials = Trial.objects.filter(participant=person)
        trials.filter(washed_out_at__isnull=False).update(washed_out_at=day)
        trials.filter(answered_at__isnull=False).update(answered_at=_moved_to(day))
        trials.update(claimed_at=day)
        trials.filter(presented_at__isnull=False).update(presented_at=day)
        trials.filter(released_at__isnull=False).update(released_at=day)
        trials.filter(feedback_seen_at__isnull=False).update(feedback_seen_at=day)
        n += 1
    return n


def replace(person: Participant) -> Participant:
    """Move what stays of a person to new rows, in another order and without any measurement, and delete the old ones.

    New rows have no key of an earlier copy and stand behind all others, so that no order of rows joins them either.
    """
    clear_log(person)
    old, day = Participant.objects.get(pk=person.pk), day_of(person.study)
    kept = ("study_id", "simulated", "consent_id", "arm_id", "visit", "taken_over")
    new = Participant.objects.create(**{name: getattr(old, name) for name in kept}, **_nobody(old))
    Participant.objects.filter(pk=new.pk).update(
        withdrawn_at=_today(), finished_at=day, returns_at=None, excluded_at=None, screened_out_at=None
    )
    trials = list(Trial.objects.filter(participant=old, presented_at__isnull=False).select_related("slot"))
    secrets.SystemRandom().shuffle(trials)
    for position, trial in enumerate(trials, 1):
        slot = getattr(trial, "slot", None)
        moved = Trial(**{field.attname: getattr(trial, field.attname) for field in Trial._meta.concrete_fields})
        moved.pk, moved.participant, moved.position = None, new, position
        for name, value in {**_times(trial, day), **asdict(Measured())}.items():
            setattr(moved, name, value)
        moved.save(force_insert=True)
        if slot:
            type(slot).objects.filter(pk=slot.pk).update(holder=moved)
    Trial.objects.filter(participant=old).delete()
    old.delete()
    return new


def clear_log(person: Participant) -> None:
    """Take a person's number, random id and reason out of the study's log; that something was done stays."""
    row = Participant.objects.values_list("public_id", "number").get(pk=person.pk)
    names = (str(row[0]), row[1])
    for event in Event.objects.filter(study=person.study, what__in=LOGGED):
        if event.details.get("participant") in names:
            Event.objects.filter(pk=event.pk).update(details={"erased": True})


def _nobody(person: Participant) -> dict[str, Any]:
    """The columns of a row that leads to nobody."""
    day = day_of(person.study)
    return {
        "public_id": uuid.uuid4(),
        "number": LARGEST_NUMBER + 1 + secrets.randbelow(LARGEST_NUMBER),
        # Nobody knows a token of this hash: nobody was ever given it.
        "token_sha256": token_hash(secrets.token_urlsafe(32)),
        "background": None,
        "comments": None,
        "evidence": None,
        "completion_code": "",
        "exclusion_reason": "",
        "consented_at": day,
        "washed_out_at": day if person.visit > 1 else None,
        **{name: day if getattr(person, name) else None for name in TIMES},
    }


def _moved_to(day: datetime) -> ExpressionWrapper:
    """The moment of an answer, as if its page had been shown at midnight."""
    took = ExpressionWrapper(F("answered_at") - F("presented_at"), output_field=DurationField())
    return ExpressionWrapper(Value(day, output_field=DateTimeField()) + took, output_field=DateTimeField())


def _times(trial: Trial, day: datetime) -> dict[str, datetime | None]:
    """An answer that took no time is one whose times were erased."""
    names = ("presented_at", "answered_at", "released_at", "feedback_seen_at", "washed_out_at")
    return {"claimed_at": day, **{name: day if getattr(trial, name) else None for name in names}}


def _today() -> datetime:
    return timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)

"""Claiming: a slot is leased to a trial, by whoever is there first."""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from studies import allocation, protocols, visits
from studies.models import Participant, Role, Slot, Stimulus, Study, Trial

from . import queries
from .retrying import Conflict
from .standing import Standing, Tally, slot_of


def free(now: datetime) -> Q:
    """Slots that are neither filled nor held."""
    return Q(filled=False) & (Q(holder=None) | Q(leased_until__lt=now))


def lease(study: Study) -> timedelta:
    return protocols.get(study.protocol).lease


def locked(participant: Participant) -> Participant:
    """The participant as they are now, and as they stay until this transaction ends: two tabs take turns."""
    queries.bring_up_to_date(participant, lock=True)
    return participant


def present_next(standing: Standing) -> None:
    """Show the trial kept ready, or claim one; keep another one ready.  Ends a visit where nothing is left to do.

    Within a transaction that has locked the participant; `standing` is brought up to date.
    """
    if standing.shown or standing.feedback or not standing.goes_on:
        return
    person, tally = standing.person, standing.tally
    now = timezone.now()
    while standing.ready and standing.shown is None:
        trial = standing.ready.pop(0)
        if held_firmly(trial) or hold(trial):
            standing.shown = trial
        else:
            # Kept ready for too long: others were given its places.  It was never seen.
            Trial.objects.filter(pk=trial.pk).update(released_at=now)
            tally.main -= 1
            tally.met[trial.stimulus.condition_id] -= 1
    standing.shown = standing.shown or claim(person, tally)
    if standing.shown is None:
        visits.finish(person)
        person.refresh_from_db(fields=["finished_at", "returns_at"])
        return
    standing.shown.presented_at = now
    Trial.objects.filter(pk=standing.shown.pk).update(presented_at=now)
    if not standing.ready and (ahead := claim(person, tally)):
        standing.ready.append(ahead)


def claim(person: Participant, tally: Tally) -> Trial | None:
    """The participant's next trial: at its place a check, else a leased slot; None when nothing is left for them."""
    role = tally.next_role()
    if role is not None and role != Role.MAIN and (check := _check(person, tally, role)):
        return _encounter(person, tally, check)
    if tally.main >= tally.design["trials_per_participant"]:
        return None
    slot, now = _free_slot(person, tally), timezone.now()
    if slot is None:
        return None
    trial = _encounter(person, tally, slot.stimulus)
    until = now + lease(person.study)
    if not Slot.objects.filter(free(now), pk=slot.pk).update(holder=trial, leased_until=until):
        raise Conflict
    slot.holder, slot.leased_until = trial, until
    return trial


def _encounter(person: Participant, tally: Tally, stimulus: Stimulus) -> Trial:
    tally.add(stimulus.role, stimulus.condition_id)
    return Trial.objects.create(
        study=person.study,
        participant=person,
        stimulus=stimulus,
        role=stimulus.role,
        position=tally.position,
        claimed_at=timezone.now(),
        family=stimulus.family,
        visit=person.visit,
        washed_out_at=person.washed_out_at,
    )


def _check(person: Participant, tally: Tally, role: str) -> Stimulus | None:
    """The next practice or gold stimulus; None where there are too few."""
    pool = list(person.study.stimuli.filter(role=role).order_by("number"))
    if role == Role.GOLD:
        pool = allocation.gold_order(pool, number=person.number, seed=tally.design["seed"])
    trials = Trial.objects.filter(participant=person)
    met = set(trials.filter(role=role).values_list("stimulus", flat=True))
    families = set(trials.filter(visit=person.visit).exclude(family="").values_list("family", flat=True))
    return next((one for one in pool if one.pk not in met and one.family not in families), None)


def _free_slot(person: Participant, tally: Tally) -> Slot | None:
    """A free slot of the least answered stimulus of the condition whose turn it is, that this participant may meet.

    They have met neither the stimulus nor, in this visit, another of its family.
    """
    turns = {"number": person.number, "visit": person.visit, "seed": tally.design["seed"]}
    for condition in allocation.condition_order(tally.shares(), tally.met, **turns):
        if slot := queries.free_slot(person, condition, timezone.now()):
            return slot
    return None


def hold(trial: Trial) -> bool:
    """Renew the trial's lease, or lease another free slot of its stimulus; False when all are taken."""
    if trial.role != Role.MAIN:
        return True
    now = timezone.now()
    until = now + lease(trial.study)
    if Slot.objects.filter(holder=trial).update(leased_until=until):
        return True
    candidates = Slot.objects.filter(free(now), stimulus=trial.stimulus_id).order_by("slot_no")
    if connection.features.has_select_for_update_skip_locked:
        candidates = candidates.select_for_update(skip_locked=True)
    slot = candidates.first()
    if slot is None:
        return False
    if not Slot.objects.filter(free(now), pk=slot.pk).update(holder=trial, leased_until=until):
        raise Conflict
    return True


def held_firmly(trial: Trial) -> bool:
    """Whether the trial's lease, as it was read, has more than half of its time to go; checks need none."""
    if trial.role != Role.MAIN:
        return True
    slot = slot_of(trial)
    return (
        slot is not None
        and slot.leased_until is not None
        and slot.leased_until > timezone.now() + lease(trial.study) / 2
    )

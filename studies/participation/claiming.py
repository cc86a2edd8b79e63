"""Claiming: a slot is leased to a trial, by whoever is there first."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from django.db import connection
from django.db.models import Count, QuerySet

from studies import protocols
from studies.models import Participant, Role, Slot, Stimulus, Study, Trial
from studies.protocols import block_of

from . import clock, queries, trial_order, visits
from .retrying import Conflict
from .standing import ParticipantCounts, SessionState, slot_of

#: Leases after which the page of one trial no longer renews its own.
LONGEST = 4
free = visits.free_of


def lease(study: Study) -> timedelta:
    return protocols.get(study.protocol).lease


def locked(participant: Participant) -> Participant:
    """The participant as they are now, and as they stay until this transaction ends: two tabs take turns."""
    queries.bring_up_to_date(participant, lock=True)
    return participant


def present_next(standing: SessionState) -> None:
    """Show the trial kept ready, or claim one; keep another one ready.  Ends a visit where nothing is left to do; where
    others hold what is left, and may lose it, the participant waits.

    Nobody holds a place beside a page that is none: the next is kept ready once a main trial is on the screen.

    Within a transaction that has locked the participant; `standing` is brought up to date.
    """
    if standing.shown or standing.feedback or not standing.goes_on:
        return
    person, counts = standing.person, standing.counts
    now = clock.now()
    while standing.ready and standing.shown is None:
        trial = standing.ready.pop(0)
        if held_firmly(trial) or hold(trial):
            standing.shown = trial
        else:
            # Kept ready for too long: others were given its places.  It was never seen.
            Trial.objects.filter(pk=trial.pk).update(released_at=now)
            counts.main -= 1
            counts.met[trial.stimulus.condition_id] -= 1
            counts.blocks[trial.stimulus.block] -= 1
    standing.shown = standing.shown or claim(person, counts)
    if standing.shown is None and _may_come_free(person, counts):
        standing.waits = True
        return
    if standing.shown is None:
        visits.finish(person)
        person.refresh_from_db(fields=["finished_at", "returns_at"])
        return
    standing.shown.presented_at = now
    Trial.objects.filter(pk=standing.shown.pk).update(presented_at=now)
    practises = standing.shown.role == Role.PRACTICE and counts.next_role() != Role.PRACTICE
    if not standing.ready and not practises and (ahead := claim(person, counts)):
        standing.ready.append(ahead)


def claim(person: Participant, counts: ParticipantCounts) -> Trial | None:
    """The participant's next trial: at its place a check, else a leased slot; None when nothing is left for them."""
    role = counts.next_role()
    if role is not None and role != Role.MAIN and (check := _check(person, counts, role)):
        return _encounter(person, counts, check)
    if counts.phases:
        return _of_phase(person, counts)
    if counts.main >= counts.design["trials_per_participant"]:
        return None
    slot = _free_slot(person, counts)
    return _leased(person, counts, slot) if slot else None


def _leased(person: Participant, counts: ParticipantCounts, slot: Slot) -> Trial:
    now = clock.now()
    trial = _encounter(person, counts, slot.stimulus)
    until = now + lease(person.study)
    if not Slot.objects.filter(free(now), pk=slot.pk).update(holder=trial, leased_until=until):
        raise Conflict
    slot.holder, slot.leased_until = trial, until
    return trial


def _of_phase(person: Participant, counts: ParticipantCounts) -> Trial | None:
    """The next trial of the phase a participant is at, or of one that follows; None where nothing more is wanted.

    Nobody goes back to an earlier phase.  A phase of which others have given all the answers is passed over; nobody is
    trained when nothing is wanted of them afterwards.
    """
    blocks = [block_of(phase, person.rotation) for phase in counts.phases]
    begun = max((at for at, block in enumerate(blocks) if counts.blocks[block]), default=0)
    for at in range(begun, len(blocks)):
        phase, block = counts.phases[at], blocks[at]
        if counts.blocks[block] >= phase.trials:
            continue
        if not phase.training:
            if slot := queries.free_slot(person, person.arm_id, clock.now(), block):
                return _leased(person, counts, slot)
            continue
        later = [one for one, after in zip(blocks[at:], counts.phases[at:], strict=True) if not after.training]
        if not Slot.objects.filter(
            free(clock.now()), study=person.study, condition=person.arm_id, block__in=later
        ).exists():
            return None
        if stimulus := _training(person, block):
            return _encounter(person, counts, stimulus)
    return None


def _training(person: Participant, block: str) -> Stimulus | None:
    """The next stimulus of a training phase, in the order in which they were prepared."""
    pool = person.study.stimuli.filter(role=Role.TRAINING, condition=person.arm_id, block=block)
    met = Trial.objects.filter(participant=person, role=Role.TRAINING).values("stimulus")
    return pool.exclude(pk__in=met).order_by("number").first()


def _encounter(person: Participant, counts: ParticipantCounts, stimulus: Stimulus) -> Trial:
    counts.add(stimulus.role, stimulus.condition_id, stimulus.block)
    # Control trials stay as they were prepared, which is in any order.
    orders = protocols.get(person.study.protocol).arrangements(stimulus.shown) if stimulus.role == Role.MAIN else 1
    arrangement = trial_order.arrangement(
        orders, number=person.number, stimulus=stimulus.number, seed=counts.design["seed"]
    )
    return Trial.objects.create(
        study=person.study,
        participant=person,
        stimulus=stimulus,
        arrangement=arrangement,
        role=stimulus.role,
        position=counts.position,
        claimed_at=clock.now(),
        family=stimulus.family,
        visit=person.visit,
        washed_out_at=person.washed_out_at,
    )


def _check(person: Participant, counts: ParticipantCounts, role: str) -> Stimulus | None:
    """The next practice or gold stimulus; None where there are too few."""
    pool = list(person.study.stimuli.filter(role=role).order_by("number"))
    if role == Role.GOLD:
        # The least met first, as of main stimuli; among them by the person's own draw.
        pool = trial_order.gold_order(pool, number=person.number, seed=counts.design["seed"])
        often = times_met(pool)
        pool.sort(key=lambda stimulus: often[stimulus.pk])
    trials = Trial.objects.filter(participant=person)
    met = set(trials.filter(role=role).values_list("stimulus", flat=True))
    families = set(trials.filter(visit=person.visit).exclude(family="").values_list("family", flat=True))
    return next((one for one in pool if one.pk not in met and one.family not in families), None)


def times_met(stimuli: Sequence[Stimulus]) -> Counter[int]:
    """How often each of these stimuli was given to somebody, by its key."""
    met = Trial.objects.filter(stimulus__in=stimuli).order_by().values_list("stimulus").annotate(n=Count("pk"))
    return Counter(dict(met))


def _free_slot(person: Participant, counts: ParticipantCounts) -> Slot | None:
    """A free slot of the least answered stimulus of the condition whose turn it is, that this participant may meet.

    They have met neither the stimulus nor, in this visit, another of its family.
    """
    turns = {"number": person.number, "visit": person.visit, "seed": counts.design["seed"]}
    for condition in trial_order.condition_order(counts.shares(), counts.met, **turns):
        if slot := queries.free_slot(person, condition, clock.now()):
            return slot
    return None


def beginners(study: Study) -> QuerySet[Participant]:
    """Participants who hold a place and have never answered anything."""
    held = Trial.objects.filter(study=study, slot__filled=False, slot__leased_until__gt=clock.now())
    answered = Trial.objects.filter(study=study, answered_at__isnull=False)
    people = Participant.objects.filter(pk__in=held.values("participant"))
    return people.exclude(pk__in=answered.values("participant"))


def places_left(study: Study) -> int:
    """How many answers the study still wants, whether or not somebody holds a place for one."""
    return Slot.objects.filter(study=study, filled=False).count()


def _may_come_free(person: Participant, counts: ParticipantCounts) -> bool:
    """Whether a place that somebody else holds without having answered is one this participant may yet be given."""
    if counts.main >= counts.design["trials_per_participant"]:
        return False
    conditions = list(counts.shares())
    return queries.held_slot(person, conditions)


def hold(trial: Trial, *, answering: bool = False) -> bool:
    """Renew the trial's lease, or lease another free slot of its stimulus; False when all are taken.

    A page that is loaded again and again keeps its place for LONGEST leases, and then it may go to another.  An answer
    (`answering`) is given a place whenever there is one.
    """
    if trial.role != Role.MAIN:
        return True
    now = clock.now()
    until = now + lease(trial.study)
    if trial.presented_at and not answering:
        until = min(until, trial.presented_at + LONGEST * lease(trial.study))
        if until <= now:
            return Slot.objects.filter(holder=trial).exists()
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
        slot is not None and slot.leased_until is not None and slot.leased_until > clock.now() + lease(trial.study) / 2
    )

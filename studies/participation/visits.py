"""Arms and visits: which condition somebody meets now, and when they may meet the next.

Where a protocol keeps conditions apart (studies.protocols.Arms), a participant has one arm at a time.  That nobody
meets two stimuli of one family within a visit, or anything before a washout is over, is held by constraints on trials;
here is how people are led so that they never run into them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np
from django.db.models import Count, F, Max, Q

from studies import protocols
from studies.models import Condition, Participant, Role, Slot, Study, Trial
from studies.protocols import Arms

from . import clock

#: Whoever is not heard of for so long in the middle of a visit is not waited for.
PATIENCE = timedelta(days=1)
#: Apart from every other draw of the study's seed.
BLOCKS = 911
Key = TypeVar("Key", str, int)


def arms_of(study: Study) -> Arms | None:
    """How the study keeps conditions apart; None where it does not."""
    return protocols.get(study.protocol).arms(study.design)


def first_arm(study: Study) -> tuple[Condition | None, bool]:
    """The arm of somebody who comes now, and whether there is room in it.

    Of the arms with answers wanted that are not spoken for, by those at work on it or to come back to it, the one that
    fewest have begun with: so the order of conditions is balanced.
    """
    arms = arms_of(study)
    if arms is None:
        return None, True
    spare, begun = _spare(study, arms, clock.now()), _begun(study, arms)
    if arms.rotations > 1:
        key = _in_random_blocks(study, arms.conditions, spare, begun, "")
    else:
        key = max(arms.conditions, key=lambda condition: (spare[condition] > 0, -begun[condition], spare[condition]))
    return study.conditions.get(key=key), spare[key] > 0


def first_rotation(study: Study, arm: Condition | None) -> int:
    """The rotation of somebody who comes now into an arm: of those with answers wanted the one that fewest have."""
    arms = arms_of(study)
    if arms is None or arm is None or arms.rotations < 2:
        return 0
    free = study.slots.filter(free_of(clock.now()), condition=arm)
    wanted: Counter[int] = Counter()
    for block, n in free.values_list("block").annotate(n=Count("pk")):
        wanted[int(block.partition(".")[0])] += n
    begun: Counter[int] = Counter(
        dict(study.participants.filter(arm=arm).values_list("rotation").annotate(n=Count("pk")))
    )
    return _in_random_blocks(study, range(arms.rotations), wanted, begun, arm.key)


def _in_random_blocks(study: Study, groups: Sequence[Key], spare: Mapping, begun: Mapping, within: str) -> Key:
    """Of the groups with answers wanted the one that fewest have begun with; of several, the next in a random order.

    Each block holds every group once, in an order of its own, drawn from the study's seed: so nobody can foresee the
    group of who comes next, and groups stay alike in size.
    """
    fewest = min(begun[one] for one in groups)
    name = [ord(letter) for letter in within]
    order = np.random.default_rng([study.design["seed"], BLOCKS, fewest, *name]).permutation(len(groups))
    place = {groups[at]: rank for rank, at in enumerate(order.tolist())}
    return max(groups, key=lambda one: (spare[one] > 0, -begun[one], -place[one]))


def free_of(now: datetime) -> Q:
    """Slots that are neither filled nor held."""
    return Q(filled=False) & (Q(holder=None) | Q(leased_until__lt=now))


def finish(participant: Participant) -> None:
    """End a visit: the participant is to come back, or is done.  Whoever answered nothing need not come back."""
    study, arms = participant.study, arms_of(participant.study)
    this = Participant.objects.filter(pk=participant.pk, visit=participant.visit, returns_at=None, finished_at=None)
    last = Trial.objects.filter(participant=participant, visit=participant.visit).aggregate(at=Max("answered_at"))["at"]
    if arms and participant.visit < arms.visits and last and study.state == Study.State.OPEN:
        this.update(returns_at=last + arms.washout)
    else:
        this.update(finished_at=clock.now())


def begin_next(participant: Participant) -> bool:
    """Begin the visit that is due, with the next condition in turn; False when the washout is not over."""
    following = _following(arms_of(participant.study), participant.arm.key)
    arm = participant.study.conditions.get(key=following)
    due = Participant.objects.filter(pk=participant.pk, visit=participant.visit, returns_at__lte=clock.now())
    changed = due.update(visit=F("visit") + 1, arm=arm, washed_out_at=F("returns_at"), returns_at=None)
    participant.refresh_from_db()
    return bool(changed)


def counts(study: Study) -> dict[str, int] | None:
    """How many are to come back: `waiting` for the washout, `due`, `returned`, and `lost`; None where nobody has to.

    Lost are those who had not come back when the study closed, or a whole washout after they could.
    """
    arms = arms_of(study)
    if arms is None or arms.visits < 2:
        return None
    now = clock.now()
    between = Q(returns_at__isnull=False, finished_at=None)
    lost = between if study.state == Study.State.CLOSED else between & Q(returns_at__lt=now - arms.washout)
    return study.participants.aggregate(
        waiting=Count("pk", filter=between & ~lost & Q(returns_at__gt=now)),
        due=Count("pk", filter=between & ~lost & Q(returns_at__lte=now)),
        returned=Count("pk", filter=Q(visit__gt=1)),
        lost=Count("pk", filter=lost),
    )


def _begun(study: Study, arms: Arms) -> dict[str, int]:
    """How many participants had each condition in their first visit."""
    begun: dict[str, int] = Counter()
    people = study.participants.filter(arm__isnull=False)
    for arm, visit, n in people.values_list("arm__key", "visit").annotate(n=Count("pk")):
        begun[arms.conditions[(arms.conditions.index(arm) - visit + 1) % len(arms.conditions)]] += n
    return begun


def _spare(study: Study, arms: Arms, now: datetime) -> dict[str, int]:
    """By condition: answers wanted, less those that participants on their way are expected to give."""
    free = Slot.objects.filter(free_of(now), study=study)
    spare = Counter(dict(free.values_list("condition__key").annotate(n=Count("pk"))))
    stimuli = dict(study.stimuli.main().values_list("condition__key").annotate(n=Count("pk")))
    cap = study.design["trials_per_participant"]
    this_visit = Q(trials__visit=F("visit"), trials__released_at=None, trials__role=Role.MAIN)
    people = study.participants.filter(finished_at=None, arm__isnull=False).annotate(
        had=Count("trials", filter=this_visit), heard=Max("trials__claimed_at")
    )
    columns = ("arm__key", "visit", "returns_at", "consented_at", "had", "heard")
    for arm, visit, returns_at, consented_at, had, heard in people.values_list(*columns):
        following = _following(arms, arm)
        if returns_at:
            if returns_at + arms.washout >= now:
                spare[following] -= had
        elif max(consented_at, heard or consented_at) + PATIENCE >= now:
            spare[arm] -= max(min(cap, stimuli.get(arm, 0)) - had, 0)
            if visit < arms.visits:
                spare[following] -= min(cap, stimuli.get(following, 0))
    return spare


def _following(arms: Arms, condition: str) -> str:
    return arms.conditions[(arms.conditions.index(condition) + 1) % len(arms.conditions)]

"""The questions that every cycle of a trial asks, in SQL.

Django takes several times as long to write these queries anew for each answer as databases take to run them; both
engines understand the same words.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from django.db import connection

from studies.models import Participant, Role, Slot, Stimulus, Trial

from . import clock

COUNTS = """
SELECT trial.role, stimulus.condition_id, stimulus.block,
       count(*) FILTER (WHERE trial.visit = %s AND trial.released_at IS NULL),
       count(trial.answered_at) FILTER (WHERE trial.visit = %s AND trial.released_at IS NULL),
       count(*) FILTER (WHERE trial.visit = %s AND trial.released_at IS NULL AND trial.correct = %s),
       max(trial.position)
FROM studies_trial trial JOIN studies_stimulus stimulus ON stimulus.id = trial.stimulus_id
WHERE trial.participant_id = %s
GROUP BY trial.role, stimulus.condition_id, stimulus.block
"""

#: What can change of a participant, and of their study, between two pages.
PRESENT = """
SELECT person.visit, person.arm_id, person.started_at, person.finished_at, person.screened_out_at, person.excluded_at,
       person.returns_at, person.washed_out_at, person.withdrawn_at, study.state, {clock}
FROM studies_participant person JOIN studies_study study ON study.id = person.study_id
WHERE person.id = %s
"""

#: The database's clock, and what it is on an engine whose clock is this machine's.
CLOCK = {"postgresql": "clock_timestamp()"}
#: The participant stays as they are; and the study's state, which closing waits for.
LOCKS = " FOR NO KEY UPDATE OF person FOR SHARE OF study"

#: The trials not answered yet, and practice whose feedback is still to be read.
OPEN_TRIALS = """
SELECT trial.id, trial.role, trial.position, trial.visit, trial.family, trial.presented_at, trial.answered_at,
       trial.answer, trial.correct, trial.arrangement, trial.parts, stimulus.id, stimulus.condition_id,
       stimulus.number, stimulus.block, stimulus.shown, stimulus.truth,
       slot.id, slot.leased_until
FROM studies_trial trial
JOIN studies_stimulus stimulus ON stimulus.id = trial.stimulus_id
LEFT JOIN studies_slot slot ON slot.holder_id = trial.id
WHERE trial.participant_id = %s AND trial.released_at IS NULL
  AND (trial.answered_at IS NULL OR (trial.role IN (%s, %s) AND trial.feedback_seen_at IS NULL))
ORDER BY trial.position
"""

#: The candidates stand in the index of free slots in this order: the first that may be met ends the search.
FREE_SLOT = """
SELECT slot.id, slot.stimulus_id, slot.condition_id, slot.family, slot.block, stimulus.number, stimulus.shown
FROM studies_slot slot JOIN studies_stimulus stimulus ON stimulus.id = slot.stimulus_id
WHERE slot.study_id = %s AND slot.condition_id = %s AND slot.block = %s
  AND NOT slot.filled AND (slot.holder_id IS NULL OR slot.leased_until < %s)
  AND NOT EXISTS (
    SELECT 1 FROM studies_trial met WHERE met.stimulus_id = slot.stimulus_id AND met.participant_id = %s
  )
  AND (slot.family = '' OR NOT EXISTS (
    SELECT 1 FROM studies_trial akin
    WHERE akin.participant_id = %s AND akin.visit = %s AND akin.family = slot.family AND akin.family <> ''
  ))
ORDER BY slot.slot_no, slot.rank
LIMIT 1
"""


#: A place that others hold and have not filled, of a stimulus that may still be met.
HELD_SLOT = """
SELECT 1
FROM studies_slot slot
WHERE slot.study_id = %s AND slot.condition_id IN ({conditions})
  AND NOT slot.filled AND slot.holder_id IS NOT NULL
  AND NOT EXISTS (
    SELECT 1 FROM studies_trial met WHERE met.stimulus_id = slot.stimulus_id AND met.participant_id = %s
  )
  AND (slot.family = '' OR NOT EXISTS (
    SELECT 1 FROM studies_trial akin
    WHERE akin.participant_id = %s AND akin.visit = %s AND akin.family = slot.family AND akin.family <> ''
  ))
LIMIT 1
"""


def bring_up_to_date(person: Participant, *, lock: bool) -> None:
    """Read again what can have changed of a participant and their study; `lock`: and keep it so, where rows can be.

    Closing a study waits for whoever keeps it so, and whoever comes after it reads that it is closed.
    """
    lock = lock and connection.features.has_select_for_update
    query = PRESENT.format(clock=CLOCK.get(connection.vendor, "NULL"))
    with connection.cursor() as cursor:
        cursor.execute(query + (LOCKS if lock else ""), [person.pk])
        row = cursor.fetchone()
    if row is None:
        # They have withdrawn meanwhile: this row is gone, and nothing more is stored of them.
        person.withdrawn_at = person.finished_at = person.withdrawn_at or clock.now()
        person.returns_at = None
        return
    visit, arm_id, *moments, state, moment = row
    if moment is not None:
        clock.set_to(moment)
    person.visit, person.arm_id, person.study.state = visit, arm_id, state
    names = ("started_at", "finished_at", "screened_out_at", "excluded_at", "returns_at", "washed_out_at")
    names += ("withdrawn_at",)
    for name, moment in zip(names, moments, strict=True):
        setattr(person, name, _moment(moment))


def open_trials(person: Participant) -> list[Trial]:
    """The trials a participant is at, in order, with their stimuli and the slots they hold."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN_TRIALS, [person.pk, Role.PRACTICE, Role.TRAINING])
        rows = cursor.fetchall()
    trials = []
    for pk, role, position, visit, family, presented, answered, answer, correct, arrangement, parts, *more in rows:
        stimulus_id, condition, number, block, shown, truth, slot_id, leased_until = more
        stimulus = Stimulus(
            pk=stimulus_id,
            study_id=person.study_id,
            condition_id=condition,
            number=number,
            role=role,
            family=family,
            block=block,
            shown=json.loads(shown),
            truth=json.loads(truth),
        )
        trial = Trial(
            pk=pk,
            study=person.study,
            participant=person,
            stimulus=stimulus,
            role=role,
            position=position,
            visit=visit,
            family=family,
            presented_at=_moment(presented),
            answered_at=_moment(answered),
            answer=answer,
            arrangement=arrangement,
            parts=json.loads(parts) if parts else None,
            correct=None if correct is None else bool(correct),
        )
        if slot_id:
            trial.slot = Slot(pk=slot_id, stimulus=stimulus, holder_id=pk, leased_until=_moment(leased_until))
        trials.append(trial)
    return trials


def _moment(value: datetime | None) -> datetime | None:
    """A time as the database gives it: SQLite has no time zones, and all its times are UTC."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def counts(person: Participant) -> Iterator[tuple[str, int, str, int, int, int, int]]:
    """By role, condition and block: trials of this visit, answered, and wrong; the highest position of any visit."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, [person.visit, person.visit, person.visit, False, person.pk])
        yield from cursor.fetchall()


def free_slot(person: Participant, condition: int, now: datetime, block: str = "") -> Slot | None:
    """The free slot of a condition, and of a block where there are phases, that comes first and that this person may
    meet, with its stimulus; locked where the database can pass over what others have locked."""
    skip = " FOR UPDATE OF slot SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    moment = connection.ops.adapt_datetimefield_value(now)
    who = [person.pk, person.pk, person.visit]
    with connection.cursor() as cursor:
        cursor.execute(FREE_SLOT + skip, [person.study_id, condition, block, moment, *who])
        row = cursor.fetchone()
    if row is None:
        return None
    pk, stimulus_id, condition_id, family, block, number, shown = row
    stimulus = Stimulus(
        pk=stimulus_id,
        study_id=person.study_id,
        condition_id=condition_id,
        number=number,
        family=family,
        block=block,
        shown=json.loads(shown),
    )
    return Slot(
        pk=pk, study_id=person.study_id, stimulus=stimulus, condition_id=condition_id, family=family, block=block
    )


def held_slot(person: Participant, conditions: Sequence[int]) -> bool:
    """Whether others hold a place, not filled yet, of a stimulus of these conditions that this person may meet."""
    if not conditions:
        return False
    query = HELD_SLOT.format(conditions=", ".join(["%s"] * len(conditions)))
    with connection.cursor() as cursor:
        cursor.execute(query, [person.study_id, *conditions, person.pk, person.pk, person.visit])
        return cursor.fetchone() is not None

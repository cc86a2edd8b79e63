"""The two questions that every cycle of a trial asks, in SQL.

Django takes several times as long to write these queries anew for each answer as databases take to run them; both
engines understand the same words.
"""

import json
from collections.abc import Iterator
from datetime import datetime

from django.db import connection

from studies.models import Participant, Slot, Stimulus

COUNTS = """
SELECT trial.role, stimulus.condition_id,
       count(*) FILTER (WHERE trial.visit = %s AND trial.released_at IS NULL),
       count(trial.answered_at) FILTER (WHERE trial.visit = %s AND trial.released_at IS NULL),
       count(*) FILTER (WHERE trial.visit = %s AND trial.released_at IS NULL AND trial.correct = %s),
       max(trial.position)
FROM studies_trial trial JOIN studies_stimulus stimulus ON stimulus.id = trial.stimulus_id
WHERE trial.participant_id = %s
GROUP BY trial.role, stimulus.condition_id
"""

#: The candidates stand in the index of free slots in this order: the first that may be met ends the search.
FREE_SLOT = """
SELECT slot.id, slot.stimulus_id, slot.condition_id, slot.family, stimulus.shown
FROM studies_slot slot JOIN studies_stimulus stimulus ON stimulus.id = slot.stimulus_id
WHERE slot.study_id = %s AND slot.condition_id = %s
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


def counts(person: Participant) -> Iterator[tuple[str, int, int, int, int, int]]:
    """By role and condition: trials of this visit, answered, and answered wrong; the highest position of any visit."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, [person.visit, person.visit, person.visit, False, person.pk])
        yield from cursor.fetchall()


def free_slot(person: Participant, condition: int, now: datetime) -> Slot | None:
    """The free slot of a condition that comes first and that this person may meet, with its stimulus; locked where the
    database can pass over what others have locked."""
    skip = " FOR UPDATE OF slot SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    moment = connection.ops.adapt_datetimefield_value(now)
    who = [person.pk, person.pk, person.visit]
    with connection.cursor() as cursor:
        cursor.execute(FREE_SLOT + skip, [person.study_id, condition, moment, *who])
        row = cursor.fetchone()
    if row is None:
        return None
    pk, stimulus_id, condition_id, family, shown = row
    stimulus = Stimulus(
        pk=stimulus_id, study_id=person.study_id, condition_id=condition_id, family=family, shown=json.loads(shown)
    )
    return Slot(pk=pk, study_id=person.study_id, stimulus=stimulus, condition_id=condition_id, family=family)

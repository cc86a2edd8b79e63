"""Answers of a closed study taken over by one that asks the same questions and more.

People, their answers and the places these fill are copied. A copy has no link, no code and nothing that people said
about themselves; withdrawing from the closed study withdraws the copies too.
"""

import secrets
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from studies.lib.errors import StudyError
from studies.models import Participant, Slot, Study, Trial

#: What a question is the same by, beside its picture and its labels.
SAME = ("answers_per_stimulus", "top_k", "selection", "asking", "classes", "sample")
#: What is copied of a trial; its place in its visit is as it was.
OF_TRIAL = (
    *("position", "claimed_at", "presented_at", "answered_at", "answer", "parts", "arrangement", "response_ms"),
    *("away_ms", "hidden_count", "blur_count", "shown_width", "shown_height", "smallest_width", "pixel_ratio"),
    *("zoom", "browser", "counted", "family"),
)
OF_PERSON = ("simulated", "consented_at", "started_at", "finished_at")
ROWS = 1000


def take_over(study: Study) -> int:
    """Fill the places of a study that is being opened with the answers of the one it extends; how many they are.

    StudyError where the questions are not the same any more.
    """
    old = study.extends
    if old is None:
        return 0
    if other := [name for name in SAME if old.design.get(name) != study.design.get(name)]:
        raise StudyError(f"study {study.slug} differs from {old.slug} in {other[0]}: its answers cannot be taken over")
    known = {_question(row.shown, row.truth): row.pk for row in old.stimuli.main().iterator(chunk_size=ROWS)}
    rows = study.stimuli.main().iterator(chunk_size=ROWS)
    now_called = {known.pop(key): row for row in rows if (key := _question(row.shown, row.truth)) in known}
    if known:
        raise StudyError(
            f"study {study.slug} lacks {len(known):,} questions of {old.slug}: a classifier or a picture has changed"
        )
    people = _copied_people(study, old)
    free: dict[int, list[Slot]] = defaultdict(list)
    for slot in study.slots.order_by("-slot_no"):
        free[slot.stimulus_id].append(slot)
    answers = list(old.trials.filter(counted=True).order_by("pk"))
    trials = Trial.objects.bulk_create(
        (
            Trial(
                study=study,
                participant=people[one.participant_id],
                stimulus=now_called[one.stimulus_id],
                **{name: getattr(one, name) for name in OF_TRIAL},
            )
            for one in answers
        ),
        batch_size=ROWS,
    )
    filled = []
    for trial in trials:
        slot = free[trial.stimulus_id].pop()
        slot.holder, slot.filled = trial, True
        filled.append(slot)
    Slot.objects.bulk_update(filled, ["holder", "filled"], batch_size=200)
    return len(trials)


def _copied_people(study: Study, old: Study) -> dict[int, Participant]:
    """A copy of everybody whose answers count, by the key of the row it is copied from."""
    rows = old.participants.filter(trials__counted=True).distinct().order_by("number", "pk")
    copies = Participant.objects.bulk_create(
        (
            Participant(
                study=study,
                number=number,
                # The hash of nothing that anybody holds.
                token_sha256=secrets.token_hex(32),
                consent_id=row.consent_id,
                taken_over_from=row,
                taken_over=True,
                **{name: getattr(row, name) for name in OF_PERSON},
            )
            for number, row in enumerate(rows, start=1)
        ),
        batch_size=ROWS,
    )
    return {copy.taken_over_from_id: copy for copy in copies if copy.taken_over_from_id}


def _question(shown: Mapping[str, Any], truth: Mapping[str, Any]) -> tuple[str, ...]:
    return truth["image"], shown["picture"]["file"], *sorted(truth["label"].split("; "))

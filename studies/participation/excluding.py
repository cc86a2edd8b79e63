"""Excluding somebody: a researcher's decision while the study runs, with a reason that stands in every export."""

from django.contrib.auth.base_user import AbstractBaseUser

from studies import audit
from studies.lib.errors import StudyError
from studies.models import Participant, Study

from . import clock
from .answering import EXCLUDED, release, uncount
from .claiming import locked
from .retrying import retried
from .standing import stand


@retried
def exclude(participant: Participant, *, reason: str, actor: AbstractBaseUser | None = None) -> int:
    """Count none of somebody's answers, and give their places to others; returns how many places that are.

    What they answered is kept with its reason, and they are done: they see the end of the study and their completion
    code.  It cannot be taken back: their places may have gone to others.  StudyError once the study is closed, when the
    outcome can be known, and for somebody who is excluded already.
    """
    person, reason = locked(participant), reason.strip()
    study = person.study
    if study.state not in (Study.State.OPEN, Study.State.PAUSED):
        raise StudyError(f"study {study.slug} is {study.state}: people are excluded while it runs")
    if not reason:
        raise StudyError("an exclusion needs a reason")
    if person.withdrawn_at:
        raise StudyError(f"participant {person.number} has withdrawn")
    if person.excluded_at:
        raise StudyError(f"participant {person.number} is excluded already")
    person.excluded_at, person.exclusion_reason, person.returns_at = clock.now(), reason, None
    person.finished_at = person.finished_at or person.excluded_at
    person.save(update_fields=["excluded_at", "exclusion_reason", "returns_at", "finished_at"])
    release(person, stand(person).ready)
    answers = uncount(person, EXCLUDED)
    details = {"participant": str(person.public_id), "reason": reason, "answers": answers}
    audit.record(study, audit.What.EXCLUDED, actor, **details)
    return answers

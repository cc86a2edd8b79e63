"""Withdrawing: somebody takes back that they took part, as their study's design says (its setting `withdrawal`).

Whatever could lead from the rows to the person goes in either way; answers stay, or go too.  The row that says that a
stimulus was met stays, since constraints stand on it, of somebody who is nobody any more.
"""

from dataclasses import asdict

from django.db.models import QuerySet

from studies import audit
from studies.models import Participant, ResultCache, Role, Study, Trial
from studies.protocols.base.session_form import Withdrawal

from . import clock, erasing, tombstones
from .answering import Measured, release, uncount
from .claiming import locked
from .retrying import retried
from .standing import stand

#: Why answers of a person do not count who has withdrawn, and has them removed.
WITHDRAWN = "withdrawn"
PARTICIPANT = "participant"


@retried
def withdraw(participant: Participant) -> None:
    """Take everything that leads to this participant out of the study; done once, it cannot be undone.

    Works whatever the state of the study.  Where answers are removed their slots open again, and are given to others
    while the study is open.  What they have earned stays payable: `was_earned` knows their completion code.
    """
    # First those of studies that took their answers over, so that nothing of this is left half done.
    for copy in Participant.objects.filter(taken_over_from=participant):
        withdraw(copy)
    person = locked(participant)
    if person.withdrawn_at:
        return
    study = person.study
    release(person, stand(person).ready)
    answers = Trial.objects.filter(participant=person, answered_at__isnull=False)
    removes = study.design["withdrawal"] == Withdrawal.REMOVE
    earned = answers.exclude(role=Role.PRACTICE).exists()
    if removes:
        uncount(person, WITHDRAWN)
        _blank(answers)
        # Of a trial that was left in the middle.
        Trial.objects.filter(participant=person, parts__isnull=False).update(parts=None)
    tombstones.bury(person)
    if earned:
        tombstones.keep_earned(person)
    erasing.replace(person)
    # What was counted with them among the others is counted again when somebody asks.
    ResultCache.objects.filter(study=study).update(key="", page_data={}, computed_at=None)
    # Not how many answers: that number is one of a person in an earlier export.
    audit.record(study, audit.What.WITHDRAWN, None, who=PARTICIPANT, removed=removes)


def by_code(study: Study, code: str) -> Participant | None:
    """Whose completion code this is, however it was typed; None for nobody's."""
    code = tombstones.code_as_given(code)
    people = study.participants.select_related("study__recruitment", "arm")
    return people.filter(completion_code=code).first() if code else None


def _blank(answers: QuerySet[Trial]) -> None:
    """What was said, how fast, and whether it was right: of these trials it is left that they were shown."""
    nothing = {**dict.fromkeys(("answered_at", "correct")), **asdict(Measured())}
    answers.update(answer="", parts=None, counted=False, exclusion=WITHDRAWN, feedback_seen_at=clock.now(), **nothing)

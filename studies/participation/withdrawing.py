"""Withdrawing: somebody takes back that they took part, as their study's design says (its setting `withdrawal`).

Whatever could lead from the rows to the person goes in either way; answers stay, or go too.  The row that says that a
stimulus was met stays, since constraints stand on it, of somebody who is nobody any more.
"""

import secrets
import uuid

from django.db.models import QuerySet
from django.utils import timezone

from studies import audit
from studies.models import Arrival, Participant, Study, Tally, Trial
from studies.protocols.session import Withdrawal

from .answering import release, uncount
from .claiming import locked
from .enrolling import token_hash
from .retrying import retried
from .standing import stand

#: Why answers of a person do not count who has withdrawn, and has them removed.
WITHDRAWN = "withdrawn"
PARTICIPANT = "participant"


@retried
def withdraw(participant: Participant) -> None:
    """Take everything that leads to this participant out of the study; done once, it cannot be undone.

    Works whatever the state of the study.  Where answers are removed their slots open again, and are given to others
    while the study is open.
    """
    person = locked(participant)
    study, now = person.study, timezone.now()
    release(person, stand(person).ready)
    answers = Trial.objects.filter(participant=person, answered_at__isnull=False)
    said = {"answers": answers.count()}
    removes = study.design["withdrawal"] == Withdrawal.REMOVE
    if removes:
        uncount(person, WITHDRAWN)
        _blank(answers)
    disconnect(Participant.objects.filter(pk=person.pk))
    Participant.objects.filter(pk=person.pk).update(
        public_id=uuid.uuid4(),
        withdrawn_at=now,
        finished_at=person.finished_at or now,
        returns_at=None,
        exclusion_reason="",
    )
    # What was counted with them among the others is counted again when somebody asks.
    Tally.objects.filter(study=study).update(key="", told={}, counted_at=None)
    audit.record(study, audit.What.WITHDRAWN, None, who=PARTICIPANT, removed=removes, **said)


def by_code(study: Study, code: str) -> Participant | None:
    """Whose completion code this is, however it was typed; None for nobody's."""
    code = "".join(code.split()).replace("-", "").upper()
    people = study.participants.select_related("study__recruitment", "arm")
    return people.filter(completion_code=code).first() if code else None


def disconnect(people: QuerySet[Participant]) -> int:
    """Remove what leads from these rows to persons: key, code, what they said about themselves, and recruiters' ids.

    Returns how many people they are.
    """
    n = 0
    for pk in people.values_list("pk", flat=True):
        # Nobody knows a token of this hash: nobody was ever given it.
        nobodys = token_hash(secrets.token_urlsafe(32))
        Arrival.objects.filter(participant=pk).delete()
        n += Participant.objects.filter(pk=pk).update(
            token_sha256=nobodys, background=None, comments=None, completion_code=""
        )
    return n


def _blank(answers: QuerySet[Trial]) -> None:
    """What was said, how fast, and whether it was right: of these trials it is left that they were shown."""
    nothing = dict.fromkeys(("answered_at", "response_ms", "away_ms", "hidden_count", "blur_count", "correct"))
    answers.update(answer="", counted=False, exclusion=WITHDRAWN, feedback_seen_at=timezone.now(), **nothing)

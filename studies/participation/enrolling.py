"""Agreeing to take part."""

import hashlib
import secrets

from django.db.models import Max
from django.utils import timezone

from studies import visits
from studies.errors import StudyError
from studies.models import Condition, Consent, Participant, Slot, Study

from .claiming import free
from .retrying import retried

#: Without letters and digits that look alike.
CODE_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"


def token_hash(token: str) -> str:
    """What is stored of a participant's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def current_consent(study: Study) -> Consent:
    return study.consents.latest("version")


def new_token() -> str:
    """A token nobody can guess."""
    return secrets.token_urlsafe(16)


def has_room(study: Study) -> bool:
    """Whether somebody who comes now finds a slot that is neither filled, nor held by another, nor spoken for."""
    _arm, room = visits.first_arm(study)
    return room and Slot.objects.filter(free(timezone.now()), study=study).exists()


def enrol(
    study: Study, *, consent: Consent, simulated: bool = False, token: str | None = None
) -> tuple[Participant, str]:
    """A participant who agreed to `consent`, and the token that is the only key to their pages.

    A `token` (from `new_token`) that was given before leads to the same participant: a form sent twice enrols once.
    """
    if study.state != Study.State.OPEN:
        raise StudyError("This study is not open.")
    if consent.study_id != study.pk:
        raise StudyError("This consent belongs to another study.")
    token = token or new_token()
    arm, _room = visits.first_arm(study)
    return _enrol(study, consent, arm, token, simulated), token


@retried
def _enrol(study: Study, consent: Consent, arm: Condition | None, token: str, simulated: bool) -> Participant:
    # Whoever comes at the same time waits for their number.
    Study.objects.select_for_update(no_key=True).only("pk").get(pk=study.pk)
    if known := Participant.objects.filter(token_sha256=token_hash(token)).first():
        return known
    last = Participant.objects.filter(study=study).aggregate(last=Max("number"))["last"] or 0
    return Participant.objects.create(
        study=study,
        number=last + 1,
        token_sha256=token_hash(token),
        arm=arm,
        simulated=simulated,
        consent=consent,
        consented_at=timezone.now(),
        completion_code="".join(secrets.choice(CODE_ALPHABET) for _ in range(10)),
    )


def find(token: str) -> Participant | None:
    """Whose token this is."""
    people = Participant.objects.select_related("study__recruitment", "arm").defer(*UNREAD)
    return people.filter(token_sha256=token_hash(token)).first()


#: Of a study, what no participant's page reads, and what can be large.
UNREAD = ("study__frozen", "study__preparation", "study__problem", "study__consent_text")

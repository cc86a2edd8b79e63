"""Agreeing to take part."""

import hashlib
import secrets

from django.db.models import Max

from studies.lib.errors import StudyError
from studies.models import Condition, Consent, Participant, Slot, Study
from studies.models.answers import LARGEST_NUMBER

from . import clock, visits
from .claiming import free
from .retrying import retried
from .tombstones import AlreadyWithdrawn, is_buried

#: Without letters and digits that look alike.
CODE_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"


def token_hash(token: str) -> str:
    """What is stored of a participant's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def current_consent(study: Study, language: str = "en") -> Consent:
    """The text to agree to now, in this language where it has it, else in the first it has."""
    latest = study.consents.filter(version__in=study.consents.order_by("-version").values("version")[:1])
    found = {consent.language: consent for consent in latest.order_by("-pk")}
    return found.get(language) or found.get("en") or next(iter(found.values()))


def new_token() -> str:
    """A token nobody can guess."""
    return secrets.token_urlsafe(16)


def has_room(study: Study) -> bool:
    """Whether somebody who comes now finds a slot that is neither filled, nor held by another, nor spoken for."""
    _arm, room = visits.first_arm(study)
    return room and Slot.objects.filter(free(clock.now()), study=study).exists()


def enrol(
    study: Study, *, consent: Consent, simulated: bool = False, token: str | None = None
) -> tuple[Participant, str]:
    """A participant who agreed to `consent`, and the token that is the only key to their pages.

    A `token` (from `new_token`) that was given before leads to the same participant: a form sent twice enrols once.
    Raises AlreadyWithdrawn for that of someone whom a recruiter names and who withdrew.
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
    # Whoever comes at the same time waits for their number; not on the study's row, which answers keep as it is.
    Consent.objects.select_for_update(no_key=True).only("pk").filter(study=study).earliest("pk")
    if known := Participant.objects.filter(token_sha256=token_hash(token)).first():
        return known
    if is_buried(study, token_hash(token)):
        raise AlreadyWithdrawn("This person took part and withdrew.")
    people = Participant.objects.filter(study=study)
    last = people.filter(number__lte=LARGEST_NUMBER).aggregate(last=Max("number"))["last"] or 0
    # The number of somebody who withdrew is given to nobody else.
    last += people.filter(number__gt=LARGEST_NUMBER, withdrawn_at__isnull=False).count()
    return Participant.objects.create(
        study=study,
        number=last + 1,
        token_sha256=token_hash(token),
        arm=arm,
        rotation=visits.first_rotation(study, arm),
        simulated=simulated,
        consent=consent,
        consented_at=clock.now(),
        completion_code="".join(secrets.choice(CODE_ALPHABET) for _ in range(10)),
    )


def find(token: str) -> Participant | None:
    """Whose token this is."""
    people = Participant.objects.select_related("study__recruitment", "arm").defer(*UNREAD)
    return people.filter(token_sha256=token_hash(token)).first()


#: Of a study, what no participant's page reads, and what can be large.
UNREAD = ("study__frozen", "study__preparation", "study__problem", "study__consent_text", "study__consent_details")

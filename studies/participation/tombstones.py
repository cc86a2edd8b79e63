"""Tombstones: whoever a recruiter names is one person for a study for good, also after they withdrew.

What is kept is a hash under RECRUIT_KEY of the hash of their token.  It names nobody, joins to no row, and is only ever
compared with that of a person who comes (docs/decisions/0038).
"""

import hmac

from django.conf import settings

from studies import recruiters
from studies.lib.errors import StudyError
from studies.models import Participant, Study, Tombstone


class AlreadyWithdrawn(StudyError):
    """This person took part, and withdrew: they cannot begin again as someone else."""


def bury(person: Participant) -> None:
    """Keep that the person of this token took part; where no recruiter names people, a token says nothing of a person.

    Within the transaction that gives the row another token.
    """
    chosen = getattr(person.study, "recruitment", None)
    if chosen is None or not any(recruiters.get(key).names_people for key in chosen.settings):
        return
    Tombstone.objects.get_or_create(study=person.study, digest=_digest(_stored_hash(person)))


def is_buried(study: Study, token_sha256: str) -> bool:
    """Whether the person of this token took part in the study and withdrew."""
    return Tombstone.objects.filter(study=study, digest=_digest(token_sha256)).exists()


def keep_earned(person: Participant) -> None:
    """Keep that this completion code was earned, and the submissions at a recruiter's, as keyed hashes alone: they can
    be paid, and join to no row.
    """
    row = Participant.objects.only("completion_code").get(pk=person.pk)
    names = [row.completion_code] if row.completion_code else []
    names += [_of_submission(*ids) for ids in person.arrivals.values_list("submission", "person")]
    for name in names:
        Tombstone.objects.get_or_create(study=person.study, digest=_earned(name))


def was_earned(study: Study, code: str) -> bool:
    """Whether this is the completion code of somebody who answered and then withdrew, however it is typed."""
    code = code_as_given(code)
    return bool(code) and Tombstone.objects.filter(study=study, digest=_earned(code)).exists()


def submission_was_earned(study: Study, submission: str, person: str) -> bool:
    """Whether this is the submission, and this the person, of somebody who answered and then withdrew."""
    return Tombstone.objects.filter(study=study, digest=_earned(_of_submission(submission, person))).exists()


def code_as_given(typed: str) -> str:
    """A completion code without what people type around it."""
    return "".join(typed.split()).replace("-", "").upper()


def _of_submission(name: str, person: str) -> str:
    """Apart from every completion code, which has letters and digits alone.

    With its person: whoever comes under their own id with the submissions of others earns nothing for them.
    """
    return f"submission: {name} of {person}"


def _earned(code: str) -> str:
    key = settings.RECRUIT_KEY or settings.SECRET_KEY
    return hmac.digest(key.encode(), f"earned\n{code}".encode(), "sha256").hex()


def _stored_hash(person: Participant) -> str:
    return Participant.objects.values_list("token_sha256", flat=True).get(pk=person.pk)


def _digest(token_sha256: str) -> str:
    return hmac.digest(settings.RECRUIT_KEY.encode(), f"withdrawn\n{token_sha256}".encode(), "sha256").hex()

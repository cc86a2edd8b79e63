"""Looks at outcomes while answers still come in: each is a row, shown to the researcher and exported."""

import logging

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from studies import audit
from studies.models import InterimLook, Study

log = logging.getLogger(__name__)


@transaction.atomic
def record_interim_look(study: Study, way: str, actor: AbstractBaseUser | None = None) -> InterimLook | None:
    """Record that somebody is about to see outcomes; of a closed study everybody may, and it is no look."""
    if study.state == Study.State.CLOSED:
        return None
    seen = InterimLook.objects.create(
        study=study,
        looked_at=timezone.now(),
        way=way,
        answers=study.slots.filter(filled=True).count(),
        participants=study.participants.count(),
    )
    audit.record(study, audit.What.LOOKED, actor, way=way, answers=seen.answers, state=study.state)
    log.warning("interim look at the outcomes of %s after %d answers", study.slug, seen.answers)
    return seen

"""Forgetting: what leads from a study's rows to people is removed so many days after it closed.

Answers stay, and the random ids they are exported under.  Run again, it finds nothing left to do.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from studies import audit, participation
from studies.models import Participant, Study

RETENTION = "retention"
#: People whose rows are changed in one short transaction.
AT_ONCE = 500


def due(days: int, now: datetime | None = None) -> QuerySet[Study]:
    """Studies that closed so many days ago, of whose people something is still to be removed."""
    before = (now or timezone.now()) - timedelta(days=days)
    remembered = Participant.objects.filter(forgotten_at=None, withdrawn_at=None)
    closed = Study.objects.filter(state=Study.State.CLOSED, closed_at__lte=before)
    return closed.filter(pk__in=remembered.values("study")).order_by("closed_at")


def forget(days: int | None = None) -> dict[str, int]:
    """Remove it, and say from how many people of which study; RETENTION_DAYS where no number of days is given.

    A number of 0 in the settings means that nothing is removed by itself.
    """
    if days is None:
        days = settings.RETENTION_DAYS
        if not days:
            return {}
    return {study.slug: _forget(study) for study in due(days)}


def _forget(study: Study) -> int:
    people = study.participants.filter(forgotten_at=None, withdrawn_at=None).order_by("pk")
    n = 0
    while some := list(people.values_list("pk", flat=True)[:AT_ONCE]):
        with transaction.atomic():
            # With their copies in studies that extend this one.
            participation.disconnect(Participant.objects.filter(Q(pk__in=some) | Q(taken_over_from__in=some)))
            n += len(some)
            Participant.objects.filter(pk__in=some).update(
                forgotten_at=timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
            )
    audit.record(study, audit.What.FORGOTTEN, None, who=RETENTION, participants=n)
    return n

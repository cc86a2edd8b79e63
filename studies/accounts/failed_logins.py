"""Failed logins by address: limited whatever names are tried, and forgotten after a day.

django-axes counts by account and address; who tries one password on a thousand accounts would never be counted twice.
"""

from datetime import timedelta

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest
from django.utils import timezone

from studies.lib.client_address import address_of

#: Wrong passwords from one address, for all accounts together, within AXES_COOLOFF_TIME; many people may share one.
LIMIT = 50
#: So long the addresses of wrong passwords are kept.
KEPT = timedelta(days=1)


def are_too_many(request: HttpRequest) -> bool:
    """Whether so many passwords were wrong at this address lately that it has to wait."""
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    attempts = AccessAttempt.objects.filter(ip_address=address_of(request), attempt_time__gt=since)
    return (attempts.aggregate(n=Sum("failures_since_start"))["n"] or 0) >= LIMIT


def prune() -> int:
    """Delete what is older than KEPT; how many rows that were."""
    return AccessAttempt.objects.filter(attempt_time__lt=timezone.now() - KEPT).delete()[0]

"""One clock for all that happens to participants: the database's, which every process shares.

A web server's own clock may be behind another's or the database's.  Each read of a participant brings the database's
time along (`queries.bring_up_to_date`); from it this thread goes on by its own.  It is never ahead of the database, and
within a transaction never behind what was read at its beginning.
"""

import threading
from datetime import datetime, timedelta

from django.utils import timezone


class _Offset(threading.local):
    value = timedelta(0)


_offset = _Offset()


def set_to(moment: datetime) -> None:
    """Go on from this moment, which the database has just told."""
    _offset.value = moment - timezone.now()


def now() -> datetime:
    """The moment by the database's clock."""
    return timezone.now() + _offset.value

"""What counts as an outage instead of a fault of the work, and the limit on how long work may take."""

from django.db import DatabaseError

from explainers.computations.time_limit import TooSlow, time_limit

__all__ = ["OUTAGES", "TooSlow", "time_limit"]

#: What is no recipe's fault: it is tried again later, and no attempt is counted.
OUTAGES = (OSError, DatabaseError, MemoryError)

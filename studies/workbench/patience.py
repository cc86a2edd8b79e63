"""Waiting for a database that comes back."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

from studies.errors import one_line

log = logging.getLogger(__name__)

#: Seconds between tries; half a minute in all.
PAUSES = (0.5, 1, 2, 4, 8, 15)

T = TypeVar("T")


def patiently(write: Callable[[], T]) -> T:
    """Do it again, over a new connection, while the database cannot be reached; it must do no harm when repeated."""
    for pause in PAUSES:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block:
                raise
            log.warning("the database fails (%s); trying again", one_line(error))
            connection.close()
            time.sleep(pause)
    return write()

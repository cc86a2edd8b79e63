"""The database: retries while it is down, and reading at one moment."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from .errors import one_line

log = logging.getLogger(__name__)

#: Seconds between tries; half a minute in all.
PAUSES = (0.5, 1, 2, 4, 8, 15)

T = TypeVar("T")


def retry_while_database_is_down(write: Callable[[], T]) -> T:
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


def database_now() -> datetime:
    """The moment by the database's clock, which all processes share; of SQLite by this machine's."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


@contextmanager
def one_moment() -> Iterator[None]:
    """All that is read within is of one moment, while answers go on coming in; nobody waits for it."""
    connection.ensure_connection()
    sqlite = connection.vendor == "sqlite"
    if connection.in_atomic_block or (sqlite and connection.connection.in_transaction):
        yield
    elif sqlite:
        # Not atomic(): that begins by taking the lock for writing, and participants would have to wait.
        connection.cursor().execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            connection.cursor().execute("ROLLBACK")
    else:
        with transaction.atomic():
            connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield

"""Short transactions that are simply tried again when another process was faster (docs/decisions/0002)."""

from collections.abc import Callable
from functools import wraps

from django.db import IntegrityError, OperationalError, transaction

ATTEMPTS = 20


class Conflict(Exception):
    """Somebody else took the slot first: try again."""


def retried(function: Callable) -> Callable:
    """Run the function in a transaction, and again when another process was faster."""

    @wraps(function)
    def wrapper(*args, **kwargs):
        for attempt in range(ATTEMPTS):
            try:
                with transaction.atomic():
                    return function(*args, **kwargs)
            except (Conflict, IntegrityError):
                if attempt == ATTEMPTS - 1:
                    raise
            except OperationalError as error:
                # PostgreSQL ends one of two transactions that wait for each other; the other one goes on.
                if "deadlock" not in str(error) or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError

    return wrapper

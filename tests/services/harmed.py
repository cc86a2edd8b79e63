"""The application without what protects it, for negative controls: served instead of config.wsgi."""

from collections.abc import Callable

from django.db import connection


def unlocked() -> Callable:
    """Two tabs of one person do not take turns: nobody's row is locked."""
    from config.wsgi import application
    from studies.participation import queries

    read = queries.bring_up_to_date
    queries.bring_up_to_date = lambda person, *, lock: read(person, lock=False)
    return application


def deferred() -> Callable:
    """SQLite as Django has it: a transaction that began with reading fails when it wants to write."""
    from config.wsgi import application

    connection.settings_dict["OPTIONS"] = {"transaction_mode": "DEFERRED", "timeout": 5}
    return application

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


def leaking() -> Callable:
    """Something of every request stays: ten thousand of them are a gigabyte."""
    from config.wsgi import application

    kept = []

    def keep(environ, start_response):
        kept.append(b"x" * 100_000)
        return application(environ, start_response)

    return keep

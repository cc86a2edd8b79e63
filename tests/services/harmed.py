"""The application without what protects it, for negative controls: served instead of config.wsgi."""

from collections.abc import Callable

from django.db import connection
from django.db.models import QuerySet


def unlocked() -> Callable:
    """Two tabs of one person do not take turns: rows are locked only to be skipped by others."""
    from config.wsgi import application

    lock = QuerySet.select_for_update

    def skipping_only(rows: QuerySet, *args, skip_locked: bool = False, **options) -> QuerySet:
        return lock(rows, *args, skip_locked=True, **options) if skip_locked else rows

    QuerySet.select_for_update = skipping_only
    return application


def deferred() -> Callable:
    """SQLite as Django has it: a transaction that began with reading fails when it wants to write."""
    from config.wsgi import application

    connection.settings_dict["OPTIONS"] = {"transaction_mode": "DEFERRED", "timeout": 5}
    return application

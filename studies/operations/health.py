"""Whether what this process needs can be reached: the database, the stored files, the queue, the cache."""

import logging
import os
from collections.abc import Callable
from contextlib import suppress

from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import Error, connection

from studies import installation

log = logging.getLogger(__name__)

#: Seconds to wait for each.
PATIENCE = 2
#: Bytes below which a disk counts as full.
ROOM = 50 * 2**20


class Trouble(Exception):
    """What is wrong, in words for the log."""


def database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def storage() -> None:
    if isinstance(default_storage, FileSystemStorage):
        _folder(settings.DATA_DIR)
    else:
        default_storage.exists("is-it-there")
    # Where the database is away it says so itself.
    with suppress(Error):
        installation.check()


def queue() -> None:
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    if folder := options.get("data_folder_in"):
        _folder(folder)
        return
    patience = {**options, "socket_connect_timeout": PATIENCE, "socket_timeout": PATIENCE}
    with current_app.connection_for_read(transport_options=patience) as there:
        there.ensure_connection(max_retries=1, timeout=PATIENCE)


def memory() -> None:
    cache.get("is-it-there")


#: By the name they are told under.
PARTS: dict[str, Callable[[], None]] = {"database": database, "storage": storage, "queue": queue, "cache": memory}


def faults() -> dict[str, str]:
    """What cannot be reached, with the reason in one line; for the log, since reasons tell addresses."""
    found = {}
    for name, reach in PARTS.items():
        try:
            reach()
        except Exception as error:  # each client raises errors of its own
            found[name] = in_one_line(error)
            log.error("the %s cannot be reached: %s", name, found[name])
    return found


def in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _folder(path: str | os.PathLike[str]) -> None:
    if not os.access(path, os.W_OK):
        raise Trouble("the data folder cannot be written")
    disk = os.statvfs(path)
    if disk.f_bavail * disk.f_frsize < ROOM:
        raise Trouble("the disk is full")

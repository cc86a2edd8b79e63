"""The export as a page hands it out: one zip file; of a large study written in a process that can be ended."""

import tempfile
from pathlib import Path
from threading import BoundedSemaphore
from typing import BinaryIO

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser

from studies.lib import limited_process
from studies.lib.errors import StudyError
from studies.models import Study
from studies.results import cache

from . import export

#: Exports of one web process at a time, so that its other threads are left for participants and for estimates.
PLACES = BoundedSemaphore(1)


def open_zip(study: Study, *, actor: AbstractBaseUser) -> BinaryIO:
    """The export of a study in one zip file, opened to be read; the file is gone once it is closed.

    StudyError where it takes longer than EXPORT_SECONDS, where others are at it, or where the same person has asked for
    another one since.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="export-", dir=settings.DATA_DIR) as folder:
            path = Path(folder) / "export.zip"
            if cache.large(study):
                _in_process(study, path, actor)
            else:
                export.zip_to(study, path, actor=actor)
            # Its name goes with the folder, its content with the last who reads it.
            return path.open("rb")
    except OSError as error:
        raise StudyError(error.strerror or type(error).__name__) from None


def _in_process(study: Study, path: Path, actor: AbstractBaseUser) -> None:
    try:
        limited_process.run(
            "studies.export.in_process:write_zip",
            study.pk,
            str(path),
            actor.pk,
            owner=f"export-{actor.pk}",
            folder=settings.DATA_DIR / "estimates",
            seconds=settings.EXPORT_SECONDS,
            places=PLACES,
        )
    except limited_process.Busy:
        raise StudyError("another export is being written; try again in a minute") from None
    except limited_process.OverLimit as reason:
        raise StudyError(
            f"{reason}: have the server's operator write it, manage.py export_study {study.slug} FOLDER"
        ) from None
    except limited_process.Unfinished as reason:
        raise StudyError(str(reason)) from None

"""Whether stored files are still what they were: their names are the SHA-256 of their bytes.

A result whose file was changed or lost is made again from its recipe.  Photographs and networks cannot be: they are
named, and have to be brought in again.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from studies import installation
from studies.lib import storage
from studies.lib.errors import StudyError
from studies.models import Artifact, Classifier, Image, Stimulus, Study

from . import execution

log = logging.getLogger(__name__)

#: Of a file that is named by its bytes; uploads and drafts are not.
NAME = re.compile(r"(artifacts|pools|images|classifiers)/([0-9a-f]{2})/\2[0-9a-f]{62}(\.\w+)?")


@dataclass(frozen=True)
class Verification:
    """read: how many files were read.  damaged: names whose bytes are not theirs, or are not there."""

    read: int
    damaged: list[str]


def verify(names: Iterable[str]) -> Verification:
    """Read each of these files whole and compare it with its name."""
    read, damaged = 0, []
    for name in names:
        read += 1
        if not storage.is_intact(name):
            damaged.append(name)
            log.error("the stored file %s is not what it was", name)
    return Verification(read, damaged)


def verify_all() -> Verification:
    """All stored files, and those that rows name and that are not there."""
    stored = set(chain.from_iterable(storage.names(folder) for folder in installation.FOLDERS))
    return verify(sorted(name for name in stored | set(_named()) if NAME.fullmatch(name)))


def names_of(study: Study) -> list[str]:
    """The stored files that a study's participants are shown."""
    shown = Stimulus.objects.filter(study=study).values_list("shown", flat=True)
    return sorted(set(chain.from_iterable(stored_names(value) for value in shown.iterator())))


def check(study: Study) -> None:
    """StudyError where a file that this study's participants are shown is not what it was."""
    if damaged := verify(names_of(study)).damaged:
        raise StudyError(
            f"study {study.slug}: {_files(damaged)} not what they were when it was prepared; "
            "`manage.py verify_files --repair` makes them again"
        )


def mend(names: Iterable[str]) -> None:
    """Make those of these files again that are not what they were; StudyError where one cannot be."""
    if (damaged := verify(names).damaged) and (left := repair(damaged)):
        raise StudyError(f"{_files(left)} not what they were, and cannot be made again")


def repair(damaged: Iterable[str]) -> list[str]:
    """Make damaged files again from their recipes, and return those that are not what they were even so.

    Left are photographs and networks, files of no recipe, and what comes out otherwise here.  StudyError, with
    nothing done, where the files are another database's.
    """
    installation.check()
    damaged = list(damaged)
    owners = _owners(set(damaged))
    for name in damaged:
        if name in owners:
            storage.delete(name)
    ids = sorted(set(owners.values()))
    Artifact.objects.filter(pk__in=ids).update(
        state=Artifact.State.PENDING, attempts=0, problem="", worker="", leased_until=None
    )
    execution.compute_pending(ids, only_wanted=False)
    return verify(damaged).damaged


def stored_names(value: Any) -> Iterator[str]:
    """Every name of a stored file in a JSON value."""
    if isinstance(value, str):
        if NAME.fullmatch(value):
            yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from stored_names(inner)


def _named() -> Iterator[str]:
    for rows in (
        Image.objects.values_list("file", flat=True),
        Classifier.objects.values_list("source", flat=True),
        Artifact.objects.filter(state=Artifact.State.DONE).exclude(files={}).values_list("files", flat=True),
        Stimulus.objects.values_list("shown", flat=True),
    ):
        for value in rows.iterator():
            yield from stored_names(value)


def _owners(damaged: set[str]) -> dict[str, int]:
    """The artifact that made each of these files, where one did."""
    rows = Artifact.objects.exclude(files={}).order_by("pk").values_list("pk", "files")
    return {name: pk for pk, files in rows.iterator() for name in files.values() if name in damaged}


def _files(names: list[str]) -> str:
    return f"{len(names)} stored file{'s' * (len(names) != 1)} ({names[0]}{', …' * (len(names) > 1)}) are"

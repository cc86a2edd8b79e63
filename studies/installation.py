"""Whose files these are: the database and the stored files know each other by a name that both keep.

The database has it in its one row of `Installation`, the storage in the file `installation`.  They are given it
together, when nothing is stored yet or when the database names files that are there; from then on nothing is deleted
where they differ (docs/decisions/0037).
"""

import uuid
from itertools import chain, islice

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from studies.lib import storage
from studies.lib.errors import StudyError
from studies.models import Artifact, Classifier, Image, Installation

#: The file in the storage that holds the name.
MARK = "installation"
#: Folders of stored files.
FOLDERS = ("artifacts", "pools", "images", "classifiers", "uploads")
#: So many files that the database names are looked for before the storage is taken for its own.
SAMPLE = 20


class ForeignFiles(StudyError):
    """The stored files belong to another database, or this database's own are not there."""


def check() -> uuid.UUID:
    """The name that database and stored files share, given to both where neither has one; ForeignFiles otherwise."""
    row, marked = Installation.objects.first(), mark()
    if marked is None:
        _claim_unmarked(row)
        row = row or Installation.objects.get_or_create(pk=1)[0]
        _write(row.key)
    elif row is None or row.key != marked:
        known = f"this database is of installation {row.key}" if row else "this database has never had files"
        raise ForeignFiles(
            f"the stored files belong to installation {marked}, and {known}: "
            "check DATA_DIR, STORAGE_URL and DATABASE_URL"
        )
    return row.key


def adopt(key: uuid.UUID) -> None:
    """Have this database take the stored files of installation `key` for its own; ForeignFiles where they are not its.

    For a database that was restored beside files which stayed, by someone who typed their name.
    """
    marked = mark()
    if marked != key:
        raise ForeignFiles(f"the stored files belong to {marked or 'no installation'}, not to {key}")
    Installation.objects.update_or_create(pk=1, defaults={"key": key})


def mark() -> uuid.UUID | None:
    """The name kept with the stored files; None where they have none.  ForeignFiles where it cannot be read."""
    try:
        text = storage.read(MARK).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    try:
        return uuid.UUID(text)
    except ValueError:
        raise ForeignFiles(f"the stored file {MARK!r} does not hold an installation's name: {text[:60]!r}") from None


def _claim_unmarked(row: Installation | None) -> None:
    """Refuse files that nobody has marked where they may be another database's, and files that are not there."""
    named = list(_named_files())
    if any(default_storage.exists(name) for name in named):
        return
    if named:
        raise ForeignFiles("the files that this database names are not stored here: check DATA_DIR and STORAGE_URL")
    stored = next(chain.from_iterable(storage.names(folder) for folder in FOLDERS), None)
    if stored:
        raise ForeignFiles(
            "there are stored files, and this database names none of them: they may be another database's; "
            "check DATA_DIR, STORAGE_URL and DATABASE_URL"
        )


def _named_files() -> list[str]:
    """Some names of files that the database holds, of photographs, networks and results."""
    images = Image.objects.values_list("file", flat=True)[:SAMPLE]
    modules = (source.get("module", "") for source in Classifier.objects.values_list("source", flat=True)[:SAMPLE])
    results = Artifact.objects.exclude(files={}).values_list("files", flat=True)[:SAMPLE]
    names = chain(images, modules, *(files.values() for files in results))
    return list(islice((name for name in names if "/" in name), 3 * SAMPLE))


def _write(key: uuid.UUID) -> None:
    try:
        default_storage.save(MARK, ContentFile(f"{key}\n".encode()))
    except Exception as error:  # each storage raises errors of its client's own
        raise StudyError(f"the stored files cannot be marked: {' '.join(str(error).split())}") from error

"""A backup: every row and every stored file in one archive, and the way back.

Rows are lines of JSON, not the engine's own format, so that a backup of SQLite restores to PostgreSQL and the other way
round (docs/decisions/0019).  Sessions are left out: whoever was logged in logs in again.
"""

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from studies import installation
from studies.lib import storage
from studies.lib.database import one_moment
from studies.lib.errors import StudyError
from studies.models import Arrival, Installation
from studies.preparation import verification

FORMAT = "quorum-backup-1"
MANIFEST = "manifest.json"
AT_ONCE = 1000
LEFT_OUT = {Session, Installation}
#: What an installation without any studies has rows of: `migrate` and `setup_roles` make them.
MADE_ANEW = {ContentType, Permission, Group, Group.permissions.through}
SAFE_NAME = re.compile(r"(?!.*(^|/)\.)[\w.-]+(/[\w.-]+)+")


@dataclass(frozen=True)
class Extent:
    """How much was backed up or restored."""

    rows: int
    files: int
    bytes: int
    #: Submissions under a recruiter's ids of people: who keeps a backup keeps these beyond their date.
    ids: int
    #: Stored files whose bytes are not those that their names say; they are in the backup as they are.
    damaged: tuple[str, ...] = ()


def back_up(target: Path) -> Extent:
    """Write a backup to `target`, which must not be there yet; whole or not at all, to be read by its owner alone.

    The rows are of one moment, while answers go on coming in; StudyError where it cannot be written.
    """
    target = Path(target).absolute()
    if target.exists():
        raise StudyError(f"{target}: is there already")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        draft.touch(mode=0o600, exist_ok=False)
        with zipfile.ZipFile(draft, "w", allowZip64=True) as archive:
            manifest = _fill(archive)
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(target)
    except OSError as error:
        raise StudyError(f"{target}: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return _extent(manifest)


def restore(source: Path) -> Extent:
    """Bring a backup into an installation without studies; StudyError, with nothing changed, where that cannot be.

    Everything is read and compared with its hash before anything is written; then come the files, whose names are those
    of their content, and last all rows in one transaction.  Killed, it is run again.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            manifest = _checked(archive)
            _check_place(manifest)
            for name in manifest["files"]:
                _bring_file(archive, name)
            _bring_rows(archive, manifest["rows"])
        installation.check()
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise StudyError(f"{source}: {' '.join(str(error).split())}") from error
    return _extent(manifest)


def _extent(manifest: dict[str, Any]) -> Extent:
    files = manifest["files"].values()
    rows = {label: one["rows"] for label, one in manifest["rows"].items()}
    ids = rows[Arrival._meta.label_lower]
    damaged = tuple(
        name
        for name, one in manifest["files"].items()
        if verification.NAME.fullmatch(name) and Path(name).name.partition(".")[0] != one["sha256"]
    )
    return Extent(sum(rows.values()), len(files), sum(one["bytes"] for one in files), ids, damaged)


# --- writing ----------------------------------------------------------------------------------------------------------


def tables() -> dict[str, type[models.Model]]:
    """The tables of a backup, by the name of their model."""
    every = apps.get_models(include_auto_created=True)
    return {one._meta.label_lower: one for one in every if one._meta.managed and one not in LEFT_OUT}


def _fill(archive: zipfile.ZipFile) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "made_at": timezone.now().isoformat(),
        "migrations": _migrations(),
        "installation": str(installation.check()),
        "rows": {},
        "files": {},
    }
    with one_moment():
        for label, model in tables().items():
            with _entry(archive, f"rows/{label}.jsonl", zipfile.ZIP_DEFLATED) as entry:
                rows = sum(1 for line in _lines(model) if entry.write(line))
            manifest["rows"][label] = {"rows": rows, "sha256": entry.sha256}
    for name in _stored():
        with default_storage.open(name) as file, _entry(archive, f"files/{name}", zipfile.ZIP_STORED) as entry:
            shutil.copyfileobj(file, entry, 1 << 20)
        manifest["files"][name] = {"bytes": entry.bytes, "sha256": entry.sha256}
    archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
    return manifest


def _lines(model: type[models.Model]) -> Iterator[bytes]:
    names = [field.attname for field in model._meta.concrete_fields]
    rows = model._base_manager.order_by("pk").values_list(*names)
    for values in rows.iterator(chunk_size=AT_ONCE):
        row = dict(zip(names, values, strict=True))
        yield json.dumps(row, default=_plain, ensure_ascii=False).encode() + b"\n"


def _plain(value: Any) -> str:
    """Exactly, and as the field reads it again: moments to the microsecond."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise TypeError(f"a backup knows no {type(value).__name__}")


class _Entry:
    """An entry being written, and its hash so far."""

    def __init__(self, file: IO[bytes]):
        self._file, self._hash, self.bytes = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.bytes += len(data)
        return self._file.write(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


@contextmanager
def _entry(archive: zipfile.ZipFile, name: str, compression: int) -> Iterator[_Entry]:
    info = zipfile.ZipInfo(name)
    info.compress_type = compression
    with archive.open(info, "w", force_zip64=True) as file:
        yield _Entry(file)


def _stored() -> Iterator[str]:
    """The names of all stored files, without drafts of writers that were killed."""
    try:
        folders, _files = default_storage.listdir("")
    except FileNotFoundError:
        return
    for folder in sorted(folders):
        yield from (name for name in sorted(storage.names(folder)) if SAFE_NAME.fullmatch(name))


def _migrations() -> list[str]:
    return sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())


# --- the way back -----------------------------------------------------------------------------------------------------


def _checked(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The manifest of a whole backup: every entry is there, no other, each as it was hashed."""
    try:
        manifest = json.loads(archive.read(MANIFEST))
        assert manifest["format"] == FORMAT  # noqa: S101
    except (KeyError, ValueError, TypeError, AssertionError):
        raise StudyError(f"{archive.filename}: is not a backup") from None
    wanted = {f"rows/{label}.jsonl": one["sha256"] for label, one in manifest["rows"].items()}
    wanted |= {f"files/{name}": one["sha256"] for name, one in manifest["files"].items()}
    if unsafe := [name for name in manifest["files"] if not SAFE_NAME.fullmatch(name)]:
        raise StudyError(f"{archive.filename}: {unsafe[0]!r} is not a valid file name")
    if {*archive.namelist()} != {*wanted, MANIFEST}:
        raise StudyError(f"{archive.filename}: does not hold what its list says")
    for name, sha256 in wanted.items():
        with archive.open(name) as entry:
            if hashlib.file_digest(entry, "sha256").hexdigest() != sha256:
                raise StudyError(f"{archive.filename}: {name} is not as it was backed up")
    return manifest


def _check_place(manifest: dict[str, Any]) -> None:
    there, wanted = set(_migrations()), set(manifest["migrations"])
    if there != wanted:
        named = ", ".join(sorted(there ^ wanted)[:3])
        raise StudyError(f"the backup is of another version ({named}): restore it with that one, then migrate")
    if unknown := set(manifest["rows"]) ^ set(tables()):
        raise StudyError(f"the backup is of another version ({min(unknown)})")
    for label, model in tables().items():
        if model not in MADE_ANEW and model._base_manager.exists():
            raise StudyError(f"this installation is not empty: it has rows of {label}; restore into a new one")
    _check_files_are_ours(manifest)


def _check_files_are_ours(manifest: dict[str, Any]) -> None:
    """Files that stayed while the database was lost are those of the backup, or the backup goes elsewhere."""
    marked = installation.mark()
    if marked and str(marked) == manifest.get("installation"):
        installation.adopt(marked)
    elif marked or not any(default_storage.exists(name) for name in manifest["files"]):
        installation.check()


def _bring_file(archive: zipfile.ZipFile, name: str) -> None:
    if default_storage.exists(name):
        return
    with archive.open(f"files/{name}") as entry:
        default_storage.save(name, File(entry, name))


def _bring_rows(archive: zipfile.ZipFile, labels: dict[str, Any]) -> None:
    known = tables()
    # Whether rows fit together is asked at the end of the transaction, so that they may come in any order.
    with transaction.atomic(), connection.cursor() as cursor:
        for model in MADE_ANEW:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608
        for label in labels:
            with archive.open(f"rows/{label}.jsonl") as lines:
                _insert(cursor, known[label], lines)
        for statement in connection.ops.sequence_reset_sql(no_style(), list(known.values())):
            cursor.execute(statement)
    ContentType.objects.clear_cache()


def _insert(cursor: Any, model: type[models.Model], lines: IO[bytes]) -> None:
    """The rows as they were; not through the models, which would write down another time of making."""
    fields, quoted = model._meta.concrete_fields, connection.ops.quote_name
    columns = ", ".join(quoted(field.column) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {quoted(model._meta.db_table)} ({columns}) VALUES ({places})"  # noqa: S608
    while block := [json.loads(line) for line in islice(lines, AT_ONCE)]:
        cursor.executemany(statement, [[_value(field, row[field.attname]) for field in fields] for row in block])


def _value(field: models.Field, value: Any) -> Any:
    return field.get_db_prep_save(field.to_python(value), connection)

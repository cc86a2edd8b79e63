"""Imports that workers do for the desk: asked for, looked at, confirmed where something was refused, written down.

A worker has a turn of a minute and a half, then the bell is rung again: a large archive does not keep others waiting,
and whoever is killed has lost a hundred files.  What was looked at is a row, so the next turn goes on from there.
"""

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from studies import audit, catalogue, storage
from studies.audit import What
from studies.errors import StudyError, one_line
from studies.models import Classifier, ImageSet, Import, ImportedFile
from studies.workbench import checking, doorbell, execution, leases

from . import photographs
from .archives import Archive
from .folders import Folder, allowed
from .found import Source

log = logging.getLogger(__name__)

State, Kind = Import.State, Import.Kind

UNDER_WAY = (State.WAITING, State.REVIEW, State.CONFIRMED)
#: What a worker has to do something about.
TO_DO = (State.WAITING, State.CONFIRMED)
TURN_SECONDS = 90
BATCH, BATCH_SECONDS = 100, 2


class Gone(Exception):
    """Somebody discarded the import, or took it over, while it was worked at."""


# --- what the desk asks for -------------------------------------------------------------------------------------------


def request_images(
    name: str, *, owner: AbstractBaseUser | None, upload: File | None = None, folder: str = ""
) -> Import:
    """Have a worker look at an uploaded zip, or at a folder below one of IMPORT_FOLDERS.

    StudyError where that is refused at once; then nothing is kept.
    """
    _check_free(name, Kind.IMAGES)
    if upload is None:
        source = {"folder": str(allowed(folder, settings.IMPORT_FOLDERS, "IMPORT_FOLDERS"))}
    else:
        # Read here as well, so that most mistakes are said on the page where they can be mended.
        Archive(upload.file, "the archive")
        upload.seek(0)
        source = {"upload": storage.store_upload(upload), "called": Path(upload.name or "").name[:200]}
    return _request(Kind.IMAGES, name, owner, source)


def request_classifier(name: str, *, owner: AbstractBaseUser | None, **source: Any) -> Import:
    """Have a worker import a classifier: the arguments of `catalogue.import_classifier`, paths as text.

    StudyError for a module or checkpoint outside MODULE_FOLDERS.
    """
    _check_free(name, Kind.CLASSIFIER)
    _module_paths(dict(source))
    return _request(Kind.CLASSIFIER, name, owner, source)


def confirm(run: Import, *, actor: AbstractBaseUser | None = None) -> None:
    """Bring in what was accepted, without what was refused."""
    if run.state == State.REVIEW and (lost := lost_classes(run)):
        raise StudyError(f"without what was refused, no image of {', '.join(lost[:5])} is left")
    with transaction.atomic():
        if not Import.objects.filter(pk=run.pk, state=State.REVIEW).update(state=State.CONFIRMED, problem=""):
            raise StudyError("there is nothing to confirm any longer")
        _write_down(run, What.CONFIRMED, actor, refused=run.files.exclude(refused="").count())
        transaction.on_commit(lambda: _ring(run))
    run.refresh_from_db()


def discard(run: Import, *, actor: AbstractBaseUser | None = None) -> None:
    """Forget what was looked at; a worker that is at it stops after a hundred files."""
    with transaction.atomic():
        given_up = Import.objects.filter(pk=run.pk, state__in=UNDER_WAY)
        if not given_up.update(state=State.DISCARDED, finished_at=timezone.now()):
            raise StudyError("it is no longer under way")
        _write_down(run, What.DISCARDED, actor)
        run.files.all().delete()
    _delete_upload(run)
    run.refresh_from_db()


def lost_classes(run: Import) -> list[str]:
    """The classes of which every image was refused: without them the others would change their places."""
    kept = run.files.filter(refused="", left_out="").order_by().values_list("label", flat=True).distinct()
    refused = run.files.exclude(refused="").exclude(label="").exclude(label__in=kept)
    return sorted(set(refused.order_by().values_list("label", flat=True).distinct()))


def _check_free(name: str, kind: str) -> None:
    catalogue.check_name(name, ImageSet if kind == Kind.IMAGES else Classifier)
    if Import.objects.filter(name=name, kind=kind, state__in=UNDER_WAY).exists():
        raise StudyError(f"something called {name} is being brought in already")


def _request(kind: str, name: str, owner: AbstractBaseUser | None, source: dict[str, Any]) -> Import:
    with transaction.atomic():
        run = Import.objects.create(kind=kind, name=name, owner=owner, source=source)
        _write_down(run, What.ASKED, owner)
        transaction.on_commit(lambda: _ring(run))
    return run


def _write_down(run: Import, what: str, actor: AbstractBaseUser | None = None, who: str = "", **details: Any) -> None:
    # The kinds of imports are kinds of what the log is about.
    audit.record_of_catalogue(run.kind, run.name, what, actor, who=who, **{"import": run.pk, **details})


def _ring(run: Import) -> None:
    if not doorbell.ring_for_import(run.pk, queue_of(run)):
        Import.objects.filter(pk=run.pk, state__in=TO_DO).update(problem=leases.UNREACHABLE)


def queue_of(run: Import) -> str:
    """Networks are loaded where they will run: there are their weights, too."""
    return doorbell.NETWORKS if run.kind == Kind.CLASSIFIER else doorbell.DEFAULT


# --- what workers do --------------------------------------------------------------------------------------------------


def bring_in(run_id: int) -> None:
    """A worker's turn at an import; does nothing where there is nothing to do, or another worker does it."""
    run = leases.claim(Import.objects.filter(pk=run_id, state__in=TO_DO))
    if run is None:
        return
    try:
        finished = _turn(run, until=time.monotonic() + TURN_SECONDS)
    except Gone:
        return
    except StudyError as error:
        _refuse(run, str(error))
    except (DatabaseError, OSError, MemoryError) as error:
        _give_back(run, leases.INTERRUPTED.format(one_line(error)))
        raise
    except Exception as error:
        _refuse(run, f"it stopped unexpectedly ({type(error).__name__}: {error})")
        raise
    else:
        if not finished:
            _give_back(run)
            doorbell.ring_for_import(run.pk, queue_of(run))


def sweep() -> None:
    """Ring again for imports that nobody is at, and end those that ended their workers."""
    to_do = Import.objects.filter(state__in=TO_DO)
    for run in leases.left_behind(to_do):
        _refuse(run, leases.ENDED_WORKERS)
    for run in to_do.filter(leases.free()).order_by("pk"):
        if doorbell.waiting(queue_of(run)) == 0:
            doorbell.ring_for_import(run.pk, queue_of(run))


def _turn(run: Import, *, until: float) -> bool:
    """True when the import is at its end, or waits for somebody to confirm it."""
    if run.kind == Kind.CLASSIFIER:
        _import_classifier(run)
        return True
    if run.state == State.WAITING and not _examine(run, until):
        return False
    _write(run)
    return True


def _examine(run: Import, until: float) -> bool:
    with _source(run) as source:
        listed = photographs.listed(source)
        _check_unchanged(run, listed)
        seen = set(run.files.values_list("number", flat=True))
        batch: list[ImportedFile] = []
        started = time.monotonic()
        for number, one in enumerate(listed):
            if number in seen:
                continue
            batch.append(_row(run, number, photographs.examine(source, one)))
            now = time.monotonic()
            if len(batch) == BATCH or now - started > BATCH_SECONDS:
                _stage(run, batch)
                batch, started = [], now
                if now > until:
                    return False
        _stage(run, batch)
    return True


def _write(run: Import) -> None:
    """The image set, where nothing was refused or that was confirmed; else the report."""
    rows = {row.number: row for row in run.files.all()}
    settled = photographs.settle([_examined(row) for row in rows.values()])
    told = [rows[one.number] for one in (*settled.left_out, *settled.refused)]
    for one in (*settled.left_out, *settled.refused):
        rows[one.number].refused, rows[one.number].left_out = one.refused[:2000], one.left_out[:700]
    with transaction.atomic():
        ImportedFile.objects.bulk_update(told, ["refused", "left_out"], batch_size=500)
        if settled.refused and run.state != State.CONFIRMED:
            _move(run, state=State.REVIEW)
        else:
            if not settled.accepted:
                raise StudyError("no image was accepted")
            told_of = {"import": run.pk, "refused": len(settled.refused), "left_out": len(settled.left_out)}
            try:
                with transaction.atomic():
                    catalogue.check_name(run.name, ImageSet)
                    image_set = photographs.write(run.name, settled.accepted, who=audit.WORKER, **told_of)
            except IntegrityError:
                raise StudyError(f"the name {run.name} was taken meanwhile") from None
            run.files.filter(refused="", left_out="").delete()
            _move(run, state=State.DONE, image_set=image_set, finished_at=timezone.now())
    _delete_upload(run)


def _import_classifier(run: Import) -> None:
    source = _module_paths(dict(run.source))
    with execution.within(leases.LEASE):
        row = catalogue.import_classifier(run.name, **source, who=audit.WORKER, run=run.pk)
    with transaction.atomic():
        _move(run, state=State.DONE, classifier=row, finished_at=timezone.now())
        checking.request(row, who=audit.WORKER)


def _module_paths(source: dict[str, Any]) -> dict[str, Any]:
    """The source with its module and checkpoint where the operator allows them: links are followed, then looked at."""
    if source.get("module"):
        file, _, factory = source["module"].rpartition(":")
        source["module"] = f"{allowed(file, settings.MODULE_FOLDERS, 'MODULE_FOLDERS')}:{factory}"
        source["checkpoint"] = allowed(source.get("checkpoint") or "", settings.MODULE_FOLDERS, "MODULE_FOLDERS")
    return source


@contextmanager
def _source(run: Import) -> Iterator[Source]:
    if "folder" in run.source:
        yield Folder(allowed(run.source["folder"], settings.IMPORT_FOLDERS, "IMPORT_FOLDERS"))
        return
    try:
        opened = default_storage.open(run.source["upload"])
    except FileNotFoundError:
        raise StudyError("the uploaded archive is gone from the storage") from None
    with opened:
        yield Archive(opened.file, run.source["called"] or "the archive")


def _check_unchanged(run: Import, listed: list[photographs.Listed]) -> None:
    """Of a folder that changes between two turns nobody knows what was looked at."""
    told = hashlib.sha256("\n".join(f"{one.path}\t{one.label}" for one in listed).encode("utf-8", "replace"))
    if run.source.setdefault("listing", told.hexdigest()) != told.hexdigest():
        raise StudyError("files came or went while it was being looked at: begin again when it is complete")
    _move(run, total=len(listed), source=run.source)


def _row(run: Import, number: int, one: photographs.Examined) -> ImportedFile:
    told = {"refused": one.refused[:2000], "sha256": one.sha256, "file": one.file}
    size = {"width": one.width, "height": one.height}
    return ImportedFile(run=run, number=number, path=one.path, label=one.label[:200], **told, **size)


def _examined(row: ImportedFile) -> photographs.Examined:
    # What a file has in common with another is found anew each time: only its own refusal stands.
    kept = (row.sha256, row.file, row.width, row.height, row.number)
    return photographs.Examined(row.path, row.label, row.refused, "", *kept)


def _stage(run: Import, batch: list[ImportedFile]) -> None:
    with transaction.atomic():
        _move(run, done=F("done") + len(batch), leased_until=Now() + leases.LEASE)
        ImportedFile.objects.bulk_create(batch, ignore_conflicts=True)


# --- whose turn it is -------------------------------------------------------------------------------------------------


def _move(run: Import, **changes: Any) -> None:
    """Change the row as long as it is still this worker's; Gone where it is not."""
    if changes.get("state"):
        changes |= leases.NOBODYS
    if not Import.objects.filter(pk=run.pk, worker=run.worker, state=run.state).update(**changes):
        raise Gone


def _give_back(run: Import, problem: str = "") -> None:
    rows = Import.objects.filter(pk=run.pk, worker=run.worker, state__in=TO_DO)
    rows.update(**leases.NOBODYS, problem=problem)


def _refuse(run: Import, problem: str) -> None:
    rows = Import.objects.filter(pk=run.pk, worker=run.worker, state__in=TO_DO)
    ended = {"state": State.REFUSED, "leased_until": None, "worker": "", "finished_at": timezone.now()}
    with transaction.atomic():
        refused = rows.update(problem=problem, **ended)
        if refused:
            run.files.filter(refused="").delete()
            _write_down(run, What.REFUSED, who=audit.WORKER, reason=problem)
    if refused:
        _delete_upload(run)


def _delete_upload(run: Import) -> None:
    if name := run.source.get("upload"):
        storage.delete(name)

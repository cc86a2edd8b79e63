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
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from studies import audit
from studies.audit import What
from studies.catalog import classifiers, evaluation, names
from studies.jobs import leases, queue
from studies.jobs.time_limit import time_limit
from studies.lib import storage
from studies.lib.errors import StudyError
from studies.models import Classifier, ImageSet, Import, ImportedFile

from . import image_classes, photographs, reviews
from .archives import Archive
from .folders import Folder, allowed
from .sources import Source

log = logging.getLogger(__name__)

State, Kind = Import.State, Import.Kind

UNDER_WAY = (State.WAITING, State.REVIEW, State.CONFIRMED)
TURN_SECONDS = 90
BATCH, BATCH_SECONDS = 100, 2


class Gone(Exception):
    """Somebody discarded the import, or took it over, while it was worked at."""


# --- what the desk asks for -------------------------------------------------------------------------------------------


def request_images(
    name: str,
    *,
    owner: AbstractBaseUser | None,
    upload: File | None = None,
    folder: str = "",
    names_encoding: str = "",
    part: str = "",
    class_names: str = image_classes.AUTOMATIC,
) -> Import:
    """Have a worker look at an uploaded zip, or at a folder below one of IMPORT_FOLDERS.

    names_encoding: of the names in the zip, where they are not UTF-8.  part: as for `image_folders.look_at`.
    class_names: one of `image_classes.CLASS_NAMES`.  StudyError where that is refused at once; then nothing is kept.
    """
    _check_free(name, Kind.IMAGES)
    source: dict[str, Any] = {"class_names": class_names} | ({"part": part} if part else {})
    if upload is None:
        source |= {"folder": str(allowed(folder, settings.IMPORT_FOLDERS, "IMPORT_FOLDERS"))}
    else:
        # Read here as well, so that most mistakes are said on the page where they can be mended.
        Archive(upload.file, "the archive", names_encoding)
        upload.seek(0)
        source |= {"upload": storage.store_upload(upload), "called": Path(upload.name or "").name[:200]}
        source |= {"names_encoding": names_encoding}
    return _request(Kind.IMAGES, name, owner, source)


def request_classifier(name: str, *, owner: AbstractBaseUser | None, **source: Any) -> Import:
    """Have a worker import a classifier: the arguments of `catalogue.import_classifier`, paths as text.

    StudyError for a module or checkpoint outside MODULE_FOLDERS.
    """
    _check_free(name, Kind.CLASSIFIER)
    _module_paths(dict(source))
    return _request(Kind.CLASSIFIER, name, owner, source)


def confirm(run: Import, *, actor: AbstractBaseUser | None = None) -> None:
    """Import what was accepted, without what was refused."""
    if run.state == State.REVIEW and (problem := blocked(run)):
        raise StudyError(problem)
    with transaction.atomic():
        if not Import.objects.filter(pk=run.pk, state=State.REVIEW).update(state=State.CONFIRMED, problem=""):
            raise StudyError("there is nothing to confirm any longer")
        _write_down(run, What.CONFIRMED, actor, refused=run.files.exclude(refused="").count())
        transaction.on_commit(lambda: leases.notify(run, lambda _: _enqueue(run)))
    run.refresh_from_db()


def review_again(run: Import, *, level: int | None, class_names: str, actor: AbstractBaseUser | None = None) -> None:
    """Have a worker judge what was looked at once more, with another level of folders as the classes or other names."""
    known = [one["number"] for one in run.review.get("levels", [])]
    if level is not None and level not in known:
        raise StudyError(f"there is no level {level} of folders")
    if class_names not in image_classes.CLASS_NAMES:
        raise StudyError(f"there are no class names called {class_names}")
    with transaction.atomic():
        source = run.source | {"level": level, "class_names": class_names}
        if not Import.objects.filter(pk=run.pk, state=State.REVIEW).update(state=State.WAITING, source=source):
            raise StudyError("there is nothing to choose any longer")
        transaction.on_commit(lambda: leases.notify(run, lambda _: _enqueue(run)))
    run.refresh_from_db()


def blocked(run: Import) -> str:
    """Why what was looked at cannot be imported as it is, or nothing."""
    if problem := run.review.get("problem"):
        return problem
    if lost := run.review.get("lost"):
        return f"without what was refused, no image of {', '.join(lost[:5])} is left"
    return ""


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


def _check_free(name: str, kind: str) -> None:
    names.check_name(name, ImageSet if kind == Kind.IMAGES else Classifier)
    if Import.objects.filter(name=name, kind=kind, state__in=UNDER_WAY).exists():
        raise StudyError(f"an import called {name} is under way already")


def _request(kind: str, name: str, owner: AbstractBaseUser | None, source: dict[str, Any]) -> Import:
    with transaction.atomic():
        run = Import.objects.create(kind=kind, name=name, owner=owner, source=source)
        _write_down(run, What.ASKED, owner)
        transaction.on_commit(lambda: leases.notify(run, lambda _: _enqueue(run)))
    return run


def _write_down(run: Import, what: str, actor: AbstractBaseUser | None = None, who: str = "", **details: Any) -> None:
    # The kinds of imports are kinds of what the log is about.
    audit.record_of_catalogue(run.kind, run.name, what, actor, who=who, **{"import": run.pk, **details})


def _enqueue(run: Import) -> bool:
    return queue.enqueue_import(run.pk, queue_of(run))


def queue_of(run: Import) -> str:
    """Networks are loaded where they will run: there are their weights, too."""
    return queue.NETWORKS if run.kind == Kind.CLASSIFIER else queue.DEFAULT


# --- what workers do --------------------------------------------------------------------------------------------------


def run_import(run_id: int) -> None:
    """A worker's turn at an import; does nothing where there is nothing to do, or another worker does it."""
    with leases.turn(Import.objects.filter(pk=run_id), fail=_refuse) as run:
        if run is None:
            return
        try:
            finished = _turn(run, until=time.monotonic() + TURN_SECONDS)
        except Gone:
            return
        except StudyError as error:
            _refuse(run, str(error))
            return
        if not finished and leases.release(run):
            queue.enqueue_import(run.pk, queue_of(run))


def sweep() -> None:
    """Notify the workers again of imports that no worker is at; those that crash their workers are refused."""
    leases.sweep(Import.objects.all(), fail=_refuse, queue_of=queue_of, enqueue=_enqueue)


def _turn(run: Import, *, until: float) -> bool:
    """True when the import is at its end, or waits for somebody to confirm it."""
    if run.kind == Kind.CLASSIFIER:
        _import_classifier(run)
        return True
    if run.state == State.CONFIRMED:
        _write(run)
        return True
    if not run.source.get("examined") and not _examine(run, until):
        return False
    _review(run)
    return True


def _examine(run: Import, until: float) -> bool:
    with _source(run) as source:
        listed = photographs.listed(source, run.source.get("part", ""))
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
    run.source["examined"] = True
    _move(run, source=run.source)
    _delete_upload(run)
    return True


def _review(run: Import) -> None:
    """Settle what was looked at, and have the researcher see it before anything is written."""
    rows, settled = _settled(run)
    changed = []
    for one in (*settled.accepted, *settled.left_out, *settled.refused):
        row = rows[one.number]
        # A photograph that is taken needs its class in no report.
        label = one.label[:200] if one.refused or one.left_out else row.label
        verdict = (label, one.refused[:2000], one.left_out[:2100])
        if verdict != (row.label, row.refused, row.left_out):
            row.label, row.refused, row.left_out = verdict
            changed.append(row)
    with transaction.atomic():
        ImportedFile.objects.bulk_update(changed, ["label", "refused", "left_out"], batch_size=500)
        _move(run, state=State.REVIEW, review=reviews.review(settled, run.source.get("class_names", "")))


def _write(run: Import) -> None:
    """The image set of what was accepted; the report of the rest stays."""
    _, settled = _settled(run)
    if not settled.accepted:
        raise StudyError("no image was accepted")
    told = {"import": run.pk, "refused": len(settled.refused), "left_out": len(settled.left_out)}
    names_of = run.source.get("class_names", image_classes.AUTOMATIC)
    with transaction.atomic():
        try:
            with transaction.atomic():
                names.check_name(run.name, ImageSet)
                image_set = image_classes.write(run.name, settled, class_names=names_of, who=audit.WORKER, **told)
        except IntegrityError:
            raise StudyError(f"the name {run.name} was taken meanwhile") from None
        run.files.filter(refused="", left_out="", note="").delete()
        _move(run, state=State.DONE, image_set=image_set, finished_at=timezone.now())


def _settled(run: Import) -> tuple[dict[int, ImportedFile], photographs.Settled]:
    rows = {row.number: row for row in run.files.all()}
    examined = [_examined(row) for row in rows.values()]
    by_labels, level = run.source.get("by_labels", False), run.source.get("level")
    return rows, photographs.settle(examined, by_labels=by_labels, level=level)


def _import_classifier(run: Import) -> None:
    source = _module_paths(dict(run.source))
    with time_limit(leases.LEASE):
        row = classifiers.import_classifier(run.name, **source, who=audit.WORKER, run=run.pk)
    with transaction.atomic():
        _move(run, state=State.DONE, classifier=row, finished_at=timezone.now())
        evaluation.request_evaluation(row, who=audit.WORKER)


def _module_paths(source: dict[str, Any]) -> dict[str, Any]:
    """The source with its module and checkpoint where the operator allows them: links are followed, then looked at."""
    if source.get("module"):
        file, _, factory = source["module"].rpartition(":")
        source["module"] = f"{allowed(file, settings.MODULE_FOLDERS, 'MODULE_FOLDERS')}:{factory}"
        source["checkpoint"] = allowed(source.get("checkpoint") or "", settings.MODULE_FOLDERS, "MODULE_FOLDERS")
    for key, prefix in (("timm", "local-dir:"), ("transformers", ""), ("open_clip", "local-dir:")):
        name = source.get(key) or ""
        folder = name.removeprefix(prefix)
        if name and (folder != name or folder.startswith((".", "/", "~")) or Path(folder).exists()):
            source[key] = prefix + str(allowed(folder, settings.MODULE_FOLDERS, "MODULE_FOLDERS"))
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
        yield Archive(opened.file, run.source["called"] or "the archive", run.source.get("names_encoding", ""))


def _check_unchanged(run: Import, listed: list[photographs.Listed]) -> None:
    """Of a folder that changes between two turns nobody knows what was looked at."""
    told = hashlib.sha256("\n".join(f"{one.path}\t{one.label}" for one in listed).encode("utf-8", "replace"))
    if run.source.setdefault("listing", told.hexdigest()) != told.hexdigest():
        raise StudyError("files came or went while it was being looked at: begin again when it is complete")
    run.source["by_labels"] = any(one.label for one in listed)
    _move(run, total=len(listed), source=run.source)


def _row(run: Import, number: int, one: photographs.Examined) -> ImportedFile:
    told = {
        "problem": one.refused[:2000],
        "refused": one.refused[:2000],
        "foreign": one.foreign,
        "left_out": one.left_out,
        "note": one.note,
    }
    content = {"sha256": one.sha256, "file": one.file, "width": one.width, "height": one.height}
    return ImportedFile(
        run=run, number=number, path=one.path, label=one.label[:200], output=one.output, **told, **content
    )


def _examined(row: ImportedFile) -> photographs.Examined:
    # What a file has in common with others is found again each time: only what was said of itself stands.
    by_itself = {"refused": row.problem, "left_out": "" if row.sha256 or row.problem else row.left_out}
    kept = {name: getattr(row, name) for name in ("note", "foreign", "output", "sha256", "file", "number")}
    return photographs.Examined(row.path, row.label, **by_itself, **kept, width=row.width, height=row.height)


def _stage(run: Import, batch: list[ImportedFile]) -> None:
    with transaction.atomic():
        _move(run, done=F("done") + len(batch), leased_until=Now() + leases.LEASE)
        ImportedFile.objects.bulk_create(batch, ignore_conflicts=True)


# --- whose turn it is -------------------------------------------------------------------------------------------------


def _move(run: Import, **changes: Any) -> None:
    """Change the row as long as it is still this worker's; Gone where it is not."""
    if changes.get("state"):
        changes |= leases.RELEASED
    if not Import.objects.filter(pk=run.pk, worker=run.worker, state=run.state).update(**changes):
        raise Gone


def _refuse(run: Import, problem: str) -> None:
    ended = {"state": State.REFUSED, "finished_at": timezone.now(), "attempts": F("attempts")}
    with transaction.atomic():
        refused = leases.release(run, problem=problem, **ended)
        if refused:
            run.files.filter(problem="").delete()
            _write_down(run, What.REFUSED, who=audit.WORKER, reason=problem)
    if refused:
        _delete_upload(run)


def _delete_upload(run: Import) -> None:
    if name := run.source.get("upload"):
        storage.delete(name)

"""Collecting what no study uses: results that nobody asked for any longer, and files that no row names."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.utils import timezone

from studies import storage
from studies.errors import StudyError
from studies.models import Artifact, Check, Classifier, Image, Import, ImportedFile, Stimulus, Study

FOLDERS = ("artifacts", "pools", "images", "classifiers", "uploads")


@dataclass(frozen=True)
class Unused:
    """artifacts: results that no study asked for.  files: names in the storage, of those results and of nothing."""

    artifacts: int
    files: list[str]
    bytes: int


def find_unused(*, hours: float) -> Unused:
    """What `delete_unused` would delete.  What a study shows is used, whether or not its result is known.

    hours: pass over files younger than that: an import stores its files before the rows that name them.
    """
    _nothing_runs()
    used = _used_names()
    before = timezone.now() - timedelta(hours=hours)
    unused = (name for folder in FOLDERS for name in storage.names(folder) if name not in used)
    files = [name for name in unused if default_storage.get_modified_time(name) <= before]
    size = sum(default_storage.size(name) for name in files)
    return Unused(_unused_artifacts().count(), files, size)


def delete_unused(*, hours: float) -> Unused:
    """Delete it: rows first, so that no row ever names a file that is gone.  StudyError while a study is prepared."""
    _nothing_runs()
    artifacts = _unused_artifacts().delete()[0]
    found = find_unused(hours=hours)
    for name in found.files:
        default_storage.delete(name)
    return Unused(artifacts, found.files, found.bytes)


def _nothing_runs() -> None:
    """A preparation writes a file before the row that names it, and may need what nobody asked for a moment ago."""
    preparing = Study.objects.filter(state=Study.State.PREPARING).first()
    if preparing:
        raise StudyError(f"study {preparing.slug} is being prepared: collect when that is done, or call it off")


def _unused_artifacts() -> Any:
    """What no study asks for; the predictions that a classifier was looked at by are used by whoever looks again."""
    looked_at = Check.objects.values_list("classifier__digest", flat=True)
    return Artifact.objects.filter(studies=None).exclude(kind="prediction", recipe__classifier__in=list(looked_at))


def _used_names() -> set[str]:
    names = set(Image.objects.values_list("file", flat=True).iterator())
    for source in Classifier.objects.values_list("source", flat=True):
        names.update(_texts(source))
    names.update(ImportedFile.objects.exclude(file="").values_list("file", flat=True).iterator())
    for source in Import.objects.filter(finished_at=None).values_list("source", flat=True):
        names.update(_texts(source))
    unused = _unused_artifacts().values("pk")
    used = Artifact.objects.exclude(pk__in=unused).values_list("files", "recipe")
    for files, recipe in used.iterator():
        names.update(files.values())
        names.update(_texts(recipe))
    for shown, truth in Stimulus.objects.values_list("shown", "truth").iterator():
        names.update(_texts(shown))
        names.update(_texts(truth))
    for report in Study.objects.values_list("preparation", flat=True):
        names.update(_texts(report))
    return names


def _texts(value: Any) -> Iterator[str]:
    """Every string in a JSON value; names of files are among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)

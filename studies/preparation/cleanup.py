"""Collecting what no study uses: results that nobody asked for any longer, and files that no row names."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.utils import timezone

from studies import installation
from studies.installation import FOLDERS
from studies.lib import storage
from studies.lib.errors import StudyError
from studies.models import (
    Artifact,
    Classifier,
    ClassifierEvaluation,
    ExplanationMeasurement,
    Image,
    Import,
    ImportedFile,
    Stimulus,
    Study,
)

#: What was brought in and cannot be computed again: listed, never deleted.
ORIGINALS = ("images", "classifiers")
#: A larger share of the stored files is deleted only by someone who types how many they are.
LARGE_SHARE = 0.2
#: The computations by which explanations are measured.
OF_EXPLANATIONS = ("localisation", "faithfulness", "seed_sensitivity", "randomisation", "duration")


@dataclass(frozen=True)
class Unused:
    """artifacts: results that no study asked for.  files: names in the storage, of those results and of nothing, that
    can be deleted; `originals` those of photographs and networks, which stay.  stored: files in all.
    """

    artifacts: int
    files: list[str]
    bytes: int
    originals: list[str]
    stored: int

    @property
    def is_large(self) -> bool:
        """Whether it is so much that it may be a mistake."""
        return len(self.files) > LARGE_SHARE * self.stored


def find_unused(*, hours: float) -> Unused:
    """What `delete_unused` would delete.  What a study shows is used, whether or not its result is known.

    hours: pass over files younger than that: an import stores its files before the rows that name them.
    """
    _nothing_runs()
    used = _used_names()
    before = timezone.now() - timedelta(hours=hours)
    stored = [name for folder in FOLDERS for name in storage.names(folder)]
    unused = [name for name in stored if name not in used and default_storage.get_modified_time(name) <= before]
    originals = [name for name in unused if name.startswith(tuple(f"{folder}/" for folder in ORIGINALS))]
    files = [name for name in unused if name not in set(originals)]
    size = sum(default_storage.size(name) for name in files)
    return Unused(_unused_artifacts().count(), files, size, originals, len(stored))


def delete_unused(*, hours: float, confirmed: int | None = None) -> Unused:
    """Delete it: rows first, so that no row ever names a file that is gone.

    confirmed: how many files someone typed that these are, which is asked for above LARGE_SHARE.  StudyError, with
    nothing deleted, while a study is prepared, where the files are another database's, and without a number that is
    asked for.
    """
    installation.check()
    found = find_unused(hours=hours)
    if (found.is_large or confirmed is not None) and confirmed != len(found.files):
        raise StudyError(
            f"{len(found.files)} of {found.stored} stored files are not used, which is more than usual: nothing was "
            f"deleted; give --confirm {len(found.files)} if that is right"
            if confirmed is None
            else f"{len(found.files)} files are not used, not {confirmed}: nothing was deleted"
        )
    unused = _unused_artifacts()
    artifacts = unused.delete()[0]
    used = _used_names()
    gone = [name for name in found.files if name not in used]
    size = sum(default_storage.size(name) for name in gone)
    for name in gone:
        default_storage.delete(name)
    return Unused(artifacts, gone, size, found.originals, found.stored)


def _nothing_runs() -> None:
    """A preparation writes a file before the row that names it, and may need what nobody asked for a moment ago."""
    preparing = Study.objects.filter(state=Study.State.PREPARING).first()
    if preparing:
        raise StudyError(f"study {preparing.slug} is being prepared: collect when that is done, or cancel it")


def _unused_artifacts() -> Any:
    """What no study asks for; what a classifier was evaluated or its explanations measured by is used the next time."""
    evaluated = ClassifierEvaluation.objects.values_list("classifier__digest", flat=True)
    measured = ExplanationMeasurement.objects.values_list("classifier__digest", flat=True)
    return (
        Artifact.objects.filter(studies=None)
        .exclude(kind__in=("prediction", "trial"), recipe__classifier__in=list(evaluated))
        .exclude(kind__in=("prediction", *OF_EXPLANATIONS), recipe__classifier__in=list(measured))
    )


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

"""Work for machines without a database: what a study lacks, as a list; and results that come back as artifacts."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from django.core.files.storage import FileSystemStorage, default_storage

from explainers import computations
from explainers.cluster import shards
from explainers.cluster.work_list import ListedRecipe, ListedResult, WorkList
from explainers.computations.selection import read_by
from studies import protocols
from studies.jobs import queue
from studies.lib import storage
from studies.lib.errors import StudyError
from studies.models import Artifact, Classifier, Image, Study
from studies.protocols import DesignError

from . import execution
from .bench import Bench
from .catalogue_source import entry_of
from .executors import Foreground
from .stimuli import PREPARABLE

State = Artifact.State
WINDOW = 500
#: Results whose files are in memory at once while they are taken.
TAKEN_AT_ONCE = 50


class _Missing(Exception):
    """These artifacts come next, and nothing computes them here."""

    def __init__(self, ids: Sequence[int]):
        self.ids = ids


class _Listing:
    """An executor that computes nothing, or only what needs no network."""

    def __init__(self, here: bool):
        self._here = here

    def compute(self, kind: str, ids: Sequence[int], progress: Callable[[int], None]) -> None:
        if not self._here or computations.get(kind).queue != queue.DEFAULT:
            raise _Missing(ids)
        Foreground().compute(kind, ids, progress)


def list_work(study: Study, *, retry: bool = False, here: bool = False) -> WorkList | None:
    """What can be computed for a study now; None where nothing is left.

    What builds on these results is in the next list, when they have been taken.  retry: list what failed, too; else it
    is a StudyError that names the images.  here: compute what needs no network, such as pictures, instead of listing
    it.  The study asks for what is listed, and stays what it is.
    """
    if study.state not in PREPARABLE:
        raise StudyError(f"study {study.slug} is {study.state}: only a draft can be prepared")
    if retry:
        Study.artifacts.through.objects.filter(study=study, artifact__state=State.FAILED).delete()
    try:
        for _ in protocols.get(study.protocol).stimuli(study.design, Bench(study, _Listing(here))):
            pass
    except DesignError as error:
        raise StudyError(str(error)) from None
    except _Missing as missing:
        return work_of(study, missing.ids)
    return None


def work_of(study: Study, ids: Sequence[int]) -> WorkList:
    """The list with these artifacts, and what they are computed from."""
    work = WorkList(study.slug, _storage_folder())
    for window in _windows(ids):
        rows = Artifact.objects.filter(pk__in=window).order_by("pk")
        recipes = {row.digest: row.recipe for row in rows}
        wanted = {recipe["image"] for recipe in recipes.values() if "image" in recipe}
        photographs = dict(Image.objects.filter(sha256__in=wanted).values_list("sha256", "file"))
        for key, recipe in recipes.items():
            work.recipes.append(ListedRecipe(key, recipe, photographs.get(recipe.get("image", ""), "")))
        classifiers = {recipe["classifier"] for recipe in recipes.values() if "classifier" in recipe}
        for row in Classifier.objects.filter(digest__in=classifiers - set(work.networks)):
            work.networks[row.digest] = entry_of(row)
    for item in work.recipes:
        if "pool" in item.recipe:
            _add_known(work, item)
    return work


def _add_known(work: WorkList, item: ListedRecipe) -> None:
    """The finished results that a selection reads."""
    images = json.loads(storage.read(item.recipe["pool"]))
    wanted = {one for digests in read_by(item.recipe, images).values() for one in digests} - set(work.known)
    for window in _windows(sorted(wanted)):
        for row in Artifact.objects.filter(digest__in=window, state=State.DONE).order_by("digest"):
            work.known[row.digest] = ListedResult(row.digest, row.recipe, row.value, row.files)


def _storage_folder() -> str:
    """Where stored files lie on this machine; empty where they are in a bucket."""
    return str(default_storage.location) if isinstance(default_storage, FileSystemStorage) else ""


def export_files(work: WorkList, folder: Path) -> int:
    """Copy the stored files that a list needs into a folder, those that are not there yet; how many they are.

    The list then names the folder.  Each file is there whole or not at all.  StudyError where one cannot be copied.
    """
    names = sorted(work.stored_files())
    try:
        for name in names:
            target = folder / name
            if target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".draft-", delete=False) as draft:
                try:
                    with default_storage.open(name) as file:
                        shutil.copyfileobj(file, draft)
                    draft.flush()
                    os.chmod(draft.name, 0o644)
                    os.replace(draft.name, target)
                except BaseException:
                    os.unlink(draft.name)
                    raise
    except FileNotFoundError:
        raise StudyError(f"{name} is gone from the storage") from None
    except OSError as error:
        raise StudyError(f"{folder}: {error.strerror or error}") from None
    work.files = str(folder.resolve())
    return len(names)


# --- results that come back -------------------------------------------------------------------------------------------


@dataclass
class Taken:
    """What became of the results of a folder.

    new: written here.  known: there already.  different: of these, how many have another value or file here, which
    stays.  failed: image, or empty, and reason of those that could not be computed.  absent: the shards, as I/N, that
    are not in the folder though others of their list are.
    """

    studies: set[str] = field(default_factory=set)
    new: int = 0
    known: int = 0
    different: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def take_results(folder: Path, *, unfinished: bool = False) -> Taken:
    """Take the results of all shards in a folder: all are verified before the first is written.

    Results that are here already are left as they are, so taking them again changes nothing.  unfinished: also of
    shards that were not finished.  StudyError, in one line with the name of the file, for what is cut short, damaged,
    of a study that is not here, or was never listed here.
    """
    try:
        readers = [shards.read(path, unfinished=unfinished) for path in shards.indices(folder)]
        for reader in readers:
            _verify(reader)
        taken = Taken({reader.header.study for reader in readers}, absent=list(_absent(readers)))
        for reader in readers:
            _take(reader, taken)
    except shards.ShardError as error:
        raise StudyError(str(error)) from None
    except OSError as error:
        raise StudyError(f"interrupted, and nothing is half done: {error.strerror or error}") from error
    return taken


def _absent(readers: Sequence[shards.ShardReader]) -> Iterator[str]:
    """The shards of these lists that nobody brought."""
    headers = [reader.header for reader in readers]
    for work, of in dict.fromkeys((header.work, header.shards) for header in headers):
        there = {header.shard for header in headers if (header.work, header.shards) == (work, of)}
        yield from (f"{shard}/{of}" for shard in range(1, of + 1) if shard not in there)


def _verify(reader: shards.ShardReader) -> None:
    """That it is work of this installation, and that all bytes are those that were written."""
    if not Study.objects.filter(slug=reader.header.study).exists():
        raise StudyError(f"{reader.path} is work of study {reader.header.study}, which is not here")
    for window in _windows(line["digest"] for line in reader.lines):
        asked = set(Artifact.objects.filter(digest__in=window).values_list("digest", flat=True))
        if foreign := [digest for digest in window if digest not in asked]:
            raise StudyError(
                f"{reader.path} has the result {foreign[0][:12]}…, which was never listed here: it is work of another "
                "installation"
            )
    for _ in reader:
        pass


def _take(reader: shards.ShardReader, taken: Taken) -> None:
    for window in _windows(reader, TAKEN_AT_ONCE):
        outcomes = dict(window)
        rows = {row.digest: row for row in Artifact.objects.filter(digest__in=outcomes)}
        new = [row for row in rows.values() if row.state != State.DONE]
        for row in rows.values():
            outcome = outcomes[row.digest]
            if isinstance(outcome, computations.ComputationFailure):
                if row.state != State.DONE:
                    taken.failed.append((_image_of(row), outcome.reason))
            elif row.state == State.DONE:
                taken.known += 1
                taken.different += not _same(row, outcome)
            else:
                taken.new += 1
        execution.keep(new, [outcomes[row.digest] for row in new], None)


def _same(row: Artifact, outcome: computations.ComputationResult) -> bool:
    files = {what: hashlib.sha256(file.content).hexdigest() for what, file in outcome.files.items()}
    return row.value == outcome.value and files == {w: PurePosixPath(name).stem for w, name in row.files.items()}


def _image_of(row: Artifact) -> str:
    images = Image.objects.filter(sha256=row.recipe.get("image"))
    return images.values_list("path", flat=True).first() or ""


def _windows(things, size: int = WINDOW) -> Iterator[list]:
    rest = iter(things)
    while window := list(islice(rest, size)):
        yield window

"""From a source of files to the rows of an image set: which class each is of, and whether it is a photograph at all.

Nothing is decided before everything was looked at: `listed`, then `examine` for each, then `settle`.
"""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db import transaction

from explainers import images
from studies import audit, storage
from studies.audit import About, What
from studies.errors import StudyError
from studies.models import Image, ImageClass, ImageSet

from .found import LABELS, LONGEST_CLASS, FileRefused, Found, Source, name_problem, printable

LARGEST_LABELS = 64 * 1024 * 1024


@dataclass(frozen=True)
class Listed:
    """A file to be looked at, the class it is said to be of, and why it is refused unread, or nothing."""

    path: str
    label: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Examined:
    """What became of a file: kept under its digest, refused, or left out because the same bytes are there already."""

    path: str
    label: str = ""
    refused: str = ""
    left_out: str = ""
    sha256: str = ""
    file: str = ""
    width: int = 0
    height: int = 0
    #: Its place among all of the source's files.
    number: int = 0


@dataclass(frozen=True)
class Settled:
    accepted: list[Examined]
    left_out: list[Examined]
    refused: list[Examined]


# --- what there is ----------------------------------------------------------------------------------------------------


def listed(source: Source) -> list[Listed]:
    """The files with their classes: one folder a class, or labels.csv with the columns file and label.

    StudyError where the whole of it is refused: nothing in it, too much, or a labels.csv that cannot be read.
    """
    everything = source.files()
    found = {one.path: one for one in reversed(everything)}
    if LABELS in found and not found[LABELS].problem:
        files = list(_by_labels(source, found))
    else:
        files = [_by_folder(one.path, one.problem) for one in everything]
        files += [Listed(name, name, "a class without images") for name in source.empty_classes()]
    if not files:
        raise StudyError(f"{source.name}: no images in it: put one folder a class there, or labels.csv")
    _check_classes(sorted({one.label for one in files if one.label}))
    return sorted(files, key=lambda one: one.path)


def _by_folder(path: str, problem: str) -> Listed:
    label, slash, _ = path.partition("/")
    if not slash:
        return Listed(path, "", problem or "not a folder: put one folder a class there, or a labels.csv")
    if name_problem(path):
        # What is no path names no class either.
        return Listed(path, "", problem)
    return Listed(path, label, problem or _label_problem(label))


def _by_labels(source: Source, found: Mapping[str, Found]) -> Iterator[Listed]:
    try:
        data = source.read(LABELS)
    except FileRefused as error:
        raise StudyError(f"{LABELS}: {error}") from None
    seen: set[str] = set()
    for line, row in rows_of(data, LABELS, ["file", "label"]):
        path, label = row["file"], row["label"]
        if problem := _line_problem(path, label, seen):
            yield Listed(f"{LABELS}, line {line}", "", problem)
        elif path not in found:
            yield Listed(path, label, "No such file, though labels.csv lists it")
        else:
            yield Listed(path, label, found[path].problem)
        seen.add(path)


def _line_problem(path: str, label: str, seen: Set[str]) -> str:
    if not path or not label:
        return "file and label must both be given"
    if path in seen:
        return f"{printable(path)} is listed twice"
    if path.startswith("/") or ".." in path.split("/"):
        return f"{printable(path)} is not below the folder"
    if problem := name_problem(path):
        return f"{printable(path)}: {problem}"
    return _label_problem(label)


def _label_problem(label: str) -> str:
    if len(label) > LONGEST_CLASS:
        return f"its class has more than {LONGEST_CLASS} characters"
    if any(unicodedata.category(one).startswith("C") for one in label):
        return "its class has characters that cannot be written"
    return ""


def _check_classes(labels: Sequence[str]) -> None:
    """Classes that differ in how they are written only are one class, spelt twice."""
    seen: dict[str, str] = {}
    for label in labels:
        plain = unicodedata.normalize("NFKC", label).casefold().strip()
        if plain in seen:
            raise StudyError(f"the classes {seen[plain]} and {label} differ in spelling only: call them the same")
        seen[plain] = label


def rows_of(data: bytes, name: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a small CSV file with their line numbers; StudyError for a missing column or another encoding."""
    if len(data) > LARGEST_LABELS:
        raise StudyError(f"{name}: has more than {LARGEST_LABELS:,} bytes")
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        if missing := [column for column in columns if column not in (reader.fieldnames or [])]:
            raise StudyError(f"{name}: no column {missing[0]} (there must be {', '.join(columns)})")
        for count, row in enumerate(reader):
            if count >= settings.IMPORT_MAX_FILES:
                raise StudyError(f"{name}: more than {settings.IMPORT_MAX_FILES:,} lines (IMPORT_MAX_FILES)")
            yield reader.line_num, {column: (row.get(column) or "").strip() for column in columns}
    except UnicodeDecodeError:
        raise StudyError(f"{name}: not UTF-8 text") from None
    except csv.Error as error:
        raise StudyError(f"{name}: {error}") from None


# --- looking at each --------------------------------------------------------------------------------------------------


def examine(source: Source, one: Listed) -> Examined:
    """Read a file, decode all of it, and keep it in the storage if it is a photograph.

    Kept at once, so that a large set never has to fit in memory; an unused file is harmless and collected later.
    """
    path = printable(one.path)
    if one.problem:
        return Examined(path, one.label, refused=one.problem)
    try:
        data = source.read(one.path)
        facts = images.inspect(data, max_pixels=settings.IMPORT_MAX_PIXELS)
    except (FileRefused, images.ImageError) as error:
        return Examined(path, one.label, refused=str(error))
    file = storage.store("images", data, f".{facts.format.lower()}")
    return Examined(path, one.label, "", "", facts.sha256, file, facts.width, facts.height)


# --- all of it together -----------------------------------------------------------------------------------------------


def settle(examined: Sequence[Examined]) -> Settled:
    """The same bytes twice count once; under two classes they are refused, since one of the two is wrong."""
    by_content: dict[str, list[Examined]] = {}
    for one in examined:
        if not one.refused:
            by_content.setdefault(one.sha256, []).append(one)
    accepted, left_out, refused = [], [], [one for one in examined if one.refused]
    for first, *others in by_content.values():
        other = next((one for one in others if one.label != first.label), None)
        if other:
            labels = f"the same photograph under two labels, {first.label} and {other.label}"
            both = f"{first.path} and {other.path} are {labels}"
            refused += [replace(one, refused=both) for one in (first, *others)]
            continue
        accepted.append(first)
        left_out += [replace(one, left_out=f"the same photograph as {first.path}") for one in others]
    return Settled(*(sorted(some, key=lambda one: one.path) for some in (accepted, left_out, refused)))


def lost_classes(settled: Settled) -> list[str]:
    """Classes that would have no image left without the refused ones.

    The sorted class names are the classifier's outputs: with one missing, all that follow would be taken for others.
    """
    kept = Counter(one.label for one in settled.accepted)
    return sorted({one.label for one in settled.refused if one.label and not kept[one.label]})


def write(name: str, accepted: Sequence[Examined], *, who: str = "", **details: Any) -> ImageSet:
    """The image set, in one transaction with its first line of log; the sorted class names are the class indices."""
    index = {label: i for i, label in enumerate(sorted({one.label for one in accepted}))}
    with transaction.atomic():
        image_set = ImageSet.objects.create(name=name)
        ImageClass.objects.bulk_create(
            ImageClass(image_set=image_set, index=i, name=label, title=label.replace("_", " "))
            for label, i in index.items()
        )
        Image.objects.bulk_create(
            (
                Image(
                    image_set=image_set,
                    label=index[one.label],
                    path=one.path,
                    sha256=one.sha256,
                    file=one.file,
                    width=one.width,
                    height=one.height,
                )
                for one in accepted
            ),
            batch_size=1000,
        )
        counts = {"images": len(accepted), "classes": len(index)}
        audit.record_of_catalogue(About.IMAGES, name, What.IMPORTED, who=who, **counts, **details)
    return image_set

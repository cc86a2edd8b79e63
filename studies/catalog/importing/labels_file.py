"""labels.csv: the class of each file, and its output where the file says so."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.conf import settings

from studies.catalog.text_files import check_text
from studies.lib.csv_files import parse_csv
from studies.lib.errors import StudyError

from . import label_columns
from .sources import LABELS, LONGEST_CLASS, FileRefused, Found, Source, Spellings, name_problem, printable, writable

LARGEST_LABELS = 64 * 1024 * 1024
#: Endings of files that are photographs to whoever put them there.
PHOTOGRAPHS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif"}
NOT_LISTED = "not listed in labels.csv"


@dataclass(frozen=True)
class Listed:
    """A file to be looked at; why it is refused or left out unread, or nothing; and its class where it is known.

    output: the number of its class in labels.csv.
    """

    path: str
    label: str = ""
    problem: str = ""
    left_out: str = ""
    output: int | None = None


def find(found: Mapping[str, Found]) -> str:
    """The path of the labels.csv, or nothing; StudyError where there are several, or photographs outside its folder."""
    tables = [path for path, one in found.items() if path.split("/")[-1].casefold() == LABELS and not one.problem]
    if not tables:
        return ""
    if len(tables) > 1:
        raise StudyError(f"there are several {LABELS}, {' and '.join(sorted(tables)[:3])}: import one folder at a time")
    base = _folder_of(tables[0])
    outside = sorted(path for path in found if not path.startswith(base) and _suffix(path) in PHOTOGRAPHS)
    if outside:
        raise StudyError(
            f"{tables[0]} is of the files beside it, and {outside[0]} lies elsewhere: import {base[:-1]} alone"
        )
    return tables[0]


def by_labels(source: Source, found: Mapping[str, Found], table: str, part: str = "") -> Iterator[Listed]:
    """The files that the labels.csv at `table` lists, with their classes, and all others as left out.

    part: which value of a column such as split is taken, or ALL_PARTS.  StudyError where there are several and none is
    chosen.
    """
    base = _folder_of(table)
    data = _read(source, table)
    columns = label_columns.of(data, part)
    by_name = {unicodedata.normalize("NFC", path): path for path in found}
    seen: set[str] = set()
    elsewhere: dict[str, str] = {}
    labelled, first_problem = False, ""
    numbers, spellings = _Numbers(), Spellings()
    for line, row in _rows(data, columns.part):
        # As `find . -name "*.png"` writes it.
        path, label = row["file"].removeprefix("./"), spellings.of(row["label"])
        if columns.part and part != label_columns.ALL_PARTS and row[columns.part] != part:
            elsewhere[unicodedata.normalize("NFC", base + path)] = row[columns.part]
            continue
        problem = _line_problem(path, label, seen)
        seen.add(path)
        if problem:
            first_problem = first_problem or f" (line {line}: {problem})"
            yield Listed(f"{LABELS}, line {line}", "", problem)
            continue
        labelled = True
        output = numbers.read(label, row["index"], line)
        whole = base + path
        # A Mac composes the letters of names in its own way.
        known = whole if whole in found else by_name.get(unicodedata.normalize("NFC", whole), "")
        problem = found[known].problem if known else "No such file, though labels.csv lists it"
        by_name.pop(unicodedata.normalize("NFC", whole), None)
        yield Listed(known or whole, label, problem, output=output)
    if not labelled:
        # Not by their folders instead: whoever put the table there meant it.
        raise StudyError(f"{LABELS}: no line of it gives a file its class{first_problem}")
    numbers.check()
    if columns.unread:
        yield Listed(table, left_out=columns.unread)
    for name, path in by_name.items():
        if path != table:
            value = elsewhere.get(name)
            yield Listed(path, left_out=NOT_LISTED if value is None else label_columns.other_part(columns.part, value))


def _read(source: Source, table: str) -> bytes:
    try:
        data = source.read(table)
    except FileRefused as error:
        raise StudyError(f"{LABELS}: {error}") from None
    if len(data) > LARGEST_LABELS:
        raise StudyError(f"{LABELS}: has more than {LARGEST_LABELS:,} bytes")
    check_text(data, LABELS, "a table")
    return data


def _rows(data: bytes, part: str) -> Iterator[tuple[int, dict[str, str]]]:
    optional = [*label_columns.OPTIONAL, *([part] if part else [])]
    for count, (line, row) in enumerate(parse_csv(data, LABELS, label_columns.REQUIRED, optional)):
        if count >= settings.IMPORT_MAX_FILES:
            raise StudyError(f"{LABELS}: more than {settings.IMPORT_MAX_FILES:,} lines (IMPORT_MAX_FILES)")
        yield line, row


class _Numbers:
    """The column index: one number a class, one class a number, for all classes or none."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[int | None, int]] = {}

    def read(self, label: str, text: str, line: int) -> int | None:
        where = f"{LABELS}, line {line}"
        if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise StudyError(f"{where}: index must be a whole number from 0 up, not {printable(text)}")
        number = int(text) if text else None
        before, first = self._of.setdefault(label, (number, line))
        if before != number:
            said = " and ".join("none" if one is None else str(one) for one in (before, number))
            raise StudyError(f"{where}: class {label} has two indices, {said} (line {first})")
        return number

    def check(self) -> None:
        if all(number is None for number, _ in self._of.values()):
            return
        seen: dict[int, str] = {}
        for label, (number, line) in self._of.items():
            if number is None:
                raise StudyError(f"{LABELS}, line {line}: class {label} has no index, and others have one")
            if number in seen:
                raise StudyError(
                    f"{LABELS}, line {line}: the classes {seen[number]} and {label} both have index {number}"
                )
            seen[number] = label


def _line_problem(path: str, label: str, seen: set[str]) -> str:
    if not path or not label:
        return "file and label must both be given"
    if path in seen:
        return f"{printable(path)} is listed twice"
    if path.startswith("/") or ".." in path.split("/"):
        return f"{printable(path)} is not below the folder"
    if problem := name_problem(path):
        return f"{printable(path)}: {problem}"
    if len(label) > LONGEST_CLASS:
        return f"its class has more than {LONGEST_CLASS} characters"
    return "" if writable(label) else "its class has characters that cannot be written"


def _folder_of(table: str) -> str:
    """`name/`, or nothing at the root."""
    return table[: table.rfind("/") + 1]


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.casefold()

"""CSV files: reading those that people bring, and cells that a spreadsheet cannot run."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .canonical_json import canonical_text
from .errors import StudyError

DELIMITERS = ",;\t"
#: What a file begins with that spreadsheets open as UTF-8.
ENCODING = "utf-8-sig"
#: A text that begins so would be run by a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def read_csv(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers, as `parse_csv` reads it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    yield from parse_csv(data, path.name, columns, optional)


def parse_csv(
    data: bytes, name: str, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers; StudyError for a missing column or another encoding.

    As spreadsheets write it: with commas, semicolons or tabs, with a byte-order mark or none, in UTF-8 or marked
    UTF-16, and with headers in any case.  A row has all these columns; the optional ones are empty where the file does
    not have them.
    """
    text = decode_text(data, name)
    delimiter, headers = _headers(text, columns)
    if missing := [column for column in columns if column not in headers]:
        raise StudyError(f"{name}: no column {missing[0]} (there must be {', '.join(columns)})")
    wanted = (*columns, *optional)
    if twice := [column for column in wanted if headers.count(column) > 1]:
        raise StudyError(f"{name}: two columns are called {twice[0]}")
    places = {column: headers.index(column) for column in wanted if column in headers}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        next(reader)
        for row in reader:
            if row:
                if any(extra.strip() for extra in row[len(headers) :]):
                    raise StudyError(
                        f"{name}, line {reader.line_num}: has more cells than there are columns; put a text with a "
                        "comma between quotation marks"
                    )
                cells = {column: row[place].strip() for column, place in places.items() if place < len(row)}
                yield reader.line_num, dict.fromkeys(wanted, "") | cells
    except csv.Error as error:
        raise StudyError(f"{name}: {error}") from None


def csv_columns(data: bytes, name: str, columns: Sequence[str]) -> list[str]:
    """The headers of a CSV file as `parse_csv` reads them, in lower case; columns: those that there should be."""
    return _headers(decode_text(data, name), columns)[1]


def decode_text(data: bytes, name: str) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark; StudyError for another encoding."""
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise StudyError(f"{name}: not UTF-8 text") from None


def _headers(text: str, columns: Sequence[str]) -> tuple[str, list[str]]:
    """What separates the columns, and their names: by the delimiter that finds most of those that there must be."""
    found = {}
    for delimiter in DELIMITERS:
        try:
            row = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error:
            row = []
        found[delimiter] = [header.strip().casefold() for header in row]
    best = max(DELIMITERS, key=lambda delimiter: len(set(columns) & set(found[delimiter])))
    return best, found[best]


def cell(value: Any) -> Any:
    """A value as a CSV cell: a text that a spreadsheet would run stands behind an apostrophe.

    One that has apostrophes before the same gets one more, so that `uncell` gives back every text as it was.
    """
    if isinstance(value, dict | list):
        return canonical_text(value)
    if isinstance(value, str) and value.lstrip("'").startswith(FORMULA):
        return "'" + value
    return value


def uncell(text: str) -> str:
    """The text that `cell` wrote."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(FORMULA) else text

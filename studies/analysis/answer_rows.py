"""The rows of a file of answers, as text by column, and the line of the file that each row begins on.

The file is CSV, or a JSON list with one object a row, whose inner objects become columns named with dots; either may be
compressed with gzip. A cell is text and nothing else: what a spreadsheet would run as a formula is an odd name, or an
answer that is not allowed. Every complaint names the line of the file.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from .answers import AnswersError

Integers = NDArray[np.int64]
Column = tuple[Integers, NDArray[Any]]
#: Larger than any table of answers ought to be, so that a small file cannot fill the memory.
MOST_BYTES = 2_000_000_000


class AnswerRows:
    """The rows of the text, and the line of the file that each begins on (found only when it has to be named)."""

    def __init__(self, source: str | Path | IO[bytes], delimiter: str = ",") -> None:
        self.name = str(source) if isinstance(source, str | Path) else str(getattr(source, "name", "the file"))
        self.text, self.delimiter = _decode(_read(source, self.name), self.name), delimiter
        self.kept: Integers | None = None
        header = next(self._records(), None)
        if header is None:
            raise AnswersError(f"{self.name} is empty")
        self.header_line, self.cells = header
        self.header = [cell.strip() for cell in self.cells]
        if doubled := [cell for cell, count in Counter(self.header).items() if cell and count > 1]:
            raise AnswersError(f"{self.name}, line {self.header_line}: two columns are called {doubled[0]!r}")

    def read(self, columns: Sequence[str]) -> dict[str, Column]:
        """The named columns, each as codes (A,) and the texts they stand for, without surrounding blanks."""
        raw = {column: self.cells[self.header.index(column)] for column in columns}
        as_text = pa.dictionary(pa.int32(), pa.string())
        try:
            table = pa_csv.read_csv(
                io.BytesIO(self.text.encode()),
                parse_options=pa_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=list(raw.values()), column_types=dict.fromkeys(raw.values(), as_text)
                ),
            )
        except pa.ArrowInvalid as error:
            self._complain_of_length()
            raise AnswersError(f"{self.name}: {' '.join(str(error).split())}") from None
        return {column: _decoded(table.column(cell)) for column, cell in raw.items()}

    def __len__(self) -> int:
        """How many rows there are, those that were not kept among them."""
        return sum(1 for _ in self._records()) - 1

    def complain(self, row: int, what: str) -> NoReturn:
        """Raise AnswersError about a row, counted from 0 among those that were kept."""
        place = row if self.kept is None else int(self.kept[row])
        line = next(line for at, (line, _) in enumerate(self._records(), start=-1) if at == place)
        raise AnswersError(f"{self.name}, line {line}: {what}")

    def _complain_of_length(self) -> None:
        for line, cells in self._records():
            if len(cells) != len(self.header):
                raise AnswersError(
                    f"{self.name}, line {line}: {len(cells)} cells where the header has {len(self.header)}"
                )

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Every record that is not blank, the header among them, with the line it begins on."""
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter)
        before = 0
        try:
            for cells in reader:
                if cells:
                    yield before + 1, cells
                before = reader.line_num
        except csv.Error as error:
            raise AnswersError(f"{self.name}, line {reader.line_num}: {error}") from None


class JsonRows(AnswerRows):
    """The objects of a JSON list; rows are named by their place in it, from 1."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name, self.header_line, self.kept = text, name, 1, None
        try:
            rows = json.loads(text)
        except ValueError as error:
            raise AnswersError(f"{name} is not valid JSON: {error}") from None
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise AnswersError(f"{name}: expected a JSON list of objects, one a row")
        self.table = pd.json_normalize(rows)
        self.header = [str(column) for column in self.table.columns]

    def read(self, columns: Sequence[str]) -> dict[str, Column]:
        return {column: _as_text(self.table[column]) for column in columns}

    def __len__(self) -> int:
        return len(self.table)

    def complain(self, row: int, what: str) -> NoReturn:
        place = row if self.kept is None else int(self.kept[row])
        raise AnswersError(f"{self.name}, object {place + 1}: {what}")


def open_rows(source: str | Path | IO[bytes], delimiter: str = ",") -> AnswerRows:
    """The rows of a CSV file, or of a JSON list, whichever the file holds."""
    name = str(source) if isinstance(source, str | Path) else str(getattr(source, "name", "the file"))
    data = _read(source, name)
    if data.lstrip()[:1] == b"[":
        return JsonRows(_decode(data, name), name)
    return AnswerRows(_Named(data, name), delimiter)


class _Named(io.BytesIO):
    """Bytes that were read already, with the name of the file they came from."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def _as_text(column: pd.Series) -> Column:
    text = ["" if value is None or value != value else _text(value) for value in column.tolist()]
    codes, values = pd.factorize(np.asarray(text, dtype=object))
    return codes, np.asarray(values, dtype=object)


def _text(value: Any) -> str:
    # Counts that miss in some objects were made floats.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _decoded(column: Any) -> Column:
    encoded = column.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # no rows at all
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=object)
    values = pd.Series(encoded.dictionary.to_pylist(), dtype=object).str.strip()
    return encoded.indices.to_numpy(zero_copy_only=False), values.to_numpy(dtype=object)


def _read(source: str | Path | IO[bytes], name: str) -> bytes:
    try:
        data = Path(source).read_bytes() if isinstance(source, str | Path) else source.read()
    except OSError as error:
        raise AnswersError(f"{name} cannot be read: {error.strerror}") from None
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            unpacked = packed.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise AnswersError(f"{name} is not a whole gzip file: {error}") from None
    if len(unpacked) > MOST_BYTES:
        raise AnswersError(f"{name} unpacks to more than {MOST_BYTES // 10**9} GB")
    return unpacked


def _decode(data: bytes, name: str) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise AnswersError(f"{name} is UTF-16 text; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AnswersError(
            f"{name}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8 text; save the file as UTF-8"
        ) from None
    if "\0" in text:
        raise AnswersError(f"{name}, line {text.count(chr(10), 0, text.index(chr(0))) + 1}: not text (a zero byte)")
    return text

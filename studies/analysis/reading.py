"""Answers collected elsewhere: CSV files with one row an answer, Mechanical Turk's batch results among them.

A cell is text and nothing else: what a spreadsheet would run as a formula is an odd name, or an answer that is not
allowed. Every complaint names the line of the file.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from .tables import NO, YES, Answers, AnswersError

REQUIRED = ("participant", "stimulus", "answer")
OPTIONAL = ("condition", "seconds")

Integers = NDArray[np.int64]
Column = tuple[Integers, NDArray[Any]]


def read_answers(
    source: str | Path | IO[bytes],
    *,
    columns: Mapping[str, str] | None = None,
    yes: Sequence[str] = YES,
    no: Sequence[str] = NO,
    delimiter: str = ",",
    keep: tuple[str, Sequence[str]] | None = None,
) -> Answers:
    """Read a CSV file of answers: UTF-8, with a header, one row an answer.

    Args:
        source: a path, or a file opened for reading bytes.
        columns: the file's own names for ``participant, stimulus, answer, condition, seconds``; others keep theirs.
            ``condition`` and ``seconds`` are read where the file has them, and must be there when named.
        yes, no: what the answer column may hold, without regard to case or surrounding blanks.
        delimiter: one character.
        keep: a column and the values it must have for a row to be read, such as ("AssignmentStatus", ("Approved",)).

    Returns the answers in the order of the file. Raises AnswersError, in one line with the line number where there is
    one, for an unreadable or empty file, another encoding, missing columns, a row with too few or too many cells, an
    empty participant or stimulus, another answer, a time that is no number from 0 up, and one participant answering
    one stimulus (in one condition) twice.
    """
    name = str(source) if isinstance(source, str | Path) else str(getattr(source, "name", "the file"))
    text = _decode(_read(source, name), name)
    rows = _Rows(text, name, delimiter)
    wanted = {role: role for role in (*REQUIRED, *OPTIONAL)} | dict(columns or {})
    if unknown := sorted(set(wanted) - {*REQUIRED, *OPTIONAL}):
        raise AnswersError(f"there is no column {unknown[0]!r} to name; name {', '.join((*REQUIRED, *OPTIONAL))}")
    needed = [wanted[role] for role in REQUIRED] + list((columns or {}).values()) + ([keep[0]] if keep else [])
    if missing := list(dict.fromkeys(column for column in needed if column not in rows.header)):
        hint = "; is it separated by semicolons?" if len(rows.header) == 1 and ";" in rows.header[0] else ""
        raise AnswersError(
            f"{name}, line {rows.header_line}: no column {', '.join(map(repr, missing))} "
            f"among {', '.join(map(repr, rows.header))}{hint}"
        )
    present = {role: column for role, column in wanted.items() if column in rows.header}
    cells = rows.read([*present.values(), *([keep[0]] if keep else [])])
    if keep is not None:
        codes, values = cells[keep[0]]
        rows.kept = np.flatnonzero(np.isin(values, [value.strip() for value in keep[1]])[codes])
        cells = {column: (codes[rows.kept], values) for column, (codes, values) in cells.items()}
    if not len(cells[present["answer"]][0]):
        raise AnswersError(f"{name}: no row has {keep[0]} {' or '.join(keep[1])}" if keep else f"{name}: no answers")
    columns_of = {role: cells[column] for role, column in present.items()}
    people, people_names = _labels(columns_of, "participant", rows)
    items, item_names = _labels(columns_of, "stimulus", rows)
    groups, group_names = _labels(columns_of, "condition", rows) if "condition" in present else (None, np.empty(0))
    answers = Answers(
        people,
        items,
        _meanings(columns_of["answer"], yes, no, rows),
        participant_names=people_names,
        stimulus_names=item_names,
        condition=groups,
        condition_names=tuple(map(str, group_names)),
        seconds=_seconds(columns_of["seconds"], rows) if "seconds" in present else None,
    )
    if (row := answers.first_duplicate()) is not None:
        who, what = people_names[people[row]], item_names[items[row]]
        rows.complain(row, f"participant {who!r} answers stimulus {what!r} a second time")
    return answers


def read_mturk(
    source: str | Path | IO[bytes],
    *,
    answer: str,
    stimulus: str = "HITId",
    participant: str = "WorkerId",
    seconds: str = "WorkTimeInSeconds",
    condition: str | None = None,
    yes: Sequence[str] = YES,
    no: Sequence[str] = NO,
    statuses: Sequence[str] = ("Submitted", "Approved"),
) -> Answers:
    """Read Mechanical Turk's "batch results" CSV, whose rows are assignments.

    ``answer`` names the column of the answer, ``Answer.relevant`` for a field called relevant, and ``stimulus`` that
    of the stimulus: an ``Input.`` column such as ``Input.image_url``, or the HIT itself. Participants are ``WorkerId``
    and seconds ``WorkTimeInSeconds`` (which counts from accepting the HIT) unless named otherwise. Assignments of
    another status than ``statuses``, the rejected ones by default, are left out. Raises as :func:`read_answers`.
    """
    columns = {"participant": participant, "stimulus": stimulus, "answer": answer, "seconds": seconds}
    if condition is not None:
        columns["condition"] = condition
    return read_answers(source, columns=columns, yes=yes, no=no, keep=("AssignmentStatus", statuses))


class _Rows:
    """The rows of the text, and the line of the file that each begins on (found only when it has to be named)."""

    def __init__(self, text: str, name: str, delimiter: str) -> None:
        self.text, self.name, self.delimiter = text, name, delimiter
        self.kept: Integers | None = None
        header = next(self._records(), None)
        if header is None:
            raise AnswersError(f"{name} is empty")
        self.header_line, self.cells = header
        self.header = [cell.strip() for cell in self.cells]
        if doubled := [cell for cell, count in Counter(self.header).items() if cell and count > 1]:
            raise AnswersError(f"{name}, line {self.header_line}: two columns are called {doubled[0]!r}")

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


def _decoded(column: Any) -> Column:
    encoded = column.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # no rows at all
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=object)
    values = pd.Series(encoded.dictionary.to_pylist(), dtype=object).str.strip()
    return encoded.indices.to_numpy(zero_copy_only=False), values.to_numpy(dtype=object)


def _read(source: str | Path | IO[bytes], name: str) -> bytes:
    try:
        return Path(source).read_bytes() if isinstance(source, str | Path) else source.read()
    except OSError as error:
        raise AnswersError(f"{name} cannot be read: {error.strerror}") from None


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


def _labels(columns: Mapping[str, Column], role: str, rows: _Rows) -> tuple[Integers, NDArray[Any]]:
    """Codes in order of first appearance, and the names they stand for."""
    codes, values = columns[role]
    if (empty := (values == "")[codes]).any():
        rows.complain(int(empty.argmax()), f"the {role} is empty")
    # Names may differ in blanks only, or belong to rows that were not kept.
    alike, names = pd.factorize(values)
    used, places = pd.factorize(alike[codes])
    return used, names[places]


def _meanings(column: Column, yes: Sequence[str], no: Sequence[str], rows: _Rows) -> NDArray[np.int8]:
    codes, values = column
    words = pd.Series(values, dtype=object).str.lower()
    agree, refuse = (words.isin([word.strip().lower() for word in allowed]).to_numpy() for allowed in (yes, no))
    if (both := agree & refuse).any():
        raise AnswersError(f"{values[both.argmax()]!r} cannot mean both yes and no")
    if (bad := ~(agree | refuse)[codes]).any():
        row = int(bad.argmax())
        rows.complain(row, f"the answer is {values[codes[row]]!r}, not one of {', '.join((*yes, *no))}")
    return agree.astype(np.int8)[codes]


def _seconds(column: Column, rows: _Rows) -> NDArray[np.float64]:
    """Seconds, NaN where the cell is empty."""
    codes, values = column
    numbers = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    wrong = (values != "") & ~(np.isfinite(numbers) & (numbers >= 0))
    if (bad := wrong[codes]).any():
        row = int(bad.argmax())
        rows.complain(row, f"seconds is {values[codes[row]]!r}, not a number from 0 up")
    return numbers[codes]

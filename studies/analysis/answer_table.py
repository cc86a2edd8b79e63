"""Tables of answers collected elsewhere, by role, from files that name and arrange their columns as they please.

A *role* is what the analysis calls a column: participant, stimulus, item, condition, answer, truth and so on. Its
values come from the column of that name, from one named otherwise, or from several columns joined; a pattern can pick a
part of a name. Rows can be left out by what their columns hold: each such rule is an exclusion, and counted.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .answer_rows import AnswerRows, Column, open_rows
from .answers import AnswersError, RowError
from .exclusions import counts_of

#: Roles whose cells may be empty.
MAY_MISS = ("seconds", "confidence")
#: Between the values of columns that are joined.
JOINT = "/"
RULE = re.compile(r"^\s*(.+?)\s*(!=|!~|<=|>=|=|~|<|>)\s*(.*?)\s*$", re.DOTALL)
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class RowRule:
    """Rows by what a column holds, or several joined by ``+``.

    ``column=a|b`` and ``column!=a`` compare text, ``<``, ``<=``, ``>`` and ``>=`` numbers, and ``column~REGEX`` and
    ``column!~REGEX`` ask whether a regular expression is found.
    """

    text: str
    column: str
    sign: str
    value: str

    @classmethod
    def parse(cls, text: str) -> RowRule:
        """Raises AnswersError unless it is a column, a sign and a value that fits it."""
        if (found := RULE.match(text)) is None:
            raise AnswersError(f"{text!r} is not a rule such as COLUMN=VALUE, COLUMN!=VALUE or COLUMN<=0.5")
        column, sign, value = found.groups()
        if sign in COMPARE and _number(value) is None:
            raise AnswersError(f"{text!r}: {value!r} is not a number")
        if sign in ("~", "!~"):
            compiled(value, text)
        return cls(text, column, sign, value)

    @property
    def unmet(self) -> str:
        """That no row meets it, in words."""
        if self.sign not in ("=", "!="):
            return f"no row meets {self.text}"
        return f"no row has {self.column} {'' if self.sign == '=' else 'other than '}{self.value.replace('|', ' or ')}"

    def matches(self, column: Column) -> NDArray[np.bool_]:
        """(A,) whether each row is meant. An empty cell, or one that is not a number, is neither more nor less."""
        codes, values = column
        if self.sign in COMPARE:
            numbers = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
            meant = COMPARE[self.sign](numbers, float(self.value))
        elif self.sign in ("~", "!~"):
            pattern = compiled(self.value, self.text)
            found = np.array([pattern.search(str(value)) is not None for value in values], dtype=np.bool_)
            meant = found if self.sign == "~" else ~found
        else:
            among = np.isin(values.astype(str), [value.strip() for value in self.value.split("|")])
            meant = among if self.sign == "=" else ~among
        return np.asarray(meant, dtype=np.bool_)[codes]


@dataclass(frozen=True)
class Reading:
    """How to read the files.

    Attributes:
        columns: by role the file's own name for it, or several joined by ``+``.
        patterns: by role a regular expression; the value is what its first group finds, or all that it finds.
        exclude: rules in their order; the rows they mean are left out.
        keep: rules that every row has to meet, applied before, as part of what the file is.
        delimiter: one character.
        without: optional roles that are not read although the file has a column of that name.
        milliseconds: whether the column of seconds holds milliseconds.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)
    exclude: Sequence[RowRule] = ()
    keep: Sequence[RowRule] = ()
    delimiter: str = ","
    without: Sequence[str] = ()
    milliseconds: bool = False


@dataclass(frozen=True, eq=False)
class AnswerTable:
    """Answers by role, as text, in the order of the files.

    Attributes:
        frame: one row an answer that was kept by ``Reading.keep``, a column for each role that is there.
        rule: (A,) place of the first exclusion that takes each row, -1 for those kept.
        rules: the exclusions as they were written.
        origin: the files, and (A,) which of them and which row of it each row is.
    """

    frame: pd.DataFrame
    rule: NDArray[np.int64]
    rules: tuple[str, ...]
    origin: tuple[list[AnswerRows], NDArray[np.int64], NDArray[np.int64]]

    def kept(self, first: int | None = None) -> AnswerTable:
        """What the first so many exclusions leave; all of them by default."""
        last = len(self.rules) if first is None else first
        keep = (self.rule < 0) | (self.rule >= last)
        files, which, row = self.origin
        frame = self.frame[keep].reset_index(drop=True)
        return AnswerTable(frame, np.full(len(frame), -1), (), (files, which[keep], row[keep]))

    @property
    def flow(self) -> list[dict[str, Any]]:
        """What each exclusion takes and what remains: participants, answers and stimuli."""
        steps: list[dict[str, Any]] = []
        for place in range(len(self.rules) + 1):
            left = self.kept(place).frame
            people, stimuli = (left[role].to_numpy() if role in left else None for role in ("participant", "stimulus"))
            remains = counts_of(people, stimuli, len(left))
            before = steps[-1]["remains"] if steps else remains
            steps.append(
                {
                    "rule": self.rules[place - 1] if place else None,
                    "excluded": {name: before[name] - remains[name] for name in remains},
                    "remains": remains,
                }
            )
        return steps

    def error(self, row: int, what: str) -> AnswersError:
        """The error that names the file and the line of a row, counted from 0."""
        files, which, place = self.origin
        rows = files[int(which[row])]
        rows.kept = None
        try:
            rows.complain(int(place[row]), what)
        except AnswersError as error:
            return error

    def checked(self, analyse: Callable[[pd.DataFrame], dict[str, Any]]) -> dict[str, Any]:
        """What an analysis makes of the answers; what it says of a row is said of its line."""
        try:
            return analyse(self.frame)
        except RowError as error:
            raise self.error(error.row, error.what) from None

    def reported(self, analyse: Callable[[pd.DataFrame], dict[str, Any]]) -> dict[str, Any]:
        """The analysis of what the exclusions leave; where there are any also the ``flow``, and the ``sensitivity``.

        That is the analysis of all answers, then after each exclusion; a reason where they cannot be analysed so.
        """
        found = self.kept().checked(analyse)
        if not self.rules:
            return found
        steps: list[dict[str, Any]] = []
        for place, rule in enumerate((None, *self.rules)):
            try:
                steps.append({"after": rule, **self.kept(place).checked(analyse)})
            except AnswersError as error:
                steps.append({"after": rule, "reason": str(error)})
        return found | {"flow": self.flow, "sensitivity": steps}


def read_table(
    sources: Sequence[str | Path | IO[bytes]],
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    reading: Reading | None = None,
    may_miss: Sequence[str] = MAY_MISS,
) -> AnswerTable:
    """Read one or more files of answers by role.

    ``required`` roles have to be there; ``optional`` ones are read where the files have them, and have to be there when
    they are named. Cells of the roles ``may_miss`` can be empty. Raises AnswersError in one line, with the line number
    where there is one, for a file that cannot be read, a missing column, an empty cell of another role, a pattern that
    finds nothing, files of different columns, or no answers.
    """
    reading = reading or Reading()
    if unknown := sorted((set(reading.columns) | set(reading.patterns)) - {*required, *optional}):
        raise AnswersError(f"there is no column {unknown[0]!r} to name; name {', '.join((*required, *optional))}")
    patterns = {role: compiled(text, f"the pattern of {role}") for role, text in reading.patterns.items()}
    files = [open_rows(source, reading.delimiter) for source in sources]
    frames, taken = [], []
    for rows in files:
        parts = {role: found for role in (*required, *optional) if (found := _parts(rows, role, required, reading))}
        frame, taken_by = _read_file(rows, parts, patterns, reading, may_miss)
        frames.append(frame)
        taken.append(taken_by)
        if tuple(frame.columns) != tuple(frames[0].columns):
            raise AnswersError(f"{rows.name} has other columns than {files[0].name}")
    whole = AnswerTable(
        pd.concat(frames, ignore_index=True),
        np.concatenate(taken),
        tuple(each.text for each in reading.exclude),
        (
            files,
            np.repeat(np.arange(len(files)), [len(each) for each in taken]),
            np.concatenate([rows.kept for rows in files if rows.kept is not None]),
        ),
    )
    if not (whole.rule < 0).any():
        why = " are left by the rules" if len(whole.rule) else ""
        if reading.keep and not len(whole.rule):
            why = ", " + " and ".join(rule.unmet for rule in reading.keep)
        raise AnswersError(f"{', '.join(rows.name for rows in files)}: no answers{why}")
    return whole


def _read_file(
    rows: AnswerRows,
    parts: Mapping[str, Sequence[str]],
    patterns: Mapping[str, re.Pattern[str]],
    reading: Reading,
    may_miss: Sequence[str],
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """The rows of one file that are kept, by role, and which exclusion takes each."""
    by_rules = {rule.column: named(rows, rule.column) for rule in (*reading.keep, *reading.exclude)}
    cells = rows.read(list(dict.fromkeys(chain.from_iterable([*parts.values(), *by_rules.values()]))))
    keep = np.ones(len(next(iter(cells.values()))[0]), dtype=bool)

    def of(rule: RowRule) -> Column:
        columns = [cells[name] for name in by_rules[rule.column]]
        if len(columns) == 1:
            return columns[0]
        codes, values = pd.factorize(_joined(columns, np.ones(len(keep), dtype=bool)))
        return codes, np.asarray(values, dtype=object)

    for rule in reading.keep:
        keep &= rule.matches(of(rule))
    taken_by = np.full(len(keep), -1, dtype=np.int64)
    for place, rule in enumerate(reading.exclude):
        taken_by[rule.matches(of(rule)) & (taken_by < 0)] = place
    rows.kept, taken_by = np.flatnonzero(keep), taken_by[keep]
    columns = {}
    for role, names in parts.items():
        values = _joined([cells[name] for name in names], keep)
        columns[role] = values
        if role in patterns and len(values):
            columns[role], lost = _matched(values, patterns[role])
            if (lost & (taken_by < 0)).any():
                row = int((lost & (taken_by < 0)).argmax())
                rows.complain(row, f"the {role} {values[row]!r} does not match {patterns[role].pattern!r}")
        if role not in may_miss and (empty := (columns[role] == "") & (taken_by < 0)).any():
            rows.complain(int(empty.argmax()), f"the {role} is empty")
    return pd.DataFrame(columns), taken_by


def _parts(rows: AnswerRows, role: str, required: Sequence[str], reading: Reading) -> list[str]:
    """The file's columns that make a role; none for an optional one that is not there."""
    name = reading.columns.get(role, role)
    optional = role not in reading.columns and role not in required
    if optional and (name not in rows.header or role in reading.without):
        return []
    return named(rows, name)


def named(rows: AnswerRows, name: str) -> list[str]:
    """The column of this name, or those it joins by ``+``. Raises AnswersError where one is not there."""
    parts = [name] if name in rows.header else [part.strip() for part in name.split("+")]
    _require(rows, parts)
    return parts


def _require(rows: AnswerRows, columns: Sequence[str]) -> None:
    if missing := [column for column in columns if column not in rows.header]:
        hint = "; is it separated by semicolons?" if len(rows.header) == 1 and ";" in rows.header[0] else ""
        raise AnswersError(
            f"{rows.name}, line {rows.header_line}: no column {', '.join(map(repr, missing))} "
            f"among {', '.join(map(repr, rows.header))}{hint}"
        )


def _joined(cells: Sequence[Column], keep: NDArray[np.bool_]) -> NDArray[Any]:
    columns = [values[codes[keep]] if len(values) else np.empty(0, dtype=object) for codes, values in cells]
    joined = columns[0]
    for column in columns[1:]:
        joined = joined + JOINT + column
    return joined


def _matched(values: NDArray[Any], pattern: re.Pattern[str]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """What the pattern finds in each value, and where it finds nothing."""
    codes, distinct = pd.factorize(values)
    found = [pattern.search(value) for value in distinct]
    parts = np.empty(len(found), dtype=object)
    parts[:] = ["" if match is None else match.group(1 if pattern.groups else 0) or "" for match in found]
    return parts[codes], np.array([match is None for match in found])[codes]


def compiled(text: str, where: str) -> re.Pattern[str]:
    """A regular expression. Raises AnswersError that says where it stands unless it is one."""
    try:
        return re.compile(text)
    except re.error as error:
        raise AnswersError(f"{where}: {text!r} is not a regular expression: {error}") from None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

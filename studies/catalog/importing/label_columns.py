"""The columns of a labels.csv beside file and label: parts of a data set, asked about, and what is not read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from studies.lib.csv_files import csv_columns, parse_csv
from studies.lib.errors import StudyError

from .class_levels import divides
from .sources import LABELS, printable

REQUIRED, OPTIONAL = ("file", "label"), ("index",)
#: Headers of columns that say which part of a data set a photograph is in; others are told by their values.
PARTS = {"split", "subset", "partition", "fold", "part", "set", "phase", "usage"}
#: So many different values are parts of nothing.
MOST_PARTS = 50
ALL_PARTS = "all"
#: A table of annotated objects lies where one of labels should.
EDGES = {"x0", "y0", "x1", "y1"}
#: How many columns a sentence names.
NAMED = 8


@dataclass(frozen=True)
class LabelColumns:
    """part: the column that says which part of the data set each photograph is in, or nothing.  unread: one line about
    the columns that are not read, or nothing."""

    part: str = ""
    unread: str = ""


def of(data: bytes, part: str) -> LabelColumns:
    """What there is beside file and label.  part: the chosen value, ALL_PARTS, or nothing.

    StudyError where there are several parts and none is chosen, and for a choice that is not there.
    """
    headers = csv_columns(data, LABELS, REQUIRED)
    others = [header for header in headers if header not in (*REQUIRED, *OPTIONAL)]
    counts = _counts(data, [header for header in others if header and headers.count(header) == 1])
    column = next((name for name, values in counts.items() if _are_parts(name, values)), "")
    if not column:
        if part not in ("", ALL_PARTS):
            raise StudyError(f"{LABELS}: has no column of parts such as split, of which {part} could be one")
        return LabelColumns(unread=_unread(others))
    values = counts[column]
    if part not in ("", ALL_PARTS) and part not in values:
        raise StudyError(f"{LABELS}: the column {column} has {_in_words(values)}, and not {printable(part)}")
    if not part:
        raise StudyError(
            f"{LABELS}: its column {column} divides the photographs into {_in_words(values)}: say which are imported, "
            f"--part {printable(max(values, key=values.__getitem__))} for example, or --part {ALL_PARTS}"
        )
    return LabelColumns(column, _unread([name for name in others if name != column]))


def other_part(column: str, value: str) -> str:
    """Why a photograph of another part is left out."""
    return f"of another part, {column} {printable(value)}" if value else f"of no part: its {column} is empty"


def _counts(data: bytes, columns: Sequence[str]) -> dict[str, Counter[str]]:
    """How often each value stands in each of the columns that have few."""
    counts = {column: Counter[str]() for column in columns}
    for _, row in parse_csv(data, LABELS, REQUIRED, columns):
        for column in list(counts):
            counts[column][row[column]] += 1
            if len(counts[column]) > MOST_PARTS:
                del counts[column]
    return counts


def _are_parts(column: str, values: Counter[str]) -> bool:
    return len(values) > 1 and (column in PARTS or all(map(divides, filter(None, values))))


def _in_words(values: Counter[str]) -> str:
    named = [f"{printable(value) if value else '(empty)'} {n:,}" for value, n in values.most_common(NAMED)]
    more = f" and {len(values) - NAMED:,} more" if len(values) > NAMED else ""
    return ", ".join(named) + more


def _unread(columns: Sequence[str]) -> str:
    if not columns:
        return ""
    names = [printable(column[:40]) if column else "one without a name" for column in columns]
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    boxes = "; boxes are read from a file of their own, with --objects" if set(columns) >= EDGES else ""
    what = "its column {} is not read" if len(names) == 1 else "its columns {} are not read"
    return f"the classes are taken from it; {what.format(', '.join(names[:NAMED]) + more)}{boxes}"

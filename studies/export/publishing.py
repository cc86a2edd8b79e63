"""The form of an export that is fit to be published: what could lead to people is taken out of its tables.

Exact moments become the midnight before the study opened, where there was one, so that `recompute.py` counts the same.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.lib.errors import StudyError
from studies.models import Study
from studies.participation import day_of
from studies.results.frames import iso

#: The mark some programs put before UTF-8.
MARK = "\ufeff"
PERSON = "participants.csv"


@dataclass(frozen=True)
class Stripped:
    """Columns of one table that say less when published; `to` is “empty” or “day”."""

    table: str
    columns: tuple[str, ...]
    to: str
    why: str


STRIPPED = (
    Stripped(PERSON, ("background",), "empty", "what people said about themselves can name them"),
    Stripped(PERSON, ("comments",), "empty", "free text can name people"),
    Stripped(PERSON, ("exclusion_reason",), "empty", "a researcher's words about a person"),
    Stripped(PERSON, ("number",), "empty", "it says in which order people came"),
    Stripped(
        PERSON,
        ("consented_at", "started_at", "finished_at", "screened_out_at", "excluded_at", "returns_at"),
        "day",
        "exact moments join to logs of servers and recruiters",
    ),
    Stripped("answers.csv", ("presented_at", "answered_at"), "day", "the same; the time each answer took stays"),
    Stripped("answers.csv", ("browser",), "empty", "a rare browser tells people apart"),
)
#: The same tables with types.
TYPED = {"answers.csv": "answers.parquet"}


def check(study: Study) -> None:
    """StudyError for a study that still runs: its people are still coming and going."""
    if study.state != Study.State.CLOSED:
        raise StudyError(f"study {study.slug} is {study.state}: close it before you publish its export")


def strip(study: Study, folder: Path) -> None:
    """Take it out of the tables in this folder."""
    day = day_of(study)
    for table in dict.fromkeys(one.table for one in STRIPPED):
        wanted = {name: one.to for one in STRIPPED if one.table == table for name in one.columns}
        _strip_csv(folder / table, wanted, iso(day), by_person=table == PERSON)
        if table in TYPED:
            _strip_parquet(folder / TYPED[table], wanted, day)


def told() -> Iterator[str]:
    """What was taken out, a line for each."""
    for one in STRIPPED:
        how = "left empty" if one.to == "empty" else "the day on which the study opened"
        yield f"{one.table}: {', '.join(one.columns)}: {how} ({one.why})"


def left_out() -> dict[str, str]:
    """The same for `withheld.json`: what, and why."""
    how = {"empty": "left empty", "day": "the day on which the study opened"}
    return {
        f"{', '.join(one.columns)} in {one.table}": f"For publication, {how[one.to]}: {one.why}." for one in STRIPPED
    }


def readme() -> str:
    """The chapter that the folder's README.md has of it."""
    lines = "\n".join(f"- {line}" for line in told())
    return f"""
## Published form

What could lead to people was taken out, by `export_study --publish`:

{lines}

Rows of `participants.csv` are in the order of the random identifiers. The data are pseudonymous.
"""


def _strip_csv(path: Path, wanted: Mapping[str, str], day: str, *, by_person: bool) -> None:
    """by_person: with its rows in the order of the random identifiers, which is no order in which people came."""
    draft = path.with_name(f".{path.name}")
    with path.open(encoding="utf-8", newline="") as source, draft.open("w", encoding="utf-8", newline="") as target:
        rows, writer = csv.reader(source), csv.writer(target, lineterminator="\n")
        names = next(rows)
        writer.writerow(names)
        plain = [name.removeprefix(MARK) for name in names]
        places = {at: wanted[name] for at, name in enumerate(plain) if name in wanted}
        found: Iterator[Sequence[str]] = (
            [_less(cell, places.get(at), day) for at, cell in enumerate(row)] for row in rows
        )
        if by_person:
            found = iter(sorted(found, key=lambda row: row[plain.index("participant")]))
        writer.writerows(found)
    draft.replace(path)


def _less(cell: str, to: str | None, day: str) -> str:
    if to is None or not cell:
        return cell
    return day if to == "day" else ""


def _strip_parquet(path: Path, wanted: Mapping[str, str], day: Any) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    draft = path.with_name(f".{path.name}")
    source = pq.ParquetFile(path)
    with pq.ParquetWriter(draft, source.schema_arrow, compression="zstd") as target:
        for batch in source.iter_batches():
            columns = []
            for field, column in zip(batch.schema, batch.columns, strict=True):
                to = wanted.get(field.name)
                nothing = pa.nulls(len(column), type=field.type)
                there = nothing if to == "empty" else pa.scalar(day, type=field.type) if to else None
                columns.append(column if to is None else pc.if_else(pc.is_valid(column), there, nothing))
            target.write_table(pa.Table.from_arrays(columns, schema=source.schema_arrow))
    source.close()
    draft.replace(path)

"""How the export's tables are written: CSV, Parquet, JSON and LaTeX, long ones block by block."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any

from studies.protocols import Table

from .columns import Column
from .tables import Row, iso

#: A text that begins so would be run by a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def blocks(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while block := list(islice(rows, size)):
        yield block


class Csv(AbstractContextManager):
    """A CSV file in UTF-8 with a header; what is not there is an empty cell."""

    def __init__(self, path: Path, columns: Mapping[str, Column]):
        self._kinds = [column.kind for column in columns.values()]
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(columns)

    def write(self, block: Sequence[Row]) -> None:
        columns = zip(self._kinds, zip(*block, strict=True), strict=True)
        self._writer.writerows(zip(*(_as_text(kind, values) for kind, values in columns), strict=True))

    def __exit__(self, *_exception: object) -> None:
        self._file.close()


def _as_text(kind: str, values: Sequence[Any]) -> Sequence[Any]:
    if kind == "moment":
        return [None if value is None else iso(value) for value in values]
    if kind == "json":
        return [compact(value) for value in values]
    return [cell(value) for value in values] if kind == "text" else values


def cell(value: Any) -> Any:
    """A value as a CSV cell: a text that a spreadsheet would run stands behind an apostrophe."""
    if isinstance(value, dict | list):
        return compact(value)
    if isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    return value


def compact(value: Any) -> str:
    """JSON in one line, as it is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Parquet(AbstractContextManager):
    """A Parquet file with types; what is not there is null."""

    def __init__(self, path: Path, columns: Mapping[str, Column]):
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {"integer": pa.int64(), "moment": pa.timestamp("ms", tz="UTC"), "text": pa.string()}
        self._schema = pa.schema([(name, types[column.kind]) for name, column in columns.items()])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, block: Sequence[Row]) -> None:
        import pyarrow as pa

        columns = zip(self._schema, zip(*block, strict=True), strict=True)
        arrays = [pa.array(values, type=field.type) for field, values in columns]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def __exit__(self, *_exception: object) -> None:
        self._writer.close()


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def write_table(stem: Path, table: Table) -> None:
    """A small table as CSV and as LaTeX, for \\input below a caption of one's own."""
    with stem.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([cell(column) for column in table.columns])
        writer.writerows([[cell(value) for value in row] for row in table.rows])
    stem.with_suffix(".tex").write_text(latex(table), encoding="utf-8")


LATEX = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "×": r"$\times$",
    "…": r"\dots{}",
}


def latex(table: Table) -> str:
    """A tabular for the booktabs package: the first column to the left, the others to the right."""

    def escaped(value: Any) -> str:
        return "".join(LATEX.get(c, c) for c in ("" if value is None else str(value)))

    lines = [" & ".join(map(escaped, row)) + r" \\" for row in [table.columns, *table.rows]]
    lines.insert(1, r"\midrule")
    shape = "l" + "r" * (len(table.columns) - 1)
    return "\n".join([rf"\begin{{tabular}}{{{shape}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}", ""])

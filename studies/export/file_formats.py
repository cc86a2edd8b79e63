"""How the export's tables are written: CSV, Parquet, JSON and LaTeX, long ones block by block."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any

from studies.lib.canonical_json import canonical_text
from studies.lib.csv_files import ENCODING, cell
from studies.protocols import Table
from studies.results.frames import Row, iso

from .data_dictionary import Column


def blocks(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while block := list(islice(rows, size)):
        yield block


class Csv(AbstractContextManager):
    """A CSV file in UTF-8 with its mark and a header; what is not there is an empty cell."""

    def __init__(self, path: Path, columns: Mapping[str, Column]):
        self._kinds = [column.kind for column in columns.values()]
        self._file = path.open("w", encoding=ENCODING, newline="")
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
        return [None if value is None else canonical_text(value) for value in values]
    return [cell(value) for value in values] if kind == "text" else values


class Parquet(AbstractContextManager):
    """A Parquet file with types; what is not there is null."""

    def __init__(self, path: Path, columns: Mapping[str, Column]):
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {"integer": pa.int64(), "number": pa.float64(), "text": pa.string(), "json": pa.string()}
        types["moment"] = pa.timestamp("ms", tz="UTC")
        self._kinds = [column.kind for column in columns.values()]
        self._schema = pa.schema([(name, types[column.kind]) for name, column in columns.items()])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, block: Sequence[Row]) -> None:
        import pyarrow as pa

        columns = zip(self._schema, zip(*block, strict=True), strict=True)
        arrays = [
            pa.array(_as_text(kind, values) if kind == "json" else values, type=field.type)
            for kind, (field, values) in zip(self._kinds, columns, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def __exit__(self, *_exception: object) -> None:
        self._writer.close()


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def csv_text(table: Table) -> str:
    """A small table as CSV."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([cell(column) for column in table.columns])
    writer.writerows([[cell(value) for value in row] for row in table.rows])
    return file.getvalue()


def write_csv(path: Path, table: Table) -> None:
    """The same, in a file."""
    path.write_text(csv_text(table), encoding=ENCODING, newline="")


def write_table(stem: Path, table: Table) -> None:
    """A small table as CSV and as LaTeX, for \\input below a caption of one's own."""
    write_csv(stem.with_suffix(".csv"), table)
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

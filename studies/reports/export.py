"""The export: a folder with the data, its dictionary, the frozen design, the result, and a program that checks it.

Written beside its place and moved there when it is whole.  Exported twice, the files are the same to the byte; only
`dataset_description.json` says when.
"""

import csv
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.text import slugify

from studies.errors import StudyError
from studies.models import Study

from . import figures, psychds, tables
from .analysis import analyse

MARK = "dataset_description.json"
#: A cell that begins so would be run by a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
RECOMPUTE = Path(__file__).parent / "recompute.py"
ROWS_AT_A_TIME = 50_000


def write(study: Study, folder: Path) -> None:
    """Write the export to `folder`, which is new, empty, or an earlier export; StudyError otherwise."""
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder}: not a folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise StudyError(f"{folder}: not empty, and no earlier export")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
            draft = Path(place) / "export"
            draft.mkdir()
            _fill(study, draft)
            if folder.exists():
                folder.rename(Path(place) / "before")
            draft.rename(folder)
    except OSError as error:
        raise StudyError(f"{folder}: {error.strerror}") from None


def zipped(study: Study) -> bytes:
    """The export as one zip file."""
    file = io.BytesIO()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / study.slug
        write(study, root)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(root.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(root.parent))
    return file.getvalue()


def _fill(study: Study, folder: Path) -> None:
    result, content = analyse(study)
    _write_csv(folder / "answers.csv", tables.ANSWERS, tables.answers(study))
    _write_parquet(folder / "answers.parquet", tables.ANSWERS, tables.answers(study))
    _write_csv(folder / "stimuli.csv", tables.STIMULI, tables.stimuli(study))
    _write_csv(folder / "participants.csv", tables.PARTICIPANTS, tables.participants(study))
    _write_json(folder / "analysis.json", content)
    _write_json(folder / "design.json", {"sha256": study.design_sha256, "frozen": study.frozen})
    _write_json(folder / "flow.json", _flow(result.counts))
    for table in result.summary.tables:
        _write_table(folder / "tables" / slugify(table.title), table)
    for figure in result.summary.figures:
        path = folder / "figures" / f"{figure.name}.svg"
        path.parent.mkdir(exist_ok=True)
        path.write_text(figures.svg(figure).replace("currentColor", "#222222"), encoding="utf-8")
        _write_table(folder / "tables" / figure.name, figures.table(figure))
    shutil.copyfile(RECOMPUTE, folder / "recompute.py")
    (folder / "README.md").write_text(psychds.readme(study, result.summary.headline), encoding="utf-8")
    _write_json(folder / MARK, psychds.description(study, timezone.now()))


def _flow(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Participants, answers and stimuli, and what became of them."""
    return {
        "participants": {
            "agreed": counts["participants"],
            "finished": counts["finished_participants"],
            "simulated": counts["simulated_participants"],
            "visits": counts["visits"],
        },
        "answers": {
            "shown": counts["shown"],
            "answered": counts["answers"],
            "excluded": counts["exclusions"],
            "counted": counts["counted_answers"],
            "wanted": counts["wanted_answers"],
        },
        "stimuli": {"all": counts["stimuli"], **counts["panels"]},
    }


# --- writing ----------------------------------------------------------------------------------------------------------


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _write_csv(path: Path, columns: Iterable[str], rows: Iterator[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([cell(row[column]) for column in columns])


def cell(value: Any) -> Any:
    """A value as a CSV cell: JSON for structures, and text that a spreadsheet would run behind an apostrophe."""
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    return value


def _write_parquet(path: Path, columns: Mapping[str, str], rows: Iterator[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = {"stimulus", "visit", "position", "counted", "response_ms", "server_ms", "simulated"}
    schema = pa.schema([(name, pa.int64() if name in numbers else pa.string()) for name in columns])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while block := list(islice(rows, ROWS_AT_A_TIME)):
            writer.write_table(pa.Table.from_pylist(block, schema=schema))


def _write_table(stem: Path, table: Any) -> None:
    stem.parent.mkdir(exist_ok=True)
    with stem.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows([[cell(value) for value in row] for row in table.rows])
    stem.with_suffix(".tex").write_text(_latex(table), encoding="utf-8")


LATEX = {**{c: f"\\{c}" for c in "&%$#_{}"}, "−": "$-$", "×": r"$\times$"}


def _latex(table: Any) -> str:
    def escaped(value: Any) -> str:
        return "".join(LATEX.get(c, c) for c in ("" if value is None else str(value)))

    lines = [" & ".join(map(escaped, row)) + r" \\" for row in [table.columns, *table.rows]]
    lines.insert(1, r"\midrule")
    columns = "l" * len(table.columns)
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}", ""])

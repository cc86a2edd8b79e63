"""The result of a study as its page tells it: in words, cells and drawings, JSON-ready, so that it can be a row.

Nothing here is marked as safe, and nothing names an address: both are the business of the page that reads it.
"""

from dataclasses import asdict
from typing import Any

from studies.protocols import Figure, Table

from . import figures
from .result import StudyResult


def page_data(found: StudyResult) -> dict[str, Any]:
    """What the results page tells: of a study that still runs, counts and times alone.

    Keys: counts and exclusions (reason and number); median_seconds; span, as ISO times; headline, warnings, tables,
    galleries (as studies.protocols.Gallery has them), figures; exploratory, each with the number of its amendment.
    """
    median = found.counts["median_response_ms"]
    summary = found.summary or found.quality
    return {
        "counts": found.counts,
        # A list, as a database may keep the names of an object in another order.
        "exclusions": [list(rule) for rule in found.counts["exclusions"].items()],
        "median_seconds": None if median is None else median / 1000,
        "span": [moment and moment.isoformat() for moment in found.span],
        "headline": summary.headline,
        "warnings": list(summary.warnings),
        "tables": [in_cells(table) for table in summary.tables],
        "galleries": [asdict(gallery) for gallery in summary.galleries],
        "figures": [drawn(figure) for figure in summary.figures],
        "exploratory": [
            {
                "number": amendment.number,
                "headline": amended.headline,
                "table": in_cells(amended.tables[0]) if amended.tables else None,
            }
            for amendment, amended in found.exploratory
        ],
    }


def drawn(figure: Figure) -> dict[str, Any]:
    """A figure with its drawing, and its numbers for whoever cannot see it."""
    svg, table = figures.svg(figure), in_cells(figures.table(figure))
    return {"title": figure.title, "note": figure.note, "svg": svg, "table": table}


def in_cells(table: Table) -> dict[str, Any]:
    """A table whose cells are words, numbers right-aligned."""
    rows = [
        [
            # Each cell with its column's name: on a phone it stands beside the value.
            {"text": _text(cell), "number": isinstance(cell, int | float), "column": column}
            for column, cell in zip(table.columns, cells, strict=False)
        ]
        for cells in table.rows
    ]
    about = {"title": table.title, "note": table.note, "exploratory": table.exploratory}
    return {**about, "columns": list(table.columns), "rows": rows}


def _text(cell: Any) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)

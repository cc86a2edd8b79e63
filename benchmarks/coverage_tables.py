"""The tables of docs/explanation/intervals.md, from the counts that ``benchmarks.coverage`` wrote.

    python -m benchmarks.coverage_tables OUT.json [--into docs/explanation/intervals.md]

Prints them in Markdown, or puts them between the marks of a page. A summary comes first: of each estimator the lowest
and highest rate over the scenarios, and every scenario in which it fails, that is by two points and by two Monte Carlo
standard errors less than 95% (of a test: more than 5%).
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.coverage import EFFECTIVE, TITLES

BEGIN, END = "<!-- coverage: begin -->", "<!-- coverage: end -->"
Counts = Mapping[str, Mapping[str, tuple[float, int]]]
#: Columns that are no rate of an interval or a test.
NO_RATES = (EFFECTIVE, "no interval")
#: How far from what is meant a rate fails: by so much, and by so many standard errors.
POINTS, ERRORS = 0.02, 2.0


def is_test(column: str) -> bool:
    """Whether a column counts rejections of a true null or bounds that were missed, 5% at most, and no coverage."""
    return column.startswith("null") or column.endswith("bound missed")


def fails(column: str, happened: float, possible: int) -> bool:
    meant = 0.05 if is_test(column) else 0.95
    off = happened / possible - meant if is_test(column) else meant - happened / possible
    return off > POINTS and off > ERRORS * math.sqrt(meant * (1 - meant) / possible)


def columns_of(rows: Counts) -> list[str]:
    return list(dict.fromkeys(column for counts in rows.values() for column in counts))


def cell(column: str, counts: Mapping[str, tuple[float, int]]) -> str:
    if column not in counts or not counts[column][1]:
        return "–"
    happened, possible = counts[column]
    rate = happened / possible
    if column == EFFECTIVE:
        return f"{rate:.1f}"
    shown = f"{100 * rate:.1f}"
    return f"**{shown}**" if column not in NO_RATES and fails(column, happened, possible) else shown


def table(rows: Counts) -> Iterator[str]:
    """Scenario by scenario; what fails is bold."""
    columns = columns_of(rows)
    yield "| scenario | " + " | ".join(columns) + " |"
    yield "| --- |" + " ---: |" * len(columns)
    for name, counts in rows.items():
        yield f"| {name} | " + " | ".join(cell(column, counts) for column in columns) + " |"


def summary(found: Mapping[str, Counts]) -> Iterator[str]:
    """Of each estimator its range over the scenarios, and where it fails."""
    yield "| what | estimator or test | lowest | highest | over all | fails in |"
    yield "| --- | --- | ---: | ---: | ---: | --- |"
    for part, rows in found.items():
        for column in columns_of(rows):
            if column in NO_RATES:
                continue
            counts = {name: row[column] for name, row in rows.items() if column in row and row[column][1]}
            rates = [happened / possible for happened, possible in counts.values()]
            pooled = sum(happened for happened, _ in counts.values()) / sum(possible for _, possible in counts.values())
            failing = [
                f"{name} ({100 * happened / possible:.1f})"
                for name, (happened, possible) in counts.items()
                if fails(column, happened, possible)
            ]
            where = "; ".join(failing) if len(failing) <= 8 else f"{len(failing)} of {len(counts)} scenarios"
            numbers = " | ".join(f"{100 * rate:.1f}" for rate in (min(rates), max(rates), pooled))
            yield f"| {part.replace('_', ' ')} | {column} | {numbers} | {where or '–'} |"


def tables(state: Mapping[str, Any]) -> str:
    """All of it in Markdown, with how many replicates there were."""
    replicates = {part: rounds * state["round"] for part, rounds in state["rounds"].items()}
    fewest, most = min(replicates.values()), max(replicates.values())
    many = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    error = 100 * math.sqrt(0.95 * 0.05 / fewest)
    scenarios = max(len(rows) for rows in state["counts"].values())
    lines = [
        f"{many} replicates of each of {scenarios} scenarios, seed {state['seed']}. The Monte Carlo standard error of "
        f"one rate is {error:.1f} points at 95%. Bold is what fails: by two points and by two such errors.",
        "",
        "### Where each fails",
        "",
        *summary(state["counts"]),
    ]
    for part, rows in state["counts"].items():
        lines += ["", f"### {TITLES[part]}", "", *table(rows)]
    return "\n".join(lines) + "\n"


def put_into(page: Path, text: str) -> None:
    """Replace what stands between the marks of a page. Raises ValueError where it has none."""
    whole = page.read_text(encoding="utf-8")
    if whole.count(BEGIN) != 1 or whole.count(END) != 1 or whole.index(BEGIN) > whole.index(END):
        raise ValueError(f"{page} has no place for tables: it needs {BEGIN} and {END}, once each")
    before, after = whole.partition(BEGIN)[0], whole.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def main(source: Path, page: Path | None) -> str:
    """The tables of a file of counts, which are put into a page where one is given."""
    state = json.loads(source.read_text(encoding="utf-8"))
    if isinstance(state, dict) and isinstance(state.get("counts"), dict):
        state["counts"] = {part: state["counts"][part] for part in TITLES if part in state["counts"]}
    if not isinstance(state, dict) or state.get("benchmark") != "coverage" or not state.get("rounds"):
        raise ValueError(f"{source} holds no counts of benchmarks.coverage")
    told = tables(state)
    if page is not None:
        put_into(page, told)
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, metavar="OUT.json")
    parser.add_argument("--into", type=Path, metavar="PAGE.md")
    asked = parser.parse_args()
    try:
        print(main(asked.source, asked.into))
    except (OSError, ValueError) as error:
        sys.exit(str(error))

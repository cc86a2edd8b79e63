"""Properties of a result, its preregistration and its export."""

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from studies import lifecycle
from studies.export import export, recompute
from studies.models import Study
from studies.protocols import Summary
from studies.results import figures, result

from .subject import NotKept, Subject, require

NO_ANSWER = "No answer counts yet"
#: What a result has beside its main tables, or in another form: other estimators, ratios of odds, single images.
BESIDE = {
    "agreement",
    "naive",
    "wilson",
    "robust",
    "jackknife",
    "odds_ratio",
    "dawid_skene",
    "first",
    "second",
    "strata",
    "risen",
    "panels",
    "participants",
    # What the frame adds to every result.
    "sensitivity",
    "window",
}


def empty(subject: Subject) -> None:
    study = subject.opened()
    lifecycle.close_study(study)
    summary = result.result(study).summary
    require(NO_ANSWER in summary.headline, f"the headline does not say “{NO_ANSWER}”: {summary.headline}")
    _as_json(summary.measures)
    # The frame asks for these of every result, also where all answers are excluded.
    subject.protocol.rehearsal_measures(summary.measures)


def summary(subject: Subject) -> None:
    found = result.result(subject.rehearsed.study).summary
    _as_json(found.measures)
    numbers = numbers_of(found.measures)
    require(numbers, "the measures have no estimate with its interval")
    require(found.headline and "\n" not in found.headline, "the headline is not one line")
    for table in found.tables:
        uneven = any(len(row) != len(table.columns) for row in table.rows)
        require(not uneven, f"the table “{table.title}” has a row that is not as long as its heading")
    lost = numbers_in_no_table(found)
    require(not lost, f"{', '.join(lost[:5])} of the measures stands in no table")
    for figure in found.figures:
        require("<svg" in figures.svg(figure), f"the figure {figure.name} is not drawn")
        require(figures.table(figure).rows, f"the figure {figure.name} has no table for screen readers")


def _as_json(measures: Mapping[str, Any]) -> None:
    try:
        json.dumps(measures, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise NotKept(f"the measures are not JSON values: {error}") from None


def numbers_in_no_table(found: Summary) -> list[str]:
    """The numbers of the result that stand in none of its tables."""
    said = " ".join(str(cell) for table in found.tables for row in table.rows for cell in row)
    return [forms[0] for forms in numbers_of(found.measures) if not any(number in said for number in forms)]


def numbers_of(value: Any) -> list[tuple[str, ...]]:
    """Estimates and ends of intervals, in per cent or as they are, and what shares count, of all of a result."""
    if isinstance(value, list):
        return [number for part in value for number in numbers_of(part)]
    if not isinstance(value, dict):
        return []
    numbers = [number for name, part in value.items() if name not in BESIDE for number in numbers_of(part)]
    if "low" in value and value.get("scale") != "logit":
        ends = [abs(value[end]) for end in ("estimate", "low", "high") if value.get(end) is not None]
        numbers += [(f"{100 * end:.2f}", f"{end:.2f}") for end in ends]
    if "numerator_name" in value:
        numbers.append((f"{value['numerator']} of {value['denominator']}",))
    return numbers


def preregistration(subject: Subject) -> None:
    study = subject.prepared()
    plan = subject.protocol.preregister(study.design, study.preparation).as_json()
    _as_json(plan)
    require(plan["estimand"].strip(), "the preregistration names no estimand")
    own = plan["estimand"] != subject.protocol.description
    require(own, "preregister is not implemented: name the estimand, with its numerator and denominator")
    computations = plan["computations"]
    require(computations, "preregister gives no computations, so that recompute.py cannot check any figure")
    for how in computations:
        kinds = ", ".join(recompute.KINDS)
        require(how["kind"] in recompute.KINDS, f"recompute.py has no kind {how['kind']!r}; there are {kinds}")


@contextmanager
def exported(study: Study) -> Iterator[Path]:
    """The study's export in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="quorum-contract-") as place:
        folder = Path(place) / "export"
        export.write(study, folder)
        yield folder


def recomputed(subject: Subject) -> None:
    with exported(subject.rehearsed.study) as folder:
        status, said = _recompute(folder)
    lines = [line for line in said if line.startswith(("differs", "not checked", "this kind"))] or said[-1:]
    require(status == 0 and not _unchecked(said), "; ".join(lines[:3]))


def forgery(subject: Subject) -> None:
    with exported(subject.rehearsed.study) as folder:
        path = folder / "answers.csv"
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        values = sorted({row["answer"] for row in rows if row["counted"] == "1"})
        require(len(values) > 1, f"simulated participants all answer {values[0]!r}")
        other = dict(zip(values, [*values[1:], values[0]], strict=True))
        for row in rows:
            if row["counted"] == "1":
                row["answer"] = other[row["answer"]]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        status, _said = _recompute(folder)
    require(status, "recompute.py agrees with a result although every counted answer was changed")


def _recompute(folder: Path) -> tuple[int | str, list[str]]:
    """The status of the export's own program, and what it prints."""
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            status: int | str = recompute.main(folder)
    except SystemExit as refused:
        return 1, [*said.getvalue().splitlines(), str(refused.code)]
    return status, said.getvalue().splitlines()


def _unchecked(said: list[str]) -> bool:
    return any(line.startswith(("not checked", "this kind of study registers no")) for line in said)

"""A measurement as tables and figures: for the command, the page, and files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from studies.protocols.base.results import Figure, Table

from .request import MEASURES

CURVES = {
    "deletion": ("Deletion", "Pixels gone, in %", "Probability", "Lower is better: the best pixels turn grey first."),
    "insertion": (
        "Insertion",
        "Pixels back, in %",
        "Probability",
        "Higher is better: the best pixels come first into a blurred picture.",
    ),
    "rank_correlation": (
        "Sanity check: rank correlation",
        "Layers randomised, in %",
        "Rank correlation",
        "From the last layer on. A map that stays alike goes by the picture, not by the network.",
    ),
    "ssim": (
        "Sanity check: SSIM",
        "Layers randomised, in %",
        "SSIM",
        "From the last layer on. A map that stays alike goes by the picture, not by the network.",
    ),
}


def summary_table(result: Mapping[str, Any]) -> Table:
    """Methods by measures: each mean with its interval."""
    keys = [key for key in result["measures"] if any(key in one["measures"] for one in result["methods"].values())]
    rows = [[name, *(cell_text(one["measures"].get(key)) for key in keys)] for name, one in result["methods"].items()]
    columns = [f"{MEASURES[key].title} {'↑' if MEASURES[key].higher else '↓'}" for key in keys]
    note = "Means over images with 95% intervals. ↑ higher is better, ↓ lower is better."
    return Table("Explainer", ["", *columns], rows, note)


def turned(table: Table) -> Table:
    """The same table with rows for columns: many measures of few methods fit a terminal so."""
    columns = [table.columns[0], *(row[0] for row in table.rows)]
    rows = [[name, *(row[i] for row in table.rows)] for i, name in enumerate(table.columns) if i]
    return Table("Measure", columns, rows, table.note)


def difference_table(result: Mapping[str, Any]) -> Table:
    """Every method less the first one, image by image."""
    reference = next(iter(result["methods"]), "")
    found = [one for one in result["differences"] if reference in (one["first"], one["second"])]
    names = [name for name in result["methods"] if name != reference]
    keys = [key for key in result["measures"] if any(one["measure"] == key for one in found)]
    known = {(one["measure"], one["first"], one["second"]): one for one in found}

    def difference(key: str, name: str) -> Mapping[str, Any] | None:
        if one := known.get((key, reference, name)):
            return one
        other = known.get((key, name, reference))
        return other and {**other, "estimate": _minus(other["estimate"]), "low": _minus(other["high"])} | {
            "high": _minus(other["low"])
        }

    rows = [[name, *(cell_text(difference(key, name)) for key in keys)] for name in names]
    note = f"Each explainer less {reference}, on the images that both have a value of, with 95% intervals."
    return Table(f"Less {reference}", ["", *(MEASURES[key].title for key in keys)], rows, note)


def figures(result: Mapping[str, Any]) -> list[Figure]:
    """The pointing game with intervals, and the curves of deletion, insertion and the sanity check."""
    drawn = []
    pointing = {name: one["measures"].get("pointing_game") for name, one in result["methods"].items()}
    if known := {name: one for name, one in pointing.items() if one}:
        series = {"name": "", "x": list(known)}
        series |= {
            to: [one[of] for one in known.values()] for to, of in (("y", "estimate"), ("low",) * 2, ("high",) * 2)
        }
        note = "Share of an image's classes at whose objects the map points, with 95% intervals over images."
        drawn.append(Figure("pointing", "intervals", "Pointing game", "Explainer", "Hits, in %", [series], note))
    for key, (title, x, y, note) in CURVES.items():
        lines = [
            {
                "name": name,
                "x": [round(100 * point["share"], 1) for point in points],
                "y": [point["estimate"] for point in points],
            }
            for name, one in result["methods"].items()
            if (points := one["curves"].get(key))
        ]
        if lines:
            drawn.append(Figure(key.replace("_", "-"), "lines", title, x, y, lines, note))
    return drawn


def rows_of_csv(result: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    """explainer, measure, estimate, low, high, images and reason: a header, then a row for each mean."""
    yield "explainer", "measure", "estimate", "low", "high", "images", "reason"
    for name, one in result["methods"].items():
        for key, mean in one["measures"].items():
            yield name, key, mean["estimate"], mean["low"], mean["high"], mean["n"], mean["reason"] or ""


def problems(result: Mapping[str, Any]) -> Iterator[str]:
    """What was not computed, one line for each method."""
    for name, one in result["methods"].items():
        if one["failed"]:
            yield f"{name}: {one['failed']:,} results could not be computed: {'; '.join(one['reasons'])}"
    if result["unpredicted"]:
        yield f"{result['unpredicted']:,} images have no prediction and are left out"
    if result["cropped_away"]:
        yield f"{result['cropped_away']:,} objects of the image set are cropped away"


def cell_text(mean: Mapping[str, Any] | None) -> str | None:
    """A mean with its interval: 0.734 (0.702 to 0.766)."""
    if mean is None or mean["estimate"] is None:
        return None
    if mean["low"] is None:
        return _number(mean["estimate"])
    return f"{_number(mean['estimate'])} ({_number(mean['low'])} to {_number(mean['high'])})"


def _number(value: float) -> str:
    """Three digits after the point; of small and large numbers three that count."""
    text = f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:.3g}"
    return text.replace("-", "−")


def _minus(value: float | None) -> float | None:
    return None if value is None else -value

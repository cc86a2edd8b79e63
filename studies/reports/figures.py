"""Figures drawn once, for the page and for paper: SVG whose bytes depend on the numbers alone.

Lines and words take the colour of the text around them, so that a figure fits a light and a dark page.
"""

import io
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from studies.protocols import Figure, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours that keep 3:1 against white and against a dark page, and differ for the colour-blind.
PALETTE = ("#3b7dd8", "#d9772b", "#2f9e7a", "#a35fc4")
#: Stands for the colour of the surrounding text until the drawing is done.
INK = "#123456"

Series = Mapping[str, Any]


def svg(figure: Figure) -> str:
    """The figure as an SVG element, with its title and note for screen readers."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    style = {
        "svg.hashsalt": "quorum",
        "svg.fonttype": "none",
        "font.family": ["sans-serif"],
        "font.size": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        **{f"{part}.color": INK for part in ("text", "xtick", "ytick")},
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
    }
    with matplotlib.rc_context(style):
        canvas = Canvas(figsize=(6.4, 3.8), layout="constrained")
        axes = canvas.add_subplot()
        axes.set_xlabel(figure.x)
        axes.set_ylabel(figure.y)
        DRAWINGS[figure.kind](axes, figure.series)
        file = io.StringIO()
        canvas.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _accessible(file.getvalue(), figure)


def table(figure: Figure) -> Table:
    """The numbers of a figure, for whoever cannot see it."""
    rows = [[series["name"], x, y] for series in figure.series for x, y in zip(series["x"], series["y"], strict=True)]
    if len(figure.series) == 1:
        return Table(figure.title, [figure.x, figure.y], [row[1:] for row in rows], figure.note)
    return Table(figure.title, ["", figure.x, figure.y], rows, figure.note)


def _bars(axes: "Axes", series: list[Series]) -> None:
    """Counts or shares by category: x, y."""
    width = 0.8 / len(series)
    for i, one in enumerate(series):
        places = [x + (i - (len(series) - 1) / 2) * width for x in range(len(one["x"]))]
        bars = axes.bar(places, one["y"], width * 0.94, color=PALETTE[i % len(PALETTE)], label=one["name"])
        axes.bar_label(bars, fmt="{:g}", padding=2, fontsize=9)
    axes.set_xticks(range(len(series[0]["x"])), [str(x) for x in series[0]["x"]])
    axes.margins(y=0.12)
    _legend(axes, series)


def _steps(axes: "Axes", series: list[Series]) -> None:
    """A share over a threshold: x, y in [0, 1]; `marked` is the threshold of the design."""
    for i, one in enumerate(series):
        colour = PALETTE[i % len(PALETTE)]
        points = [(x, 100 * y) for x, y in zip(one["x"], one["y"], strict=True) if y is not None]
        axes.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=5, label=one["name"])
        for x, y in points:
            if x == one.get("marked"):
                axes.plot([x], [y], marker="o", markersize=11, markerfacecolor="none", color=colour)
                axes.annotate(f"{y:.2f} %", (x, y), textcoords="offset points", xytext=(0, 12), ha="center")
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    axes.set_xticks(list(series[0]["x"]))
    _legend(axes, series)


def _legend(axes: "Axes", series: list[Series]) -> None:
    if len(series) > 1:
        axes.legend(frameon=False)


DRAWINGS: dict[str, Callable[["Axes", list[Series]], None]] = {"bars": _bars, "steps": _steps}


def _accessible(text: str, figure: Figure) -> str:
    element = text[text.index("<svg") :].replace(INK, "currentColor")
    # A figure scales with the page; its size on paper follows from the view box.
    element = re.sub(r' (width|height)="[0-9.]+pt"', "", element, count=2)
    element = re.sub(r"<metadata>.*?</metadata>", "", element, count=1, flags=re.DOTALL)
    head = f"<title>{_escaped(figure.title)}</title><desc>{_escaped(figure.note or figure.title)}</desc>"
    return re.sub(r"(<svg[^>]*)>", lambda m: f'{m[1]} role="img">{head}', element, count=1).strip()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

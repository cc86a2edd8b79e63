"""Figures drawn once, for the page and for paper: SVG whose bytes depend on the numbers alone.

Lines and words take the colour of the text around them, so that a figure fits a light and a dark page.
"""

import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from studies.protocols import Figure, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours that keep 3:1 against white and against a dark page, and differ for the colour-blind.
PALETTE = ("#3b7dd8", "#d9772b", "#2f9e7a", "#a35fc4")
#: Stands for the colour of the surrounding text until the drawing is done.
INK = "#123456"
#: Kinds that draw shares in [0, 1]; their axis and their table are in percent.
IN_PERCENT = {"intervals", "scatter", "steps"}
#: More points than this are drawn as one picture: an element each would make the page slow.
MOST_POINTS = 2000
#: More labels than this would run into each other.
MOST_LABELS = 12
#: Longer names of lines are broken.
LETTERS_A_LINE = 18
#: A longer title of the axis below is broken.
LETTERS_OF_AXIS = 36
#: Inches.  So wide, letters of 12 points are 12 pixels on a phone that is 390 wide.
WIDTH, HEIGHT = 4.7, 3.3
#: What a line with a name of its own needs, and what the axis below needs.
HEIGHT_OF_LINE, HEIGHT_OF_AXIS = 0.62, 1.2
#: Points that several answers share have their number beside them, where there are no more than so many.
MOST_COUNTED = 40
#: The ends of an interval.
CAPS: Mapping[str, Any] = {"solid_capstyle": "butt", "marker": "|", "markersize": 9, "markeredgewidth": 2}

Series = Mapping[str, Any]


def svg(figure: Figure) -> str:
    """The figure as an SVG element, with its title and note for screen readers."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    style = {
        "svg.hashsalt": "quorum",
        "svg.fonttype": "none",
        "font.family": ["sans-serif"],
        "font.size": 12.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        **{f"{part}.color": INK for part in ("text", "xtick", "ytick")},
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
    }
    with matplotlib.rc_context(style):
        lines = len(figure.series[0]["x"]) if figure.kind in ("forest", "intervals") and figure.series else 0
        height = max(HEIGHT, HEIGHT_OF_AXIS + HEIGHT_OF_LINE * lines)
        canvas = Canvas(figsize=(WIDTH, height), layout="constrained")
        axes = canvas.add_subplot()
        axes.set_xlabel(fill(figure.x, LETTERS_OF_AXIS))
        axes.set_ylabel(figure.y)
        DRAWINGS[figure.kind](axes, figure.series)
        file = io.StringIO()
        canvas.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _accessible(file.getvalue(), figure)


def on_paper(drawing: str) -> str:
    """The drawing for a file of its own: black on white, in no page whose colour it could take."""
    return drawing.replace("currentColor", "#000000")


def table(figure: Figure) -> Table:
    """The numbers of a figure, for whoever cannot see it."""
    columns = [figure.x, figure.y]
    if any("low" in series for series in figure.series):
        columns += ["low", "high"]
    if any("value" in series for series in figure.series):
        columns.append("in %")
    several = len(figure.series) > 1
    rows = []
    for series in figure.series:
        nothing = [None] * len(series["x"])
        if "value" in series:
            shares = [None if share is None else round(100 * share, 2) for share in series["value"]]
            rows += [list(cells) for cells in zip(series["x"], series["y"], shares, strict=True)]
            continue
        values = [series["y"], series.get("low", nothing), series.get("high", nothing)][: len(columns) - 1]
        if figure.kind in IN_PERCENT:
            values = [[None if share is None else round(100 * share, 2) for share in column] for column in values]
        for cells in zip(series["x"], *values, strict=True):
            rows.append([series["name"], *cells] if several else list(cells))
    return Table(figure.title, [""] * several + columns, rows, figure.note)


# --- the kinds of drawing ---------------------------------------------------------------------------------------------


def _bars(axes: "Axes", series: list[Series]) -> None:
    """Counts or shares by category: x, y."""
    width = 0.8 / len(series)
    for i, one in enumerate(series):
        places = [x + (i - (len(series) - 1) / 2) * width for x in range(len(one["x"]))]
        bars = axes.bar(places, one["y"], width * 0.94, color=PALETTE[i % len(PALETTE)], label=one["name"])
        if len(series) * len(places) <= MOST_LABELS:
            axes.bar_label(bars, fmt="{:g}", padding=2, fontsize=12)
    names = list(enumerate(series[0]["x"]))[:: 1 + len(places) // MOST_LABELS]
    axes.set_xticks([place for place, _ in names], [str(name) for _, name in names])
    axes.margins(y=0.12)
    _whole_numbers(axes.yaxis)
    _legend(axes, series)


def _steps(axes: "Axes", series: list[Series]) -> None:
    """A share in [0, 1] over a threshold: x, y, optionally low and high; `marked` is the threshold of the design."""
    apart = 0.12 if len(series) > 1 else 0.0
    marked = [dict(zip(one["x"], one["y"], strict=True)).get(one.get("marked")) for one in series]
    above = max((y for y in marked if y is not None), default=None)
    for i, one in enumerate(series):
        colour, beside = PALETTE[i % len(PALETTE)], apart * (i - (len(series) - 1) / 2)
        points = [(x, 100 * y) for x, y in zip(one["x"], one["y"], strict=True) if y is not None]
        axes.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=5, label=one["name"])
        for x, low, high in zip(one["x"], one.get("low", ()), one.get("high", ()), strict=False):
            if low is not None:
                ends = {"marker": "_", "markersize": 9, "markeredgewidth": 2}
                axes.plot([x + beside] * 2, [100 * low, 100 * high], color=colour, linewidth=2, alpha=0.6, **ends)
        for x, y in points:
            if x == one.get("marked"):
                axes.plot([x], [y], marker="o", markersize=11, markerfacecolor="none", color=colour)
                # Of two that are near each other the higher one's number stands above, the other's below.
                shift = 0 if len(series) == 1 else 12 if marked[i] == above else -14
                where = {"textcoords": "offset points", "xytext": (12, -4 + shift)}
                axes.annotate(f"{y:.2f}%", (x, y), fontweight="bold", color=colour if apart else INK, **where)
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    axes.set_xticks(list(series[0]["x"])[:: 1 + len(series[0]["x"]) // MOST_LABELS])
    _legend(axes, series)


def _histogram(axes: "Axes", series: list[Series]) -> None:
    """Counts in bins of equal ratio on a logarithmic axis: y, and `edges` with one more than y; `marked` is a line."""
    for i, one in enumerate(series):
        axes.stairs(one["y"], one["edges"], fill=True, color=PALETTE[i % len(PALETTE)], label=one["name"])
        if one.get("marked") is not None:
            axes.axvline(one["marked"], color=INK, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(
                one["marked_as"],
                (one["marked"], 1),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                xytext=(5, -10),
            )
    axes.set_xscale("log")
    _plain_decades(axes)
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    _whole_numbers(axes.yaxis)
    _legend(axes, series)


def _scatter(axes: "Axes", series: list[Series]) -> None:
    """A share in [0, 1] against a count, one point each: x, y; `marked` is a level the points are compared to."""
    for i, one in enumerate(series):
        # Points on one place are drawn as one, the larger the more there are, with their number.
        counts = Counter(zip(one["x"], (round(100 * y, 1) for y in one["y"]), strict=True))
        axes.scatter(
            [x for x, _ in counts],
            [y for _, y in counts],
            s=[26 * min(n, 9) for n in counts.values()],
            color=PALETTE[i % len(PALETTE)],
            alpha=0.65,
            linewidths=0,
            label=one["name"],
            rasterized=len(counts) > MOST_POINTS,
        )
        for (x, y), n in counts.items() if len(counts) <= MOST_COUNTED else ():
            if n > 1:
                axes.annotate(str(n), (x, y), textcoords="offset points", xytext=(9, -4))
        if one.get("marked") is not None:
            axes.axhline(100 * one["marked"], color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_ylim(-4, 104)
    axes.margins(x=0.08)
    if len({x for one in series for x in one["x"]}) == 1:
        axes.set_xlim(series[0]["x"][0] - 1, series[0]["x"][0] + 1)
    _whole_numbers(axes.xaxis)
    _legend(axes, series)


def _intervals(axes: "Axes", series: list[Series]) -> None:
    """Shares in [0, 1] by category, one a line: x, y, low and high, None where there is none; `marked` is a level."""
    categories = series[0]["x"]
    for i, one in enumerate(series):
        colour = PALETTE[i % len(PALETTE)]
        places = [row + (i - (len(series) - 1) / 2) * 0.2 for row in range(len(categories))]
        for place, low, high in zip(places, one["low"], one["high"], strict=True):
            if low is not None:
                axes.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=2, **CAPS)
        known = [(100 * y, place) for y, place in zip(one["y"], places, strict=True) if y is not None]
        axes.plot(*zip(*known, strict=True), "o", color=colour, markersize=7, label=one["name"])
        if one.get("marked") is not None:
            axes.axvline(100 * one["marked"], color=INK, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(
                one["marked_as"],
                (100 * one["marked"], 1),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                xytext=(5, -2),
                fontsize=12,
            )
    _named_lines(axes, categories)
    _legend(axes, series)


def _forest(axes: "Axes", series: list[Series]) -> None:
    """Effects on their own scale, one a line: x, y, low and high; `marked` is no effect; `logarithmic` for ratios.

    Differences within a `margin`, where there is one, count as none.
    """
    (one,) = series
    if margin := one.get("margin"):
        axes.axvspan(one["marked"] - margin, one["marked"] + margin, color=INK, alpha=0.08, linewidth=0)
    for place, (y, low, high) in enumerate(zip(one["y"], one["low"], one["high"], strict=True)):
        if low is not None:
            axes.plot([low, high], [place, place], color=PALETTE[0], linewidth=2, **CAPS)
        if y is not None:
            axes.plot([y], [place], "s", color=PALETTE[0], markersize=7)
    axes.axvline(one["marked"], color=INK, linewidth=1, linestyle=(0, (4, 3)))
    if one["logarithmic"]:
        axes.set_xscale("log")
        _plain_decades(axes)
    _named_lines(axes, one["x"])


def _heatmap(axes: "Axes", series: list[Series]) -> None:
    """A share in [0, 1] for each pair of x and y, None where there is none: the number on its colour."""
    import matplotlib

    (one,) = series
    columns, rows = (sorted(set(one[name])) for name in ("x", "y"))
    known = [value for value in one["value"] if value is not None]
    colours, most = matplotlib.colormaps["Blues"], max(known, default=0) or 1
    for x, y, value in zip(one["x"], one["y"], one["value"], strict=True):
        place, depth = (columns.index(x), rows.index(y)), 0.0 if value is None else value / most
        # The lightest and the darkest leave no room for words of either colour.
        colour = "none" if value is None else colours(0.12 + 0.76 * depth)
        axes.add_patch(matplotlib.patches.Rectangle((place[0] - 0.48, place[1] - 0.48), 0.96, 0.96, color=colour))
        words, ink = ("–", INK) if value is None else (f"{100 * value:.1f}", "#ffffff" if depth > 0.6 else "#101828")
        axes.text(*place, words, ha="center", va="center", color=ink)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(-0.5, len(rows) - 0.5)
    axes.set_xticks(range(len(columns)), [f"{x:,}" for x in columns])
    axes.set_yticks(range(len(rows)), [f"{y:,}" for y in rows])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _named_lines(axes: "Axes", categories: Sequence[str]) -> None:
    """Categories named at the side, where there is room for words, the first one on top."""
    axes.set_xlabel(axes.get_ylabel())
    axes.set_ylabel("")
    axes.set_yticks(range(len(categories)), [fill(str(name), LETTERS_A_LINE) for name in categories])
    axes.set_ylim(len(categories) - 0.4, -0.9)
    axes.tick_params(axis="y", length=0)


def _legend(axes: "Axes", series: list[Series]) -> None:
    if len(series) > 1:
        axes.legend(frameon=False)


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def _plain_decades(axes: "Axes") -> None:
    """0.5, 1, 2, 5, 10 instead of powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _position: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _lines(axes: "Axes", series: list[Series]) -> None:
    """A quantity on its own scale over another, one line each: x, y."""
    strokes = ("-", "--", ":", "-.")
    for i, one in enumerate(series):
        colour, stroke = PALETTE[i % len(PALETTE)], strokes[i // len(PALETTE) % len(strokes)]
        axes.plot(one["x"], one["y"], color=colour, linestyle=stroke, linewidth=1.8, label=one["name"])
    _legend(axes, series)


DRAWINGS: dict[str, Callable[["Axes", list[Series]], None]] = {
    "bars": _bars,
    "forest": _forest,
    "heatmap": _heatmap,
    "histogram": _histogram,
    "intervals": _intervals,
    "lines": _lines,
    "scatter": _scatter,
    "steps": _steps,
}


# --- the file ---------------------------------------------------------------------------------------------------------


def _accessible(text: str, figure: Figure) -> str:
    element = text[text.index("<svg") :].replace(INK, "currentColor")
    # A figure scales with the page; its size on paper follows from the view box.
    element = re.sub(r' (width|height)="[0-9.]+pt"', "", element, count=2)
    element = re.sub(r"<metadata>.*?</metadata>", "", element, count=1, flags=re.DOTALL)
    # Several figures stand on one page, where a name may occur only once.
    element = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{figure.name}-", element)
    head = (
        f'<title id="{figure.name}-title">{escape(figure.title)}</title>'
        f'<desc id="{figure.name}-note">{escape(figure.note or figure.title)}</desc>'
    )
    named = f'role="img" aria-labelledby="{figure.name}-title" aria-describedby="{figure.name}-note"'
    return re.sub(r"(<svg[^>]*)>", lambda m: f"{m[1]} {named}>{head}", element, count=1).strip()

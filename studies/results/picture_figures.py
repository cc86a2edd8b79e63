"""Figures of pictures for a report: drawn as PNG, SVG and PDF with their captions, and told as a table.

The bytes depend on the pictures and captions alone.
"""

import io
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from django.db.models import Count, Q

from studies import protocols
from studies.lib import storage
from studies.models import Study
from studies.protocols import Gallery, Table
from studies.protocols.base.shown_stimuli import ShownStimulus

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: By the ending of their file.
FORMATS = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}
#: Pictures beside each other, where each row of the gallery has one; and letters of a line below one.
ACROSS, LETTERS = 6, 20
#: More are not drawn in one figure.
MOST = 60
INCHES = 1.55
DOTS_AN_INCH = 200


def shown_stimuli(study: Study) -> list[ShownStimulus]:
    """The main stimuli of a study in order, each with how many of its counted answers are yes, or right."""
    counts = {"n": Count("trials", filter=Q(trials__counted=True))}
    counts["yes"] = Count("trials", filter=Q(trials__counted=True, trials__answer="yes"))
    rows = study.stimuli.main().order_by("number").annotate(**counts)
    columns = ("number", "condition__key", "shown", "truth", "n", "yes")
    return [ShownStimulus(*row) for row in rows.values_list(*columns).iterator(chunk_size=2000)]


def of_study(study: Study) -> list[Gallery]:
    """The figures of pictures that its protocol makes; those without any picture are left out."""
    protocol = protocols.get(study.protocol)
    found = protocol.picture_figures(study.design, study.preparation, shown_stimuli(study))
    return [gallery for gallery in found if gallery.rows]


def table(gallery: Gallery) -> Table:
    """What a figure shows, a row a picture: its caption, and its stored file."""
    several = len(gallery.columns) > 1
    rows = [
        [words, *([title] if several else []), picture["file"]]
        for words, pictures in gallery.rows[:MOST]
        for title, picture in zip(gallery.columns, pictures, strict=True)
    ]
    return Table(gallery.title, ["caption", *(["picture"] if several else []), "file"], rows, gallery.note)


def drawn(gallery: Gallery, *formats: str) -> dict[str, bytes]:
    """The figure in each of these formats, by their endings."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    rows = gallery.rows[:MOST]
    several = len(gallery.columns) > 1
    across = len(gallery.columns) if several else min(ACROSS, max(len(rows), 1))
    down = len(rows) if several else -(-len(rows) // across)
    style = {"svg.hashsalt": "quorum", "svg.fonttype": "none", "font.family": ["sans-serif"], "font.size": 7}
    with matplotlib.rc_context(style):
        size = (INCHES * across + (INCHES if several else 0), (INCHES + (0.1 if several else 0.5)) * max(down, 1) + 0.5)
        canvas = Canvas(figsize=size, layout="constrained")
        canvas.suptitle("\n".join(wrap(gallery.title, max(14 * across, 24))), fontsize=9)
        places = canvas.subplots(max(down, 1), across, squeeze=False)
        for place in places.flat:
            place.set_axis_off()
        for at, (words, pictures) in enumerate(rows):
            if several:
                _row(places[at], words, gallery.columns, pictures, first=at == 0)
            else:
                _picture(places.flat[at], pictures[0], below=words)
        return {ending: _saved(canvas, ending) for ending in formats}


def _row(places: "Sequence[Axes]", words: str, columns: Sequence[str], pictures: Sequence, *, first: bool) -> None:
    for place, title, picture in zip(places, columns, pictures, strict=True):
        _picture(place, picture, above=title if first else "")
    places[0].text(-0.08, 0.5, "\n".join(wrap(words, LETTERS)), transform=places[0].transAxes, ha="right", va="center")


def _picture(place: "Axes", picture: dict, *, above: str = "", below: str = "") -> None:
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(storage.read(picture["file"]))) as image:
        pixels = np.asarray(image.convert("RGB"))
    place.imshow(pixels, interpolation="nearest")
    if above:
        place.set_title(above, fontsize=7)
    if below:
        place.text(0.5, -0.04, "\n".join(wrap(below, LETTERS)), transform=place.transAxes, ha="center", va="top")


def _saved(canvas: object, ending: str) -> bytes:
    file = io.BytesIO()
    # Nothing of the day or the library, so that the same figure is the same file.
    nothing = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
    metadata = nothing.get(ending, {"Software": None})
    canvas.savefig(file, format=ending, dpi=DOTS_AN_INCH, metadata=metadata)  # type: ignore[attr-defined]
    return file.getvalue()

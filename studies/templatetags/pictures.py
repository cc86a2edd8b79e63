"""Pictures as participants see them: enlarged to a whole number of CSS pixels for each of theirs, smooth or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import template

from studies.protocols.base.session_form import is_smooth
from studies.views.pictures import picture_url

register = template.Library()
register.filter("picture_url", picture_url)

#: Sides in CSS pixels that a picture is enlarged towards, and how often a pixel is enlarged at most.
TARGETS = (448, 320, 256, 192)
#: The same of pictures of which two stand beside each other.
BESIDE_ANOTHER = (256, 192, 160)
BESIDE_MANY = (224, 160)
LARGEST_ZOOM = 10
#: What the page needs beside and below the picture: its margins, the question, the answers.
BESIDE, BELOW = 32, 345


@dataclass(frozen=True)
class Size:
    """One way to show a picture, and the smallest window it fits, all in CSS pixels."""

    width: int
    height: int
    #: What else the page has beside it.
    beside: int = BESIDE

    @property
    def window_width(self) -> int:
        return self.width + self.beside

    @property
    def window_height(self) -> int:
        return self.height + BELOW


def sizes(width: int, height: int, targets: Sequence[int] = TARGETS) -> list[Size]:
    """Whole multiples of a picture, the largest first."""
    side = max(width, height)
    zooms = {max(1, min(LARGEST_ZOOM, target // side)) for target in targets}
    return [Size(zoom * width, zoom * height) for zoom in sorted(zooms, reverse=True)]


@register.inclusion_tag("participant/picture.html", takes_context=True)
def picture(context: Mapping[str, Any], shown: Mapping[str, Any], name: str = "", many: bool = False) -> dict[str, Any]:
    """`{% picture shown.picture %}`: the browser takes the largest size that fits the window.

    name: of one of several pictures side by side, which are then no larger than two beside each other can be; `many`:
    than four can be.
    """
    design = context["study"].design
    targets = within(BESIDE_MANY if many else BESIDE_ANOTHER if name else TARGETS, design.get("picture_side"))
    *larger, smallest = sizes(shown["width"], shown["height"], targets)
    if name:
        larger = [replace(size, beside=size.width + 2 * BESIDE) for size in larger]
    smooth = is_smooth(design, shown["width"], shown["height"])
    return {"url": picture_url(shown["file"]), "larger": larger, "smallest": smallest, "name": name, "smooth": smooth}


def within(targets: Sequence[int], largest: int | None) -> tuple[int, ...]:
    """The sides that a design allows; `largest` itself in place of larger ones, or of none for a single picture."""
    if largest is None:
        return tuple(targets)
    # What stands beside others is not made larger than there is room for.
    room = largest if targets == TARGETS else min(largest, targets[0])
    return (room, *(target for target in targets if target < room))


@register.filter
def drawn(study: Any, shown: Mapping[str, Any]) -> str:
    """The class of what shows a picture: smooth, or nothing."""
    return "smooth" if is_smooth(study.design, shown["width"], shown["height"]) else ""


@register.filter
def letter(place: int) -> str:
    """A for 0, B for 1 and so on: what pictures side by side are called."""
    return chr(ord("A") + place)

"""Pictures as participants see them: every pixel drawn as a whole number of CSS pixels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import template

from studies.views.pictures import picture_url

register = template.Library()
register.filter("picture_url", picture_url)

#: Sides in CSS pixels that a picture is enlarged towards, and how often a pixel is enlarged at most.
TARGETS = (448, 320, 256, 192)
LARGEST_ZOOM = 10
#: What the page needs beside and below the picture: its margins, the question, the answers.
BESIDE, BELOW = 32, 345


@dataclass(frozen=True)
class Size:
    """One way to show a picture, and the smallest window it fits, all in CSS pixels."""

    width: int
    height: int

    @property
    def window_width(self) -> int:
        return self.width + BESIDE

    @property
    def window_height(self) -> int:
        return self.height + BELOW


def sizes(width: int, height: int) -> list[Size]:
    """Whole multiples of a picture, the largest first."""
    side = max(width, height)
    zooms = {max(1, min(LARGEST_ZOOM, target // side)) for target in TARGETS}
    return [Size(zoom * width, zoom * height) for zoom in sorted(zooms, reverse=True)]


@register.inclusion_tag("participant/picture.html")
def picture(shown: Mapping[str, Any]) -> dict[str, Any]:
    """`{% picture shown.picture %}`: the browser takes the largest size that fits the window."""
    *larger, smallest = sizes(shown["width"], shown["height"])
    return {"url": picture_url(shown["file"]), "larger": larger, "smallest": smallest}

"""Figures of pictures: stimuli in a grid, and the prototypes and criticisms of a class by each method."""

from collections.abc import Mapping, Sequence
from typing import Any

from studies.protocols.base.results import Gallery
from studies.protocols.base.shown_stimuli import PICTURES, ShownStimulus

from .assignment_groups import CONDITIONS, LETTERS
from .selections import WAYS


def grid(title: str, shown: Sequence[ShownStimulus], note: str, most: int = PICTURES) -> Gallery:
    """The first of these stimuli, each image once, with what was said of it."""
    first: dict[str, ShownStimulus] = {}
    for one in shown:
        if "picture" in one.shown:
            first.setdefault(one.image, one)
    rows = [(one.caption(), [one.shown["picture"]]) for one in list(first.values())[:most]]
    left = len(first) - len(rows)
    return Gallery(title, ["picture"], rows, f"{note} {left} more are not shown.".strip() if left else note)


def by_method(shown: Sequence[ShownStimulus], label: str, titles: Mapping[str, str]) -> list[Gallery]:
    """For each method and kind, the images that stood for the class `label` in any round, each once."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in shown:
        names = one.truth.get("classes", ())
        if label not in names:
            continue
        place = list(names).index(label)
        group = next(group for group in one.shown["groups"] if group["letter"] == LETTERS[place])
        way = CONDITIONS[one.condition][0]
        for image, picture in zip(one.truth["images"][place], group["pictures"], strict=True):
            found.setdefault((way, image["role"]), {}).setdefault(image["image"], picture)
    galleries = []
    for (way, role), images in sorted(found.items()):
        kind = f"{titles[way]} {role}s" if way in WAYS else f"{titles[way]} images"
        rows = [(path, [_bare(picture)]) for path, picture in list(images.items())[:PICTURES]]
        galleries.append(Gallery(f"{kind} of {label}", ["picture"], rows, "Of all rounds, each image once."))
    return galleries


def _bare(picture: Mapping[str, Any]) -> dict[str, Any]:
    return {name: picture[name] for name in ("file", "width", "height")}

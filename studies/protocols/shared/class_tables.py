"""A table of a whole class: which of its images show which attribute, as counted elsewhere.

CSV with the columns `image` (path below the imported folder) and one for each attribute, of yes and no, or 1 and 0; an
empty cell is not known.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from studies.protocols.base.protocol import DesignError
from studies.protocols.base.results import Table

from .panels import known_share

SHOWS = {"yes": True, "1": True, "no": False, "0": False}


def parse(text: str, attributes: Sequence[str]) -> dict[str, dict[str, bool]]:
    """By attribute of the table, which images show it; ValueError, in one sentence with the line, for a bad table."""
    rows = csv.reader(io.StringIO(text.strip()))
    header = [cell.strip() for cell in next(rows, [])]
    named = header[1:]
    if header[:1] != ["image"] or not named:
        raise ValueError(f"Line 1 must be the columns: image,{','.join(attributes)}.")
    if unknown := [name for name in named if name not in attributes]:
        raise ValueError(f"The column {unknown[0]!r} is not an attribute of the study, and has no use here.")
    if len(set(named)) < len(named):
        raise ValueError("Two columns have one name.")
    found: dict[str, dict[str, bool]] = {name: {} for name in named}
    seen: set[str] = set()
    for number, cells in enumerate(rows, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        image, *said = (cell.strip() for cell in cells)
        if len(said) != len(named):
            raise ValueError(f"Line {number} has {len(cells)} cells, and the first line has {len(header)}.")
        if image in seen:
            raise ValueError(f"Line {number}: {image} is there twice.")
        seen.add(image)
        for name, cell in zip(named, said, strict=True):
            if cell and cell.lower() not in SHOWS:
                raise ValueError(f"Line {number}: {cell!r} is not yes, no, 1 or 0.")
            if cell:
                found[name][image] = SHOWS[cell.lower()]
    if not seen:
        raise ValueError("The table has no image: give a line for each image of the class.")
    return found


def report(
    text: str, attributes: Sequence[str], images: Sequence[Any], groups: Mapping[str, Iterable[Any]], class_name: str
) -> dict[str, Any]:
    """`{"base_rates": …}` of the class and of what is shown of it, by attribute; empty without a table.

    DesignError for an image that is not one of the class.
    """
    if not text:
        return {}
    try:
        table = parse(text, attributes)
    except ValueError as error:
        raise DesignError([f"class_table: {error}"]) from None
    paths = {image.path for image in images}
    if strange := [path for known in table.values() for path in known if path not in paths]:
        raise DesignError([f"class_table: {strange[0]} is not an image of the class {class_name}"])
    return {
        "base_rates": {
            attribute: {"class": _share(known, images)}
            | {condition: _share(known, list(group)) for condition, group in groups.items()}
            for attribute, known in table.items()
        }
    }


def _share(known: Mapping[str, bool], images: Sequence[Any]) -> dict[str, Any]:
    said = [known[image.path] for image in images if image.path in known]
    return known_share(sum(said), "images that show it", len(said), "images in the table")


def tables(base_rates: Mapping[str, Mapping[str, Any]], words: Mapping[str, str]) -> list[Table]:
    """What the table says of the class and of each kind of image; none without a table."""
    if not base_rates:
        return []
    named = {"class": "The whole class"} | dict(words)
    rows = []
    for attribute, found in base_rates.items():
        for name, share in found.items():
            counted = f"{share['numerator']} of {share['denominator']}"
            estimate = None if share["estimate"] is None else f"{100 * share['estimate']:.2f}%"
            rows.append([f"{attribute}, {named[name].lower()}", counted, estimate])
    note = "As the design’s table of the class says, without participants: the rate that selections depart from."
    return [Table("Base rate of the class", ["", "images", "share"], rows, note)]

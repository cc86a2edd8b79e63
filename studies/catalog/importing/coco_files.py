"""COCO: one JSON file with the lists images, annotations and categories."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from studies.lib.csv_files import decode_text
from studies.lib.errors import StudyError

from .annotations import Entry, Problem, Skipped, annotation
from .sources import printable

LISTS = ("images", "annotations", "categories")
CROWD = "a crowd, not one object"


def parse_coco(data: bytes, name: str) -> Iterator[Entry]:
    """The objects of a COCO file; a box is [left, top, width, height].  StudyError where it is not COCO at all."""
    lists = _lists(data, name)
    problems: list[Problem] = []
    images = _by_id(lists["images"], f"{name}, images", "file_name", problems)
    categories = _by_id(lists["categories"], f"{name}, categories", "name", problems)
    yield from problems
    for count, given in enumerate(lists["annotations"]):
        where = f"{name}, annotations[{count}]"
        try:
            if not isinstance(given, dict):
                raise ValueError("must be an object")
            if given.get("iscrowd"):
                yield Skipped(where, CROWD)
                continue
            image = _referred(given, "image_id", images)
            category = _referred(given, "category_id", categories)
            left, top, width, height = _numbers(given.get("bbox"))
            size = _size(image)
            yield annotation(where, image["file_name"], category["name"], (left, top, left + width, top + height), size)
        except ValueError as error:
            yield Problem(where, str(error))


def _lists(data: bytes, name: str) -> dict[str, list[Any]]:
    text = decode_text(data, name)
    try:
        given = json.loads(text, parse_constant=_refused_constant)
    except json.JSONDecodeError as error:
        raise StudyError(f"{name}, line {error.lineno}: not valid JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{name}: not valid JSON ({error})") from None
    for key in LISTS:
        if not isinstance(given, dict) or not isinstance(given.get(key), list):
            raise StudyError(f"{name}: not COCO: there must be the lists {', '.join(LISTS)}, and {key} is not one")
    return given


def _refused_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number of JSON")


def _by_id(given: list[Any], where: str, text: str, problems: list[Problem]) -> dict[int | str, Mapping[str, Any]]:
    """Images or categories by their ids; those that are none, and ids given twice, are added to the problems."""
    found: dict[int | str, Mapping[str, Any]] = {}
    for count, one in enumerate(given):
        problem = ""
        if not isinstance(one, dict) or type(one.get("id")) not in (int, str):
            problem = "must be an object with an id"
        elif not isinstance(one.get(text), str) or not one[text].strip():
            problem = f"has no {text}"
        elif one["id"] in found:
            problem = f"id {printable(str(one['id']))[:40]} is given a second time"
        if problem:
            problems.append(Problem(f"{where}[{count}]", problem))
        else:
            found[one["id"]] = one
    return found


def _referred(given: Mapping[str, Any], key: str, rows: Mapping[int | str, Mapping[str, Any]]) -> Mapping[str, Any]:
    value = given.get(key)
    if type(value) not in (int, str) or value not in rows:
        raise ValueError(
            f"{key} {printable(str(value))[:40]} is not among the {'images' if key == 'image_id' else 'categories'}"
        )
    return rows[value]


def _numbers(bbox: Any) -> list[float]:
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(type(value) in (int, float) for value in bbox):
        raise ValueError("bbox must be a list of four numbers: left, top, width, height")
    try:
        box = [float(value) for value in bbox]
    except OverflowError:
        box = [math.inf]
    if not all(map(math.isfinite, box)):
        raise ValueError("its bbox has a number that is not finite")
    return box


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    if width is None and height is None:
        return None
    if type(width) is not int or type(height) is not int or width < 1 or height < 1:
        raise ValueError("its image has a width or height that is not a number of pixels")
    return width, height

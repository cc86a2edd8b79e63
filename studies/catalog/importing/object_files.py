"""Annotated objects as people have them: CSV, a folder of PASCAL VOC files, COCO.  Told apart by content.

Each reader yields an `Annotation` for each object, or a `Problem` where a line or an element cannot be read.
"""

from collections.abc import Iterator
from pathlib import Path

from studies.catalog.text_files import check_text
from studies.lib.csv_files import parse_csv

from .annotations import Entry, Problem, annotation, number, read_limited
from .coco_files import parse_coco
from .voc_files import parse_voc, read_folder

COLUMNS = ("file", "label", "x0", "y0", "x1", "y1")


def read_objects(path: Path) -> Iterator[Entry]:
    """What a file or folder holds.  StudyError where the whole of it cannot be read."""
    if path.is_dir():
        return read_folder(path)
    data = read_limited(path)
    check_text(data, path.name, "a file of annotated objects")
    match data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]:
        case b"{" | b"[":
            return parse_coco(data, path.name)
        case b"<":
            return parse_voc(data, path.name)
    return parse_object_rows(data, path.name)


def parse_object_rows(data: bytes, name: str) -> Iterator[Entry]:
    """CSV with the columns file, label, x0, y0, x1 and y1: the box in pixels from the upper left, ends exclusive."""
    for line, row in parse_csv(data, name, COLUMNS):
        where = f"{name}, line {line}"
        if not any(row.values()):
            continue
        try:
            box = tuple(number(row[column], column) for column in COLUMNS[2:])
            yield annotation(where, row["file"], row["label"], box)
        except ValueError as error:
            yield Problem(where, str(error))

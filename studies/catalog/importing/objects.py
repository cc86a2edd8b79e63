"""Annotated objects for the photographs of an import: matched by name, turned upright, compared with the sizes.

All of it is checked before anything is written, and each thing that does not fit is one line.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from explainers import boxes, images
from explainers.boxes import Box
from studies.catalog import imagenet
from studies.lib import storage
from studies.lib.errors import StudyError

from .annotations import Annotation, Entry, NewObject, Problem, Skipped
from .image_classes import NewClass, classes_of
from .object_files import read_objects
from .photographs import Examined, Settled, final_paths
from .sources import printable

#: How many lines a message holds.
NAMED = 20
#: Pixels by which a box may leave the picture: programs round, and count from 0 or from 1.
TOLERATED = 1.0

OTHER_CLASS = "of another class"
NOT_IMPORTED = "on photographs that are left out"


class ObjectsRefused(StudyError):
    """Some lines or elements are not objects of the image set; `lines` holds all of them."""

    def __init__(self, lines: Sequence[str]):
        self.lines = list(lines)
        if len(lines) == 1:
            super().__init__(lines[0])
            return
        more = f"; and {len(lines) - NAMED:,} more" if len(lines) > NAMED else ""
        super().__init__(f"{len(lines):,} objects are refused: {'; '.join(lines[:NAMED])}{more}")


@dataclass(frozen=True)
class SettledObjects:
    """What is written, and how many were left out, by why."""

    accepted: tuple[NewObject, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


def look_at_objects(
    path: Path, settled: Settled, *, class_names: str, upright: bool = False, skip_others: bool = False
) -> SettledObjects:
    """The objects of a file or folder for the photographs that were settled.

    class_names: as for `image_classes.write`.  upright: boxes are in pixels of the picture as EXIF turns it; else of
    the file's own grid, and are turned.  skip_others: leave out objects whose label is not a class of the set, instead
    of refusing them.  Raises ObjectsRefused, or StudyError where the whole of it cannot be read.
    """
    return settle_objects(
        read_objects(path), settled, classes_of(settled, class_names), upright=upright, skip_others=skip_others
    )


def settle_objects(
    entries: Iterable[Entry],
    settled: Settled,
    classes: Sequence[NewClass],
    *,
    upright: bool = False,
    skip_others: bool = False,
) -> SettledObjects:
    """`look_at_objects` of what was read."""
    photographs, labels = _Photographs(settled), _Labels(classes)
    accepted, problems, left_out = [], [], Counter[str]()
    for entry in entries:
        if isinstance(entry, Problem):
            problems.append(str(entry))
        elif isinstance(entry, Skipped):
            left_out[entry.why] += 1
        else:
            try:
                label = labels.find(entry.label)
                if label is None and not skip_others:
                    raise ValueError(f"{printable(entry.label)} is not a class of the image set ({labels.some()})")
                photograph = photographs.find(entry.file)
                if photograph is None or label is None:
                    left_out[NOT_IMPORTED if photograph is None else OTHER_CLASS] += 1
                    continue
                accepted.append(NewObject(photograph.path, label, photographs.box(photograph, entry, upright)))
            except ValueError as error:
                problems.append(f"{entry.where}: {error}")
    if problems:
        raise ObjectsRefused(problems)
    if not accepted:
        raise StudyError("there are no objects in it" if not left_out else "all of its objects would be left out")
    return SettledObjects(tuple(accepted), dict(left_out))


class _Photographs:
    """Photographs by what annotations call them."""

    def __init__(self, settled: Settled):
        paths = final_paths(settled)
        self._by_path: dict[str, Examined | None] = {_plain(one.path): None for one in settled.left_out}
        for one in settled.accepted:
            self._by_path |= {_plain(one.path): one, _plain(paths[one.path]): one}
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in self._by_path:
            self._by_name[path.rpartition("/")[2]].append(path)
        self._orientation: dict[str, int] = {}

    def find(self, file: str) -> Examined | None:
        """The photograph; None for one that the import leaves out.

        By its path, or by the part of it that both have, as of a folder within or above; ValueError for no photograph
        or several.
        """
        wanted = _plain(file).removeprefix("./")
        if wanted in self._by_path:
            return self._by_path[wanted]
        fitting = [
            path
            for path in self._by_name.get(wanted.rpartition("/")[2], ())
            if path.endswith(f"/{wanted}") or wanted.endswith(f"/{path}")
        ]
        found = {self._by_path[path] for path in fitting}
        if not found:
            raise ValueError(f"there is no photograph {printable(file)} in the image set")
        if len(found) > 1:
            shown = " and ".join(sorted(fitting)[:2])
            raise ValueError(f"several photographs could be {printable(file)}: {shown}; give the path")
        return found.pop()

    def box(self, photograph: Examined, given: Annotation, upright: bool) -> Box:
        """The box in upright pixels, inside the photograph; ValueError where it is not of this photograph."""
        size = (photograph.width, photograph.height)
        held = 1 if upright else self._held(photograph)
        stored = boxes.file_size(size, held)
        if given.size and given.size != stored:
            said, has = (f"{one[0]} × {one[1]}" for one in (given.size, stored))
            turned = given.size in (size, size[::-1]) and self._held(photograph) != 1
            remedy = f"; it is turned by EXIF: {'leave out' if upright else 'give'} --objects-upright" if turned else ""
            raise ValueError(f"its picture has {said} pixels, and {photograph.path} has {has}{remedy}")
        left, top, right, bottom = given.box
        beyond = max(-left, -top, right - stored[0], bottom - stored[1])
        inside = boxes.clipped(given.box, stored)
        if inside is None or beyond > TOLERATED:
            box = ", ".join(f"{value:g}" for value in given.box)
            raise ValueError(f"its box {box} is not inside {photograph.path}, {stored[0]} × {stored[1]} pixels")
        return boxes.upright(inside, stored, held)

    def _held(self, photograph: Examined) -> int:
        if photograph.file not in self._orientation:
            self._orientation[photograph.file] = images.orientation(storage.read(photograph.file))
        return self._orientation[photograph.file]


class _Labels:
    """Classes by name, WordNet id or title: exactly, else without case, underscores and hyphens."""

    def __init__(self, classes: Sequence[NewClass]):
        self._classes = classes
        #: The name goes before what else a class is called, and what is exact before what is alike.
        self._ways: list[dict[str, set[int]]] = []
        for plainly in (_plain, _alike):
            for names in ("name", "wordnet_id", "title"):
                way: dict[str, set[int]] = defaultdict(set)
                for index, one in enumerate(classes):
                    if called := getattr(one, names):
                        way[plainly(called)].add(index)
                self._ways.append(way)

    def find(self, label: str) -> int | None:
        """The index of the class; None where there is none, ValueError where there are several."""
        for way, plainly in zip(self._ways, [_plain] * 3 + [_alike] * 3, strict=True):
            if found := way.get(plainly(label)):
                if len(found) > 1:
                    names = " and ".join(self._classes[index].name for index in sorted(found)[:2])
                    raise ValueError(f"{printable(label)} could be the classes {names}; give the name")
                return next(iter(found))
        return None

    def some(self) -> str:
        """The first names, for messages."""
        names = [one.name for one in self._classes]
        return f"{', '.join(names[:8])}{', …' if len(names) > 8 else ''}"


def _alike(text: str) -> str:
    return imagenet.plain(_plain(text))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text)

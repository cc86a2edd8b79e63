"""Import of photographs at once, as the command does it: all of it or nothing."""

import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studies.catalog.names import check_name
from studies.lib.errors import StudyError
from studies.models import ImageSet

from . import image_classes, photographs
from .archives import Archive
from .folders import Folder
from .objects import look_at_objects
from .photographs import SAME_UNDER_TWO, Examined, Settled
from .sources import Source

#: How many refused files a message names.
NAMED = 20


class FilesRefused(StudyError):
    """Some files are not photographs that can be taken; `refused` holds all of them."""

    def __init__(self, refused: list[Examined]):
        self.refused = refused
        if len(refused) == 1:
            super().__init__(_line(refused[0]))
            return
        more = f"; and {len(refused) - NAMED:,} more" if len(refused) > NAMED else ""
        super().__init__(f"{len(refused):,} files are refused: {'; '.join(self.lines()[:NAMED])}{more}")

    def lines(self) -> list[str]:
        return list(dict.fromkeys(_line(one) for one in self.refused))


def import_images(
    name: str,
    path: Path | str,
    *,
    level: int | None = None,
    class_names: str = image_classes.AUTOMATIC,
    names_encoding: str = "",
    part: str = "",
    objects: Path | None = None,
) -> tuple[ImageSet, list[str]]:
    """Import a folder or zip of photographs: one folder a class, or `labels.csv` with the columns file and label.

    The options are those of `look_at`; objects: a file or folder of annotated objects, as `look_at_objects` reads it.
    Returns the set, and the paths left out because they are not needed.  Raises StudyError where anything is refused,
    or where it is not certain which folders the classes are; then nothing is imported.
    """
    settled = look_at(name, path, level=level, names_encoding=names_encoding, part=part)
    left_out = [one.path for one in settled.left_out]
    found = look_at_objects(objects, settled, class_names=class_names).accepted if objects else ()
    image_set = image_classes.write(name, settled, class_names=class_names, objects=found, left_out=len(left_out))
    return image_set, left_out


def look_at(
    name: str,
    path: Path | str,
    *,
    level: int | None = None,
    names_encoding: str = "",
    part: str = "",
    watch: Callable[[list[Any]], Iterable[Any]] = iter,
) -> Settled:
    """What would be imported under that name: every file examined and classed, and nothing written but their bytes.

    level: which level of folders the classes are, 1 next to the root, where that is not certain.  names_encoding: of
    the names in a zip.  part: which value of the column of parts in labels.csv, such as split, is taken, or "all".
    watch: goes through the files, and may show how far it is.  Hidden files are passed over; files that are no
    photographs and lie beside the folders of the classes are left out; every other file must be a photograph.
    """
    check_name(name, ImageSet)
    if not str(path).strip():
        # Else an empty text would be the folder that the program runs in.
        raise StudyError("no folder or zip is named")
    with _source(Path(path), names_encoding) as source:
        listed = photographs.listed(source, part)
        by_labels = any(one.label for one in listed)
        if by_labels and level is not None:
            raise StudyError("--level is for folders, and labels.csv names the classes")
        settled = photographs.settle(
            [photographs.examine(source, one) for one in watch(listed)], by_labels=by_labels, level=level
        )
    if settled.refused:
        raise FilesRefused(settled.refused)
    if settled.undecided and settled.judgement:
        raise StudyError(settled.judgement.question() if settled.judgement.levels else settled.undecided)
    if not settled.accepted:
        raise StudyError(f"{source.name}: no images in it: put one folder a class there, or labels.csv")
    return settled


@contextmanager
def _source(path: Path, names_encoding: str) -> Iterator[Source]:
    try:
        mode = path.stat().st_mode
        opened = path.open("rb") if stat.S_ISREG(mode) else None
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # a zero byte in the name
        raise StudyError(f"{str(path)!r}: {error}") from None
    if opened:
        with opened:
            yield Archive(opened, path.name, names_encoding)
        return
    if not stat.S_ISDIR(mode):
        raise StudyError(f"{path}: is neither a folder nor a zip")
    if names_encoding:
        raise StudyError("--names-encoding is for the names in a zip")
    yield Folder(path)


def _line(one: Examined) -> str:
    # Of two photographs that are the same the reason names both.
    return one.refused if SAME_UNDER_TWO in one.refused else f"{one.path}: {one.refused}"

"""Annotated objects as files have them, before they are compared with photographs: what every reader yields."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explainers.boxes import Box
from studies.lib.errors import StudyError

from .sources import LONGEST_CLASS, printable

#: COCO's instances of 118,000 photographs have 450 MB.
LARGEST_FILE = 512 * 1024 * 1024
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True)
class Annotation:
    """An object as a file has it.

    where: the file with the line or element, for messages.  file: the photograph, as this file calls it.  box: in its
    pixels, ends exclusive.  size: width and height that the file says the photograph has, where it does.
    """

    where: str
    file: str
    label: str
    box: Box
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Problem:
    """A line or element that cannot be read, and why: one line."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"


@dataclass(frozen=True)
class Skipped:
    """An element that describes no single object, such as a crowd; it is counted."""

    where: str
    why: str


@dataclass(frozen=True)
class NewObject:
    """path: of the accepted photograph in its source.  label: the index of the class.  box: in upright pixels."""

    path: str
    label: int
    box: Box


Entry = Annotation | Problem | Skipped


def read_limited(path: Path) -> bytes:
    """The bytes of a file of bounded size; StudyError where it cannot be had."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise StudyError(f"{path}: has more than {LARGEST_FILE:,} bytes")
        if not path.is_file():
            raise StudyError(f"{path}: is not a regular file")
        return path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise StudyError(f"{str(path)!r}: not a path") from None


def number(text: str, name: str) -> float:
    """A finite decimal number; ValueError, with the name of its place, for anything else."""
    shown = printable(text[:40]) if text.strip() else "nothing"
    if not NUMBER.fullmatch(text.strip()) or not math.isfinite(value := float(text)):
        raise ValueError(f"{name} must be a number, not {shown}")
    return value


def annotation(where: str, file: Any, label: Any, box: Any, size: tuple[int, int] | None = None) -> Annotation:
    """An Annotation whose box is one; ValueError, in words, where it is not."""
    if not isinstance(file, str) or not file.strip():
        raise ValueError("it names no file")
    if not isinstance(label, str) or not label.strip():
        raise ValueError("it has no label")
    if len(label) > LONGEST_CLASS:
        raise ValueError(f"its label has more than {LONGEST_CLASS} characters")
    x0, y0, x1, y1 = box
    if not all(map(math.isfinite, box)):
        raise ValueError("its box has a number that is not finite")
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"its box is empty: from {x0:g}, {y0:g} to {x1:g}, {y1:g}")
    return Annotation(where, file.strip(), label.strip(), (x0, y0, x1, y1), size)

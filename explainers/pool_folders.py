"""A folder of photographs as a pool of examples: which files, and of which class each is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .base import MethodError


def classes_of(folder: Path, n_classes: int, *, labelled: bool) -> list[tuple[Path, int | None]]:
    """The photographs, in the order of their names, with the number of their class, or None where it is not known.

    The classes are folders in `folder` that are called by the number of the classifier's output, or by names, as many
    as it has outputs and in their order. Photographs in `folder` itself have no class. Raises MethodError for other
    folders, for an empty one, and where classes are needed (`labelled`) and there are none.
    """
    if not folder.is_dir():
        raise MethodError(f"{folder} is not a folder of photographs")
    folders = sorted(inner for inner in _visible(folder) if inner.is_dir())
    if not folders:
        if labelled:
            raise MethodError(f"{folder} needs a folder for each class: the method goes by the classes of its examples")
        numbered: list[tuple[Path, int | None]] = [(file, None) for file in sorted(_visible(folder))]
    else:
        if loose := [file for file in _visible(folder) if not file.is_dir()]:
            raise MethodError(f"{loose[0]} is beside folders of classes: move it into one")
        numbers = _numbers(folder, [inner.name for inner in folders], n_classes)
        numbered = [
            (file, number) for inner, number in zip(folders, numbers, strict=True) for file in sorted(_visible(inner))
        ]
    if not numbered:
        raise MethodError(f"{folder} is empty")
    return numbered


def _numbers(folder: Path, names: list[str], n_classes: int) -> list[int]:
    if all(name.isascii() and name.isdigit() for name in names):
        numbers = [int(name) for name in names]
        if max(numbers) >= n_classes or len(set(numbers)) < len(numbers):
            raise MethodError(f"{folder}: folders are numbered 0 to {n_classes - 1}, once each, not {', '.join(names)}")
        return numbers
    if len(names) != n_classes:
        raise MethodError(
            f"{folder} has {len(names)} folders for {n_classes} classes: call them by the number of the class, or have"
            " one for each"
        )
    return list(range(n_classes))


def _visible(folder: Path) -> Iterator[Path]:
    return (inner for inner in folder.iterdir() if not inner.name.startswith("."))

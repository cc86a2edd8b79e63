"""What folders and archives have in common: names of files that others chose, and limits on what is read."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings

from studies.errors import StudyError

#: What systems leave beside photographs and nobody misses; as hidden files they are passed over without a word.
PASSED_OVER = {"__MACOSX", "Thumbs.db", "desktop.ini"}
LABELS = "labels.csv"
LONGEST_PATH = 500
LONGEST_CLASS = 200


class FileRefused(StudyError):
    """One file cannot be taken; the message says why, without its name."""


@dataclass(frozen=True)
class Found:
    """A file of a source: its path below the source's root, and why it is refused before it is read, or nothing."""

    path: str
    size: int = 0
    problem: str = ""


class Source(Protocol):
    """Files below one root.  `files` raises StudyError where the whole of it is refused."""

    #: What messages call it.
    name: str

    def files(self) -> list[Found]:
        """Every file that is not passed over, sorted by path."""

    def empty_classes(self) -> list[str]:
        """The folders at the root without any file."""

    def read(self, path: str) -> bytes:
        """The bytes of one file; FileRefused where it cannot be had."""


def passed_over(path: str) -> bool:
    parts = path.split("/")
    return any((part.startswith(".") and part not in {".", ".."}) or part in PASSED_OVER for part in parts)


def name_problem(path: str) -> str:
    """Why a path below the root is none that can be kept, or nothing."""
    parts = path.split("/")
    if "\\" in path or ":" in parts[0]:
        return "its path is written as on Windows; use / and no drive"
    if path.startswith("/") or ".." in parts:
        return "its path leads out of where it is"
    if "" in parts or "." in parts:
        return "its path has an empty part"
    if any(unicodedata.category(character).startswith("C") for character in path):
        return "its path has characters that cannot be written"
    if len(path) > LONGEST_PATH:
        return f"its path is longer than {LONGEST_PATH} characters"
    return ""


def printable(path: str) -> str:
    """A path that may hold anything, for a row and a page: at most LONGEST_PATH characters, none of them control."""
    shown = "".join(" " if unicodedata.category(one).startswith("C") else one for one in path[:LONGEST_PATH])
    return shown.strip() or "(no name)"


def size_problem(size: int) -> str:
    limit = settings.IMPORT_MAX_FILE_BYTES
    return f"has {size:,} bytes, more than {limit:,} (IMPORT_MAX_FILE_BYTES)" if size > limit else ""


def check_totals(files: Sequence[Found]) -> None:
    """StudyError for more files or bytes than one import may have."""
    check_count(len(files))
    total = sum(found.size for found in files)
    if total > settings.IMPORT_MAX_BYTES:
        raise StudyError(f"{total:,} bytes unpacked are more than {settings.IMPORT_MAX_BYTES:,} (IMPORT_MAX_BYTES)")


def check_count(count: int) -> None:
    if count > settings.IMPORT_MAX_FILES:
        raise StudyError(f"more than {settings.IMPORT_MAX_FILES:,} files (IMPORT_MAX_FILES)")

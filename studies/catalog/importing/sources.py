"""What folders and archives have in common: names of files that others chose, and limits on what is read."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings

from studies.lib.errors import StudyError

#: What systems leave beside photographs and nobody misses; as hidden files they are passed over without a word.
PASSED_OVER = {"__MACOSX", "Thumbs.db", "desktop.ini"}
LABELS = "labels.csv"
#: Letters' joints in Persian, Hindi and other scripts, though Unicode counts them among the control characters.
JOINERS = {"\u200c", "\u200d"}
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

    def empty_folders(self) -> list[str]:
        """The folders without any file or folder in them that is not passed over, sorted."""

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
    if not writable(path):
        return "its path has characters that cannot be written" + _which(path)
    if len(path) > LONGEST_PATH:
        return f"its path is longer than {LONGEST_PATH} characters"
    return ""


def writable(text: str) -> bool:
    """Whether people can read all of a name: no control characters, no bytes that are no text; joiners are letters."""
    return not any(map(_unwritable, text))


class Spellings:
    """Names of classes in one form of Unicode; StudyError for one that comes in two, since they look the same."""

    def __init__(self) -> None:
        self._as_written: dict[str, str] = {}

    def of(self, name: str) -> str:
        plain = unicodedata.normalize("NFC", name)
        if self._as_written.setdefault(plain, name) != name:
            raise StudyError(
                f"the classes {plain} and {plain} differ in spelling only, by how their letters are composed in "
                "Unicode: call them the same"
            )
        return plain


def _unwritable(character: str) -> bool:
    return unicodedata.category(character).startswith("C") and character not in JOINERS


def _which(path: str) -> str:
    if any(0xDC80 <= ord(character) <= 0xDCFF for character in path):
        return ": it is not UTF-8"
    # Marks of direction and the like, which nobody sees: what to look for has to be said.
    unseen = sorted({f"U+{ord(one):04X}" for one in path if _unwritable(one) and unicodedata.category(one) == "Cf"})
    return f" ({', '.join(unseen[:3])})" if unseen else ""


def printable(path: str) -> str:
    """A path that may hold anything, for a row and a page: at most LONGEST_PATH characters, none of them control."""
    shown = "".join(" " if _unwritable(one) else one for one in path[:LONGEST_PATH])
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

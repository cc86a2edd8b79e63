"""A folder of this machine as a source of files, and which folders the operator opened to the desk."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings

from studies.lib.errors import StudyError

from .sources import LABELS, FileRefused, Found, check_count, check_totals, name_problem, passed_over, size_problem

#: How many folders or files are offered in a list, and how deep they are looked for.
OFFERED, DEEPEST = 500, 3


class Folder:
    """Ordinary files below a folder.  Links are not followed: what they lead to is not what was looked at."""

    def __init__(self, path: Path):
        try:
            os.scandir(path).close()
        except OSError as error:
            raise StudyError(f"{path}: {error.strerror}") from None
        self.name = str(path)
        # The folder itself may be reached by a link: it is the one that was asked for.
        self._root = path.resolve()

    def files(self) -> list[Found]:
        found = []
        for one in self._walk(self._root, ""):
            found.append(one)
            check_count(len(found))
        check_totals(found)
        return sorted(found, key=lambda one: one.path)

    def empty_folders(self) -> list[str]:
        return sorted(self._empty(self._root, ""))

    def read(self, path: str) -> bytes:
        file = self._root / path
        try:
            if not file.resolve().is_relative_to(self._root):
                raise FileRefused("leads out of the folder")
            # Neither a link nor a pipe that never ends, whatever was put there since the folder was listed.
            handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as opened:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise FileRefused("is not a regular file")
                data = opened.read(settings.IMPORT_MAX_FILE_BYTES + 1)
        except OSError as error:
            raise FileRefused(error.strerror or type(error).__name__) from None
        if problem := size_problem(len(data)):
            raise FileRefused(problem)
        return data

    def _empty(self, folder: Path, below: str) -> Iterator[str]:
        """The outermost folders in which the walk finds nothing."""
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return  # The walk says so.
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False) and not passed_over(entry.name):
                if next(self._walk(Path(entry.path), path), None) is None:
                    yield path
                else:
                    yield from self._empty(Path(entry.path), path)

    def _walk(self, folder: Path, below: str) -> Iterator[Found]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield Found(below, problem=error.strerror or type(error).__name__)
            return
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if passed_over(entry.name):
                continue
            if entry.is_symlink():
                yield Found(path, problem="is a link")
            elif entry.is_dir():
                yield from self._walk(Path(entry.path), path)
            elif entry.is_file():
                size = entry.stat().st_size
                yield Found(path, size, name_problem(path) or size_problem(size))
            else:
                yield Found(path, problem="is not a regular file")


# --- what the desk may read -------------------------------------------------------------------------------------------


def allowed(path: str, folders: Iterable[Path], setting: str) -> Path:
    """The path itself, below one of the folders that the operator named; StudyError for any other."""
    if not path.strip():
        # Else it would be the folder that the server runs in.
        raise StudyError("no folder or file is named")
    try:
        real = Path(path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise StudyError(f"{path!r}: there is nothing there") from None
    if not any(real.is_relative_to(folder.resolve()) for folder in folders):
        raise StudyError(f"{path!r} is in none of the folders that {setting} names")
    return real


def image_folders() -> list[str]:
    """Folders below IMPORT_FOLDERS that look like image sets: with folders or labels.csv in them, no links."""
    return _offered(settings.IMPORT_FOLDERS, _like_an_image_set)


def module_files(suffix: str) -> list[str]:
    """Files below MODULE_FOLDERS with that ending."""
    return _offered(settings.MODULE_FOLDERS, lambda path: path.suffix == suffix and path.is_file())


def _offered(folders: Iterable[Path], fits) -> list[str]:
    found: list[str] = []
    for folder in folders:
        for path in _below(folder, DEEPEST):
            if fits(path):
                found.append(str(path))
            if len(found) == OFFERED:
                return found
    return found


def _below(path: Path, depth: int) -> Iterator[Path]:
    yield path
    if not depth:
        return
    try:
        inner = sorted(entry.name for entry in os.scandir(path) if not entry.is_symlink() and entry.name[:1] != ".")
    except OSError:
        return
    for name in inner:
        yield from _below(path / name, depth - 1)


def _like_an_image_set(path: Path) -> bool:
    """Cheap enough to ask of hundreds of folders: only its first entries are looked at."""
    try:
        if not path.is_dir():
            return False
        if (path / LABELS).is_file():
            return True
        with os.scandir(path) as entries:
            first = [entry for entry, _ in zip(entries, range(20), strict=False) if entry.name[:1] != "."]
    except OSError:
        return False
    return bool(first) and all(entry.is_dir(follow_symlinks=False) for entry in first)

"""The SHA-256 of every file of an export, in the form that `sha256sum --check` reads."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from studies.lib.errors import StudyError

NAME = "checksums.sha256"
LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def write(folder: Path) -> None:
    """List every file below `folder` but this one."""
    lines = [f"{_sha256(folder / name)}  {name}" for name in _files(folder) if name != NAME]
    (folder / NAME).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def problems(folder: Path) -> Iterator[str]:
    """A line for each file that is missing or is not what it was; StudyError where there is no list, or half of one."""
    for number, line in enumerate(_read(folder).splitlines(), start=1):
        found = LINE.fullmatch(line)
        if found is None or _leads_out(found[2]):
            raise StudyError(f"{folder / NAME}, line {number}: not a SHA-256 and the name of a file below the folder")
        path = folder / found[2]
        if not path.is_file():
            yield f"{found[2]} is missing"
        elif _sha256(path) != found[1]:
            yield f"{found[2]} is not what it was when it was exported"


def _read(folder: Path) -> str:
    try:
        return (folder / NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StudyError(f"{folder}: no {NAME} in it, so it is not a whole export of Quorum") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{folder / NAME}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\x00" in name


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""A zip archive as a source of files: nothing of it is ever unpacked to the disk, and each file is read by itself.

What an archive says of itself is checked before anything is decompressed, and held to while it is: the bytes that come
out of an entry are never more than it announced, which are never more than the settings allow.
"""

import stat
import struct
import zipfile
import zlib
from typing import IO

from django.conf import settings

from explainers import file_kinds
from studies.lib.errors import StudyError, one_line

from . import entry_names
from .sources import FileRefused, Found, check_count, check_totals, name_problem, passed_over, size_problem

#: Others need much memory for few bytes, and photographs gain nothing by them.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: Bytes of a central directory with IMPORT_MAX_FILES entries: names and attributes are rarely longer.
DIRECTORY_BYTES_A_FILE = 512
ENCRYPTED = 0x1


class Archive:
    """The files in a zip.  names_encoding: of names that are not UTF-8, where the researcher says so."""

    def __init__(self, file: IO[bytes], name: str, names_encoding: str = ""):
        self.name = name
        try:
            check_count(_entries(file))
            file.seek(0)
            self._zip = zipfile.ZipFile(file)
            check_count(len(self._zip.filelist))
            entries = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, struct.error, EOFError, NotImplementedError, OSError) as error:
            raise StudyError(f"{name}: {_instead(file) or f'not a whole zip archive ({_line(error)})'}") from None
        self._check_overlaps(entries)
        named = [(path, info) for path, info in self._named(entries, names_encoding) if not passed_over(path)]
        self._entries = [(path, info) for path, info in named if not path.endswith("/")]
        self._folders = [path.rstrip("/") for path, _ in named if path.endswith("/") and not name_problem(path[:-1])]
        self._first: dict[str, zipfile.ZipInfo] = {}

    def files(self) -> list[Found]:
        found = []
        self._first = {}
        for whole, info in self._entries:
            problem = _problem(whole, info)
            # As Python and the tools that make archives see it.
            path = whole.partition("\0")[0]
            if path in self._first:
                problem = problem or "is in the archive twice"
            else:
                self._first[path] = info
            found.append(Found(path, info.file_size, problem))
        check_totals(found)
        return sorted(found, key=lambda one: one.path)

    def empty_folders(self) -> list[str]:
        within = {parent for path, _ in self._entries for parent in _parents(path)}
        empty = {folder for folder in self._folders if folder not in within}
        return sorted(folder for folder in empty if not empty & set(_parents(folder)))

    def read(self, path: str) -> bytes:
        if not self._first:
            self.files()
        info = self._first.get(path)
        if info is None:
            raise FileRefused("No such file in the archive")
        if problem := _problem(path, info):
            raise FileRefused(problem)
        try:
            with self._zip.open(info) as opened:
                data = opened.read(info.file_size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
            raise FileRefused(f"cannot be unpacked: {_line(error)}") from None
        if len(data) != info.file_size:
            raise FileRefused("is cut short in the archive")
        return data

    def _named(self, entries: list[zipfile.ZipInfo], encoding: str) -> list[tuple[str, zipfile.ZipInfo]]:
        """Each entry with its path.

        StudyError where a name is neither marked as UTF-8 nor can be read as it, and no encoding is given.
        """
        named, strange = [], []
        for info in entries:
            try:
                named.append((entry_names.path_of(info, encoding), info))
            except UnicodeDecodeError:
                strange.append(info)
            except LookupError:
                raise StudyError(f"there is no encoding of names called {encoding}") from None
        if strange:
            raise StudyError(f"{self.name}: {entry_names.not_readable(strange, encoding)}")
        return named

    def _check_overlaps(self, entries: list[zipfile.ZipInfo]) -> None:
        """Entries that share bytes are how a small archive becomes a large one without a high ratio."""
        end = 0
        for info in sorted(entries, key=lambda info: info.header_offset):
            if info.header_offset < end:
                raise StudyError(f"{self.name}: its entries overlap")
            end = info.header_offset + 30 + info.compress_size


def _problem(path: str, info: zipfile.ZipInfo) -> str:
    """Why an entry is refused by what the archive says of it, or nothing."""
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "is a link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is not a regular file"
    if info.flag_bits & ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in METHODS:
        return "is compressed by a method that is not read here (deflate is)"
    if problem := name_problem(path):
        return problem
    if problem := size_problem(info.file_size):
        return problem
    if info.file_size > settings.IMPORT_MAX_RATIO * max(info.compress_size, 1):
        ratio = info.file_size // max(info.compress_size, 1)
        return f"unpacks to {ratio:,} times its size, more than {settings.IMPORT_MAX_RATIO} (IMPORT_MAX_RATIO)"
    return ""


def _instead(file: IO[bytes]) -> str:
    """What a file that is not a zip is, or nothing."""
    file.seek(0)
    head = file.read(512)
    pack = "pack the folder as zip, or name it unpacked"
    remedies = dict.fromkeys([kind for kind in (file_kinds.recognise(head),) if kind and not kind.remedy], pack)
    return "" if head.startswith(b"PK") else file_kinds.instead(head, "a zip archive", remedies)


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _entries(file: IO[bytes]) -> int:
    """How many entries the central directory has, by walking it.

    `zipfile` makes an object of each before anybody can count them, and what the end record says may be a lie.
    """
    directory = _central_directory(file)
    count = position = 0
    while directory[position : position + 4] == b"PK\x01\x02":
        lengths = struct.unpack_from("<3H", directory, position + 28)
        position += 46 + sum(lengths)
        count += 1
        if count > settings.IMPORT_MAX_FILES:
            break
    return count


def _central_directory(file: IO[bytes]) -> bytes:
    length = file.seek(0, 2)
    start = max(0, length - 65_557)  # the end record, and the longest comment
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(tail):
        raise zipfile.BadZipFile("it has no end record")
    size, end = struct.unpack_from("<L", tail, at + 12)[0], start + at
    if end >= 76 and tail[max(0, at - 20) : at].startswith(b"PK\x06\x07"):
        # Before it the record of a large archive, which wins; looked for where `zipfile` looks for it.
        file.seek(end - 76)
        record = file.read(56)
        if record.startswith(b"PK\x06\x06"):
            size, end = struct.unpack_from("<Q", record, 40)[0], end - 76
    if size > end:
        raise zipfile.BadZipFile("its directory is larger than the file")
    if size > settings.IMPORT_MAX_FILES * DIRECTORY_BYTES_A_FILE:
        raise StudyError(f"its directory has {size:,} bytes, more than {settings.IMPORT_MAX_FILES:,} files need")
    file.seek(end - size)
    return file.read(size)


def _line(error: BaseException) -> str:
    return one_line(error)[:200]

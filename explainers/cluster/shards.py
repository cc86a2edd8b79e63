"""A shard's results on the disk: one file with all their bytes, and an index of JSON lines beside it.

    shard-2-of-8.results    the files of all results, one after the other
    shard-2-of-8.jsonl      first a line about the shard; then a line a result, {"digest", "value", "files"} or, where
                            there is none, {"digest", "problem"}; at the end one with the SHA-256 of all lines before

`files` says of each what it is, and its suffix, SHA-256, place and length in the other file.  A batch's bytes are on
the disk before its lines are.  So what a process that is killed leaves behind half written can be told from what is
whole, and is cut off when the shard is opened again.  The same shard ends with the same bytes, however often it was
interrupted.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from explainers.computations import ComputationFailure, ComputationResult, File, Outcome

FORMAT = 1
#: Shards of a list are fewer than this.
MOST_SHARDS = 100_000
INDEX = re.compile(r"shard-(\d+)-of-(\d+)\.jsonl")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


class ShardError(ValueError):
    """A shard cannot be written or read.  One line, with the name of its file."""


@dataclass(frozen=True)
class ShardHeader:
    """study: its short name.  work: SHA-256 of the list of work, hex.  shard, shards: I and N.  recipes: its share."""

    study: str
    work: str
    shard: int
    shards: int
    recipes: int


class ShardWriter:
    """The shard in a folder, new or going on where it was left; use it in a `with` statement.

    done: the digests of the results that are there.  Raises ShardError where the folder has the results of another list
    under this name, and where another process is at this shard.
    """

    def __init__(self, folder: Path, header: ShardHeader):
        folder.mkdir(parents=True, exist_ok=True)
        self._header = header
        self._path = index_path(folder, header.shard, header.shards)
        self._index = self._path.open("a+b")
        try:
            self._lock()
            self._results = results_path(self._path).open("a+b")
            try:
                self.done, self.finished = self._go_on()
            except (AttributeError, KeyError, TypeError):
                raise ShardError(f"{self._path} is not an index of results: give --out another folder") from None
        except BaseException:
            self._index.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._results.close()
        self._index.close()

    def add(self, digests: Sequence[str], outcomes: Sequence[Outcome]) -> None:
        """Write a batch: all of it, or nothing that counts."""
        place = self._results.seek(0, os.SEEK_END)
        lines: list[dict[str, Any]] = []
        contents: list[bytes] = []
        for digest, outcome in zip(digests, outcomes, strict=True):
            if isinstance(outcome, ComputationFailure):
                lines.append({"digest": digest, "problem": outcome.reason})
                continue
            files = {}
            for what, file in outcome.files.items():
                sha256 = hashlib.sha256(file.content).hexdigest()
                files[what] = {"suffix": file.suffix, "sha256": sha256, "at": place, "bytes": len(file.content)}
                contents.append(file.content)
                place += len(file.content)
            lines.append({"digest": digest, "value": outcome.value, "files": files})
        _write(self._results, b"".join(contents))
        _write(self._index, b"".join(_line(entry) for entry in lines))
        self.done |= set(digests)

    def finish(self) -> None:
        """Say that the shard is whole; further calls change nothing."""
        if not self.finished:
            self._index.seek(0)
            sha256 = hashlib.file_digest(self._index, "sha256").hexdigest()
            _write(self._index, _line({"end": len(self.done), "sha256": sha256}))
            self.finished = True

    def _lock(self) -> None:
        try:
            fcntl.flock(self._index, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ShardError(f"{self._path}: another process is at this shard") from None
        except OSError:
            pass  # Some file systems of clusters have no locks; the scheduler then starts each task once.

    def _go_on(self) -> tuple[set[str], bool]:
        """Cut off what is not whole; the digests that are there, and whether the shard is finished."""
        first = {"shard": vars(self._header), "format": FORMAT}
        size, whole, kept = self._results.seek(0, os.SEEK_END), 0, 0
        done: set[str] = set()
        finished = False
        self._index.seek(0)
        for number, line in enumerate(self._index):
            entry = _parsed(line)
            if entry is None:
                break
            if number == 0:
                if entry != first:
                    raise ShardError(
                        f"{self._path} is of another list of work: give --out a folder of its own for each list"
                    )
            elif "end" in entry:
                finished = True
            else:
                end = max([kept, *(file["at"] + file["bytes"] for file in entry.get("files", {}).values())])
                if end > size:
                    break
                kept = end
                done.add(entry["digest"])
            whole += len(line)
        self._index.truncate(whole)
        self._results.truncate(kept)
        if not whole:
            _write(self._index, _line(first))
            with suppress(OSError):
                _sync_folder(self._path.parent)
        return done, finished


def index_path(folder: Path, shard: int, shards: int) -> Path:
    """The index of a shard."""
    return folder / f"shard-{shard}-of-{shards}.jsonl"


def results_path(index: Path) -> Path:
    """The file of results beside an index."""
    return index.with_suffix(".results")


def indices(folder: Path) -> list[Path]:
    """The indices of all shards in a folder, by number; ShardError where there are none."""
    if not folder.is_dir():
        raise ShardError(f"{folder} is not a folder")
    found = [
        (tuple(map(int, match.groups())), path) for path in folder.iterdir() if (match := INDEX.fullmatch(path.name))
    ]
    if not found:
        raise ShardError(f"{folder} has no results: python -m explainers compute writes shard-I-of-N.jsonl")
    return [path for _, path in sorted(found)]


@dataclass(frozen=True)
class ShardReader:
    """A shard whose index was read and found whole.  lines: of its results, as the index has them."""

    path: Path
    header: ShardHeader
    lines: list[dict[str, Any]]
    finished: bool

    def __iter__(self) -> Iterator[tuple[str, Outcome]]:
        """Each result by the digest of its recipe; ShardError where a file's bytes are not those that were written."""
        with results_path(self.path).open("rb") as results:
            for line in self.lines:
                if "problem" in line:
                    yield line["digest"], ComputationFailure(line["problem"])
                    continue
                files = {what: self._file(results, what, entry) for what, entry in line["files"].items()}
                yield line["digest"], ComputationResult(line["value"], files)

    def _file(self, results: BinaryIO, what: str, entry: dict[str, Any]) -> File:
        results.seek(entry["at"])
        content = results.read(entry["bytes"])
        if len(content) < entry["bytes"]:
            raise ShardError(f"{results_path(self.path)} is cut short: copy it again")
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise ShardError(f"{results_path(self.path)} is damaged: a {what} is not what was written; copy it again")
        return File(content, entry["suffix"])


def read(path: Path, *, unfinished: bool = False) -> ShardReader:
    """The shard with this index.  unfinished: also what is whole of one that is not finished.

    Raises ShardError for an index that is cut short or changed, or whose file of results is not there.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ShardError(f"{path}: {error.strerror}") from None
    lines = content.splitlines(keepends=True)
    entries = [_parsed(line) for line in lines]
    if not unfinished and (not entries or entries[-1] is None or "end" not in entries[-1]):
        done = max(len(entries) - 1, 0)
        raise ShardError(
            f"{path} is not finished ({done:,} results): compute that shard again, it goes on where it stopped; or "
            "take what there is with --unfinished"
        )
    if not unfinished and None in entries:
        raise ShardError(f"{path} was changed after it was written: copy it again")
    whole = entries[: entries.index(None)] if None in entries else entries
    try:
        header = _header(whole[0] or {})
        finished = "end" in (whole[-1] or {})
        results = [_checked(entry or {}) for entry in (whole[1:-1] if finished else whole[1:])]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise ShardError(f"{path} is not an index of results as python -m explainers compute writes it") from None
    if finished:
        end = whole[-1] or {}
        if end.get("sha256") != hashlib.sha256(b"".join(lines[:-1])).hexdigest() or end["end"] != len(results):
            raise ShardError(f"{path} was changed after it was written: copy it again")
    if not results_path(path).is_file():
        raise ShardError(f"{results_path(path)} is missing: an index and its results belong together")
    return ShardReader(path, header, results, finished)


def _header(entry: dict[str, Any]) -> ShardHeader:
    header = ShardHeader(**entry["shard"])
    if entry["format"] != FORMAT or not isinstance(header.study, str):
        raise ValueError
    if not 1 <= header.shard <= header.shards < MOST_SHARDS:
        raise ValueError
    return header


def _checked(entry: dict[str, Any]) -> dict[str, Any]:
    """A result's line, if it is one."""
    if not _DIGEST.fullmatch(entry["digest"]):
        raise ValueError
    if "problem" in entry:
        # One line, as those of this installation's own workers.
        return {"digest": entry["digest"], "problem": " ".join(entry["problem"].split())[:300].replace("\0", "")}
    if not isinstance(entry["value"], dict):
        raise TypeError
    for file in entry["files"].values():
        at, length = file["at"], file["bytes"]
        if type(at) is not int or type(length) is not int:
            raise TypeError
        if not (_SUFFIX.fullmatch(file["suffix"]) and _DIGEST.fullmatch(file["sha256"]) and at >= 0 and length >= 0):
            raise ValueError
    return entry


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The object of a whole line; None for one that was cut off or is something else."""
    if not line.endswith(b"\n"):
        return None
    try:
        entry = json.loads(line, parse_constant=_no_number)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""What computations start from on a machine without a database: a list of work, and a folder of stored files."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from explainers.computations import InputError
from explainers.computations.inputs import InputSource, KnownResult, NetworkEntry

from .work_list import WorkList


class FolderSource(InputSource):
    """Stored files below a folder, each read whole and compared with the SHA-256 in its name.

    device: as torch calls it; empty for a GPU where there is one.
    """

    def __init__(self, folder: Path, work: WorkList, device: str = ""):
        self._folder, self._work, self._device = folder, work, device
        self._photographs = {item.recipe["image"]: item.photograph for item in work.recipes if item.photograph}

    def check_files(self) -> None:
        """InputError, naming the first, where files that the list needs are not in the folder."""
        if not self._folder.is_dir():
            raise InputError(f"{self._folder} is not a folder: --files says where the stored files are")
        missing = sorted(name for name in self._work.stored_files() if not (self._folder / name).is_file())
        if missing:
            more = f" (and {len(missing) - 1:,} more)" if len(missing) > 1 else ""
            raise InputError(f"{missing[0]} is not in {self._folder}{more}")

    def photographs(self, digests: Iterable[str]) -> Mapping[str, str]:
        return {one: self._photographs[one] for one in digests if one in self._photographs}

    def read(self, name: str) -> bytes:
        """The bytes; InputError where there is no such file, or its bytes are not those that its name says."""
        try:
            data = (self._folder / name).read_bytes()
        except FileNotFoundError:
            raise InputError(f"{name} is not in {self._folder}") from None
        self._compare(name, hashlib.sha256(data).hexdigest())
        return data

    @contextmanager
    def path(self, name: str) -> Iterator[Path]:
        try:
            with (self._folder / name).open("rb") as file:
                self._compare(name, hashlib.file_digest(file, "sha256").hexdigest())
        except FileNotFoundError:
            raise InputError(f"{name} is not in {self._folder}") from None
        yield self._folder / name

    def network(self, digest: str) -> NetworkEntry:
        if digest not in self._work.networks:
            raise InputError(f"the list describes no classifier with the digest {digest[:12]}…")
        return self._work.networks[digest]

    def results(self, digests: Sequence[str]) -> Mapping[str, KnownResult]:
        return {one: self._work.known[one] for one in digests if one in self._work.known}

    def device(self) -> str:
        return self._device

    def _compare(self, name: str, sha256: str) -> None:
        if PurePosixPath(name).stem != sha256:
            raise InputError(f"{name} in {self._folder} was changed: its bytes have the SHA-256 {sha256[:12]}…")

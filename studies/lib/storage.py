"""Files named by the SHA-256 of their bytes, whole or not there at all."""

import contextlib
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage

from .errors import one_line

#: A file waits for the disk or the network, not for the processor: several at a time share the waiting.
WRITERS = 8


class ContentStorage(FileSystemStorage):
    """A folder in which a name appears only when its whole content is on the disk.

    Names hold the digest of the content, so that writing one twice writes the same bytes: the later rename wins
    and changes nothing, and no reader ever sees half a file.
    """

    def get_available_name(self, name, max_length=None):
        return name

    def _save(self, name, content):
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".draft-")
        try:
            with os.fdopen(handle, "wb") as file:
                for block in content.chunks():
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(draft, 0o644)
            os.replace(draft, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)
            raise
        _sync_folder(target.parent)
        return name


def store(folder: str, data: bytes, suffix: str) -> str:
    """Store `data` in `folder` under its digest and return the name; storing it again is free and harmless.

    OSError where it cannot be written, whatever the storage calls that.
    """
    digest = hashlib.sha256(data).hexdigest()
    name = f"{folder}/{digest[:2]}/{digest}{suffix}"
    with _as_os_errors():
        if not default_storage.exists(name):
            default_storage.save(name, ContentFile(data))
    return name


def store_file(folder: str, path: Path, suffix: str) -> tuple[str, str]:
    """The same for a file of any size, block by block: its name, and the SHA-256 of its bytes."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = f"{folder}/{digest[:2]}/{digest}{suffix}"
        with _as_os_errors():
            if not default_storage.exists(name):
                file.seek(0)
                default_storage.save(name, File(file))
    return name, digest


def store_upload(file: File) -> str:
    """Keep what somebody uploaded, block by block, under a name that tells nothing of its own; the name."""
    name = f"uploads/{secrets.token_hex(16)}"
    with _as_os_errors():
        return default_storage.save(name, file)


def delete(name: str) -> None:
    """Delete a file that only one row ever named; none there is fine, too."""
    with _as_os_errors():
        default_storage.delete(name)


def store_all(folder: str, files: Sequence[tuple[bytes, str]]) -> list[str]:
    """The same for several files, as pairs of bytes and suffix, at once; the names in order."""
    writing = [_writers().submit(store, folder, *file) for file in files]
    wait(writing)
    return [one.result() for one in writing]


def read(name: str) -> bytes:
    """The bytes stored under `name`; FileNotFoundError where there are none, OSError where they cannot be had."""
    with _as_os_errors(), default_storage.open(name) as file:
        return file.read()


def is_intact(name: str) -> bool:
    """Whether the file's bytes have the SHA-256 that its name says; False where there is no such file.

    OSError where it cannot be read for now.
    """
    try:
        with _as_os_errors(), default_storage.open(name) as file:
            digest = hashlib.sha256()
            for block in file.chunks(1 << 20):
                digest.update(block)
    except FileNotFoundError:
        return False
    return digest.hexdigest() == Path(name).name.partition(".")[0]


def names(folder: str) -> Iterator[str]:
    """The names of all files below `folder`; drafts of writers that were killed are among them."""
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    yield from (f"{folder}/{file}" for file in files)
    for inner in folders:
        yield from names(f"{folder}/{inner}")


def make_bucket() -> bool:
    """Make the bucket where there is none yet; False where there is nothing to make."""
    if isinstance(default_storage, FileSystemStorage):
        return False
    with _as_os_errors():
        client, name = default_storage.connection.meta.client, default_storage.bucket_name
        if name in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            return False
        client.create_bucket(Bucket=name)
    return True


@contextlib.contextmanager
def _as_os_errors():
    """A bucket raises errors of its client's own; a caller need not know which storage there is."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"the storage fails: {one_line(error)}") from error


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@cache
def _writers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WRITERS, thread_name_prefix="storage")

"""Files named by the SHA-256 of their bytes, whole or not there at all."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage


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
        return name


def store(folder: str, data: bytes, suffix: str) -> str:
    """Store `data` in `folder` under its digest and return the name; storing it again is free and harmless."""
    digest = hashlib.sha256(data).hexdigest()
    name = f"{folder}/{digest[:2]}/{digest}{suffix}"
    if not default_storage.exists(name):
        default_storage.save(name, ContentFile(data))
    return name


def read(name: str) -> bytes:
    """The bytes stored under `name`; FileNotFoundError where there are none."""
    with default_storage.open(name) as file:
        return file.read()

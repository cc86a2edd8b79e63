"""Zip archives for tests: of photographs as anybody would pack them, and as nobody would."""

import io
import zipfile
from collections.abc import Mapping

from django.core.files.uploadedfile import SimpleUploadedFile

from tests.factories import make_picture


def packed(files: Mapping[str, bytes] | None = None, *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The bytes of a zip; of three classes of two pictures each where no files are given."""
    if files is None:
        files = {f"{name}/{seed}.png": make_picture(seed) for seed, name in enumerate(("bell", "fish", "key") * 2)}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def link(name: str, target: str) -> bytes:
    """A zip with three classes and a symbolic link."""
    file = io.BytesIO(packed())
    with zipfile.ZipFile(file, "a") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o120777 << 16
        archive.writestr(info, target)
    return file.getvalue()


def uploaded(data: bytes, name: str = "photographs.zip") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, content_type="application/zip")

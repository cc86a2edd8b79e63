"""What a file is that lies in the place of another: told by its first bytes, and said with the remedy in one line.

A clone without Git LFS, a download that needed a login and a copy that broke off all leave a file under the right name.
Importing this module imports nothing: web processes read uploads with it.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass

#: More of a text is not looked at to tell whether it is one.
_LOOKED_AT = 4096
#: Of fewer bytes it is not told that they are zero, or letters, by more than chance.
_ENOUGH = 32
_GET_AGAIN = "copy or download it again"
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1b")


@dataclass(frozen=True)
class FileKind:
    """name: with its article, behind "is". remedy: what to do about it, whatever was wanted; empty where that differs.

    picture: whether it is a picture all the same, of whatever format.
    """

    name: str
    remedy: str = ""
    picture: bool = False


EMPTY = FileKind("empty", _GET_AGAIN)
ZEROS = FileKind("filled with zero bytes where it should begin", _GET_AGAIN)
LFS_POINTER = FileKind("a Git LFS pointer", "run git lfs pull")
ANNEX_POINTER = FileKind("a git-annex pointer", "run git annex get")
HTML = FileKind("an HTML page", "download the file itself, which may need a login")
XML = FileKind("an XML file")
SVG = FileKind("an SVG drawing", "export it as PNG", picture=True)
JSON = FileKind("a JSON file")
TEXT = FileKind("a text file")
ZIP = FileKind("a zip archive")
OFFICE = FileKind("a document of an office program")
NUMPY = FileKind("a NumPy array (.npy)")
NUMPY_ARCHIVE = FileKind("an archive of NumPy arrays (.npz)")
#: torch.save writes a zip archive of pickles, before 1.6 a bare pickle.
PICKLE = FileKind("a pickle")
HDF5 = FileKind("an HDF5 file, as Keras writes")
ONNX = FileKind("an ONNX network")
SAFETENSORS = FileKind("a safetensors file")
JPEG, PNG = FileKind("a JPEG picture", picture=True), FileKind("a PNG picture", picture=True)
JPEG_2000 = FileKind("a JPEG 2000 picture", "save it as PNG", picture=True)
JPEG_XL = FileKind("a JPEG XL picture", "save it as PNG or JPEG", picture=True)

_MAGIC: tuple[tuple[bytes, FileKind], ...] = (
    (b"version https://git-lfs.github.com/spec/", LFS_POINTER),
    (b"version https://hawser.github.com/spec/", LFS_POINTER),
    (b"/annex/objects/", ANNEX_POINTER),
    (b"\x93NUMPY", NUMPY),
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"GGUF", FileKind("a GGUF file of a language model")),
    (b"%PDF", FileKind("a PDF file")),
    (b"8BPS", FileKind("a Photoshop file", "export it as PNG or JPEG", picture=True)),
    (b"FUJIFILM", FileKind("a raw photograph", "develop it to JPEG or PNG first", picture=True)),
    (b"\x00\x00\x00\x0cjP  ", JPEG_2000),
    (b"\xff\x4f\xff\x51", JPEG_2000),
    (b"\x00\x00\x00\x0cJXL ", JPEG_XL),
    (b"\xff\x0a", JPEG_XL),
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\x1f\x8b", FileKind("a gzip archive")),
    (b"7z\xbc\xaf\x27\x1c", FileKind("a 7-Zip archive")),
    (b"Rar!\x1a\x07", FileKind("a RAR archive")),
    (b"\x28\xb5\x2f\xfd", FileKind("a Zstandard archive")),
    (b"\x00\x05\x16\x07", FileKind("what macOS keeps beside a file (AppleDouble)")),
)


def recognise(data: bytes) -> FileKind | None:
    """What these bytes, the beginning of a file or all of it, are; None for what is not known here."""
    if not data:
        return EMPTY
    if len(data) > 9 and data[8:9] == b"{" and not any(data[4:8]) and int.from_bytes(data[:4], "little") > 1:
        return SAFETENSORS
    if found := next((kind for start, kind in _MAGIC if data.startswith(start)), None):
        return found
    if data.startswith(b"PK\x03\x04"):
        return _kind_of_zip(data)
    if data.startswith(b"PK\x05\x06"):
        return ZIP
    if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return PICKLE
    if data[257:262] == b"ustar":
        return FileKind("a tar archive")
    # Protocol buffers: the version of the format, then who made it or the graph.
    if data[:1] == b"\x08" and b"\x00" < data[1:2] < b"\x20" and data[2:3] in (b"\x12", b"\x3a"):
        return ONNX
    if not any(data[:_LOOKED_AT]):
        return ZEROS if len(data) >= _ENOUGH else None
    return _kind_of_text(data[:_LOOKED_AT])


def instead(data: bytes, wanted: str, remedies: Mapping[FileKind, str] | None = None) -> str:
    """One line such as "is a Git LFS pointer, not the picture: run git lfs pull"; nothing where the kind is not known.

    wanted: with its article.  remedies: of kinds, for what is wanted here.
    """
    kind = recognise(data)
    if kind is None:
        return ""
    remedy = (remedies or {}).get(kind) or kind.remedy
    what = kind.name if kind in (EMPTY, ZEROS) else f"{kind.name}, not {wanted}"
    return f"is {what}" + (f": {remedy}" if remedy else "")


def _kind_of_zip(data: bytes) -> FileKind:
    """By the name of its first file alone: no directory is walked, whose length the file itself decides."""
    name = data[30 : 30 + int.from_bytes(data[26:28], "little")]
    if name.endswith(b".npy"):
        return NUMPY_ARCHIVE
    if name.endswith(b"/data.pkl"):
        return PICKLE
    return OFFICE if name in (b"[Content_Types].xml", b"mimetype") else ZIP


def _kind_of_text(head: bytes) -> FileKind | None:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head[: len(head) // 2 * 2].decode("utf-16", "replace").encode()
    head = head.removeprefix(codecs.BOM_UTF8)
    # Of a longer file the last letter may be cut: the decoder holds it back.
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        # A page in the code page of its country is a page all the same.
        return HTML if _is_html(head) else None
    if _CONTROL & set(head):
        return None
    if len(head) < _ENOUGH and not head.isascii():
        return None
    start = head.lstrip().lower()
    if b"<svg" in head[:1024]:
        return SVG
    if _is_html(head):
        return HTML
    if start.startswith(b"<?xml"):
        return XML
    return JSON if start[:1] in (b"{", b"[") else TEXT


def _is_html(head: bytes) -> bool:
    start = head.lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<title", b"<meta")) or (
        start.startswith((b"<!--", b"<?xml")) and b"<html" in start
    )

"""Hostile images and archives, as importing is given them."""

import gzip
import io
import stat
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pillow_heif
from django.conf import settings
from PIL import Image

from explainers import images
from studies.catalog.importing import jobs
from studies.lib import storage
from studies.models import Event, Import
from tests.archives import packed, uploaded
from tests.factories import make_picture

from . import Hostile, World, mangled, written

Send = Callable[[World], Any]


def made() -> Iterator[Hostile]:
    for kind, every, send in (
        ("images", IMAGES, _look_at),
        ("archives", ARCHIVES, _bring_in),
    ):
        for name, make in every.items():
            yield Hostile(kind, name, lambda data, world, send=send: send(data)(world), make)


# --- images -----------------------------------------------------------------------------------------------------------


def _look_at(data: bytes) -> Send:
    def send(world: World) -> Any:
        facts = images.inspect(data, max_pixels=settings.IMPORT_MAX_PIXELS)
        return f"an image, {facts.format} of {facts.width} × {facts.height}"

    return send


def chunk(kind: bytes, data: bytes, *, length: int | None = None) -> bytes:
    size = len(data) if length is None else length
    return struct.pack(">I", size) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes, width: int = 8, height: int = 8, depth: int = 8, colour: int = 2, end: bool = True) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + (chunk(b"IEND", b"") if end else b"")


def pixels(n: int) -> bytes:
    return chunk(b"IDAT", zlib.compress(bytes(n), 9))


def encoded(kind: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 1).save(file, kind, **options)
    return file.getvalue()


@cache
def picture(kind: str) -> bytes:
    file, pixels = io.BytesIO(), Image.open(io.BytesIO(make_picture(1)))
    if kind == "HEIF":
        pillow_heif.from_pillow(pixels).save(file)
    else:
        pixels.save(file, kind)
    return file.getvalue()


def noise(kind: str, mode: str, *, each: float = images.USUAL_BYTES_A_PIXEL, **options: Any) -> bytes:
    """An image of as many pixels as are allowed, as hard to decode as an ordinary one.

    each: the bytes that decoding takes for each pixel, by which the limit is lower.
    """
    side = int((settings.IMPORT_MAX_PIXELS * images.USUAL_BYTES_A_PIXEL / each) ** 0.5)
    random = np.random.default_rng(0).integers(0, 256, (side // 8, side // 8, 4), dtype=np.uint8)
    picture = Image.fromarray(random, "RGBA").resize((side, side)).convert("RGB" if mode == "CMYK" else mode)
    file = io.BytesIO()
    picture.convert(mode).save(file, kind, **options)
    return file.getvalue()


def with_bytes(kind: str, at: int, inserted: bytes, instead_of: int) -> bytes:
    data = picture(kind)
    return data[:at] + inserted + data[at + instead_of :]


def _said_to_be_huge(kind: str) -> bytes:
    """Its properties say two billion pixels."""
    data = picture(kind)
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", 65535, 32768) + data[at + 8 :]


def _circle() -> bytes:
    """A directory whose inner directory is itself."""
    return _tiff((0x8769, 4, 1, 8))


def _jpeg_of_size(width: int, height: int) -> bytes:
    data = bytearray(picture("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _tiff(*entries: tuple[int, int, int, int], next_ifd: int = 0) -> bytes:
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", next_ifd) + bytes(64)


def _frames(kind: str, **options: Any) -> bytes:
    first, *rest = (Image.new("RGB", (9, 9), (n, 0, 0)) for n in range(50))
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=rest, **options)
    return file.getvalue()


BIG = 100_000

IMAGES: dict[str, Callable[[], bytes]] = {
    "a png of ten billion pixels": lambda: png(pixels(100), width=BIG, height=BIG),
    "a png of as many pixels as fit": lambda: png(pixels(100), width=2**31 - 1, height=2**31 - 1),
    "a png of no pixels": lambda: png(pixels(100), width=0, height=0),
    "a png just over the limit": lambda: encoded("PNG", (5000, 4001), "1"),
    "a png whose pixels go on for ever": lambda: png(pixels(50_000_000)),
    "a png whose text unpacks to a gigabyte": lambda: png(
        chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(90_000_000), 9)), pixels(200)
    ),
    "a png whose profile unpacks to a gigabyte": lambda: png(
        chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(90_000_000), 9)), pixels(200)
    ),
    "a png with a chunk of two gigabytes": lambda: png(chunk(b"IDAT", b"x", length=2**31 - 1)),
    "a png without an end": lambda: png(pixels(200), end=False),
    "a png of sixteen bits": lambda: png(pixels(392), depth=16),
    "a png with ten thousand chunks": lambda: png(*[chunk(b"tEXt", b"a\0b")] * 10_000, pixels(200)),
    "a png with an exif of rubbish": lambda: png(chunk(b"eXIf", b"MM\0*" + b"\xff" * 1000), pixels(200)),
    "a png of fifty frames": lambda: _frames("PNG"),
    "a jpeg of four billion pixels": lambda: _jpeg_of_size(65535, 65535),
    "a jpeg of no pixels": lambda: _jpeg_of_size(0, 0),
    "a jpeg of ten thousand comments": lambda: with_bytes("JPEG", 2, b"\xff\xfe\0\x04xx" * 10_000, 0),
    "a jpeg with an exif that points to itself": lambda: encoded("JPEG", exif=b"Exif\0\0" + _circle()),
    "a jpeg with a page behind it": lambda: picture("JPEG") + b"<script>alert(1)</script>",
    "a jpeg with an archive behind it": lambda: picture("JPEG") + packed(),
    "a tiff whose directories go in a circle": lambda: _tiff((256, 3, 1, 8), (257, 3, 1, 8), next_ifd=8),
    "a tiff with four billion strips": lambda: _tiff((256, 4, 1, 8), (257, 4, 1, 8), (273, 4, 2**32 - 1, 8)),
    "a tiff of two billion samples": lambda: _tiff((256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 2**31, 8), (277, 3, 1, 9)),
    "a tiff of fifty frames": lambda: _frames("TIFF"),
    "a bmp wider than memory": lambda: with_bytes("BMP", 18, struct.pack("<ii", 2**31 - 1, 2**31 - 1), 8),
    "a bmp upside down without end": lambda: with_bytes("BMP", 18, struct.pack("<ii", 8, -(2**31)), 8),
    "a webp of fifty frames": lambda: _frames("WEBP"),
    "a webp larger than it is": lambda: with_bytes("WEBP", 4, b"\xff\xff\xff\xff", 4),
    "a webp of the largest size": lambda: b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff",
    "a gif": lambda: encoded("GIF", mode="P"),
    "a gif of fifty frames": lambda: _frames("GIF"),
    "a gif wider than memory": lambda: with_bytes("GIF", 6, b"\xff\xff\xff\xff", 4),
    "an avif that says it is huge": lambda: _said_to_be_huge("AVIF"),
    "a heic that says it is huge": lambda: _said_to_be_huge("HEIF"),
    "a heic cut in half": lambda: picture("HEIF")[: len(picture("HEIF")) // 2],
    "a heic of nothing but its brand": lambda: b"\0\0\0\x18ftypheic" + bytes(8),
    "an icon": lambda: encoded("ICO", (16, 16)),
    "an svg with a script": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "an svg that reads a file": lambda: b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
    "postscript that runs a command": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file\n",
    "a page that says it is a png": lambda: b"\x89PNG\r\n\x1a\n<script>alert(1)</script>",
    "nothing": lambda: b"",
    # What is taken has its limits, too.
    "the largest png that is taken": lambda: noise("PNG", "RGBA", compress_level=1),
    "the largest jpeg that is taken": lambda: noise("JPEG", "CMYK"),
    "the largest progressive jpeg that is taken": lambda: noise("JPEG", "CMYK", each=12.5, progressive=True),
    "the largest webp that is taken": lambda: noise("WEBP", "RGBA", each=18.75, lossless=True, method=0),
    "the largest tiff that is taken": lambda: noise("TIFF", "RGB", each=7.5, compression="tiff_lzw"),
    "the largest avif that is taken": lambda: noise("AVIF", "RGB", each=9.5, speed=10),
}


def _spoilt_image(dice: Random) -> Send:
    return _look_at(mangled(dice, picture(dice.choice(("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")))))


# --- archives ---------------------------------------------------------------------------------------------------------


def _bring_in(data: bytes) -> Send:
    """Through the whole of it; what turns out to be an ordinary image set is looked at, and taken away again."""

    def send(world: World) -> Any:
        _photographs()
        run = jobs.request_images("hostile", owner=None, upload=uploaded(data))
        try:
            jobs.run_import(run.pk)
            run.refresh_from_db()
            if run.state == Import.State.REVIEW and not jobs.blocked(run):
                jobs.confirm(run)
                jobs.run_import(run.pk)
                run.refresh_from_db()
            if run.state != Import.State.DONE:
                return run.problem or jobs.blocked(run) or run.files.exclude(refused="").first().refused
            for image in run.image_set.images.all():
                images.inspect(storage.read(image.file))
                assert ".." not in image.path.split("/"), image.path
            run.image_set.delete()
            return "an ordinary image set"
        finally:
            Import.objects.filter(pk=run.pk).delete()
            Event.objects.filter(slug=run.name).delete()
            storage.delete(run.source["upload"])

    return send


@cache
def _photographs() -> None:
    """The photographs that all of these archives have are in the storage before, so that nothing new must be."""
    for seed in range(6):
        storage.store("images", make_picture(seed), ".png")


def entry(name: str, data: bytes = b"x", *, mode: int = 0, method: int = zipfile.ZIP_DEFLATED, **fields: int) -> bytes:
    """An archive of photographs with one entry more."""
    file = io.BytesIO(packed())
    with zipfile.ZipFile(file, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = mode << 16, method
        archive.writestr(info, data)
        for field, value in fields.items():
            setattr(archive.getinfo(name), field, value)
    return file.getvalue()


def many(n: int) -> bytes:
    """An archive with so many entries of the same bytes, written by hand: `zipfile` would take minutes."""
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    central = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, n % 65536, n % 65536, len(central) * n, len(local), 0)
    return local + central * n + end


def overlapping() -> bytes:
    """Every entry of the directory points at the same bytes."""
    data = bytearray(packed())
    at = 0
    while (at := data.find(b"PK\1\2", at)) >= 0:
        data[at + 42 : at + 46] = bytes(4)
        at += 4
    return bytes(data)


def patched(old: bytes, new: bytes) -> bytes:
    data = packed()
    assert old in data
    return data.replace(old, new)


def _in_tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../x"))
    return file.getvalue()


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "a path that leads out": lambda: entry("../../out.png"),
    "a path in the middle that leads out": lambda: entry("bell/../../out.png"),
    "an absolute path": lambda: entry("/etc/cron.d/out"),
    "a path with a drive": lambda: entry("C:\\Windows\\out.png"),
    "a path with a zero byte": lambda: entry("bell/a.pngX/../../out").replace(b".pngX", b".png\0"),
    "a path of sixty thousand characters": lambda: entry("bell/" + "a" * 60_000),
    "a path ten thousand deep": lambda: entry("a/" * 10_000 + "b.png"),
    "a name that turns text around": lambda: entry("bell/\u202egnp.exe"),
    "a link": lambda: entry("bell/link.png", b"/etc/passwd", mode=stat.S_IFLNK | 0o777),
    "a name that begins with a zero byte": lambda: entry("Xell/a.png").replace(b"Xell/a.png", b"\0ell/a.png"),
    "a device": lambda: entry("bell/zero.png", b"", mode=stat.S_IFCHR | 0o666),
    "a pipe": lambda: entry("bell/pipe.png", b"", mode=stat.S_IFIFO | 0o666),
    "an entry that says it is encrypted": lambda: entry("bell/secret.png", flag_bits=1),
    "an entry by bzip2": lambda: entry("bell/b.png", bytes(9_000_000), method=zipfile.ZIP_BZIP2),
    "an entry by lzma": lambda: entry("bell/l.png", bytes(9_000_000), method=zipfile.ZIP_LZMA),
    "an entry by a method there is none of": lambda: entry("bell/m.png", compress_type=77),
    "a bomb of one entry": lambda: entry("bell/bomb.bmp", bytes(100_000_000)),
    "a bomb that says it is small": lambda: entry("bell/bomb.bmp", bytes(60_000_000), file_size=100),
    "an entry that says it is huge": lambda: entry("bell/huge.png", file_size=2**31),
    "an entry with another checksum": lambda: entry("bell/sum.png", make_picture(9), CRC=1),
    "an archive in the archive": lambda: entry("bell/more.zip", packed()),
    "a labels file without end": lambda: entry("labels.csv", b'file,label\n"' + b"x" * 9_000_000),
    "a labels file that leads out": lambda: entry("labels.csv", b"file,label\n../../etc/passwd,a\n/etc/passwd,b\n"),
    "a labels file that is no text": lambda: entry("labels.csv", b"\xff\xfe\0"),
    "a name twice": lambda: entry("bell/0.png"),
    "a class that differs in case only": lambda: entry("BELL/0.png", make_picture(0)),
    "more entries than are allowed": lambda: many(settings.IMPORT_MAX_FILES + 1),
    "entries that overlap": overlapping,
    "a directory that points past the end": lambda: packed()[:-6] + struct.pack("<LH", 2**32 - 1, 0),
    "an archive that says it has none": lambda: patched(b"PK\5\6\0\0\0\0\x06\0\x06\0", b"PK\5\6\0\0\0\0\0\0\0\0"),
    "an archive cut in half": lambda: packed()[: len(packed()) // 2],
    "a tar": _in_tar,
    "a gzip": lambda: gzip.compress(packed()),
    "an archive behind a program": lambda: b"\x7fELF" + bytes(100) + entry("bell/x.txt"),
}


def _spoilt_archive(dice: Random) -> Send:
    if dice.random() < 0.5:
        return _bring_in(mangled(dice, packed()))
    name = written(dice)[:60_000]
    try:
        data = entry(dice.choice(("bell/", "", "new/")) + name, dice.randbytes(50), mode=dice.randrange(65536))
    except (ValueError, UnicodeEncodeError, struct.error):
        data = mangled(dice, packed())
    return _bring_in(data)


GENERATORS: dict[str, Callable[[Random], Send]] = {
    "images": _spoilt_image,
    "archives": _spoilt_archive,
}

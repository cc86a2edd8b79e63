"""Names of entries in zip archives: UTF-8 where they say so or can only be that, else as the researcher says.

A zip marks UTF-8 by a flag.  Without it a name is in whatever code page its maker had; zipfile reads it as the one of
the first IBM PC, which every sequence of bytes is valid in.
"""

import struct
import zipfile
import zlib
from collections.abc import Sequence

#: What `zipfile` reads an unmarked name as, without loss.
UNMARKED = "cp437"
UTF8_FLAG = 0x800
#: The extra field in which some programs write a name in UTF-8 beside one in a code page (PKWARE's APPNOTE, 4.6.9).
UNICODE_PATH = 0x7075
#: Code pages of systems whose zips have no flag, for pages and messages to offer; Python's names for them.
ENCODINGS = {
    "shift_jis": "Japanese (Shift-JIS)",
    "gbk": "Chinese, simplified (GBK)",
    "big5": "Chinese, traditional (Big5)",
    "euc_kr": "Korean (EUC-KR)",
    "cp866": "Cyrillic (DOS, 866)",
    "cp1251": "Cyrillic (Windows, 1251)",
    "cp850": "Western Europe (DOS, 850)",
    "cp1252": "Western Europe (Windows, 1252)",
    "cp437": "United States (DOS, 437)",
}
LONGEST_EXAMPLE = 60


def path_of(info: zipfile.ZipInfo, encoding: str) -> str:
    """The path of an entry.  UnicodeDecodeError where it cannot be read, LookupError for an unknown encoding."""
    # Not `filename`, which Python cuts at its first zero byte: the rest would be lost.
    name = info.orig_filename
    if info.flag_bits & UTF8_FLAG or name.isascii():
        return name
    raw = name.encode(UNMARKED)
    if (marked := _unicode_path(info.extra, raw)) is not None:
        return marked
    if encoding:
        return raw.decode(encoding)
    # Macs write UTF-8 without the flag; words of another code page are nearly never valid in it.
    return raw.decode("utf-8")


def not_readable(entries: Sequence[zipfile.ZipInfo], encoding: str) -> str:
    """What to say of names that `path_of` cannot read: what they would be in the encodings that can."""
    raw = [info.orig_filename.encode(UNMARKED) for info in entries]
    if encoding:
        return f"{len(raw):,} names in it are not {encoding}"
    read = []
    for name in ENCODINGS:
        try:
            first, *_ = [one.decode(name) for one in raw]
        except UnicodeDecodeError:
            continue
        read.append(f"{first[:LONGEST_EXAMPLE]!r} in {name}")
    tried = f" (the first is {', '.join(read)})" if read else ""
    return f"names in it are not UTF-8, {len(raw):,} of them{tried}: say how they are encoded with --names-encoding"


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The name that the extra field gives, as long as it is of this very name."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        field = extra[at + 4 : at + 4 + size]
        if kind == UNICODE_PATH and len(field) > 5 and field[0] == 1:
            return field[5:].decode("utf-8") if struct.unpack_from("<L", field, 1)[0] == zlib.crc32(raw) else None
        at += 4 + size
    return None

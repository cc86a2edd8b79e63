"""An export as it is read back: every file compared with its checksum, and every value of the kind it has to be."""

import csv
import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from django.conf import settings

from studies.catalog.importing.archives import Archive
from studies.catalog.importing.sources import FileRefused
from studies.export import checksums, repeating
from studies.lib.canonical_json import digest
from studies.lib.csv_files import ENCODING, uncell
from studies.lib.errors import StudyError

#: So many problems of files are named in one line.
NAMED = 5
#: What study.json has, and of which kind.
CONTENT: dict[str, type] = {
    "study": str,
    "title": str,
    "protocol": str,
    "protocol_version": int,
    "design": dict,
    "consent_text": str,
    "quorum": str,
    "image_sets": list,
    "classifiers": list,
}
OF_SET: dict[str, type] = {"name": str, "photographs": int, "photographs_sha256": str, "classes": list}
OF_CLASS: dict[str, type] = {"name": str, "title": str, "gloss": str}
OF_CLASSIFIER: dict[str, type] = {
    "name": str,
    "image_set": str,
    "digest": str,
    "weights_sha256": str,
    "source": dict,
    "preprocessing": dict,
    "class_mapping": dict,
}
#: A table of a hundred thousand photographs has fewer bytes a line.
csv.field_size_limit(10_000_000)


@dataclass(frozen=True)
class ExportedStudy:
    """content: study.json.  frozen: of design.json.  pages: the SHA-256 of each page, by language and key."""

    folder: Path
    content: dict[str, Any]
    frozen: dict[str, Any]
    design_sha256: str
    pages: dict[str, dict[str, str]]

    def rows(self, name: str) -> Iterator[dict[str, str]]:
        """The rows of a table, with texts as they were."""
        with (self.folder / name).open(encoding=ENCODING, newline="") as file:
            for row in csv.DictReader(file):
                yield {column: uncell(value or "") for column, value in row.items() if column}


def read(folder: Path) -> ExportedStudy:
    """The export in `folder`; StudyError, in one line, where it is no whole export of a study."""
    folder = Path(folder)
    if not folder.is_dir():
        raise StudyError(f"{folder}: {'not a folder' if folder.exists() else 'No such folder'}")
    if found := list(checksums.problems(folder)):
        more = f" (and {len(found) - NAMED} more)" if len(found) > NAMED else ""
        raise StudyError(f"{folder}: {'; '.join(found[:NAMED])}{more}")
    content = _json(folder / repeating.NAME)
    if content.get("format") != repeating.FORMAT:
        raise StudyError(f"{folder / repeating.NAME}: not a study that Quorum exported")
    version = content.get("format_version")
    if version != repeating.FORMAT_VERSION:
        raise StudyError(f"{folder / repeating.NAME}: format {version!r}; this version of Quorum reads format 1")
    _check(content, CONTENT, repeating.NAME)
    for row in content["image_sets"]:
        _check(row, OF_SET, f"{repeating.NAME}, image_sets")
        for one in row["classes"]:
            _check(one, OF_CLASS, f"{repeating.NAME}, classes of {row['name']}")
    for row in content["classifiers"]:
        _check(row, OF_CLASSIFIER, f"{repeating.NAME}, classifiers")
    design = _json(folder / "design.json")
    frozen, sha256 = design.get("frozen"), design.get("sha256")
    if not isinstance(frozen, dict) or digest(frozen) != sha256:
        raise StudyError(f"{folder / 'design.json'}: what was frozen has another SHA-256 than it says")
    if frozen.get("design") != content["design"]:
        raise StudyError(f"{folder}: the design in {repeating.NAME} is not the one that was frozen in design.json")
    return ExportedStudy(folder, content, frozen, sha256, _pages(folder))


@contextmanager
def opened_zip(file: IO[bytes], name: str) -> Iterator[Path]:
    """The folder of an export in a zip, unpacked until it is done with; StudyError for a zip of anything else."""
    archive = Archive(file, name)
    entries = archive.files()
    tops = {PurePosixPath(entry.path).parts[0] for entry in entries}
    if len(tops) != 1 or not any(PurePosixPath(entry.path).name == checksums.NAME for entry in entries):
        raise StudyError(f"{name}: not the zip of one export")
    with tempfile.TemporaryDirectory(prefix="repeat-", dir=settings.DATA_DIR) as place:
        for entry in entries:
            path = Path(place) / entry.path
            try:
                data = archive.read(entry.path)
            except FileRefused as refusal:
                raise StudyError(f"{name}: {entry.path} {refusal}") from None
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        yield Path(place) / tops.pop()


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder of an export, also of one in a zip."""
    if path.is_file() and zipfile.is_zipfile(path):
        with path.open("rb") as file, opened_zip(file, path.name) as folder:
            yield folder
    else:
        yield path


def _pages(folder: Path) -> dict[str, dict[str, str]]:
    told = _json(folder / "texts" / "pages.json").get("pages")
    try:
        return {language: {page["key"]: page["sha256"] for page in pages} for language, pages in told.items()}
    except (AttributeError, KeyError, TypeError):
        raise StudyError(f"{folder / 'texts' / 'pages.json'}: not the pages of a study") from None


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{path.parent}: no {path.name} in it") from None
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise StudyError(f"{path}: not JSON") from None
    if not isinstance(value, dict):
        raise StudyError(f"{path}: not a JSON object")
    return value


def _check(value: Any, kinds: dict[str, type], where: str) -> None:
    if not isinstance(value, dict):
        raise StudyError(f"{where}: not a JSON object")
    for name, kind in kinds.items():
        if name not in value:
            raise StudyError(f"{where}: {name} is missing")
        if not isinstance(value[name], kind) or (kind is int and isinstance(value[name], bool)):
            raise StudyError(f"{where}: {name} is not of the kind it has to be")

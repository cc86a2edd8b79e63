"""The list of work that a workbench writes and machines without a database read: `work.jsonl`.

Each line is a JSON object, and its key `line` says of what:

    work        the first line. format: 1. study: its short name. files: the folder with the stored files, or empty.
                recipes: how many there are
    network     a classifier: name, digest, source, preprocessing, state_digest, as_written
    known       a result that a recipe below reads: digest, recipe, value, files by what they are
    recipe      what is to be computed: digest, recipe, and of a photograph its stored file as photograph

A stored file's name holds the SHA-256 of its bytes, a recipe's digest is that of its canonical JSON.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from explainers import computations
from explainers.canonical_json import digest
from explainers.computations.inputs import NetworkEntry

FORMAT = 1
#: A stored file: folder, the first two digits of its SHA-256, all of them, and a suffix.
STORED = re.compile(r"(?:images|artifacts|pools|classifiers)/[0-9a-f]{2}/[0-9a-f]{64}(?:\.[a-z0-9]{1,12})?")


class WorkError(ValueError):
    """Work cannot be done as it is asked for.  One line."""


@dataclass(frozen=True)
class ListedResult:
    """A finished result that a recipe reads; `files` are names of stored files by what they are."""

    digest: str
    recipe: dict[str, Any]
    value: dict[str, Any]
    files: dict[str, str]


@dataclass(frozen=True)
class ListedRecipe:
    """What is to be computed.  photograph: the stored file of the recipe's image; empty where it has none."""

    digest: str
    recipe: dict[str, Any]
    photograph: str = ""


@dataclass
class WorkList:
    """A list of work, or the part of it that one shard has.

    study: its short name.  files: the folder with the stored files, or empty.  sha256: of the whole list, hex.
    """

    study: str
    files: str
    networks: dict[str, NetworkEntry] = field(default_factory=dict)
    known: dict[str, ListedResult] = field(default_factory=dict)
    recipes: list[ListedRecipe] = field(default_factory=list)
    sha256: str = ""

    def stored_files(self) -> set[str]:
        """The names of all stored files that these recipes are computed from."""
        names = {item.photograph for item in self.recipes if item.photograph}
        wanted = {item.recipe["classifier"] for item in self.recipes if "classifier" in item.recipe}
        names |= {name for one in wanted & set(self.networks) for name in stored_in(self.networks[one].source)}
        names |= {name for item in self.recipes for name in stored_in(item.recipe)}
        if any("pool" in item.recipe for item in self.recipes):
            names |= {name for result in self.known.values() for name in result.files.values()}
        return names


def stored_in(value: Any) -> Iterator[str]:
    """The names of stored files in a JSON value."""
    if isinstance(value, str):
        if STORED.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from stored_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from stored_in(inner)


def written(work: WorkList) -> Iterator[str]:
    """The lines of the list, each without its newline."""
    first = {"format": FORMAT, "study": work.study, "files": work.files, "recipes": len(work.recipes)}
    groups: tuple[tuple[str, Iterable[Any]], ...] = (
        ("network", work.networks.values()),
        ("known", work.known.values()),
        ("recipe", work.recipes),
    )
    yield json.dumps({"line": "work", **first}, allow_nan=False)
    for name, entries in groups:
        for entry in entries:
            yield json.dumps({"line": name, **asdict(entry)}, allow_nan=False)


def read(path: Path, shard: int = 1, shards: int = 1) -> WorkList:
    """The part of a list that one of the shards has: every N-th recipe, from the I-th on.

    Raises WorkError for a list that cannot be read, that is cut short, or that is of another version of this program.
    """
    whole, part, places = hashlib.sha256(), None, 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                whole.update(line)
                entry = _entry(f"{path}, line {number}", line)
                if part is None:
                    part, wanted = _begun(path, entry)
                    continue
                places += _add(part, f"{path}, line {number}", entry, places % shards == shard - 1)
    except OSError as error:
        raise WorkError(f"{path}: {error.strerror}") from None
    if part is None:
        raise WorkError(f"{path} is empty: nothing is left to compute, or its list was not written")
    if places != wanted:
        raise WorkError(f"{path} is cut short: {places:,} of {wanted:,} recipes")
    part.sha256 = whole.hexdigest()
    return part


def _entry(where: str, line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or not line.endswith(b"\n"):
        raise WorkError(f"{where} is not a whole line of a list of work")
    return entry


def _begun(path: Path, first: dict[str, Any]) -> tuple[WorkList, int]:
    if first.get("line") != "work" or not isinstance(first.get("recipes"), int):
        raise WorkError(f"{path} is not a list of work: manage.py list_work writes one")
    if first.get("format") != FORMAT:
        raise WorkError(f"{path} has format {first.get('format')}; this program reads format {FORMAT}")
    return WorkList(str(first.get("study", "")), str(first.get("files", ""))), first["recipes"]


def _add(part: WorkList, where: str, entry: dict[str, Any], mine: bool) -> bool:
    """Add what a line says; whether it is a recipe."""
    name = entry.pop("line", "")
    try:
        if name == "network":
            network = NetworkEntry(**_of(NetworkEntry, entry))
            part.networks[network.digest] = network
        elif name == "known":
            result = ListedResult(**_of(ListedResult, entry))
            part.known[result.digest] = result
        elif name == "recipe":
            item = ListedRecipe(**_of(ListedRecipe, entry))
            if digest(item.recipe) != item.digest:
                raise WorkError(f"{where}: the recipe is not the one that its digest names")
            if mine:
                part.recipes.append(item)
            return True
        else:
            raise WorkError(f"{where} is {name!r}, which this program does not know")
    except (TypeError, KeyError):
        raise WorkError(f"{where}: a {name} lacks something, or has too much") from None
    return False


def _of(kind: type[Any], entry: dict[str, Any]) -> dict[str, Any]:
    """The entry, if each value that it has is of the type that the class wants there."""
    for name, wanted in get_type_hints(kind).items():
        if name in entry and not isinstance(entry[name], get_origin(wanted) or wanted):
            raise TypeError(name)
    return entry


def check_versions(recipes: Iterable[dict[str, Any]]) -> None:
    """WorkError where this program computes another version of a kind than a recipe wants."""
    seen: set[tuple[str, Any]] = set()
    for recipe in recipes:
        kind, version = recipe.get("kind"), recipe.get("version")
        if (str(kind), version) in seen:
            continue
        seen.add((str(kind), version))
        if kind not in computations.NAMES:
            raise WorkError(f"a recipe is of the kind {kind!r}, which this program does not compute")
        if (own := computations.get(kind).version) != version:
            raise WorkError(
                f"the list wants version {version} of a {kind}, and this program computes {own}: "
                f"use the same version of Quorum on all machines"
            )

"""What a researcher says about a classifier's outputs: a list of names, numbers or pairs, in the forms people have."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.lib.csv_files import decode_text, parse_csv
from studies.lib.errors import StudyError

from . import imagenet
from .text_files import check_text

LARGEST_LIST = 4 * 1024 * 1024
LONGEST_NAME = 200

#: Beginnings of lines such as `n01440764 tench, Tinca tinca`.
SYNSET_LINE = re.compile(r"(n\d{8})[\s,;:]+(.+)")

Aliases = dict[int, tuple[str, ...]]


@dataclass(frozen=True)
class OutputList:
    """Either `aliases`, all that outputs are called, by output; or `of_classes`, the output of each class in order.

    complete: whether `aliases` is of every output, so that their number can be compared with the network's.
    """

    aliases: Aliases | None = None
    of_classes: tuple[int, ...] | None = None
    complete: bool = False


def read_list(path: Path) -> str:
    """The text of a list of outputs; StudyError where it is not UTF-8 text of a bounded size."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    return decode_list(data, path.name)


def decode_list(data: bytes, called: str) -> str:
    if len(data) > LARGEST_LIST:
        raise StudyError(f"{called}: has more than {LARGEST_LIST:,} bytes")
    check_text(data, called, "a list of outputs")
    return decode_text(data, called)


def parse_list(text: str, called: str, *, n_classes: int, n_outputs: int, numbered: bool) -> list[OutputList]:
    """All that the list can mean, nearly always one thing.  StudyError in one line where it is in none of the forms.

    The forms: a line for each output, its name (or WordNet id, or both); a line for each class in order, its output's
    number; CSV with the columns class and index; JSON as `class_to_idx`, `id2label`, `imagenet_class_index.json` or a
    list.  numbered: whether the classes are named by whole numbers, so that numbers may be names.
    """
    if text.lstrip()[:1] in ("{", "["):
        return [_from_json(text, called)]
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise StudyError(f"{called}: there is nothing in it")
    if rows := _table(text, called):
        return [OutputList(_by_index(rows, called))]
    if "" in lines:
        raise StudyError(f"{called}, line {lines.index('') + 1}: is empty; every output has a line")
    meanings = []
    if all(_is_number(line) for line in lines):
        if len(lines) == n_classes:
            meanings.append(OutputList(of_classes=tuple(map(int, lines))))
        if not (numbered and len(lines) == n_outputs):
            return meanings or [OutputList(of_classes=tuple(map(int, lines)))]
    names = {i: _aliases(line, f"{called}, line {i + 1}") for i, line in enumerate(lines)}
    return [*meanings, OutputList(names, complete=True)]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _table(text: str, called: str) -> list[tuple[int, str, str]]:
    """Line number, class and index of each row of a CSV file with these columns; empty where it is no such file."""
    for index in ("index", "output"):
        try:
            rows = list(parse_csv(text.encode(), called, ["class", index]))
        except StudyError:
            continue
        return [(line, row["class"], row[index]) for line, row in rows if row["class"] or row[index]]
    return []


def _by_index(rows: Sequence[tuple[int, str, str]], called: str) -> Aliases:
    aliases: Aliases = {}
    for line, name, index in rows:
        where = f"{called}, line {line}"
        if not name or not _is_number(index):
            raise StudyError(f"{where}: there must be a class and its output’s number, not {name!r} and {index!r}")
        if int(index) in aliases:
            raise StudyError(f"{where}: output {int(index)} is given a second time")
        aliases[int(index)] = _aliases(name, where)
    return aliases


def _from_json(text: str, called: str) -> OutputList:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{called}: not valid JSON ({error})") from None
    if isinstance(given, list) and given:
        if all(type(one) is int and one >= 0 for one in given):
            return OutputList(of_classes=tuple(given))
        return OutputList(_from_pairs(enumerate(given), called), complete=True)
    if isinstance(given, dict) and given:
        if all(type(one) is int and one >= 0 for one in given.values()):
            return OutputList(_from_pairs(((index, name) for name, index in given.items()), called))
        if all(_is_number(key) for key in given):
            return OutputList(_from_pairs(((int(key), name) for key, name in given.items()), called))
    raise StudyError(f"{called}: JSON must be a list of names, or an object of names by number, or of numbers by name")


def _from_pairs(pairs: Iterator[tuple[int, Any]] | Mapping[int, Any], called: str) -> Aliases:
    aliases: Aliases = {}
    for index, name in pairs:
        if index in aliases:
            raise StudyError(f"{called}: output {index} is given a second time")
        names = [name] if isinstance(name, str) else name
        if not isinstance(names, list) or not names or not all(isinstance(one, str) and one.strip() for one in names):
            raise StudyError(f"{called}: output {index} has no name")
        aliases[index] = tuple(alias for one in names for alias in _aliases(one, f"{called}, output {index}"))
    return aliases


def _aliases(text: str, where: str) -> tuple[str, ...]:
    """What one entry calls an output: its WordNet id, its name, or both."""
    name = text.strip().strip('"').strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise StudyError(f"{where}: not a name of at most {LONGEST_NAME} characters")
    if found := SYNSET_LINE.fullmatch(name):
        return found[1], found[2].strip()
    known = imagenet.find(name) if re.fullmatch(r"n\d{8}", name) else None
    return (name, known.name) if known else (name,)

"""Hostile designs and CSV files, as commands are given them."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from django.core.management import call_command

from studies import protocols
from studies.designs import choices
from studies.lib import csv_files
from studies.lib.errors import StudyError

from . import Hostile, World, mangled, nasty, written

Send = Callable[[World], Any]


def made() -> Iterator[Hostile]:
    for name, text in DESIGNS.items():
        yield Hostile("designs", name, _create("rectified_labeling", text))
    for name, data in TABLES.items():
        yield Hostile("tables", name, _reanalyse(data))
    for name, data in RATES.items():
        yield Hostile("tables", name, _rates(data))


def _written(world: World, name: str, data: bytes) -> Path:
    path = world.folder / name
    path.write_bytes(data)
    return path


def _create(protocol: str, text: bytes) -> Send:
    def send(world: World) -> Any:
        path = _written(world, "design.json", text)
        options = {"protocol": protocol, "design": path, "stdout": io.StringIO(), "stderr": io.StringIO()}
        call_command("create_study", "hostile", **options)

    return send


def _reanalyse(data: bytes) -> Send:
    def send(world: World) -> Any:
        path = _written(world, "answers.csv", data)
        call_command("reanalyse", str(path), stdout=io.StringIO(), stderr=io.StringIO())

    return send


def _rates(data: bytes) -> Send:
    def send(world: World) -> Any:
        path = _written(world, "rates.csv", data)
        options = {"participants": 1, "rates": path, "stdout": io.StringIO(), "stderr": io.StringIO()}
        call_command("simulate", "no-such-study", **options)

    return send


DESIGNS = {
    "a design that is empty": b"",
    "a design that is a list": b"[]",
    "a design that is a number": b"1e999",
    "a design without an end": b'{"classifier": ',
    "a design that is no text": b"\xff\xfe\x00",
    "a design nested ten thousand deep": b"[" * 10_000 + b"]" * 10_000,
    "a design nested in objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "a design with a number of five thousand digits": b'{"classifier": "x", "seed": ' + b"9" * 5000 + b"}",
    "a design of NaN": b'{"classifier": "x", "answers_per_stimulus": NaN, "threshold": Infinity}',
    "a design of true": b'{"classifier": true, "answers_per_stimulus": true}',
    "a design with a zero byte": b'{"classifier": "a\\u0000b", "classes": ["\\u0000"]}',
    "a design with half a character": b'{"classifier": "\\ud800"}',
    "a design with a key twice": b'{"classifier": "a", "classifier": "b"}',
    "a design with settings of nobody": b'{"__class__": "x", "__init__": 1}',
    "a design of a megabyte": b'{"classifier": "' + b"x" * 1_000_000 + b'"}',
    "a design of lists and objects": b'{"classifier": {"a": 1}, "classes": {"b": []}, "sample": [1], "seed": {}}',
}

HEAD = b"participant,stimulus,answer\n"
TABLES = {
    "answers that are empty": b"",
    "answers without rows": HEAD,
    "answers that are no text": b"\xff\xfe" + HEAD,
    "answers with a zero byte": HEAD + b"a\0,b,yes\n",
    "answers of another column": b"a,b,c\n1,2,3\n",
    "answers twice": HEAD + b"a,b,yes\na,b,no\n",
    "answers with a quote that never ends": HEAD + b'"a,b,yes\n' * 1000,
    "answers with a field of a megabyte": HEAD + b"a" * 1_000_000 + b",b,yes\n",
    "answers of ten thousand columns": b",".join(b"c%d" % n for n in range(10_000)) + b"\n" + b"1," * 9999 + b"1\n",
    "answers neither yes nor no": HEAD + b"a,b,perhaps\n",
    "answers with a formula": HEAD + b"=cmd(),b,yes\n",
    "answers with rows too long": HEAD + b"a,b,yes,d,e,f\n",
    "answers that are an archive": b"PK\x03\x04" + bytes(200),
}
RATES = {
    "rates that are empty": b"",
    "rates that are no numbers": b"image,label,rate\na,b,nan\n",
    "rates with a field of a megabyte": b"image,label,rate\n" + b"x" * 1_000_000 + b",b,0.5\n",
}


# --- generated --------------------------------------------------------------------------------------------------------


def _value(dice: Random, depth: int = 0) -> Any:
    what = dice.randrange(9 if depth < 3 else 6)
    if what < 2:
        return written(dice)
    if what == 2:
        return dice.choice((0, -1, 1, 10**30, -(10**30), 2**31, 2**63, 4.5, 1e308, float("inf"), float("nan")))
    if what in (3, 4):
        return dice.choice((True, False, None))
    if what == 5:
        return dice.choice(("yes", "two_visits", "letters", "all", "grey", "random"))
    if what == 6:
        return {
            nasty(dice).encode("utf-8", "replace").decode(): _value(dice, depth + 1) for _ in range(dice.randrange(4))
        }
    return [_value(dice, depth + 1) for _ in range(dice.randrange(5))]


def _design(dice: Random) -> Send:
    key = dice.choice(list(protocols.available()))
    fields = list(protocols.get(key).form(catalogue=protocols.Catalogue({})).fields)
    design = {name: _value(dice) for name in dice.sample(fields, dice.randrange(1, len(fields)))}
    if dice.random() < 0.3:
        design[written(dice)] = _value(dice)
    # No classifier has this name, so that none of them is right by chance.
    design["classifier"] = dice.choice(("none", _value(dice)))
    if dice.random() < 0.3:
        return _create(key, mangled(dice, json.dumps(design).encode()))

    def send(world: World) -> Any:
        protocols.get(key).clean(design, catalogue=choices.catalogue())
        raise AssertionError(f"taken for a design: {design}")

    return send


def _table(dice: Random) -> Send:
    rows = [f"p{dice.randrange(4)},s{dice.randrange(4)},{dice.choice(('yes', 'no'))}" for _ in range(20)]
    rows[dice.randrange(20)] = ",".join(nasty(dice) for _ in range(dice.randrange(1, 5)))
    data = HEAD + "\n".join(rows).encode("utf-8", "replace")
    data = mangled(dice, data)
    if dice.random() < 0.6:
        return _reanalyse(data)

    def send(world: World) -> Any:
        path = _written(world, "labels.csv", data.replace(b"participant,stimulus", b"file,label", 1))
        rows = list(csv_files.read_csv(path, ["file", "label"]))
        if not all(isinstance(line, int) for line, _ in rows):
            raise StudyError("lines without numbers")
        return "read"

    return send


GENERATORS: dict[str, Callable[[Random], Send]] = {"designs": _design, "tables": _table}

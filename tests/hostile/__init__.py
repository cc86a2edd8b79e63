"""Inputs that nobody means well by, and what must be true of each: no error of the server's own, nothing stored.

`pages`, `recruiting`, `files`, `checkpoints` and `texts` have some that were made by hand, each for a reason, and
generators of any number more, from a seed.  `tests/properties/test_hostile_inputs.py` tries a few of them each time,
`python -m benchmarks.hostile` thousands, and tells how long each took and how much memory.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import CommandError
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse

from explainers.images import ImageError
from studies.analysis.answers import AnswersError
from studies.lib.errors import StudyError
from studies.models import Study, Trial
from studies.protocols import DesignError
from tests.factories import open_study
from tests.logged_in_users import researcher
from tests.participant_client import Visitor
from tests.recruiters import COMES, comes, recruits

REFUSALS = (StudyError, DesignError, ImageError, AnswersError, CommandError)


@dataclass
class World:
    """An installation with an open study, somebody who is at a trial of it, and a researcher at the desk; and with a
    study for each recruiter, before which somebody stands who came well and has not agreed yet.
    """

    folder: Path
    study: Study = field(default_factory=lambda: open_study(3, 2))
    public: Client = field(default_factory=lambda: Client(raise_request_exception=False))
    #: What was stored after the last input.
    before: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from . import checkpoints

        self.visitor = Visitor(self.study).begin()
        self.form = self.visitor.form()
        self.taking = self.visitor.path
        self.newcomer = Visitor(self.study)
        self.joining, self.join_form = self.newcomer.path, self.newcomer.form()
        self.recruited = {key: recruits(open_study(1, 1, slug=key), key) for key in COMES}
        self.recruited_forms = {key: comes(one, COMES[key]()).form() for key, one in self.recruited.items()}
        self.desk = researcher()
        self.desk.raise_request_exception = False
        self.public.get(self.taking)
        # What a process loads once, PyTorch and matplotlib among it, is no input's cost.
        checkpoints.weights()
        self.desk.get(reverse("admin:studies_study_plan"), {"stimuli": "20", "participants": "20"})

    def stored(self) -> dict[str, Any]:
        """Everything that an input could have left behind."""
        models = [*apps.get_app_config("studies").get_models(), User, LogEntry]
        counts = {model.__name__: model.objects.count() for model in models}
        answers = list(Trial.objects.order_by("pk").values_list("answer", "answered_at", "counted"))
        return counts | {"answers": answers, "files": sorted(_files())}


@dataclass(frozen=True)
class Hostile:
    """One input.  `send` gives a response, or anything else where it is taken for harmless; a refusal raises.

    make: makes the input where that takes time or memory of its own, which is not counted; then `send` takes it first.
    """

    kind: str
    name: str
    send: Callable[..., Any]
    make: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Verdict:
    hostile: Hostile
    said: str
    seconds: float
    processor_seconds: float
    megabytes: float
    problem: str


def attempt(world: World, hostile: Hostile) -> Verdict:
    """Try an input and judge what became of it."""
    before = world.before or world.stored()
    given = (hostile.make(), world) if hostile.make else (world,)
    resident = _reset_peak()
    started, processor = time.perf_counter(), time.process_time()
    problem = ""
    try:
        said = hostile.send(*given)
        if isinstance(said, HttpResponseBase):
            _ = said.content if isinstance(said, HttpResponse) else b"".join(said.streaming_content)
            problem = f"status {said.status_code}" if said.status_code >= 500 else ""
            said = f"status {said.status_code}"
    except REFUSALS as error:
        said = str(error)
        problem = "a refusal of several lines" if "\n" in said.strip() else ""
    except Exception as error:
        said, problem = "", f"raised {type(error).__name__}: {error}"
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    megabytes = max(_peak() - resident, 0)
    after = world.before = world.stored()
    if after != before:
        changed = [f"{name} {before[name]} → {after[name]}" for name in after if after[name] != before[name]]
        problem = problem or f"stored: {'; '.join(changed)[:300]}"
    return Verdict(hostile, str(said)[:200], seconds, processor, megabytes, problem)


def made() -> Iterator[Hostile]:
    """Every input that was made by hand."""
    from . import checkpoints, files, pages, recruiting, texts

    for module in (pages, recruiting, files, checkpoints, texts):
        yield from module.made()


def generated(kind: str, n: int, seed: int = 0) -> Iterator[Hostile]:
    """`n` inputs of a kind, always the same from the same seed."""
    from . import checkpoints, files, pages, recruiting, texts

    every = (pages, recruiting, files, checkpoints, texts)
    make = {name: one for module in every for name, one in module.GENERATORS.items()}[kind]
    for number in range(n):
        yield Hostile(kind, f"{kind} {seed}/{number}", make(Random(f"{kind} {seed} {number}")))


def kinds() -> list[str]:
    from . import checkpoints, files, pages, recruiting, texts

    return [name for module in (pages, recruiting, files, checkpoints, texts) for name in module.GENERATORS]


# --- spoiling ---------------------------------------------------------------------------------------------------------

#: Texts that have broken something somewhere.
NASTY = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\u202e\u2066evil",
    "é" * 3000,
    "x" * 100_000,
    "'; DROP TABLE studies_study; --",
    '" onmouseover="alert(1)',
    "<script>alert(1)</script>",
    "{{ 7*7 }}{% debug %}",
    "${jndi:ldap://localhost/a}",
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/dev/zero",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "-1",
    "0",
    "1e400",
    "NaN",
    "Infinity",
    "99999999999999999999999999",
    "1" * 5000,
    "²",
    "١٢٣",
    "true",
    "null",
    "[]",
    '{"__class__": "x"}',
    "=cmd|' /C calc'!A0",
    "%00",
    "%s%s%n",
    "\r\nSet-Cookie: a=b",
    "\U0001f4a9" * 50,
]


def nasty(dice: Random) -> str:
    if dice.random() < 0.7:
        return dice.choice(NASTY)
    return "".join(
        chr(dice.choice((dice.randrange(32), dice.randrange(128), dice.randrange(0x3000)))) for _ in range(9)
    )


def written(dice: Random) -> str:
    """A nasty text as far as it can be sent: half a character cannot."""
    return nasty(dice).encode("utf-8", "replace").decode()


def mangled(dice: Random, data: bytes) -> bytes:
    """The bytes with a few things wrong: flipped, cut, repeated, or numbers made huge."""
    spoilt = bytearray(data)
    for _ in range(dice.randint(1, 5)):
        if not spoilt:
            return b""
        at = dice.randrange(len(spoilt))
        what = dice.randrange(6)
        if what == 0:
            spoilt[at] = dice.randrange(256)
        elif what == 1:
            del spoilt[at:]
        elif what == 2:
            spoilt[at : at + 4] = dice.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\x80"))
        elif what == 3:
            spoilt[at:at] = spoilt[: dice.randrange(64)]
        elif what == 4:
            del spoilt[at : at + dice.randrange(40)]
        else:
            spoilt[at:at] = dice.randbytes(dice.randrange(20))
    return bytes(spoilt)


# --- what it cost -----------------------------------------------------------------------------------------------------

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _reset_peak() -> float:
    """Megabytes resident now; the peak begins here, where the system can tell one."""
    with suppress(OSError):
        _CLEAR.write_text("5")
    return _megabytes("VmRSS")


def _peak() -> float:
    return _megabytes("VmHWM")


def _megabytes(what: str) -> float:
    if not _STATUS.exists():
        return 0.0
    return int(_STATUS.read_text().partition(f"{what}:")[2].split()[0]) / 1024


def _files() -> Iterator[str]:
    root = Path(default_storage.location)
    return (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())

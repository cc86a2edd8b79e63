"""Participants who are cheap: many at once in one process, over real HTTP, who know nothing but the pages.

They keep their connections open as browsers do, and read the pages' forms by regular expressions, so that they leave
the processor to the server they test.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from random import Random
from time import perf_counter
from urllib.parse import urlencode, urlsplit

FORM = re.compile(r"<form\b.*?</form>", re.DOTALL)
FIELD = re.compile(r"<(?:input|button|textarea|select)\b[^>]*>")
ATTRIBUTE = re.compile(r"([\w-]+)=\"([^\"]*)\"")
TAG = re.compile(r"<[^>]*>")
TRIAL = re.compile(r"trial:([0-9]+):")
#: What an answer is met with when it is stored: the next page, or the way there.
STORED = {200, 303}


class Unreachable(Exception):
    """The server did not answer, or failed: nobody knows whether what was sent has been stored."""


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    body: str


class Connection:
    """One browser's connection to a server on this machine, opened again when the server has closed it."""

    def __init__(self, port: int, *, timeout: float = 60):
        self._port, self._timeout = port, timeout
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(self, method: str, path: str, fields: Mapping[str, str] | None = None) -> Response:
        """Unreachable when no answer comes; a failure of the server's (5xx) is an answer."""
        body = b"" if fields is None else urlencode(fields).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if fields is not None:
            head += "X-Quorum-Page: next\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            head += f"Content-Length: {len(body)}\r\n"
        message = head.encode() + b"\r\n" + body
        try:
            async with asyncio.timeout(self._timeout):
                # A connection that lay open may have been closed from the other side at this very moment: then, as a
                # browser would, once more on a new one.
                if self._writer is not None and not self._reader.at_eof():
                    try:
                        return await self._exchange(message)
                    except (OSError, asyncio.IncompleteReadError) as error:
                        if getattr(error, "partial", b""):
                            raise
                self.close()
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
                return await self._exchange(message)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self.close()
            raise Unreachable(f"{type(error).__name__} {error}") from error
        except asyncio.CancelledError:
            self.close()
            raise

    async def _exchange(self, message: bytes) -> Response:
        reader, writer = self._reader, self._writer
        writer.write(message)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
        if headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(await reader.readuntil(b"\r\n"), 16):
                parts.append((await reader.readexactly(size + 2))[:-2])
            await reader.readexactly(2)
            content = b"".join(parts)
        else:
            content = await reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Response(int(head[0].split()[1]), headers, content.decode())

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


@dataclass(frozen=True)
class Page:
    """A page somebody is at.  `fields`: its form as it stands, None without one; `answers`: the buttons to choose
    from; `asked`: what else there is to choose, with the values offered."""

    path: str
    fields: dict[str, str] | None
    answers: tuple[str, ...]
    asked: dict[str, tuple[str, ...]]
    #: Whether it asks to come back to it: the study is paused, or there is nothing to do just now.
    again: bool = False

    @property
    def trial(self) -> int | None:
        """The trial this page's form is about, by the number that its field begins with; None for other pages."""
        named = TRIAL.match(self.fields.get("trial", "")) if self.fields and self.answers else None
        return int(named[1]) if named else None


def read(path: str, body: str) -> Page:
    form = FORM.search(body)
    if form is None:
        return Page(path, None, (), {}, again=f'href="{path}"' in body)
    fields, answers, asked = {}, [], {}
    for tag in FIELD.findall(form[0]):
        kind = tag[1:].split(None, 1)[0].rstrip(">")
        attributes = {name: unescape(value) for name, value in ATTRIBUTE.findall(tag)}
        name = attributes.get("name")
        if not name:
            continue
        if name == "answer":
            answers.append(attributes["value"])
        elif kind == "input" and attributes.get("type") == "hidden":
            fields[name] = attributes.get("value", "")
        elif kind == "input" and attributes.get("type") in {"radio", "checkbox"}:
            asked[name] = (*asked.get(name, ()), attributes.get("value", "on"))
        elif kind == "input":
            # What need not be filled in stays empty; what is required and offers nothing is taken to be a number.
            required = re.search(r"\srequired\b", tag)
            fields[name] = attributes.get("value", "") or (attributes.get("min", "30") if required else "")
        elif kind == "textarea":
            fields[name] = ""
    for select in re.findall(r"<select\b.*?</select>", form[0], re.DOTALL):
        name = dict(ATTRIBUTE.findall(select.split(">", 1)[0]))["name"]
        values = (dict(ATTRIBUTE.findall(tag)).get("value", "") for tag in re.findall(r"<option\b[^>]*>", select))
        asked[name] = tuple(unescape(value) for value in values if value)
    return Page(path, fields, tuple(answers), asked)


@dataclass
class Ledger:
    """What participants know to be stored, and how long it took them to be told."""

    #: By trial, what was sent before one of its answers was acknowledged: one of these is stored.
    sent: dict[int, set[str]] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def sends(self, trial: int, value: str) -> None:
        if trial not in self.acknowledged:
            self.sent.setdefault(trial, set()).add(value)


class Walker:
    """Somebody in front of a page.  A second tab is another walker at the same `path`."""

    def __init__(self, port: int, link: str, dice: Random, ledger: Ledger, *, timeout: float = 60):
        self.dice, self.ledger = dice, ledger
        self._connection = Connection(port, timeout=timeout)
        self._join = f"/s/{link}/"
        self.page: Page | None = None

    @property
    def path(self) -> str:
        return self.page.path

    async def join(self) -> bool:
        """Agree; False where nobody can join just now."""
        self.page = await self._show("GET", self._join)
        if self.page.fields is None:
            return False
        await self.submit(self.page)
        return self.page.path != self._join

    async def load(self, path: str = "") -> None:
        """The page at the address, again or for the first time."""
        self.page = await self._show("GET", path or self.page.path)

    async def begin(self) -> None:
        """Through everything before the first trial."""
        while self.page.fields is not None and self.page.trial is None:
            await self.submit(self.page)

    async def answer(self, answer: str = "") -> None:
        """Answer the trial on the page; how long it took until the next page was there is written down."""
        start = perf_counter()
        await self.submit(self.page, answer or self.dice.choice(self.page.answers))
        self.ledger.seconds.append(perf_counter() - start)

    async def submit(self, page: Page, answer: str = "") -> None:
        """Send the page's form, filled in, and stand at the page that follows."""
        values = dict(page.fields)
        for name, offered in page.asked.items():
            values[name] = self.dice.choice(offered)
        if page.answers:
            values["answer"] = answer or self.dice.choice(page.answers)
        if "response_ms" in values:
            values["response_ms"] = str(self.dice.randrange(300, 3000))
        if page.trial is not None:
            self.ledger.sends(page.trial, values["answer"])
        self.page = await self._show("POST", page.path, values, page.trial)

    async def _show(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, trial: int | None = None
    ) -> Page:
        response = await self._connection.request(method, path, fields)
        if trial is not None and response.status in STORED:
            self.ledger.acknowledged.add(trial)
        if response.status == 303:
            path = urlsplit(response.headers["location"]).path
            response = await self._connection.request("GET", path)
        if response.status >= 500:
            raise Unreachable(f"{method} {path}: {response.status}")
        if response.status != 200:
            said = TAG.sub(" ", response.body.rpartition("<main>")[2]).split()
            raise RuntimeError(f"{method} {path}: {response.status} {' '.join(said)[:200]}")
        return read(path, response.body)

    def close(self) -> None:
        self._connection.close()

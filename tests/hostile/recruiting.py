"""Hostile queries at the links of recruited studies: ids, repeated, nested and encoded, and sites to hand in at.

Beside what holds of every input: nobody is led to another site, no form goes to one, and nothing that was sent comes
back as markup or in a header.
"""

import re
from collections.abc import Callable, Iterator
from html import unescape
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from django.http import HttpResponse
from django.urls import reverse

from tests.recruiters import COMES, CONNECT, PREVIEW, SANDBOX, SETTINGS, SONA, from_framing, from_prolific

from . import Hostile, World, mangled, written

Send = Callable[[World], Any]

#: What names the person, by the recruiter's key.
PERSON = {"prolific": "PROLIFIC_PID", "framing": "workerId", "connect": "participantId", "sona": "id"}
EVIL = "evil.example"
CREDIT = re.compile(re.escape(SONA) + r"&survey_code=[0-9]+")
LEADS = re.compile(r"""\b(?:action|formaction|href|src|data|content)\s*=\s*["']?([^"'\s>]*)""", re.IGNORECASE)
#: Where these pages may lead: about this site, and back with a code that the study has.
OWN = re.compile(r"/(?!/)|#|data:image/|[\w-]*$|width=")
BACK = {f"https://app.prolific.com/submissions/complete?cc={code}" for code in SETTINGS["prolific"].values()}
BACK |= set(CONNECT.values())


class Led(Exception):
    """A page that leads elsewhere, or has something in it that was sent."""


def harmless(response: HttpResponse) -> HttpResponse:
    """The response; Led where it does what no hostile query may have it do."""
    location = response.headers.get("Location", "")
    if location and not re.fullmatch(r"/(s|t)/[\w-]+/", location):
        raise Led(f"it leads to {location[:200]}")
    for name, value in response.headers.items():
        if EVIL in value or name == "Set-Cookie":
            raise Led(f"a header says {name}: {value[:200]}")
    text = response.content.decode()
    for target in map(unescape, LEADS.findall(text)):
        if EVIL in target or not (OWN.match(target) or target in BACK or CREDIT.fullmatch(target)):
            raise Led(f"the page leads to {target[:200]}")
    if "<script>alert" in text or 'onmouseover="alert' in text or "{{ 7*7 }}" in text:
        raise Led("what was sent is markup of the page")
    return response


def _address(world: World, key: str, query: str) -> str:
    return reverse("studies:join", args=[world.recruited[key].link]) + f"?{query}"


def _get(key: str, query: str) -> Send:
    return lambda world: harmless(world.public.get(_address(world, key, query)))


def _post(key: str, query: str, **changes: Any) -> Send:
    """Agree with a form that is right, of somebody who came well."""
    return lambda world: harmless(
        world.public.post(_address(world, key, query), {**world.recruited_forms[key], **changes})
    )


def _prolific(**changes: str) -> str:
    return urlencode(from_prolific() | changes)


def _framing(**changes: str) -> str:
    return urlencode(from_framing() | changes)


def _without(query: dict[str, str], name: str) -> str:
    return urlencode({key: value for key, value in query.items() if key != name})


PID, WORKER = from_prolific()["PROLIFIC_PID"], from_framing()["workerId"]
SITES = {
    "another site": f"https://{EVIL}",
    "another site that begins alike": f"{SANDBOX}.{EVIL}",
    "another site behind a name": f"{SANDBOX}@{EVIL}",
    "another site behind a zero byte": f"https://{EVIL}\0{SANDBOX}",
    "another site behind a line": f"{SANDBOX}\r\nLocation: https://{EVIL}",
    "another site without a scheme": f"//{EVIL}",
    "another site by a backslash": f"https:\\\\{EVIL}",
    "another path": f"{SANDBOX}/../{EVIL}",
    "another port": f"{SANDBOX}:8443",
    "no https": SANDBOX.replace("https", "http"),
    "a script": "javascript:alert(1)",
    "a page of its own": "data:text/html,<script>alert(1)</script>",
    "markup": '"><form action=https://evil.example><script>alert(1)</script>',
    "letters that look alike": SANDBOX.replace("o", "о"),
    "the live site in the sandbox": "https://framing.example",
    "a site of a hundred kilobytes": SANDBOX + "/" * 100_000,
}


def _spoilt(key: str) -> dict[str, str]:
    """What names a person and a submission at a recruiter, each of its values spoilt in turn, by what is wrong."""
    good = COMES[key]()
    queries = {"nothing": ""}
    for name, value in good.items():
        queries[f"no {name}"] = _without(good, name)
        queries |= {f"{name}, {wrong}": urlencode({**good, name: text}) for wrong, text in SPOILT.items()}
        queries[f"{name} twice"] = urlencode(good) + "&" + urlencode({name: value[::-1] + "7"})
        queries[f"{name} as a list"] = urlencode({f"{one}[]" if one == name else one: of for one, of in good.items()})
        queries[f"{name} of bytes that are no text"] = _without(good, name) + f"&{name}=%ff%fe%c0%b0"
        queries[f"{name} of half a character"] = _without(good, name) + f"&{name}=%ed%a0%80"
    return queries


#: Values that name nobody at any recruiter.
SPOILT = {
    "empty": "",
    "of blanks": "   ",
    "of a hundred kilobytes": "1" * 100_000,
    "with a line in it": "1234\n5678",
    "with a zero byte": "12345678\0",
    "of control characters": "\x01\x1b[2J\x7f" * 6,
    "of markup": '"><script>alert(1)</script>',
    "of a header": f"12345678\r\nLocation: https://{EVIL}",
    "of other digits": "١" * 8,
    "of wide letters": "１" * 8,
    "as the recruiter's template has it": "%SURVEY_CODE%",
    "of a template": "{{ 7*7 }}",
    "below zero": "-12345678",
    "with a point": "1234.5678",
    "of a path": "../../1234",
    "of another parameter": "12345678&credit=1",
    "of another site": f"https://{EVIL}",
    "encoded twice": quote("%31" * 8),
}


def made() -> Iterator[Hostile]:
    for key in ("connect", "sona"):
        for name, query in _spoilt(key).items():
            yield Hostile("recruiting", f"{key}, {name}", _get(key, query))
            yield Hostile("recruiting", f"{key}, agreeing, {name}", _post(key, query))
    for name, query in PROLIFIC.items():
        yield Hostile("recruiting", f"Prolific, {name}", _get("prolific", query))
        yield Hostile("recruiting", f"Prolific, agreeing, {name}", _post("prolific", query))
    for name, query in FRAMING.items():
        yield Hostile("recruiting", f"a framing site, {name}", _get("framing", query))
        yield Hostile("recruiting", f"a framing site, agreeing, {name}", _post("framing", query))
    for name, site in SITES.items():
        preview = urlencode({**PREVIEW, "submitTo": site})
        yield Hostile("recruiting", f"handing in at {name}", _get("framing", _framing(submitTo=site)))
        yield Hostile("recruiting", f"agreeing, handing in at {name}", _post("framing", _framing(submitTo=site)))
        yield Hostile("recruiting", f"a preview for {name}", _get("framing", preview))
        yield Hostile("recruiting", f"agreeing to a preview for {name}", _post("framing", preview))
    for name, send in MORE.items():
        yield Hostile("recruiting", name, send)


PROLIFIC = {
    "nothing": "",
    "no person": _without(from_prolific(), "PROLIFIC_PID"),
    "an id of a hundred kilobytes": _prolific(PROLIFIC_PID="a" * 100_000),
    "an id and a line": _prolific(PROLIFIC_PID=f"{PID}\n"),
    "an id and a zero byte": _prolific(SESSION_ID="a" * 24 + "\0"),
    "an id of control characters": _prolific(PROLIFIC_PID="\x01\x1b[2J\x7f" * 6),
    "an id of markup": _prolific(PROLIFIC_PID="<script>alert(1)</script>"),
    "an id of a header": _prolific(SESSION_ID=f"a\r\nLocation: https://{EVIL}"),
    "an id of other digits": _prolific(PROLIFIC_PID="١" * 24),
    "an id of wide letters": _prolific(PROLIFIC_PID="ａ" * 24),
    "an id of a template": _prolific(PROLIFIC_PID="{{%PROLIFIC_PID%}}"),
    "a person twice": _prolific() + f"&PROLIFIC_PID={PID}",
    "two persons": _prolific() + f"&PROLIFIC_PID={'b' * 24}",
    "a list": _prolific().replace("PROLIFIC_PID=", "PROLIFIC_PID[]="),
    "a list with a number": _prolific().replace("PROLIFIC_PID=", "PROLIFIC_PID[0]="),
    "an object": _prolific().replace("PROLIFIC_PID=", "PROLIFIC_PID[$ne]="),
    "small names": _prolific().lower(),
    "names with a zero byte": _prolific().replace("PROLIFIC_PID=", "PROLIFIC_PID%00="),
    "semicolons": _prolific().replace("&", ";"),
    "bytes that are no text": _prolific(PROLIFIC_PID="").replace("PROLIFIC_PID=", "PROLIFIC_PID=%ff%fe%c0%b0"),
    "half a character": _prolific(PROLIFIC_PID="").replace("PROLIFIC_PID=", "PROLIFIC_PID=%ed%a0%80"),
    "utf-16": urlencode({name: value.encode("utf-16") for name, value in from_prolific().items()}),
    "utf-7": _prolific(PROLIFIC_PID="+ADw-script+AD4-alert(1)+ADw-/script+AD4-"),
    "encoded twice": _prolific(PROLIFIC_PID=quote("%61" * 24)),
    "two thousand parameters": "&".join(f"PROLIFIC_PID={n:024x}" for n in range(2000)),
}
FRAMING = {
    "nothing": "",
    "no worker": _without(from_framing(), "workerId"),
    "no place to hand in": _without(from_framing(), "submitTo"),
    "a worker of a hundred kilobytes": _framing(workerId="A" * 100_000),
    "a worker and a line": _framing(workerId=f"{WORKER}\n"),
    "a worker and a zero byte": _framing(workerId=f"{WORKER}\0"),
    "a worker of markup": _framing(workerId='A"><script>alert(1)</script>'),
    "a worker of other digits": _framing(workerId="A١٢٣"),
    "an assignment of a path": _framing(assignmentId="../../submit"),
    "an assignment of another form": _framing(assignmentId=f"3&code=1#https://{EVIL}"),
    "an assignment twice": _framing() + "&assignmentId=3OTHER",
    "a preview that is none": _framing(assignmentId="ASSIGNMENT_ID_NOT_AVAILABLE\n"),
    "a preview and an assignment": _framing(assignmentId="ASSIGNMENT_ID_NOT_AVAILABLE") + "&assignmentId=3ASSIGNMENT1",
    "two sites to hand in at": _framing() + "&" + urlencode({"submitTo": f"https://{EVIL}"}),
    "a list": _framing().replace("workerId=", "workerId[]="),
    "bytes that are no text": _framing(workerId="").replace("workerId=", "workerId=%ff%fe"),
    "utf-16": urlencode({name: value.encode("utf-16") for name, value in from_framing().items()}),
    "two thousand parameters": "&".join(f"workerId=A{n}" for n in range(2000)),
}
#: Queries that are right, and something else with them.
MORE: dict[str, Send] = {
    "somewhere to go next": _get("prolific", _prolific() + f"&next=https://{EVIL}&completion_url=https://{EVIL}"),
    "codes of its own": _get("prolific", _prolific() + f"&cc=STOLEN&completed=STOLEN&url=//{EVIL}"),
    "the consent of somebody else": _post("prolific", urlencode(COMES["prolific"]("c"))),
    "the consent of another worker": _post("framing", urlencode(COMES["framing"]("c"))),
    "the consent of another study": lambda world: harmless(
        world.public.post(_address(world, "prolific", _prolific()), world.recruited_forms["framing"])
    ),
    "the consent of somebody who came by an open link": lambda world: harmless(
        world.public.post(_address(world, "prolific", _prolific()), world.join_form)
    ),
    "ids in the form alone": lambda world: harmless(
        world.public.post(_address(world, "prolific", ""), world.recruited_forms["prolific"] | from_prolific())
    ),
    "another host": lambda world: harmless(
        world.public.get(_address(world, "framing", _framing()), headers={"host": EVIL, "x-forwarded-host": EVIL})
    ),
    "ids of one recruiter for the other": _get("framing", _prolific()),
    "a worker at Prolific": _get("prolific", _framing()),
    "asking for the head alone": lambda world: harmless(
        world.public.head(_address(world, "framing", _framing(submitTo=f"https://{EVIL}")))
    ),
}


def _query(dice: Random) -> Send:
    key = dice.choice(sorted(PERSON))
    good = COMES[key]()
    agreeing = dice.random() < 0.5
    # Agreeing with everything right would be no hostile input: of who comes, at least, something is wrong.
    spoilt = {PERSON[key], *dice.sample(sorted(good), min(dice.randrange(3), len(good)))}
    pairs = [(name, written(dice) if name in spoilt else value) for name, value in good.items()]
    for _ in range(dice.randrange(3)):
        pairs.append((dice.choice((dice.choice(pairs)[0], written(dice)[:200])), written(dice)))
    dice.shuffle(pairs)
    query = urlencode(pairs)
    if dice.random() < 0.3:
        # As bytes; whoever is named in what is left of them is not who has agreed.
        query = quote(mangled(dice, query.encode()), safe="=&%;+[]")
    return (_post if agreeing else _get)(key, query)


GENERATORS: dict[str, Callable[[Random], Send]] = {"recruiting": _query}
assert set(PERSON) == {key for key in SETTINGS if key in COMES}

"""How an answer was given, as its page sends it: whatever cannot be that is taken for nothing."""

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from studies.analysis.automation import WAYS
from studies.lib.client_browser import browser_of

#: Bytes of all of it; a page sends some hundreds.
LONGEST = 2000
#: The field that no person comes upon.
HIDDEN_FIELD = "more"
#: Numbers of an answer and of a browser, with the largest each can be.
OF_ANSWER = {"moves": 1e6, "distance": 1e7, "net": 1e5, "straight": 1, "first_ms": 1e8, "keys": 1e5, "pastes": 1e4}
OF_SESSION = {"width": 1e5, "height": 1e5, "ratio": 100, "hertz": 1000, "touch_points": 100}
#: The name that browsers without a window give themselves.
HEADLESS = "HeadlessChrome"

Evidence = tuple[dict[str, Any] | None, dict[str, Any] | None]


def evidence_of(request: HttpRequest, design: Mapping[str, Any]) -> Evidence:
    """How an answer was given and what its browser is, JSON-ready; None each where nothing valid was sent.

    Nothing where the design does not have it recorded: people did not agree to it.
    """
    text = request.POST.get("evidence", "") if design.get("evidence") else ""
    if not text or len(text.encode()) > LONGEST:
        return None, None
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(told, dict) or told.get("by") not in WAYS:
        return None, None
    flags = {name: told.get(name) is True for name in ("trusted", "input", "focus", "visible")}
    return {"by": told["by"], **flags, "off": _off(told.get("off")), **_numbers(told, OF_ANSWER)}, _session(
        request, told
    )


def hidden_field(request: HttpRequest, design: Mapping[str, Any]) -> bool:
    """Whether the field that no person comes upon was filled in."""
    return bool(design.get("hidden_field")) and bool(request.POST.get(HIDDEN_FIELD, "").strip())


def _session(request: HttpRequest, told: Mapping[str, Any]) -> dict[str, Any] | None:
    session = told.get("setup")
    if not isinstance(session, dict):
        return None
    agent = request.headers.get("User-Agent", "")
    driven = session.get("webdriver") is True or HEADLESS in agent
    return {"webdriver": driven, "browser": browser_of(agent), **_numbers(session, OF_SESSION)}


def _off(value: Any) -> list[float] | None:
    """Where in its target a click was: shares of width and height from the middle, at most a little outside."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    found = [_number(one, 2) for one in value]
    return None if None in found else found


def _numbers(told: Mapping[str, Any], most: Mapping[str, float]) -> dict[str, float | None]:
    found = {name: _number(told.get(name), largest) for name, largest in most.items()}
    return {name: None if value is None or value < 0 else value for name, value in found.items()} | {
        name: 0 for name in ("moves", "keys", "pastes") if name in most and found[name] is None
    }


def _number(value: Any, most: float) -> float | None:
    """A JSON number of at most so much, either side of 0; None for anything else, as for true and for infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -most <= value <= most:
        return None
    return value

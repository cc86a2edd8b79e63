"""Evidence of answers given by programs: what a page saw of how each answer was given, tallied for a participant.

Each signal is something that programs leave and people do not: not with a mouse, a finger, a keyboard, nor by the
actions of a screen reader.  A program that hides it leaves none; so a participant without a signal is not shown to be a
person.  Thresholds are fixed here with `VERSION`, and are part of what a design registers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VERSION = 1
#: How an answer was given: the last one is by an action that came from no device, as of assistive technology.
WAYS = ("mouse", "pen", "touch", "key", "action")
#: Pointer movements before a click that are too few to have led there, over so many CSS pixels.
FEW_MOVES, FAR = 2, 50
#: A click is in the centre where it lies within this share of the target's size.
CENTRE = 0.02
#: So many answers of a kind are a signal.
AT_LEAST = 3

SIGNALS = {
    "automated_browser": "the browser says that a program drives it",
    "scripted_answers": "answers came from a script, without any input of a person",
    "hidden_field": "a field that no person sees or hears was filled in",
}
#: What a tally counts.  Jumps of the pointer are no signal: screen readers and control by voice move it so, too.
COUNTS = ("answers", "mouse", "jumps", "scripted", "hidden_field")


def tallied(before: Mapping[str, int], evidence: Mapping[str, Any] | None, *, hidden_field: bool) -> dict[str, int]:
    """The tally of a participant with one answer more; ``evidence`` as `read` gives it, None where there is none."""
    tally = {name: int(before.get(name, 0)) for name in COUNTS}
    tally["hidden_field"] += hidden_field
    if evidence is None:
        return tally
    tally["answers"] += 1
    tally["mouse"] += evidence["by"] == "mouse"
    tally["jumps"] += _jumped(evidence)
    tally["scripted"] += not evidence["trusted"] and not evidence["input"]
    return tally


def _jumped(evidence: Mapping[str, Any]) -> bool:
    """Whether the pointer came to the middle of what it pressed from afar, without moving there."""
    if evidence["by"] != "mouse" or evidence["net"] is None or evidence["off"] is None:
        return False
    far = evidence["net"] >= FAR and evidence["moves"] <= FEW_MOVES
    return far and max(abs(one) for one in evidence["off"]) <= CENTRE


def signals(session: Mapping[str, Any] | None, tally: Mapping[str, int]) -> list[str]:
    """The names of the signals of one participant, in the order of `SIGNALS`."""
    found = {
        "automated_browser": bool(session and session.get("webdriver")),
        "scripted_answers": tally.get("scripted", 0) >= AT_LEAST,
        "hidden_field": tally.get("hidden_field", 0) > 0,
    }
    return [name for name in SIGNALS if found[name]]


def methods(counts: Mapping[str, int], *, people: int, rule: str, instructed: bool, hidden_field: bool) -> str:
    """The paragraph for a paper's methods: what was done against answers by programs, and what was found.

    Args:
        counts: participants with each signal, and ``flagged``, those with any.
        people: participants of whom a page recorded evidence.
        rule: ``exclude`` where the design registered that those with a signal do not count; else they are flagged.
        instructed, hidden_field: whether people were asked to answer by themselves, and whether pages had the field.
    """
    did = ["Pages recorded how each answer was given: by mouse, pen, touch, keyboard or another action."]
    if instructed:
        did.append("Participants were asked to answer by themselves, without a program.")
    if hidden_field:
        did.append("Each page held a field that neither people nor assistive technology come upon.")
    kinds = "; ".join(
        f"{SIGNALS[name]}: {counts.get(name, 0)}" for name in SIGNALS if name != "hidden_field" or hidden_field
    )
    found = f"Of {people} participants with such records, {counts.get('flagged', 0)} had at least one signal ({kinds})."
    what = (
        "As registered, their answers were not counted, and others were asked instead."
        if rule == "exclude"
        else "Their answers were kept; the result is given with and without them."
    )
    limits = "Answering by keyboard or with a screen reader raises no signal."
    limits += " A program that hides its traces raises none either."
    return " ".join([*did, found, what, limits])

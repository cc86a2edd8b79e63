"""Evidence that a program answers: noted with each answer where the design has it recorded, and never told anybody.

What is a signal is `studies.analysis.automation`'s to say.  Nothing here ends anybody's participation, or their pay.
"""

from collections.abc import Mapping
from typing import Any

from studies.analysis import automation
from studies.models import Participant
from studies.protocols.base.session_form import Flagging


def note(
    person: Participant,
    evidence: Mapping[str, Any] | None,
    session: Mapping[str, Any] | None,
    *,
    hidden_field: bool = False,
) -> None:
    """Add one answer to what is known of how somebody answers; `person` is locked.

    Their browser is kept as it was first seen, but one that is driven by a program later on is.
    """
    if not person.study.design.get("evidence") or (evidence is None and not hidden_field):
        return
    known = person.evidence or {}
    first = known.get("session") or (dict(session) if session else None)
    if first and session and session.get("webdriver"):
        first = {**first, "webdriver": True}
    tally = automation.tallied(known.get("tally") or {}, evidence, hidden_field=hidden_field)
    person.evidence = {"session": first, "tally": tally, "version": automation.VERSION}
    person.flags = automation.signals(first, tally)
    Participant.objects.filter(pk=person.pk).update(evidence=person.evidence, flags=person.flags)


def excludes(person: Participant) -> bool:
    """Whether the answers of this person do not count, as their study registered."""
    return bool(person.flags) and person.study.design.get("flagging") == Flagging.EXCLUDE

"""What participants agree to: composed from the design, or the researcher's own words.

An empty `Study.consent_text` means composed.  A composed text is frozen in every language that the pages can have, each
hashed; one's own is frozen as it stands.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import translation

from studies import recruiters
from studies.models import Study

from .consent_claims import SECTIONS, ConsentClaim, automatic, claims
from .consent_details import SAYS, missing

#: Marks a heading at the beginning of a line.
HEADING = "# "
#: Names that lead to this machine, or by RFC 2606 and 6761 to none.
OWN_NAMES = {"localhost", "testserver", "example.com", "example.net", "example.org"}
OWN_ENDINGS = (".localhost", ".test", ".example", ".invalid", *(f".{name}" for name in OWN_NAMES))


@dataclass(frozen=True)
class ListedClaim:
    """A claim beside a text of one's own, and whether the text is said to make it."""

    claim: ConsentClaim
    said: bool


def languages_of(study: Study) -> list[str]:
    """The languages its pages can have; the first is that of a browser with none of them."""
    if own := study.design.get("language"):
        return [own]
    first = settings.LANGUAGE_CODE.split("-")[0]
    return [first, *(code for code, _name in settings.LANGUAGES if code != first)]


def composed_text(study: Study) -> str:
    """The text of all claims in the active language: a heading, then its sentences, one paragraph a section."""
    found = claims(study)
    paragraphs = []
    for section, title in SECTIONS.items():
        lines = [claim.text for claim in found if claim.section == section]
        paragraphs.append("\n".join([f"{HEADING}{title}", *lines]))
    return "\n\n".join(paragraphs)


def consent_texts(study: Study) -> Mapping[str, str]:
    """By language what is frozen when the study opens; under “” where it is of one's own and has one language alone."""
    if study.consent_text:
        return {"": full_consent_text(study)}
    texts = {}
    for language in languages_of(study):
        with translation.override(language):
            texts[language] = composed_text(study)
    return texts


def full_consent_text(study: Study) -> str:
    """All that people agree to, in the active language where it is composed."""
    if not study.consent_text:
        return composed_text(study)
    with translation.override(study.design.get("language") or "en"):
        return "\n\n".join([study.consent_text, *(text for _key, text in automatic(study))])


def listed(study: Study) -> list[ListedClaim]:
    """Each claim of the composed text, and whether a text of one's own is ticked to say it, as it is now."""
    ticked = study.consent_details.get(SAYS) or {}
    now, added = _digests(study), {key for key, _text in automatic(study)}
    return [
        ListedClaim(claim, claim.key in added or ticked.get(claim.key) == now[claim.key]) for claim in claims(study)
    ]


def with_ticks(study: Study, details: Mapping[str, Any]) -> dict[str, Any]:
    """The details with their ticks bound to what the claims say now: another design has them ticked again."""
    said = details.get(SAYS)
    if not isinstance(said, list):
        return dict(details)
    study.consent_details = dict(details)
    return {**details, SAYS: {key: digest for key, digest in _digests(study).items() if key in said}}


def _digests(study: Study) -> dict[str, str]:
    """By claim the SHA-256 of what it says in English."""
    with translation.override("en"):
        return {claim.key: hashlib.sha256(claim.text.encode()).hexdigest() for claim in claims(study)}


def untold(study: Study) -> str:
    """What participants would not be told, as half a sentence; empty where there is nothing."""
    if study.rehearsal_of_id:
        return ""
    if study.consent_text:
        keys = [one.claim.key for one in listed(study) if not one.said]
        return f"its own consent text is not ticked to say: {', '.join(keys)}" if keys else ""
    empty = missing(study)
    return f"its consent text has nothing for: {', '.join(empty)}" if empty else ""


def others_can_come(study: Study) -> bool:
    """Whether people beside us can come: a recruiter names them, or the site's address leads beyond this machine."""
    chosen = getattr(study, "recruitment", None)
    if chosen and recruiters.get(chosen.recruiter).names_people:
        return True
    host = (urlsplit(settings.SITE_URL).hostname or "").rstrip(".")
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host not in OWN_NAMES and not host.endswith(OWN_ENDINGS)

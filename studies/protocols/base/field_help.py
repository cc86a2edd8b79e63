"""Facts about a setting beside its help text: its group, unit, source and effect.

A form says it of its own fields in `about`; forms that build on others take over what those say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PAPER = "Stock & Cissé 2018"


@dataclass(frozen=True)
class Group:
    """Settings that belong together, under one heading."""

    title: str
    note: str


#: In the order in which a participant meets what they are about.
GROUPS: Mapping[str, Group] = {
    "pictures": Group("Pictures and classifier", "Which images are shown, and which network they are about."),
    "attack": Group("How images are attacked", "IFGSM takes small steps away from the right decision."),
    "explanation": Group("How decisions are explained", "LIME finds the superpixels that support a label."),
    "choosing": Group("How images are chosen", "Prototypes are typical of their class, criticisms are not."),
    "asked": Group("What is asked", "The question under each picture, and the answers that count."),
    "people": Group("How many people", "Answers per person and per stimulus, and the agreement rule."),
    "consent": Group("Consent", "The consent text is on the study’s page."),
    "questions": Group("Questions about the person", "Asked once, after the consent. Participants may skip them."),
    "instructions": Group("Instructions", "Read before the first trial."),
    "checks": Group("Practice and gold", "Control trials with a known answer; never counted."),
    "screening": Group("Screening", "Participants who answer without looking."),
    "end": Group("The end", "Comments, debriefing and the address to continue to."),
    "texts": Group("Language", "Language of the pages."),
}


@dataclass(frozen=True)
class FieldHelp:
    """Beside the help of its field; `group` is one of GROUPS, `unit` what its number counts."""

    group: str
    changes: str = ""
    unit: str = ""
    source: str = ""


@dataclass(frozen=True)
class PublishedDesign:
    """The settings of a study that was published, each with the place that says so.

    What `design` leaves out is the default.  `still` names settings that the paper leaves open.
    """

    key: str
    title: str
    design: Mapping[str, Any]
    sources: Mapping[str, str] = field(default_factory=dict)
    still: Mapping[str, str] = field(default_factory=dict)
    paper: str = PAPER


def field_help(form_class: type, name: str) -> FieldHelp:
    """What is said of the setting `name` by the form, or by the nearest form it builds on."""
    for kind in form_class.__mro__:
        if found := vars(kind).get("about", {}).get(name):
            return found
    return FieldHelp("pictures")

"""What a researcher is told of a setting beside its help: where it belongs, its unit, its source, what it changes.

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
    "explanation": Group("How decisions are explained", "LIME finds the superpixels that speak for a label."),
    "choosing": Group("How images are chosen", "Prototypes are typical of their class, criticisms are not."),
    "asked": Group("What is asked", "The question under each picture, and which answers count."),
    "people": Group("How many people", "Who answers how much, and when a panel agrees."),
    "consent": Group("Consent", "The text people agree to is on the study’s own page."),
    "questions": Group("Questions about the person", "Asked once, after the consent. Nobody has to answer them."),
    "instructions": Group("Instructions", "What people read before they begin."),
    "checks": Group("Practice and gold", "Trials whose answer is known; their answers are never counted."),
    "screening": Group("Screening", "What becomes of people who do not look."),
    "end": Group("The end, and the way back", "Comments, what people read last, and where they go on to."),
    "texts": Group("Language", "Of the pages’ own words."),
}


@dataclass(frozen=True)
class Setting:
    """Beside the help of its field; `group` is one of GROUPS, `unit` what its number counts."""

    group: str
    changes: str = ""
    unit: str = ""
    source: str = ""


@dataclass(frozen=True)
class AsInPaper:
    """The settings of a study that was published, each with the place that says so.

    What `design` leaves out is the default.  `still` names settings that the paper leaves to whoever repeats it.
    """

    key: str
    title: str
    design: Mapping[str, Any]
    sources: Mapping[str, str] = field(default_factory=dict)
    still: Mapping[str, str] = field(default_factory=dict)
    paper: str = PAPER


def about(form_class: type, name: str) -> Setting:
    """What is said of the setting `name` by the form, or by the nearest form it builds on."""
    for kind in form_class.__mro__:
        if found := vars(kind).get("about", {}).get(name):
            return found
    return Setting("pictures")

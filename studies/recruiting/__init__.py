"""The ways people come to a study.  Each is one file in this folder; nothing outside them knows their names.

A recruiter is found by being here, like a protocol.
"""

import importlib
import pkgutil
from functools import cache

from studies.errors import StudyError

from .base import (
    Arrived,
    Handed,
    HowFar,
    Instruction,
    Market,
    NotFromHere,
    Offer,
    Outcome,
    Recruiter,
    RecruiterForm,
    Unanswered,
    WayOn,
)
from .open_link import OpenLink

__all__ = [
    "DEFAULT",
    "Arrived",
    "Handed",
    "HowFar",
    "Instruction",
    "Market",
    "NotFromHere",
    "Offer",
    "Outcome",
    "Recruiter",
    "RecruiterForm",
    "Unanswered",
    "WayOn",
    "available",
    "get",
]

#: Of a study for which nobody has chosen.
DEFAULT = OpenLink.key


@cache
def available() -> dict[str, Recruiter]:
    """Every recruiter by its key: the default first, the others in alphabetical order."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        sibling = importlib.import_module(f"{__name__}.{module.name}")
        for thing in vars(sibling).values():
            here = isinstance(thing, type) and thing.__module__ == sibling.__name__
            if here and issubclass(thing, Recruiter) and thing is not Recruiter:
                found[thing.key] = thing()
    return dict(sorted(found.items(), key=lambda pair: (pair[0] != DEFAULT, pair[0])))


def get(key: str) -> Recruiter:
    """The recruiter called `key`; StudyError, naming those there are, for any other."""
    try:
        return available()[key]
    except KeyError:
        raise StudyError(f"there is no recruiter {key!r}; there are: {', '.join(available())}") from None

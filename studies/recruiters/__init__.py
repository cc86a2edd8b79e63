"""The ways people come to a study.  Each is one file in this folder; nothing outside them knows their names.

A recruiter is found by being here, or in `recruiters` of any other installed app, as protocols are.
"""

from functools import cache

from studies.lib import plugins
from studies.lib.errors import StudyError

from .base import (
    Arrived,
    Draft,
    Exit,
    Fee,
    Instruction,
    Market,
    NotFromHere,
    Recruiter,
    RecruiterForm,
    Submission,
    SubmissionState,
    VisitOutcome,
)
from .open_link import OpenLink

__all__ = [
    "DEFAULT",
    "Arrived",
    "Draft",
    "Exit",
    "Fee",
    "Instruction",
    "Market",
    "NotFromHere",
    "Recruiter",
    "RecruiterForm",
    "Submission",
    "SubmissionState",
    "VisitOutcome",
    "available",
    "get",
]

#: Of a study for which nobody has chosen.
DEFAULT = OpenLink.key


@cache
def available() -> dict[str, Recruiter]:
    """Every recruiter by its key: the default first, the others in alphabetical order.

    ImproperlyConfigured where two have one key.
    """
    found = plugins.find("recruiters", Recruiter)
    return dict(sorted(found.items(), key=lambda pair: (pair[0] != DEFAULT, pair[0])))


def get(key: str) -> Recruiter:
    """The recruiter called `key`; StudyError, naming those there are, for any other."""
    try:
        return available()[key]
    except KeyError:
        raise StudyError(f"there is no recruiter {key!r}; there are: {', '.join(available())}") from None

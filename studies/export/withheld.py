"""What an export leaves out, each with its reason; and what can be left out besides."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from studies.lib.errors import StudyError
from studies.results.frames import Row

NAME = "withheld.json"
PEOPLE, LOG = "people", "log"
#: What `--without` takes.
CHOICES = (PEOPLE, LOG)

#: Left out of every export.
ALWAYS = {
    "ids of recruiters": "They lead to persons, and are kept apart from answers.",
    "completion codes and keys of participants' pages": "With them anyone could withdraw for a participant.",
    "names of accounts": "The log has numbers of researchers in their place; the same number is the same account.",
    "details of log lines about persons": "Reasons of exclusions stand in participants.csv; shares and recruiters "
    "name people.",
    "lines of the log about reading results": "Looks before the end are in looks.csv; reading and exporting change "
    "nothing.",
    "photographs": "They may not be yours to pass on. photographs.csv has the SHA-256 of each.",
    "weights of classifiers": "study.json has their SHA-256 and where they came from.",
}
NO_PICTURES = {"pictures": "The export was written without --pictures. pictures.csv has the SHA-256 of each."}
#: Left out with `--without people`.
OF_PEOPLE = {
    "background, comments and exclusion_reason in participants.csv": "Left out on request: in people's own words.",
    "number in participants.csv": "Left out on request: it joins to the log and to earlier exports.",
    "sizes, zoom and browser in answers.csv": "Left out on request: together they can tell devices apart.",
    "times of day in answers.csv and participants.csv": "Left out on request: only the day (UTC) is kept. How long "
    "answers took stays.",
}
OF_LOG = {"log.csv": "Left out on request."}

BLANK = frozenset(
    [
        "background",
        "comments",
        "exclusion_reason",
        "number",
        "shown_width",
        "shown_height",
        "smallest_width",
        "pixel_ratio",
        "zoom",
        "browser",
    ]
)


def check(without: Iterable[str]) -> frozenset[str]:
    """What is to be left out; StudyError for anything else than CHOICES."""
    chosen = frozenset(without)
    if unknown := sorted(chosen - set(CHOICES)):
        raise StudyError(f"--without {unknown[0]}: there is only {' and '.join(CHOICES)} to leave out")
    return chosen


def listed(without: frozenset[str], *, pictures: bool) -> dict[str, str]:
    """What was left out of an export, each with its reason."""
    return {
        **ALWAYS,
        **({} if pictures else NO_PICTURES),
        **(OF_PEOPLE if PEOPLE in without else {}),
        **(OF_LOG if LOG in without else {}),
    }


def of_people(columns: Mapping[str, Any]) -> Callable[[Row], Row]:
    """What makes a row of these columns one without what tells people apart: empty cells, and days for moments."""
    blank = [name in BLANK for name in columns]

    def without(row: Row) -> Row:
        return tuple(
            None if empty else _day(value) if isinstance(value, datetime) else value
            for value, empty in zip(row, blank, strict=True)
        )

    return without


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)

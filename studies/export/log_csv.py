"""The log of a study as CSV: with names for those who run it, without for whoever reads an export."""

import csv
from collections.abc import Iterable, Iterator
from typing import Any

from studies import audit
from studies.lib.csv_files import cell
from studies.models import Event, Study
from studies.results.frames import Row

COLUMNS = ("at", "who", "what", "study", "details")

#: What was done by no account, as the log calls it.
NOBODY = {"command line", "worker", "participant", "retention"}
#: Reading and exporting change nothing, and an export of the same study has the same bytes.
READING = (Event.What.LOOKED, Event.What.EXPORTED, Event.What.NAMED)
#: Of which lines the details are about the study alone; of all others they may name people.
TOLD = frozenset(
    Event.What[name]
    for name in [
        "CREATED",
        "DESIGN",
        "TEXTS",
        "CANCELLED",
        "PREPARED",
        "FAILED",
        "REHEARSED",
        "OPENED",
        "REOPENED",
        "PAUSED",
        "CLOSED",
        "AMENDED",
        "DUPLICATED",
        "ARCHIVED",
        "UNARCHIVED",
        "SIMULATED",
        "WITHDRAWN",
        "FORGOTTEN",
        "WORDS",
    ]
)
#: Details that name an account.
ACCOUNTS = ("owner", "user")


def write_csv(events: Iterable[Event], file: Any) -> None:
    """Oldest first; `details` is JSON."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for event in events:
        row = [event.at.isoformat(), event.who, event.get_what_display(), event.slug, event.details]
        writer.writerow([cell(value) for value in row])


def anonymous(study: Study) -> Iterator[Row]:
    """The lines of a study's log, oldest first, without names: each account is a researcher with a number."""
    numbers: dict[str, str] = {}
    for event in study.events.exclude(what__in=READING).order_by("at", "pk").iterator(chunk_size=1000):
        if event.actor_id is None and event.who in NOBODY | {audit.COMMAND_LINE, audit.WORKER}:
            who = event.who
        else:
            who = numbers.setdefault(event.who, f"researcher {len(numbers) + 1}")
        told = event.details if event.what in TOLD else {}
        details = {name: value for name, value in told.items() if name not in ACCOUNTS}
        yield study.slug, event.at, who, event.get_what_display(), details

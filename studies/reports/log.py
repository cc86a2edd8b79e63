"""The log of a study as CSV."""

import csv
from collections.abc import Iterable
from typing import Any

from studies.models import Event

from .files import cell

COLUMNS = ("at", "who", "what", "study", "details")


def write_csv(events: Iterable[Event], file: Any) -> None:
    """Oldest first; `details` is JSON."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for event in events:
        row = [event.at.isoformat(), event.who, event.get_what_display(), event.slug, event.details]
        writer.writerow([cell(value) for value in row])

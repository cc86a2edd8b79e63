"""The rows of a study as flat tables: streamed for the export, as pandas tables for statistics."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from studies import protocols
from studies.models import Role, Study, Trial

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_A_TIME = 4_000

Row = tuple[Any, ...]


@contextmanager
def one_moment() -> Iterator[None]:
    """All that is read within is of one moment, while answers go on coming in; nobody waits for it."""
    connection.ensure_connection()
    sqlite = connection.vendor == "sqlite"
    if connection.in_atomic_block or (sqlite and connection.connection.in_transaction):
        yield
    elif sqlite:
        # Not atomic(): that begins by taking the lock for writing, and participants would have to wait.
        connection.cursor().execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            connection.cursor().execute("ROLLBACK")
    else:
        with transaction.atomic():
            connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield


def answers(study: Study) -> Iterator[Row]:
    """One row for each stimulus shown to a participant, whatever became of it, in the order of claiming."""
    trials = Trial.objects.filter(study=study, presented_at__isnull=False).order_by("pk")
    rows = trials.values_list(
        "stimulus__condition__key",
        "stimulus__number",
        KeyTextTransform("image", "stimulus__truth"),
        KeyTextTransform("label", "stimulus__truth"),
        "participant__public_id",
        "visit",
        "position",
        "role",
        "answer",
        "correct",
        "counted",
        "exclusion",
        "presented_at",
        "answered_at",
        "response_ms",
        "away_ms",
        "hidden_count",
        "blur_count",
        "participant__simulated",
    )
    for values in _read(rows):
        *before, participant, visit, position, role, answer, correct, counted, exclusion = values[:12]
        shown, answered, took, *away, simulated = values[12:]
        server_ms = milliseconds(answered - shown) if answered else None
        correct = None if correct is None else int(correct)
        yield (
            *(study.slug, *before, str(participant), visit, position, role, answer, correct, int(counted), exclusion),
            *(shown, answered, took, server_ms, *away, int(simulated)),
        )


def stimuli(study: Study) -> Iterator[Row]:
    """One row for each stimulus, in order."""
    known = protocols.get(study.protocol).known
    counted = Count("trials", filter=Q(trials__counted=True))
    rows = study.stimuli.order_by("number").annotate(n=counted)
    columns = ("condition__key", "number", "role", "truth", "shown", "digest", "n")
    for condition, number, role, truth, shown, digest, n in _read(rows.values_list(*columns)):
        extra = (truth.get(name) for name in known)
        yield study.slug, condition, number, role, truth["image"], truth["label"], *extra, n, shown, truth, digest


def participants(study: Study) -> Iterator[Row]:
    """One row for each participant who agreed, under a random identifier."""
    main, gold = Q(trials__role=Role.MAIN), Q(trials__role=Role.GOLD, trials__answered_at__isnull=False)
    shown = main & Q(trials__presented_at__isnull=False)
    answered = main & Q(trials__answered_at__isnull=False)
    people = study.participants.order_by("pk").annotate(
        n_shown=Count("trials", filter=shown),
        n_answered=Count("trials", filter=answered),
        n_counted=Count("trials", filter=Q(trials__counted=True)),
        n_gold=Count("trials", filter=gold),
        n_gold_right=Count("trials", filter=gold & Q(trials__correct=True)),
    )
    columns = ("public_id", "number", "consent__version", "consent__sha256", "consented_at", "started_at")
    columns += ("finished_at", "screened_out_at", "excluded_at", "exclusion_reason", "arm__key", "visit", "returns_at")
    columns += ("n_shown", "n_answered", "n_counted", "n_gold", "n_gold_right", "background", "comments")
    for public_id, *rest, withdrawn_at, simulated in _read(people.values_list(*columns, "withdrawn_at", "simulated")):
        yield study.slug, str(public_id), *rest, int(withdrawn_at is not None), int(simulated)


def looks(study: Study) -> Iterator[Row]:
    """One row for each time somebody saw outcomes before the study closed."""
    for row in study.looks.values_list("looked_at", "way", "answers", "participants"):
        yield study.slug, *row


# --- for statistics ---------------------------------------------------------------------------------------------------


def counted_answers(study: Study) -> "pd.DataFrame":
    """The answers that count, in the order of claiming: one row each, at some 20 bytes; to be read in one moment.

    Columns: participant (codes from 0, in the order of their first answer), stimulus (its number), answer and condition
    (categories), response_ms (as the page measured it, missing where it did not) and server_ms.
    """
    import numpy as np
    import pandas as pd

    trials = Trial.objects.filter(study=study, counted=True).order_by("pk")
    columns = ("participant", "stimulus__number", "answer", "stimulus__condition__key", "response_ms")
    rows = _read(trials.values_list(*columns, "presented_at", "answered_at"))
    participant, answer, condition = _Codes(), _Codes(), _Codes()
    n = trials.count()
    people, numbers = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    said, arms = np.empty(n, dtype=np.int16), np.empty(n, dtype=np.int16)
    page, server = np.empty(n, dtype=np.float32), np.empty(n, dtype=np.float32)
    for start in range(0, n, ROWS_AT_A_TIME):
        here = slice(start, start + ROWS_AT_A_TIME)
        *columns, shown, answered = zip(*islice(rows, ROWS_AT_A_TIME), strict=True)
        people[here], numbers[here], said[here], arms[here], page[here] = (
            participant.of(columns[0]),
            columns[1],
            answer.of(columns[2]),
            condition.of(columns[3]),
            [np.nan if ms is None else ms for ms in columns[4]],
        )
        server[here] = [milliseconds(b - a) for a, b in zip(shown, answered, strict=True)]
    return pd.DataFrame(
        {
            "participant": people,
            "stimulus": numbers,
            "answer": pd.Categorical.from_codes(said, answer.values),
            "condition": pd.Categorical.from_codes(arms, condition.values),
            "response_ms": page,
            "server_ms": server,
        },
        copy=False,
    )


def excluded_answers(study: Study) -> "pd.DataFrame":
    """The answers that do not count: the columns of `counted_answers` but participant, and exclusion, the reason."""
    import pandas as pd

    rows = Trial.objects.filter(study=study, role=Role.MAIN, answered_at__isnull=False, counted=False).order_by("pk")
    columns = ("stimulus__number", "answer", "stimulus__condition__key", "response_ms", "exclusion")
    found = [
        (*values, float(milliseconds(answered - shown)))
        for *values, shown, answered in _read(rows.values_list(*columns, "presented_at", "answered_at"))
    ]
    names = ["stimulus", "answer", "condition", "response_ms", "exclusion", "server_ms"]
    return pd.DataFrame.from_records(found, columns=names)


def stimulus_frame(study: Study) -> "pd.DataFrame":
    """The stimuli in order: number, condition, and what the summary of their design reads of `truth` and `shown`."""
    import numpy as np
    import pandas as pd

    rows, condition = study.stimuli.main().order_by("number"), _Codes()
    numbers = np.fromiter((number for (number,) in _read(rows.values_list("number"))), dtype=np.int32)
    arms = np.fromiter((condition.of(key)[0] for key in _read(rows.values_list("condition__key"))), dtype=np.int16)
    table = pd.DataFrame({"stimulus": numbers, "condition": pd.Categorical.from_codes(arms, condition.values)})
    protocol = protocols.get(study.protocol)
    for column, names in (("truth", protocol.reads(study.design)), ("shown", protocol.summary_shows)):
        if names:
            known = [tuple(value.get(name) for name in names) for (value,) in _read(rows.values_list(column))]
            table[list(names)] = pd.DataFrame.from_records(known, columns=names)
    return table


class _Codes:
    """Codes for the values of a column, given out from 0 as they occur."""

    def __init__(self) -> None:
        self._code: dict[Any, int] = {}

    @property
    def values(self) -> list[Any]:
        return list(self._code)

    def of(self, values: tuple[Any, ...]) -> list[int]:
        return [self._code.setdefault(value, len(self._code)) for value in values]


def milliseconds(time: timedelta) -> int:
    return round(time / timedelta(milliseconds=1))


def iso(moment: datetime) -> str:
    """In UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read(rows: QuerySet) -> Iterator[Row]:
    return rows.iterator(chunk_size=2000)

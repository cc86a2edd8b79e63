"""The rows of a study as flat tables: streamed for the export, as pandas tables for statistics."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from studies import protocols
from studies.models import Role, Study, Trial
from studies.models.answers import LARGEST_NUMBER

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_A_TIME = 4_000
#: What `answer_cells` and parts are read from.
FURTHER = ("stimulus__shown", "stimulus__truth", "arrangement", "parts")

Row = tuple[Any, ...]


def answers(study: Study) -> Iterator[Row]:
    """One row for each stimulus shown to a participant, whatever became of it, in the order of claiming."""
    trials = Trial.objects.filter(study=study, presented_at__isnull=False).order_by("pk")
    protocol, parts = protocols.get(study.protocol), parts_of(study)
    # Most studies have none, and are read without what only these need.
    compared = protocol.compared_classifiers(study.design)
    columns = FURTHER if protocol.answer_columns or parts or compared else ()
    origin = study.extends.slug if study.extends else None
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
        "translated",
        "shown_width",
        "shown_height",
        "smallest_width",
        "pixel_ratio",
        "zoom",
        "browser",
        "evidence",
        "participant__simulated",
        *columns,
        *([] if origin is None else ["participant__taken_over"]),
    )
    for values in _read(rows):
        *before, participant, visit, position, role, answer, correct, counted, exclusion = values[:12]
        shown, answered, took, *away, translated = values[12:19]
        *sizes, simulated = values[19:27]
        server_ms = taken(shown, answered) if answered else None
        correct = None if correct is None else int(correct)
        yield (
            *(study.slug, *before, str(participant), visit, position, role, answer, correct, int(counted), exclusion),
            *(shown, answered, took, server_ms, *away, None if translated is None else int(translated)),
            *(*sizes, int(simulated)),
            *(_further(protocol, parts, answer, *values[27 : 27 + len(FURTHER)]) if columns else ()),
            *(_verdicts(compared, values[28]) if compared else ()),
            *([] if origin is None else [origin if values[-1] else None]),
        )


def _further(
    protocol: protocols.Protocol, parts: Sequence[protocols.AnswerPart], answer: str, *of_trial: Any
) -> Iterator[Any]:
    page, truth, arrangement, said = of_trial
    yield from protocol.answer_cells(page, truth, arrangement, answer)
    yield from (None if said is None or part.name not in said else part.cell(said[part.name]) for part in parts)


def _verdicts(classifiers: Sequence[str], truth: Mapping[str, Any]) -> Iterator[str]:
    """What each of them got: "wrong" where the stimulus is an error of it."""
    return (truth["classifiers"][name] for name in classifiers)


def parts_of(study: Study) -> tuple[protocols.AnswerPart, ...]:
    """What the study asks beside the decision, as its first stimulus has it."""
    first = study.stimuli.order_by("number").values_list("shown", flat=True).first()
    if first is None:
        return ()
    protocol = protocols.get(study.protocol)
    return protocol.before(study.design, first) + protocol.parts(study.design, first)


def stimuli(study: Study) -> Iterator[Row]:
    """One row for each stimulus, in order."""
    protocol = protocols.get(study.protocol)
    columns_of_truth, compared = protocol.truth_columns, protocol.compared_classifiers(study.design)
    counted = Count("trials", filter=Q(trials__counted=True))
    rows = study.stimuli.order_by("number").annotate(n=counted)
    columns = ("condition__key", "number", "role", "truth", "shown", "digest", "n")
    for condition, number, role, truth, shown, digest, n in _read(rows.values_list(*columns)):
        extra = (truth.get(name) for name in columns_of_truth)
        known = (*extra, *_verdicts(compared, truth))
        yield study.slug, condition, number, role, truth["image"], truth["label"], *known, n, shown, truth, digest


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
    columns += (
        "n_shown",
        "n_answered",
        "n_counted",
        "n_gold",
        "n_gold_right",
        "background",
        "comments",
        "evidence",
        "flags",
    )
    rows = people.values_list(*columns, "withdrawn_at", "simulated")
    for public_id, number, *rest, withdrawn_at, simulated in _read(rows):
        shown_number = number if number <= LARGEST_NUMBER else None
        yield study.slug, str(public_id), shown_number, *rest, int(withdrawn_at is not None), int(simulated)


def looks(study: Study) -> Iterator[Row]:
    """One row for each time somebody saw outcomes before the study closed."""
    for row in study.looks.values_list("looked_at", "way", "answers", "participants"):
        yield study.slug, *row


# --- for statistics ---------------------------------------------------------------------------------------------------


def counted_answers(study: Study, people_codes: "Codes | None" = None) -> "pd.DataFrame":
    """The answers that count, in the order of claiming: one row each, at some 20 bytes; to be read in one moment.

    Columns: participant (codes from 0, in the order of their first answer), stimulus (its number), answer and condition
    (categories), response_ms (as the page measured it, missing where it did not) and server_ms; of protocols with
    several arrangements that too, and a column for each part that the summary reads. `people_codes` are those that
    further tables of the same people go on with.
    """
    import numpy as np
    import pandas as pd

    trials = Trial.objects.filter(study=study, counted=True).order_by("pk")
    columns = ("participant", "stimulus__number", "answer", "stimulus__condition__key", "response_ms")
    rows = _read(trials.values_list(*columns, "presented_at", "answered_at"))
    beside = _beside(study, trials)
    participant, answer, condition = people_codes or Codes(), Codes(), Codes()
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
        times = [taken(a, b) for a, b in zip(shown, answered, strict=True)]
        server[here] = [np.nan if ms is None else ms for ms in times]
    return pd.DataFrame(
        {
            "participant": people,
            "stimulus": numbers,
            "answer": pd.Categorical.from_codes(said, answer.values),
            "condition": pd.Categorical.from_codes(arms, condition.values),
            "response_ms": page,
            "server_ms": server,
            **beside,
        },
        copy=False,
    )


def _beside(study: Study, trials: QuerySet) -> dict[str, Any]:
    """Of each of these trials, in order, as columns: its arrangement, and the parts that the summary reads.

    None of either where the protocol has none to tell.
    """
    import numpy as np

    protocol, columns = protocols.get(study.protocol), {}
    if protocol.answer_columns:
        orders = (one for (one,) in _read(trials.values_list("arrangement")))
        columns["arrangement"] = np.fromiter(orders, dtype=np.int16)
    if names := protocol.summary_parts(study.design):
        said = [parts or {} for (parts,) in _read(trials.values_list("parts"))]
        columns |= {name: np.array([parts.get(name) for parts in said], dtype=object) for name in names}
    return columns


def excluded_answers(study: Study, people_codes: "Codes | None" = None) -> "pd.DataFrame":
    """The answers that do not count: the columns of `counted_answers`, and exclusion, the reason why."""
    import pandas as pd

    participant = people_codes or Codes()
    rows = Trial.objects.filter(study=study, role=Role.MAIN, answered_at__isnull=False, counted=False).order_by("pk")
    columns = ("participant", "stimulus__number", "answer", "stimulus__condition__key", "response_ms", "exclusion")
    found = [
        (participant.of((person,))[0], *values, float("nan") if (ms := taken(shown, answered)) is None else float(ms))
        for person, *values, shown, answered in _read(rows.values_list(*columns, "presented_at", "answered_at"))
    ]
    names = ["participant", "stimulus", "answer", "condition", "response_ms", "exclusion", "server_ms"]
    return pd.DataFrame.from_records(found, columns=names).assign(**_beside(study, rows))


def stimulus_frame(study: Study) -> "pd.DataFrame":
    """The stimuli in order: number, condition, and what the summary of their design reads of `truth` and `shown`."""
    import numpy as np
    import pandas as pd

    rows, condition = study.stimuli.main().order_by("number"), Codes()
    numbers = np.fromiter((number for (number,) in _read(rows.values_list("number"))), dtype=np.int32)
    arms = np.fromiter((condition.of(key)[0] for key in _read(rows.values_list("condition__key"))), dtype=np.int16)
    table = pd.DataFrame({"stimulus": numbers, "condition": pd.Categorical.from_codes(arms, condition.values)})
    protocol = protocols.get(study.protocol)
    for column, names in (("truth", protocol.reads(study.design)), ("shown", protocol.summary_shows)):
        if names:
            known = [tuple(value.get(name) for name in names) for (value,) in _read(rows.values_list(column))]
            table[list(names)] = pd.DataFrame.from_records(known, columns=names)
    return table


class Codes:
    """Codes for the values of a column, given out from 0 as they occur."""

    def __init__(self) -> None:
        self._code: dict[Any, int] = {}

    @property
    def values(self) -> list[Any]:
        return list(self._code)

    def of(self, values: tuple[Any, ...]) -> list[int]:
        return [self._code.setdefault(value, len(self._code)) for value in values]


def taken(shown: datetime, answered: datetime) -> int | None:
    """Milliseconds from a page to its answer; None where the times of somebody who withdrew were erased."""
    return milliseconds(answered - shown) if answered != shown else None


def milliseconds(time: timedelta) -> int:
    return round(time / timedelta(milliseconds=1))


def iso(moment: datetime) -> str:
    """In UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read(rows: QuerySet) -> Iterator[Row]:
    return rows.iterator(chunk_size=2000)

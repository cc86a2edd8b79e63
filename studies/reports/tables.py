"""The rows of a study as flat tables: the columns of the export, streamed.

Every column is described here once; the data dictionary of the export and its reference page are made from it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q

from studies.models import Study, Trial

if TYPE_CHECKING:
    import pandas as pd

ANSWERS = {
    "study": "Short name of the study.",
    "condition": "Arm of the study the stimulus belongs to.",
    "stimulus": "Number of the stimulus; stimuli.csv says what it shows.",
    "image": "Path of the photograph below the imported folder.",
    "label": "Name of the class that was asked about.",
    "participant": "Random identifier of the participant.",
    "visit": "1 for what the participant met in their first visit.",
    "position": "1 for the first stimulus the participant met.",
    "answer": "What was said; empty when the stimulus was shown and not answered.",
    "counted": "1 when the answer fills one of the wanted places of its panel, else 0.",
    "exclusion": "Why an answer does not count; empty when it does.",
    "presented_at": "When the stimulus was first shown, by the server's clock (UTC, ISO 8601).",
    "answered_at": "When the answer arrived, by the server's clock (UTC, ISO 8601).",
    "response_ms": "Milliseconds from the picture painted to the answer, as the page measured them.",
    "server_ms": "Milliseconds from presented_at to answered_at.",
    "simulated": "1 when the participant was a simulated one, else 0.",
}
STIMULI = {
    "study": "Short name of the study.",
    "condition": "Arm of the study the stimulus belongs to.",
    "stimulus": "Number of the stimulus.",
    "image": "Path of the photograph below the imported folder.",
    "label": "Name of the class that was asked about.",
    "asked": "The class as participants read it.",
    "truth": "All that is known about the stimulus, as JSON.",
    "shown": "All that its page was given, as JSON.",
    "digest": "SHA-256 of condition, shown and truth.",
    "counted_answers": "How many answers count.",
}
PARTICIPANTS = {
    "study": "Short name of the study.",
    "participant": "Random identifier of the participant.",
    "consent_version": "Which version of the consent text they agreed to.",
    "consented_at": "When they agreed (UTC, ISO 8601).",
    "started_at": "When they left the instructions (UTC, ISO 8601).",
    "finished_at": "When they had nothing left to do (UTC, ISO 8601).",
    "arm": "The condition of their last visit; empty where people meet all conditions.",
    "visits": "How many visits they began.",
    "returns_at": "Between visits: when the next one may begin (UTC, ISO 8601).",
    "presented": "How many stimuli they were shown.",
    "answered": "How many of them they answered.",
    "counted": "How many of their answers count.",
    "simulated": "1 for a simulated participant, else 0.",
}


def answers(study: Study) -> Iterator[dict[str, Any]]:
    """One row for each stimulus shown to a participant, whatever became of it, in the order of showing."""
    truths = {
        pk: (number, condition, truth)
        for pk, number, condition, truth in study.stimuli.values_list("pk", "number", "condition__key", "truth")
    }
    trials = Trial.objects.filter(study=study, presented_at__isnull=False).order_by("pk")
    columns = ("stimulus", "participant__public_id", "participant__simulated", "visit", "position", "answer", "counted")
    columns += ("exclusion", "presented_at", "answered_at", "response_ms")
    for row in trials.values_list(*columns).iterator(chunk_size=5000):
        stimulus, participant, simulated, visit, position, answer, counted, exclusion, *times = row
        presented, answered, response = times
        number, condition, truth = truths[stimulus]
        yield {
            "study": study.slug,
            "condition": condition,
            "stimulus": number,
            "image": truth["image"],
            "label": truth["label"],
            "participant": str(participant),
            "visit": visit,
            "position": position,
            "answer": answer,
            "counted": int(counted),
            "exclusion": exclusion,
            "presented_at": _iso(presented),
            "answered_at": _iso(answered),
            "response_ms": response,
            "server_ms": round((answered - presented).total_seconds() * 1000) if answered else None,
            "simulated": int(simulated),
        }


def stimuli(study: Study) -> Iterator[dict[str, Any]]:
    """One row for each stimulus."""
    counted = Count("trials", filter=Q(trials__counted=True))
    for stimulus in study.stimuli.select_related("condition").annotate(n=counted).order_by("number"):
        yield {
            "study": study.slug,
            "condition": stimulus.condition.key,
            "stimulus": stimulus.number,
            "image": stimulus.truth["image"],
            "label": stimulus.truth["label"],
            "asked": stimulus.shown.get("ask"),
            "truth": stimulus.truth,
            "shown": stimulus.shown,
            "digest": stimulus.digest,
            "counted_answers": stimulus.n,
        }


def participants(study: Study) -> Iterator[dict[str, Any]]:
    """One row for each participant who agreed, under a random identifier."""
    shown, answered = Q(trials__presented_at__isnull=False), Q(trials__answered_at__isnull=False)
    rows = study.participants.select_related("consent", "arm").annotate(
        n_shown=Count("trials", filter=shown),
        n_answered=Count("trials", filter=answered),
        n_counted=Count("trials", filter=Q(trials__counted=True)),
    )
    for person in rows.order_by("pk").iterator(chunk_size=2000):
        yield {
            "study": study.slug,
            "participant": str(person.public_id),
            "consent_version": person.consent.version,
            "consented_at": _iso(person.consented_at),
            "started_at": _iso(person.started_at),
            "finished_at": _iso(person.finished_at),
            "arm": person.arm.key if person.arm else None,
            "visits": person.visit,
            "returns_at": _iso(person.returns_at),
            "presented": person.n_shown,
            "answered": person.n_answered,
            "counted": person.n_counted,
            "simulated": int(person.simulated),
        }


def counted_answers(study: Study) -> "pd.DataFrame":
    """The answers that count, as statistics read them: participant and stimulus as integers, answer, condition."""
    import pandas as pd

    rows = Trial.objects.filter(study=study, counted=True).order_by("pk")
    columns = {
        "participant": "participant_id",
        "stimulus": "stimulus__number",
        "answer": "answer",
        "condition": "stimulus__condition__key",
        "response_ms": "response_ms",
    }
    return pd.DataFrame.from_records(list(rows.values_list(*columns.values())), columns=list(columns))


def stimulus_frame(study: Study) -> "pd.DataFrame":
    """The stimuli as statistics read them: number, condition and what is known about each."""
    import pandas as pd

    rows = study.stimuli.order_by("number").values_list("number", "condition__key", "truth")
    return pd.DataFrame.from_records(list(rows), columns=["stimulus", "condition", "truth"])


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None

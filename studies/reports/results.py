"""The result of a study: what may be told of it at any time, and what only the analysis of its answers tells."""

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.db.models import Count, Q

from studies import protocols, visits
from studies.models import Study, Trial
from studies.protocols import Summary

from . import tables


@dataclass(frozen=True)
class Result:
    """Counts are always there; the summary is None while outcomes are not to be looked at."""

    study: Study
    counts: dict[str, Any]
    summary: Summary | None

    @property
    def design_sha256(self) -> str:
        return self.study.design_sha256


def result(study: Study, *, interim: bool = False) -> Result:
    """The result of a closed study; of one that still runs the counts alone, unless `interim` asks for a look.

    Looking at outcomes while answers come in, and stopping when they please, makes false alarms likely.
    """
    summary = None
    if study.state == Study.State.CLOSED or (interim and study.opened_at):
        summary = protocols.get(study.protocol).summary(
            study.design, study.preparation, tables.stimulus_frame(study), tables.counted_answers(study)
        )
    return Result(study, counts(study), summary)


def counts(study: Study) -> dict[str, Any]:
    """How far a study is, JSON-ready; nothing of what was answered."""
    panel = study.design.get("answers_per_stimulus", 0)
    filled = study.stimuli.annotate(n=Count("slots", filter=Q(slots__filled=True)))
    panels = Counter("full" if n >= panel else "partly" if n else "empty" for n in filled.values_list("n", flat=True))
    trials = Trial.objects.filter(study=study)
    answered = trials.filter(answered_at__isnull=False)
    excluded = answered.exclude(exclusion="").values_list("exclusion").annotate(n=Count("pk")).order_by("exclusion")
    times = list(answered.filter(counted=True, response_ms__isnull=False).values_list("response_ms", flat=True))
    people = study.participants.aggregate(
        participants=Count("pk"),
        finished=Count("pk", filter=Q(finished_at__isnull=False)),
        simulated=Count("pk", filter=Q(simulated=True)),
    )
    return {
        "state": str(study.state),
        "stimuli": study.stimuli.count(),
        "panel": panel,
        "wanted_answers": study.slots.count(),
        "counted_answers": study.slots.filter(filled=True).count(),
        "answers": answered.count(),
        "shown": trials.filter(presented_at__isnull=False).count(),
        "participants": people["participants"],
        "finished_participants": people["finished"],
        "simulated_participants": people["simulated"],
        "panels": {state: panels[state] for state in ("full", "partly", "empty")},
        "exclusions": dict(excluded),
        "median_response_ms": median(times) if times else None,
        "visits": visits.counts(study),
    }

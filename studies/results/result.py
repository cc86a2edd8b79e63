"""The result of a study: what may be told of it at any time, and what only the analysis of its answers tells."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Q

from studies import protocols
from studies.designs import amendments
from studies.lib import database
from studies.models import Amendment, InterimLook, Role, Study, Trial
from studies.participation import visits
from studies.protocols import Summary
from studies.results.flagged import flagged
from studies.results.sensitivity import sensitivity

from . import frames, quality
from . import response_times as times
from . import sequential as looking
from .extension import extension


@dataclass(frozen=True)
class StudyResult:
    """Counts are always there; the summary is None while outcomes are not to be looked at."""

    study: Study
    counts: dict[str, Any]
    summary: Summary | None
    #: What may be shown of the answers at any time: how many, how long they took.
    quality: Summary
    #: When the first and the last of the answers that count were given; None where there are none.
    span: tuple[datetime | None, datetime | None]
    #: The results under each amendment that changes a setting.
    exploratory: tuple[tuple[Amendment, Summary], ...] = ()


def result(study: Study, *, seen: InterimLook | None = None) -> StudyResult:
    """The result of a closed study; of one that still runs counts and times alone, unless a look was recorded.

    Looking at outcomes while answers come in, and stopping when they please, makes false alarms likely; so there is
    no other way to them than `looking.look`.
    """
    with database.one_moment():
        counted = counts(study)
        people = frames.Codes()
        answers = frames.counted_answers(study, people)
        told, span = _quality(study, counted, answers), _span(study)
        if study.opened_at is None or (study.state != Study.State.CLOSED and seen is None):
            return StudyResult(study, counted, None, told, span)
        stimuli = frames.stimulus_frame(study)
        excluded = frames.excluded_answers(study, people)
        amended = list(amendments.amended_designs(study))
        extended = extension(study)
    protocol = protocols.get(study.protocol)
    summary = protocol.summary(study.design, study.preparation, stimuli, answers)
    if not answers.empty:
        columns = stimuli, answers, excluded
        for measures, further in (
            extended,
            protocol.before_exclusions(study.design, *columns),
            sensitivity(protocol, study.design, study.preparation, *columns, summary.measures),
            flagged(study, protocol, stimuli, answers, _ids(people), summary.measures),
        ):
            summary = replace(summary, measures=summary.measures | measures, tables=[*summary.tables, *further])
    summary = replace(
        summary,
        headline=_simulated_told(counted, summary).headline,
        warnings=[*rehearsal(study), *told.warnings, *summary.warnings],
        measures=summary.measures | told.measures,
        tables=[*summary.tables, *told.tables],
        figures=[*summary.figures, *told.figures],
    )
    looks = looking.sequential(
        (study.frozen or {}).get("analysis", {}).get("looks"),
        list(study.looks.values_list("answers", flat=True)),
        counted["counted_answers"],
        counted["wanted_answers"],
        closed=study.state == Study.State.CLOSED,
    )
    if looks:
        summary = replace(
            summary,
            headline=looking.prefix(looks) + summary.headline,
            warnings=[*looking.warnings_of(looks), *summary.warnings],
            measures=summary.measures | {"interim_looks": looks},
            tables=[*summary.tables, *looking.tables(looks, summary.measures.get("contrasts", ()))],
        )
    exploratory = tuple(
        (amendment, _simulated_told(counted, protocol.summary(design, study.preparation, stimuli, answers)))
        for amendment, design in amended
    )
    return StudyResult(study, counted, summary, told, span, exploratory)


def _ids(people: frames.Codes) -> dict[int, int]:
    """By row id of a participant their code."""
    return {pk: code for code, pk in enumerate(people.values)}


def _simulated_told(counted: Mapping[str, Any], summary: Summary) -> Summary:
    return replace(summary, headline=quality.simulated_in_words(counted) + summary.headline)


def rehearsal(study: Study) -> list[str]:
    """That nobody who answered is real, where that is so."""
    if study.rehearsal_of is None:
        return []
    return [f"This is a rehearsal of {study.rehearsal_of.slug}: the participants were simulated."]


def _quality(study: Study, counted: Mapping[str, Any], answers: Any) -> Summary:
    """What every study tells at any time, whatever its protocol: what became of the answers, and what is odd there."""
    measured = times.response_times(answers)
    odd = quality.quality(study.design, counted, answers)
    return Summary(
        headline="",
        warnings=quality.warnings_of(odd, counted, rehearsal=study.rehearsal_of is not None),
        measures={"response_times": measured, "quality": odd},
        tables=[times.times_table(measured), times.flow_table(counted)],
        figures=times.times_figures(answers, measured),
    )


def _span(study: Study) -> tuple[datetime | None, datetime | None]:
    found = study.trials.filter(counted=True).aggregate(first=Min("answered_at"), last=Max("answered_at"))
    return found["first"], found["last"]


def counts(study: Study) -> dict[str, Any]:
    """How far a study is, JSON-ready; nothing of what was answered."""
    import numpy as np

    panel = study.design.get("answers_per_stimulus", 0)
    # Of the answers themselves, as the export tells them, so that they can be counted again.
    filled = (
        study.stimuli.main().annotate(n=Count("trials", filter=Q(trials__counted=True))).order_by().values_list("n")
    )
    panels = Counter("full" if n >= panel else "partly" if n else "empty" for (n,) in filled.iterator())
    trials = Trial.objects.filter(study=study, role=Role.MAIN)
    checks = Trial.objects.filter(study=study, correct__isnull=False)
    answered = trials.filter(answered_at__isnull=False)
    touched = {"answers": "pk", "participants": "participant", "stimuli": "stimulus"}
    by_rule = answered.exclude(exclusion="").values("exclusion").order_by("exclusion")
    excluded = {
        rule["exclusion"]: {name: rule[name] for name in touched}
        for rule in by_rule.annotate(**{name: Count(field, distinct=True) for name, field in touched.items()})
    }
    wanted = study.slots.count()
    seen = trials.aggregate(
        counted=Count("pk", filter=Q(counted=True)),
        answered=Count("pk", filter=Q(answered_at__isnull=False)),
        shown=Count("pk", filter=Q(presented_at__isnull=False)),
    )
    measured = answered.filter(counted=True, response_ms__isnull=False).values_list("response_ms", flat=True)
    times = np.fromiter(measured.iterator(), dtype=np.int32)
    checks_right = {
        role: {"answers": n, "right": right}
        for role, n, right in checks.values_list("role").annotate(
            n=Count("pk"), right=Count("pk", filter=Q(correct=True))
        )
    }
    # Each in one of these: whoever withdrew or was excluded is not told among those who finished.
    stays = Q(excluded_at=None, withdrawn_at=None)
    people = study.participants.aggregate(
        participants=Count("pk"),
        finished=Count("pk", filter=stays & Q(finished_at__isnull=False)),
        simulated=Count("pk", filter=Q(simulated=True)),
        screened_out=Count("pk", filter=stays & Q(screened_out_at__isnull=False)),
        excluded=Count("pk", filter=Q(excluded_at__isnull=False, withdrawn_at=None)),
        withdrawn=Count("pk", filter=Q(withdrawn_at__isnull=False)),
    )
    return {
        "state": str(study.state),
        "stimuli": panels.total(),
        "panel": panel,
        "wanted_answers": wanted,
        "counted_answers": seen["counted"],
        "answers": seen["answered"],
        "shown": seen["shown"],
        "participants": people["participants"],
        "finished_participants": people["finished"],
        "simulated_participants": people["simulated"],
        "screened_out_participants": people["screened_out"],
        "excluded_participants": people["excluded"],
        "withdrawn_participants": people["withdrawn"],
        "checks": checks_right,
        "panels": {state: panels[state] for state in ("full", "partly", "empty")},
        "exclusions": {rule: counted["answers"] for rule, counted in excluded.items()},
        "excluded_by_rule": excluded,
        "median_response_ms": float(np.median(times)) if len(times) else None,
        "visits": visits.counts(study),
    }

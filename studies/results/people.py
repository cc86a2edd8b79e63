"""How each participant answered beside the others, and what Dawid and Skene's model makes of each stimulus.

Of counted answers alone, and outcomes: so only where a result may be seen. Nothing here excludes an answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.models import Study

from . import frames

if TYPE_CHECKING:
    import pandas as pd

Row = tuple[Any, ...]
YES_NO = {"yes", "no"}


@dataclass(frozen=True)
class ByPerson:
    """By participant row id what their counted answers are like; None for what cannot be had."""

    answers: int
    median_seconds: float | None
    yes_share: float | None
    longest_run: int
    run_chance: float
    straight_lining: bool
    agreement: float | None
    model_error: float | None


@dataclass(frozen=True)
class Answering:
    """All of it: by participant row id, and by stimulus number the answers, yes answers, posterior and its reason."""

    people: dict[int, ByPerson] = field(default_factory=dict)
    stimuli: dict[int, tuple[int, int | None, float | None, str | None]] = field(default_factory=dict)


def answering(study: Study) -> Answering:
    """Read the counted answers of a study and tell how each participant gave theirs.

    ``yes_share`` and Dawid and Skene's ``model_error`` (the chance that the participant calls a stimulus what the model
    does not, weighed by how frequent its classes are) are of yes and no answers; the model is fitted by condition and
    withheld where the two-way interval of kappa includes no agreement beyond chance. ``agreement`` is the mean share of
    the other answers to the same stimuli that are the same. Runs are in the order of claiming.
    """
    from studies.analysis.participant_quality import UNLIKELY, agreement_with_others, longest_runs, run_chances

    codes = frames.Codes()
    table = frames.counted_answers(study, codes)
    if table.empty:
        return Answering()
    people = table["participant"].to_numpy(dtype=np.int64)
    stimulus = table["stimulus"].to_numpy(dtype=np.int64)
    category = table["answer"].astype("category")
    said = category.cat.codes.to_numpy(dtype=np.int64)
    each = np.bincount(people)
    runs, chances = longest_runs(people, said), run_chances(people, said)
    agreement = agreement_with_others(people, stimulus, said)
    medians = table.groupby("participant", observed=True)["response_ms"].median()
    yes = None
    errors = np.full(len(each), np.nan)
    stimuli: dict[int, tuple[int, int | None, float | None, str | None]] = {}
    if set(category.cat.categories) <= YES_NO:
        yes = np.bincount(people, category == "yes", minlength=len(each)) / each
        errors = _model(study, table, people, stimulus, (category == "yes").to_numpy(dtype=np.int8), stimuli)
    else:
        numbers, many = np.unique(stimulus, return_counts=True)
        why = "the model is fitted to yes and no answers only"
        stimuli = {int(number): (int(n), None, None, why) for number, n in zip(numbers, many, strict=True)}
    rows = {
        person: ByPerson(
            answers=int(each[code]),
            median_seconds=_or_none(medians.get(code, np.nan) / 1000),
            yes_share=None if yes is None else float(yes[code]),
            longest_run=int(runs[code]),
            run_chance=float(chances[code]),
            straight_lining=bool(chances[code] < UNLIKELY),
            agreement=_or_none(agreement[code]),
            model_error=_or_none(errors[code]),
        )
        for code, person in enumerate(codes.values)
    }
    return Answering(rows, stimuli)


def _model(
    study: Study,
    table: "pd.DataFrame",
    people: np.ndarray,
    stimulus: np.ndarray,
    yes: np.ndarray,
    stimuli: dict[int, tuple[int, int | None, float | None, str | None]],
) -> np.ndarray:
    """(W,) errors of participants by the model; fills ``stimuli``."""
    from studies.analysis.agreement import panel_agreement
    from studies.analysis.answers import Answers
    from studies.analysis.crossed_panels import CrossedPanels
    from studies.analysis.dawid_skene import dawid_skene, unidentified
    from studies.analysis.panels import count_panels

    total, weight = np.zeros(people.max() + 1), np.zeros(people.max() + 1)
    panel, rule = study.design["answers_per_stimulus"], study.design.get("unequal_panels", "drop")
    conditions = table["condition"].astype(str).to_numpy(dtype=object)
    for condition in sorted(set(conditions)):
        here = conditions == condition
        numbers, items = np.unique(stimulus[here], return_inverse=True)
        who, said = people[here], yes[here]
        answers = Answers(who, items.astype(np.int64), said)
        panels = count_panels(answers, panel=panel, rule=rule)
        found = panel_agreement(CrossedPanels.of(answers, panels), draws=0) if panels.n_counted else None
        reason = "no panel is complete" if found is None else unidentified(found)
        size, positive = np.bincount(items), np.bincount(items, said).astype(int)
        if reason is not None:
            for at, number in enumerate(numbers.tolist()):
                stimuli[number] = int(size[at]), int(positive[at]), None, reason
            continue
        fitted = dawid_skene(who, items, said)
        for at, number in enumerate(numbers.tolist()):
            stimuli[number] = int(size[at]), int(positive[at]), float(fitted.posterior[at, 1]), None
        right = fitted.prevalence @ np.diagonal(fitted.confusion, axis1=1, axis2=2).T
        many = np.bincount(who, minlength=len(total))
        total[: len(right)] += many[: len(right)] * (1 - right)
        weight += many
    with np.errstate(invalid="ignore"):
        return total / np.where(weight > 0, weight, np.nan)


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


# --- for the export ---------------------------------------------------------------------------------------------------


def participant_rows(study: Study, found: Answering) -> Iterator[Row]:
    """One row for each participant with a counted answer, under their random identifier."""
    people = study.participants.filter(pk__in=list(found.people)).order_by("pk")
    for pk, public_id, simulated in people.values_list("pk", "public_id", "simulated"):
        one = found.people[pk]
        yield (
            *(study.slug, str(public_id), one.answers, one.median_seconds, one.yes_share, one.longest_run),
            *(one.run_chance, int(one.straight_lining), one.agreement, one.model_error, int(simulated)),
        )


def posterior_rows(study: Study, found: Answering) -> Iterator[Row]:
    """One row for each stimulus with a counted answer."""
    conditions = dict(study.stimuli.main().values_list("number", "condition__key"))
    for number in sorted(found.stimuli):
        answers, yes, posterior, reason = found.stimuli[number]
        yield study.slug, conditions.get(number, ""), number, answers, yes, posterior, reason or ""

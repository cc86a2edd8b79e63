"""What a design comes to, before anything is prepared or anybody is paid."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import Count

from studies.models import Check, Classifier
from studies.protocols import Expected, Known, Protocol
from studies.workbench.recipes import digest

#: Simulated answers that somebody who types may wait for, some tenths of a second; of larger studies `plan` tells.
ENOUGH, MOST = 200_000, 500_000
MOST_REPLICATES = 20
KEPT_SECONDS = 24 * 3600
#: As the planning page begins with: log-odds of yes for the average stimulus, and standard deviations.
ASSUMED = {"mean": 0.0, "stimulus_sd": 2.0, "participant_sd": 1.0, "activity_sd": 0.5}


@dataclass(frozen=True)
class Consequences:
    """What a design needs.  extra: practice and gold trials, which are paid and not counted."""

    expected: Expected
    answers: int
    people: int
    extra: int
    hours: float
    cost: float
    #: Of the 95 % interval, as a share; None where it is not worked out, and why.
    width: float | None
    width_of: str
    no_width: str = ""


def known(classifier: str, *, seen: Any) -> Known | None:
    """What there is to know of a classifier among those `seen`; four queries, whatever the size of its image set."""
    row = seen.filter(name=classifier).select_related("image_set").first()
    if row is None:
        return None
    names = dict(row.image_set.classes.values_list("index", "name"))
    counted = dict(row.image_set.images.order_by().values_list("label").annotate(n=Count("pk")))
    images = {name: counted.get(index, 0) for index, name in names.items()}
    result = _checked(row)
    if result is None:
        return Known(images)
    wrong = dict.fromkeys(images, 0)
    for label, predicted, n in result["pairs"]:
        if label != predicted and label in names:
            wrong[names[label]] += n
    return Known(images, wrong, result["images"] - result["among_five"])


def _checked(classifier: Classifier) -> dict[str, Any] | None:
    return Check.objects.filter(classifier=classifier, state=Check.State.DONE).values_list("result", flat=True).first()


def people_needed(kind: Protocol, design: Mapping[str, Any], stimuli: int, *, apart: int = 1, wanted: int = 0) -> int:
    """At least so many people: nobody answers a stimulus twice, so a panel is a lower bound whatever one is shown.

    wanted: answers, where they are not all panels' worth.
    """
    if not stimuli:
        return 0
    panel, arms = design["answers_per_stimulus"], kind.arms(design)
    met = stimuli // len(arms.conditions) if arms else stimuli // apart
    each = max(1, min(design["trials_per_participant"], met)) * (arms.visits if arms else 1)
    return max(panel * apart, -(-(wanted or stimuli * panel) // each))


def of_design(
    kind: Protocol, design: Mapping[str, Any], expected: Expected, *, pay: float, seconds: float
) -> Consequences:
    """Answers, people, hours and cost by arithmetic; the interval by simulating the study under ASSUMED.

    pay and seconds are of one answer, practice and gold among them.
    """
    arms = kind.arms(design)
    answers = expected.stimuli * design["answers_per_stimulus"]
    people = people_needed(kind, design, expected.stimuli, apart=expected.apart)
    extra = people * (design["practice"] + design["gold"] * (arms.visits if arms else 1))
    width, why = _width(design, expected, people, arms is not None and arms.visits == 1)
    return Consequences(
        expected=expected,
        answers=answers,
        people=people,
        extra=extra,
        hours=(answers + extra) * seconds / 3600,
        cost=(answers + extra) * pay,
        width=width,
        width_of=_of(design, expected),
        no_width=why,
    )


def _of(design: Mapping[str, Any], expected: Expected) -> str:
    what = "accepted share" if "threshold" in design else "share of answers"
    return f"difference of two conditions in the {what}" if expected.conditions > 1 else what


def _width(
    design: Mapping[str, Any], expected: Expected, people: int, separate_groups: bool
) -> tuple[float | None, str]:
    conditions = min(expected.conditions, 2)
    stimuli, panel = expected.stimuli // expected.conditions, design["answers_per_stimulus"]
    answers = stimuli * panel * conditions
    if not stimuli:
        return None, "there is nothing to show"
    if answers > MOST:
        return None, "too many answers to simulate while you type"
    replicates = max(1, min(MOST_REPLICATES, ENOUGH // answers))
    asked = {
        "stimuli": stimuli,
        "participants": people,
        "panel": panel,
        "threshold": design.get("threshold"),
        "conditions": conditions,
        "separate_groups": separate_groups and conditions > 1,
        "replicates": replicates,
    }
    key = f"width:{digest([asked, ASSUMED])}"
    found: tuple[float | None, str] | None = cache.get(key)
    if found is None:
        found = _simulated(asked)
        cache.set(key, found, KEPT_SECONDS)
    return found


def _simulated(asked: Mapping[str, Any]) -> tuple[float | None, str]:
    # Loaded here, so that web processes start fast.
    from studies.analysis.planning import Assumptions, plan
    from studies.analysis.simulate import Scenario
    from studies.analysis.tables import AnswersError

    panel, threshold = asked["panel"], asked["threshold"]
    scenario = Scenario(stimuli=1, participants=panel, panel=panel, separate_groups=asked["separate_groups"], **ASSUMED)
    try:
        (row,) = plan(
            Assumptions(scenario, {panel: threshold} if threshold else None, "accepted" if threshold else "share"),
            stimuli=[asked["stimuli"]],
            participants=[asked["participants"]],
            panels=[panel],
            conditions=asked["conditions"],
            replicates=asked["replicates"],
        )
    except AnswersError as error:
        return None, str(error)
    width = row["width"]
    return (None, row["reason"] or "") if width is None or math.isnan(width) else (width, "")

"""Properties of the statistics: what is planted in simulated answers is found again, within its intervals.

One interval of 95 % misses what was planted once in twenty times, so that one simulated study says little and fails a
correct protocol too often.  Many are drawn, and misses are counted.  A protocol whose intervals miss at most 8 % of the
time (METHODS allow what good approximations to 95 % do) fails less than once in 10,000 times, over all its measures and
rates together.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import binom

from studies.models import Study
from studies.results import frames
from studies.simulation import Population
from studies.simulation.complete_panels import complete_answers

from .subject import Subject, require

#: Between the lowest and the highest rate that can be planted.
RATES = (0.35, 0.75)
#: Complete studies drawn at each rate, each answered by so many people.
REPLICATES = 40
PEOPLE = 60
#: The share of misses that is granted, and how often a protocol that keeps it may fail all the same.
GRANTED = 0.08
FAMILY_WISE = 1e-4
#: How far a measure must move, in shares, for people at the one rate and at the other.
LEAST_RESPONSE = 0.05

Estimates = Mapping[str, list[Mapping[str, Any]]]


def most_misses(intervals: int, tests: int) -> int:
    """So many of the intervals may miss, where `tests` such counts are made."""
    return int(binom.isf(FAMILY_WISE / tests, intervals, GRANTED))


def planted(subject: Subject) -> None:
    study = subject.prepared()
    drawn = draws(subject, study)
    tests = sum(len(found) for found in drawn.values())
    for rate, found in drawn.items():
        true = subject.protocol.planted_measures(study.design, study.preparation, rate)
        if unknown := sorted(set(true) - set(found)):
            require(False, f"planted_measures names {unknown[0]}, which rehearsal_measures never gives")
        for name, quantities in found.items():
            mean = float(np.mean([one["estimate"] for one in quantities]))
            line = misses(name, quantities, true.get(name, mean), tests)
            require(not line, f"at rate {rate:g}, {line}")


def misses(name: str, quantities: list[Mapping[str, Any]], true: float, tests: int) -> str:
    """What is wrong with the intervals of a measure, in one line; empty where they hold the true value often enough."""
    intervals = [one for one in quantities if one.get("low") is not None and one.get("high") is not None]
    missed = sum(not one["low"] <= true <= one["high"] for one in intervals)
    if missed <= most_misses(len(intervals), tests):
        return ""
    mean = np.mean([one["estimate"] for one in quantities])
    return (
        f"{missed} of {len(intervals)} intervals of {name} miss {true:.3f}, which was planted; the mean estimate is "
        f"{mean:.3f}, and at most {most_misses(len(intervals), tests)} may miss"
    )


def draws(subject: Subject, study: Study) -> Mapping[float, Estimates]:
    """By rate, each rehearsal measure in so many complete studies."""
    for rate in rates(subject):
        if rate not in subject.drawn:
            subject.drawn[rate] = _draw(subject, study, rate)
    return subject.drawn


def rates(subject: Subject) -> list[float]:
    """The two rates that are planted."""
    low, high = subject.protocol.rate_range
    return [low + share * (high - low) for share in RATES]


def _draw(subject: Subject, study: Study, rate: float) -> Estimates:
    """Each rehearsal measure in so many complete studies whose people answer at this rate, led by family and arm."""
    protocol, stimuli = subject.protocol, frames.stimulus_frame(study)
    shown = list(study.stimuli.main().order_by("number").select_related("condition"))
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for replicate in range(REPLICATES):
        random = np.random.default_rng([replicate, abs(round(1000 * rate))])
        answers = complete_answers(
            study,
            shown,
            people=PEOPLE,
            rate=lambda stimulus, about: protocol.planted_rate(stimulus.truth, rate),
            population=Population(),
            random=random,
        )
        measures = protocol.summary(study.design, study.preparation, stimuli, answers).measures
        for name, quantity in protocol.rehearsal_measures(measures).items():
            missing = [end for end in ("estimate", "low", "high") if end not in quantity]
            require(not missing, f"the rehearsal measure {name} has no {', '.join(missing)}")
            if quantity["estimate"] is not None:
                found[name].append(quantity)
    require(found, "rehearsal_measures gives nothing, so that nothing planted can be looked for")
    intervals = sum(one["low"] is not None for quantities in found.values() for one in quantities)
    require(intervals, "no measure has an interval, in complete studies of sixty people")
    return found


def response(subject: Subject) -> None:
    drawn = draws(subject, subject.prepared())
    means = [
        {name: np.mean([one["estimate"] for one in found]) for name, found in estimates.items()}
        for estimates in drawn.values()
    ]
    moves = {name: abs(means[1][name] - means[0][name]) for name in set(means[0]) & set(means[1])}
    largest = max(moves.values(), default=0.0)
    require(
        largest >= LEAST_RESPONSE,
        f"no measure moves by {LEAST_RESPONSE:g} between people who answer at two rates, a tenth and more apart",
    )

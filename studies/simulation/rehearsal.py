"""A rehearsal: simulated people answer a copy of a study, and what was planted is looked for in its result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from studies import lifecycle, protocols
from studies.models import Study
from studies.results import frames, result

from .answer_rates import Rates, rate_of
from .complete_panels import complete_answers
from .crowd import SimulationOutcome, check, simulate
from .population import Population

#: So many complete studies are drawn to know what the planted rates come to.
REPLICATES = 40
#: Apart from every other draw of the same seed.
PLANTED = 2


@dataclass(frozen=True)
class Recovered:
    """One measure: what was planted, and what was found; None where there is no estimate or no interval."""

    name: str
    planted: float | None
    estimate: float | None
    low: float | None
    high: float | None

    @property
    def inside(self) -> bool | None:
        """Whether the interval holds what was planted; None where it cannot be said."""
        if self.planted is None or self.low is None or self.high is None:
            return None
        return self.low <= self.planted <= self.high


@dataclass(frozen=True)
class Rehearsal:
    study: Study
    outcome: SimulationOutcome
    measures: list[Recovered]

    @property
    def verdict(self) -> str:
        """What came of it, in one line.  An interval of 95 % misses what was planted once in twenty times."""
        if not self.outcome.answers:
            return "Nothing was recovered: there are no answers."
        if not self.measures:
            return f"Nothing was compared: {self.study.protocol} names no measures for a rehearsal."
        missed = [measure.name for measure in self.measures if measure.inside is False]
        said = [measure for measure in self.measures if measure.inside is not None]
        if not said:
            return "Nothing can be compared: no measure has an interval yet. Send more participants."
        within = f"{len(said) - len(missed)} of {len(said)} intervals hold what was planted"
        return f"{within}; not {', '.join(missed)}." if missed else f"{within}."


def rehearse(
    study: Study,
    *,
    participants: int,
    seed: int = 0,
    rates: Rates | None = None,
    population: Population | None = None,
    days: float | None = None,
    concurrent: int = 1,
    url: str | None = None,
    application: Callable | None = None,
    progress: Callable[[int], None] = lambda answers: None,
) -> Rehearsal:
    """Copy the study, open the copy, let so many simulated people answer it, close it, and compare.

    The options are those of `simulate`.
    """
    population = population or Population()
    check(study, rates, population)
    copy = lifecycle.copy_for_rehearsal(study)
    lifecycle.open_study(copy, anyway=True)
    outcome = simulate(
        copy,
        participants=participants,
        seed=seed,
        rates=rates,
        population=population,
        days=days,
        concurrent=concurrent,
        url=url,
        application=application,
        progress=progress,
    )
    lifecycle.close_study(copy)
    found = (
        protocols.get(copy.protocol).rehearsal_measures(result.result(copy).summary.measures) if outcome.answers else {}
    )
    planted = expected(copy, rates, population, people=outcome.participants, seed=seed) if found else {}
    return Rehearsal(copy, outcome, [_recovered(name, planted.get(name), one) for name, one in found.items()])


def expected(study: Study, rates: Rates | None, population: Population, *, people: int, seed: int) -> dict[str, float]:
    """What each measure is on average when every panel is full: of studies drawn from the rates, without any pages.

    StudyError where simulated people give no answers that count.
    """
    protocol, stimuli = protocols.get(study.protocol), frames.stimulus_frame(study)
    shown = list(study.stimuli.main().order_by("number").select_related("condition"))
    estimates: dict[str, list[float]] = {}
    for replicate in range(REPLICATES):
        random = np.random.default_rng([seed, PLANTED, replicate])
        answers = complete_answers(
            study,
            shown,
            people=people,
            rate=lambda stimulus, about: None if rates is None else rate_of(rates, stimulus, about),
            population=population,
            random=random,
        )
        measures = protocol.summary(study.design, study.preparation, stimuli, answers).measures
        for name, one in protocol.rehearsal_measures(measures).items():
            if one["estimate"] is not None:
                estimates.setdefault(name, []).append(one["estimate"])
    return {name: float(np.mean(values)) for name, values in estimates.items()}


def _recovered(name: str, planted: float | None, found: Any) -> Recovered:
    return Recovered(name, planted, found["estimate"], found.get("low"), found.get("high"))

"""A rehearsal: simulated people answer a copy of a study, and what was planted is looked for in its result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from studies import lifecycle, protocols
from studies.models import Study
from studies.reports import results, tables

from .coming import Outcome, check, simulate
from .people import Population
from .rates import Rates, rate_of

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
    outcome: Outcome
    measures: list[Recovered]


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
    progress: Callable[[int], None] = lambda answers: None,
) -> Rehearsal:
    """Copy the study, open the copy, let so many simulated people answer it, close it, and compare.

    The options are those of `simulate`.
    """
    population = population or Population()
    check(study, rates, population)
    copy = lifecycle.copy_for_rehearsal(study)
    lifecycle.open_study(copy)
    outcome = simulate(
        copy,
        participants=participants,
        seed=seed,
        rates=rates,
        population=population,
        days=days,
        concurrent=concurrent,
        url=url,
        progress=progress,
    )
    lifecycle.close_study(copy)
    found = protocols.get(copy.protocol).recovered(results.result(copy).summary.measures) if outcome.answers else {}
    people = max(outcome.participants, copy.design["answers_per_stimulus"])
    planted = expected(copy, rates, population, people=people, seed=seed) if found else {}
    return Rehearsal(copy, outcome, [_recovered(name, planted.get(name), one) for name, one in found.items()])


def expected(study: Study, rates: Rates | None, population: Population, *, people: int, seed: int) -> dict[str, float]:
    """What each measure is on average when every panel is full: of studies drawn from the rates, without any pages."""
    protocol, stimuli = protocols.get(study.protocol), tables.stimulus_frame(study)
    shown = list(study.stimuli.main().order_by("number").select_related("condition"))
    estimates: dict[str, list[float]] = {}
    for replicate in range(REPLICATES):
        random = np.random.default_rng([seed, PLANTED, replicate])
        answers = _complete(study, shown, rates, population, people, random)
        measures = protocol.summary(study.design, study.preparation, stimuli, answers).measures
        for name, one in protocol.recovered(measures).items():
            if one["estimate"] is not None:
                estimates.setdefault(name, []).append(one["estimate"])
    return {name: float(np.mean(values)) for name, values in estimates.items()}


def _complete(
    study: Study,
    shown: list,
    rates: Rates | None,
    population: Population,
    people: int,
    random: np.random.Generator,
) -> pd.DataFrame:
    """Full panels of different people, who answer as `Person` does."""
    protocol, design = protocols.get(study.protocol), study.design
    models = [population.draw(random) for _ in range(people)]
    rows = []
    for stimulus in shown:
        offered = [choice.value for choice in protocol.choices(design, stimulus.shown)]
        rate = None if rates is None else rate_of(rates, stimulus)
        for person in random.choice(people, size=design["answers_per_stimulus"], replace=False):
            model, excluded = models[person], True
            while excluded:  # somebody else is asked; here, the same again
                known = model.skill if rates is None else rate
                value, seconds = protocol.simulated_answer(design, stimulus.truth, known, random)
                if random.random() < model.careless:
                    value = str(random.choice(offered))
                ms = round(1000 * seconds * model.pace)
                excluded = bool(protocol.exclusion(design, value, ms))
            rows.append((int(person), stimulus.number, value, stimulus.condition.key, ms, ms))
    names = ["participant", "stimulus", "answer", "condition", "response_ms", "server_ms"]
    return pd.DataFrame(rows, columns=names)


def _recovered(name: str, planted: float | None, found: Any) -> Recovered:
    return Recovered(name, planted, found["estimate"], found.get("low"), found.get("high"))

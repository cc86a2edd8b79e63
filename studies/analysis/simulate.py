"""Simulated crossed answers with known population values, for coverage, planning and tests.

A participant says yes to a stimulus in a condition with probability ``expit(mean + effect + stimulus + participant)``,
stimulus and participant effects drawn from normal distributions; some participants answer at random. The values to be
estimated are those of a new stimulus met by new participants, so both are drawn afresh in every replicate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binom

from .tables import Answers, AnswersError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scenario:
    """How answers come about.

    Attributes:
        stimuli, participants, panel: N, W and n; each stimulus is answered by n distinct participants.
        mean: log-odds of yes for the average stimulus and participant.
        stimulus_sd, participant_sd: standard deviations of the effects, in log-odds.
        activity_sd: participants' activity is log-normal with this SD of its logarithm; 0 is even activity.
        random_answerers: share of participants who say yes with probability one half whatever they see.
        effect: added log-odds in the second and every later condition.
        effect_sd: SD over stimuli of what each condition adds by itself, where there are two or more.
        separate_groups: each condition is answered by other participants, ``participants`` of them.
        name: for tables.
    """

    stimuli: int
    participants: int
    panel: int = 5
    mean: float = 0.0
    stimulus_sd: float = 2.0
    participant_sd: float = 1.0
    activity_sd: float = 0.0
    random_answerers: float = 0.0
    effect: float = 0.0
    effect_sd: float = 0.0
    separate_groups: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        if min(self.stimuli, self.panel) < 1 or self.panel > self.participants:
            raise AnswersError(f"{self.panel} distinct participants a stimulus need as many, not {self.participants}")
        if min(self.stimulus_sd, self.participant_sd, self.activity_sd, self.effect_sd) < 0:
            raise AnswersError("standard deviations cannot be negative")
        if not 0 <= self.random_answerers <= 1:
            raise AnswersError(f"the share of random answerers must lie in [0, 1], not {self.random_answerers}")


def simulate_answers(scenario: Scenario, rng: np.random.Generator, *, conditions: int = 1) -> Answers:
    """Draw the answers to one study, in order of stimulus; every stimulus is met in each of the conditions.

    A participant may meet one stimulus once in each condition, as after a washout.
    """
    apart = scenario.participants if scenario.separate_groups else 0
    people = np.concatenate([assign(scenario, rng) + apart * condition for condition in range(conditions)])
    groups = scenario.participants + apart * (conditions - 1)
    participant = rng.normal(0, scenario.participant_sd, groups)
    stimulus = rng.normal(scenario.mean, scenario.stimulus_sd, scenario.stimuli)
    own_sd = scenario.effect_sd if conditions > 1 else 0.0
    log_odds = [
        np.repeat(
            stimulus + rng.normal(scenario.effect if condition else 0.0, own_sd, scenario.stimuli), scenario.panel
        )
        for condition in range(conditions)
    ]
    chance = expit(np.concatenate(log_odds) + participant[people])
    careless = rng.random(groups) < scenario.random_answerers
    said = rng.random(len(people)) < np.where(careless[people], 0.5, chance)
    per_condition = scenario.stimuli * scenario.panel
    return Answers(
        people,
        np.tile(np.repeat(np.arange(scenario.stimuli), scenario.panel), conditions),
        said.astype(np.int8),
        condition=np.repeat(np.arange(conditions), per_condition) if conditions > 1 else None,
        condition_names=tuple(f"condition {place + 1}" for place in range(conditions)) if conditions > 1 else (),
    )


def assign(scenario: Scenario, rng: np.random.Generator) -> NDArray[np.int64]:
    """(N * n,) participants of each panel in turn, distinct within it, drawn by activity."""
    activity = np.exp(rng.normal(0, scenario.activity_sd, scenario.participants))
    if 3 * scenario.panel > scenario.participants:
        # Rejection would seldom end: take the n largest of perturbed log-activities instead (Gumbel's top-k).
        noise = rng.gumbel(size=(scenario.stimuli, scenario.participants)) + np.log(activity)
        return np.argsort(-noise, axis=1)[:, : scenario.panel].ravel()
    ladder = np.cumsum(activity) / activity.sum()
    people = np.empty((scenario.stimuli, scenario.panel), dtype=np.int64)
    todo = np.arange(scenario.stimuli)
    while len(todo):
        drawn = np.searchsorted(ladder, rng.random((len(todo), scenario.panel)), side="right")
        people[todo] = np.minimum(drawn, scenario.participants - 1)
        ranked = np.sort(people[todo], axis=1)
        todo = todo[(ranked[:, 1:] == ranked[:, :-1]).any(axis=1)]
    return people.ravel()


def truth(
    scenario: Scenario, threshold: int, *, condition: Literal["only", "first", "later"] = "only", nodes: int = 80
) -> dict[str, float]:
    """Population values, by Gauss-Hermite quadrature: what the intervals should cover.

    Returns ``accepted_share``, ``yes_share``, ``raw``, ``kappa`` (Fleiss' and Krippendorff's agree in the population)
    and ``gwet_ac1``, in a study of one condition, or in the first or a later one of several.
    """
    z, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = weight / weight.sum()
    spread = float(np.hypot(scenario.stimulus_sd, 0.0 if condition == "only" else scenario.effect_sd))
    stimulus = scenario.mean + (scenario.effect if condition == "later" else 0.0) + spread * z
    attentive = expit(stimulus[:, None] + scenario.participant_sd * z[None, :]) @ weight
    share: Floats = scenario.random_answerers * 0.5 + (1 - scenario.random_answerers) * attentive
    yes = float(share @ weight)
    raw = float((share**2 + (1 - share) ** 2) @ weight)
    chance, chance_ac1 = yes**2 + (1 - yes) ** 2, 2 * yes * (1 - yes)
    values: dict[str, Any] = {
        "accepted_share": binom.sf(threshold - 1, scenario.panel, share) @ weight,
        "yes_share": yes,
        "raw": raw,
        "kappa": (raw - chance) / (1 - chance),
        "gwet_ac1": (raw - chance_ac1) / (1 - chance_ac1),
    }
    return {name: float(value) for name, value in values.items()}

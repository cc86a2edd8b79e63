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

from .answers import Answers, AnswersError

Floats = NDArray[np.float64]

#: How often a panel's draws are repeated before it is filled otherwise.
ROUNDS = 4
#: Numbers that are held at once, so that memory does not grow with a study.
CELLS = 4_000_000


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
        per_item: how many stimuli in a row share an item, such as the labels of an image or the images of a class.
        item_sd: SD of what they have in common, in log-odds, beside ``stimulus_sd`` of each.
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
    per_item: int = 1
    item_sd: float = 0.0
    name: str = ""

    def __post_init__(self) -> None:
        if min(self.stimuli, self.panel) < 1 or self.panel > self.participants:
            raise AnswersError(f"{self.panel} distinct participants a stimulus need as many, not {self.participants}")
        if min(self.stimulus_sd, self.participant_sd, self.activity_sd, self.effect_sd, self.item_sd) < 0:
            raise AnswersError("standard deviations cannot be negative")
        if not np.isfinite([self.mean, self.effect, self.activity_sd]).all():
            raise AnswersError("mean, effect and the spread of activity must be finite")
        if self.per_item < 1:
            raise AnswersError(f"an item has at least one stimulus, not {self.per_item}")
        if not 0 <= self.random_answerers <= 1:
            raise AnswersError(f"the share of random answerers must lie in [0, 1], not {self.random_answerers}")


def draw_stimuli(scenario: Scenario, rng: np.random.Generator) -> Floats:
    """(N,) log-odds of yes of each stimulus, for the average participant."""
    alone = rng.normal(scenario.mean, scenario.stimulus_sd, scenario.stimuli)
    if scenario.per_item == 1 and not scenario.item_sd:
        return alone
    items = -(-scenario.stimuli // scenario.per_item)
    shared = np.repeat(rng.normal(0, scenario.item_sd, items), scenario.per_item)
    return alone + shared[: scenario.stimuli]


def yes_chance(scenario: Scenario, log_odds: Floats, nodes: int = 40) -> Floats:
    """(N,) chance that a new participant says yes to stimuli of these log-odds."""
    z, weight = np.polynomial.hermite_e.hermegauss(nodes)
    attentive = expit(log_odds[:, None] + scenario.participant_sd * z[None, :]) @ (weight / weight.sum())
    return scenario.random_answerers * 0.5 + (1 - scenario.random_answerers) * attentive


def simulate_answers(
    scenario: Scenario, rng: np.random.Generator, *, conditions: int = 1, log_odds: Floats | None = None
) -> Answers:
    """Draw the answers to one study, in order of stimulus; every stimulus is met in each of the conditions.

    A participant may meet one stimulus once in each condition, as after a washout. ``log_odds`` (N,) are those of
    stimuli that were drawn before (:func:`draw_stimuli`).
    """
    apart = scenario.participants if scenario.separate_groups else 0
    people = np.concatenate([assign(scenario, rng) + apart * condition for condition in range(conditions)])
    groups = scenario.participants + apart * (conditions - 1)
    participant = rng.normal(0, scenario.participant_sd, groups)
    stimulus = draw_stimuli(scenario, rng) if log_odds is None else log_odds
    own_sd = scenario.effect_sd if conditions > 1 else 0.0
    by_condition = [
        np.repeat(
            stimulus + rng.normal(scenario.effect if condition else 0.0, own_sd, scenario.stimuli), scenario.panel
        )
        for condition in range(conditions)
    ]
    chance = expit(np.concatenate(by_condition) + participant[people])
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
    """(N * n,) participants of each panel in turn, distinct within it: drawn one after the other, each by activity.

    Whatever the panel, this ends: drawing with repeats and leaving them out is tried for so many draws as each panel
    has places, some times over, and panels that are still short are filled by Gumbel's top-k from those not yet in
    them. Both draw from the same distribution, that of successive sampling (Plackett and Luce).
    """
    log_activity = rng.normal(0, scenario.activity_sd, scenario.participants)
    at_once = max(1, CELLS // (ROUNDS * scenario.panel))
    chunks = (min(at_once, scenario.stimuli - start) for start in range(0, scenario.stimuli, at_once))
    return np.concatenate([_panels(size, scenario.panel, log_activity, rng) for size in chunks]).ravel()


def _panels(n: int, panel: int, log_activity: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n, panel) distinct participants, each row in the order of drawing."""
    people = np.full((n, panel), -1, dtype=np.int64)
    short = np.arange(n)
    # Of a small crowd most draws would be repeats.
    if 3 * panel <= len(log_activity):
        activity = np.exp(log_activity - log_activity.max())
        ladder = np.cumsum(activity) / activity.sum()
        drawn = np.empty((n, 0), dtype=np.int64)
        for _ in range(ROUNDS):
            places = np.searchsorted(ladder, rng.random((len(short), panel)), side="right")
            drawn = np.hstack([drawn, np.minimum(places, len(ladder) - 1)])
            first = _first_occurrences(drawn)
            rank = np.cumsum(first, axis=1)
            row, column = np.nonzero(first & (rank <= panel))
            people[short[row], rank[row, column] - 1] = drawn[row, column]
            unfilled = rank[:, -1] < panel
            short, drawn = short[unfilled], drawn[unfilled]
            if not len(short):
                return people
    at_once = max(1, CELLS // len(log_activity))
    for start in range(0, len(short), at_once):
        rows = short[start : start + at_once]
        people[rows] = _filled(people[rows], log_activity, rng)
    return people


def _first_occurrences(drawn: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each value is the first of its kind in its row."""
    order = np.argsort(drawn, axis=1, kind="stable")
    ranked = np.take_along_axis(drawn, order, axis=1)
    new = np.ones(drawn.shape, dtype=bool)
    new[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    first = np.empty_like(new)
    np.put_along_axis(first, order, new, axis=1)
    return first


def _filled(people: NDArray[np.int64], log_activity: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """The panels with their free places (-1, at the end of a row) filled from those who are not in them.

    The largest log-activities, each with Gumbel noise, in falling order are a successive sample (Yellott 1977).
    """
    perturbed = log_activity + rng.gumbel(size=(len(people), len(log_activity)))
    row, column = np.nonzero(people >= 0)
    # Those who are there already stay first, in their order.
    perturbed[row, people[row, column]] = np.inf
    panel = people.shape[1]
    best = np.argpartition(-perturbed, panel - 1, axis=1)[:, :panel]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(perturbed, best, axis=1), axis=1), axis=1)
    here = people >= 0
    best[here] = people[here]
    return best


def truth(
    scenario: Scenario, threshold: int, *, condition: Literal["only", "first", "later"] = "only", nodes: int = 80
) -> dict[str, float]:
    """Population values, by Gauss-Hermite quadrature: what the intervals should cover.

    Returns ``accepted_share``, ``yes_share``, ``raw``, ``kappa`` (Fleiss' and Krippendorff's agree in the population)
    and ``gwet_ac1``, in a study of one condition, or in the first or a later one of several.
    """
    z, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = weight / weight.sum()
    own = 0.0 if condition == "only" else scenario.effect_sd
    spread = float(np.sqrt(scenario.stimulus_sd**2 + own**2 + scenario.item_sd**2))
    stimulus = scenario.mean + (scenario.effect if condition == "later" else 0.0) + spread * z
    share = yes_chance(scenario, stimulus, nodes)
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

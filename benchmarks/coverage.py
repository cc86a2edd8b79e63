"""Coverage of every default interval and false-alarm rate of every default test, beside the naive methods.

    python -m benchmarks.coverage [--replicates 2000] [--seed 0] [--markdown]

Simulates crossed answers whose true values are known, under each of the scenarios below, and counts how often a 95 %
interval holds the true value and how often a 5 % test rejects a true null hypothesis. Prints one JSON line, or with
--markdown the tables of docs/explanation/intervals.md. With 2,000 replicates the Monte Carlo standard error is 0.5
points at 95 %.
"""

import argparse
import json
import math
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from studies.analysis.agreement import STATISTICS, panel_agreement
from studies.analysis.cluster import Contrast, registered_contrasts, two_way_difference, two_way_mean, two_way_share
from studies.analysis.crossed import CrossedPanels
from studies.analysis.differences import pivotal_difference
from studies.analysis.intervals import pivotal_interval
from studies.analysis.panels import count_panels
from studies.analysis.simulate import Scenario, simulate_answers, truth

THRESHOLD = 4
CHANCE = 1 / 6
ALPHA = 0.05

SCENARIOS = [
    Scenario(373, 25, name="25 participants"),
    Scenario(373, 50, name="50 participants"),
    Scenario(373, 100, name="100 participants"),
    Scenario(373, 200, name="200 participants"),
    Scenario(373, 100, participant_sd=0.0, name="100, participants alike"),
    Scenario(373, 100, activity_sd=1.0, name="100, uneven"),
    Scenario(373, 200, activity_sd=1.5, name="200, very uneven"),
    Scenario(373, 100, random_answerers=0.2, name="100, a fifth at random"),
    Scenario(373, 25, random_answerers=0.2, name="25, a fifth at random"),
    Scenario(373, 100, mean=-2.5, name="100, yes is rare"),
    Scenario(60, 25, name="25, 60 images only"),
    Scenario(2000, 50, activity_sd=1.0, name="50 uneven, 2,000 images"),
    Scenario(11_345, 200, activity_sd=1.0, name="200 uneven, 11,345 images"),
]


class Tally:
    """How often each named event happened, of the replicates in which it could."""

    def __init__(self) -> None:
        self.happened: dict[str, int] = defaultdict(int)
        self.possible: dict[str, int] = defaultdict(int)

    def covers(self, name: str, low: float | None, high: float | None, value: float) -> None:
        if low is not None and high is not None:
            self.count(name, low <= value <= high)

    def rejects(self, name: str, p: float | None) -> None:
        # A test that is undefined does not reject.
        self.count(name, p is not None and p < ALPHA)

    def count(self, name: str, event: bool) -> None:
        self.happened[name] += event
        self.possible[name] += 1

    def rates(self) -> dict[str, float]:
        return {name: round(self.happened[name] / self.possible[name], 4) for name in self.possible}


def intervals(scenario: Scenario, replicates: int, rng: np.random.Generator) -> dict[str, float]:
    """Coverage in a study of one condition: accepted share, yes share, agreement."""
    true, tally, effective = truth(scenario, THRESHOLD), Tally(), 0.0
    for _ in range(replicates):
        answers = simulate_answers(scenario, rng)
        panels = count_panels(answers)
        crossed = CrossedPanels.of(answers, panels)
        share = pivotal_interval(answers, THRESHOLD, panels=panels, crossed=crossed)
        effective += (share.effective_participants or 0.0) / replicates
        tally.covers("accepted share: pivotal", share.low, share.high, true["accepted_share"])
        tally.covers("accepted share: Wilson", *share.wilson, true["accepted_share"])
        found = panel_agreement(crossed, draws=1000)
        for name, value in zip(STATISTICS, ("raw", "kappa", "kappa", "gwet_ac1"), strict=True):
            for method, key in (("two-way", "intervals"), ("bootstrap", "bootstrap")):
                bounds = found[key][name]
                tally.covers(f"{name}: {method}", bounds["low"], bounds["high"], true[value])
    return {"effective participants": round(effective, 1)} | tally.rates()


def differences(scenario: Scenario, replicates: int, rng: np.random.Generator) -> dict[str, float]:
    """Two conditions met by the same people, images reacting differently: coverage, and rejections of a true null."""
    moved = replace(scenario, effect=0.7, effect_sd=1.0)
    first, later = (truth(moved, THRESHOLD, condition=c) for c in ("first", "later"))
    tally = Tally()
    for _ in range(replicates):
        for case in (moved, replace(moved, effect=0.0)):
            answers = simulate_answers(case, rng, conditions=2)
            (_, one), (_, other) = answers.by_condition()
            found = pivotal_difference(one, other, THRESHOLD)
            yes = two_way_difference(answers.answer, answers.condition == 1, answers.participant, answers.stimulus)
            if case is moved:
                value = later["accepted_share"] - first["accepted_share"]
                tally.covers("accepted shares: pivotal", found["low"], found["high"], value)
                if found["naive"]:
                    tally.covers("accepted shares: images only", found["naive"]["low"], found["naive"]["high"], value)
                value = later["yes_share"] - first["yes_share"]
                tally.covers("yes shares: two-way", yes.low, yes.high, value)
                tally.covers("yes shares: independent", yes.naive["low"], yes.naive["high"], value)
            else:
                tally.rejects("accepted shares: pivotal test", found["p_value"])
                tally.rejects("accepted shares: McNemar", found["mcnemar"]["p_value"])
                tally.rejects("yes shares: two-way t", yes.p_value)
                tally.rejects("yes shares: independent z", normal(yes.estimate, yes.naive["standard_error"]))
    return tally.rates()


def choices(scenario: Scenario, replicates: int, rng: np.random.Generator) -> dict[str, float]:
    """A choice with chance 1/6 (class assignment) and ratings: coverage, tests against chance, Holm's family."""
    small = replace(scenario, stimuli=min(scenario.stimuli, 84), stimulus_sd=1.0, panel=3)
    at = brentq(lambda mean: truth(replace(small, mean=mean), 1)["yes_share"] - CHANCE, -20, 20)
    level, tally = replace(small, mean=at), Tally()
    names = [f"condition {place + 1}" for place in range(7)]
    contrasts = [Contrast(name, {name: 1, names[-1]: -1}) for name in names[:-1]]
    for _ in range(replicates):
        answers = simulate_answers(level, rng)
        share = two_way_share(answers.answer, answers.participant, answers.stimulus, chance=CHANCE)
        tally.covers("share: two-way logit", share.low, share.high, CHANCE)
        tally.covers("share: Wilson", share.naive["low"], share.naive["high"], CHANCE)
        tally.rejects("share: two-way test of chance", share.p_value)
        tally.rejects("share: z test of chance", normal(share.estimate - CHANCE, share.naive["standard_error"]))
        several = simulate_answers(replace(level, effect_sd=0.5), rng, conditions=7)
        found = registered_contrasts(
            several.answer,
            np.array(names)[several.condition],
            several.participant,
            several.stimulus,
            contrasts,
        )
        tally.count("six contrasts: Holm", any((each["p_holm"] or 1) < ALPHA for each in found))
        tally.count("six contrasts: unadjusted", any((each["p_value"] or 1) < ALPHA for each in found))
        ratings = rate(small, answers.participant, answers.stimulus, rng)
        mean = two_way_mean(ratings, answers.participant, answers.stimulus, null=0)
        tally.covers("ratings: two-way", mean.low, mean.high, 0)
        tally.covers("ratings: independent", mean.naive["low"], mean.naive["high"], 0)
        tally.rejects("ratings: two-way t", mean.p_value)
    return tally.rates()


def rate(scenario: Scenario, participant: np.ndarray, stimulus: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ratings from -2 to 2, symmetric about 0."""
    people = rng.normal(0, scenario.participant_sd, participant.max() + 1)
    items = rng.normal(0, scenario.stimulus_sd, stimulus.max() + 1)
    return np.clip(np.round(people[participant] + items[stimulus] + rng.normal(0, 1, len(participant))), -2, 2)


def normal(estimate: float, error: float | None) -> float | None:
    """Two-sided p-value of a z test."""
    return 2 * float(ndtr(-abs(estimate) / error)) if error else None


PARTS = {"intervals": intervals, "differences": differences, "choices": choices}
MEANT = {"intervals": "95", "differences": "95, tests 5", "choices": "95, tests 5"}


def simulate(replicates: int, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    results: dict[str, dict[str, dict[str, float]]] = {}
    for place, (part, run) in enumerate(PARTS.items()):
        streams = np.random.default_rng([seed, place]).spawn(len(SCENARIOS))
        results[part] = {
            scenario.name: run(scenario, replicates, rng) for scenario, rng in zip(SCENARIOS, streams, strict=True)
        }
    return results


def markdown(results: dict[str, dict[str, dict[str, float]]]) -> str:
    lines = []
    for part, rows in results.items():
        columns = list(next(iter(rows.values())))
        lines += [f"**{part.capitalize()}** (per cent; meant: {MEANT[part]})", ""]
        lines += ["| scenario | " + " | ".join(columns) + " |", "| --- |" + " ---: |" * len(columns)]
        for name, rates in rows.items():
            cells = [
                f"{value:g}" if column == "effective participants" else f"{100 * value:.1f}"
                for column, value in ((column, rates.get(column, math.nan)) for column in columns)
            ]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    start = time.perf_counter()
    results = simulate(asked.replicates, asked.seed)
    if asked.markdown:
        print(markdown(results))
    else:
        seconds = round(time.perf_counter() - start)
        print(json.dumps({"benchmark": "coverage", "replicates": asked.replicates, "seconds": seconds, **results}))

"""Coverage of every interval, by estimand and estimator, and false alarms of every test, beside the naive methods.

    python -m benchmarks.coverage --json OUT.json [--replicates 2000] [--seed 0] [--part NAME ...]
    python -m benchmarks.coverage_tables OUT.json [--into docs/explanation/intervals.md]

Simulates crossed answers whose true values are known, under each of the scenarios of ``coverage_scenarios``, and counts
how often a 95% interval holds the true value and how often a 5 % test rejects a true null hypothesis. The counts are
written after every round of 25 replicates, and a run that was stopped goes on from its file. Its tables
are made by ``coverage_tables``. With 2,000 replicates the Monte Carlo standard
error is 0.5 points at 95%, with 400 it is 1.1.
"""

import argparse
import gc
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

from benchmarks.coverage_scenarios import CASES, Case
from studies.analysis.agreement import STATISTICS, panel_agreement
from studies.analysis.crossed_panels import CrossedPanels
from studies.analysis.differences import pivotal_difference
from studies.analysis.estimands import Line, both_estimands
from studies.analysis.intervals import pivotal_interval
from studies.analysis.panels import count_panels
from studies.analysis.pivotal import PanelAnswers
from studies.analysis.rectified import parts_of
from studies.analysis.simulation_model import Scenario, draw_stimuli, simulate_answers, truth, yes_chance
from studies.analysis.two_way_clustering import (
    Contrast,
    registered_contrasts,
    two_way_difference,
    two_way_mean,
    two_way_share,
)

CHANCE = 1 / 6
ALPHA = 0.05
#: Of all images, in the rectified error's scenarios.
ERROR = 0.25
EFFECTIVE = "effective participants"
#: Replicates between two writings of the file.
ROUND = 25

#: The true values of a scenario, worked out once.
truth_of = lru_cache(maxsize=None)(truth)


class Tally:
    """How often each named event happened, of the replicates in which it could."""

    def __init__(self) -> None:
        self.happened: dict[str, float] = defaultdict(float)
        self.possible: dict[str, int] = defaultdict(int)

    def covers(self, name: str, low: float | None, high: float | None, value: float) -> None:
        if low is not None and high is not None:
            self.count(name, low <= value <= high)

    def rejects(self, name: str, p: float | None) -> None:
        # A test that is undefined does not reject.
        self.count(name, p is not None and p < ALPHA)

    def count(self, name: str, event: float) -> None:
        """Count an event, or sum a number to be averaged."""
        self.happened[name] += float(event)
        self.possible[name] += 1

    def counts(self) -> dict[str, tuple[float, int]]:
        return {name: (self.happened[name], self.possible[name]) for name in self.possible}


def accepted(case: Case, replicates: int, rng: np.random.Generator) -> Tally:
    """The accepted share of new images among new participants, and the bound where nothing or all is accepted."""
    scenario, k = case.scenario, case.threshold
    value, tally = truth_of(scenario, k)["accepted_share"], Tally()
    for _ in range(replicates):
        share = pivotal_interval(simulate_answers(scenario, rng), k)
        tally.count(EFFECTIVE, share.effective_participants or 0.0)
        tally.count("no interval", share.low is None)
        tally.covers("pivotal", share.low, share.high, value)
        if share.jackknife:
            tally.covers("jackknife", share.jackknife["low"], share.jackknife["high"], value)
        tally.covers("Wilson", *(share.wilson or (None, None)), value)
        bound = share.bound
        missed = bound and (value < bound["value"] if bound["side"] == "low" else value > bound["value"])
        tally.count("0 or all, bound missed", bool(missed))
    return tally


def rectified(case: Case, replicates: int, rng: np.random.Generator) -> Tally:
    """R = E (1 - s) for new images and for this image set, all errors shown and a third of them."""
    tally = Tally()
    for _ in range(replicates):
        for shown in ("all", "a third"):
            _rectified_once(case, shown, tally, rng)
    return tally


def _rectified_once(case: Case, shown: str, tally: Tally, rng: np.random.Generator) -> None:
    scenario, k = case.scenario, case.threshold
    population = round(scenario.stimuli / ERROR)
    errors = max(int(rng.binomial(population, ERROR)), 8)
    everything = draw_stimuli(replace(scenario, stimuli=errors), rng)
    seen = everything if shown == "all" else everything[: max(errors // 3, 8)]
    answers = simulate_answers(replace(scenario, stimuli=len(seen)), rng, log_odds=seen)
    panels = count_panels(answers)
    counted = PanelAnswers.of(answers, panels)
    share = pivotal_interval(answers, k, panels=panels, counted=counted)
    line = Line(errors / population, errors / population, (population, population), errors)
    found = both_estimands(line, share, parts_of(counted, share, k))
    of_set = line.at(float(binom.sf(k - 1, scenario.panel, yes_chance(scenario, everything)).mean()))
    of_new = ERROR * (1 - truth_of(scenario, k)["accepted_share"])
    these, new = found["this image set"], found["new images"]
    tally.covers(f"{shown}: this image set", these["low"], these["high"], of_set)
    tally.covers(f"{shown}: new images", new["low"], new["high"], of_new)
    if new["jackknife"]:
        tally.covers(f"{shown}: new, jackknife", new["jackknife"]["low"], new["jackknife"]["high"], of_new)
    if share.low is not None and share.high is not None:
        # What is often done: E known, the shown images drawn.
        tally.covers(f"{shown}: s alone, this set", line.at(share.high), line.at(share.low), of_set)
        tally.covers(f"{shown}: s alone, new", line.at(share.high), line.at(share.low), of_new)


#: Under attack, in the adversarial scenarios: how many images are wrong, and how many were right and are turned.
WRONG, TURNED = 0.9, 0.7


def adversarial(case: Case, replicates: int, rng: np.random.Generator) -> Tally:
    """R = S - f p by estimand, S and f over the same images or S over twice as many others; all turned images shown."""
    tally = Tally()
    for _ in range(replicates):
        for over in ("same", "separate"):
            _adversarial_once(case, over, tally, rng)
    return tally


def _adversarial_once(case: Case, over: str, tally: Tally, rng: np.random.Generator) -> None:
    scenario, k = case.scenario, case.threshold
    population = round(scenario.stimuli / TURNED)
    turned = max(int(rng.binomial(population, TURNED)), 8)
    if over == "same":
        wrong = turned + int(rng.binomial(max(population - turned, 0), (WRONG - TURNED) / (1 - TURNED)))
    else:
        wrong = int(rng.binomial(2 * population, WRONG))
    images = draw_stimuli(replace(scenario, stimuli=turned), rng)
    answers = simulate_answers(replace(scenario, stimuli=turned), rng, log_odds=images)
    panels = count_panels(answers)
    counted = PanelAnswers.of(answers, panels)
    share = pivotal_interval(answers, k, panels=panels, counted=counted)
    populations = (population if over == "same" else 2 * population, population)
    line = Line(wrong / populations[0], turned / populations[1], populations, turned)
    found = both_estimands(line, share, parts_of(counted, share, k))
    of_set = line.at(float(binom.sf(k - 1, scenario.panel, yes_chance(scenario, images)).mean()))
    of_new = WRONG - TURNED * truth_of(scenario, k)["accepted_share"]
    these, new = found["this image set"], found["new images"]
    tally.covers(f"{over}: this image set", these["low"], these["high"], of_set)
    tally.covers(f"{over}: new images", new["low"], new["high"], of_new)
    if new["jackknife"]:
        tally.covers(f"{over}: new, jackknife", new["jackknife"]["low"], new["jackknife"]["high"], of_new)


LABELS = 5


def any_label(case: Case, replicates: int, rng: np.random.Generator) -> Tally:
    """Images accepted through any of five labels, which share what their image contributes."""
    scenario = replace(
        case.scenario,
        stimuli=LABELS * max(case.scenario.stimuli // LABELS, 12),
        per_item=LABELS,
        item_sd=case.scenario.stimulus_sd / 2,
        mean=case.scenario.mean - 2.0,
    )
    value, tally = _any_accepted(scenario, case.threshold), Tally()
    images = np.arange(scenario.stimuli) // LABELS
    for _ in range(replicates):
        answers = simulate_answers(scenario, rng)
        panels = count_panels(answers)
        counted = PanelAnswers.of(answers, panels, unit=images, item=images)
        share = pivotal_interval(answers, case.threshold, panels=panels, counted=counted)
        tally.covers("pivotal", share.low, share.high, value)
        if share.jackknife:
            tally.covers("jackknife", share.jackknife["low"], share.jackknife["high"], value)
        tally.covers("Wilson", *(share.wilson or (None, None)), value)
    return tally


@cache
def _any_accepted(scenario: Scenario, threshold: int, nodes: int = 60) -> float:
    z, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = weight / weight.sum()
    log_odds = scenario.mean + scenario.item_sd * z[:, None] + scenario.stimulus_sd * z[None, :]
    share = yes_chance(scenario, log_odds.ravel()).reshape(log_odds.shape)
    label = binom.sf(threshold - 1, scenario.panel, share) @ weight
    return float((1 - (1 - label) ** LABELS) @ weight)


PER_CLASS = 12


def related(case: Case, replicates: int, rng: np.random.Generator) -> Tally:
    """Images of classes that are a sample too, twelve a class: taken as independent, and clustered by class."""
    scenario = replace(case.scenario, per_item=PER_CLASS, item_sd=1.0)
    value, tally = truth_of(scenario, case.threshold)["accepted_share"], Tally()
    classes = np.arange(scenario.stimuli) // PER_CLASS
    for _ in range(replicates):
        answers = simulate_answers(scenario, rng)
        panels = count_panels(answers)
        for name, item in (("as independent", None), ("by class", classes)):
            counted = PanelAnswers.of(answers, panels, item=item)
            share = pivotal_interval(answers, case.threshold, panels=panels, counted=counted)
            tally.covers(f"{name}: pivotal", share.low, share.high, value)
            if share.jackknife:
                tally.covers(f"{name}: jackknife", share.jackknife["low"], share.jackknife["high"], value)
    return tally


def agreement(case: Case, replicates: int, rng: np.random.Generator) -> Tally:
    """Raw agreement, kappa, alpha and AC1."""
    scenario, tally = case.scenario, Tally()
    true = truth_of(scenario, case.threshold)
    for _ in range(replicates):
        answers = simulate_answers(scenario, rng)
        found = panel_agreement(CrossedPanels.of(answers, count_panels(answers)), draws=400)
        for name, value in zip(STATISTICS, ("raw", "kappa", "kappa", "gwet_ac1"), strict=True):
            for method, key in (("two-way", "intervals"), ("bootstrap", "bootstrap")):
                bounds = found[key][name]
                tally.covers(f"{name}: {method}", bounds["low"], bounds["high"], true[value])
    return tally


def differences(case: Case, replicates: int, rng: np.random.Generator) -> Tally:
    """Two conditions met by the same people, images reacting differently: coverage, and rejections of a true null."""
    k = case.threshold
    moved = replace(case.scenario, effect=0.7, effect_sd=1.0)
    first, later = (truth_of(moved, k, condition=c) for c in ("first", "later"))
    tally = Tally()
    for _ in range(replicates):
        for scenario in (moved, replace(moved, effect=0.0)):
            answers = simulate_answers(scenario, rng, conditions=2)
            (_, one), (_, other) = answers.by_condition()
            found = pivotal_difference(one, other, k)
            columns = answers.answer, answers.condition == 1, answers.participant, answers.stimulus
            yes = two_way_difference(*columns, estimator="jackknife")
            if scenario is moved:
                value = later["accepted_share"] - first["accepted_share"]
                tally.covers("accepted: pivotal", found["low"], found["high"], value)
                if found["naive"]:
                    tally.covers("accepted: images only", found["naive"]["low"], found["naive"]["high"], value)
                value = later["yes_share"] - first["yes_share"]
                tally.covers("yes: jackknife", yes.low, yes.high, value)
                if yes.robust:
                    tally.covers("yes: robust", yes.robust["low"], yes.robust["high"], value)
            else:
                tally.rejects("null, accepted: pivotal", found["p_value"])
                tally.rejects("null, accepted: McNemar", found["mcnemar"]["p_value"])
                tally.rejects("null, yes: jackknife", yes.p_value)
                tally.rejects("null, yes: robust", two_way_difference(*columns).p_value)
    return tally


def choices(case: Case, replicates: int, rng: np.random.Generator) -> Tally:
    """A choice with chance 1/6 (class assignment) and ratings: coverage, tests against chance, Holm's family."""
    scenario = case.scenario
    small = replace(scenario, stimuli=min(scenario.stimuli, 84), stimulus_sd=min(scenario.stimulus_sd, 1.0), panel=3)
    # Where half of the answers are drawn at random no mean gives so low a share.
    low = small.random_answerers < 0.3
    at = mean_at_chance(small) if low else 0.0
    share_of = CHANCE if low else truth_of(replace(small, mean=0.0), 1)["yes_share"]
    level, tally = replace(small, mean=at), Tally()
    names = [f"condition {place + 1}" for place in range(7)]
    contrasts = [Contrast(name, {name: 1, names[-1]: -1}) for name in names[:-1]]
    for _ in range(replicates):
        answers = simulate_answers(level, rng)
        columns = answers.answer, answers.participant, answers.stimulus
        share = two_way_share(*columns, chance=share_of, estimator="jackknife", floor="larger")
        tally.covers("share: jackknife", share.low, share.high, share_of)
        if share.robust:
            tally.covers("share: robust", share.robust["low"], share.robust["high"], share_of)
        tally.covers("share: Wilson", share.naive["low"], share.naive["high"], share_of)
        tally.rejects("null, share: jackknife", share.p_value)
        several = simulate_answers(replace(level, effect_sd=0.5), rng, conditions=7)
        columns = (several.answer, np.array(names)[several.condition], several.participant, several.stimulus)
        for estimator in ("jackknife", "robust"):
            found = registered_contrasts(*columns, contrasts, estimator=estimator)
            tally.count(
                f"null, six contrasts: {estimator}",
                any(each["p_holm"] is not None and each["p_holm"] < ALPHA for each in found),
            )
        ratings = rate(small, answers.participant, answers.stimulus, rng)
        mean = two_way_mean(
            ratings, answers.participant, answers.stimulus, null=0, estimator="jackknife", floor="larger"
        )
        tally.covers("ratings: jackknife", mean.low, mean.high, 0)
        if mean.robust:
            tally.covers("ratings: robust", mean.robust["low"], mean.robust["high"], 0)
        tally.covers("ratings: independent", mean.naive["low"], mean.naive["high"], 0)
        tally.rejects("null, ratings: jackknife", mean.p_value)
    return tally


@cache
def mean_at_chance(scenario: Scenario) -> float:
    """The mean log-odds at which the share of yes is chance."""
    return float(brentq(lambda mean: truth(replace(scenario, mean=mean), 1)["yes_share"] - CHANCE, -20, 20))


def rate(scenario: Scenario, participant: np.ndarray, stimulus: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ratings from -2 to 2, symmetric about 0."""
    people = rng.normal(0, scenario.participant_sd, participant.max() + 1)
    items = rng.normal(0, scenario.stimulus_sd, stimulus.max() + 1)
    return np.clip(np.round(people[participant] + items[stimulus] + rng.normal(0, 1, len(participant))), -2, 2)


PARTS = {
    "accepted": accepted,
    "rectified": rectified,
    "adversarial": adversarial,
    "any_label": any_label,
    "related": related,
    "differences": differences,
    "choices": choices,
    "agreement": agreement,
}
TITLES = {
    "accepted": "Accepted share, new images and new participants (meant: 95; bound missed: at most 5)",
    "rectified": "Rectified error by estimand, all errors shown and a third of them (meant: 95)",
    "adversarial": "Adversarial rectified error by estimand, S and f over the same images or others (meant: 95)",
    "any_label": "Images accepted through any of five labels (meant: 95)",
    "related": "Classes that are a sample too, SD 1 between them (meant: 95)",
    "differences": "Two conditions (meant: 95; null: 5)",
    "choices": "Choices and ratings (meant: 95; null: 5)",
    "agreement": "Agreement (meant: 95)",
}


def simulate(
    parts: list[str],
    replicates: int,
    seed: int,
    file: Path | None = None,
    cases: Sequence[Case] = CASES,
    size: int = ROUND,
) -> dict[str, Any]:
    """Run the parts in rounds of ``size`` replicates, each with a stream of its own; go on from what ``file`` holds.

    Returns {"benchmark", "seed", "round", "rounds" {part: rounds done}, "counts" {part: {scenario: {name: [happened,
    possible]}}}}, which is what the file holds after each round. Raises ValueError where the file is of another run.
    """
    state: dict[str, Any] = {"benchmark": "coverage", "seed": seed, "round": size, "rounds": {}, "counts": {}}
    if file is not None and file.exists():
        before = json.loads(file.read_text())
        if [before.get(name) for name in ("benchmark", "seed", "round")] != ["coverage", seed, size]:
            raise ValueError(f"{file} is of another run: remove it, or give its seed")
        state = before
    order = list(PARTS)
    for turn in range(replicates // size):
        for part in parts:
            if turn < state["rounds"].get(part, 0):
                continue
            for place, case in enumerate(cases):
                rng = np.random.default_rng([seed, order.index(part), place, turn])
                _add(state["counts"].setdefault(part, {}).setdefault(case.name, {}), PARTS[part](case, size, rng))
            state["rounds"][part] = turn + 1
            if file is not None:
                _write(file, state)
    return state


def _add(row: dict[str, list[float]], tally: Tally) -> None:
    for name, (happened, possible) in tally.counts().items():
        before = row.get(name, [0, 0])
        row[name] = [before[0] + happened, before[1] + possible]


def _write(file: Path, state: dict[str, Any]) -> None:
    """Put the counts into the file at once, so that a run that is killed leaves the last round."""
    beside = file.with_name(file.name + ".part")
    beside.write_text(json.dumps(state))
    beside.replace(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--json", type=Path, help="file of the counts, written after every round")
    asked = parser.parse_args()
    # Holm's correction in statsmodels collects garbage at every call: nothing of the modules is.
    gc.freeze()
    print(json.dumps(simulate(asked.part, asked.replicates, asked.seed, asked.json)))

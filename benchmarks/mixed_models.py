"""Is a crossed mixed logistic model of statsmodels reliable enough to stand beside the two-way estimators?

    python -m benchmarks.mixed_models [--replicates 100] [--seed 0] [--json OUT.json]

Simulates two conditions met by the same participants on the same stimuli, the log-odds being the sum of normal effects
of participant and stimulus and of the condition, and fits ``BinomialBayesMixedGLM`` with crossed random intercepts, by
variational Bayes and by the posterior's mode. Counts how often its 95% interval holds the effect and how often a true
null is rejected at 5 %, and the same of the two-way jackknife on the same answers. In the third scenario stimuli react
to the condition each in their way, which random intercepts do not know. Writes the counts after every replicate.
"""

import argparse
import json
import time
import warnings
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

from studies.analysis.answers import Answers
from studies.analysis.simulation_model import Scenario, simulate_answers
from studies.analysis.two_way_clustering import Contrast, registered_contrasts

EFFECT, CRITICAL = 0.7, 1.959963984540054
BASE = Scenario(60, 40, panel=5, stimulus_sd=1.0, participant_sd=1.0)
SCENARIOS = {
    "intercepts alone": BASE,
    "strong people": replace(BASE, participant_sd=2.0),
    "stimuli react differently": replace(BASE, effect_sd=0.7),
}
CONTRAST = Contrast("difference", {"condition 2": 1.0, "condition 1": -1.0})


def fitted(answers: Answers, how: str) -> tuple[float, float]:
    """The effect's posterior mean and standard deviation, in log-odds."""
    table = pd.DataFrame(
        {
            "answer": answers.answer,
            "later": answers.condition,
            "participant": answers.participant,
            "stimulus": answers.stimulus,
        }
    )
    model = BinomialBayesMixedGLM.from_formula(
        "answer ~ later", {"people": "0 + C(participant)", "stimuli": "0 + C(stimulus)"}, table
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.fit_vb() if how == "variational Bayes" else model.fit_map()
    return float(found.fe_mean[1]), float(found.fe_sd[1])


def simulate(replicates: int, seed: int, file: Path | None) -> dict:
    counts: dict[str, dict[str, list[float]]] = {name: defaultdict(lambda: [0.0, 0]) for name in SCENARIOS}
    for replicate in range(replicates):
        for place, (name, scenario) in enumerate(SCENARIOS.items()):
            for effect in (EFFECT, 0.0):
                rng = np.random.default_rng([seed, place, int(effect > 0), replicate])
                _once(counts[name], replace(scenario, effect=effect), rng)
        if file is not None:
            file.write_text(json.dumps({"benchmark": "mixed_models", "replicates": replicate + 1, "counts": counts}))
    return {"benchmark": "mixed_models", "replicates": replicates, "counts": counts}


def _once(counts: dict[str, list[float]], scenario: Scenario, rng: np.random.Generator) -> None:
    answers = simulate_answers(scenario, rng, conditions=2)
    for how in ("variational Bayes", "posterior mode"):
        start = time.process_time()
        estimate, spread = fitted(answers, how)
        _count(counts, f"{how}, seconds", time.process_time() - start)
        if scenario.effect:
            _count(counts, f"{how}, estimate", estimate)
            _count(counts, f"{how}, covers", abs(estimate - scenario.effect) <= CRITICAL * spread)
        else:
            _count(counts, f"{how}, rejects a true null", abs(estimate) > CRITICAL * spread)
    if not scenario.effect:
        names = np.array(["condition 1", "condition 2"])[answers.condition]
        (found,) = registered_contrasts(
            answers.answer, names, answers.participant, answers.stimulus, [CONTRAST], estimator="jackknife"
        )
        _count(counts, "jackknife, rejects a true null", found["p_value"] is not None and found["p_value"] < 0.05)


def _count(counts: dict[str, list[float]], name: str, value: float) -> None:
    counts[name] = [counts[name][0] + float(value), counts[name][1] + 1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = simulate(asked.replicates, asked.seed, asked.json)
    print(json.dumps(found))

"""Simulated answers have the values they are meant to have, and plans follow from them."""

import json
from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import chisquare

from studies.analysis import simulation_model
from studies.analysis.agreement import panel_agreement
from studies.analysis.answers import AnswersError
from studies.analysis.crossed_panels import CrossedPanels
from studies.analysis.intervals import effective_participants
from studies.analysis.panels import count_panels
from studies.analysis.power import Assumptions, from_pilot, plan, suggested_cap
from studies.analysis.simulation_model import Scenario, assign, simulate_answers, truth
from studies.analysis.two_way_clustering import two_way_share


@pytest.mark.parametrize(
    ("stimuli", "participants", "panel", "activity_sd"),
    [
        (300, 8, 5, 0),
        (300, 200, 5, 2),
        (300, 5, 5, 1),
        # Hardly any panel of that size is drawn without a repeat: drawing until one is distinct never ends.
        (300, 181, 60, 0.5),
        (50, 600, 200, 3),
        # One person has nearly all of the activity.
        (40, 30_000, 20, 1e6),
    ],
)
def test_each_panel_has_distinct_participants(stimuli, participants, panel, activity_sd):
    scenario = Scenario(stimuli, participants, panel, activity_sd=activity_sd)
    people = np.sort(assign(scenario, np.random.default_rng(0)).reshape(stimuli, panel), axis=1)
    assert (people[:, 1:] > people[:, :-1]).all()
    assert people.min() >= 0
    assert people.max() < participants


@pytest.mark.parametrize(
    ("crowd", "panel", "rounds"),
    # A small crowd; a larger one by drawing and leaving out repeats; and one whose panels are nearly all filled up.
    [(5, 3, 4), (7, 2, 4), (7, 2, 1)],
)
def test_panels_are_drawn_one_after_the_other_by_activity(crowd, panel, rounds, monkeypatch):
    monkeypatch.setattr(simulation_model, "ROUNDS", rounds)
    log_activity = np.linspace(-1.5, 1.5, crowd)
    activity, n = np.exp(log_activity), 40_000
    found = Counter(map(tuple, simulation_model._panels(n, panel, log_activity, np.random.default_rng(3)).tolist()))
    expected = {}
    for people in permutations(range(crowd), panel):
        taken = np.concatenate([[0], np.cumsum(activity[list(people)])[:-1]])
        expected[people] = n * float(np.prod(activity[list(people)] / (activity.sum() - taken)))
    assert sum(expected.values()) == pytest.approx(n)
    assert chisquare([found[people] for people in expected], list(expected.values())).pvalue > 0.001


@pytest.mark.parametrize("random_answerers", [0, 0.3])
def test_the_true_values_are_those_of_a_very_large_study(random_answerers):
    scenario = Scenario(40_000, 20_000, mean=-0.5, random_answerers=random_answerers)
    panels = count_panels(answers := simulate_answers(scenario, np.random.default_rng(1)))
    expected = truth(scenario, 4)
    found = panel_agreement(CrossedPanels.of(answers, panels), draws=0)
    assert panels.accepted(4) / 40_000 == pytest.approx(expected["accepted_share"], abs=0.01)
    assert found["raw"] == pytest.approx(expected["raw"], abs=0.01)
    assert found["krippendorff_alpha"] == pytest.approx(expected["kappa"], abs=0.015)
    assert found["gwet_ac1"] == pytest.approx(expected["gwet_ac1"], abs=0.015)
    assert panels.yes.sum() / 200_000 == pytest.approx(expected["yes_share"], abs=0.01)


def test_the_second_condition_is_shifted_by_its_effect():
    scenario = Scenario(40_000, 20_000, effect=1.0, effect_sd=1.0)
    _, (_, second) = simulate_answers(scenario, np.random.default_rng(2), conditions=2).by_condition()
    panels = count_panels(second)
    assert panels.accepted(4) / 40_000 == pytest.approx(
        truth(scenario, 4, condition="later")["accepted_share"], abs=0.01
    )
    assert truth(scenario, 4, condition="later")["accepted_share"] > truth(scenario, 4)["accepted_share"] + 0.1


def test_a_plan_shows_that_participants_and_not_stimuli_narrow_the_interval():
    rows = plan(
        Assumptions(Scenario(1, 5, participant_sd=1.5), pay=0.1, seconds=9),
        stimuli=[500, 2000],
        participants=[4, 20, 160],
        replicates=40,
    )
    json.dumps(rows, allow_nan=False)
    by_cell = {(row["stimuli"], row["participants"]): row for row in rows}
    assert "cannot fill" in by_cell[500, 4]["reason"]
    assert by_cell[2000, 20]["width"] > by_cell[500, 160]["width"]
    assert (by_cell[500, 20]["cost"], by_cell[500, 20]["hours"]) == (250, 6.25)
    assert by_cell[500, 20]["power"] is None
    assert rows == plan(
        Assumptions(Scenario(1, 5, participant_sd=1.5), pay=0.1, seconds=9),
        stimuli=[500, 2000],
        participants=[4, 20, 160],
        replicates=40,
    )


def test_as_many_participants_as_a_panel_has_fill_it_and_one_less_do_not():
    rows = plan(Assumptions(Scenario(1, 12)), stimuli=[20], participants=[11, 12], panels=[12], replicates=3)
    few, enough = rows
    assert few["reason"] == "11 participants cannot fill panels of 12"
    assert (few["width"], few["effective_participants"]) == (None, None)
    assert enough["reason"] is None
    assert enough["effective_participants"] == pytest.approx(12)


def test_power_grows_with_the_study_and_is_about_alpha_without_an_effect():
    assumptions = Assumptions(Scenario(1, 5, effect=1.0))
    few, many = plan(assumptions, stimuli=[30, 300], participants=[50], conditions=2, replicates=60)
    assert few["power"] < 0.8 < many["power"]
    assert many["power_low"] < many["power"] <= many["power_high"]
    none = replace(assumptions, scenario=replace(assumptions.scenario, effect=0.0))
    (row,) = plan(none, stimuli=[150], participants=[50], conditions=2, replicates=200)
    assert row["power"] < 0.12


def test_pilots_give_back_on_average_what_they_were_simulated_from():
    scenario = Scenario(1500, 150, mean=-0.8, stimulus_sd=1.8, participant_sd=0.9, activity_sd=0.8)
    found = [from_pilot(simulate_answers(scenario, np.random.default_rng(seed))) for seed in range(10)]
    for name in ("mean", "stimulus_sd", "participant_sd", "activity_sd"):
        values = [getattr(each, name) for each in found]
        # Three standard errors of the mean of ten pilots, the spread of one being up to 0.13.
        assert np.mean(values) == pytest.approx(getattr(scenario, name), abs=0.13)


def test_the_suggested_cap_keeps_enough_effective_participants_whatever_the_activity():
    cap = suggested_cap(1865)
    assert cap == 74
    for counts in ([cap] * 25 + [15], [cap] * 20 + [1] * 385):
        assert sum(counts) == 1865
        assert effective_participants(np.array(counts)) >= 25
    with pytest.raises(AnswersError):
        suggested_cap(10)


@pytest.mark.parametrize(
    "settings", [{"participants": 4}, {"stimuli": 0}, {"participant_sd": -1}, {"random_answerers": 1.5}]
)
def test_scenarios_that_cannot_be_are_refused(settings):
    with pytest.raises(AnswersError):
        Scenario(**{"stimuli": 10, "participants": 10, **settings})


# --- shares of answers ------------------------------------------------------------------------------------------------


def test_a_share_is_planned_by_the_interval_that_results_get():
    scenario = Scenario(stimuli=1, participants=5, stimulus_sd=1.0, participant_sd=0.5)
    (row,) = plan(Assumptions(scenario, measure="share"), stimuli=[80], participants=[40], replicates=60, seed=1)
    rng = np.random.default_rng(1).spawn(1)[0]
    found = []
    for _ in range(60):
        table = simulate_answers(replace(scenario, stimuli=80, participants=40), rng)
        columns = table.answer, table.participant, table.stimulus
        one = two_way_share(*columns, estimator="jackknife", floor="larger")
        found.append(one.high - one.low)
    assert row["width"] == pytest.approx(float(np.median(found)))
    assert row["truth"] == pytest.approx(0.5)


def test_the_power_for_a_share_is_the_tests_size_without_an_effect_and_rises_with_one():
    def power(effect: float) -> float:
        assumed = Assumptions(Scenario(stimuli=1, participants=5, effect=effect), measure="share")
        return plan(assumed, stimuli=[80], participants=[40], conditions=2, replicates=120, seed=2)[0]["power"]

    assert power(0.0) < 0.13
    assert power(1.0) > 0.9


def test_another_measure_is_refused():
    with pytest.raises(AnswersError, match="accepted or share, not mean"):
        plan(Assumptions(Scenario(stimuli=1, participants=5), measure="mean"), stimuli=[9], participants=[9])

"""Agreement statistics against other implementations, published examples and resampling by hand."""

import json

import krippendorff
import numpy as np
import pytest
from statsmodels.stats.inter_rater import fleiss_kappa

from studies.analysis.agreement import STATISTICS, agreement, panel_agreement, patterns_of
from studies.analysis.answers import Answers, AnswersError
from studies.analysis.crossed_panels import CrossedPanels
from studies.analysis.panels import count_panels
from studies.analysis.simulation_model import Scenario, simulate_answers


def of_counts(counts, **settings):
    return agreement(*patterns_of(np.asarray(counts)), **{"draws": 0, **settings})


def crossed(seed=0, **changes):
    scenario = Scenario(**{"stimuli": 60, "participants": 30, **changes})
    answers = simulate_answers(scenario, np.random.default_rng(seed))
    return answers, CrossedPanels.of(answers, count_panels(answers))


@pytest.mark.parametrize("categories", [2, 3, 6])
@pytest.mark.parametrize("panel", [2, 5])
def test_kappa_and_alpha_agree_with_statsmodels_and_krippendorff(categories, panel):
    rng = np.random.default_rng(categories)
    counts = rng.multinomial(panel, rng.dirichlet([0.7] * categories), size=80)
    found = of_counts(counts)
    assert found["fleiss_kappa"] == pytest.approx(fleiss_kappa(counts), rel=1e-12)
    alpha = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert found["krippendorff_alpha"] == pytest.approx(alpha, rel=1e-12)


def test_alpha_agrees_with_krippendorff_on_unequal_panels_where_kappa_is_undefined():
    counts = np.random.default_rng(1).integers(0, 4, (50, 3))
    found = of_counts(counts)
    alpha = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert found["krippendorff_alpha"] == pytest.approx(alpha, rel=1e-12)
    assert found["fleiss_kappa"] is None
    assert "one size" in found["reasons"]["fleiss_kappa"]


def test_all_four_agree_with_pairs_counted_one_by_one():
    answers, panels = crossed()
    by_panel = {}
    for stimulus, answer in zip(answers.stimulus.tolist(), answers.answer.tolist(), strict=True):
        by_panel.setdefault(stimulus, []).append(answer)
    alike = pairs = 0
    for said in by_panel.values():
        for a in range(5):
            for b in range(5):
                if a != b:
                    pairs += 1
                    alike += said[a] == said[b]
    everything = answers.answer.tolist()
    same = [1 if a == b else 0 for x, a in enumerate(everything) for y, b in enumerate(everything) if x != y]
    raw, p = alike / pairs, sum(everything) / len(everything)
    by_chance = p**2 + (1 - p) ** 2
    found = panel_agreement(panels, draws=0)
    assert found["raw"] == pytest.approx(raw)
    assert found["fleiss_kappa"] == pytest.approx((raw - by_chance) / (1 - by_chance))
    expected = sum(same) / len(same)
    assert found["krippendorff_alpha"] == pytest.approx((raw - expected) / (1 - expected))
    assert found["gwet_ac1"] == pytest.approx((raw - 2 * p * (1 - p)) / (1 - 2 * p * (1 - p)))


def test_krippendorff_2011_prints_0_743_for_four_observers_with_missing_data():
    # Computing Krippendorff's Alpha-Reliability (2011), section C: nominal data, any number of observers.
    reliability = """
        1 2 3 3 2 1 4 1 2 . . .
        1 2 3 3 2 2 4 1 2 5 . 3
        . 3 3 3 2 3 4 2 2 5 1 .
        1 2 3 3 2 4 4 1 2 5 1 ."""
    table = np.array([line.split() for line in reliability.split("\n")[1:]])
    counts = np.stack([(table == str(value)).sum(axis=0) for value in range(1, 6)], axis=1)
    assert of_counts(counts)["krippendorff_alpha"] == pytest.approx(0.743, abs=5e-4)


def test_gwet_prints_these_coefficients_for_two_abstractors():
    # Gwet, irrCAC (R package), vignette "overview", table cont3x3abstractors; Scott's pi is kappa for two raters.
    table = np.array([[13, 0, 0], [0, 20, 7], [0, 4, 56]])
    rows = [np.eye(3, dtype=int)[i] + np.eye(3, dtype=int)[j] for i in range(3) for j in range(3)]
    found = agreement(rows, table.ravel(), draws=0)
    printed = {"raw": 0.89, "fleiss_kappa": 0.7962397, "krippendorff_alpha": 0.7972585, "gwet_ac1": 0.8493305}
    assert {name: found[name] for name in STATISTICS} == pytest.approx(printed, abs=5e-8)


def test_unanimous_answers_leave_kappa_and_alpha_null_and_ac1_at_one():
    found = of_counts([[0, 5]] * 9, draws=50)
    assert found["raw"] == found["gwet_ac1"] == 1
    assert found["fleiss_kappa"] is found["krippendorff_alpha"] is None
    assert set(found["reasons"]) == {"fleiss_kappa", "krippendorff_alpha"}
    json.dumps(found, allow_nan=False)


def test_stimuli_with_one_answer_say_nothing():
    assert of_counts([[3, 2], [0, 1], [1, 0], [5, 0]])["stimuli"] == 2
    assert of_counts([[0, 1]])["reasons"]["raw"] == "no panel has two answers"


def test_the_bootstrap_by_patterns_agrees_with_resampling_stimuli_one_by_one():
    _, panels = crossed()
    counts = np.repeat(np.column_stack([panels.size - panels.yes, panels.yes]), panels.frequency, axis=0)
    rng = np.random.default_rng(5)
    by_hand = [fleiss_kappa(counts[rng.integers(0, 60, 60)]) for _ in range(2000)]
    found = of_counts(counts, draws=4000)["bootstrap"]["fleiss_kappa"]
    # Monte Carlo error of a quantile of 2,000 draws is about 5% of their standard deviation.
    near = 0.15 * np.std(by_hand)
    assert found["low"] == pytest.approx(np.quantile(by_hand, 0.025), abs=near)
    assert found["high"] == pytest.approx(np.quantile(by_hand, 0.975), abs=near)
    assert found["standard_error"] == pytest.approx(np.std(by_hand), rel=0.1)


def test_a_seed_gives_the_same_bootstrap_again():
    assert of_counts([[3, 2], [5, 0], [1, 4]], draws=99, seed=3) == of_counts(
        [[3, 2], [5, 0], [1, 4]], draws=99, seed=3
    )


@pytest.mark.parametrize("name", STATISTICS)
def test_two_way_scores_move_as_the_statistic_does(name):
    """The linearisation: taking a panel away changes the statistic as its score says, to first order."""
    from studies.analysis.agreement import _linearised

    _, panels = crossed(stimuli=4000, participants=100)
    patterns = np.column_stack([panels.size - panels.yes, panels.yes])
    whole = agreement(patterns, panels.frequency, draws=0)
    score = np.asarray(_linearised(panels, whole)[name](panels.size, panels.yes))
    centred = score - panels.frequency @ score / 4000
    for place in range(len(patterns)):
        fewer = panels.frequency.copy()
        fewer[place] -= 1
        change = agreement(patterns, fewer, draws=0)[name] - whole[name]
        assert change == pytest.approx(-centred[place] / 3999, rel=2e-2, abs=2e-6)


def test_two_way_intervals_are_wider_than_the_bootstrap_where_participants_differ():
    _, panels = crossed(stimuli=2000, participants=30, participant_sd=1.5)
    found = panel_agreement(panels, draws=300)
    for name in STATISTICS:
        width, naive = (found[key][name]["high"] - found[key][name]["low"] for key in ("intervals", "bootstrap"))
        assert width > 1.3 * naive


def test_too_few_participants_leave_two_way_intervals_null_with_the_reason():
    _, panels = crossed(participants=8)
    found = panel_agreement(panels, draws=50)
    assert "effective participants" in found["interval_reason"]
    assert found["intervals"]["raw"] == {"low": None, "high": None, "standard_error": None}
    assert found["bootstrap"]["raw"]["low"] is not None


@pytest.mark.parametrize("counts", [[[1, -1]], [[0.5, 1.5]], [1, 2]])
def test_counts_that_cannot_be_are_refused(counts):
    with pytest.raises(AnswersError):
        patterns_of(np.asarray(counts))


def test_unequal_panels_under_the_rule_of_proportion_keep_alpha_and_its_interval():
    rng = np.random.default_rng(0)
    answers, _ = crossed(stimuli=80)
    some = answers.select(rng.random(len(answers)) < 0.8)
    panels = count_panels(some, panel=5, rule="proportion")
    found = panel_agreement(CrossedPanels.of(some, panels), draws=0)
    counts = np.column_stack([panels.size - panels.yes, panels.yes])
    alpha = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert found["krippendorff_alpha"] == pytest.approx(alpha)
    low, high = (found["intervals"]["krippendorff_alpha"][end] for end in ("low", "high"))
    assert low < alpha < high


def test_a_cell_table_that_is_sparse_or_dense_gives_the_same_parts():
    answers, dense = crossed(stimuli=50, participants=12)
    spread = Answers(answers.participant * 1000, answers.stimulus, answers.answer)
    sparse = CrossedPanels.of(spread, count_panels(spread))
    for score in (lambda size, yes: yes >= 4, lambda size, yes: yes / size):
        assert dense.parts(score).variance == sparse.parts(score).variance

"""Both estimands of a rectified error, images of several labels and the jackknife, against loops over answers."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from studies.analysis.answers import Answers, AnswersError
from studies.analysis.differences import pivotal_difference
from studies.analysis.effect_sizes import sized_contrasts, sized_difference
from studies.analysis.equivalence import within_margin
from studies.analysis.estimands import ESTIMANDS
from studies.analysis.intervals import pivotal_interval
from studies.analysis.panels import count_panels
from studies.analysis.pivotal import PanelAnswers
from studies.analysis.power import Assumptions, habit_constant, plan
from studies.analysis.rectified import adversarial_rectified_error, rectified_error
from studies.analysis.simulation_model import Scenario, simulate_answers
from studies.analysis.two_way_clustering import Contrast


def study(seed=0, **changes):
    return simulate_answers(
        Scenario(**{"stimuli": 40, "participants": 25, "activity_sd": 0.6, **changes}), np.random.default_rng(seed)
    )


def parts_by_loops(answers, k, units=None):
    """Accepted share and the parts of its variance, one answer at a time; a unit is a panel, or several of an image."""
    units = units or {}
    panels, of = {}, {}
    for person, stimulus, said in zip(
        *(a.tolist() for a in (answers.participant, answers.stimulus, answers.answer)), strict=True
    ):
        panels.setdefault(stimulus, []).append((person, said))
        of[stimulus] = units.get(stimulus, stimulus)
    yes = {panel: sum(said for _, said in rows) for panel, rows in panels.items()}
    names = sorted(set(of.values()))
    n = len(names)
    accepted = {unit: any(yes[panel] >= k for panel in panels if of[panel] == unit) for unit in names}
    theta = sum(accepted.values()) / n
    pivotal = []
    for panel, rows in panels.items():
        for person, said in rows:
            others = any(yes[other] >= k for other in panels if of[other] == of[panel] and other != panel)
            if yes[panel] - said == k - 1 and not others:
                pivotal.append((person, of[panel], said))
    pi = sum(said for *_, said in pivotal) / len(pivotal)
    each, by_person, by_cell, sat = {}, {}, {}, {}
    for panel, rows in panels.items():
        for person, _ in rows:
            each[person] = each.get(person, 0) + 1
            sat.setdefault(person, set()).add(of[panel])
    for person, unit, said in pivotal:
        by_person[person] = by_person.get(person, 0) + (said - pi) / n
        by_cell[person, unit] = by_cell.get((person, unit), 0) + (said - pi) / n
    people, total = len(each), sum(each.values())
    worker = people / (people - 1) * sum((d / (1 - each[p] / total)) ** 2 for p, d in by_person.items())
    crossed = sum(d**2 for d in by_cell.values())

    def without(left_out):
        rest = [accepted[unit] for unit in names if unit not in left_out]
        return (sum(rest) / len(rest) - theta) ** 2

    of_people = (people - 1) / people * sum(without(sat[person]) for person in each)
    of_items = (n - 1) / n * sum(without({unit}) for unit in names)
    both = sum((accepted[unit] - theta) ** 2 for person in each for unit in sat[person]) / n**2
    return {
        "theta": theta,
        "n": n,
        "item": theta * (1 - theta) / (n - 1),
        "worker": worker,
        "crossed": crossed,
        "jackknife": max(of_people + of_items - both, of_items),
        "effective": total**2 / sum(m**2 for m in each.values()),
    }


def wilson(share, variance, effective):
    t, n = stats.t.ppf(0.975, effective - 1), share * (1 - share) / variance
    centre = (share + t**2 / (2 * n)) / (1 + t**2 / n)
    half = t / (1 + t**2 / n) * math.sqrt(share * (1 - share) / n + t**2 / (4 * n**2))
    return centre - half, centre + half


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [2, 4, 5])
def test_the_accepted_share_has_its_pivotal_interval_and_the_jackknife_beside_it(k, seed):
    answers = study(seed)
    found, parts = pivotal_interval(answers, k), parts_by_loops(answers, k)
    variance = max(parts["item"] + parts["worker"] - parts["crossed"], parts["item"], parts["worker"])
    assert (found.low, found.high) == pytest.approx(wilson(parts["theta"], variance, parts["effective"]), rel=1e-10)
    assert found.jackknife["standard_error"] == pytest.approx(math.sqrt(parts["jackknife"]), rel=1e-10)
    limits = wilson(parts["theta"], parts["jackknife"], parts["effective"])
    assert (found.jackknife["low"], found.jackknife["high"]) == pytest.approx(limits, rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_an_image_is_accepted_through_any_of_its_labels_and_is_one_item(seed):
    answers = study(seed, stimuli=200, participants=120, mean=-1.5, per_item=5, item_sd=1.0)
    panels = count_panels(answers)
    images = np.arange(200) // 5
    counted = PanelAnswers.of(answers, panels, unit=images, item=images)
    found = pivotal_interval(answers, 3, panels=panels, counted=counted)
    parts = parts_by_loops(answers, 3, dict(enumerate(images.tolist())))
    assert (found.estimate, found.denominator) == (pytest.approx(parts["theta"]), 40)
    variance = max(parts["item"] + parts["worker"] - parts["crossed"], parts["item"], parts["worker"])
    assert (found.low, found.high) == pytest.approx(wilson(parts["theta"], variance, parts["effective"]), rel=1e-10)
    assert found.jackknife["standard_error"] == pytest.approx(math.sqrt(parts["jackknife"]), rel=1e-10)


def test_an_image_counts_only_when_all_of_its_panels_do():
    answers = study(stimuli=60, panel=3)
    gone = answers.select(~((answers.stimulus == 7) | (answers.stimulus == 59)))
    panels = count_panels(gone, panel=3, at_least=60)
    images = np.arange(60) // 5
    assert PanelAnswers.of(gone, panels, unit=images, item=images).n_units == 10


@pytest.mark.parametrize("shown", [40, 120])
def test_this_image_set_and_new_images_are_two_estimands_of_the_rectified_error(shown):
    answers, k, population = study(), 4, 1000
    parts = parts_by_loops(answers, k)
    error, unseen = shown / population, 1 - 40 / shown
    of_set = parts["worker"] + unseen * max(parts["item"] - parts["crossed"], 0)
    r = error * (1 - parts["theta"])
    habits = max(parts["worker"] - parts["crossed"], 0)
    of_new = r * (1 - r) / (population - 1) + error**2 * (habits + unseen * parts["item"])
    for estimand in ESTIMANDS:
        found = rectified_error(answers, population=population, errors=shown, threshold=k, estimand=estimand)
        assert found["estimand"] == estimand
        these, new = (found["estimands"][name] for name in ESTIMANDS)
        low, high = wilson(parts["theta"], of_set, parts["effective"])
        assert (these["low"], these["high"]) == pytest.approx((error * (1 - high), error * (1 - low)), rel=1e-10)
        assert (new["low"], new["high"]) == pytest.approx(wilson(r, of_new, parts["effective"]), rel=1e-10)
        assert new["standard_error"] == pytest.approx(math.sqrt(of_new), rel=1e-10)
        assert found["high"] == found["estimands"][estimand]["high"]
        assert these["jackknife"]["low"] is None
        assert these["jackknife"]["reason"]
    with pytest.raises(AnswersError, match="not an estimand"):
        rectified_error(answers, population=population, errors=shown, threshold=k, estimand="all images")


@pytest.mark.parametrize("other", [1000, 800])
def test_adversarial_errors_have_the_same_two_with_their_own_slope(other):
    answers, k = study(), 4
    parts = parts_by_loops(answers, k)
    found = adversarial_rectified_error(
        answers, adversarial_errors=700, adversarial_population=1000, flipped=40, flipped_population=other, threshold=k
    )
    f, s = 40 / other, 0.7
    given = f * parts["theta"]
    r = s - given
    binomial = r * (1 - r) / 999 if other == 1000 else s * (1 - s) / 999 + given * (1 - given) / (other - 1)
    variance = binomial + f**2 * max(parts["worker"] - parts["crossed"], 0)
    new = found["estimands"]["new images"]
    assert (new["low"], new["high"]) == pytest.approx(wilson(r, variance, parts["effective"]), rel=1e-10)
    low, high = wilson(parts["theta"], parts["worker"], parts["effective"])
    these = found["estimands"]["this image set"]
    assert (these["low"], these["high"]) == pytest.approx((s - f * high, s - f * low), rel=1e-10)


@pytest.mark.parametrize("answer", [0, 1])
def test_nothing_accepted_or_all_has_a_one_sided_bound_and_turned_over_for_the_error(answer):
    answers = study()
    alike = Answers(answers.participant, answers.stimulus, np.full(200, answer, dtype=np.int8))
    share = pivotal_interval(alike, 4)
    clusters = min(share.effective_participants, 40)
    reach = 0.05 ** (1 / clusters)
    assert (share.low, share.high) == (None, None)
    assert share.bound["side"] == ("low" if answer else "high")
    assert share.bound["value"] == pytest.approx(reach if answer else 1 - reach)
    error = rectified_error(alike, population=100, errors=40, threshold=4)
    assert error["bound"]["side"] == ("high" if answer else "low")
    assert error["bound"]["value"] == pytest.approx(0.4 * (1 - share.bound["value"]))
    assert error["estimands"]["new images"]["bound"] is None


def test_without_few_items_or_with_a_participant_in_every_panel_there_is_no_interval_of_that_kind():
    few = study(stimuli=5, panel=5)
    assert "5 items; under 6" in pivotal_interval(few, 3).reason
    said = np.random.default_rng(0).random((12, 12)) < 0.6
    people, stimuli = np.divmod(np.arange(144), 12)
    everybody = pivotal_interval(Answers.from_codes(people, stimuli, said.ravel().astype(int)), 7)
    assert everybody.low is not None
    assert everybody.jackknife["low"] is None
    assert "sat in every panel" in everybody.jackknife["reason"]


# --- margins and sizes ------------------------------------------------------------------------------------------------


def two_conditions(effect, seed=1, **changes):
    scenario = Scenario(**{"stimuli": 80, "participants": 40, "effect": effect, "effect_sd": 0.3, **changes})
    return simulate_answers(scenario, np.random.default_rng(seed), conditions=2)


def test_two_one_sided_tests_agree_with_the_interval_of_ninety_percent():
    for estimate in (-0.08, 0.0, 0.03, 0.09):
        found = within_margin(estimate, 0.03, 20.0, 0.1)
        t = stats.t(20)
        assert found["p_noninferior"] == pytest.approx(t.sf((estimate + 0.1) / 0.03))
        assert found["p_nonsuperior"] == pytest.approx(t.sf((0.1 - estimate) / 0.03))
        assert found["equivalent"] == (found["low"] > -0.1 and found["high"] < 0.1)
        assert found["noninferior"] == (found["low"] > -0.1)
        assert (found["high"] - found["low"]) / 2 == pytest.approx(t.ppf(0.95) * 0.03)
    assert within_margin(None, None, None, 0.1, reason="why")["reason"] == "why"
    with pytest.raises(AnswersError, match="margin"):
        within_margin(0.0, 0.1, 10.0, 0.0)


def test_a_comparison_is_told_in_points_and_as_an_odds_ratio_whatever_it_is_tested_on():
    answers = two_conditions(0.5)
    names = np.array(["first", "second"])[answers.condition]
    columns = answers.answer, names, answers.participant, answers.stimulus
    contrast = [Contrast("second less first", {"second": 1, "first": -1}), Contrast("first", {"first": 1}, null=0.5)]
    (logit, chance), (mean,) = (
        sized_contrasts(*columns, contrast, margin=0.1),
        sized_contrasts(*columns, contrast[:1], scale="mean", margin=0.1),
    )
    assert logit["difference"]["estimate"] == mean["estimate"]
    assert logit["odds_ratio"] == mean["odds_ratio"]
    assert logit["odds_ratio"]["low"] == pytest.approx(math.exp(logit["low"]))
    assert logit["equivalence"] == mean["equivalence"]
    assert "equivalence" not in chance
    share = answers.answer[answers.condition == 0].mean()
    assert chance["difference"]["estimate"] == pytest.approx(share - 0.5)
    assert chance["odds_ratio"]["estimate"] == pytest.approx(share / (1 - share))
    yes = sized_difference(answers.answer, answers.condition == 1, answers.participant, answers.stimulus)
    assert (yes["estimate"], yes["odds_ratio"]) == (mean["estimate"], mean["odds_ratio"])


def test_the_odds_ratio_of_accepted_shares_is_about_the_difference_over_the_slope_where_it_is_small():
    (_, first), (_, second) = two_conditions(0.2).by_condition()
    found = pivotal_difference(first, second, 3, margin=0.2)
    one, other = (found[name]["estimate"] for name in ("first", "second"))
    assert found["odds_ratio"]["estimate"] == pytest.approx((other / (1 - other)) / (one / (1 - one)))
    width = math.log(found["odds_ratio"]["high"] / found["odds_ratio"]["low"])
    middle = (one + other) / 2
    assert width == pytest.approx((found["high"] - found["low"]) / (middle * (1 - middle)), rel=0.05)
    assert found["equivalence"]["margin"] == 0.2


def test_a_margin_has_a_power_that_grows_with_it_and_only_with_two_conditions():
    scenario = Scenario(40, 40, effect_sd=0.5)
    powers = []
    for margin in (0.05, 0.3):
        assumed = Assumptions(scenario, measure="share", margin=margin)
        (row,) = plan(assumed, stimuli=[40], participants=[40], conditions=2, replicates=20)
        assert row["power_noninferior"] >= row["power_equivalent"]
        powers.append(row["power_equivalent"])
    assert powers[0] < powers[1]
    (row,) = plan(assumed, stimuli=[40], participants=[40], replicates=5)
    assert "power_equivalent" not in row
    with pytest.raises(AnswersError, match="margin"):
        plan(Assumptions(scenario, margin=2.0), stimuli=[40], participants=[40], conditions=2)


@pytest.mark.parametrize(("mean", "expected"), [(0.0, 0.162), (1.0, 0.178), (-1.0, 0.12), (-2.0, 0.08)])
def test_what_participants_add_to_the_variance_is_computed_and_no_constant(mean, expected):
    scenario = Scenario(400, 50, mean=mean)
    found = habit_constant(scenario, 4)
    assert found == pytest.approx(expected, abs=0.005)
    # As simulated: the SD over participants of the chance that a panel with them is accepted, times n over their SD.
    rng = np.random.default_rng(0)
    habit = rng.normal(0, 1, 400)
    image = rng.normal(mean, 2, 4000)
    others = rng.random((400, 4000, 4)) < expit(image[None, :, None] + rng.normal(0, 1, (400, 4000, 4)))
    own = rng.random((400, 4000)) < expit(image[None, :] + habit[:, None])
    chance = (others.sum(axis=2) + own >= 4).mean(axis=1)
    slope = np.polyfit(habit, chance, 1)[0]
    assert 5 * slope == pytest.approx(found, rel=0.15)
    with pytest.raises(AnswersError, match="alike"):
        habit_constant(Scenario(400, 50, participant_sd=0.0), 4)

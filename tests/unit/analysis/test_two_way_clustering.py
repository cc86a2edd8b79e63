"""Two-way cluster-robust estimates, contrasts and differences against statsmodels and the formulas written out."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.special import expit, logit
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from studies.analysis.answers import AnswersError
from studies.analysis.differences import mcnemar_test, pivotal_difference
from studies.analysis.panels import count_panels
from studies.analysis.simulation_model import Scenario, simulate_answers
from studies.analysis.two_way_clustering import (
    Contrast,
    holm,
    registered_contrasts,
    two_way_difference,
    two_way_mean,
    two_way_share,
)


def table(seed=0, conditions=2, **changes):
    scenario = Scenario(**{"stimuli": 60, "participants": 20, "activity_sd": 0.5, "effect_sd": 1.0, **changes})
    answers = simulate_answers(scenario, np.random.default_rng(seed), conditions=conditions)
    condition = answers.condition if conditions > 1 else np.zeros(len(answers), dtype=int)
    return pd.DataFrame(
        {"p": answers.participant, "s": answers.stimulus, "c": condition, "y": answers.answer.astype(float)}
    )


def two_way_by_statsmodels(model, frame):
    """Fit and standard errors, with G / (G - 1) alone: statsmodels also multiplies by (n - 1) / (n - k)."""
    fitted = model.fit()
    parts = cov_cluster_2groups(fitted, frame["p"].to_numpy(), frame["s"].to_numpy())
    n, k = fitted.model.exog.shape
    both, people, stimuli = (np.diag(part) * (n - k) / (n - 1) for part in parts)
    return fitted, np.sqrt(np.maximum(both, np.minimum(people, stimuli)))


def test_the_mean_agrees_with_statsmodels():
    frame = table(participant_sd=2)
    fitted, errors = two_way_by_statsmodels(sm.OLS(frame.y, np.ones((len(frame), 1))), frame)
    found = two_way_mean(frame.y, frame.p, frame.s, null=0.5)
    assert found.estimate == pytest.approx(fitted.params.iloc[0])
    assert found.standard_error == pytest.approx(errors[0], rel=1e-10)


def test_the_difference_agrees_with_statsmodels():
    frame = table(activity_sd=1.0)
    fitted, errors = two_way_by_statsmodels(sm.OLS(frame.y, sm.add_constant(frame[["c"]])), frame)
    found = two_way_difference(frame.y, frame.c == 1, frame.p, frame.s)
    assert found.estimate == pytest.approx(fitted.params["c"])
    assert found.standard_error == pytest.approx(errors[1], rel=1e-10)
    assert found.statistic == pytest.approx(found.estimate / found.standard_error)


def test_logit_contrasts_agree_with_a_logistic_regression():
    # Cells are single answers: statsmodels' sandwich for a saturated logit is the delta method for shares.
    frame = table(participant_sd=2, separate_groups=False)
    fitted, errors = two_way_by_statsmodels(sm.Logit(frame.y, sm.add_constant(frame[["c"]])), frame)
    names = frame.c.map({0: "first", 1: "second"})
    (found,) = registered_contrasts(
        frame.y, names, frame.p, frame.s, [Contrast("second against first", {"second": 1, "first": -1})]
    )
    assert found["estimate"] == pytest.approx(fitted.params["c"], rel=1e-6)
    assert found["standard_error"] == pytest.approx(errors[1], rel=1e-6)


def variance_by_loops(influence, participant, stimulus):
    """Two-way variance from what each answer adds to an estimate, and whether the floor held it up."""
    parts = []
    for labels in (participant, stimulus, list(zip(participant, stimulus, strict=True))):
        sums = {}
        for label, value in zip(labels, influence, strict=True):
            sums[label] = sums.get(label, 0) + value
        parts.append(len(sums) / (len(sums) - 1) * sum(each**2 for each in sums.values()))
    free, floor = parts[0] + parts[1] - parts[2], min(parts[0], parts[1])
    return max(free, floor), free < floor


def effective(labels):
    each = pd.Series(labels).value_counts()
    return each.sum() ** 2 / (each**2).sum()


#: Where participants, and where stimuli are the fewer; and answers that resemble each other in nothing.
FEW_PEOPLE = {"stimuli": 60, "participants": 20, "participant_sd": 2}
FEW_STIMULI = {"stimuli": 8, "participants": 40, "panel": 24}
UNRELATED = {"stimuli": 40, "participants": 30, "participant_sd": 0, "stimulus_sd": 0, "effect_sd": 0}


@pytest.mark.parametrize("changes", [FEW_PEOPLE, FEW_STIMULI, UNRELATED])
def test_everything_about_an_interval_follows_from_the_formulas_written_out(changes):
    floors = set()
    for seed in range(6):
        frame = table(seed, **changes).sample(frac=0.9, random_state=seed)
        people, stimuli = frame.p.tolist(), frame.s.tolist()
        freedom = min(effective(people), effective(stimuli)) - 1
        assert (effective(stimuli) < effective(people)) == (changes is FEW_STIMULI)
        names = frame.c.map({0: "first", 1: "second"})
        p = frame.groupby("c").y.mean()
        own = (frame.y - frame.c.map(p)) / frame.c.map(frame.c.value_counts())
        sign = frame.c.map({0: -1, 1: 1})
        slopes = frame.c.map(p * (1 - p))
        estimates = {
            "mean": (frame.y.mean(), (frame.y - frame.y.mean()) / len(frame), 0.4),
            "difference": (p[1] - p[0], sign * own, 0.0),
            "odds": (logit(p[1]) - logit(p[0]), sign * own / slopes, 0.0),
        }
        contrast = [Contrast("", {"second": 1, "first": -1})]
        found = {
            "mean": two_way_mean(frame.y, frame.p, frame.s, null=0.4).as_dict(),
            "difference": two_way_difference(frame.y, frame.c == 1, frame.p, frame.s).as_dict(),
            "odds": registered_contrasts(frame.y, names, frame.p, frame.s, contrast)[0],
        }
        for name, (estimate, influence, null) in estimates.items():
            variance, floor = variance_by_loops(influence.tolist(), people, stimuli)
            floors.add(bool(floor))
            error, one = math.sqrt(variance), found[name]
            half = stats.t.ppf(0.975, freedom) * error
            assert one["estimate"] == pytest.approx(estimate)
            assert one["standard_error"] == pytest.approx(error)
            assert one["degrees_of_freedom"] == pytest.approx(freedom)
            assert one["effective_participants"] == pytest.approx(effective(people))
            assert one["effective_items"] == pytest.approx(effective(stimuli))
            assert (one["low"], one["high"]) == pytest.approx((estimate - half, estimate + half))
            assert one["statistic"] == pytest.approx((estimate - null) / error)
            assert one["p_value"] == pytest.approx(2 * stats.t.sf(abs(estimate - null) / error, freedom))
            assert (one["answers"], one["level"], one["null"]) == (len(frame), 0.95, null)
    # Where nothing is alike the floor holds it up in some tables, and not in others.
    assert floors == {True, False} or changes is not UNRELATED


def test_ratings_are_a_mean_whatever_their_labels_are():
    rng = np.random.default_rng(3)
    frame = table()
    ratings = np.clip(np.round(rng.normal(0, 1, len(frame)) + rng.normal(0, 1, 20)[frame.p]), -2, 2)
    found = two_way_mean(ratings, frame.p.map("p{}".format), frame.s.map("s{}".format), null=0, level=0.9)
    assert found == two_way_mean(ratings, frame.p, frame.s, null=0, level=0.9)
    spread = ratings.std(ddof=1) / math.sqrt(len(ratings))
    half = stats.norm.ppf(0.95) * spread
    assert found.naive == pytest.approx(
        {"low": ratings.mean() - half, "high": ratings.mean() + half, "standard_error": spread}
    )
    assert found.high - found.low == pytest.approx(
        2 * stats.t.ppf(0.95, found.degrees_of_freedom) * found.standard_error
    )


def test_a_share_is_handled_on_the_logit_scale_with_the_papers_standard_error_beside_it():
    frame = table(conditions=1, mean=-1.5)
    found = two_way_share(frame.y, frame.p, frame.s, chance=1 / 6)
    p = frame.y.mean()
    mean = two_way_mean(frame.y, frame.p, frame.s)
    assert found.standard_error == pytest.approx(mean.standard_error)
    error = mean.standard_error / (p * (1 - p))
    t = stats.t.ppf(0.975, found.degrees_of_freedom)
    assert (found.low, found.high) == pytest.approx((expit(logit(p) - t * error), expit(logit(p) + t * error)))
    assert found.statistic == pytest.approx((logit(p) - logit(1 / 6)) / error)
    assert found.naive["standard_error"] == pytest.approx(math.sqrt(p * (1 - p) / len(frame)))


def test_holm_agrees_with_a_worked_example_and_leaves_out_undefined_tests():
    # Holm (1979) by hand: 4 x .01, then 3 x .02, then 2 x .03, and the running maximum.
    assert holm([0.03, None, 0.01, 0.04, 0.02]) == pytest.approx([0.06, None, 0.04, 0.06, 0.06])
    assert holm([None]) == [None]
    assert holm([]) == []


def test_holm_agrees_with_statsmodels():
    random = np.random.default_rng(0)
    for number in (1, 2, 5, 20):
        for given in (random.random(number), random.random(number) ** 4, np.round(random.random(number), 1)):
            assert holm(given.tolist()) == pytest.approx(multipletests(given, method="holm")[1].tolist(), abs=1e-15)


def test_contrasts_use_only_their_conditions_and_count_only_tests_that_are_defined():
    frame = table()
    names = frame.c.map({0: "first", 1: "second"}).to_numpy(dtype=object)
    third = frame.assign(y=1.0).head(200)
    everything = pd.concat([frame, third])
    found = registered_contrasts(
        everything.y,
        np.r_[names, np.full(200, "third", dtype=object)],
        everything.p,
        everything.s,
        [
            Contrast("first against chance", {"first": 1}, null=1 / 6),
            Contrast("second against first", {"second": 1, "first": -1}),
            Contrast("third against chance", {"third": 1}, null=1 / 6),
        ],
    )
    assert [each["family"] for each in found] == [2, 2, 2]
    assert found[2]["p_value"] is found[2]["p_holm"] is None
    assert "the same" in found[2]["reason"]
    alone = registered_contrasts(frame.y, names, frame.p, frame.s, [Contrast("", {"second": 1, "first": -1})])
    assert found[1]["p_value"] == pytest.approx(alone[0]["p_value"])
    first = frame[frame.c == 0]
    assert found[0]["p_value"] == pytest.approx(two_way_share(first.y, first.p, first.s, chance=1 / 6).p_value)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("contrast", "message"),
    [
        (Contrast("odd", {"fourth": 1}), "contrast 'odd': no condition 'fourth'; there are first, second"),
        (Contrast("empty", {"first": 0}), "contrast 'empty' has no weights"),
        (Contrast("sure", {"first": 1}, null=1.0), "chance must lie between 0 and 1"),
    ],
)
def test_a_contrast_that_cannot_be_is_refused(contrast, message):
    frame = table()
    with pytest.raises(AnswersError, match=message):
        registered_contrasts(frame.y, frame.c.map({0: "first", 1: "second"}), frame.p, frame.s, [contrast])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"participants": 6}, "effective participants"), ({"stimuli": 1, "panel": 12}, "one stimulus alone")],
)
def test_too_few_clusters_leave_the_interval_null_with_its_reason(changes, reason):
    frame = table(conditions=1, activity_sd=0, **changes)
    frame.loc[0, "y"], frame.loc[1, "y"] = 0, 1
    for found in (two_way_mean(frame.y, frame.p, frame.s, null=0), two_way_share(frame.y, frame.p, frame.s)):
        assert reason in found.reason
        assert found.estimate is not None
        assert (found.low, found.standard_error, found.p_value) == (None, None, None)
        json.dumps(found.as_dict(), allow_nan=False)


def test_answers_all_alike_have_an_estimate_and_no_interval():
    frame = table(conditions=1)
    for found in (
        two_way_share(np.ones(len(frame)), frame.p, frame.s, chance=0.5),
        two_way_mean(np.full(len(frame), 2.0), frame.p, frame.s, null=0),
    ):
        assert found.low is None
        assert "says nothing" in found.reason


def test_missing_values_and_missing_conditions_are_refused():
    frame = table()
    with pytest.raises(AnswersError, match="row 3: the answer is missing"):
        two_way_mean(frame.y.where(frame.index != 3), frame.p, frame.s)
    with pytest.raises(AnswersError, match="a condition has no answers"):
        two_way_difference(frame.y, np.ones(len(frame), dtype=bool), frame.p, frame.s)
    with pytest.raises(AnswersError, match="0 and 1"):
        two_way_share(frame.y + 1, frame.p, frame.s)


def difference_by_loops(frame, k):
    """The two-way pivotal difference, one answer at a time."""
    sums, accepted, cells = {}, {}, {}
    theta = {}
    for c, part in frame.groupby("c"):
        panels = {s: list(zip(g.p, g.y, strict=True)) for s, g in part.groupby("s")}
        accepted[c] = {s: sum(y for _, y in panel) >= k for s, panel in panels.items()}
        theta[c] = np.mean(list(accepted[c].values()))
        pivotal = [
            (p, s, y) for s, panel in panels.items() for p, y in panel if sum(other for _, other in panel) - y == k - 1
        ]
        share = np.mean([y for _, _, y in pivotal])
        people = part.p.nunique()
        for p, s, y in pivotal:
            d = (1 if c else -1) * (y - share) / len(panels)
            others = 1 - (part.p == p).sum() / len(part)
            sums[p] = sums.get(p, 0) + math.sqrt(people / (people - 1)) * d / others
            cells[p, s] = cells.get((p, s), 0) + d
    n = len(accepted[0])
    both = [((accepted[1][s] - theta[1]) - (accepted[0][s] - theta[0])) / n for s in accepted[0]]
    item = n / (n - 1) * sum(each**2 for each in both)
    worker, crossed = (sum(v**2 for v in part.values()) for part in (sums, cells))
    return theta[1] - theta[0], math.sqrt(item + max(worker - crossed, 0))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("changes", [{"participant_sd": 2}, {"participants": 12}, {"separate_groups": True}])
def test_the_pivotal_difference_equals_its_definition_answer_by_answer(seed, changes):
    scenario = Scenario(**{"stimuli": 50, "participants": 15, "effect": 0.5, **changes})
    answers = simulate_answers(scenario, np.random.default_rng(seed), conditions=2)
    frame = pd.DataFrame({"p": answers.participant, "s": answers.stimulus, "c": answers.condition, "y": answers.answer})
    (_, first), (_, second) = answers.by_condition()
    found = pivotal_difference(first, second, 4)
    assert (found["estimate"], found["standard_error"]) == pytest.approx(difference_by_loops(frame, 4), rel=1e-10)
    assert found["low"] < found["estimate"] < found["high"]
    swapped = pivotal_difference(second, first, 4)
    assert swapped["estimate"] == -found["estimate"]
    assert swapped["p_value"] == pytest.approx(found["p_value"])
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("fewer_first", [False, True])
def test_a_difference_has_the_degrees_of_freedom_of_the_smaller_crowd(fewer_first):
    crowds = [
        simulate_answers(Scenario(60, people), np.random.default_rng(people), conditions=1) for people in (14, 50)
    ]
    first, second = crowds if fewer_first else reversed(crowds)
    found = pivotal_difference(first, second, 4)
    small = effective(crowds[0].participant)
    assert small < 15 < effective(crowds[1].participant)
    assert found["effective_participants"] == pytest.approx(small)
    assert found["degrees_of_freedom"] == pytest.approx(small - 1)
    half = stats.t.ppf(0.975, small - 1) * found["standard_error"]
    assert (found["low"], found["high"]) == pytest.approx((found["estimate"] - half, found["estimate"] + half))
    assert found["statistic"] == pytest.approx(found["estimate"] / found["standard_error"])
    assert found["p_value"] == pytest.approx(2 * stats.t.sf(abs(found["statistic"]), small - 1))


@pytest.mark.parametrize("fewer_first", [False, True])
@pytest.mark.parametrize(
    ("few", "reason"),
    [(Scenario(60, 8), "effective participants; under 10"), (Scenario(1, 30, panel=5), "one stimulus alone")],
)
def test_a_difference_of_which_one_side_is_too_small_has_its_reason(few, reason, fewer_first):
    crowds = [simulate_answers(one, np.random.default_rng(1)) for one in (few, Scenario(60, 50))]
    found = pivotal_difference(*(crowds if fewer_first else reversed(crowds)), 4)
    assert reason in found["reason"]
    assert found["reason"].endswith("(in one of the conditions)")
    assert found["estimate"] is not None
    assert (found["low"], found["p_value"], found["degrees_of_freedom"]) == (None, None, None)


def test_mcnemar_is_exact_and_null_without_discordant_stimuli():
    (_, first), (_, second) = simulate_answers(
        Scenario(80, 20, effect=1.0), np.random.default_rng(2), conditions=2
    ).by_condition()
    one, other = count_panels(first), count_panels(second)
    lost, gained = int(((one.yes >= 4) & (other.yes < 4)).sum()), int(((one.yes < 4) & (other.yes >= 4)).sum())
    found = mcnemar_test(one, other, 4)
    assert found["p_value"] == pytest.approx(stats.binomtest(gained, lost + gained).pvalue)
    assert (found["only_first"], found["only_second"], found["stimuli"]) == (lost, gained, 80)
    assert "ignores participants" in found["label"]
    same = mcnemar_test(one, one, 4)
    assert same["p_value"] is None
    assert same["reason"]


def test_conditions_that_share_no_participants_or_stimuli_are_compared_unpaired():
    scenario = Scenario(60, 30, separate_groups=True, effect=1.0)
    answers = simulate_answers(scenario, np.random.default_rng(0), conditions=2)
    (_, first), (_, second) = answers.by_condition()
    apart = type(second)(second.participant, second.stimulus + 60, second.answer)
    found = pivotal_difference(first, apart, 4)
    assert found["paired_stimuli"] == 0
    assert found["mcnemar"]["p_value"] is None
    paired = pivotal_difference(first, second, 4)
    assert found["estimate"] == paired["estimate"]
    assert found["standard_error"] > paired["standard_error"]

"""Exclusions, response times, participants and pooled against stratified rates."""

import json

import numpy as np
import pandas as pd
import pytest

from studies.analysis.answers import Answers, AnswersError
from studies.analysis.exclusions import ExclusionRule, apply_rules, failing_gold, of_participants, outside_window
from studies.analysis.participant_quality import participant_summary
from studies.analysis.reanalysis import before_and_after
from studies.analysis.response_times import histogram, response_times
from studies.analysis.simpson import pooled_and_stratified
from studies.analysis.simulation_model import Scenario, simulate_answers


def small():
    """Participant 0 answers stimuli 0 to 2, participant 1 stimuli 0 and 1, participant 2 stimulus 2."""
    return Answers.from_codes([0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 2], [1, 1, 1, 0, 1, 0])


def test_the_flow_charges_each_answer_to_the_first_rule_that_takes_it():
    answers = small()
    found = apply_rules(
        answers,
        [
            outside_window("time", [20, 19.99, 180, 180.01, 60, np.nan], 20, 180),
            of_participants("withdrawn", answers, [True, False, False]),
        ],
    )
    assert found.keep.tolist() == [False, False, False, False, True, False]
    assert found.rule.tolist() == [1, 0, 1, 0, -1, 0]
    assert found.flow == [
        {
            "rule": None,
            "excluded": {"participants": 0, "answers": 0, "stimuli": 0},
            "remains": {"participants": 3, "answers": 6, "stimuli": 3},
        },
        {
            "rule": "time",
            "excluded": {"participants": 1, "answers": 3, "stimuli": 0},
            "remains": {"participants": 2, "answers": 3, "stimuli": 3},
        },
        {
            "rule": "withdrawn",
            "excluded": {"participants": 1, "answers": 2, "stimuli": 2},
            "remains": {"participants": 1, "answers": 1, "stimuli": 1},
        },
    ]


def test_the_report_before_and_after_exclusions_differs_by_what_was_taken():
    answers = simulate_answers(Scenario(50, 30), np.random.default_rng(0))
    careless = ExclusionRule("stimulus 7", answers.stimulus == 7)
    found = before_and_after(answers, apply_rules(answers, [careless]), panel=5, threshold=3)
    assert (found["before"]["stimuli"], found["after"]["stimuli"]) == (50, 49)
    assert found["after"]["accepted_share"]["threshold"] == 3
    assert found["flow"][-1]["excluded"] == {"participants": 0, "answers": 5, "stimuli": 1}
    nobody = apply_rules(answers, [ExclusionRule("all", np.ones(250, dtype=bool))])
    assert before_and_after(answers, nobody, panel=5)["after"] is None


def test_gold_rules_spare_those_who_met_no_gold_trial():
    rule = failing_gold("gold", small(), [0, 0, 0, 1, 1], [True, True, False, True, False], least_share=2 / 3)
    assert rule.takes.tolist() == [False, False, False, True, True, False]


@pytest.mark.parametrize(
    "rules",
    [
        [ExclusionRule("short", np.array([True]))],
        [ExclusionRule("numbers", np.zeros(6))],
        [ExclusionRule("twice", np.zeros(6, dtype=bool))] * 2,
    ],
)
def test_rules_that_do_not_fit_are_refused(rules):
    with pytest.raises(AnswersError, match="rule"):
        apply_rules(small(), rules)


def test_response_times_are_summarised_with_the_window_both_ends_included():
    found = response_times(
        [20, 180, 19.9, 180.1, np.nan, 60], window=(20, 180), condition=["a", "a", "a", "b", "b", "b"]
    )
    assert {key: found["all"][key] for key in ("answers", "missing", "below", "within", "above", "median")} == {
        "answers": 6,
        "missing": 1,
        "below": 1,
        "within": 3,
        "above": 1,
        "median": 60,
    }
    assert found["conditions"]["a"]["geometric_mean"] == pytest.approx((20 * 180 * 19.9) ** (1 / 3))
    assert found["conditions"]["b"]["missing"] == 1
    json.dumps(found, allow_nan=False)


def test_response_times_that_were_not_recorded_are_null_and_negative_ones_refused():
    found = response_times([np.nan, np.nan])
    assert found["all"]["median"] is found["all"]["geometric_mean"] is None
    assert response_times([0.0, 2.0])["all"]["geometric_mean"] is None
    with pytest.raises(AnswersError, match="row 1"):
        response_times([1.0, -1.0])


@pytest.mark.parametrize("times", [[1.0, 10.0, 100.0, np.nan, 0.0], [3.0, 3.0], []])
def test_the_histogram_of_times_keeps_every_positive_time(times):
    found = histogram(times, bins=7)
    assert sum(found["counts"]) == sum(time > 0 for time in times)


def test_participants_are_summarised_as_one_would_by_hand():
    answers = simulate_answers(Scenario(40, 15, activity_sd=1), np.random.default_rng(0))
    answers = Answers(answers.participant, answers.stimulus, answers.answer, seconds=np.arange(200.0))
    table = participant_summary(answers)
    frame = pd.DataFrame({"p": answers.participant, "s": answers.stimulus, "a": answers.answer, "t": answers.seconds})
    assert table.index.tolist() == sorted(frame.p.unique())
    for person, own in frame.groupby("p"):
        row = table.loc[person]
        others = [
            (frame[(frame.s == s) & (frame.p != person)].a == a).mean() for s, a in zip(own.s, own.a, strict=True)
        ]
        longest = run = 0
        before = None
        for answer in own.a:
            run = run + 1 if answer == before else 1
            longest, before = max(longest, run), answer
        assert (row.answers, row.yes, row.longest_run) == (len(own), own.a.sum(), longest)
        assert (row.yes_share, row.agreement) == pytest.approx((own.a.mean(), np.mean(others)))
        assert row.median_seconds == own.t.median()


def test_straight_lining_is_flagged_where_chance_would_hardly_do_it():
    stimuli = np.arange(30)
    mixed = np.random.default_rng(1).integers(0, 2, (4, 30))
    said = np.vstack([mixed, np.ones((1, 30), dtype=int)])
    answers = Answers.from_codes(np.repeat(np.arange(5), 30), np.tile(stimuli, 5), said.ravel())
    table = participant_summary(answers)
    assert table.straight_lining.tolist() == [False] * 4 + [True]
    # Three answers alike prove nothing.
    few = answers.select((answers.participant < 4) | (answers.stimulus < 3))
    assert not participant_summary(few).straight_lining.any()


def kidney_stones():
    """Charig et al. (1986), BMJ 292: successes of open surgery and of the percutaneous treatment by size of stone."""
    cells = [("small", 0, 81, 87), ("small", 1, 234, 270), ("large", 0, 192, 263), ("large", 1, 55, 80)]
    rows = [(s, t, int(i < good)) for s, t, good, all_ in cells for i in range(all_)]
    return pd.DataFrame(rows, columns=["stratum", "second", "value"])


def test_a_reversal_between_pooled_and_stratified_rates_is_warned_of():
    frame = kidney_stones()
    found = pooled_and_stratified(frame.value, frame.second, frame.stratum)
    assert found["reversed"]
    assert "opposite" in found["warning"]
    assert found["pooled"] == pytest.approx({"first": 273 / 350, "second": 289 / 350, "difference": 16 / 350})
    large, small_stones = found["strata"]
    assert (large["stratum"], large["answers_first"], large["answers_second"]) == ("large", 263, 80)
    assert small_stones["difference"] == pytest.approx(234 / 270 - 81 / 87)
    expected = (343 * large["difference"] + 357 * small_stones["difference"]) / 700
    assert found["stratified"] == pytest.approx(expected)
    json.dumps(found, allow_nan=False)


def test_strata_with_one_condition_have_no_weight():
    found = pooled_and_stratified([1, 0, 1], [False, True, True], ["a", "a", "b"])
    assert found["stratified"] == -1
    assert found["strata"][1]["difference"] is None
    alone = pooled_and_stratified([1, 0], [False, True], ["a", "b"])
    assert alone["stratified"] is alone["reversed"] is alone["warning"] is None
    with pytest.raises(AnswersError):
        pooled_and_stratified([1, 0], [False, True], ["a"])

"""The accepted share, its interval and the rectified error, against the formulas written out answer by answer."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from studies.analysis.answers import Answers, AnswersError
from studies.analysis.intervals import effective_participants, pivotal_interval, wilson
from studies.analysis.panels import count_panels, default_threshold, threshold_curve
from studies.analysis.reanalysis import reanalysis
from studies.analysis.rectified import adversarial_rectified_error, rectified_error


def crossed(stimuli=40, participants=25, panel=5, seed=0):
    rng = np.random.default_rng(seed)
    rate = rng.beta(0.7, 0.7, stimuli)
    rows = [
        (int(person), stimulus, int(rng.random() < rate[stimulus]))
        for stimulus in range(stimuli)
        for person in rng.choice(participants, panel, replace=False)
    ]
    return pd.DataFrame(rows, columns=["participant", "stimulus", "answer"])


def panels_with(*yes, panel=5, participants=50):
    """Answers with the given number of yes in each panel, from participants taken in turn."""
    rows = []
    for stimulus, count in enumerate(yes):
        for place in range(panel):
            rows.append(((stimulus * panel + place) % participants, stimulus, int(place < count)))
    return Answers.from_frame(pd.DataFrame(rows, columns=["participant", "stimulus", "answer"]))


def pivotal_by_loops(frame, k, level=0.95):
    """METHODS as prose, one answer at a time; shares no code with the implementation."""
    panels = {}
    for row in frame.itertuples():
        panels.setdefault(row.stimulus, []).append((row.participant, row.answer))
    n_panels = len(panels)
    theta = sum(sum(a for _, a in panel) >= k for panel in panels.values()) / n_panels
    pivotal = []
    for panel in panels.values():
        for place, (person, answer) in enumerate(panel):
            if sum(a for other, (_, a) in enumerate(panel) if other != place) == k - 1:
                pivotal.append((person, answer))
    share = sum(a for _, a in pivotal) / len(pivotal)
    by_person, each = {}, {}
    for person, answer in pivotal:
        by_person[person] = by_person.get(person, 0) + answer - share
    for panel in panels.values():
        for person, _ in panel:
            each[person] = each.get(person, 0) + 1
    people = len(each)
    v_item = theta * (1 - theta) / (n_panels - 1)
    total = sum(each.values())
    scaled = [d / (1 - each[person] / total) for person, d in by_person.items()]
    v_worker = people / (people - 1) * sum(d**2 for d in scaled) / n_panels**2
    v_x = sum((a - share) ** 2 for _, a in pivotal) / n_panels**2
    variance = max(v_item + v_worker - v_x, v_item, v_worker)
    effective = sum(each.values()) ** 2 / sum(m**2 for m in each.values())
    t = stats.t.ppf(0.5 + level / 2, effective - 1)
    n_eff = theta * (1 - theta) / variance
    centre = (theta + t**2 / (2 * n_eff)) / (1 + t**2 / n_eff)
    half = t / (1 + t**2 / n_eff) * math.sqrt(theta * (1 - theta) / n_eff + t**2 / (4 * n_eff**2))
    return theta, centre - half, centre + half, math.sqrt(variance), effective


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_the_pivotal_interval_equals_its_definition_answer_by_answer(k, seed):
    frame = crossed(seed=seed)
    found = pivotal_interval(Answers.from_frame(frame), k)
    expected = pivotal_by_loops(frame, k)
    got = (found.estimate, found.low, found.high, found.standard_error, found.effective_participants)
    assert got == pytest.approx(expected, rel=1e-12)
    assert found.degrees_of_freedom == pytest.approx(found.effective_participants - 1)


@pytest.mark.parametrize(("successes", "total"), [(0, 7), (1, 7), (7, 7), (37, 90), (1, 1)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_agrees_with_statsmodels(successes, total, level):
    expected = proportion_confint(successes, total, alpha=1 - level, method="wilson")
    assert wilson(successes, total, level) == pytest.approx(expected, abs=1e-12)


def test_wilson_agrees_with_a_published_example():
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for (r, n), (low, high) in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        assert wilson(r, n) == pytest.approx((low, high), abs=5e-5)


def test_effective_participants_are_all_of_them_when_activity_is_even_and_fewer_otherwise():
    assert effective_participants(np.array([4, 4, 4, 0])) == 3
    assert effective_participants(np.array([6, 1, 1])) == pytest.approx(64 / 38)


def test_default_threshold_is_four_of_five():
    assert [default_threshold(n) for n in range(1, 10)] == [1, 2, 3, 4, 4, 5, 6, 7, 7]


# Table 1 of the paper prints E and R in per cent; s(4) follows and is put back as panels out of 10,000.
@pytest.mark.parametrize(("error", "rectified"), [(31.39, 17.93), (22.69, 9.47), (25.53, 14.37), (22.85, 10.87)])
def test_rectified_errors_of_the_paper_follow_from_its_accepted_shares(error, rectified):
    shown = round(error * 100)
    accepted = round(shown * (1 - rectified / error))
    answers = panels_with(*([4] * accepted + [1] * (shown - accepted)), participants=500)
    result = rectified_error(answers, population=10_000, errors=shown, threshold=4)
    assert 100 * result["estimate"] == pytest.approx(rectified, abs=0.005)
    assert result["low"] < result["estimate"] < result["high"]
    assert result["terms"]["E"]["numerator"] == shown
    assert result["terms"]["s"]["numerator"] == accepted


@pytest.mark.parametrize(("accepted", "rectified"), [(22.01, 76.78), (30.80, 70.68)])
def test_adversarial_errors_of_the_paper_give_back_only_flipped_images(accepted, rectified):
    count = round(accepted / 100 * 6935)
    answers = panels_with(*([5] * count + [0] * (6935 - count)), participants=500)
    result = adversarial_rectified_error(
        answers,
        adversarial_errors=9204,
        adversarial_population=10_000,
        flipped=6935,
        flipped_population=10_000,
        threshold=4,
    )
    assert 100 * result["estimate"] == pytest.approx(rectified, abs=0.006)
    assert 100 * result["estimate"] != pytest.approx(92.04 * (1 - accepted / 100), abs=1)


def test_a_rectified_error_follows_from_its_share_and_what_it_is_a_share_of():
    """How uncertain it is depends on what it is about: tests/unit/analysis/test_estimands.py."""
    answers = crossed(stimuli=60)
    result = rectified_error(answers, population=500, errors=90, shown=70, threshold=4)
    share, error = result["terms"]["s"], 90 / 500
    assert result["curve"][4] == pytest.approx(result["estimate"]) == pytest.approx(error * (1 - share["estimate"]))
    counts = {"adversarial_errors": 400, "adversarial_population": 500, "flipped": 150, "flipped_population": 600}
    result = adversarial_rectified_error(answers, **counts, threshold=4)
    share, standard, flipped = result["terms"]["p"], 400 / 500, 150 / 600
    assert result["curve"][4] == pytest.approx(result["estimate"]) == standard - flipped * share["estimate"]
    assert [result["curve"][0], result["curve"][-1]] == pytest.approx([standard - flipped, standard])
    assert result["notes"][0] == "a sample: 60 of 150 flipped images were shown"
    for name in ("effective_participants", "degrees_of_freedom", "level"):
        assert result[name] == share[name]


def test_adversarial_terms_keep_their_own_denominators_and_say_when_they_differ():
    result = adversarial_rectified_error(
        panels_with(5, 0, 4),
        adversarial_errors=80,
        adversarial_population=100,
        flipped=30,
        flipped_population=50,
        threshold=4,
    )
    assert [result["terms"][name]["denominator"] for name in "Sfp"] == [100, 50, 3]
    assert any("not the same images" in note for note in result["notes"])


def test_unequal_panels_follow_the_rule_and_are_never_mixed_silently():
    rows = [(p, "whole", 1) for p in range(5)] + [(p, "also", p < 4) for p in range(5)]
    rows += [(p, "short", 1) for p in range(4)] + [(p, "tiny", p == 0) for p in range(2)]
    answers = Answers.from_frame(pd.DataFrame(rows, columns=["participant", "stimulus", "answer"]))
    drop, share, wait = (count_panels(answers, panel=5, rule=rule) for rule in ("drop", "proportion", "top_up"))
    assert (drop.n_counted, drop.accepted(4), drop.accepted(5)) == (2, 2, 1)
    assert (share.n_counted, share.accepted(4), share.accepted(5)) == (4, 3, 2)
    assert wait.waiting
    assert threshold_curve(wait) == [None] * 7
    assert "2 panels wait" in pivotal_interval(answers, 4, panels=wait).reason
    assert drop.as_dict() | {"rule_meaning": ""} == {
        "panel": 5, "counted": 2, "short": 2, "long": 0, "rule": "drop", "rule_meaning": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (panels_with(5), "one stimulus alone"),
        (panels_with(5, 3, 0, 2, 5, 5, 1, 0, 0, participants=9), "9.0 effective participants; under 10"),
        (panels_with(5, 5, 4, 4), "every panel is accepted"),
        (panels_with(1, 0, 3, 2), "no panel is accepted"),
    ],
)
def test_an_undefined_interval_is_null_with_its_reason_and_wilson_beside_it(answers, reason):
    found = pivotal_interval(answers, 4)
    assert reason in found.reason
    assert found.estimate is not None
    assert (found.low, found.high, found.standard_error) == (None, None, None)
    assert found.wilson == wilson(found.numerator, found.denominator)


def test_a_table_is_taken_as_it_is_and_without_answers_there_is_no_estimate():
    frame = crossed()
    settings = {"population": 500, "errors": 60, "shown": 50, "threshold": 4, "panel": 5}
    result = rectified_error(frame.assign(condition="errors"), **settings)
    assert result == rectified_error(Answers.from_frame(frame), **settings)
    assert result["notes"] == ["10 shown images have no answer", "a sample: 50 of 60 errors were shown"]
    nothing = rectified_error(frame.head(0), **settings)
    assert nothing["estimate"] is None
    assert nothing["reason"] == "no panel is complete"
    assert nothing["curve"] == [None] * 7
    json.dumps(nothing, allow_nan=False)


KEYS = "answers participants stimuli panel histogram threshold_curve yes_share accepted_share agreement rectified_error"


@pytest.mark.parametrize(
    "frame",
    [
        crossed(),
        crossed().assign(answer=1),
        crossed().head(5),
        crossed().head(1),
        crossed().drop_duplicates("participant"),
        crossed().head(5).assign(stimulus=range(5), participant=7),
    ],
    ids=["plain", "all yes", "one stimulus", "one answer", "one answer each", "one participant"],
)
def test_the_report_has_its_public_keys_and_no_nan_whatever_the_table(frame):
    result = reanalysis(frame, population=500, errors=100)
    assert list(result) == KEYS.split()
    json.dumps(result, allow_nan=False)
    assert len(result["histogram"]) == result["panel"] + 1
    assert len(result["threshold_curve"]) == len(result["rectified_error"]["curve"]) == result["panel"] + 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="answer"), "no column 'answer'"),
        (lambda f: f.assign(answer="maybe"), "row 0: 'answer' is 'maybe'"),
        (lambda f: pd.concat([f, f.head(1)]), "row 200: participant .* a second time"),
        (lambda f: f.head(0), "there are no answers"),
        (lambda f: f.assign(stimulus=[None, *f.stimulus[1:]]), "row 0: 'stimulus' is missing"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(change, message):
    with pytest.raises(AnswersError, match=message) as error:
        reanalysis(change(crossed()))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "settings",
    [{"population": 10}, {"population": 10, "errors": 20}, {"population": 100, "errors": 39}, {"threshold": 6},
     {"threshold": 0}, {"level": 1.0}, {"rule": "guess"}],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(AnswersError):
        reanalysis(crossed(), **settings)

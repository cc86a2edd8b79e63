"""Means over images: intervals that cover, paired differences, and the pointing game with rejection."""

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from studies.analysis.image_means import image_mean, paired_difference, rejection_scores
from studies.analysis.intervals import wilson


def test_a_quantity_has_students_interval():
    values = np.random.default_rng(0).normal(3, 2, 25)
    found = image_mean(values)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
    assert found["estimate"] == pytest.approx(values.mean())
    assert found["n"] == 25


def test_right_and_wrong_have_wilsons_interval_and_other_zeros_do_not():
    assert (image_mean([1] * 9 + [0], outcomes=True)["low"], image_mean([1] * 9 + [0], outcomes=True)["high"]) == (
        pytest.approx(wilson(9, 10))
    )
    assert image_mean([1.0] * 10, outcomes=True)["low"] < 1
    # A method without randomness differs nowhere, and that is certain.
    assert image_mean([0.0] * 10)["high"] == 0
    mixed = [0, 0.5, 1, 1, 1, 1, 1]
    assert image_mean(mixed, outcomes=True) == image_mean(mixed)


@pytest.mark.parametrize("outcomes", [False, True])
def test_few_images_have_no_interval(outcomes):
    found = image_mean([0, 1, 1, 0, 1], outcomes=outcomes)
    assert (found["estimate"], found["low"], found["high"]) == (0.6, None, None)
    assert found["reason"] == "5 images; under 6 there is no interval"
    assert image_mean([])["reason"] == "no image has a value"


def test_a_difference_is_of_the_images_both_have():
    first = {name: float(i) for i, name in enumerate("abcdefgh")}
    second = {name: first[name] + (0.5 if name in "aceg" else 0.25) for name in "abcdefg"}
    found = paired_difference(first, second)
    differences = [second[name] - first[name] for name in second]
    margin = t.ppf(0.975, 6) * np.std(differences, ddof=1) / np.sqrt(7)
    assert found["n"] == 7
    assert found["estimate"] == pytest.approx(np.mean(differences))
    assert found["high"] - found["estimate"] == pytest.approx(margin)


def test_a_difference_without_any_has_no_interval():
    same = dict.fromkeys(range(9), 1.0)
    assert paired_difference(same, same) == {
        "estimate": 0,
        "low": None,
        "high": None,
        "n": 9,
        "reason": "no image differs",
    }
    assert paired_difference({1: 1.0}, {2: 1.0})["reason"] == "no image has both values"
    assert paired_difference({1: 1.0}, {1: 2.0})["reason"] == "1 images; under 6 there is no interval"


def test_the_intervals_cover_as_often_as_they_say():
    random = np.random.default_rng(1)
    covered = paired = shares = 0
    for _ in range(1000):
        values = random.beta(2, 3, 30)
        other = np.clip(values + random.normal(0.1, 0.2, 30), -2, 2)
        hits = random.random(30) < 0.8
        covered += image_mean(values)["low"] <= 0.4 <= image_mean(values)["high"]
        found = paired_difference(dict(enumerate(values)), dict(enumerate(other)))
        paired += found["low"] <= 0.1 <= found["high"]
        share = image_mean(hits.astype(float), outcomes=True)
        shares += share["low"] <= 0.8 <= share["high"]
    # Binomial standard error 0.7%: four of them around the nominal level; Wilson's is somewhat wider for a share.
    assert abs(covered / 1000 - 0.95) < 0.028
    assert abs(paired / 1000 - 0.95) < 0.028
    assert 0.92 < shares / 1000 < 0.99


# --- pointing with rejection ------------------------------------------------------------------------------------------


def test_a_map_that_knows_what_is_absent_decides_everything_rightly():
    largest = np.array([[5.0, 4.0, 1.0, 0.5, 0.1]] * 8)
    hits = np.array([[1.0, 1.0, np.nan, np.nan, np.nan]] * 8)
    assert rejection_scores(largest, hits).tolist() == [1.0] * 8
    assert rejection_scores(largest * 1e6, hits).tolist() == [1.0] * 8


def test_a_present_class_that_is_missed_is_wrong_whether_or_not_it_is_rejected():
    largest = np.array([[5.0, 1.0]] * 4)
    hits = np.array([[0.0, np.nan]] * 4)
    assert rejection_scores(largest, hits).tolist() == [0.5] * 4


def test_no_image_decides_about_its_own_threshold():
    """With two images each is judged by the other's threshold."""
    largest = np.array([[2.0, 1.0], [20.0, 10.0]])
    hits = np.array([[1.0, np.nan], [1.0, np.nan]])
    # The first's threshold is the second's 15, above both of its maxima; the second's is 1.5, below both.
    assert rejection_scores(largest, hits).tolist() == [0.5, 0.5]


def test_alone_nothing_is_rejected():
    assert rejection_scores(np.array([[2.0, 1.0]]), np.array([[1.0, np.nan]])).tolist() == [0.5]

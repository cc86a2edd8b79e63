"""How alike two maps are: against scipy and scikit-image, and by what must hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from explainers.base import Explanation, HeatMap, MethodError
from explainers.map_similarity import pixel_values, rank_correlation, relative_distance, structural_similarity

MAPS = arrays(np.float64, (6, 5), elements=st.integers(-4, 4).map(float))


@given(MAPS, MAPS, st.booleans())
def test_the_rank_correlation_is_spearmans(a, b, absolute):
    seen = (np.abs(a), np.abs(b)) if absolute else (a, b)
    if min(len(np.unique(one)) for one in seen) == 1:
        assert rank_correlation(a, b, absolute=absolute) in (0.0, 1.0)
    else:
        expected = spearmanr(seen[0].ravel(), seen[1].ravel()).statistic
        assert rank_correlation(a, b, absolute=absolute) == pytest.approx(expected, abs=1e-12)


@given(MAPS, MAPS)
def test_a_map_is_most_like_itself_and_the_order_does_not_matter(a, b):
    for alike in (rank_correlation, structural_similarity):
        assert alike(a, a) == pytest.approx(1)
        assert alike(a, b) == pytest.approx(alike(b, a))
        assert alike(a, b) <= 1 + 1e-12
    assert relative_distance(a, a) == 0
    assert relative_distance(a, b) == pytest.approx(relative_distance(b, a))


def test_signs_and_sizes_count_where_they_should():
    a = np.arange(24.0).reshape(4, 6) - 11.5
    assert rank_correlation(a, -a) == 1
    assert rank_correlation(a, -a, absolute=False) == -1
    assert structural_similarity(a, -3 * a) == pytest.approx(1)
    assert relative_distance(a, -a) == pytest.approx(2)
    assert relative_distance(np.zeros((2, 2)), np.zeros((2, 2))) == 0


def test_a_constant_map_tells_nothing_of_another():
    a, flat = np.arange(9.0).reshape(3, 3), np.zeros((3, 3))
    assert rank_correlation(a, flat) == 0
    assert rank_correlation(flat, flat) == 1


def test_superpixels_weights_are_spread_over_their_pixels():
    segments = np.array([[0, 1], [1, 1]])
    explanation = Explanation(segments, np.array([2.0, -1.0]), 0.0, 1.0, 1, 0, 0)
    assert pixel_values(explanation).tolist() == [[2, -1], [-1, -1]]
    assert pixel_values(HeatMap(np.ones((1, 2), np.float32), 0, 0)).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), "of one shape"),
        (np.zeros(4), np.zeros(4), "of one shape"),
        (np.full((3, 3), np.nan), np.zeros((3, 3)), "NaN or infinity"),
        ("map", np.zeros((3, 3)), "must be real numbers"),
    ],
)
def test_other_maps_are_refused(a, b, why):
    for alike in (rank_correlation, structural_similarity, relative_distance):
        with pytest.raises(MethodError, match=why):
            alike(a, b)


def test_ssim_needs_three_pixels_a_side():
    with pytest.raises(MethodError, match="at least 3 pixels"):
        structural_similarity(np.zeros((2, 9)), np.ones((2, 9)))

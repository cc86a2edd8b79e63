"""Pooled studies: the textbook's numbers, and what cannot be pooled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t
from statsmodels.stats.meta_analysis import combine_effects

from studies.analysis.answers import AnswersError
from studies.analysis.pooling import StudyEstimate, difference, pool

ESTIMATES, ERRORS = [0.30, 0.22, 0.41, 0.35], [0.05, 0.03, 0.08, 0.06]
STUDIES = [StudyEstimate(f"s{n}", x, s, 20.0 + n) for n, (x, s) in enumerate(zip(ESTIMATES, ERRORS, strict=True))]


def test_the_fixed_effect_and_its_heterogeneity_are_those_of_another_library():
    peer = combine_effects(np.array(ESTIMATES), np.array(ERRORS) ** 2, method_re="dl")
    found = pool(STUDIES)
    assert found["estimate"] == pytest.approx(peer.mean_effect_fe, rel=1e-12)
    assert found["standard_error"] == pytest.approx(peer.sd_eff_w_fe, rel=1e-12)
    assert found["heterogeneity"]["q"] == pytest.approx(peer.q, rel=1e-12)
    assert found["heterogeneity"]["i2"] == pytest.approx(peer.i2, rel=1e-12)
    assert found["heterogeneity"]["tau2"] == pytest.approx(peer.tau2, rel=1e-9)
    assert sum(one["weight"] for one in found["studies"]) == pytest.approx(1)


def test_alike_studies_have_the_degrees_of_freedom_of_both():
    found = pool([StudyEstimate("a", 0.3, 0.05, 10), StudyEstimate("b", 0.3, 0.05, 10)])
    assert found["degrees_of_freedom"] == pytest.approx(20)
    assert found["high"] - found["estimate"] == pytest.approx(t.ppf(0.975, 20) * 0.05 / 2**0.5)
    assert found["heterogeneity"]["q"] == pytest.approx(0)
    assert found["shared"] is None


def test_shared_stimuli_have_the_widest_interval_beside_it():
    shared = pool(STUDIES, shared=True)
    assert shared["shared"]["standard_error"] > shared["standard_error"]
    assert min(ERRORS) < shared["shared"]["standard_error"] < max(ERRORS)


def test_a_difference_is_turned_with_its_studies():
    one, other = difference(*STUDIES[:2]), difference(*STUDIES[1::-1])
    assert one["estimate"] == pytest.approx(-0.08)
    assert (one["low"], one["high"], one["p_value"]) == pytest.approx((-other["high"], -other["low"], other["p_value"]))
    assert one["standard_error"] == pytest.approx((0.05**2 + 0.03**2) ** 0.5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(0.01, 1), st.floats(2, 100)), min_size=2, max_size=6))
def test_a_pooled_estimate_lies_among_its_studies_and_is_surer_than_each(rows):
    studies = [StudyEstimate(str(n), *row) for n, row in enumerate(rows)]
    found = pool(studies)
    assert min(x for x, _, _ in rows) - 1e-9 <= found["estimate"] <= max(x for x, _, _ in rows) + 1e-9
    assert found["standard_error"] <= min(s for _, s, _ in rows) + 1e-12
    assert found["low"] < found["estimate"] < found["high"]


@pytest.mark.parametrize("broken", [(float("nan"), 0.1, 9), (0.1, 0.0, 9), (0.1, 0.1, 0), (0.1, float("inf"), 9)])
def test_what_cannot_be_pooled_is_refused(broken):
    with pytest.raises(AnswersError, match="cannot be pooled"):
        StudyEstimate("a", *broken)


def test_one_study_is_not_pooled():
    with pytest.raises(AnswersError, match="two studies or more, not 1"):
        pool(STUDIES[:1])

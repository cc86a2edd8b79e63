"""Boundaries of registered interim looks: published constants, simulated false alarms, and what cannot be."""

import math

import numpy as np
import pytest

from studies.analysis.answers import AnswersError
from studies.analysis.spending import SPENDING, looks_at, spent

#: Two-sided boundaries at 5% and equal steps, as tabulated for these spending functions by Lan and DeMets' program.
PUBLISHED = {
    ("obrien_fleming", 2): (2.963, 1.969),
    ("obrien_fleming", 3): (3.710, 2.511, 1.993),
    ("obrien_fleming", 5): (4.877, 3.357, 2.680, 2.290, 2.031),
    ("pocock", 2): (2.157, 2.201),
    ("pocock", 3): (2.279, 2.295, 2.296),
    ("pocock", 5): (2.438, 2.427, 2.410, 2.397, 2.386),
}


def equal(n: int) -> list[float]:
    return [(at + 1) / n for at in range(n)]


@pytest.mark.parametrize(("spending", "n"), PUBLISHED)
def test_boundaries_are_the_published_ones(spending, n):
    found = [look.boundary for look in looks_at(equal(n), spending)]
    assert found == pytest.approx(PUBLISHED[spending, n], abs=0.0006)


@pytest.mark.parametrize("spending", SPENDING)
@pytest.mark.parametrize("shares", [[0.2, 0.5, 0.55, 1.0], [0.1, 0.9, 1.0], [0.5, 1.0]])
def test_simulated_studies_without_an_effect_are_rejected_as_often_as_registered(spending, shares):
    rng = np.random.default_rng(7)
    looks, n = looks_at(shares, spending), 400_000
    at, walk = 0.0, np.zeros(n)
    out = np.zeros(n, dtype=bool)
    for look in looks:
        walk += rng.normal(0, math.sqrt(look.share - at), n)
        out |= np.abs(walk) >= look.boundary * math.sqrt(look.share)
        at = look.share
        # What has been spent so far, to five standard errors.
        assert out.mean() == pytest.approx(look.spent, abs=5 * math.sqrt(0.05 * 0.95 / n))
    assert looks[-1].spent == pytest.approx(0.05, abs=1e-12)


@pytest.mark.parametrize("spending", SPENDING)
def test_a_single_look_at_the_end_is_the_usual_test(spending):
    (look,) = looks_at([1.0], spending, alpha=0.01)
    assert (look.boundary, look.level) == (pytest.approx(2.5758293035), pytest.approx(0.01))


def test_a_study_that_stops_before_its_end_leaves_alpha_unspent():
    looks = looks_at([0.25, 0.8], "obrien_fleming")
    assert looks[-1].spent < 0.05
    assert looks[0].level < looks[1].level < 0.05


def test_a_look_so_early_that_nothing_can_be_spent_has_an_infinite_boundary():
    early, late = looks_at([0.001, 1.0], "obrien_fleming")
    assert (early.boundary, early.level) == (math.inf, 0.0)
    assert late.boundary == pytest.approx(1.959964, abs=1e-5)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ([0.5, 0.5], "looks rise"),
        ([0.0, 1.0], "looks rise"),
        ([0.8, 0.4], "looks rise"),
        ([0.5, 1.2], "between 0 and 1"),
    ],
)
def test_looks_that_do_not_rise_within_the_study_are_refused(shares, said):
    with pytest.raises(AnswersError, match=said):
        looks_at(shares, "pocock")


def test_unknown_functions_and_alphas_are_refused():
    with pytest.raises(AnswersError, match="spending functions are obrien_fleming, pocock, not 'haybittle'"):
        spent("haybittle", 0.5)
    with pytest.raises(AnswersError, match="alpha must lie between 0 and 1, not 1"):
        spent("pocock", 0.5, alpha=1)

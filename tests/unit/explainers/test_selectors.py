"""The selectors that draw by a rule: what they may draw, how much of it there was, and how they refuse."""

import math

import numpy as np
import pytest

from explainers.adversarial_selector import AdversarialSelector
from explainers.base import MethodError, Pool
from explainers.mmd_critic import MMDCritic
from explainers.probability_selector import ProbabilitySelector
from explainers.random_selector import RandomSelector

#                       0    1    2     3     4    5     6    7    8    9
PROBABILITIES = [0.95, 0.9, 0.05, 0.91, 0.1, 0.99, 0.5, 0.0, 1.0, 0.09]
FLIP_STEP = [-1, 1, 0, -1, 1, 2, 10, 1, -1, 0]
POOL = Pool(
    "tabby",
    10,
    features=np.random.default_rng(0).normal(size=(10, 3)),
    probabilities=np.array(PROBABILITIES),
    flip_step=np.array(FLIP_STEP),
)
# selector, the images that may be prototypes, the images that may be criticisms
RULES = [
    (ProbabilitySelector(), {0, 3, 5, 8}, {2, 7, 9}),
    (ProbabilitySelector(above=0.5, below=0.5), {0, 1, 3, 5, 8}, {2, 4, 7, 9}),
    (AdversarialSelector(), {0, 3, 8}, {1, 4, 7}),
    (AdversarialSelector(criticism_step=10), {0, 3, 8}, {6}),
]
SELECTORS = [MMDCritic(), RandomSelector(), ProbabilitySelector(), AdversarialSelector()]


@pytest.mark.parametrize(("selector", "prototypes", "criticisms"), RULES)
def test_every_image_that_follows_the_rule_is_drawn_at_some_seed_and_no_other(selector, prototypes, criticisms):
    drawn = [selector.select(POOL, 2, 1, seed=seed) for seed in range(60)]
    assert {i for selection in drawn for i in selection.prototypes} == prototypes
    assert {i for selection in drawn for i in selection.criticisms} == criticisms
    assert {(s.prototype_pool, s.criticism_pool) for s in drawn} == {(len(prototypes), len(criticisms))}


def test_random_draws_both_from_the_whole_class_and_no_image_twice():
    drawn = [RandomSelector().select(POOL, 4, 4, seed=seed) for seed in range(60)]
    assert all(len({*s.prototypes, *s.criticisms}) == 8 for s in drawn)
    assert {i for s in drawn for i in s.prototypes} == {i for s in drawn for i in s.criticisms} == set(range(10))
    assert {(s.prototype_pool, s.criticism_pool) for s in drawn} == {(10, 6)}


def test_every_image_is_drawn_equally_often():
    counts = np.zeros(10)
    for seed in range(2000):
        counts[list(RandomSelector().select(POOL, 3, 0, seed=seed).prototypes)] += 1
    # 600 expected, standard deviation 20.5; the seeds are fixed, so this passes always or never.
    assert abs(counts - 600).max() < 4 * math.sqrt(2000 * 0.3 * 0.7)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: s.name)
def test_the_same_seed_draws_the_same_images(selector):
    assert selector.select(POOL, 3, 2, seed=7) == selector.select(POOL, 3, 2, seed=7)


@pytest.mark.parametrize(
    ("selector", "counts", "words"),
    [
        (ProbabilitySelector(), (5, 0), "5 prototypes .* a probability above 0.9 for their own class, .* 4 among 10"),
        (ProbabilitySelector(), (1, 4), "4 criticisms .* a probability below 0.1 for their own class, .* 3 among 10"),
        (AdversarialSelector(), (4, 0), "4 prototypes .* survive the attack, .* 3 among 10"),
        (AdversarialSelector(), (1, 6), "6 criticisms .* flip at step 1, .* 3 among 10"),
        (RandomSelector(), (11, 0), "11 prototypes .* belong to the class, .* 10 among 10"),
        (RandomSelector(), (6, 5), "5 criticisms .* are no prototypes, .* 4 among 10"),
        (MMDCritic(), (6, 5), "MMD-critic is to choose 6 prototypes and 5 criticisms from a pool of 10"),
    ],
)
def test_a_pool_too_small_names_the_class_the_rule_and_the_size(selector, counts, words):
    with pytest.raises(MethodError, match=f"^class 'tabby': {words}$"):
        selector.select(POOL, *counts, seed=0)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: s.name)
def test_an_empty_pool_is_too_small(selector):
    empty = Pool("tabby", 0, np.empty((0, 3)), np.empty(0), np.empty(0, dtype=int))
    with pytest.raises(MethodError, match="class 'tabby'"):
        selector.select(empty, 1, 0, seed=0)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: s.name)
def test_a_negative_number_of_images_is_refused(selector):
    with pytest.raises(MethodError):
        selector.select(POOL, 1, -1, seed=0)


@pytest.mark.parametrize("selector", [s for s in SELECTORS if s.needs], ids=lambda s: s.name)
def test_a_pool_without_what_a_selector_needs_is_told(selector):
    (need,) = selector.needs
    with pytest.raises(MethodError, match=f"class 'tabby': the pool has no {need}"):
        selector.select(Pool("tabby", 10), 1, 1, seed=0)
    with pytest.raises(MethodError, match=f"class 'tabby': {need} has shape"):
        selector.select(Pool("tabby", 11, POOL.features, POOL.probabilities, POOL.flip_step), 1, 1, seed=0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("selector", [MMDCritic(), ProbabilitySelector()], ids=lambda s: s.name)
def test_nan_and_infinity_in_a_pool_are_told(selector, value):
    features, probabilities = POOL.features.copy(), POOL.probabilities.copy()
    features[4, 1] = probabilities[4] = value
    with pytest.raises(MethodError, match=r"class 'tabby': NaN or infinity in the .* of image 4"):
        selector.select(Pool("tabby", 10, features, probabilities), 1, 1, seed=0)


def test_a_probability_outside_zero_and_one_is_told():
    with pytest.raises(MethodError, match=r"class 'tabby': image 1 has probability 1\.5"):
        ProbabilitySelector().select(Pool("tabby", 2, probabilities=np.array([0.5, 1.5])), 1, 0, seed=0)


@pytest.mark.parametrize(
    ("selector", "change"),
    [
        (ProbabilitySelector, {"above": 0.1, "below": 0.9}),
        (ProbabilitySelector, {"above": math.nan}),
        (ProbabilitySelector, {"below": -0.1}),
        (AdversarialSelector, {"criticism_step": 0}),
        (AdversarialSelector, {"criticism_step": 1.5}),
    ],
)
def test_bad_parameters_are_told(selector, change):
    with pytest.raises(MethodError):
        selector(**change)

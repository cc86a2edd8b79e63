"""Prototypes and criticisms as explanations of one prediction."""

import numpy as np
import pytest
import torch

from explainers.base import ExamplePool, MethodError
from explainers.class_prototypes import ClassPrototypes
from explainers.mmd_critic import median_bandwidth, select_from_features


@pytest.fixture
def pool():
    rng = np.random.default_rng(2)
    labels = np.arange(60) % 3
    features = rng.normal(size=(60, 4)) + 4 * labels[:, None]
    return ExamplePool("animals", 60, features, labels)


def asked(pool, *predictions):
    features = np.random.default_rng(3).normal(size=(len(predictions), 4)) + 4
    return ExamplePool("asked", len(predictions), features, predictions=np.array(predictions))


@pytest.mark.parametrize("show", ["prototypes", "criticisms"])
def test_what_is_shown_is_what_mmd_critic_chooses_for_the_predicted_class_by_similarity(pool, show):
    queries = asked(pool, 1, 2)
    for query, examples in enumerate(ClassPrototypes(show=show, candidates=6).explain(pool, queries, 4, seed=0)):
        members = (pool.labels == query + 1).nonzero()[0]
        features = torch.tensor(pool.features[members])
        gamma = median_bandwidth(features)
        chosen = select_from_features(features, 6, 6 if show == "criticisms" else 0)
        candidates = members[getattr(chosen, show).numpy()]
        distances = ((pool.features[candidates] - queries.features[query]) ** 2).sum(1)
        order = distances.argsort()[:4]
        assert list(examples.indices) == candidates[order].tolist()
        assert examples.scores == pytest.approx(np.exp(-gamma * distances[order]))
        assert examples.facts == {"gamma": pytest.approx(gamma), "candidates": 6.0}


def test_prototypes_and_criticisms_are_never_the_same_images(pool):
    shown = [
        set(ClassPrototypes(show=show, candidates=10).explain(pool, asked(pool, 1), 10, seed=0)[0].indices)
        for show in ("prototypes", "criticisms")
    ]
    assert not shown[0] & shown[1]


def test_more_are_chosen_where_more_are_shown_and_fewer_where_the_class_has_fewer(pool):
    (examples,) = ClassPrototypes(candidates=2).explain(pool, asked(pool, 0), 9, seed=0)
    assert len(examples.indices) == 9
    assert examples.facts["candidates"] == 9
    (examples,) = ClassPrototypes(candidates=50).explain(pool, asked(pool, 0), 9, seed=0)
    assert examples.facts["candidates"] == 20


@pytest.mark.parametrize(("show", "n", "given"), [("prototypes", 21, 20), ("criticisms", 11, 10)])
def test_a_class_with_too_few_images_is_named_with_its_size(pool, show, n, given):
    told = f"'animals': {n} {show} of class 2 are wanted, but its 20 images give {given}"
    with pytest.raises(MethodError, match=told):
        ClassPrototypes(show=show).explain(pool, asked(pool, 2), n, seed=0)


def test_a_class_that_the_pool_has_not_got_is_named(pool):
    with pytest.raises(MethodError, match="1 prototypes of class 5 are wanted, but its 0 images give 0"):
        ClassPrototypes().explain(pool, asked(pool, 5), 1, seed=0)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"candidates": 0}, "candidates must be at least 1, not 0"),
        ({"regularizer": -1.0}, "regularizer must be at least 0"),
        ({"show": "both"}, "show must be one of prototypes, criticisms, not 'both'"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters, told):
    with pytest.raises(MethodError, match=told):
        ClassPrototypes(**parameters)

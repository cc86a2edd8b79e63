"""Nearest neighbours against what they are by definition, and what they say to bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances

from explainers import neighbours
from explainers.base import ExamplePool, MethodError, get
from explainers.neighbours import nearest

POINTS = [[0, 0], [3, 4], [0, 0], [1, 0], [0, -1]]


def test_the_nearest_come_first_and_ties_go_to_the_lower_index():
    found = nearest(POINTS, [[0, 0], [2, 2]], 5)
    assert found.dtype == torch.int64
    assert found.tolist() == [[0, 2, 3, 4, 1], [1, 3, 0, 2, 4]]


def test_the_angle_alone_counts_for_the_cosine():
    points = [[1, 1], [-5, 0], [7, 7], [0, 2], [100, 99]]
    assert nearest(points, [[3, 3], [0, 1]], 5, metric="cosine").tolist() == [[0, 2, 4, 3, 1], [3, 0, 2, 4, 1]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["euclidean", "cosine"]))
def test_neighbours_are_those_by_definition(seed, metric):
    rng = np.random.default_rng(seed)
    points, queries = rng.normal(size=(30, 5)), rng.normal(size=(4, 5))
    distances = {"euclidean": euclidean_distances, "cosine": cosine_distances}[metric](queries, points)
    assert np.array_equal(nearest(points, queries, 30, metric=metric), distances.argsort(axis=1))


def test_a_duplicate_of_the_query_is_at_a_distance_of_nothing_and_the_first_one_wins():
    points = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32) * 1000 + 1e6
    points[40] = points[7]
    assert nearest(points, points[40:41], 2).tolist() == [[7, 40]]
    assert nearest(points, points[40:41] * 3, 2, metric="cosine").tolist() == [[7, 40]]


def test_what_is_excluded_is_no_neighbour():
    exclude = torch.tensor([[True, False, True, False, False], [False] * 5])
    assert nearest(POINTS, [[0, 0], [0, 0]], 2, exclude=exclude).tolist() == [[3, 4], [0, 2]]
    assert nearest(POINTS, [[0, 0]], 3, exclude=[[True, False, True, False, False]]).tolist() == [[3, 4, 1]]


def test_excluding_the_own_class_gives_the_nearest_contrast():
    labels = np.array([0, 1, 1, 0, 2])
    pool = ExamplePool("images", 5, np.array(POINTS, dtype=float), predictions=labels)
    queries = ExamplePool("asked", 2, np.zeros((2, 2)), predictions=np.array([0, 1]))
    contrast = nearest(POINTS, queries.features, 2, exclude=queries.predictions[:, None] == labels)
    assert contrast.tolist() == [[2, 4], [0, 3]]
    explained = get("example_explainer", "nearest_contrast")().explain(pool, queries, 2, seed=0)
    assert [examples.indices for examples in explained] == [(2, 4), (0, 3)]
    assert explained[0].scores == (0, -1)


def test_scores_are_distances_with_a_minus_or_cosines():
    asked = np.array([[1.0, 0.0]])
    pool = ExamplePool("images", 5, np.array(POINTS) + asked)
    method = get("example_explainer", "nearest_neighbours")
    (examples,) = method().explain(pool, ExamplePool("asked", 1, asked), 5, seed=0)
    assert examples.indices == (0, 2, 3, 4, 1)
    assert examples.scores == pytest.approx((0, 0, -1, -1, -5))
    (examples,) = method(metric="cosine").explain(pool, ExamplePool("asked", 1, asked), 5, seed=0)
    assert examples.indices == (0, 2, 3, 1, 4)
    assert examples.scores == pytest.approx((1, 1, 1, 0.5**0.5, 0.5**0.5))


def test_many_queries_are_worked_off_in_parts(monkeypatch):
    rng = np.random.default_rng(1)
    points, queries, exclude = rng.normal(size=(20, 3)), rng.normal(size=(13, 3)), rng.random((13, 20)) < 0.3
    whole = nearest(points, queries, 3, exclude=exclude)
    monkeypatch.setattr(neighbours, "_PAIRS", 41)
    assert torch.equal(nearest(points, queries, 3, exclude=exclude), whole)


def test_arrays_of_any_order_are_read_and_stay_as_they_are():
    points = np.array(POINTS, dtype=np.float32)[::-1]
    points.flags.writeable = False
    before = points.copy()
    assert nearest(points, torch.zeros(1, 2), 1).tolist() == [[2]]
    assert np.array_equal(points, before)
    assert nearest(POINTS, np.zeros((0, 2)), 2).shape == (0, 2)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"features": [[0, float("nan")], [0, 0]]}, "row 0 of the features holds NaN or infinity"),
        ({"queries": [[0, 1], [float("inf"), 0]]}, "row 1 of the queries holds NaN or infinity"),
        ({"features": [1, 2]}, "features must have two dimensions"),
        ({"features": [[1, 2], [3]]}, "features must be real numbers in one shape"),
        ({"queries": "all"}, "queries must be real numbers"),
        ({"queries": [[1, 2, 3]]}, "features have 2 values each, queries 3"),
        ({"n": 0}, "n must be a whole number of at least 1, not 0"),
        ({"n": 1.0}, "n must be a whole number"),
        ({"n": True}, "n must be a whole number"),
        ({"n": 6}, "query 0: 6 neighbours are wanted, but 5 images may be one"),
        ({"metric": "manhattan"}, "metric must be one of euclidean, cosine, not 'manhattan'"),
        ({"metric": "cosine"}, "row 0 of the features is 0 and has no angle"),
        ({"metric": "cosine", "features": [[1, 0]], "n": 1, "queries": [[0, 0]]}, "row 0 of the queries is 0"),
        ({"exclude": np.zeros((1, 4), bool)}, r"exclude must be bool \[1, 5\], not torch.bool \[1, 4\]"),
        ({"exclude": np.zeros((1, 5))}, r"exclude must be bool \[1, 5\]"),
        ({"exclude": "own"}, r"exclude must be bool \[1, 5\]"),
        ({"exclude": np.ones((1, 5), bool)}, "query 0: 2 neighbours are wanted, but 0 images may be one"),
    ],
)
def test_bad_input_is_refused_in_one_line(changes, told):
    usual = {"features": POINTS, "queries": [[1, 1]], "n": 2}
    with pytest.raises(MethodError, match=told) as caught:
        nearest(**{**usual, **changes})
    assert "\n" not in str(caught.value)


def test_a_contrast_without_other_classes_is_named():
    pool = ExamplePool("images", 3, np.eye(3), predictions=np.array([1, 1, 0]))
    queries = ExamplePool("asked", 1, np.zeros((1, 3)), predictions=np.array([1]))
    with pytest.raises(
        MethodError, match="'images': 2 images with another prediction than 1 are wanted, but there are 1"
    ):
        get("example_explainer", "nearest_contrast")().explain(pool, queries, 2, seed=0)

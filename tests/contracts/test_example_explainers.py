"""What every registered explainer by examples promises, with its default parameters; nothing here names a method."""

import json

import numpy as np
import pytest
import torch

from explainers import base
from explainers.base import ExamplePool, Examples, MethodError
from tests.reproducibility import Untouched, same

each_example_explainer = pytest.mark.parametrize("name", base.available("example_explainer"))

FEATURES = 6


@pytest.fixture
def example_pool():
    """Forty images of four classes whose features lie around their class's centre, and the layer that tells them apart.

    Images 20 to 39 are the first twenty once more, so there are ties everywhere.
    """
    rng = np.random.default_rng(11)
    centres = rng.normal(0, 2, (4, FEATURES))
    labels = np.tile(np.arange(20) % 4, 2)
    features = np.tile((centres[labels[:20]] + rng.normal(0, 1, (20, FEATURES))), (2, 1)).astype(np.float32)
    head = centres.astype(np.float32), -(centres**2).sum(1).astype(np.float32) / 2
    return ExamplePool("photographs", 40, features, labels, (features @ head[0].T + head[1]).argmax(1), head)


@pytest.fixture
def queries(example_pool):
    """Three images, none of them in the pool."""
    rng = np.random.default_rng(12)
    weight, bias = example_pool.head
    features = (weight[[2, 0, 3]] + rng.normal(0, 1, (3, FEATURES))).astype(np.float32)
    return ExamplePool("asked", 3, features, np.array([3, 0, 1]), (features @ weight.T + bias).argmax(1))


def taken(pool, rows, **changes):
    """Some images of a pool."""
    arrays = {name: getattr(pool, name) for name in ("features", "labels", "predictions")}
    some = {name: None if values is None else values[rows] for name, values in arrays.items()}
    return ExamplePool(pool.name, len(rows), **{**some, "head": pool.head, **changes})


@each_example_explainer
@pytest.mark.parametrize("n", [1, 4])
def test_examples_are_what_was_asked_for(name, example_pool, queries, n):
    explained = base.get("example_explainer", name)().explain(example_pool, queries, n, seed=3)
    assert len(explained) == 3
    for examples in explained:
        assert type(examples) is Examples
        assert len(examples.indices) == len(examples.scores) == n
        assert len(set(examples.indices)) == n
        assert all(type(index) is int and 0 <= index < 40 for index in examples.indices)
        assert all(type(score) is float and np.isfinite(score) for score in examples.scores)
        assert list(examples.scores) == sorted(examples.scores, reverse=True)
        assert all(type(fact) is float for fact in examples.facts.values())
        json.dumps(examples.facts, allow_nan=False)


@each_example_explainer
def test_fewer_examples_are_the_first_of_more(name, example_pool, queries):
    method = base.get("example_explainer", name)()
    few, more = (method.explain(example_pool, queries, n, seed=3) for n in (2, 5))
    for some, all_ in zip(few, more, strict=True):
        assert some.indices == all_.indices[:2]
        assert some.scores == all_.scores[:2]


@each_example_explainer
def test_images_that_explain_equally_well_come_in_the_pools_order(name, example_pool, queries):
    """Each image is there twice, 20 apart: wherever both are given, the first one comes first."""
    twins = 0
    for examples in base.get("example_explainer", name)().explain(example_pool, queries, 6, seed=3):
        place = {index: number for number, index in enumerate(examples.indices)}
        for index in examples.indices:
            if index >= 20:
                twins += 1
                assert place.get(index - 20, 99) < place[index]
    assert twins


@each_example_explainer
def test_the_same_examples_every_time_and_nothing_is_touched(name, example_pool, queries):
    method = base.get("example_explainer", name)()
    before = Untouched(example_pool, queries)
    first = method.explain(example_pool, queries, 4, seed=21)
    assert before.holds()
    torch.manual_seed(99)
    assert same(first, method.explain(example_pool, queries, 4, seed=21))


@each_example_explainer
def test_examples_of_one_image_do_not_depend_on_the_others(name, example_pool, queries):
    method = base.get("example_explainer", name)()
    together = method.explain(example_pool, queries, 4, seed=1)
    for rows in ([0], [1], [2], [2, 0]):
        assert same(method.explain(example_pool, taken(queries, rows), 4, seed=1), [together[row] for row in rows])


@each_example_explainer
def test_an_explainer_by_examples_works_with_what_it_says_it_needs(name, example_pool, queries):
    method = base.get("example_explainer", name)()
    assert method.needs
    assert set(method.needs) <= {"features", "labels", "predictions", "head"}
    bare = [
        ExamplePool(pool.name, pool.size, **{need: getattr(pool, need) for need in method.needs})
        for pool in (example_pool, queries)
    ]
    assert same(method.explain(*bare, 3, seed=2), method.explain(example_pool, queries, 3, seed=2))
    for need in method.needs:
        lacking = [
            taken(pool, range(pool.size), head=None if need == "head" else pool.head)
            for pool in (example_pool, queries)
        ]
        for pool in lacking:
            object.__setattr__(pool, need, None)
        with pytest.raises(MethodError, match=f"pool '(photographs|asked)': the pool has no {need}") as caught:
            method.explain(*lacking, 3, seed=2)
        assert "\n" not in str(caught.value)


@each_example_explainer
def test_no_queries_have_no_examples(name, example_pool, queries):
    assert base.get("example_explainer", name)().explain(example_pool, taken(queries, []), 3, seed=0) == []


@each_example_explainer
@pytest.mark.parametrize("n", [41, 400])
def test_a_pool_with_too_few_examples_is_named_with_its_size(name, example_pool, queries, n):
    with pytest.raises(MethodError, match="'photographs'") as caught:
        base.get("example_explainer", name)().explain(example_pool, queries, n, seed=0)
    assert str(n) in str(caught.value)
    assert "\n" not in str(caught.value)


@each_example_explainer
@pytest.mark.parametrize("n", [0, -1, 1.5, True, "3", None])
def test_a_number_of_examples_that_is_none_is_refused(name, example_pool, queries, n):
    with pytest.raises(MethodError, match="at least 1") as caught:
        base.get("example_explainer", name)().explain(example_pool, queries, n, seed=0)
    assert "\n" not in str(caught.value)


@each_example_explainer
def test_an_empty_pool_of_examples_is_refused(name, example_pool, queries):
    with pytest.raises(MethodError, match="'photographs'"):
        base.get("example_explainer", name)().explain(taken(example_pool, []), queries, 1, seed=0)


@each_example_explainer
def test_a_pool_of_one_gives_that_one_or_says_why_not(name, example_pool, queries):
    method, one = base.get("example_explainer", name)(), taken(example_pool, [7])
    for query in range(3):
        explained, said = [Examples((0,), (0.0,))], "'photographs'"
        try:
            explained = method.explain(one, taken(queries, [query]), 1, seed=0)
        except MethodError as error:
            said = str(error)
        assert "'photographs'" in said
        assert "\n" not in said
        assert [examples.indices for examples in explained] == [(0,)]
        assert np.isfinite(explained[0].scores[0])


def spoilt(values, place, value):
    changed = np.array(values, dtype=np.float64)
    changed.reshape(-1)[place] = value
    return changed


@each_example_explainer
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused_with_the_image(name, example_pool, queries, value):
    method = base.get("example_explainer", name)()
    broken = taken(example_pool, range(40), features=spoilt(example_pool.features, 7 * FEATURES, value))
    with pytest.raises(MethodError, match="'photographs': NaN or infinity in the features of image 7"):
        method.explain(broken, queries, 3, seed=0)
    broken = taken(queries, range(3), features=spoilt(queries.features, FEATURES, value))
    with pytest.raises(MethodError, match="'asked': NaN or infinity in the features of image 1"):
        method.explain(example_pool, broken, 3, seed=0)


@each_example_explainer
def test_a_pool_that_does_not_fit_is_refused_in_one_line(name, example_pool, queries):
    method = base.get("example_explainer", name)()
    unfit = [
        {"features": example_pool.features[:-1]},
        {"features": example_pool.features[:, 0]},
        {"features": example_pool.features[:, :-1]},
    ]
    for need in {"labels", "predictions"} & set(method.needs):
        values = getattr(example_pool, need)
        if reads_of_the_pool(method, need, example_pool, queries):
            unfit += [{need: values[1:]}, {need: values + 0.5}, {need: values - 9}, {need: values[:, None]}]
    if "head" in method.needs:
        weight, bias = example_pool.head
        unfit += [{"head": (weight[:, 1:], bias)}, {"head": (weight, bias[1:])}, {"head": (weight * np.nan, bias)}]
        unfit += [{"head": (weight[:2], bias[:2])}]
    for changes in unfit:
        with pytest.raises(ValueError) as caught:
            method.explain(taken(example_pool, range(40), **changes), queries, 3, seed=0)
        assert "\n" not in str(caught.value), changes


def reads_of_the_pool(method, need, example_pool, queries):
    """Whether it needs that of the pool, and not of the queries only."""
    try:
        method.explain(taken(example_pool, range(40), **{need: None}), queries, 3, seed=0)
    except MethodError:
        return True
    return False

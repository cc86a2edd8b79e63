"""MMD-critic against its definition, against the authors' scores written naively, and at its edges."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainers import mmd_critic
from explainers.base import MethodError, Pool
from explainers.mmd_critic import MMDCritic, median_bandwidth, select_from_features, select_from_kernel


def points(n, f=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    clusters = torch.randn(4, f, generator=generator, dtype=torch.float64) * 2
    return clusters[torch.arange(n) % 4] + torch.randn(n, f, generator=generator, dtype=torch.float64)


def rbf(x, gamma):
    differences = x[:, None] - x[None]
    return torch.exp(-gamma * (differences**2).sum(2))


def j_b(kernel, chosen):
    """J_b by its definition: two sums over the chosen points."""
    n, size = len(kernel), len(chosen)
    to_all = sum(float(kernel[i, j]) for i in range(n) for j in chosen)
    within = sum(float(kernel[i, j]) for i in chosen for j in chosen)
    return 2 * to_all / (n * size) - within / size**2


def naive_prototypes(kernel, count):
    """Every candidate's score by its definition, at every step."""
    n, chosen = len(kernel), []
    for _ in range(count):
        scores = np.full(n, -np.inf)
        for j in set(range(n)) - set(chosen):
            to_chosen = 2 * sum(kernel[i, j] for i in chosen) + kernel[j, j]
            scores[j] = 2 * kernel[:, j].mean() - to_chosen / (len(chosen) + 1)
        chosen.append(int(scores.argmax()))
    return chosen


def naive_criticisms(kernel, prototypes, count, regularizer):
    """Every candidate's score with its residual from a linear system solved anew, at every step."""
    n, chosen = len(kernel), []
    for _ in range(count):
        scores = np.full(n, -np.inf)
        for j in set(range(n)) - set(prototypes) - set(chosen):
            witness = kernel[:, j].mean() - kernel[prototypes, j].mean()
            residual = kernel[j, j]
            if chosen:
                among = kernel[np.ix_(chosen, chosen)]
                residual = residual - kernel[chosen, j] @ np.linalg.solve(among, kernel[chosen, j])
            scores[j] = abs(witness) + regularizer * np.log(residual)
        chosen.append(int(scores.argmax()))
    return chosen


def gram(n, seed):
    """A kernel whose diagonal is not 1."""
    x = points(n, f=n, seed=seed)
    return x @ x.T / n


KERNELS = {
    "rbf, n = 60": rbf(points(60), 0.1),
    "rbf, narrow": rbf(points(40, seed=1), 3.0),
    "rbf, wide": rbf(points(40, seed=2), 0.001),
    "linear": gram(30, seed=3),
    "one point": torch.ones(1, 1, dtype=torch.float64),
}


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("regularizer", [0, 1e-5, 1])
def test_choices_are_those_of_the_authors_scores_written_naively(name, regularizer):
    kernel = KERNELS[name]
    n_prototypes = min(10, len(kernel))
    n_criticisms = min(10, len(kernel) - n_prototypes)
    ours = select_from_kernel(kernel, n_prototypes, n_criticisms, regularizer=regularizer)
    prototypes = naive_prototypes(kernel.numpy(), n_prototypes)
    assert ours.prototypes.tolist() == prototypes
    assert ours.criticisms.tolist() == naive_criticisms(kernel.numpy(), prototypes, n_criticisms, regularizer)


@pytest.mark.parametrize("name", KERNELS)
def test_j_b_after_each_prototype_is_its_definition(name):
    kernel = KERNELS[name]
    ours = select_from_kernel(kernel, min(10, len(kernel)), 0)
    chosen = ours.prototypes.tolist()
    expected = [j_b(kernel, chosen[: size + 1]) for size in range(len(chosen))]
    assert ours.objective.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("block", [7, 60, 1024])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_features_in_blocks_are_the_kernel_as_a_whole(monkeypatch, block, dtype):
    monkeypatch.setattr(mmd_critic, "_BLOCK_ON_CPU", block)
    x = points(60, f=12).to(dtype)
    streamed = select_from_features(x, 10, 10, gamma=0.1)
    whole = select_from_kernel(rbf(x.double(), 0.1), 10, 10)
    assert streamed.prototypes.tolist() == whole.prototypes.tolist()
    assert streamed.criticisms.tolist() == whole.criticisms.tolist()
    torch.testing.assert_close(streamed.objective, whole.objective, rtol=1e-12, atol=1e-12)


def test_the_default_bandwidth_is_one_over_the_median_squared_distance():
    x = points(41).numpy()
    distances = [((x[i] - x[j]) ** 2).sum() for i in range(41) for j in range(i)]
    gamma = median_bandwidth(torch.tensor(x))
    assert gamma == pytest.approx(1 / np.median(distances), rel=1e-12)
    assert select_from_features(torch.tensor(x), 2, 0).gamma == gamma


def test_the_bandwidth_of_many_points_is_that_of_evenly_spaced_ones(monkeypatch):
    monkeypatch.setattr(mmd_critic, "_BANDWIDTH_POINTS", 20)
    x = points(60)
    assert median_bandwidth(x) == median_bandwidth(x[::3])


def test_the_bandwidth_ignores_duplicates_where_they_are_most_pairs():
    x = torch.tensor([[0.3, 0.7]] * 9 + [[0.3, 2.7]], dtype=torch.float64)
    assert median_bandwidth(x) == pytest.approx(1 / 4)
    assert median_bandwidth(x[:9]) == median_bandwidth(x[:1]) == 1


def test_ties_go_to_the_lowest_index():
    identity = torch.eye(6)
    ours = select_from_kernel(identity, 2, 2)
    assert (ours.prototypes.tolist(), ours.criticisms.tolist()) == ([0, 1], [2, 3])


@pytest.mark.parametrize("how", ["features", "kernel"])
def test_duplicates_are_harmless_and_the_lowest_of_them_is_taken(how):
    distinct = points(20, f=50)
    x = distinct.repeat(4, 1)[torch.randperm(80, generator=torch.Generator().manual_seed(0))]
    if how == "features":
        ours = select_from_features(x, 6, 10, gamma=0.01)
    else:
        ours = select_from_kernel(rbf(x, 0.01), 6, 10)
    lowest = [min(i for i in range(80) if torch.equal(x[i], x[j])) for j in range(80)]
    chosen = ours.prototypes.tolist() + ours.criticisms.tolist()
    assert len(set(chosen)) == 16
    # No criticism duplicates another while there are others left, and each is the first of its kind that was free.
    criticisms = ours.criticisms.tolist()
    assert len({lowest[j] for j in criticisms}) == 10
    taken = set(ours.prototypes.tolist())
    for j in criticisms:
        assert j == min(i for i in range(80) if lowest[i] == lowest[j] and i not in taken)


def test_points_that_are_all_the_same_are_taken_in_order():
    ours = select_from_features(torch.full((9, 4), 0.1), 4, 5)
    assert (ours.prototypes.tolist(), ours.criticisms.tolist()) == ([0, 1, 2, 3], [4, 5, 6, 7, 8])
    assert ours.objective.tolist() == pytest.approx([1.0] * 4)
    assert ours.gamma == 1


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 25),
    f=st.integers(1, 3),
    levels=st.integers(1, 3),
    seed=st.integers(0, 2**32),
    share=st.floats(0, 1),
    regularizer=st.sampled_from([0.0, 1e-5, 1.0]),
)
def test_any_points_give_distinct_indices_and_the_objective_of_the_definition(n, f, levels, seed, share, regularizer):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, levels, (n, f), generator=generator).double()  # few levels: many duplicates and ties
    n_prototypes = 1 + int(share * (n - 1))
    ours = select_from_features(x, n_prototypes, n - n_prototypes, regularizer=regularizer)
    assert sorted(ours.prototypes.tolist() + ours.criticisms.tolist()) == list(range(n))
    kernel = rbf(x, ours.gamma)
    assert float(ours.objective[-1]) == pytest.approx(j_b(kernel, ours.prototypes.tolist()), abs=1e-9)


def test_the_input_is_left_as_it_was():
    x = points(30)
    kernel = rbf(x, 0.1)
    kept = x.clone(), kernel.clone()
    select_from_features(x, 5, 5)
    select_from_kernel(kernel, 5, 5)
    assert torch.equal(x, kept[0])
    assert torch.equal(kernel, kept[1])


def test_a_kernel_may_be_an_array_a_tensor_or_lists_of_any_type():
    kernel = torch.round(rbf(points(24), 0.1) * 128) / 128  # whole in eight bits of mantissa
    expected = select_from_kernel(kernel, 4, 4)
    array = kernel.numpy()
    locked = array.copy()
    locked.setflags(write=False)
    given = [array, array.astype(np.float32), array.astype(np.float16), kernel.float(), kernel.bfloat16(), locked]
    given += [np.asfortranarray(array), array.tolist(), kernel.clone().requires_grad_(True), kernel.T]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for one in given:
            ours = select_from_kernel(one, np.int64(4), np.int32(4))
            assert ours.prototypes.tolist() == expected.prototypes.tolist()
            assert ours.criticisms.tolist() == expected.criticisms.tolist()
        backwards = select_from_kernel(array[::-1, ::-1], 4, 4)
    assert [23 - i for i in backwards.prototypes.tolist()] == expected.prototypes.tolist()


@pytest.mark.parametrize("regularizer", [0, 1e-5, 1])
@pytest.mark.parametrize("n_prototypes", [1, 40, 79, 80])
def test_all_points_can_be_chosen_duplicates_or_not(regularizer, n_prototypes):
    kernel = rbf(points(40).repeat(2, 1), 0.1)
    ours = select_from_kernel(kernel, n_prototypes, 80 - n_prototypes, regularizer=regularizer)
    assert sorted(ours.prototypes.tolist() + ours.criticisms.tolist()) == list(range(80))
    assert ours.prototypes.tolist() == naive_prototypes_with_ties(kernel.numpy(), n_prototypes)


def naive_prototypes_with_ties(kernel, count):
    """By the definition, where the lowest of those that differ by rounding alone wins."""
    chosen = []
    for _ in range(count):
        scores = 2 * kernel.mean(0) - (2 * kernel[chosen].sum(0) + kernel.diagonal()) / (len(chosen) + 1)
        scores[chosen] = -np.inf
        chosen.append(int(np.flatnonzero(scores >= scores.max() - 1e-12)[0]))
    return chosen


def spoiled(value):
    kernel = torch.eye(5)
    kernel[3, 2] = kernel[2, 3] = value
    return kernel


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (spoiled(math.nan), "column 2 of the kernel holds NaN or infinity"),
        (spoiled(math.inf), "column 2 of the kernel holds NaN or infinity"),
        ([["a", "b"], ["c", "d"]], "the kernel must be real numbers"),
        (torch.eye(5) * 1j, "the kernel must be real numbers"),
        (None, "the kernel must be real numbers|a kernel is a square matrix"),
        (torch.ones(5, 4), r"a kernel is a square matrix, not \[5, 4\]"),
        (torch.eye(5) + torch.ones(5, 5).triu(1), "the kernel is not symmetric"),
        (-torch.eye(5), "the kernel is negative at 0 on its diagonal"),
        (torch.eye(3), "2 prototypes and 2 criticisms cannot be chosen from 3 points"),
        (torch.empty(0, 0), "2 prototypes and 2 criticisms cannot be chosen from 0 points"),
    ],
)
def test_a_bad_kernel_is_told_in_one_line(kernel, words):
    with pytest.raises(MethodError, match=words):
        select_from_kernel(kernel, 2, 2)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.tensor([[0.0, 1], [math.nan, 1]]), "features of point 1 hold NaN or infinity"),
        (torch.tensor([[0.0, math.inf], [0, -math.inf]]), "features of point 0 hold NaN or infinity"),
        (torch.zeros(4), "features must be floating-point"),
        (torch.zeros(4, 2, dtype=torch.int64), "features must be floating-point"),
        (torch.zeros(0, 2), "features must be floating-point"),
    ],
)
def test_bad_features_are_told_in_one_line(x, words):
    with pytest.raises(MethodError, match=words):
        select_from_features(x, 1, 0)


@pytest.mark.parametrize(
    "change",
    [{"regularizer": -1}, {"regularizer": math.nan}, {"regularizer": "1"}, {"gamma": 0}, {"gamma": math.inf}],
)
def test_bad_parameters_are_told_in_one_line(change):
    with pytest.raises(MethodError, match="|".join(change)):
        select_from_features(points(5), 1, 1, **change)
    with pytest.raises(MethodError, match="|".join(change)):
        MMDCritic(**change)


@pytest.mark.parametrize("counts", [(2.0, 1), ("2", 1), (True, 1), (None, 1)])
def test_a_number_of_points_is_whole(counts):
    with pytest.raises(MethodError, match="n_prototypes must be a whole number"):
        select_from_kernel(torch.eye(5), *counts)


@pytest.mark.parametrize("counts", [(0, 1), (1, -1)])
def test_a_criticism_needs_something_to_criticise(counts):
    with pytest.raises(MethodError, match="at least 1 prototype"):
        select_from_kernel(torch.eye(5), *counts)


def test_the_selector_is_the_function_with_its_bandwidth_on_record():
    x = points(30).numpy()
    selection = MMDCritic().select(Pool("tabby", 30, features=x), 3, 4, seed=1)
    function = select_from_features(torch.tensor(x), 3, 4)
    assert selection.prototypes == tuple(function.prototypes.tolist())
    assert selection.criticisms == tuple(function.criticisms.tolist())
    assert (selection.prototype_pool, selection.criticism_pool) == (30, 27)
    assert selection.facts == {"gamma": function.gamma}

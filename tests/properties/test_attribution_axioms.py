"""The axioms of attribution, each by its name, on networks and games that Hypothesis makes up.

Completeness, sensitivity to a dummy, implementation invariance and linearity: Sundararajan, Taly & Yan 2017.
Efficiency, dummy, symmetry and linearity of Shapley values: Shapley 1953.
"""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from explainers.base import get
from explainers.kernel_shap import KernelSHAP, shapley_values

seeds = st.integers(0, 2**32)
few = settings(max_examples=12, deadline=None)

SIDE, CLASSES = 8, 3
#: Small enough for every example to be quick.
PARAMETERS = {
    "smoothgrad": {"n_samples": 5},
    "integrated_gradients": {"n_steps": 20},
    "occlusion": {"window": 2, "stride": 2},
    "rise": {"n_masks": 50, "cells": 4},
    "lime": {"n_samples": 60, "segmentation": "slic", "slic_n_segments": 6},
    "kernel_shap": {"n_samples": 60, "segmentation": "slic", "slic_n_segments": 6},
}


def method(name, **more):
    return get("explainer", name)(**{**PARAMETERS.get(name, {}), **more})


def some_images(seed, n=2):
    return torch.rand(n, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def weights(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / math.sqrt(shape[-1])


def maps(name, network, images, **more):
    labels = torch.arange(len(images)) % CLASSES
    explained = method(name, **more).explain(network, images, labels, seeds=range(len(images)))
    return np.stack([map_.values for map_ in explained]), labels


class Layered(nn.Module):
    """A network of two layers on the pixels that `seen` shows."""

    def __init__(self, seed, seen=None):
        super().__init__()
        self.first = nn.Parameter(weights(seed, 20, 3 * SIDE * SIDE) * 4)
        self.second = nn.Parameter(weights(seed + 1, CLASSES, 20))
        self.bias = nn.Parameter(weights(seed + 2, 20))
        self.seen = torch.ones(SIDE, SIDE) if seen is None else seen

    def forward(self, x):
        return torch.tanh((x * self.seen).flatten(1) @ self.first.T + self.bias) @ self.second.T


class WrittenOtherwise(nn.Module):
    """The same function as another network, computed in another way: in parts, with units that cancel."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        x = (x * self.network.seen).flatten(1)
        hidden = [
            torch.tanh(torch.einsum("np,hp->nh", x, part) + bias)
            for part, bias in zip(self.network.first.split(5), self.network.bias.split(5), strict=True)
        ]
        extra = hidden[0].exp()
        parts = [h @ w.T for h, w in zip(hidden, self.network.second.split(5, dim=1), strict=True)]
        return sum(parts) + extra.sum(1, keepdim=True) - extra.sum(1, keepdim=True)


OF_THE_FUNCTION_ALONE = ["gradients", "gradient_times_input", "smoothgrad", "integrated_gradients", "occlusion", "rise"]


@few
@given(seeds)
@pytest.mark.parametrize("name", OF_THE_FUNCTION_ALONE)
def test_implementation_invariance(name, seed):
    network, images = Layered(seed), some_images(seed)
    one, _ = maps(name, network, images)
    other, _ = maps(name, WrittenOtherwise(network), images)
    assert np.abs(one - other).max() <= 1e-4 * np.abs(one).max()


def test_guided_backpropagation_is_not_implementation_invariant():
    """Its limit, as the reference says: it goes by the ReLUs, and one function can have others."""
    images = torch.rand(1, 3, SIDE, SIDE)

    class Shifted(nn.Module):
        def __init__(self, through_relu):
            super().__init__()
            self.through_relu = through_relu

        def forward(self, x):
            x = x.flatten(1)
            shown = x.relu() - (-x).relu() if self.through_relu else x + 0 * x.relu()
            return torch.stack([shown.mean(1), -shown.mean(1)], 1)

    one, other = (
        get("explainer", "guided_backprop")().explain(Shifted(way), images, torch.tensor([1]), seeds=[0])[0]
        for way in (True, False)
    )
    assert torch.allclose(Shifted(True)(images), Shifted(False)(images))
    assert np.abs(one.values - other.values).max() > 0.001


@few
@given(seeds)
@pytest.mark.parametrize("name", ["lime", "kernel_shap"])
def test_implementation_invariance_of_superpixels(name, seed):
    network, images, labels = Layered(seed), some_images(seed), torch.tensor([0, 1])
    one, other = (
        method(name).explain(written, images, labels, seeds=[1, 2]) for written in (network, WrittenOtherwise(network))
    )
    for usual, otherwise in zip(one, other, strict=True):
        largest = np.abs(usual.coefficients).max()
        assert np.abs(usual.coefficients - otherwise.coefficients).max() <= 1e-3 * largest


def test_gradcam_is_not_implementation_invariant():
    """Its limit: it goes by a layer, and the same function can have its weights before or behind it."""
    weight = torch.randn(1, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(0))

    class Placed(nn.Module):
        def __init__(self, before):
            super().__init__()
            torch.manual_seed(3)
            self.convolution, self.before = nn.Conv2d(3, 4, 3, padding=1), before

        def forward(self, x):
            layer = self.convolution(x)
            if self.before:
                total = (layer * weight).sum((1, 2, 3))
            else:
                total = layer.flatten(1) @ weight.flatten()
            return torch.stack([total, -total], 1)

    images = some_images(1, n=1)
    one, other = (
        method("gradcam", relu=False).explain(network, images, torch.tensor([0]), seeds=[0])[0].values
        for network in (Placed(before=False), Placed(before=True))
    )
    assert torch.allclose(Placed(before=False)(images), Placed(before=True)(images), atol=1e-4)
    assert np.abs(one - other).max() > 0.1 * np.abs(one).max()


@few
@given(seeds, st.sampled_from(["black", "grey", "mean"]))
def test_completeness(seed, baseline):
    network, images = Layered(seed), some_images(seed)
    maps_, labels = maps("integrated_gradients", network, images, n_steps=60, baseline=baseline)
    start = {
        "black": 0 * images,
        "grey": 0 * images + 128 / 255,
        "mean": images.mean((2, 3), keepdim=True) + 0 * images,
    }
    difference = (network(images) - network(start[baseline])).gather(1, labels[:, None])[:, 0].detach().numpy()
    assert maps_.sum((1, 2)) == pytest.approx(difference, abs=1e-4)


@few
@given(seeds)
def test_completeness_of_gradient_times_input_where_a_network_is_homogeneous(seed):
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, CLASSES, bias=False)
    )
    torch.manual_seed(seed)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, 0.3)
    images = some_images(seed)
    maps_, labels = maps("gradient_times_input", network, images)
    logits = network(images).gather(1, labels[:, None])[:, 0].detach().numpy()
    assert maps_.sum((1, 2)) == pytest.approx(logits, abs=1e-4)


@few
@given(seeds)
@pytest.mark.parametrize(
    "name", ["gradients", "gradient_times_input", "smoothgrad", "integrated_gradients", "occlusion"]
)
def test_dummy(name, seed):
    """A pixel that the network does not read gets nothing."""
    seen = torch.ones(SIDE, SIDE)
    seen[:, SIDE // 2 :] = 0
    found, _ = maps(name, Layered(seed, seen), some_images(seed))
    assert np.abs(found[:, :, : SIDE // 2]).max() > 0
    assert not found[:, :, SIDE // 2 :].any()


class Rectified(Layered):
    """The same with ReLUs."""

    def forward(self, x):
        return torch.relu((x * self.seen).flatten(1) @ self.first.T + self.bias) @ self.second.T


@few
@given(seeds)
@pytest.mark.parametrize("name", ["guided_backprop", "deconvolution"])
def test_dummy_behind_rectifiers(name, seed):
    seen = torch.ones(SIDE, SIDE)
    seen[:, SIDE // 2 :] = 0
    found, _ = maps(name, Rectified(seed, seen), some_images(seed))
    assert not found[:, :, SIDE // 2 :].any()


@few
@given(seeds)
@pytest.mark.parametrize("name", ["gradients", "gradient_times_input", "integrated_gradients", "occlusion"])
def test_symmetry(name, seed):
    """Pixels that can be exchanged without changing the network, and are alike, get the same: here columns mirrored."""
    network, images = Layered(seed), some_images(seed)

    class Symmetric(nn.Module):
        def forward(self, x):
            return network(x) + network(x.flip(3))

    found, _ = maps(name, Symmetric(), (images + images.flip(3)) / 2)
    assert np.abs(found - found[:, :, ::-1]).max() <= 1e-4 * np.abs(found).max()


@few
@given(seeds, st.floats(-3, 3), st.floats(-3, 3))
@pytest.mark.parametrize("name", ["gradient_times_input", "integrated_gradients"])
def test_linearity(name, seed, a, b):
    """The map of a combination of networks is that combination of their maps."""
    one, other, images = Layered(seed), Layered(seed + 7), some_images(seed)

    class Combined(nn.Module):
        def forward(self, x):
            return a * one(x) + b * other(x)

    found, _ = maps(name, Combined(), images)
    expected = a * maps(name, one, images)[0] + b * maps(name, other, images)[0]
    assert found == pytest.approx(expected, abs=1e-4)


@few
@given(seeds, st.floats(-3, 3), st.floats(-3, 3))
@pytest.mark.parametrize("name", ["gradients", "smoothgrad"])
def test_linearity_of_the_channels(name, seed, a, b):
    one, other, images = Layered(seed), Layered(seed + 7), some_images(seed)

    class Combined(nn.Module):
        def forward(self, x):
            return a * one(x) + b * other(x)

    def channels(network):
        explained = method(name).explain(network, images, torch.tensor([0, 1]), seeds=[5, 6])
        return np.stack([map_.channels for map_ in explained])

    assert channels(Combined()) == pytest.approx(a * channels(one) + b * channels(other), abs=1e-4)


@few
@given(seeds, st.floats(0, 1))
@pytest.mark.parametrize("name", ["occlusion", "rise"])
def test_linearity_in_the_probability(name, seed, a):
    """The map of a mixture of two classifiers, by probability, is that mixture of their maps."""
    one, other, images = Layered(seed), Layered(seed + 7), some_images(seed)

    class Mixture(nn.Module):
        def forward(self, x):
            return (a * one(x).softmax(1) + (1 - a) * other(x).softmax(1)).log()

    found, _ = maps(name, Mixture(), images)
    expected = a * maps(name, one, images)[0] + (1 - a) * maps(name, other, images)[0]
    assert found == pytest.approx(expected, abs=1e-5)


@few
@given(seeds, st.floats(-3, 3), st.floats(-3, 3))
def test_linearity_of_gradcam_without_relu(seed, a, b):
    """In what stands behind the layer."""
    images = some_images(seed)
    torch.manual_seed(seed % 2**31)
    convolution, heads = nn.Conv2d(3, 4, 3), weights(seed, 2, CLASSES, 4 * (SIDE - 2) ** 2)

    class Headed(nn.Module):
        def __init__(self, head):
            super().__init__()
            self.convolution, self.head = convolution, head

        def forward(self, x):
            return self.convolution(x).flatten(1) @ self.head.T

    found, _ = maps("gradcam", Headed(a * heads[0] + b * heads[1]), images, relu=False)
    expected = [maps("gradcam", Headed(head), images, relu=False)[0] for head in heads]
    assert found == pytest.approx(a * expected[0] + b * expected[1], abs=1e-4)


# --- games ------------------------------------------------------------------------------------------------------------


def random_worth(seed, d):
    """A worth for every coalition, by number: bit i of the number is player i."""
    return np.random.default_rng(seed).normal(size=2**d)


def of(coalitions, by_number):
    return by_number[coalitions.masks @ (1 << np.arange(coalitions.masks.shape[1]))]


def values(by_number, d, n_samples=None, seed=0):
    coalitions = KernelSHAP(n_samples=n_samples or 2**d).coalitions(d, seed)
    return shapley_values(coalitions, of(coalitions, by_number))


def by_permutations(by_number, d):
    """Shapley's own definition: what a player adds to those before it, averaged over all orders."""
    total = np.zeros(d)
    for order in permutations(range(d)):
        number = 0
        for player in order:
            total[player] += by_number[number | 1 << player] - by_number[number]
            number |= 1 << player
    return total / math.factorial(d)


@few
@given(seeds, st.integers(1, 6))
def test_values_are_shapleys_by_enumeration_of_all_orders(seed, d):
    worth = random_worth(seed, d)
    assert values(worth, d) == pytest.approx(by_permutations(worth, d), abs=1e-12)


@few
@given(seeds, st.integers(2, 10))
def test_efficiency_with_all_coalitions_and_with_some(seed, d):
    worth = random_worth(seed, d)
    for n_samples in (2**d, max(4 * d, 2**d // 2)):
        assert values(worth, d, n_samples).sum() == pytest.approx(worth[-1] - worth[0], abs=1e-12)


@few
@given(seeds, st.integers(2, 10), st.data())
def test_dummy_player(seed, d, data):
    """A player who adds the same to every coalition gets that."""
    player, alone = data.draw(st.integers(0, d - 1)), 0.37
    numbers = np.arange(2**d)
    worth = random_worth(seed, d)[numbers & ~(1 << player)] + alone * (numbers >> player & 1)
    assert values(worth, d)[player] == pytest.approx(alone, abs=1e-12)


@few
@given(seeds, st.integers(2, 10))
def test_symmetry_of_players(seed, d):
    numbers = np.arange(2**d)
    swapped = (numbers & ~3) | (numbers & 1) << 1 | (numbers >> 1 & 1)
    worth = random_worth(seed, d)
    found = values(worth + worth[swapped], d)
    assert found[0] == pytest.approx(found[1], abs=1e-12)


@few
@given(seeds, st.integers(2, 10), st.floats(-3, 3), st.sampled_from([1.0, 0.6]))
def test_linearity_of_games(seed, d, a, share):
    one, other = random_worth(seed, d), random_worth(seed + 1, d)
    n = max(int(share * 2**d), 3 * d)
    assert values(a * one + other, d, n) == pytest.approx(a * values(one, d, n) + values(other, d, n), abs=1e-9)


@few
@given(seeds, st.integers(3, 9))
def test_least_squares_over_all_coalitions_are_the_exact_values(seed, d):
    """Lundberg & Lee's theorem, which ties the estimate to the formula."""
    worth = random_worth(seed, d)
    every = KernelSHAP(n_samples=2**d).coalitions(d, 0)
    fitted = shapley_values(every._replace(complete=False), of(every, worth))
    assert fitted == pytest.approx(values(worth, d), abs=1e-9)


@few
@given(seeds)
def test_an_additive_game_is_recovered_from_few_coalitions(seed):
    d = 30
    each = np.random.default_rng(seed).normal(size=d)
    coalitions = KernelSHAP(n_samples=90).coalitions(d, seed)
    assert shapley_values(coalitions, 0.3 + coalitions.masks @ each) == pytest.approx(each, abs=1e-9)

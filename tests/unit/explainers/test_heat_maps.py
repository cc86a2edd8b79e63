"""Heat maps against closed forms, and what they say to bad input."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from explainers import base
from explainers.base import MethodError, get
from explainers.classifiers import ImageClassifier
from explainers.deconvolution import Deconvolution
from explainers.gradients import Gradients
from explainers.guided_backprop import GuidedBackprop
from explainers.integrated_gradients import IntegratedGradients
from explainers.occlusion import Occlusion
from explainers.rise import RISE
from explainers.smoothgrad import SmoothGrad

GRADIENT_METHODS = ("gradients", "gradient_times_input", "smoothgrad", "integrated_gradients")
HEAT_MAPS = sorted({*base.available("explainer")} - {"lime", "kernel_shap"})


def images(n=3, side=12, seed=0):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


class Linear(nn.Module):
    def __init__(self, side=12):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(5)))

    def forward(self, x):
        return torch.einsum("nchw,kchw->nk", x, self.weight)


class Squares(nn.Module):
    """Logits Σ x² and Σ x³."""

    def forward(self, x):
        return torch.stack([(x**2).sum((1, 2, 3)), (x**3).sum((1, 2, 3))], 1)


def test_of_a_linear_network_the_gradient_is_its_weights():
    network, pictures, labels = Linear(), images(), torch.tensor([2, 0, 3])
    weight = network.weight.detach()[labels]
    for name in ("gradients", "smoothgrad"):
        found = get("explainer", name)().explain(network, pictures, labels, seeds=[1, 2, 3])
        assert np.stack([map_.channels for map_ in found]) == pytest.approx(weight.numpy(), abs=1e-5)
        assert np.stack([map_.values for map_ in found]) == pytest.approx(weight.abs().amax(1).numpy(), abs=1e-5)
    found = get("explainer", "gradient_times_input")().explain(network, pictures, labels, seeds=[1, 2, 3])
    assert np.stack([map_.values for map_ in found]) == pytest.approx((weight * pictures).sum(1).numpy(), abs=1e-5)


@pytest.mark.parametrize("baseline", ["black", "grey", "mean"])
def test_integrated_gradients_of_squares_are_differences_of_squares(baseline):
    pictures = images()
    start = {"black": 0.0, "grey": 128 / 255, "mean": pictures.mean((2, 3), keepdim=True)}[baseline]
    for label, power in ((0, 2), (1, 3)):
        # Gauss–Legendre with n nodes is exact for polynomials up to degree 2n − 1.
        method = IntegratedGradients(n_steps=2, baseline=baseline)
        found = method.explain(Squares(), pictures, torch.full((3,), label), seeds=range(3))
        expected = pictures**power - start**power + torch.zeros_like(pictures)
        assert np.stack([map_.channels for map_ in found]) == pytest.approx(expected.numpy(), abs=1e-5)
        assert all(map_.facts["completeness_gap"] < 1e-3 for map_ in found)


def test_a_path_with_few_steps_says_how_far_it_is_from_complete():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(800, 6), nn.ReLU(), nn.Linear(6, 2))
    pictures, labels = images(), torch.zeros(3, dtype=torch.int64)
    gaps = {}
    for n_steps in (1, 300):
        found = IntegratedGradients(n_steps=n_steps).explain(network, pictures, labels, seeds=range(3))
        difference = (network(pictures) - network(0 * pictures))[:, 0].detach().numpy()
        gaps[n_steps] = [map_.facts["completeness_gap"] for map_ in found]
        sums = np.array([map_.values.sum() for map_ in found])
        assert gaps[n_steps] == pytest.approx(np.abs(sums - difference), abs=1e-5)
    assert max(gaps[300]) < min(gaps[1])


def test_smoothgrad_is_the_mean_gradient_over_the_noise_of_the_seed():
    pictures, seeds = images(2), [11, 2**62]
    found = SmoothGrad(n_samples=6, noise=0.3).explain(Squares(), pictures, torch.tensor([1, 1]), seeds=seeds)
    for picture, map_, seed in zip(pictures, found, seeds, strict=True):
        generator = torch.Generator().manual_seed(seed)
        noisy = [picture + 0.3 * torch.randn(3, 12, 12, generator=generator) for _ in range(6)]
        assert map_.channels == pytest.approx(torch.stack([3 * x**2 for x in noisy]).mean(0).numpy(), abs=1e-5)
        assert map_.seed == seed


def test_smoothgrad_without_noise_is_the_gradient():
    pictures, labels = images(), torch.tensor([1, 0, 1])
    smooth = SmoothGrad(n_samples=3, noise=0).explain(Squares(), pictures, labels, seeds=range(3))
    plain = Gradients().explain(Squares(), pictures, labels, seeds=range(3))
    for one, other in zip(smooth, plain, strict=True):
        assert one.values == pytest.approx(other.values, rel=1e-5)


def test_guided_maps_by_hand():
    """Two units on one pixel: the one that is on passes 2 up and −3 down, the one that is off 5."""

    class TwoUnits(nn.Module):
        def forward(self, x):
            pixel = x[:, 0, 0, 0]
            on, other_on, off = (pixel + 1).relu(), (2 * pixel).relu(), (pixel - 2).relu()
            return torch.stack([2 * on - 3 * other_on + 5 * off, on], 1)

    picture, label = torch.full((1, 3, 2, 2), 0.5), torch.tensor([0])
    (plain,) = Gradients().explain(TwoUnits(), picture, label, seeds=[0])
    (guided,) = GuidedBackprop().explain(TwoUnits(), picture, label, seeds=[0])
    (deconvolved,) = Deconvolution().explain(TwoUnits(), picture, label, seeds=[0])
    assert [map_.channels[0, 0, 0] for map_ in (plain, guided, deconvolved)] == [2 - 3 * 2, 2, 2 + 5]


def naive_rise(method, network, picture, label, seed):
    """One mask at a time, enlarged by torch and cut out by slicing."""
    _, height, width = picture.shape
    coins, rows, columns = method.masks(height, width, seed)
    cells = [math.ceil(side / method.cells) for side in (height, width)]
    total = torch.zeros(height, width, dtype=torch.float64)
    for coin, row, column in zip(coins, rows.tolist(), columns.tolist(), strict=True):
        size = [(method.cells + 1) * cell for cell in cells]
        mask = functional.interpolate(coin[None, None].double(), size, mode="bilinear", align_corners=False)[0, 0]
        mask = mask[row : row + height, column : column + width]
        total += mask * network((picture * mask)[None].float()).softmax(1)[0, label].item()
    return (total / (method.n_masks * method.share)).numpy()


@pytest.mark.parametrize(("cells", "share", "size"), [(4, 0.5, (12, 12)), (3, 0.2, (10, 13)), (1, 0.7, (6, 6))])
def test_rise_is_the_weighted_mean_of_its_masks(cells, share, size):
    torch.manual_seed(2)
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 3))
    picture = torch.rand(3, *size)
    method = RISE(n_masks=37, cells=cells, share=share)
    (found,) = method.explain(network, picture[None], torch.tensor([1]), seeds=[8])
    assert found.values == pytest.approx(naive_rise(method, network, picture, 1, 8), abs=1e-5)


def test_rise_finds_what_the_network_looks_at():
    class Corner(nn.Module):
        def forward(self, x):
            corner = 8 * x[:, :, :4, :4].mean((1, 2, 3))
            return torch.stack([corner, 0 * corner], 1)

    picture = torch.full((1, 3, 16, 16), 0.9)
    (found,) = RISE(n_masks=600, cells=4).explain(Corner(), picture, torch.tensor([0]), seeds=[1])
    assert max(np.unravel_index(found.values.argmax(), found.values.shape)) < 5
    assert found.values[1:3, 1:3].mean() > found.values[10:, 10:].mean() + 0.05


@pytest.mark.parametrize(("window", "stride", "size"), [(4, 4, (8, 12)), (5, 3, (9, 14)), (3, 2, (7, 7))])
def test_occlusion_is_what_each_square_takes_away(window, stride, size):
    torch.manual_seed(4)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
    picture = torch.rand(3, *size)
    probability = lambda x: network(x[None]).softmax(1)[0, 2].item()  # noqa: E731
    total, covering = np.zeros(size), np.zeros(size)
    for top in range(0, max(size[0] - window, 0) + stride, stride):
        for left in range(0, max(size[1] - window, 0) + stride, stride):
            if top - stride + window >= size[0] or left - stride + window >= size[1]:
                continue  # the position before has reached the edge
            hidden = picture.clone()
            hidden[:, top : top + window, left : left + window] = 128 / 255
            total[top : top + window, left : left + window] += probability(picture) - probability(hidden)
            covering[top : top + window, left : left + window] += 1
    (found,) = Occlusion(window=window, stride=stride).explain(network, picture[None], torch.tensor([2]), seeds=[0])
    assert covering.min() >= 1
    assert found.values == pytest.approx(total / covering, abs=1e-6)


@pytest.mark.parametrize("method", [Occlusion(window=8, stride=8), RISE(n_masks=30, cells=4)])
def test_methods_that_only_ask_give_the_same_bytes_alone_and_in_a_batch(method):
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 900, 4)
    ).eval()
    pictures, labels = images(5, 32), torch.tensor([0, 1, 2, 3, 0])
    together = method.explain(network, pictures, labels, seeds=range(5))
    for i in range(5):
        (alone,) = method.explain(network, pictures[i : i + 1], labels[i : i + 1], seeds=[i])
        assert alone.values.tobytes() == together[i].values.tobytes()


class Watched(nn.Module):
    """A network that remembers how many pictures it was given at once."""

    def __init__(self, network):
        super().__init__()
        self.network, self.sizes = network, []

    def forward(self, x):
        self.sizes.append(len(x))
        return self.network(x)


@pytest.mark.parametrize(("n", "steps"), [(1, 50), (3, 50), (20, 3), (20, 1)])
@pytest.mark.parametrize("name", ["smoothgrad", "integrated_gradients"])
def test_images_and_steps_share_passes_of_a_bounded_size(name, n, steps):
    network = Watched(nn.Sequential(nn.AvgPool2d(56), nn.Flatten(), nn.Linear(48, 2)))
    method = get("explainer", name)(**{"smoothgrad": {"n_samples": steps}}.get(name, {"n_steps": steps}))
    method.explain(network, images(n, 224), torch.zeros(n, dtype=torch.int64), seeds=range(n))
    assert max(network.sizes) <= 8
    at_most = math.ceil(n * steps / 8) * 1.5 + 8  # as full as they come, and the two ends of a path
    assert len(network.sizes) <= at_most


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("smoothgrad", {"n_samples": 0}, "smoothgrad: n_samples must be at least 1, not 0"),
        ("smoothgrad", {"noise": -0.1}, "noise must not be negative"),
        ("integrated_gradients", {"n_steps": 0}, "n_steps must be at least 1"),
        ("integrated_gradients", {"baseline": "white"}, "must be one of black, grey, mean"),
        ("gradcam", {"layer": 3}, "gradcam: layer must be text, not 3"),
        ("gradcam", {"fine": "coarse"}, "must be one of none, guided, deconvolution"),
        ("occlusion", {"window": 0}, "window must be at least 1 pixel"),
        ("occlusion", {"window": 8, "stride": 9}, "stride must be in 1..8, the window, not 9"),
        ("occlusion", {"window": 8, "stride": 0}, "stride must be in 1..8"),
        ("rise", {"n_masks": 0}, "n_masks must be at least 1"),
        ("rise", {"cells": 0}, "cells must be at least 1"),
        ("rise", {"share": 1}, "share must be between 0 and 1"),
        ("kernel_shap", {"n_samples": 1}, "kernel_shap: n_samples must be at least 2"),
        ("kernel_shap", {"slic_sigma": -1}, "kernel_shap: slic_sigma must not be negative"),
        ("kernel_shap", {"fill": "white"}, "must be one of mean, grey, black"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_in_one_line(name, parameters, said):
    with pytest.raises(MethodError) as caught:
        get("explainer", name)(**parameters)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "side", "said"),
    [
        (Occlusion(), 31, "a window of 32 pixels does not fit into images of 31 × 31"),
        (RISE(n_masks=4), 6, "7 × 7 cells do not fit into images of 6 × 6"),
    ],
)
def test_images_smaller_than_the_window_are_refused(method, side, said):
    with pytest.raises(MethodError, match=said):
        method.explain(Linear(side), images(1, side), torch.tensor([0]), seeds=[0])


class Spoilt(nn.Module):
    """Logits that are not finite, or whose gradient is not."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        mean = x.relu().mean((2, 3))
        return mean * float("nan") if self.how == "nan" else (mean - mean.detach()).abs().sqrt() + mean


@pytest.mark.parametrize("name", HEAT_MAPS)
def test_logits_that_are_not_finite_are_refused_in_one_line(name):
    method = get("explainer", name)()
    with pytest.raises(MethodError, match="finite") as caught:
        method.explain(Spoilt("nan"), images(1, 32), torch.tensor([0]), seeds=[0])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_gradients_that_are_not_finite_are_refused_in_one_line(name):
    with pytest.raises(MethodError, match="gradients that are not finite"):
        get("explainer", name)().explain(Spoilt("gradient"), images(1), torch.tensor([0]), seeds=[0])


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("name", ["guided_backprop", "deconvolution"])
def test_a_network_without_relus_is_told_apart_from_one_whose_relus_are_hidden(name):
    method = get("explainer", name)()
    with pytest.raises(MethodError, match="has no ReLU"):
        method.explain(nn.Sequential(Linear(), nn.GELU()), images(), torch.tensor([0, 1, 2]), seeds=range(3))
    compiled = torch.jit.trace(nn.Sequential(Linear(), nn.ReLU()), images())
    with pytest.raises(MethodError, match="its part 'network' is compiled"):
        method.explain(
            ImageClassifier(compiled, mean=(0, 0, 0), std=(1, 1, 1)), images(), torch.tensor([0, 1, 2]), seeds=range(3)
        )


def test_clipping_that_is_no_rectifier_keeps_its_gradient():
    class Clipped(nn.Module):
        """Pixels into a range, and one ReLU for the method to find."""

        def forward(self, x):
            kept = x.clamp(0, 1).clamp(0.1, 6).clamp(max=0.9) + functional.hardtanh(x) + functional.threshold(x, 0, 1)
            return -kept.mean((2, 3)) + (x - 5).relu().mean((2, 3))

    pictures, labels = 0.2 + images() / 2, torch.tensor([0, 1, 2])
    guided = GuidedBackprop().explain(Clipped(), pictures, labels, seeds=range(3))
    plain = Gradients().explain(Clipped(), pictures, labels, seeds=range(3))
    assert all(np.array_equal(one.channels, other.channels) for one, other in zip(guided, plain, strict=True))


def test_a_rectifier_that_writes_into_a_view_changes_what_it_is_a_view_of():
    class InParts(nn.Module):
        def forward(self, x):
            x = (x - 0.5) * 2
            x[:, :2].relu_()
            return x.mean((2, 3))

    pictures, labels = images(), torch.tensor([0, 1, 2])
    found = GuidedBackprop().explain(InParts(), pictures, labels, seeds=range(3))
    for picture, map_, label in zip(pictures, found, labels.tolist(), strict=True):
        passes = (picture[label] > 0.5) | (label == 2)
        assert map_.channels[label] == pytest.approx(2 / 144 * passes.float().numpy())
        assert not np.delete(map_.channels, label, axis=0).any()


def test_a_network_that_changes_its_input_in_place_is_differentiated():
    class InPlace(nn.Module):
        def forward(self, x):
            return x.sub_(0.5).div_(0.25).relu_().mean((2, 3))

    pictures, before = images(), images()
    for name in HEAT_MAPS:
        if name not in ("occlusion", "rise"):
            get("explainer", name)().explain(InPlace(), pictures, torch.tensor([0, 1, 2]), seeds=range(3))
    assert torch.equal(pictures, before)


@pytest.mark.parametrize("name", HEAT_MAPS)
def test_inside_inference_mode_maps_are_the_same(name):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(54, 3))
    method, labels = get("explainer", name)(), torch.tensor([0, 1, 2])
    outside = method.explain(network, images(3, 32), labels, seeds=range(3))
    with torch.inference_mode():
        inside = method.explain(network, images(3, 32), labels, seeds=range(3))
    assert all(np.array_equal(one.values, other.values) for one, other in zip(outside, inside, strict=True))

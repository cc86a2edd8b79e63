"""Heat maps are captum's where captum is right: the same gradients, the same windows, the same layers."""

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn
from torch.nn import functional

from explainers.base import get
from explainers.deconvolution import Deconvolution
from explainers.guided_backprop import GuidedBackprop
from explainers.integrated_gradients import IntegratedGradients
from explainers.occlusion import Occlusion

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients", "ignore:Setting ")

IMAGES = torch.rand(3, 3, 40, 36, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([4, 0, 2])


def network():
    """Two kinds of pooling, norms with statistics, a shortcut, every ReLU a module of its own."""
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(12 * 3 * 3, 16),
        nn.ReLU(),
        nn.Linear(16, 5),
    ).eval()
    made[1].running_mean.normal_(0, 0.3)
    made[1].running_var.uniform_(0.5, 2)
    return made


def stacked(maps, what="channels"):
    return torch.from_numpy(np.stack([getattr(map_, what) for map_ in maps]))


def explained(name, classifier, **parameters):
    return get("explainer", name)(**parameters).explain(classifier, IMAGES, LABELS, seeds=[1, 2, 3])


def assert_same(ours, theirs):
    theirs = theirs.detach()
    assert theirs.abs().max() > 0
    assert (ours - theirs).abs().max() <= 2e-6 * theirs.abs().max()


@pytest.mark.parametrize(
    ("name", "parameters", "peer"),
    [
        ("gradients", {}, lambda net: attr.Saliency(net).attribute(IMAGES, LABELS, abs=False)),
        ("gradient_times_input", {}, lambda net: attr.InputXGradient(net).attribute(IMAGES, LABELS)),
        ("guided_backprop", {}, lambda net: attr.GuidedBackprop(net).attribute(IMAGES, LABELS)),
        ("deconvolution", {}, lambda net: attr.Deconvolution(net).attribute(IMAGES, LABELS)),
        (
            "gradcam",
            {"layer": "4", "fine": "guided"},
            lambda net: attr.GuidedGradCam(net, net[4]).attribute(IMAGES, LABELS, interpolate_mode="bilinear"),
        ),
    ],
)
def test_channels_are_captums(name, parameters, peer):
    assert_same(stacked(explained(name, network(), **parameters)), peer(network()))


@pytest.mark.parametrize("n_steps", [1, 7, 50, 120])
@pytest.mark.parametrize(
    ("baseline", "colour"),
    [("black", 0.0), ("grey", 128 / 255), ("mean", IMAGES.mean((2, 3), keepdim=True).expand_as(IMAGES))],
)
def test_integrated_gradients_are_captums_whatever_the_steps_and_the_baseline(n_steps, baseline, colour):
    net = network()
    ours = IntegratedGradients(n_steps=n_steps, baseline=baseline).explain(net, IMAGES, LABELS, seeds=[1, 2, 3])
    theirs, gaps = attr.IntegratedGradients(net).attribute(
        IMAGES, colour, target=LABELS, n_steps=n_steps, return_convergence_delta=True
    )
    assert_same(stacked(ours), theirs)
    facts = [map_.facts["completeness_gap"] for map_ in ours]
    assert facts == pytest.approx(gaps.abs().tolist(), abs=2e-6)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("layer", ["0", "2", "4", "6"])
def test_grad_cam_is_captums_at_every_layer(layer, relu):
    net = network()
    coarse = attr.LayerGradCam(net, net.get_submodule(layer)).attribute(IMAGES, LABELS, relu_attributions=relu)
    theirs = functional.interpolate(coarse, IMAGES.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    assert_same(stacked(explained("gradcam", net, layer=layer, relu=relu), "values"), theirs)


@pytest.mark.parametrize(("window", "stride"), [(8, 8), (9, 5), (10, 3), (36, 1), (1, 1)])
def test_occlusion_is_captums_whatever_the_window(window, stride):
    net = network()
    images = IMAGES[:, :, :12, :12] if window == 1 else IMAGES
    if window == 1:
        net = nn.Sequential(nn.Upsample((40, 36)), net).eval()
    peer = attr.Occlusion(lambda pictures: net(pictures).softmax(1)).attribute(
        images, (3, window, window), (3, stride, stride), target=LABELS, baselines=128 / 255, perturbations_per_eval=64
    )
    ours = Occlusion(window=window, stride=stride).explain(net, images, LABELS, seeds=[1, 2, 3])
    assert (stacked(ours, "values") - peer[:, 0]).abs().max() <= 1e-6


class Written(nn.Module):
    """One network, its rectifiers written in one of many ways."""

    def __init__(self, rectify):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Linear(8, 5)
        self.rectify = rectify

    def forward(self, x):
        x = self.rectify(self.first(x))
        x = self.rectify(self.second(x) + x)
        return self.last(x.mean((2, 3)))


class EachItsOwn(Written):
    """For captum, which wants a module for each place."""

    def __init__(self, make):
        super().__init__(None)
        self.one, self.two = make(), make()

    def forward(self, x):
        x = self.one(self.first(x))
        x = self.two(self.second(x) + x)
        return self.last(x.mean((2, 3)))


RELU = [
    nn.ReLU(),
    nn.ReLU(inplace=True),
    functional.relu,
    lambda x: functional.relu(x, inplace=True),
    functional.relu_,
    torch.relu,
    torch.relu_,
    lambda x: x.relu(),
    lambda x: x.relu_(),
    lambda x: torch.relu(input=x),
    lambda x: x.clamp(min=0),
    lambda x: x.clamp_(0),
    lambda x: torch.clip(x, 0, None),
    lambda x: torch.clamp_min(x, 0.0),
    nn.Threshold(0, 0),
    lambda x: torch.maximum(x, torch.zeros_like(x)),
    lambda x: torch.max(x, torch.tensor(0.0)),
    torch.ops.aten.relu.default,
]


@pytest.mark.parametrize("written", range(len(RELU)))
@pytest.mark.parametrize(
    ("method", "peer"), [(GuidedBackprop, attr.GuidedBackprop), (Deconvolution, attr.Deconvolution)]
)
def test_guided_maps_are_the_same_however_relu_is_written(written, method, peer):
    theirs = peer(EachItsOwn(nn.ReLU)).attribute(IMAGES, LABELS)
    assert_same(stacked(method().explain(Written(RELU[written]), IMAGES, LABELS, seeds=[1, 2, 3])), theirs)


def test_hooks_on_modules_alone_would_give_the_plain_gradient():
    """What the function mode is for, and that the test above can tell."""
    net = Written(functional.relu)
    hooked = attr.GuidedBackprop(net).attribute(IMAGES, LABELS)
    assert_same(hooked, attr.Saliency(net).attribute(IMAGES, LABELS, abs=False))
    ours = stacked(GuidedBackprop().explain(net, IMAGES, LABELS, seeds=[1, 2, 3]))
    assert (ours - hooked).abs().max() > 0.1 * hooked.abs().max()


RELU6 = [
    nn.ReLU6(),
    nn.ReLU6(inplace=True),
    nn.Hardtanh(0, 6),
    functional.relu6,
    lambda x: functional.relu6(x, inplace=True),
    lambda x: functional.hardtanh(x, 0.0, 6.0),
    lambda x: functional.hardtanh_(x, 0.0, 6.0),
    lambda x: x.clamp(0, 6),
    lambda x: x.clamp_(0, 6),
]


class GuidedReLU6(torch.autograd.Function):
    """By the definition: only what is positive, only where the unit is neither off nor saturated."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(0, 6)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient.clamp(min=0) * ((x > 0) & (x < 6))


@pytest.mark.parametrize("written", range(len(RELU6)))
def test_guided_maps_are_the_same_however_relu6_is_written(written):
    def loud(rectify):
        net = Written(rectify)
        with torch.no_grad():
            net.first.weight.mul_(15)  # so that some units are above 6
        return net

    pixels = IMAGES.clone().requires_grad_()
    by_definition = loud(GuidedReLU6.apply)
    assert (by_definition.first(pixels) > 6).any()
    logits = by_definition(pixels)
    (expected,) = torch.autograd.grad(logits.gather(1, LABELS[:, None]).sum(), pixels)
    assert_same(stacked(GuidedBackprop().explain(loud(RELU6[written]), IMAGES, LABELS, seeds=[1, 2, 3])), expected)

"""Which layer Grad-CAM takes, and what it says to layers that it cannot take."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision import models

from explainers.base import MethodError
from explainers.classifiers import ImageClassifier
from explainers.gradcam import GradCAM
from explainers.guided_backprop import GuidedBackprop

IMAGES = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([1, 3])


def explained(network, **parameters):
    return GradCAM(**parameters).explain(network, IMAGES, LABELS, seeds=[0, 1])


def values(network, **parameters):
    return np.stack([map_.values for map_ in explained(network, **parameters)])


def by_definition(tail, activations, size=(64, 48)):
    """Σ_k mean(gradient)_k · A_k of the layer before `tail`, rectified and enlarged."""
    activations = activations.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(tail(activations).gather(1, LABELS[:, None]).sum(), activations)
    coarse = (gradient.mean((2, 3), keepdim=True) * activations.detach()).sum(1, keepdim=True).relu()
    return functional.interpolate(coarse, size, mode="bilinear", align_corners=False)[:, 0].numpy()


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return models.resnet18(num_classes=5).eval()


def test_by_default_it_is_the_last_layer_with_pixels(resnet):
    assert np.array_equal(values(resnet), values(resnet, layer="layer4"))
    assert values(resnet).any()


def test_a_network_inside_a_classifier_keeps_the_names_of_its_layers(resnet):
    classifier = ImageClassifier(resnet, mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2))
    assert np.array_equal(values(classifier, layer="layer3"), values(classifier, layer="network.layer3"))


def test_a_layer_whose_output_is_changed_in_place_later_is_taken_as_it_was(resnet):
    """torchvision adds the shortcut into the norm's own output and rectifies it there."""
    block = resnet.layer4[1]

    def tail(of_the_norm):
        return resnet.fc(resnet.avgpool((of_the_norm + before_the_block).relu()).flatten(1))

    with torch.no_grad():
        x = resnet.maxpool(resnet.bn1(resnet.conv1(IMAGES)).relu())
        before_the_block = resnet.layer4[0](resnet.layer3(resnet.layer2(resnet.layer1(x))))
        of_the_norm = block.bn2(block.conv2(block.bn1(block.conv1(before_the_block)).relu()))
    expected = by_definition(tail, of_the_norm)
    assert values(resnet, layer="layer4.1.bn2") == pytest.approx(expected, abs=float(1e-5 * expected.max()))


class Written(nn.Module):
    def __init__(self, rectify, pool):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.last = nn.Conv2d(3, 8, 5, 3), nn.Conv2d(8, 8, 3, 2), nn.Linear(8, 5)
        self.rectify, self.pool = rectify, pool

    def forward(self, x):
        x = self.rectify(self.second(self.rectify(self.first(x))))
        return self.last(self.pool(x).flatten(1))


def test_however_a_network_is_written_the_last_layer_is_the_same():
    found = [
        values(Written(rectify, pool))
        for rectify in (nn.ReLU(), nn.ReLU(inplace=True), functional.relu, lambda x: x.relu_())
        for pool in (nn.AdaptiveAvgPool2d(1), lambda x: x.mean((2, 3)), lambda x: functional.avg_pool2d(x, x.shape[2:]))
    ]
    assert found[0].any()
    assert all(other == pytest.approx(found[0], abs=float(1e-6 * np.abs(found[0]).max())) for other in found)


def test_counterfactual_maps_have_negated_gradients(resnet):
    signed = values(resnet, layer="layer3", relu=False)
    assert (signed < 0).any()
    assert np.array_equal(values(resnet, layer="layer3", relu=False, counterfactual=True), -signed)
    rectified = values(resnet, layer="layer3", counterfactual=True)
    assert rectified.min() == 0
    assert rectified.any()
    assert not np.array_equal(rectified, values(resnet, layer="layer3"))


def test_fine_maps_are_products(resnet):
    coarse = values(resnet, layer="layer2")
    fine = explained(resnet, layer="layer2", fine="guided")
    guided = GuidedBackprop().explain(resnet, IMAGES, LABELS, seeds=[0, 1])
    for one, map_, product in zip(guided, coarse, fine, strict=True):
        assert product.channels == pytest.approx(one.channels * map_, abs=float(1e-6 * product.values.max()))
        assert np.array_equal(product.values, np.abs(product.channels).max(0))
    assert all(map_.channels is None for map_ in explained(resnet, layer="layer2"))


def test_a_map_without_anything_for_the_label_says_so():
    class Against(nn.Module):
        def forward(self, x):
            return -functional.avg_pool2d(x, 8).mean((2, 3)) @ torch.ones(3, 5)

    assert {map_.reason for map_ in explained(Against())} == {"nothing in the layer speaks for the label"}
    assert [map_.reason for map_ in explained(Against(), counterfactual=True)] == [None, None]


def vision_transformer():
    torch.manual_seed(0)
    network = models.VisionTransformer(32, 8, 2, 2, 24, 48, num_classes=5)
    nn.init.normal_(network.heads.head.weight)
    return nn.Sequential(nn.Upsample((32, 32)), network).eval()


class OwnAttention(nn.Module):
    """Its attention is four-dimensional, too: heads by tokens by tokens."""

    def __init__(self):
        super().__init__()
        self.patches, self.norm = nn.Conv2d(3, 8, 16, 16), nn.LayerNorm(8)
        self.mix, self.mlp, self.head = nn.Linear(8, 24), nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x):
        x = self.norm(self.patches(x).flatten(2).mT)
        q, k, v = self.mix(x).view(len(x), -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
        attention = (q @ k.mT).softmax(-1)
        return self.head(self.mlp((attention @ v).transpose(1, 2).flatten(2)).mean(1))


@pytest.mark.parametrize("make", [vision_transformer, OwnAttention])
def test_of_a_network_of_tokens_a_layer_has_to_be_named(make):
    network = make()
    with pytest.raises(MethodError, match="tokens, not pixels: name a layer"):
        explained(network)
    layer = "1.conv_proj" if make is vision_transformer else "patches"
    assert values(network, layer=layer, relu=False).any()


def test_windows_of_tokens_that_stay_in_place_have_pixels():
    torch.manual_seed(0)
    network = models.SwinTransformer([4, 4], 12, [2, 2], [2, 2], [4, 4], num_classes=5).eval()
    assert np.array_equal(values(network, relu=False), values(network, layer="permute", relu=False))


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("layer5", "no layer 'layer5'; among its layers are"),
        ("", "no layer ''"),
        ("fc", r"the layer 'fc' gives \[2, 5\], not \[n, channels, h, w\] with more than one pixel"),
        ("avgpool", r"'avgpool' gives \[2, 512, 1, 1\], not"),
    ],
)
def test_a_layer_that_is_not_there_or_not_spatial_is_refused_in_one_line(resnet, layer, said):
    hooks = [len(module._forward_hooks) for module in resnet.modules()]
    with pytest.raises(MethodError, match=said) as caught:
        explained(resnet, layer=layer)
    assert "\n" not in str(caught.value)
    assert [len(module._forward_hooks) for module in resnet.modules()] == hooks


def test_layers_that_are_not_executed_or_do_not_matter_are_refused():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.idle, self.blind, self.used = (nn.Conv2d(3, 5, 7) for _ in range(3))

        def forward(self, x):
            unread = self.blind(x)
            return self.used(x).mean((2, 3)) + 0 * unread.detach().mean((2, 3))

    with pytest.raises(MethodError, match="'idle' is not executed"):
        explained(Idle(), layer="idle")
    with pytest.raises(MethodError, match="no gradient with respect to the layer"):
        explained(Idle(), layer="blind")
    assert values(Idle(), layer="used", relu=False).any()


def test_a_network_without_pixels_anywhere_is_refused():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 48, 5))
    with pytest.raises(MethodError, match="no layer of the classifier gives"):
        explained(ImageClassifier(network, mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2)))

"""An attack on the explanation: the same decision as displayed, another map."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from explainers.attribution_attack import AttributionAttack
from explainers.base import MethodError, get
from explainers.classifiers import ImageClassifier
from explainers.images import to_tensor
from explainers.rectifiers import SmoothRectifiers
from tests.reproducibility import Untouched, same

SIDE = 16


class Network(nn.Module):
    """Two convolutions whose rectifiers are written in one of several ways."""

    def __init__(self, rectify):
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second = nn.Conv2d(3, 12, 3), nn.Conv2d(12, 12, 3)
        self.last = nn.Linear(12 * 12 * 12, 4)
        self.rectify = rectify

    def forward(self, x):
        return self.last(self.rectify(self.second(self.rectify(self.first(x)))).flatten(1)) * 10


WAYS = {
    "module": nn.ReLU(),
    "in place": nn.ReLU(inplace=True),
    "functional": functional.relu,
    "method": lambda x: x.relu_(),
    "clamp": lambda x: x.clamp(min=0),
}


def classifier(rectify=functional.relu):
    return ImageClassifier(Network(rectify), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def pictures(n=3):
    rng = np.random.default_rng(8)
    return to_tensor(list(rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)))


def likeness(network, images, attacked, labels):
    """The cosine between the maps of an image before and after."""
    maps = [
        get("explainer", "gradients")().explain(network, x, labels, seeds=range(len(x))) for x in (images, attacked)
    ]
    lengths = [[np.abs(map_.channels).sum(0).ravel() for map_ in some] for some in maps]
    return [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in zip(*lengths, strict=True)]


def test_the_decision_is_the_same_as_displayed_and_the_map_is_another():
    network, images = classifier(), pictures()
    labels = network(images).argmax(1)
    result = AttributionAttack(epsilon=0.1, max_steps=30).attack(network, images, labels)
    displayed = to_tensor(list(result.pictures))
    assert torch.equal(network(displayed).argmax(1), labels)
    assert torch.equal(result.images, displayed)
    assert result.flip_step.tolist() == [-1, -1, -1]
    assert not result.fooled_displayed.any()
    # As large a change by chance does less to the map.
    noise = (torch.rand(images.shape, generator=torch.Generator().manual_seed(0)) - 0.5).sign() * 0.1
    by_chance = likeness(network, images, (images + noise).clamp(0, 1), labels)
    found = likeness(network, images, displayed, labels)
    assert all(attacked < chance - 0.03 for attacked, chance in zip(found, by_chance, strict=True))


@pytest.mark.parametrize("epsilon", [1 / 255, 0.004, 0.0196, 0.1])
def test_no_value_changes_by_more_than_epsilon(epsilon):
    network, images = classifier(), pictures()
    result = AttributionAttack(epsilon=epsilon, max_steps=5).attack(network, images, network(images).argmax(1))
    changed = (result.images - images).abs().max()
    assert 0 < changed <= epsilon + 1e-6


def test_the_map_of_another_label_is_attacked_where_it_is_asked_for():
    network, images = classifier(), pictures()
    decisions = network(images).argmax(1)
    labels = (decisions + 1) % 4
    result = AttributionAttack(epsilon=0.1, max_steps=20).attack(network, images, labels)
    assert torch.equal(result.displayed_predictions, decisions)
    assert result.flip_step.tolist() == [0, 0, 0]
    assert result.fooled_displayed.all()
    assert max(likeness(network, images, result.images, labels)) < 0.95


def test_more_steps_never_make_a_worse_picture_than_none_and_one_step_may_change_nothing():
    network, images = classifier(), pictures()
    labels = network(images).argmax(1)
    result = AttributionAttack(max_steps=1).attack(network, images, labels)
    assert max(likeness(network, images, result.images, labels)) <= 1 + 1e-6


def test_where_any_change_flips_the_decision_the_picture_is_the_image():
    class Nervous(nn.Module):
        """Says 0 of one image and 1 of all others."""

        def forward(self, x):
            other = ((x - pictures(1)).abs().amax((1, 2, 3)) > 1e-4).float()
            return torch.stack([1 - 2 * other, 0 * other], 1) + 0.01 * (x**2).mean((1, 2, 3))[:, None]

    result = AttributionAttack(max_steps=4).attack(Nervous(), pictures(1), torch.tensor([0]))
    assert torch.equal(result.images, pictures(1))
    assert result.predictions.tolist() == [0]


def test_a_linear_network_has_one_map_only():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3))
    images = pictures()
    result = AttributionAttack(max_steps=3).attack(linear, images, torch.tensor([0, 1, 2]))
    assert likeness(linear, images, result.images, torch.tensor([0, 1, 2])) == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_a_relu_is_attacked_alike(way):
    images = pictures(2)
    usual, network = classifier(), classifier(WAYS[way])
    labels = usual(images).argmax(1)
    expected = AttributionAttack(max_steps=4).attack(usual, images, labels)
    assert same(AttributionAttack(max_steps=4).attack(network, images, labels), expected)


def test_softplus_stands_for_relu_within_the_attack_only():
    network, images = classifier(nn.ReLU()), pictures()
    before = Untouched(network, images)
    labels = network(images).argmax(1)
    logits = network(images)
    AttributionAttack(max_steps=2).attack(network, images, labels)
    assert before.holds()
    assert torch.equal(network(images), logits)
    assert isinstance(network.network.rectify, nn.ReLU)


@pytest.mark.parametrize("beta", [1.0, 10.0])
def test_smooth_rectifiers_are_softplus(beta):
    values = torch.linspace(-3, 9, 50, dtype=torch.float64)
    expected = functional.softplus(values, beta)
    with SmoothRectifiers(beta):
        assert torch.equal(functional.relu(values), expected)
        assert torch.equal(values.clone().relu_(), expected)
        assert torch.equal(nn.ReLU(inplace=True)(values.clone()), expected)
        assert torch.equal(functional.relu6(values), expected - functional.softplus(values - 6, beta))
        assert values.clamp(0, 1).tolist() == values.numpy().clip(0, 1).tolist()  # no rectifier
    assert torch.equal(functional.relu(values), values.clamp(min=0))


def test_a_smooth_rectifier_written_over_its_input_has_gradients_of_gradients():
    values = torch.linspace(-1, 1, 9, dtype=torch.float64, requires_grad=True)
    for rectify in (lambda x: functional.relu(x), lambda x: (x * 1).relu_()):
        with SmoothRectifiers(5):
            (first,) = torch.autograd.grad(rectify(values).sum(), values, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), values)
        sigmoid = torch.sigmoid(5 * values.detach())
        assert torch.allclose(first, sigmoid)
        assert torch.allclose(second, 5 * sigmoid * (1 - sigmoid))


def test_a_network_with_attention_can_be_attacked():
    class Attentive(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(2)
            self.patches = nn.Conv2d(3, 8, 4, 4)
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.last = nn.Linear(8, 3)

        def forward(self, x):
            return self.last(self.layer(self.patches(x).flatten(2).mT).mean(1))

    network, images = Attentive().eval(), pictures()
    labels = network(images).argmax(1)
    result = AttributionAttack(max_steps=6).attack(network, images, labels)
    assert torch.equal(network(result.images).argmax(1), labels)
    assert max(likeness(network, images, result.images, labels)) < 1


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"epsilon": 0.003}, "epsilon must be from 1/255"),
        ({"epsilon": 1.1}, "epsilon must be from 1/255"),
        ({"epsilon": float("nan")}, "epsilon must be a finite number"),
        ({"max_steps": 0}, "max_steps must be at least 1, not 0"),
        ({"beta": 0}, "beta must be above 0"),
        ({"beta": -1}, "beta must be above 0"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_in_one_line(parameters, told):
    with pytest.raises(MethodError, match=told) as caught:
        AttributionAttack(**parameters)
    assert "\n" not in str(caught.value)


class Blind(nn.Module):
    def forward(self, x):
        return x.detach().mean((2, 3))


class Exploding(nn.Module):
    def forward(self, x):
        return (x - x.detach()).abs().sqrt().sum((2, 3))


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (Blind(), "no gradient with respect to the images"),
        (Exploding(), "gradients that are not finite"),
        (torch.jit.script(nn.Sequential(nn.Flatten(), nn.ReLU())), "cannot be seen, because it is compiled"),
    ],
)
def test_a_network_that_cannot_be_attacked_is_refused_in_one_line(network, told):
    with pytest.raises(MethodError, match=told) as caught:
        AttributionAttack(max_steps=2).attack(network, pictures(), torch.tensor([0, 1, 2]))
    assert "\n" not in str(caught.value)

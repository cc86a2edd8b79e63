"""The cascade of randomised layers: which layer, in which order, and what stays as it was."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from explainers.base import MethodError
from explainers.cascade import cascade, layer_names
from explainers.classifiers import ImageClassifier
from tests.reproducibility import Untouched


class Own(nn.Module):
    """A module with a parameter and no way to reset it."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.arange(64.0))

    def forward(self, x):
        return x + self.token.mean()


def network():
    torch.manual_seed(4)
    layers = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), Own(), nn.Linear(24, 3)
    )
    for parameter in layers[1].parameters():
        nn.init.normal_(parameter, 1, 0.3)
    layers[1].running_mean.normal_()
    return ImageClassifier(layers, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def changed(one, other):
    """Names of the values of two networks that differ."""
    after = other.state_dict()
    return {name for name, value in one.state_dict().items() if not torch.equal(value, after[name])}


def layers_of(names):
    return {name.rpartition(".")[0] for name in names}


def test_layers_become_random_one_after_another_and_the_last_one_first():
    classifier = network()
    order = ["network.6", "network.5", "network.1", "network.0"]
    assert layer_names(classifier) == order
    found = list(cascade(classifier, 3))
    assert [name for name, _ in found] == order
    for number, (_, randomised) in enumerate(found, 1):
        assert layers_of(changed(classifier, randomised)) == set(order[:number])
    assert {name for name, _ in classifier.named_parameters()} <= changed(classifier, found[-1][1])


def test_what_was_random_before_stays_so_in_the_next_copy():
    copies = [randomised for _, randomised in cascade(network(), 3)]
    for before, after in pairwise(copies):
        assert before is not after
        assert len(layers_of(changed(before, after))) == 1


def test_the_classifier_and_every_generator_stay_as_they_are():
    classifier = network()
    before = Untouched(classifier)
    for _, randomised in cascade(classifier, 3):
        for parameter in randomised.parameters():
            with torch.no_grad():
                parameter.zero_()
        assert before.holds()


def test_the_seed_decides():
    copies = [[copy for _, copy in cascade(network(), seed)] for seed in (3, 3, 4)]
    assert all(not changed(one, two) for one, two in zip(copies[0], copies[1], strict=True))
    assert all("network.6.weight" in changed(one, two) for one, two in zip(copies[0], copies[2], strict=True))


def test_a_random_layer_is_what_it_was_before_training():
    _, last = list(cascade(network(), 0))[-1]
    assert last.network[1].weight.tolist() == [1] * 6
    assert last.network[1].running_mean.tolist() == [0] * 6
    assert last.network[6].weight.abs().max() <= 1 / 24**0.5
    assert last.network[5].token.mean() == pytest.approx(31.5, abs=9)
    assert last.network[5].token.std() == pytest.approx(18.5, abs=6)


def test_each_copy_still_classifies_and_says_something_else():
    classifier, images = network(), torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    usual = classifier(images)
    for _, randomised in cascade(classifier, 8):
        logits = randomised(images)
        assert logits.shape == usual.shape
        assert not torch.allclose(logits, usual)
        assert not randomised.training


def test_a_transformer_has_a_cascade_too():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Linear(8, 3)).eval()
    nn.init.normal_(encoder[0].self_attn.in_proj_weight, 0, 3)
    found = dict(cascade(encoder, 1))
    assert next(iter(found)) == "1"
    assert "0.self_attn" in found
    assert "0.self_attn.in_proj_weight" in changed(encoder, found["0.self_attn"])


@pytest.mark.parametrize("seed", [-1, 1.5, True, "1", None, 2**63])
def test_a_bad_seed_is_refused_at_once_in_one_line(seed):
    with pytest.raises(MethodError, match="seed must be a whole number") as caught:
        cascade(network(), seed)
    assert "\n" not in str(caught.value)


def test_a_classifier_without_parameters_is_refused_at_once():
    with pytest.raises(MethodError, match="Flatten has no parameters"):
        cascade(nn.Flatten(), 0)


def test_a_layer_that_cannot_be_reset_is_named():
    class Stubborn(nn.Linear):
        def reset_parameters(self, scale=None):
            if scale is None and hasattr(self, "ready"):
                raise RuntimeError("no\nscale")

    layer = Stubborn(3, 2)
    layer.ready = True
    with pytest.raises(MethodError, match="layer '1' cannot be randomised: RuntimeError: no scale"):
        next(cascade(nn.Sequential(nn.Flatten(), layer), 0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_gets_the_same_layers():
    here, there = cascade(network(), 3), cascade(network().cuda(), 3)
    for (_, one), (_, two) in zip(here, there, strict=True):
        assert next(two.parameters()).is_cuda
        assert not changed(one, two.cpu())

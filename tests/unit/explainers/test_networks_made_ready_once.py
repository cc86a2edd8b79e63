"""A network is made ready for many passes once, not at every batch, and a single attacked image is not filled up."""

import gc

import pytest
import torch
from torch import nn

from explainers import masked_passes
from explainers.classifiers import ImageClassifier
from explainers.ifgsm import IFGSM
from explainers.lime import Lime

LIME = Lime(n_samples=20, segmentation="slic", slic_n_segments=9)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 22 * 22, 3))


def classifier() -> ImageClassifier:
    return ImageClassifier(network(), mean=(0.5,) * 3, std=(0.2,) * 3)


@pytest.fixture
def made(monkeypatch) -> list:
    """What is made ready, in order."""
    made, real = [], masked_passes.tuned
    monkeypatch.setattr(masked_passes, "tuned", lambda *given: (made.append(given[1]), real(*given))[1])
    return made


def pictures(n: int, side: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator).float() / 255


def explain(model: nn.Module, images: torch.Tensor, method: Lime = LIME) -> list:
    labels = torch.zeros(len(images), dtype=torch.int64)
    explanations = method.explain(model, images, labels, seeds=range(len(images)))
    return [explanation.coefficients.tolist() for explanation in explanations]


def test_several_batches_of_a_classifier_have_one_copy_of_its_network(made):
    model, images = classifier(), pictures(4)
    batches = [explain(model, images[start : start + 2]) for start in (0, 2)]
    assert len(made) == 1
    assert batches == [explain(classifier(), images[start : start + 2]) for start in (0, 2)]


def test_each_classifier_has_its_own_and_it_goes_with_the_classifier(made):
    models = [classifier(), classifier()]
    for model in models:
        explain(model, pictures(1))
    assert len(made) == 2
    before = len(masked_passes._copies)
    del model, models
    gc.collect()
    assert len(masked_passes._copies) == before - 2


def test_weights_that_are_changed_are_noticed(made):
    model, images = classifier(), pictures(1)
    before = explain(model, images)
    with torch.no_grad():
        model.network[4].weight.neg_()
    after = explain(model, images)
    assert after != before
    changed = classifier()
    with torch.no_grad():
        changed.network[4].weight.neg_()
    assert after == explain(changed, images)
    model.load_state_dict(classifier().state_dict())
    assert explain(model, images) == before
    assert len(made) == 4


def test_a_network_asked_in_two_precisions_has_two_copies(made):
    model, images = classifier(), pictures(1)
    fast = Lime(n_samples=20, segmentation="slic", slic_n_segments=9, precision="bfloat16")
    for _ in range(2):
        explain(model, images)
        explain(model, images, fast)
    assert made == [torch.float32, torch.bfloat16]


def test_a_bare_module_is_made_ready_each_time(made):
    model, images = network().eval(), pictures(1)
    explain(model, images)
    explain(model, images)
    assert len(made) == 2


class Counting(nn.Module):
    """Notes how many images each pass has."""

    def __init__(self) -> None:
        super().__init__()
        self.network, self.sizes = network().eval(), []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(images))
        return self.network(images)


@pytest.mark.parametrize(("n", "size"), [(1, 2), (2, 8), (9, 8)])
def test_a_single_image_on_a_cpu_is_not_filled_up_to_eight(n, size):
    model, images = Counting(), pictures(n)
    attacked = IFGSM(step=0.01, max_steps=2, unit="pixel").attack(model, images, torch.zeros(n, dtype=torch.int64))
    assert set(model.sizes) == {size}
    assert len(attacked.pictures) == n

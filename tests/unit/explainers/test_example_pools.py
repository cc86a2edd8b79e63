"""Pools of examples asked of a classifier, and its last layer."""

import numpy as np
import pytest
import torch
from torch import nn

from explainers.classifiers import ClassifierError, ImageClassifier
from explainers.example_pools import example_pool
from explainers.images import to_tensor


def classifier(*layers):
    torch.manual_seed(0)
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), *layers)
    return ImageClassifier(network, mean=(0.5,) * 3, std=(0.2,) * 3)


PICTURES = list(np.random.default_rng(0).integers(0, 256, (37, 16, 16, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    "layers", [[nn.Linear(8, 3)], [nn.Linear(8, 3, bias=False)], [nn.Linear(8, 3), nn.LogSoftmax(1)]]
)
def test_a_pool_is_what_the_classifier_makes_of_pictures(layers):
    asked = classifier(*layers)
    pool = example_pool(asked, "pictures", PICTURES, range(37))
    logits, features = asked.predict(to_tensor(PICTURES))
    assert pool.size == 37
    assert np.allclose(pool.features, features, atol=1e-6)
    assert np.array_equal(pool.predictions, logits.argmax(1))
    assert pool.labels.tolist() == list(range(37))
    weight, bias = pool.head
    found = torch.tensor(pool.features @ weight.T + bias).log_softmax(1)
    assert torch.allclose(found, logits.log_softmax(1), atol=1e-5)


def test_labels_may_be_unknown():
    assert example_pool(classifier(nn.Linear(8, 3)), "pictures", PICTURES[:1]).labels is None


def test_of_two_layers_of_one_shape_the_last_one_is_the_head():
    asked = classifier(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    weight, _ = example_pool(asked, "pictures", PICTURES[:5]).head
    assert np.array_equal(weight, asked.network[6].weight.detach())


def test_a_classifier_without_a_last_linear_layer_is_refused_in_one_line():
    asked = ImageClassifier(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), mean=(0.5,) * 3, std=(0.2,) * 3)
    with pytest.raises(ClassifierError, match="no linear layer") as caught:
        example_pool(asked, "pictures", PICTURES[:2])
    assert "\n" not in str(caught.value)

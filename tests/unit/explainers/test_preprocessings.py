"""The usual ways to prepare a photograph, each of which gives a network what its name says."""

import pytest
import torch
from torch import nn

from explainers.classifiers import ImageClassifier
from explainers.preprocessings import IMAGENET_MEAN, IMAGENET_STD, predictions, usual


class Seen(nn.Module):
    """Remembers what it is given."""

    def forward(self, x):
        self.given = x
        return x.mean((2, 3))


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.randint(0, 256, (2, 3, 4, 4)).float() / 255


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("levels", lambda x: 255 * x),
        ("plain", lambda x: x),
        ("half", lambda x: 2 * x - 1),
        ("flipped", lambda x: ((x - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / 0.5).flip(1)),
        ("caffe", lambda x: (255 * (x - torch.tensor(IMAGENET_MEAN).view(3, 1, 1))).flip(1)),
        (
            "imagenet",
            lambda x: (x - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1),
        ),
    ],
)
def test_a_network_is_given_what_the_way_says(images, key, expected):
    network = Seen()
    classifier = ImageClassifier(network, mean=[0.1, 0.2, 0.3], std=[0.5] * 3)
    ways = {way.key: way for way in usual([0.1, 0.2, 0.3], [0.5] * 3)}
    decisions = predictions(classifier, images, ways[key])
    assert torch.allclose(network.given, expected(images), atol=1e-4)
    assert torch.equal(decisions, expected(images).mean((2, 3)).argmax(1))


def test_the_way_that_a_classifier_has_is_not_among_the_others():
    assert "imagenet" not in {way.key for way in usual(IMAGENET_MEAN, IMAGENET_STD)}
    assert "plain" not in {way.key for way in usual([0.0] * 3, [1.0] * 3)}
    assert len(usual([0.3] * 3, [0.2] * 3)) == 6

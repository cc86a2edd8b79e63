"""Whether a network is what it says: every assumption is tried on pictures, and named where it does not hold."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision import models

from explainers.classifier_checks import are_probabilities, examine, refuse
from explainers.classifiers import ClassifierError, ImageClassifier, check

UNIT = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


class Small(nn.Module):
    """A convolution, a norm and a linear layer, with something done on the way."""

    def __init__(self, inner=None, outer=None, norm=None):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.linear = nn.Conv2d(3, 8, 3), norm or nn.BatchNorm2d(8), nn.Linear(8, 4)
        self.inner, self.outer = inner or (lambda x: x), outer or (lambda x: x)

    def forward(self, x):
        return self.outer(self.linear(self.norm(self.conv(self.inner(x))).relu().mean((2, 3))))


class Counting(Small):
    """A network that counts how often it is asked."""

    def __init__(self):
        super().__init__()
        self.register_buffer("asked", torch.zeros(()))

    def forward(self, x):
        self.asked += 1
        return super().forward(x)


class TrainingNorm(Small):
    """A network that puts its norm into training each time."""

    def forward(self, x):
        self.norm.train()
        return super().forward(x)


class Outside(nn.Module):
    """A network that leaves PyTorch."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, x):
        return self.linear(torch.from_numpy(x.numpy().mean((2, 3))))


def unseeing(network):
    """The network, under torch.no_grad."""

    class Unseeing(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        @torch.no_grad()
        def forward(self, x):
            return self.network(x)

    return Unseeing()


@pytest.fixture
def pictures():
    torch.manual_seed(1)
    return torch.rand(6, 3, 16, 16)


def failing(network, pictures, **options):
    """The checks that do not hold, with their lines."""
    findings = examine(ImageClassifier(network, **UNIT, **options), pictures)
    assert all("\n" not in finding.line for finding in findings)
    return {finding.check: finding.line for finding in findings if not finding.ok}


@pytest.mark.parametrize(
    "network",
    [
        lambda: Small(),
        lambda: Small(outer=nn.LogSoftmax(1)),
        lambda: models.resnet18(num_classes=10),
        lambda: models.vit_b_32(num_classes=10, image_size=32),
    ],
    ids=["small", "log-softmax", "resnet18", "vit"],
)
def test_a_network_that_is_what_it_says_passes_every_check(network, pictures):
    torch.manual_seed(0)
    network = network()
    if isinstance(network, models.VisionTransformer):
        nn.init.normal_(network.heads.head.weight)
    side = 32 if isinstance(network, models.VisionTransformer) else 16
    assert failing(network, functional.interpolate(pictures, (side, side))) == {}


@pytest.mark.parametrize(
    ("network", "broken", "remedy"),
    [
        (lambda: Small(inner=functional.dropout), "again", "F.dropout(x, training=self.training)"),
        (lambda: Small(outer=lambda x: x + 0.1 * torch.randn(4)), "again", "drawn at random"),
        (lambda: Small(norm=nn.BatchNorm2d(8, track_running_stats=False)), "alone", "track_running_stats=True"),
        (lambda: Small(inner=lambda x: x - x.mean(0)), "alone", "no mean, squeeze or index over the batch"),
        (lambda: Small(outer=lambda x: x.squeeze()), "alone", "squeeze"),
        (TrainingNorm, "alone", "track_running_stats=True"),
        (Counting, "state", "count nothing there"),
        (lambda: Small(outer=nn.Softmax(1)), "logits", "--outputs-are probabilities"),
        (lambda: Small(outer=lambda x: 100 * x.softmax(1)), "logits", "with the sum 100"),
    ],
)
def test_what_a_study_cannot_live_with_is_refused_with_its_remedy(network, broken, remedy, pictures):
    findings = examine(ImageClassifier(network(), **UNIT), pictures)
    assert remedy in {finding.check: finding.line for finding in findings if not finding.ok}[broken]
    with pytest.raises(ClassifierError):
        refuse(findings)


class Remembering(Small):
    """A network with an effect that goes by how many pictures it was asked about before."""

    def __init__(self, effect):
        super().__init__()
        self.effect, self.asked = effect, 0

    def forward(self, x):
        self.asked += len(x)
        return self.effect(super().forward(x), self.asked)


def fails_late(logits, asked):
    if asked >= 100:
        raise RuntimeError("no more today")
    return logits


def whites(count=6):
    """Pictures with a white and a black corner each, as photographs have: their largest and smallest values agree."""
    torch.manual_seed(1)
    pictures = torch.rand(count, 3, 16, 16)
    pictures[:, :, 0, 0], pictures[:, :, -1, -1] = 1, 0
    return pictures


def drawn_by_numpy(logits, _):
    return logits + float(np.random.default_rng().normal())


@pytest.mark.parametrize(
    ("network", "check", "said"),
    [
        (lambda: Small(inner=lambda x: x / x.amax()), "alone", "nor x / x.amax()"),
        (lambda: Small(inner=lambda x: x - x.mean()), "alone", "depends on the others in its batch"),
        (lambda: Small(inner=lambda x: functional.batch_norm(x, None, None, training=True)), "alone", "batch norm"),
        (lambda: Remembering(lambda x, n: x + n), "again", "it goes by what it was asked before"),
        (lambda: Remembering(lambda x, n: -x if n % 12 else x), "again", "keep, count and draw nothing in forward"),
        (lambda: Remembering(drawn_by_numpy), "again", "or by chance outside PyTorch"),
        (
            lambda: Remembering(fails_late),
            "lasting",
            "it fails: 12 pictures at once: the network fails on it: RuntimeError",
        ),
        (lambda: Remembering(lambda x, n: x if n < 100 else -x), "lasting", "gives the same ones other logits"),
        (lambda: Small(inner=lambda x: x.mul_(0.5)), "input", "x = x.clone()"),
        (lambda: nn.Sequential(nn.ReLU(inplace=True), Small()), "input", "nn.ReLU() for nn.ReLU(inplace=True)"),
    ],
    ids=["amax", "mean", "norm", "counts", "alternates", "numpy", "fails late", "changes late", "mul_", "relu_"],
)
def test_a_network_that_lies_is_refused_for_what_it_does(network, check, said):
    classifier = ImageClassifier(network(), mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    findings = examine(classifier, whites())
    assert said in {finding.check: finding.line for finding in findings if not finding.ok}[check]
    # What is told to the researcher is this, and not something that follows from it.
    first = next(finding for finding in findings if not finding.ok and finding.consequence == "refused")
    with pytest.raises(ClassifierError, match=re.escape(first.line)):
        refuse(findings)
    assert first.check == check


def test_a_network_that_only_counts_is_in_doubt_with_the_name_of_what_it_counts():
    findings = examine(ImageClassifier(nn.Sequential(Remembering(lambda x, n: x)), **UNIT), whites())
    refuse(findings)
    (finding,) = [finding for finding in findings if not finding.ok and finding.consequence == "doubt"]
    assert finding.check == "memory"
    assert finding.line.startswith("it changes 0.asked each time it is asked")


class Caching(Small):
    """A network that keeps what it computed for a size, and the last picture's features, as many do."""

    def forward(self, x):
        self.size, self.features = tuple(x.shape[2:]), self.conv(x).detach()
        return super().forward(x)


def test_what_is_kept_for_speed_is_no_memory(pictures):
    """The negative control: kept values that the same pictures leave the same are not counted."""
    assert failing(Caching(), pictures).keys() <= {"faster"}


def test_outputs_that_may_be_a_sigmoids_are_in_doubt_and_not_refused(pictures):
    findings = examine(ImageClassifier(Small(outer=nn.Sigmoid()), **UNIT), pictures)
    (doubt,) = [finding for finding in findings if not finding.ok and finding.consequence == "doubt"]
    assert "if a sigmoid ends it" in doubt.line
    refuse(findings)


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (lambda: unseeing(Small()), "torch.no_grad"),
        (lambda: Small(inner=lambda x: x.detach()), "detach"),
        (Outside, "numpy"),
        (lambda: Small(inner=lambda x: (255 * x).round() / 255), "all 0"),
        (lambda: Small(outer=lambda x: x * (2 if torch.is_grad_enabled() else 1)), "other logits"),
    ],
)
def test_without_gradients_a_network_can_still_be_used(network, why, pictures):
    findings = examine(ImageClassifier(network(), **UNIT), pictures)
    (line,) = [finding.line for finding in findings if finding.check == "gradients" and not finding.ok]
    assert why in line
    refuse(findings)


class Pooled(nn.Module):
    """A network whose linear layer stands in the middle: what it gives is not what the network gives."""

    def __init__(self):
        super().__init__()
        self.linear, self.mix = nn.Linear(3, 4), nn.Parameter(torch.randn(4, 4))

    def forward(self, x):
        return self.linear(x.mean((2, 3))).relu() @ self.mix


class Tokens(nn.Module):
    """A head for each token, whose mean is the answer."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, x):
        return self.linear(x.flatten(2).transpose(1, 2)).mean(1)


class TwoHeads(nn.Module):
    """Two heads whose mean is the answer, as distilled transformers have."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(3, 4), nn.Linear(3, 4)

    def forward(self, x):
        x = x.mean((2, 3))
        return (self.one(x) + self.two(x)) / 2


class AuxiliaryHead(nn.Module):
    """A head that is asked after the last one, for training."""

    def __init__(self):
        super().__init__()
        self.last, self.auxiliary = nn.Linear(3, 4), nn.Linear(3, 4)

    def forward(self, x):
        x = x.mean((2, 3))
        logits = self.last(x)
        self.auxiliary(x)
        return logits


def convolutional():
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (lambda: models.squeezenet1_1(num_classes=4), "no linear layer"),
        (convolutional, "no linear layer"),
        (Tokens, "one row for each"),
        (Pooled, "something else comes after"),
        (TwoHeads, "something else comes after"),
    ],
)
def test_without_a_last_linear_layer_a_network_works_but_for_hidden_values(network, why, pictures):
    torch.manual_seed(0)
    classifier = ImageClassifier(network(), **UNIT)
    larger = functional.interpolate(pictures, (64, 64))
    assert check(classifier, (64, 64), 4) == 4
    findings = examine(classifier, larger)
    refuse(findings)
    assert why in {finding.check: finding.line for finding in findings if not finding.ok}["hidden"]
    logits, hidden, reason = classifier.outputs(larger)
    assert torch.equal(logits, classifier(larger))
    assert (hidden, why in reason) == (None, True)
    with pytest.raises(ClassifierError, match=why):
        classifier.predict(larger)


def test_a_head_that_is_asked_later_is_not_taken_for_the_last(pictures):
    classifier = ImageClassifier(AuxiliaryHead(), **UNIT)
    assert torch.equal(classifier.predict(pictures)[1], pictures.mean((2, 3)))


@pytest.mark.parametrize("outer", [nn.Softmax(1), lambda x: (5 * x).softmax(1), nn.LogSoftmax(1)])
def test_hidden_values_are_found_behind_a_softmax(outer, pictures):
    outputs_are = "logits" if isinstance(outer, nn.LogSoftmax) else "probabilities"
    classifier = ImageClassifier(Small(outer=outer), **UNIT, outputs_are=outputs_are)
    _, hidden, _ = classifier.outputs(pictures)
    scaled = not isinstance(outer, nn.Module)
    assert (hidden is None) == scaled  # a temperature is something else that comes after


def test_probabilities_are_taken_by_their_logarithms(pictures):
    plain, soft = (
        ImageClassifier(Small(), **UNIT),
        ImageClassifier(Small(outer=nn.Softmax(1)), **UNIT, outputs_are="probabilities"),
    )
    assert torch.allclose(soft(pictures).softmax(1), plain(pictures).softmax(1), atol=1e-6)
    assert are_probabilities(soft, pictures)
    assert failing(Small(outer=nn.Softmax(1)), pictures, outputs_are="probabilities") == {}
    assert not are_probabilities(ImageClassifier(Small(outer=torch.exp), **UNIT, outputs_are="probabilities"), pictures)
    with pytest.raises(ClassifierError, match="logits or probabilities, not 'scores'"):
        ImageClassifier(Small(), **UNIT, outputs_are="scores")


def test_probabilities_of_nothing_are_finite_logits():
    class Sure(nn.Module):
        def forward(self, x):
            return torch.tensor([[1.0, 0.0]]).expand(len(x), 2)

    logits = ImageClassifier(Sure(), **UNIT, outputs_are="probabilities")(torch.rand(2, 3, 4, 4))
    assert logits.isfinite().all()


def test_a_network_that_fx_misreads_is_asked_as_it_was_written(pictures):
    network = Small(inner=lambda x: x * 3 - 1 if isinstance(x, torch.Tensor) else x)
    assert "as it was written" in failing(network, pictures)["faster"]


def test_a_network_that_fails_on_one_picture_is_refused_with_its_name(pictures):
    def fail(x):
        if (x.amax((1, 2, 3)) > 2).any():
            raise RuntimeError("cannot look\nat this")
        return x

    pictures[3] += 2
    names = [f"{number}.png" for number in range(6)]
    with pytest.raises(ClassifierError, match=r"^3\.png: the network fails on it: RuntimeError: cannot look at this"):
        examine(ImageClassifier(Small(inner=fail), **UNIT), pictures, names)

"""Networks tuned for inference give the original's outputs."""

import pytest
import torch
from torch import fx, nn
from torchvision import models

from explainers import inference
from explainers.inference import tuned


def with_statistics(network):
    """Batch norm with statistics other than those of a new network, so that folding it wrongly shows."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.track_running_stats:
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
    return network.eval()


class SharedConvolution(nn.Module):
    """One convolution, used twice, with another norm each time."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.one, self.two = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.two(self.conv(self.one(self.conv(x)))).mean((2, 3))


class UsedTwice(nn.Module):
    """A convolution whose output is also used without the norm."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        y = self.conv(x)
        return (self.norm(y) + y).mean((2, 3))


class SharedNorm(nn.Module):
    """One norm behind two convolutions."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.norm = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        return (self.norm(self.one(x)) - self.norm(self.two(x)).relu()).mean((2, 3))


class DataDependent(nn.Module):
    """Control flow that cannot be followed without the data."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        return self.norm(self.conv(x)).mean((2, 3)) if x.sum() > 0 else self.conv(-x).mean((2, 3))


class NormOnly(nn.Module):
    """A norm without running statistics, and one on the input."""

    def __init__(self):
        super().__init__()
        self.first, self.conv, self.batch = (
            nn.BatchNorm2d(3),
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4, track_running_stats=False),
        )

    def forward(self, x):
        return self.batch(self.conv(self.first(x))).amax((2, 3))


class RectifiedThenPooled(nn.Module):
    """Rectified before pooling: once as most networks do it, once so that others read what is rectified in place, once
    with the places of the maxima asked for."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 4, 3) for _ in range(4))
        self.relus = nn.ModuleList(nn.ReLU(inplace=inplace) for inplace in (True, True, False, False))
        self.pools = nn.ModuleList(nn.MaxPool2d(3, 2, 1, return_indices=place == 3) for place in range(4))

    def forward(self, x):
        plain = self.pools[0](self.relus[0](self.convs[0](x)))
        y = self.convs[1](x)
        read_later = self.pools[1](self.relus[1](y)) + y.mean()
        z = self.relus[2](self.convs[2](x))
        read_twice = self.pools[2](z) + z.mean()
        _, places = self.pools[3](self.relus[3](self.convs[3](x)))
        return torch.cat([plain, read_later, read_twice, places.float() / 1000], 1).mean((2, 3))


NETWORKS = [
    models.resnet18,
    models.mobilenet_v3_small,
    SharedConvolution,
    UsedTwice,
    SharedNorm,
    DataDependent,
    NormOnly,
    RectifiedThenPooled,
]


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_the_outputs_are_the_originals_and_the_original_is_left_alone(make):
    torch.manual_seed(0)
    network = with_statistics(make())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        expected = network(images)
        actual = tuned(network, torch.float32)(images.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(actual, expected, rtol=1e-4, atol=1e-4 * expected.abs().max())
    after = network.state_dict()
    assert all(torch.equal(after[name], value) and after[name].is_contiguous() for name, value in before.items())


@pytest.mark.parametrize(
    ("make", "left"), [(models.resnet18, 0), (SharedNorm, 0), (SharedConvolution, 2), (UsedTwice, 1)]
)
def test_batch_norm_is_folded_where_it_can_be(make, left):
    network = tuned(make(), torch.float32)
    called = [network.get_submodule(node.target) for node in network.graph.nodes if node.op == "call_module"]
    assert sum(isinstance(module, nn.BatchNorm2d) for module in called) == left


def test_what_is_pooled_is_rectified_afterwards_where_nobody_else_reads_it():
    def order(network):
        modules = dict(network.named_modules())
        called = [modules[node.target] for node in network.graph.nodes if node.op == "call_module"]
        return [type(module).__name__ for module in called if isinstance(module, nn.ReLU | nn.MaxPool2d)]

    assert order(tuned(models.resnet18(), torch.float32))[:2] == ["MaxPool2d", "ReLU"]
    assert order(tuned(RectifiedThenPooled(), torch.float32)) == ["MaxPool2d", "ReLU"] + ["ReLU", "MaxPool2d"] * 3


def test_rectifying_after_pooling_changes_no_bit():
    torch.manual_seed(0)
    network = with_statistics(models.resnet18())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        rewritten = inference._rectified_after_pooling(fx.symbolic_trace(network))
        assert torch.equal(rewritten(images), network(images))

"""Networks tuned for inference give the original's outputs."""

import pytest
import torch
from torch import nn
from torchvision import models

from explainers import inference
from explainers.inference import PackedConvolution, tuned


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


class Rectified(nn.Module):
    """A convolution that is rectified, one rectified in place whose values others read, one rectified at one of its two
    places, a grouped one without bias, and one whose padding is named."""

    def __init__(self):
        super().__init__()
        self.plain, self.read, self.shared = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.grouped = nn.Conv2d(3, 6, 3, stride=2, dilation=2, groups=3, bias=False)
        self.named = nn.Conv2d(3, 3, 3, padding="same")
        self.relu, self.in_place = nn.ReLU(), nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu(self.plain(x))
        y = self.read(x)
        x = self.in_place(y) + 2 * y
        x = self.relu(self.shared(x)) - self.shared(x)
        return self.relu(self.grouped(self.named(x))).mean((2, 3))


NETWORKS = [
    models.resnet18,
    models.mobilenet_v3_small,
    SharedConvolution,
    UsedTwice,
    SharedNorm,
    DataDependent,
    NormOnly,
    Rectified,
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
    assert sum(isinstance(module, nn.BatchNorm2d) for module in called(network)) == left


def called(network):
    return [network.get_submodule(node.target) for node in network.graph.nodes if node.op == "call_module"]


def test_on_a_cpu_convolutions_are_packed_and_rectify_what_nobody_else_reads():
    modules = called(tuned(Rectified(), torch.float32))
    kinds = [module.then if isinstance(module, PackedConvolution) else type(module).__name__ for module in modules]
    assert kinds == ["relu", "none", "ReLU", "relu", "none", "Conv2d", "relu"]
    # In bfloat16 where the processor has instructions for it; elsewhere they stay as they are.
    packed = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    left = [module for module in called(tuned(models.resnet18(), torch.bfloat16)) if isinstance(module, nn.Conv2d)]
    assert len(left) == (0 if packed else 20)
    assert not any(isinstance(module, PackedConvolution) for module in called(tuned(Rectified(), torch.float64)))


def test_where_torch_lacks_the_operations_convolutions_run_as_written(monkeypatch):
    monkeypatch.setattr(inference, "hasattr", lambda *_: False, raising=False)
    assert not any(isinstance(module, PackedConvolution) for module in called(tuned(Rectified(), torch.float32)))


def test_a_packed_convolution_takes_images_of_another_size():
    torch.manual_seed(0)
    network = Rectified()
    fast = tuned(network, torch.float32)
    for shape in ((4, 3, 32, 32), (4, 3, 48, 20), (1, 3, 32, 32)):
        images = torch.randn(shape)
        with torch.inference_mode():
            torch.testing.assert_close(fast(images.to(memory_format=torch.channels_last)), network(images))

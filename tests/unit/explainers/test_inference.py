"""Networks tuned for inference give the original's outputs."""

import pytest
import torch
from torch import nn
from torchvision import models

from explainers import inference
from explainers.inference import PackedConvolution, apart, as_written, probes, tuned


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


def fast(network, dtype=torch.float32):
    """The copy for inference of a network that is not in training."""
    weight = next(network.parameters())
    return tuned(network.eval(), dtype, probes(64, 64).to(weight.dtype)).network


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
        actual = fast(network)(images.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(actual, expected, rtol=1e-4, atol=1e-4 * expected.abs().max())
    after = network.state_dict()
    assert all(torch.equal(after[name], value) and after[name].is_contiguous() for name, value in before.items())


@pytest.mark.parametrize(
    ("make", "left"), [(models.resnet18, 0), (SharedNorm, 0), (SharedConvolution, 2), (UsedTwice, 1)]
)
def test_batch_norm_is_folded_where_it_can_be(make, left):
    network = fast(make())
    assert sum(isinstance(module, nn.BatchNorm2d) for module in called(network)) == left


def called(network):
    return [network.get_submodule(node.target) for node in network.graph.nodes if node.op == "call_module"]


def test_on_a_cpu_convolutions_are_packed_and_rectify_what_nobody_else_reads():
    modules = called(fast(Rectified()))
    kinds = [module.then if isinstance(module, PackedConvolution) else type(module).__name__ for module in modules]
    assert kinds == ["relu", "none", "ReLU", "relu", "none", "Conv2d", "relu"]
    # In bfloat16 where the processor has instructions for it; elsewhere they stay as they are.
    packed = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    left = [module for module in called(fast(models.resnet18(), torch.bfloat16)) if isinstance(module, nn.Conv2d)]
    assert len(left) == (0 if packed else 20)
    assert not any(
        isinstance(module, PackedConvolution) for module in called(fast(Rectified().double(), torch.float64))
    )


def test_where_torch_lacks_the_operations_convolutions_run_as_written(monkeypatch):
    monkeypatch.setattr(inference, "hasattr", lambda *_: False, raising=False)
    assert not any(isinstance(module, PackedConvolution) for module in called(fast(Rectified())))


def test_a_packed_convolution_takes_images_of_another_size():
    torch.manual_seed(0)
    network = Rectified()
    packed = fast(network)
    for shape in ((4, 3, 32, 32), (4, 3, 48, 20), (1, 3, 32, 32)):
        images = torch.randn(shape)
        with torch.inference_mode():
            torch.testing.assert_close(packed(images.to(memory_format=torch.channels_last)), network(images))


class Asking(nn.Module):
    """A network that asks whether it was given a tensor, in one of several ways; torch.fx gives it something else."""

    def __init__(self, asks):
        super().__init__()
        self.asks, self.linear = asks, nn.Linear(3, 4)

    def forward(self, x):
        if self.asks(x):
            x = x * 3 - 1
        return self.linear(x.relu().mean((2, 3)))


class Trying(nn.Module):
    """A network that takes another way when something fails, as fx's stand-in does."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, x):
        try:
            x = x * (3 if len(x) else 2)
        except Exception:
            x = -x
        return self.linear(x.relu().mean((2, 3)))


ASKING = [
    lambda: Asking(lambda x: isinstance(x, torch.Tensor)),
    lambda: Asking(torch.is_tensor),
    lambda: Asking(lambda x: type(x) is torch.Tensor),
    lambda: Asking(lambda x: not hasattr(x, "no_such_thing")),
    Trying,
]


@pytest.mark.parametrize("make", ASKING)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_network_that_fx_misreads_without_an_exception_runs_as_written(make, dtype):
    torch.manual_seed(0)
    network = make()
    images = torch.rand(4, 3, 16, 16)
    with torch.inference_mode():
        expected = network(images)
        misread = torch.fx.symbolic_trace(network)(images)
        found = tuned(network, dtype, probes(16, 16))
        assert apart(expected, misread) > 0.1  # the control: fx did take the wrong branch
        assert apart(expected, found.network(images.to(dtype)).float()) < (1e-6 if dtype == torch.float32 else 0.05)
    assert "another way" in found.reason


class FiveDimensions(nn.Module):
    """A network with a table of five dimensions, as timm's Swin has, beside one of four."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.register_buffer("table", torch.ones(1, 1, 1, 1, 3))
        self.register_buffer("other", torch.ones(1, 3, 1, 1))

    def forward(self, x):
        return self.linear((x * self.other).mean((2, 3)) * self.table[0, 0, 0, 0])


@pytest.mark.parametrize("copied", [lambda network: fast(network), lambda network: as_written(network, torch.float32)])
def test_tables_of_five_dimensions_are_no_obstacle(copied):
    network = FiveDimensions().eval()
    images = torch.rand(2, 3, 8, 8)
    with torch.inference_mode():
        assert torch.allclose(copied(network)(images), network(images))


def test_outputs_are_apart_by_their_largest_difference_over_their_spread():
    first = torch.tensor([[0.0, 2.0], [1.0, 5.0]])
    assert apart(first, first) == 0
    assert apart(first, first + torch.tensor([0.0, 1.0])) == pytest.approx(0.25)
    assert apart(first, first[:1]) == apart(first[0], first[0]) == apart(first, None) == float("inf")
    broken = first.clone()
    broken[0, 0] = float("nan")
    assert apart(first, broken) == float("inf")
    assert apart(torch.ones(2, 3), torch.ones(2, 3) + 1e-6) < 0.1  # nothing but rounding


def test_the_probes_are_the_same_each_time_and_partly_hidden():
    pictures = probes(40, 30)
    assert torch.equal(pictures, probes(40, 30))
    assert pictures.shape == (4, 3, 40, 30)
    assert 0 <= pictures.min() < pictures.max() <= 1
    hidden = (pictures == 128 / 255).all(1).float().mean((1, 2))
    assert hidden[0] == 0
    assert ((hidden[1:] > 0.2) & (hidden[1:] < 0.8)).all()

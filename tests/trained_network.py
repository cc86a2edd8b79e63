"""A small network that has learnt something, and pictures to attack it with."""

import torch
from torch import nn
from torch.nn import functional

from explainers.ifgsm import predict


class Normalised(nn.Module):
    """A small network with its normalisation inside, as every classifier here."""

    def __init__(self, network, std=(0.2, 0.25, 0.3)):
        super().__init__()
        self.network = network
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images):
        return self.network((images - 0.5) / self.std)


def pictures(n, seed):
    """Noise on the 8-bit grid with a brighter quarter; which quarter is the label."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, 3, 12, 12, generator=generator) * 0.6
    labels = torch.randint(0, 4, (n,), generator=generator)
    for image, label in zip(images, labels.tolist(), strict=True):
        row, column = divmod(label, 2)
        image[:, row * 6 : row * 6 + 6, column * 6 : column * 6 + 6] += 0.12
    return (images * 255).round() / 255, labels


def trained():
    """The network, for a module's fixture: `yield from trained()`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # passes this small cost more to share out than to compute
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.LeakyReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.LeakyReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(64, 4),
        )
        model = Normalised(network)
        optimiser = torch.optim.Adam(model.parameters(), 0.01)
        images, labels = pictures(256, seed=1)
        for _ in range(60):
            optimiser.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            optimiser.step()
    yield model.eval()
    torch.set_num_threads(threads)


def attackable(model):
    """Pictures it mostly gets right, one of which it does not."""
    images, labels = pictures(24, seed=2)
    share_right = (predict(model, images) == labels).float().mean()
    assert share_right > 0.6, "the network learnt nothing, and the tests below would mean little"
    labels[5] = (labels[5] + 1) % 4  # one that is wrong from the start
    return images, labels

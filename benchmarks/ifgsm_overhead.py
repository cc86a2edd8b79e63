"""IFGSM, ten steps, as a ratio to the bare forward and backward passes; and with flipped images leaving the batch.

    python -m benchmarks.ifgsm_overhead [--images 128] [--part 24] [--rounds 3] [--threads 2]

Prints one JSON line; medians in seconds an image, the sides alternating. bare_s: ten forward and backward passes and
the one forward pass that decides the last step, on the first `--part` images in batches of the attack's size. ratio: of
the whole attack on them to these passes; ratio_to_ten: to the ten alone. stopping_ratio: of the attack with
stop_at_flip on all images to the one without, where survival falls as in the paper: 77.31 % correct before the attack,
7.96 % after ten steps, and by one factor at every step between, since the paper prints no more. passes: what share of
the images' forward passes then remains. All images, because in a batch of which some flip and some do not the backward
pass is for all of them, which matters less the more images there are.

ResNet-18 at 224 × 224 with random weights, which cost what trained ones do. That each image flips at its appointed
step is arranged beside the network: two classes, so that the sign of the gradient does not depend on an image's offset
to its logits; the offsets put the image's own logits, known from a first run, on either side of a tie at that step. An
image carries its number in the red of its first pixel, coarsely enough that the attack does not reach the next number.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18

from benchmarks.measure import alternating, arguments, tell
from explainers.ifgsm import attack

STEPS = 10
SIZE = 224
BATCH = 8
STEP = 0.3 / 10 / 128  # ten of them do not reach half-way to the next image's number, for up to 128 images
CORRECT_BEFORE, CORRECT_AFTER = 0.7731, 0.0796
LIMITS = {"ratio": 1.05, "stopping_ratio": 0.4}


class Appointed(nn.Module):
    """A network and an offset for each image's first logit."""

    def __init__(self, network: nn.Module, n: int):
        super().__init__()
        self.network = network
        self.register_buffer("offsets", torch.zeros(n))

    def forward(self, images: Tensor) -> Tensor:
        n = len(self.offsets)
        numbers = (images[:, 0, 0, 0].detach() * n - 0.5).round().long().clamp(0, n - 1)
        logits = self.network(images)
        return torch.stack([logits[:, 0] + self.offsets[numbers], logits[:, 1]], 1)


def flip_steps(n: int) -> list[int]:
    """0 wrong at the start, k at step k, STEPS + 1 never: shares as in the paper, spread over the images."""
    factor = (CORRECT_AFTER / CORRECT_BEFORE) ** (1 / STEPS)
    correct = [round(n * CORRECT_BEFORE * factor**k) for k in range(STEPS + 1)]
    steps = [0] * (n - correct[0])
    for k in range(1, STEPS + 1):
        steps += [k] * (correct[k - 1] - correct[k])
    steps += [STEPS + 1] * correct[STEPS]
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0)).tolist()
    return [steps[i] for i in order]


def appoint(model: Appointed, images: Tensor, labels: Tensor, steps: list[int]) -> None:
    """Set the offsets so that image i is first wrong at steps[i]."""
    paths = []
    for pixels, answers in zip(images.split(BATCH), labels.split(BATCH), strict=True):
        margins = []
        for _ in range(STEPS + 1):
            pixels = pixels.detach().requires_grad_(True)
            logits = model(pixels)
            margins.append((logits[:, 0] - logits[:, 1]).detach())
            (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, answers, reduction="sum"), pixels)
            pixels = (pixels + STEP * gradient.sign()).clamp(0, 1)
        paths.append(torch.stack(margins, 1))
    path = torch.cat(paths)
    path = torch.cat([path[:, :1] + 1, path, path[:, -1:] - 1], 1)  # step −1, which is always right, and one too many
    at = torch.tensor(steps)[:, None]
    model.offsets.copy_(-(path.gather(1, at) + path.gather(1, at + 1)).squeeze(1) / 2)


def passes(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Ten forward and backward passes, and nothing else."""
    for _ in range(STEPS):
        for pixels, answers in zip(images.split(BATCH), labels.split(BATCH), strict=True):
            pixels = pixels.detach().requires_grad_(True)
            torch.autograd.grad(functional.cross_entropy(model(pixels), answers, reduction="sum"), pixels)


def last_pass(model: nn.Module, images: Tensor) -> None:
    with torch.no_grad():
        for pixels in images.split(BATCH):
            model(pixels)


def main() -> None:
    given = arguments(__doc__, images=128, part=24, rounds=3)
    n, part = given.images, given.part
    torch.manual_seed(0)
    model = Appointed(resnet18(weights=None, num_classes=2), n).eval().requires_grad_(False)
    images = torch.rand(n, 3, SIZE, SIZE)
    images[:, 0, 0, 0] = (torch.arange(n) + 0.5) / n
    labels = torch.zeros(n, dtype=torch.int64)
    steps = flip_steps(n)
    appoint(model, images, labels, steps)
    appointed = [step if step <= STEPS else -1 for step in steps]

    def whole(count: int, stop_at_flip: bool) -> None:
        result = attack(model, images[:count], labels[:count], step=STEP, max_steps=STEPS, stop_at_flip=stop_at_flip)
        assert result.flip_step.tolist() == appointed[:count], "survival was not as in the paper"

    seconds = alternating(
        {
            "ten": lambda: passes(model, images[:part], labels[:part]),
            "last": lambda: last_pass(model, images[:part]),
            "whole": lambda: whole(part, False),
            "stopping": lambda: whole(n, True),
        },
        given.rounds,
        warm_up=[],  # `appoint` was one
    )
    ten, last, attack_s, stopping_s = (
        seconds[name] / count for name, count in (("ten", part), ("last", part), ("whole", part), ("stopping", n))
    )
    tell(
        "ifgsm_overhead",
        given,
        bare_s=round(ten + last, 3),
        attack_s=round(attack_s, 3),
        ratio=round(attack_s / (ten + last), 3),
        ratio_to_ten=round(attack_s / ten, 3),
        stopping_s=round(stopping_s, 3),
        stopping_ratio=round(stopping_s / attack_s, 3),
        passes=round(sum(min(step, STEPS) + 1 for step in steps) / (n * (STEPS + 1)), 3),
        limits=LIMITS,
    )


if __name__ == "__main__":
    main()

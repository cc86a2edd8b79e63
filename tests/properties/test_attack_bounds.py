"""Whatever the step, the norm, the unit and the image: an attack stays in [0, 1] and within steps × step."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from explainers.ifgsm import attack, to_pixels
from explainers.images import to_tensor


class Bilinear(nn.Module):
    """Logits with a gradient that differs from pixel to pixel and from image to image."""

    def __init__(self, seed, size):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first, self.second = torch.randn(2, 3 * size**2, 4, generator=generator)
        self.std = 0.05 + torch.rand(3, generator=generator)

    def forward(self, images):
        x = images.flatten(1) - 0.5
        return (x @ self.first) * (x @ self.second)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(1, 5),
    size=st.integers(1, 6),
    max_steps=st.integers(0, 6),
    step=st.floats(1e-5, 2),
    norm=st.sampled_from(["linf", "l2"]),
    unit=st.sampled_from(["pixel", "normalised"]),
    on_grid=st.booleans(),
    stop_at_flip=st.booleans(),
    black_and_white=st.booleans(),
)
def test_attacks_stay_in_range_and_within_steps_times_step(
    seed, n, size, max_steps, step, norm, unit, on_grid, stop_at_flip, black_and_white
):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, 3, size, size, generator=generator)
    images = (images.round() * 255 if black_and_white else (images * 255).round()) / 255
    labels = torch.randint(0, 4, (n,), generator=generator)
    model = Bilinear(seed, size)
    std = model.std.view(1, 3, 1, 1) if unit == "normalised" else torch.ones(1, 1, 1, 1)
    if on_grid:
        step = max(step, 1 / 255 / float(std.min()))

    result = attack(
        model,
        images,
        labels,
        step=step,
        max_steps=max_steps,
        norm=norm,
        unit=unit,
        on_grid=on_grid,
        stop_at_flip=stop_at_flip,
    )

    assert result.images.min() >= 0
    assert result.images.max() <= 1
    moved = (result.images - images) / std
    distance = moved.abs().flatten(1).amax(1) if norm == "linf" else moved.flatten(1).norm(dim=1)
    assert distance.max() <= max_steps * step * (1 + 1e-5) + max_steps * 1e-6 / float(std.min())
    assert ((result.flip_step >= -1) & (result.flip_step <= max_steps)).all()
    logits = model(result.images)
    decided = logits.gather(1, result.predictions[:, None]).squeeze(1)
    assert (decided >= logits.amax(1) - 1e-5 * logits.abs().amax()).all()
    if stop_at_flip:
        assert torch.equal(result.predictions != labels, result.flip_step >= 0)
    if on_grid:
        assert torch.equal(to_tensor(list(to_pixels(result.images))), result.images)

"""What becomes of an attack when it is shown: eight bits a channel, in a file."""

import pytest
import torch

from explainers import ifgsm
from explainers.base import MethodError
from explainers.ifgsm import IFGSM, attack, predict
from explainers.images import encode_png, load, to_tensor
from tests.trained_network import attackable, trained


@pytest.fixture(scope="module")
def model():
    yield from trained()


@pytest.fixture(scope="module")
def batch(model):
    return attackable(model)


@pytest.mark.parametrize(("norm", "step"), [("linf", 1 / 255), ("linf", 1.7 / 255), ("l2", 0.4)])
def test_on_the_grid_every_image_is_its_own_display(model, batch, norm, step):
    images, labels = batch
    result = attack(model, images, labels, step=step, max_steps=10, norm=norm, on_grid=True)
    displayed = to_tensor([load(encode_png(picture)) for picture in ifgsm.to_pixels(result.images)])
    assert torch.equal(displayed, result.images)
    moved = result.images - images
    assert moved.abs().amax() >= 0.99 / 255
    per_step = moved.abs().flatten(1).amax(1) if norm == "linf" else moved.flatten(1).norm(dim=1)
    assert per_step.max() <= 10 * step + 1e-6


def test_all_levels_come_back_bit_for_bit_from_a_file():
    levels = torch.arange(256).float()
    picture = (levels / 255).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(ifgsm._to_grid(picture), to_tensor([load(encode_png(ifgsm.to_pixels(picture)[0]))]))


def test_images_off_the_grid_are_refused_where_the_grid_is_promised(model, batch):
    images, labels = batch
    with pytest.raises(MethodError, match="on_grid needs images on the 8-bit grid"):
        attack(model, images * 0.999, labels, step=0.1, max_steps=1, on_grid=True)


def test_the_verdict_on_the_displayed_picture_is_the_classifiers_about_the_file(model, batch):
    images, labels = batch
    attacked = IFGSM(step=0.008, max_steps=10).attack(model, images, labels)
    files = [encode_png(picture) for picture in attacked.pictures]
    asked_again = predict(model, to_tensor([load(file) for file in files]))
    assert attacked.displayed_predictions.tolist() == asked_again.tolist()
    assert torch.equal(attacked.fooled_displayed, asked_again != labels)
    made = attacked.fooled_exact & (attacked.flip_step > 0)
    assert attacked.survival_rate == (made & attacked.fooled_displayed).sum().item() / made.sum().item()


def test_a_perturbation_under_half_a_level_does_not_survive_its_display(batch):
    images, _ = batch

    def sees_only_what_is_between_levels(x):
        between = (x - (x * 255).round() / 255).sum((1, 2, 3))
        return torch.stack([torch.full_like(between, 1e-3), between], 1)

    zeros = torch.zeros(len(images), dtype=torch.int64)
    attacked = IFGSM(step=0.3 / 255, max_steps=1, unit="pixel").attack(sees_only_what_is_between_levels, images, zeros)
    assert attacked.fooled_exact.all()
    assert not attacked.fooled_displayed.any()
    assert attacked.survival_rate == 0


def test_images_wrong_from_the_start_do_not_count_as_surviving(model, batch):
    images, _ = batch
    wrong = (predict(model, images) + 1) % 4
    attacked = IFGSM(step=0.004).attack(model, images, wrong)
    assert (attacked.flip_step == 0).all()
    assert attacked.survival_rate is None

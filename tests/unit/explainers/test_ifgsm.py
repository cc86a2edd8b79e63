"""IFGSM against its definition, against torchattacks' BIM, and at its edges."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision import transforms

from explainers.base import MethodError
from explainers.ifgsm import IFGSM, attack
from tests.trained_network import attackable, trained


@pytest.fixture(scope="module")
def model():
    yield from trained()


@pytest.fixture(scope="module")
def batch(model):
    return attackable(model)


def naive(model, images, labels, step_in_pixels, max_steps):
    """The definition in sign steps, one image at a time: the iterates x_0 .. x_M of each and the decisions on them."""
    paths, decisions = [], []
    for image, label in zip(images, labels, strict=True):
        path = [image[None].clone()]
        for _ in range(max_steps):
            x = path[-1].clone().requires_grad_(True)
            functional.cross_entropy(model(x), label[None], reduction="sum").backward()
            path.append((x.detach() + step_in_pixels * x.grad.sign()).clamp(0, 1))
        model.zero_grad()
        paths.append(torch.cat(path))
        decisions.append(model(paths[-1]).argmax(1).tolist())
    return paths, decisions


def first_wrong(decisions, label):
    return next((k for k, decision in enumerate(decisions) if decision != label), -1)


@pytest.mark.parametrize("step", [0.002, 2 / 255])
def test_ten_sign_steps_are_torchattacks_bim(model, batch, step):
    torchattacks = pytest.importorskip("torchattacks")
    images, labels = batch
    expected = torchattacks.BIM(model, eps=1.0, alpha=step, steps=10)(images, labels)
    ours = attack(model, images, labels, step=step, max_steps=10).images
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)
    assert (ours - images).abs().max() > 5 * step, "both stood still"


def test_one_step_is_torchattacks_fgsm(model, batch):
    torchattacks = pytest.importorskip("torchattacks")
    images, labels = batch
    expected = torchattacks.FGSM(model, eps=0.03)(images, labels)
    torch.testing.assert_close(
        attack(model, images, labels, step=0.03, max_steps=1).images, expected, rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("unit", ["pixel", "normalised"])
@pytest.mark.parametrize("stop_at_flip", [False, True])
def test_iterates_flip_steps_and_predictions_follow_the_definition(model, batch, unit, stop_at_flip):
    model, images, labels = deepcopy(model).double(), batch[0].double(), batch[1]  # so that no sign is a close call
    step = 0.004 if unit == "pixel" else 0.02
    in_pixels = step if unit == "pixel" else step * model.std
    paths, decisions = naive(model, images, labels, in_pixels, 10)
    steps = [first_wrong(decided, label) for decided, label in zip(decisions, labels.tolist(), strict=True)]
    assert {0, -1} < set(steps), "the cast has one wrong at the start, one that survives, and some between"

    result = attack(model, images, labels, step=step, max_steps=10, unit=unit, stop_at_flip=stop_at_flip)

    assert result.flip_step.tolist() == steps
    ends = [flip if stop_at_flip and flip >= 0 else 10 for flip in steps]
    expected = torch.cat([path[end : end + 1] for path, end in zip(paths, ends, strict=True)])
    torch.testing.assert_close(result.images, expected, rtol=0, atol=1e-6)
    assert result.predictions.tolist() == [decided[end] for decided, end in zip(decisions, ends, strict=True)]


def test_an_l2_step_has_the_length_asked_for_in_the_unit_asked_for(model, batch):
    images, labels = batch
    inside = images * 0.5 + 0.25  # away from the clipping
    pixel = attack(model, inside, labels, step=0.05, max_steps=1, norm="l2").images - inside
    torch.testing.assert_close(pixel.flatten(1).norm(dim=1), torch.full((24,), 0.05), rtol=1e-4, atol=0)
    normalised = attack(model, inside, labels, step=0.05, max_steps=1, norm="l2", unit="normalised").images - inside
    lengths = (normalised / model.std).flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((24,), 0.05), rtol=1e-4, atol=0)


def test_a_normalised_l2_step_is_the_l2_step_of_the_network_on_normalised_images(model, batch):
    images, labels = batch
    z = ((images[:1] * 0.5 + 0.25 - 0.5) / model.std).requires_grad_(True)
    functional.cross_entropy(model.network(z), labels[:1]).backward()
    stepped = (z.detach() + 0.3 * z.grad / z.grad.norm()) * model.std + 0.5
    model.zero_grad()
    ours = attack(
        model, images[:1] * 0.5 + 0.25, labels[:1], step=0.3, max_steps=1, norm="l2", unit="normalised"
    ).images
    torch.testing.assert_close(ours, stepped, rtol=0, atol=1e-6)


def test_a_confident_classifiers_vanishing_gradient_still_has_an_l2_direction():
    class Faint(nn.Module):
        def forward(self, images):
            return torch.stack([1e-30 * images.sum((1, 2, 3)), torch.zeros(len(images))], 1)

    images = torch.full((1, 3, 4, 4), 0.5)
    moved = attack(Faint(), images, torch.tensor([0]), step=0.1, max_steps=1, norm="l2").images - images
    assert moved.norm().item() == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_images_without_a_gradient_stay_where_they_are(norm):
    class Flat(nn.Module):
        def forward(self, images):
            return torch.cat([torch.ones(len(images), 1), 0 * images.mean((1, 2, 3))[:, None]], 1)

    images = torch.rand(2, 3, 4, 4)
    result = attack(Flat(), images, torch.tensor([0, 1]), step=0.1, max_steps=3, norm=norm)
    assert torch.equal(result.images, images)
    assert result.flip_step.tolist() == [-1, 0]


@pytest.mark.parametrize("batch_size", [None, 2, 5, 24, 64])
@pytest.mark.parametrize("stop_at_flip", [False, True])
def test_batches_and_neighbours_do_not_show_in_the_result(model, batch, batch_size, stop_at_flip):
    images, labels = batch
    how = {"step": 0.004, "max_steps": 10, "stop_at_flip": stop_at_flip}
    whole = attack(model, images, labels, **how)
    other = attack(model, images.flip(0)[:17], labels.flip(0)[:17], **how, batch_size=batch_size)
    differing = (other.images.flip(0) - whole.images[7:]).abs() > 1e-6
    assert differing.flatten(1).float().mean(1).max() <= 0.01
    assert other.flip_step.flip(0).tolist() == whole.flip_step[7:].tolist()


@pytest.mark.parametrize("stop_at_flip", [False, True])
def test_a_batch_size_is_the_size_of_every_pass(model, batch, stop_at_flip):
    images, labels = batch
    sizes = []
    hook = model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    result = attack(model, images, labels, step=0.004, max_steps=10, stop_at_flip=stop_at_flip, batch_size=7)
    hook.remove()
    assert set(sizes) == {7}
    # The places of those that have flipped go to others: a step takes as many passes as those that are left fill.
    ends = [flip if stop_at_flip and flip >= 0 else 10 for flip in result.flip_step.tolist()]
    left = [sum(end >= k for end in ends) for k in range(11)]
    assert len(sizes) == sum(math.ceil(each / 7) for each in left)
    assert (math.ceil(left[-1] / 7) < 4) == stop_at_flip


def test_flipped_images_cost_no_more_passes(model, batch):
    images, labels = batch
    seen = []
    hook = model.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    result = attack(model, images, labels, step=0.004, max_steps=10, stop_at_flip=True)
    hook.remove()
    steps = [flip if flip >= 0 else 10 for flip in result.flip_step.tolist()]
    expected = [sum(step >= k for step in steps) for k in range(max(steps) + 1)]
    assert min(expected) > 1
    assert sum(seen) == sum(expected)


def test_an_image_alone_takes_the_steps_that_it_takes_among_others(model, batch):
    images, labels = batch
    sizes = []
    hook = model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    alone = attack(model, images[:1], labels[:1], step=0.004, max_steps=10)
    hook.remove()
    assert set(sizes) == {2}
    among = attack(model, images, labels, step=0.004, max_steps=10)
    assert ((alone.images[0] - among.images[0]).abs() > 1e-6).float().mean() <= 0.01


def test_the_model_the_input_and_the_settings_are_left_as_they_were(model, batch):
    images, labels = batch
    kept = images.clone(), labels.clone()
    model.train()
    model.network[0].bias.requires_grad_(False)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    before = torch.backends.cudnn.conv.fp32_precision
    torch.backends.cudnn.conv.fp32_precision = "tf32"
    during = []
    hook = model.register_forward_pre_hook(lambda *_: during.append(torch.backends.cudnn.conv.fp32_precision))
    try:
        with torch.inference_mode():
            attack(model, images, labels, step=0.004, max_steps=2)
        assert set(during) == {"ieee"}
        assert torch.backends.cudnn.conv.fp32_precision == "tf32"
        assert all(module.training for module in model.modules())
        assert [p.requires_grad for p in model.parameters()].count(False) == 1
        assert all(p.grad is None or not p.grad.any() for p in model.parameters())
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
        assert torch.equal(images, kept[0])
        assert torch.equal(labels, kept[1])
    finally:
        hook.remove()
        torch.backends.cudnn.conv.fp32_precision = before
        model.eval().requires_grad_(True)


def test_float64_in_float64_out(model, batch):
    images, labels = batch
    result = attack(deepcopy(model).double(), images[:2].double(), labels[:2], step=0.004, max_steps=1)
    assert result.images.dtype == torch.float64


@pytest.mark.parametrize("stop_at_flip", [False, True])
def test_where_there_is_one_class_nothing_flips(batch, stop_at_flip):
    images, _ = batch
    zeros = torch.zeros(len(images), dtype=torch.int64)
    result = attack(
        lambda x: x.mean((1, 2, 3))[:, None], images, zeros, step=0.1, max_steps=2, stop_at_flip=stop_at_flip
    )
    assert result.flip_step.tolist() == [-1] * len(images)
    assert torch.equal(result.images, images), "the loss is 0 everywhere and so is its gradient"


def test_an_empty_batch_is_an_empty_result(model):
    nothing = torch.empty(0, 3, 12, 12), torch.empty(0, dtype=torch.int64)
    result = attack(model, *nothing, step=0.004, max_steps=10, stop_at_flip=True)
    assert result.images.shape == (0, 3, 12, 12)
    assert result.flip_step.tolist() == result.predictions.tolist() == []
    assert IFGSM().attack(model, *nothing).survival_rate is None


GOOD = {"step": 0.1, "max_steps": 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step": 0}, "step must be a positive number"),
        ({"step": math.nan}, "step must be a positive number"),
        ({"max_steps": -1}, "max_steps must be a whole number"),
        ({"max_steps": 1.5}, "max_steps must be a whole number"),
        ({"batch_size": 1}, "batch_size must be a whole number of at least 2, not 1"),
        ({"batch_size": 2.5}, "batch_size must be a whole number of at least 2, not 2.5"),
        ({"step": "0.1"}, "step must be a positive number, not '0.1'"),
        ({"max_steps": "1"}, "max_steps must be a whole number of at least 0, not '1'"),
        ({"norm": "l1"}, "norm must be 'linf' or 'l2', not 'l1'"),
        ({"unit": "byte"}, "unit must be 'pixel' or 'normalised', not 'byte'"),
        ({"step": 0.9 / 255, "on_grid": True}, "on_grid needs a step of at least 1/255"),
        ({"step": 1.1 / 255, "on_grid": True, "unit": "normalised"}, "on_grid needs a step of at least 1/255"),
    ],
)
def test_bad_parameters_are_told_in_one_line(model, batch, change, words):
    with pytest.raises(MethodError, match=words) as caught:
        attack(model, *batch, **(GOOD | change))
    assert "\n" not in str(caught.value)
    if (
        change.get("unit") != "normalised" and "batch_size" not in change
    ):  # only the classifier knows what that step is in pixels
        with pytest.raises(MethodError, match=next(iter(change))):
            IFGSM(**({"unit": "pixel"} | GOOD | change))


def spoil(images, labels, how):
    images, labels = images.clone(), labels.clone()
    if isinstance(how, float):
        images[3, 1, 2, 2] = how
    elif how == "uint8":
        images = (images * 255).byte()
    elif how == "flat":
        images = images.flatten(1)
    elif how == "label":
        labels[2] = 4
    elif how == "negative":
        labels[2] = -1
    elif how == "short":
        labels = labels[1:]
    elif how == "int32":
        labels = labels.int()
    return images, labels


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (math.nan, "image 3 of the batch holds NaN or infinity"),
        (math.inf, "image 3 of the batch holds NaN or infinity"),
        (-math.inf, "image 3 of the batch holds NaN or infinity"),
        (1.01, r"image 3 of the batch has values outside \[0, 1\]"),
        ("uint8", "images must be a float32 or float64 tensor, not torch.uint8"),
        ("flat", "images must be \\[n, channels, height, width\\]"),
        ("label", "label 4 is not among the classifier's 4 classes"),
        ("negative", "labels must not be negative"),
        ("short", "labels must be int64 \\[24\\]"),
        ("int32", "labels must be int64 \\[24\\]"),
    ],
)
def test_bad_input_is_told_in_one_line(model, batch, how, words):
    with pytest.raises(MethodError, match=words):
        attack(model, *spoil(*batch, how), **GOOD)


def test_a_model_without_std_cannot_take_a_normalised_step(model, batch):
    with pytest.raises(MethodError, match="Sequential has no attribute `std`"):
        attack(model.network, *batch, **GOOD, unit="normalised")


def test_the_std_of_a_normalisation_inside_a_sequential_model_is_found(model, batch):
    sequential = nn.Sequential(transforms.Normalize([0.5] * 3, [0.2, 0.25, 0.3]), model.network)
    for norm, step in (("linf", 0.02), ("l2", 0.3)):
        how = {"step": step, "max_steps": 3, "norm": norm, "unit": "normalised"}
        expected = attack(model, *batch, **how)
        found = attack(sequential, *batch, **how)
        assert ((found.images - expected.images).abs() > 1e-6).float().mean() <= 0.01
        assert torch.equal(found.flip_step, expected.flip_step)


def test_of_several_normalisations_none_is_taken_for_the_classifiers_own(model, batch):
    twice = nn.Sequential(transforms.Normalize([0.5] * 3, [0.2] * 3), transforms.Normalize([0] * 3, [2] * 3))
    with pytest.raises(MethodError, match="no attribute `std`, 2 of its submodules have one"):
        attack(nn.Sequential(twice, model.network), *batch, **GOOD, unit="normalised")


def test_numpys_numbers_are_numbers(model, batch):
    images, labels = batch
    ours = attack(model, images, labels, step=np.float64(0.004), max_steps=np.int64(3), batch_size=np.int64(8))
    assert torch.equal(ours.images, attack(model, images, labels, step=0.004, max_steps=3, batch_size=8).images)


@pytest.mark.parametrize("std", [(0.2,), (0.2, 0.0, 0.2), (0.2, math.nan, 0.2), "abc"])
def test_a_model_with_a_senseless_std_is_told(model, batch, std):
    def classify(images):
        return model(images)

    classify.std = std
    with pytest.raises(MethodError, match=r"std"):
        attack(classify, *batch, **GOOD, unit="normalised")


@pytest.mark.parametrize(
    ("classify", "words"),
    [
        (lambda x: x.sum((1, 2, 3))[:, None] * torch.tensor([1.0, math.nan]), "logits that are not finite"),
        (
            lambda x: torch.cat([(x - x).sum((1, 2, 3))[:, None].sqrt(), x[:, 0, :1, 0]], 1),
            "gradients that are not finite",
        ),
        (lambda x: torch.ones(len(x), 2), "no gradient with respect to the images"),
        (lambda x: x.sum((2, 3)).T, r"gives \[3, 8\] for 8 images"),
    ],
)
def test_a_broken_classifier_is_told(batch, classify, words):
    images, _ = batch
    with pytest.raises(MethodError, match=words):
        attack(classify, images[:8], torch.zeros(8, dtype=torch.int64), **GOOD)

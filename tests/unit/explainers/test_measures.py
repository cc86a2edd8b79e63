"""Boxes, the pointing game and curves against what they must be, worked out by hand."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from explainers.base import MethodError
from explainers.measures import bounding_box, curve, iou, pointing_hit
from tests.reproducibility import Untouched


def map_of(*rows):
    return np.array([[float(character) / 10 for character in row] for row in rows], dtype=np.float32)


# --- boxes ------------------------------------------------------------------------------------------------------------


def test_the_box_is_around_the_largest_part_and_its_ends_are_exclusive():
    values = map_of("90000", "00550", "00050", "00055")
    assert bounding_box(values) == (2, 1, 5, 4)


def test_pixels_that_share_a_corner_are_one_part():
    assert bounding_box(map_of("5000", "0500", "0050", "0000")) == (0, 0, 3, 3)


def test_a_pixel_with_exactly_the_share_belongs_and_one_below_does_not():
    values = np.array([[4.0, 1.0, 0.999]])
    assert bounding_box(values, share=0.25) == (0, 0, 2, 1)
    assert bounding_box(values, share=0.2498) == (0, 0, 2, 1)
    assert bounding_box(values, share=0.2497) == (0, 0, 3, 1)
    assert bounding_box(values, share=1) == (0, 0, 1, 1)


def test_the_default_share_is_fifteen_per_cent():
    assert bounding_box(np.array([[1.0, 0.151, 0.149]])) == (0, 0, 2, 1)


def test_of_parts_of_one_size_the_first_counts():
    assert bounding_box(map_of("0005", "5000", "0005", "0000")) == (3, 0, 4, 1)


def test_what_speaks_against_the_label_is_in_no_box():
    assert bounding_box(np.array([[-9.0, 1.0, -9.0, 0.5]]), share=0.4) == (1, 0, 2, 1)


@pytest.mark.parametrize("value", [0, -1])
def test_a_map_that_points_nowhere_has_no_box(value):
    assert bounding_box(np.full((3, 4), value)) is None


def test_a_box_is_of_plain_numbers_and_of_tensors_too():
    box = bounding_box(torch.ones(3, 4))
    assert box == (0, 0, 4, 3)
    assert all(type(edge) is int for edge in box)


@pytest.mark.parametrize(
    ("box", "other", "expected"),
    [
        ((0, 0, 4, 4), (0, 0, 4, 4), 1),
        ((0, 0, 4, 4), (4, 0, 8, 4), 0),
        ((0, 0, 4, 4), (9, 9, 12, 12), 0),
        ((0, 0, 4, 4), (2, 0, 6, 4), 8 / 24),
        ((0, 0, 4, 4), (1, 1, 3, 3), 4 / 16),
        ((0.5, 0, 1.5, 1), [1, 0, 2, 1], 0.5 / 1.5),
    ],
)
def test_intersection_over_union(box, other, expected):
    assert iou(box, other) == iou(other, box) == pytest.approx(expected)


# --- the pointing game ------------------------------------------------------------------------------------------------


def peak(x, y, side=60):
    values = np.zeros((side, side), np.float32)
    values[y, x] = 1
    return values


@pytest.mark.parametrize(
    ("x", "y", "hit"),
    [
        (20, 20, True),
        (29, 24, True),
        (5, 22, True),  # 15 pixels left of the box
        (4, 22, False),
        (44, 22, True),  # 15 right of its last column
        (45, 22, False),
        (25, 39, True),
        (25, 40, False),
        (11, 8, True),  # 9 and 12: 15 away over the corner
        (10, 8, False),
    ],
)
def test_a_hit_is_at_most_fifteen_pixels_from_the_box(x, y, hit):
    assert pointing_hit(peak(x, y), (20, 20, 30, 25)) is hit


def test_the_tolerance_can_be_none():
    assert pointing_hit(peak(29, 24), (20, 20, 30, 25), tolerance=0)
    assert not pointing_hit(peak(30, 24), (20, 20, 30, 25), tolerance=0)
    assert pointing_hit(peak(30, 24), (20, 20, 30, 25), tolerance=1)


def test_of_equal_values_the_lowest_index_points():
    values = peak(50, 2) + peak(3, 40) + peak(1, 40)
    assert pointing_hit(values, (50, 2, 51, 3), tolerance=0)
    values = peak(3, 40) + peak(1, 40)
    assert pointing_hit(values, (1, 40, 2, 41), tolerance=0)
    assert pointing_hit(np.ones((9, 9)), (0, 0, 1, 1), tolerance=0)


def test_what_speaks_most_against_the_label_does_not_point():
    values = peak(3, 3) * 0.1 - peak(40, 40)
    assert pointing_hit(values, (3, 3, 4, 4), tolerance=0)


# --- curves -----------------------------------------------------------------------------------------------------------


class Brightness(nn.Module):
    """Two logits: the weighted sum of the pixels, and 0."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def forward(self, x):
        total = (x.mean(1) * self.weight).sum((1, 2))
        return torch.stack([total, torch.zeros_like(total)], 1)


IMAGE = torch.ones(3, 2, 3)
WEIGHT = torch.tensor([[3.0, -1.0, 0.5], [2.0, 0.0, -0.25]])


def sigmoid(*logits):
    return torch.sigmoid(torch.tensor(logits))


def test_deletion_takes_away_the_largest_values_first():
    found = curve(Brightness(WEIGHT), IMAGE, 0, WEIGHT.numpy(), n_steps=6, fill=torch.zeros_like(IMAGE))
    assert torch.allclose(found, sigmoid(4.25, 1.25, -0.75, -1.25, -1.25, -1, 0))


def test_insertion_is_the_other_way_round():
    asked = partial(curve, Brightness(WEIGHT), IMAGE, 0, WEIGHT, n_steps=6, fill=torch.zeros_like(IMAGE))
    assert torch.allclose(asked(kind="insertion"), sigmoid(0, 3, 5, 5.5, 5.5, 5.25, 4.25))


@pytest.mark.parametrize(("n_steps", "expected"), [(1, (4.25, 0)), (4, (4.25, 1.25, -1.25, -1.25, 0))])
def test_steps_are_as_even_as_they_come(n_steps, expected):
    found = curve(Brightness(WEIGHT), IMAGE, 0, WEIGHT, n_steps=n_steps, fill=torch.zeros_like(IMAGE))
    assert torch.allclose(found, sigmoid(*expected))


def test_of_equal_values_the_lower_index_goes_first():
    found = curve(Brightness(WEIGHT), IMAGE, 0, torch.zeros(2, 3), n_steps=6, fill=torch.zeros_like(IMAGE))
    assert torch.allclose(found, sigmoid(4.25, 1.25, 2.25, 1.75, -0.25, -0.25, 0))


def test_what_is_gone_takes_the_place_of_fill_in_all_channels():
    fill = torch.rand(3, 2, 3, generator=torch.Generator().manual_seed(2))
    found = curve(Brightness(WEIGHT), IMAGE, 1, WEIGHT, n_steps=6, fill=fill)
    assert found[-1] == pytest.approx(float(Brightness(WEIGHT)(fill[None]).softmax(1)[0, 1]), abs=1e-6)
    assert len(found) == 7
    assert found.device.type == "cpu"


def test_more_steps_than_a_batch_holds_give_the_same_curve(monkeypatch):
    from explainers import measures

    image, values = torch.rand(3, 10, 10), torch.rand(10, 10)
    asked = partial(curve, Brightness(values), image, 0, values, n_steps=100, fill=torch.zeros_like(image))
    whole = asked()
    monkeypatch.setattr(measures, "batch_limit", lambda pixels, device: 7)
    assert torch.allclose(asked(), whole, atol=1e-6)


def test_a_faithful_map_falls_faster_than_its_opposite():
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(1))
    area = {
        sign: float(curve(Brightness(weight), image, 0, sign * weight, n_steps=16, fill=torch.zeros_like(image)).mean())
        for sign in (1, -1)
    }
    assert area[1] < area[-1]


def test_a_curve_touches_nothing():
    network = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(18, 2)).train()
    values, fill = WEIGHT.numpy().copy(), torch.zeros_like(IMAGE)
    before = Untouched(network, IMAGE, values, fill)
    curve(network, IMAGE, 0, values, n_steps=3, fill=fill)
    assert before.holds()


# --- bad input --------------------------------------------------------------------------------------------------------

NAN = np.array([[0.0, np.nan]])


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda: bounding_box(NAN), "NaN or infinity"),
        (lambda: bounding_box(np.array([[np.inf, 1]])), "NaN or infinity"),
        (lambda: bounding_box(np.zeros(4)), r"a map is \[h, w\], not \[4\]"),
        (lambda: bounding_box(np.zeros((0, 4))), r"a map is \[h, w\], not \[0, 4\]"),
        (lambda: bounding_box("map"), "real numbers"),
        (lambda: bounding_box(np.ones((2, 2)), share=0), "share must be above 0 and at most 1, not 0"),
        (lambda: bounding_box(np.ones((2, 2)), share=1.1), "share must be"),
        (lambda: bounding_box(np.ones((2, 2)), share=float("nan")), "share must be"),
        (lambda: bounding_box(np.ones((2, 2)), share=True), "share must be"),
        (lambda: iou((0, 0, 4), (0, 0, 1, 1)), "a box is four numbers"),
        (lambda: iou((0, 0, 1, 1), None), "a box is four numbers"),
        (lambda: iou((0, 0, 0, 1), (0, 0, 1, 1)), "x0 < x1"),
        (lambda: iou((0, 0, 1, 1), (0, 5, 1, 4)), "x0 < x1"),
        (lambda: iou((0, 0, 1, float("inf")), (0, 0, 1, 1)), "x0 < x1"),
        (lambda: pointing_hit(NAN, (0, 0, 1, 1)), "NaN or infinity"),
        (lambda: pointing_hit(np.ones((2, 2)), (1, 1, 1, 1)), "x0 < x1"),
        (lambda: pointing_hit(np.ones((2, 2)), (0, 0, 1, 1), tolerance=-1), "tolerance must be at least 0"),
        (lambda: pointing_hit(np.ones((2, 2)), (0, 0, 1, 1), tolerance=float("nan")), "tolerance must be at least 0"),
    ],
)
def test_bad_input_of_a_measure_is_refused_in_one_line(ask, told):
    with pytest.raises(MethodError, match=told) as caught:
        ask()
    assert "\n" not in str(caught.value)


class Broken(nn.Module):
    def forward(self, x):
        return torch.full((len(x), 2), float("nan"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "removal"}, "kind must be one of deletion, insertion, not 'removal'"),
        ({"image": IMAGE[None]}, r"the image must be floating point \[channels, h, w\]"),
        ({"image": IMAGE.byte()}, "the image must be floating point"),
        ({"image": IMAGE.numpy()}, "the image must be floating point"),
        ({"image": IMAGE * 2}, r"values outside \[0, 1\]"),
        ({"image": IMAGE * float("nan")}, "NaN or infinity"),
        ({"values": np.zeros((3, 2))}, r"a map of \[3, 2\] does not fit an image of \[2, 3\]"),
        ({"values": np.full((2, 3), np.nan)}, "the map holds NaN"),
        ({"n_steps": 0}, "n_steps must be a whole number from 1 to 6, not 0"),
        ({"n_steps": 7}, "n_steps must be"),
        ({"n_steps": 2.0}, "n_steps must be"),
        ({"fill": torch.zeros(3, 1, 1)}, r"fill must be like the image, \[3, 2, 3\]"),
        ({"fill": 0}, "fill must be like the image"),
        ({"fill": IMAGE * 2}, r"fill must be in \[0, 1\]"),
        ({"fill": IMAGE * float("nan")}, r"fill must be in \[0, 1\]"),
        ({"label": 2}, "label 2 is not among the classifier's 2 classes"),
        ({"label": -1}, "label -1 is none of the classifier's outputs"),
        ({"classifier": Broken()}, "logits that are not finite"),
    ],
)
def test_bad_input_of_a_curve_is_refused_in_one_line(changes, told):
    usual = {
        "classifier": Brightness(WEIGHT),
        "image": IMAGE,
        "label": 0,
        "values": WEIGHT,
        "n_steps": 3,
        "fill": torch.zeros_like(IMAGE),
    }
    with pytest.raises(MethodError, match=told) as caught:
        curve(**{**usual, **changes})
    assert "\n" not in str(caught.value)

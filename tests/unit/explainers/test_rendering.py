"""Drawing explanations."""

import hashlib

import numpy as np
import pytest

from explainers.base import Explanation, MethodError
from explainers.images import ImageError, encode_png, load
from explainers.rendering import (
    covered,
    difference,
    explanation_path,
    heat_map,
    magnified,
    most_positive,
    side_by_side,
    stacked,
    top_superpixels,
)

SEGMENTS = np.repeat(np.repeat(np.arange(6).reshape(2, 3), 2, axis=0), 2, axis=1)
PICTURE = (np.arange(4 * 6 * 3).reshape(4, 6, 3) * 3 % 256).astype(np.uint8)


def explanation(*coefficients):
    values = np.array(coefficients, dtype=float)
    return Explanation(SEGMENTS, values, 0.0, 1.0, int((values > 0).sum()), 0, 0)


def shown(picture):
    """Which superpixels of a rendering look as in the picture."""
    return {s for s in range(6) if np.array_equal(picture[s == SEGMENTS], PICTURE[s == SEGMENTS])}


@pytest.mark.parametrize(
    ("coefficients", "n", "expected"),
    [
        ((0.1, 0.5, -0.9, 0.3, 0, 0.2), 8, [1, 3, 5, 0]),
        ((0.1, 0.5, -0.9, 0.3, 0, 0.2), 2, [1, 3]),
        ((0.5, 0.2, 0.5, 0.2, 0.5, 0), 4, [0, 2, 4, 1]),
        ((-1, -1, 0, 0, 0, 0), 8, []),
        ((0, 0, 0, 0, 0, 0), 8, []),
        ((1, 1, 1, 1, 1, 1), 0, []),
    ],
)
def test_the_largest_positive_come_first_and_ties_go_to_the_lower_label(coefficients, n, expected):
    assert most_positive(explanation(*coefficients), n) == expected


def test_only_the_top_superpixels_are_shown_and_the_rest_is_grey():
    picture = top_superpixels(PICTURE, explanation(0.1, 0.5, -0.9, 0.3, 0, 0.2), n_shown=3)
    assert shown(picture) == {1, 3, 5}
    assert np.all(picture[np.isin(SEGMENTS, [0, 2, 4])] == 128)


def test_hidden_superpixels_can_take_their_mean_colour():
    picture = top_superpixels(PICTURE, explanation(0, 1, 0, 0, 0, 0), fill="mean")
    for superpixel in (0, 2, 3, 4, 5):
        inside = superpixel == SEGMENTS
        assert np.all(picture[inside] == np.floor(PICTURE[inside].mean(axis=0) + 0.5))


def test_without_a_positive_superpixel_everything_is_hidden():
    assert np.all(top_superpixels(PICTURE, explanation(-1, 0, 0, 0, 0, 0)) == 128)
    assert explanation_path(PICTURE, explanation(-1, 0, 0, 0, 0, 0)) == []


def test_the_path_uncovers_one_superpixel_at_a_time():
    path = explanation_path(PICTURE, explanation(0.1, 0.5, -0.9, 0.3, 0, 0.2), n_steps=3)
    assert [shown(picture) for picture in path] == [{1}, {1, 3}, {1, 3, 5}]


def test_the_heat_map_is_red_for_and_blue_against_the_label():
    grey = np.full_like(PICTURE, 100)
    picture = heat_map(grey, explanation(1, -1, 0.5, 0, 0, 0)).astype(int)
    of = {superpixel: picture[superpixel == SEGMENTS][0] for superpixel in range(6)}
    assert of[0].tolist() == [182, 20, 46]
    assert of[1].tolist() == [24, 110, 161]
    assert of[2].tolist() == [141, 60, 73]
    assert of[3].tolist() == [100, 100, 100]


def test_a_heat_map_of_nothing_is_the_picture_in_grey():
    picture = heat_map(PICTURE, explanation(0, 0, 0, 0, 0, 0))
    assert np.all(picture[:, :, 0] == picture[:, :, 2])
    assert picture[0, 0, 0] == round(0.587 * 3 + 0.114 * 6)


# The pixels themselves are the contract: stimuli of old studies must be drawn again as they were shown.
PINNED = ["2114bc61b1b6bf47", "ac84f80b771cba33", "57f19fa429d5a0ec", "85cc02d4fcedaf2e"]


def test_renderings_are_the_same_to_the_byte_and_leave_their_input_alone():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)
    segments = (np.arange(60)[:, None] // 12 * 10 + np.arange(90) // 9).astype(np.int64)
    coefficients = np.linspace(-1, 2, 50)
    given = Explanation(segments, coefficients, 0.0, 1.0, 33, 0, 0)
    before = picture.copy()
    drawn = [
        top_superpixels(picture, given),
        top_superpixels(picture, given, fill="mean"),
        heat_map(picture, given),
        side_by_side(explanation_path(picture, given)),
    ]
    assert np.array_equal(picture, before)
    assert [hashlib.sha256(pixels.tobytes()).hexdigest()[:16] for pixels in drawn] == PINNED
    for pixels in drawn:
        assert np.array_equal(load(encode_png(pixels)), pixels)


def test_side_by_side_and_stacked_leave_white_gaps():
    row = side_by_side([PICTURE, PICTURE], gap=3)
    assert row.shape == (4, 15, 3)
    assert np.all(row[:, 6:9] == 255)
    assert np.array_equal(row[:, 9:], PICTURE)
    sheet = stacked([row, PICTURE], gap=2)
    assert sheet.shape == (10, 15, 3)
    assert np.array_equal(sheet[6:, :6], PICTURE)
    assert np.all(sheet[4:6] == 255)
    assert np.all(sheet[6:, 6:] == 255)
    assert np.array_equal(stacked([PICTURE, PICTURE], gap=0), np.concatenate([PICTURE, PICTURE]))


def test_magnifying_repeats_pixels():
    large = magnified(PICTURE, 3)
    assert large.shape == (12, 18, 3)
    assert np.array_equal(large[1::3, 2::3], PICTURE)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: covered(PICTURE.astype(float), SEGMENTS),
        lambda: covered(PICTURE, SEGMENTS[1:]),
        lambda: heat_map(PICTURE[1:], explanation(0, 0, 0, 0, 0, 0)),
        lambda: side_by_side([]),
        lambda: side_by_side([PICTURE, PICTURE[1:]]),
        lambda: stacked([]),
        lambda: magnified(PICTURE, 0),
    ],
)
def test_pictures_that_do_not_fit_are_refused(draw):
    with pytest.raises(ImageError):
        draw()


def test_an_unknown_fill_is_refused():
    with pytest.raises(MethodError, match="one of grey, mean"):
        covered(PICTURE, SEGMENTS, fill="black")


def test_a_difference_is_magnified_on_grey_and_cut_off():
    after = PICTURE.astype(int)
    after[0, 0], after[0, 1], after[0, 2] = PICTURE[0, 0] + 1, PICTURE[0, 1] - 3, PICTURE[0, 2] + 60
    drawn = difference(PICTURE, after.clip(0, 255).astype(np.uint8), times=20)
    assert drawn[0, 0].tolist() == [148] * 3
    assert drawn[0, 1].tolist() == [68] * 3
    assert drawn[0, 2].tolist() == [255] * 3
    assert (drawn[1:] == 128).all()
    assert (difference(PICTURE, PICTURE) == 128).all()


def test_a_difference_of_two_sizes_is_refused():
    with pytest.raises(ImageError, match="two uint8 pictures of one size"):
        difference(PICTURE, PICTURE[1:])

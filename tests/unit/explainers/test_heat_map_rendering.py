"""Drawing heat maps."""

import hashlib
import json
from dataclasses import asdict

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from explainers.base import Explanation, HeatMap, MethodError
from explainers.heat_map_rendering import Style, drawn, framed, top_pixels
from explainers.images import ImageError, encode_png, load

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
SIGNED = np.linspace(-1, 2, 2400).reshape(40, 60).astype(np.float32)
PLAIN = Style(over="nothing", fade=False, opacity=1)


def heat_map(values, channels=None):
    return HeatMap(np.asarray(values, np.float32), label=0, seed=0, channels=channels)


def scale(signed):
    """The 256 colours of a scale, or the 511 of a signed one, as they are drawn."""
    values = np.linspace(-1 if signed else 0, 1, 511 if signed else 256)[None]
    picture = np.zeros((1, values.size, 3), np.uint8)
    return drawn(picture, heat_map(values), PLAIN)[0]


# --- the scales -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signed", [True, False])
def test_scales_are_perceptually_uniform(signed):
    lab = rgb2lab(scale(signed)[None] / 255)[0]
    steps = deltaE_ciede2000(lab[:-8:8], lab[8::8])
    assert steps.max() <= 1.6 * steps.min()
    rising = [lab[:256:8, 0], lab[:254:-8, 0]] if signed else [lab[::8, 0]]
    assert all((np.diff(lightness) > 0).all() for lightness in rising)


#: Machado, Oliveira & Fernandes 2009, complete protanopia, deuteranopia and tritanopia, on linear RGB.
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def as_seen_with(kind, colours):
    linear = np.where(colours <= 10, colours / 255 / 12.92, ((colours / 255 + 0.055) / 1.055) ** 2.4)
    seen = (linear @ np.array(BLINDNESS[kind]).T).clip(0, 1)
    return rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)[None])[0]


@pytest.mark.parametrize("kind", BLINDNESS)
def test_scales_can_be_read_with_colour_blindness(kind):
    positive = as_seen_with(kind, scale(signed=False))
    assert (np.diff(positive[::16, 0]) > 1).all()
    both = as_seen_with(kind, scale(signed=True))
    against, for_it = both[:255][::-1], both[256:]
    assert (deltaE_ciede2000(against, for_it)[64:] > 12).all()


def test_red_and_green_would_be_confused():
    """The test above can tell."""
    red, green = np.array([[200.0, 90, 60]]), np.array([[130.0, 130, 60]])
    one, other = as_seen_with("deuteranopia", red), as_seen_with("deuteranopia", green)
    assert (
        deltaE_ciede2000(one, other)[0] < 12 < deltaE_ciede2000(*(rgb2lab(c[None] / 255)[0] for c in (red, green)))[0]
    )


# --- the picture ------------------------------------------------------------------------------------------------------


def test_signed_values_are_orange_for_and_blue_against_the_label():
    values = np.array([[1.0, -1.0, 0.0, 0.5]])
    for_it, against, neutral, half = drawn(np.zeros((1, 4, 3), np.uint8), heat_map(values), PLAIN)[0].tolist()
    assert for_it == [0x8B, 0x28, 0x1B]
    assert against == [0x00, 0x4C, 0x93]
    assert neutral == [0xE8] * 3
    assert half[0] > half[1] > half[2]


def test_what_is_zero_lets_the_picture_through():
    values = np.zeros((40, 60))
    assert np.array_equal(drawn(PICTURE, heat_map(values), Style(over="image")), PICTURE)
    grey = drawn(PICTURE, heat_map(values))
    assert (grey == grey[:, :, :1]).all()
    assert (drawn(PICTURE, heat_map(values), Style(over="nothing")) == 128).all()


def test_opacity_falls_with_the_value_or_is_the_same_everywhere():
    black, values = np.zeros((1, 3, 3), np.uint8), heat_map([[1.0, 0.5, 0.0]])
    faded = drawn(black, values, Style(opacity=0.5))[0].astype(int)
    flat = drawn(black, values, Style(opacity=0.5, fade=False))[0].astype(int)
    full = drawn(black, values, Style(opacity=1, fade=False))[0].astype(int)
    assert np.abs(faded - full * [[0.5], [0.25], [0]]).max() <= 0.5
    assert np.abs(flat - full * 0.5).max() <= 0.5


def test_values_below_the_threshold_are_not_drawn():
    values = heat_map([[1.0, 0.3, 0.29, -0.31]])
    picture = np.full((1, 4, 3), 77, np.uint8)
    for fade in (True, False):
        untouched = (drawn(picture, values, Style(over="image", threshold=0.3, fade=fade)) == 77).all(axis=2)[0]
        assert untouched.tolist() == [False, False, True, False]


def test_a_scale_makes_maps_comparable():
    black = np.zeros((1, 2, 3), np.uint8)
    own = [drawn(black, heat_map(np.array([[1.0, 0.5]]) * size)) for size in (1, 3)]
    common = [drawn(black, heat_map(np.array([[1.0, 0.5]]) * size), Style(scale=2)) for size in (1, 3)]
    assert np.array_equal(*own)
    assert not np.array_equal(*common)
    assert np.array_equal(common[1][0, 0], own[0][0, 0])  # cut off at the scale


def test_a_percentile_keeps_single_pixels_from_hiding_the_rest():
    values = np.ones((40, 60))
    values[0, 0] = 1000
    assert drawn(PICTURE, heat_map(values), PLAIN)[5, 5].tolist() == [0x14, 0x21, 0x49]
    assert drawn(PICTURE, heat_map(values), Style(**{**asdict(PLAIN), "percentile": 99}))[5, 5, 0] == 0xFD


def test_a_palette_can_be_fixed_whatever_signs_a_map_has():
    positive, picture = heat_map([[1.0, 0.5]]), np.zeros((1, 2, 3), np.uint8)
    assert drawn(picture, positive, Style(over="nothing", opacity=1, palette="diverging"))[0, 0].tolist() == [
        0x8B,
        0x28,
        0x1B,
    ]
    mixed = drawn(picture, heat_map([[1.0, -0.5]]), Style(palette="sequential"))
    assert mixed[0, 1].tolist() == [0, 0, 0]


def test_the_weights_of_superpixels_are_drawn_as_a_map_of_them():
    segments = np.arange(40)[:, None] // 20 * 2 + np.arange(60) // 30
    weights = np.array([0.5, -1.0, 0.0, 0.25])
    explanation = Explanation(segments, weights, 0.0, 1.0, 2, 0, 0)
    assert np.array_equal(drawn(PICTURE, explanation), drawn(PICTURE, heat_map(weights[segments])))


def test_guided_maps_are_drawn_as_colours_around_grey():
    channels = np.zeros((3, 40, 60), np.float32)
    channels[0, 0, 0], channels[1, 0, 1], channels[2, 0, 2] = 2, -2, 1
    picture = drawn(PICTURE, heat_map(np.abs(channels).max(0), channels), Style(channels=True))
    assert picture[0, :4].tolist() == [[255, 128, 128], [128, 0, 128], [128, 128, 191], [128, 128, 128]]


def test_a_legend_stands_on_the_right_from_strongest_to_weakest():
    picture = drawn(PICTURE, heat_map(SIGNED), Style(**{**asdict(PLAIN), "legend": True}))
    assert picture.shape == (40, 60 + 4 + 6, 3)
    assert (picture[:, 60:64] == 255).all()
    assert picture[0, -1].tolist() == [0x8B, 0x28, 0x1B]
    assert picture[-1, -1].tolist() == [0x00, 0x4C, 0x93]
    assert np.array_equal(picture[:, :60], drawn(PICTURE, heat_map(SIGNED), PLAIN))


def test_boxes_are_a_white_line_within_a_black_one():
    picture = np.full((20, 30, 3), 90, np.uint8)
    boxed = framed(picture, (5, 4, 25, 16), width=2)[:, :, 0]
    assert boxed[10, [4, 5, 6, 7, 8, 9]].tolist() == [90, 0, 0, 255, 255, 90]
    assert boxed[[3, 4, 6, 8, 15, 16], 15].tolist() == [90, 0, 255, 90, 0, 90]
    for outside in ((0, 0, 31, 5), (5, 5, 5, 9), (-1, 0, 4, 4), (3, 9, 6, 8)):
        with pytest.raises(ImageError, match="is not inside a picture of 20 × 30"):
            framed(picture, outside)


# The pixels themselves are the contract: stimuli of old studies must be drawn again as they were shown.
STYLES = [
    Style(),
    Style(over="image", fade=False, opacity=0.5, threshold=0.2, legend=True),
    Style(channels=True),
    PLAIN,
]
PINNED = [
    "b735253e20d3c074",
    "02ffe1440da8362d",
    "4ca58b811c337b1a",
    "55487436a6da270b",
    "bf035b08c501fcd6",
    "2bc7c6c0d7717c8b",
    "dc2a7170ccd9f986",
]


def test_pictures_are_the_same_to_the_byte_and_leave_their_input_alone():
    channels = np.random.default_rng(1).normal(size=(3, 40, 60)).astype(np.float32)
    given, before = heat_map(SIGNED, channels), (PICTURE.copy(), SIGNED.copy(), channels.copy())
    pictures = [drawn(PICTURE, given, style) for style in STYLES]
    pictures += [
        drawn(PICTURE, heat_map(np.abs(SIGNED))),
        top_pixels(PICTURE, given),
        top_pixels(PICTURE, given, fill="mean"),
    ]
    assert all(np.array_equal(*pair) for pair in zip(before, (PICTURE, given.values, given.channels), strict=True))
    assert [hashlib.sha256(picture.tobytes()).hexdigest()[:16] for picture in pictures] == PINNED
    for picture in pictures:
        assert np.array_equal(load(encode_png(picture)), picture)


def test_a_style_is_plain_values_for_a_recipe():
    style = Style(over="image", scale=2, opacity=1)
    assert Style(**json.loads(json.dumps(asdict(style)))) == style
    assert asdict(style)["scale"] == 2.0
    assert json.dumps(asdict(Style(opacity=1))) == json.dumps(asdict(Style(opacity=1.0)))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"over": "white"}, "style: over must be one of image, grey, nothing"),
        ({"scale": 0}, "scale must be above 0, not 0"),
        ({"scale": "1"}, "scale must be a finite number"),
        ({"percentile": 0}, "percentile is out of range: 0"),
        ({"threshold": 1}, "threshold is out of range: 1"),
        ({"opacity": 0}, "opacity is out of range"),
        ({"fade": 1}, "fade must be true or false"),
    ],
)
def test_a_style_that_makes_no_sense_is_refused(parameters, said):
    with pytest.raises(MethodError, match=said):
        Style(**parameters)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: drawn(PICTURE[1:], heat_map(SIGNED)), "does not fit"),
        (lambda: drawn(PICTURE.astype(float), heat_map(SIGNED)), "a picture is uint8"),
        (lambda: drawn(PICTURE, heat_map(SIGNED), Style(channels=True)), "no channels"),
        (lambda: drawn(PICTURE, heat_map(SIGNED * np.float32("nan"))), "not finite"),
        (lambda: top_pixels(PICTURE, heat_map(SIGNED), share=0), "share must be above 0"),
        (lambda: top_pixels(PICTURE, heat_map(SIGNED), share=1.1), "share must be above 0 and at most 1"),
        (lambda: top_pixels(PICTURE, heat_map(SIGNED), fill="black"), "one of grey, mean"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(draw, said):
    with pytest.raises(ValueError, match=said) as caught:
        draw()
    assert "\n" not in str(caught.value)


# --- the top share of pixels ------------------------------------------------------------------------------------------


def shown(picture):
    return (picture == PICTURE).all(axis=2)


@pytest.mark.parametrize(("share", "n"), [(0.1, 240), (1 / 2400, 1), (0.5, 1200), (1, 1600)])
def test_the_top_share_of_pixels_is_shown_where_it_is_positive(share, n):
    picture = top_pixels(PICTURE, heat_map(SIGNED), share=share)
    assert shown(picture).sum() == n
    assert shown(picture).reshape(-1)[-n:].all()
    assert (picture[~shown(picture)] == 128).all()


def test_ties_go_to_the_first_in_reading_order():
    assert np.flatnonzero(shown(top_pixels(PICTURE, heat_map(np.ones((40, 60))), share=0.01))).tolist() == list(
        range(24)
    )


def test_hidden_pixels_can_take_their_mean_colour():
    picture = top_pixels(PICTURE, heat_map(SIGNED), share=0.25, fill="mean")
    hidden = np.arange(2400).reshape(40, 60) < 1800
    assert (picture[hidden] == np.floor(PICTURE[hidden].mean(axis=0) + 0.5)).all()


def test_where_nothing_is_positive_everything_is_hidden():
    assert (top_pixels(PICTURE, heat_map(-np.abs(SIGNED))) == 128).all()

"""Resizing, cropping and writing, for pictures of any size."""

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from explainers.images import ImageError, encode_png, load, to_pixels, to_tensor

sides = st.integers(1, 90)


@st.composite
def pictures(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return rng.integers(0, 256, (draw(sides), draw(sides), 3), dtype=np.uint8)


@settings(deadline=None, max_examples=150)
@given(pictures(), st.none() | sides, st.none() | sides)
def test_what_is_loaded_is_what_torchvision_makes_or_an_error(picture, resize, crop):
    data = encode_png(picture)
    steps = [transforms.Resize(resize)] if resize else []
    steps += [transforms.CenterCrop(crop)] if crop else []
    short = resize or min(picture.shape[:2])
    try:
        loaded = load(data, resize=resize, crop=crop)
    except ImageError:
        assert crop
        assert crop > short
    else:
        assert np.array_equal(loaded, np.array(transforms.Compose(steps)(Image.fromarray(picture))))


@settings(deadline=None, max_examples=50)
@given(pictures())
def test_a_picture_survives_the_file_and_the_tensor(picture):
    data = encode_png(picture)
    assert np.array_equal(load(data), picture)
    assert data == encode_png(load(data))
    assert np.array_equal(to_pixels(to_tensor([picture]))[0], picture)


@settings(deadline=None, max_examples=200)
@given(pictures(), st.sampled_from(["PNG", "JPEG", "BMP", "TIFF", "WEBP"]), st.data())
def test_damaged_files_are_images_or_one_line_errors(picture, kind, data):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind)
    spoilt = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    try:
        loaded = load(bytes(spoilt))
    except ImageError as error:
        said = str(error)
    else:
        said = f"an image {loaded.shape}"
        assert loaded.dtype == np.uint8
    assert said
    assert "\n" not in said

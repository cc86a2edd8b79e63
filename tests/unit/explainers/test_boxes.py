"""Boxes follow a photograph as `images.load` turns, resizes and cuts it: what is painted in a box stays in it."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from explainers import boxes, images

SIZES = st.tuples(st.integers(20, 60), st.integers(20, 60))


def photograph(size, box, orientation=1) -> bytes:
    """A black PNG of this size on the file's own grid, white in the box."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    left, top, right, bottom = box
    pixels[top:bottom, left:right] = 255
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", exif=exif)
    return file.getvalue()


def bounds(picture: np.ndarray) -> tuple[int, int, int, int]:
    white = picture[:, :, 0] > 127
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_is_turned_as_the_picture_is(orientation):
    size, box = (30, 20), (3, 5, 12, 9)
    data = photograph(size, box, orientation)
    assert images.orientation(data) == orientation
    assert boxes.upright(box, size, orientation) == bounds(images.load(data))
    upright = images.load(data).shape[1::-1]
    assert boxes.file_size(upright, orientation) == size


def test_there_is_no_ninth_orientation():
    with pytest.raises(ValueError, match="1 to 8, not 9"):
        boxes.upright((0, 0, 1, 1), (2, 2), 9)
    assert images.orientation(photograph((30, 20), (3, 5, 12, 9), 9)) == 1


@given(SIZES, st.data())
def test_a_box_is_resized_and_cut_as_the_picture_is(size, data):
    width, height = size
    left, top = data.draw(st.integers(0, width - 8)), data.draw(st.integers(0, height - 8))
    box = (left, top, data.draw(st.integers(left + 6, width)), data.draw(st.integers(top + 6, height)))
    resize = data.draw(st.one_of(st.none(), st.integers(16, 60)))
    crop = data.draw(st.one_of(st.none(), st.integers(8, resize or min(size))))
    picture = images.load(photograph(size, box), resize=resize, crop=crop)
    seen = boxes.in_image(box, size, resize=resize, crop=crop)
    white = (picture[:, :, 0] > 127).any()
    if seen is None:
        assert not white
    elif white:
        # Halfway between two pixels the resized edge is grey: it is one pixel off at most.
        assert np.abs(np.array(seen) - bounds(picture)).max() <= 1


def test_an_object_outside_the_crop_is_gone_and_one_across_its_edge_is_clipped():
    assert boxes.in_image((0, 0, 9, 20), (40, 20), crop=20) is None
    assert boxes.in_image((5, 2, 15, 8), (40, 20), crop=20) == (0, 2, 5, 8)
    assert boxes.in_image((5, 2, 15, 8), (40, 20), resize=10, crop=10) == (0, 1, 2.5, 4)

"""Boxes in pixels that follow a photograph to *the image*: upright, resized and cropped as `images.load` does it.

A box is left, top, right and bottom in pixels from the upper left corner, ends exclusive, as floats: a box of the whole
picture is (0, 0, width, height). Pure functions without torch, so that web processes may call them.
"""

from __future__ import annotations

Box = tuple[float, float, float, float]

#: EXIF's values for pictures that lie on their side; see `images.SIDEWAYS`.
_SIDEWAYS = (5, 6, 7, 8)


def upright(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """The box after EXIF's `orientation` (1 to 8) has turned and mirrored a picture of this size, width and height.

    `size` is that of the file's own grid, before anything is turned. Raises ValueError for another orientation.
    """
    left, top, right, bottom = box
    width, height = size
    match orientation:
        case 1:
            return box
        case 2:
            return width - right, top, width - left, bottom
        case 3:
            return width - right, height - bottom, width - left, height - top
        case 4:
            return left, height - bottom, right, height - top
        case 5:
            return top, left, bottom, right
        case 6:
            return height - bottom, left, height - top, right
        case 7:
            return height - bottom, width - right, height - top, width - left
        case 8:
            return top, width - right, bottom, width - left
    raise ValueError(f"EXIF knows the orientations 1 to 8, not {orientation}")


def file_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of the file's own grid, from those of the upright picture."""
    return (size[1], size[0]) if orientation in _SIDEWAYS else size


def clipped(box: Box, size: tuple[int, int]) -> Box | None:
    """What of the box lies in a picture of this width and height; None where nothing does."""
    left, top = max(box[0], 0.0), max(box[1], 0.0)
    right, bottom = min(box[2], float(size[0])), min(box[3], float(size[1]))
    return (left, top, right, bottom) if left < right and top < bottom else None


def in_image(box: Box, size: tuple[int, int], *, resize: int | None = None, crop: int | None = None) -> Box | None:
    """The box in *the image*, clipped to it; None for an object that is cropped away.

    box: in pixels of the upright photograph, whose width and height `size` is. resize, crop: as for `images.load`,
    whose picture the result is in.
    """
    width, height = size
    scale_x = scale_y = 1.0
    if resize is not None and min(width, height) != resize:
        short, long = sorted((width, height))
        longer = int(resize * long / short)
        new = (resize, longer) if width <= height else (longer, resize)
        scale_x, scale_y = new[0] / width, new[1] / height
        width, height = new
    left, top = 0, 0
    if crop is not None:
        left, top = round((width - crop) / 2), round((height - crop) / 2)
        width = height = crop
    moved = (box[0] * scale_x - left, box[1] * scale_y - top, box[2] * scale_x - left, box[3] * scale_y - top)
    return clipped(moved, (width, height))

"""The contact sheet: a look at the image set."""

from pathlib import Path

import numpy as np
from PIL import Image

from .imageset import EVALUATION_SEED
from .scenes import scene
from .things import KINDS

_COLUMNS, _SHOWN, _GAP = 8, 100, 4  # pictures a row; pixels of a picture on the sheet, and between two
_STEP = 4  # colours are rounded to multiples of this: unseen, and the file is a third smaller


def sheet(file: str | Path) -> None:
    """Draw the first two pictures of every class of the image set and save them as one PNG."""
    rows = 2 * len(KINDS) // _COLUMNS
    pitch = _SHOWN + _GAP
    page = Image.new("RGB", (_COLUMNS * pitch - _GAP, rows * pitch - _GAP), "white")
    for place in range(2 * len(KINDS)):
        number, index = divmod(place, len(KINDS))
        drawn = scene(list(KINDS)[index], np.random.default_rng([EVALUATION_SEED, index, number]))
        small = Image.fromarray(drawn.picture).resize((_SHOWN, _SHOWN), Image.Resampling.LANCZOS)
        rounded = np.minimum(np.rint(np.asarray(small) / _STEP) * _STEP, 255).astype(np.uint8)
        page.paste(Image.fromarray(rounded), (place % _COLUMNS * pitch, place // _COLUMNS * pitch))
    page.save(file, optimize=True)

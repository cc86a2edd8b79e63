"""In place of superpixels: which process was asked for them.  Without Django, as other processes load it."""

import os
import signal
from dataclasses import dataclass

import numpy as np

DEADLY, IMPOSSIBLE = 1, 2


@dataclass(frozen=True)
class Whose:
    """Its first value may make a picture deadly or impossible to cut."""

    def segment(self, picture: np.ndarray) -> np.ndarray:
        if picture[0, 0, 0] == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        if picture[0, 0, 0] == IMPOSSIBLE:
            raise ValueError("this cannot be cut")
        return np.full((1, 1), os.getpid())

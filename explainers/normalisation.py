"""What a mean and a standard deviation of channels may be; without PyTorch, so that forms can ask, too."""

from __future__ import annotations

import math
from collections.abc import Sequence


def normalisation_problem(name: str, values: Sequence[float]) -> str:
    """What is wrong with a mean or std (`name`) of pixels in [0, 1], in one line; empty for nothing."""
    numbers = [float(value) for value in values]
    if len(numbers) != 3 or not all(math.isfinite(number) for number in numbers):
        return f"{name} must be three finite numbers, not {list(values)}"
    if name == "std" and min(numbers) <= 0:
        return f"std must be positive, not {list(values)}"
    if min(numbers) < 0 or max(numbers) > 1:
        return f"{name} must lie in [0, 1], as pixels do, not {list(values)}: divide those of pixels in 0–255 by 255"
    return ""

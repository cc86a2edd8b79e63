"""Images of a class at random: the comparison that the other selections have to beat.

A condition of the class-assignment study of Stock & Cissé (2018), section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from .base import Pool, Selection, Selector
from .drawing import draw


@dataclass(frozen=True)
class RandomSelector(Selector):
    """Prototypes and criticisms drawn alike from all images of the class."""

    name: ClassVar[str] = "random"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Random images"

    def select(self, pool: Pool, n_prototypes: int, n_criticisms: int, *, seed: int) -> Selection:
        """See `Selector.select`. The criticisms' pool is what the prototypes leave over."""
        everything = torch.ones(pool.size, dtype=torch.bool)
        return draw(
            pool,
            prototypes=everything,
            criticisms=everything,
            rules=("belong to the class", "belong to the class and are no prototypes"),
            counts=(n_prototypes, n_criticisms),
            seed=seed,
        )

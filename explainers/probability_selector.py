"""Images of a class by the probability that the classifier gives it: sure ones, and those it fails on.

Stock & Cissé (2018), section 3.3: prototypes above 0.9 for their own class, criticisms below 0.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import MethodError, Pool, Selection, Selector
from .drawing import draw


@dataclass(frozen=True)
class ProbabilitySelector(Selector):
    """above: prototypes have a larger probability of their class. below: criticisms have a smaller one. Both in
    [0, 1], `below` not over `above`."""

    name: ClassVar[str] = "probability"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "By probability of the class"
    needs: ClassVar[tuple[str, ...]] = ("probabilities",)

    above: float = 0.9
    below: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.below <= self.above <= 1:
            raise MethodError(f"0 ≤ below ≤ above ≤ 1 must hold, but below is {self.below} and above {self.above}")

    def select(self, pool: Pool, n_prototypes: int, n_criticisms: int, *, seed: int) -> Selection:
        """See `Selector.select`. Raises MethodError, too, for probabilities outside [0, 1]."""
        probabilities = pool.tensor("probabilities")
        outside = ((probabilities < 0) | (probabilities > 1)).nonzero()
        if len(outside):
            raise MethodError(
                f"class {pool.name!r}: image {int(outside[0])} has probability {float(probabilities[outside[0]])}"
            )
        return draw(
            pool,
            prototypes=probabilities > self.above,
            criticisms=probabilities < self.below,
            rules=(
                f"have a probability above {self.above} for their own class",
                f"have a probability below {self.below} for their own class",
            ),
            counts=(n_prototypes, n_criticisms),
            seed=seed,
        )

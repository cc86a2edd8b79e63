"""Images of a class by how an attack fares on them: those it never turns, and those it turns at once.

Stock & Cissé (2018), section 3.3: prototypes survive ten steps of IFGSM, criticisms flip at the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import MethodError, Pool, Selection, Selector
from .drawing import draw


@dataclass(frozen=True)
class AdversarialSelector(Selector):
    """Prototypes survive all steps of the attack that filled `Pool.flip_step` (ten, in the paper).

    criticism_step: criticisms flip at this step, 1 or later. Images wrong before the attack are neither.
    """

    name: ClassVar[str] = "adversarial"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "By resistance to an attack"
    needs: ClassVar[tuple[str, ...]] = ("flip_step",)

    criticism_step: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.criticism_step < 1:
            raise MethodError(f"{self.name}: criticism_step must be at least 1, not {self.criticism_step}")

    def select(self, pool: Pool, n_prototypes: int, n_criticisms: int, *, seed: int) -> Selection:
        """See `Selector.select`."""
        flip_step = pool.tensor("flip_step")
        return draw(
            pool,
            prototypes=flip_step == -1,
            criticisms=flip_step == self.criticism_step,
            rules=("survive the attack", f"flip at step {self.criticism_step}"),
            counts=(n_prototypes, n_criticisms),
            seed=seed,
        )

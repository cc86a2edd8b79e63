"""Drawing images from a pool by chance: what the selectors by rule have in common."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import MethodError, Pool, Selection


def draw(
    pool: Pool,
    *,
    prototypes: Tensor,
    criticisms: Tensor,
    rules: tuple[str, str],
    counts: tuple[int, int],
    seed: int,
) -> Selection:
    """Draw the prototypes, then the criticisms, without putting anything back.

    prototypes, criticisms: bool [n], which images of the pool may be either; they may overlap. rules: the same in
    words, after "images that". counts: how many of each. Raises MethodError naming the class, the rule and the size of
    a pool that is too small.
    """
    if min(counts) < 0:
        raise MethodError(f"a number of images cannot be negative, but is {min(counts)}")
    generator = torch.Generator().manual_seed(seed)
    left = torch.ones(pool.size, dtype=torch.bool)
    chosen: list[tuple[int, ...]] = []
    sizes: list[int] = []
    for kind, eligible, rule, count in zip(
        ("prototypes", "criticisms"), (prototypes, criticisms), rules, counts, strict=True
    ):
        candidates = (eligible.cpu() & left).nonzero().flatten()
        if len(candidates) < count:
            raise MethodError(
                f"class {pool.name!r}: {count} {kind} are wanted from the images that {rule}, but there are"
                f" {len(candidates)} among {pool.size}"
            )
        drawn = candidates[torch.randperm(len(candidates), generator=generator)[:count]]
        left[drawn] = False
        chosen.append(tuple(drawn.tolist()))
        sizes.append(len(candidates))
    return Selection(chosen[0], chosen[1], sizes[0], sizes[1], facts={})

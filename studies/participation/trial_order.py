"""Who meets what, and when: the order of conditions and the places of gold trials.

Pure functions of the study's seed and a participant's number, so that anybody can compute them again from the export.
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)

#: What the seeded draws are for, so that none of them repeats another.
CONDITIONS, GOLD_PLACES, GOLD_ORDER, ARRANGEMENT = range(4)


@lru_cache
def balanced_square(n: int) -> tuple[tuple[int, ...], ...]:
    """Rows of 0 … n - 1: over all rows each stands equally often at each place, and after each other one.

    A Latin square balanced for first-order carry-over (Williams 1949): n rows where n is even, twice as many where it
    is odd.
    """
    first = [0]
    for step in range(1, n):
        first.append(first[-1] + (step if step % 2 else -step))
    rows = [tuple((start + place) % n for place in first) for start in range(n)]
    if n % 2:
        rows += [row[::-1] for row in rows]
    return tuple(rows)


def condition_order(
    shares: Mapping[Key, int], met: Mapping[Key, int], *, number: int, visit: int, seed: int
) -> list[Key]:
    """The conditions in the order in which a participant's next stimulus is looked for.

    People go through the conditions in rounds, each condition once a round, or as many times as it has more stimuli
    than the smallest one.  Within a round the rows of a balanced square decide: so many participants as it has rows
    meet every condition equally often at every place.
    """
    keys = list(shares)
    if len(keys) < 2:
        return keys
    smallest = max(min(shares.values()), 1)
    each = {key: max(round(shares[key] / smallest), 1) for key in keys}
    rows = balanced_square(len(keys))
    group, row = divmod(number - 1, len(rows))
    turn = sum(met.get(key, 0) for key in keys) // sum(each.values())
    # Another assignment of conditions to the square's letters in each round and group.
    letters = np.random.default_rng([seed, CONDITIONS, visit, turn, group]).permutation(len(keys))
    place = {keys[letters[letter]]: at for at, letter in enumerate(rows[row])}
    return sorted(keys, key=lambda key: (met.get(key, 0) // each[key], place[key]))


def gold_places(n: int, gold: int, *, number: int, visit: int, seed: int) -> frozenset[int]:
    """At which of a visit's places 1 … n a participant meets gold: one in each of `gold` stretches of equal length."""
    random = np.random.default_rng([seed, GOLD_PLACES, visit, number])
    edges = [stretch * n // gold for stretch in range(gold + 1)] if gold else [0]
    return frozenset(int(random.integers(low, high)) + 1 for low, high in pairwise(edges) if low < high)


def gold_order(pool: Sequence[Key], *, number: int, seed: int) -> list[Key]:
    """The gold stimuli in the order in which a participant meets those that were met equally often by others."""
    return [pool[i] for i in np.random.default_rng([seed, GOLD_ORDER, number]).permutation(len(pool))]


def arrangement(n: int, *, number: int, stimulus: int, seed: int) -> int:
    """Which of the `n` orders of its choices or sides a stimulus has for a participant; each with the same chance."""
    return int(np.random.default_rng([seed, ARRANGEMENT, number, stimulus]).integers(n)) if n > 1 else 0

"""The groups of a class assignment: how their images are chosen, and what a page is given of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from studies.errors import StudyError

from .base import DesignError
from .selecting import TITLES, WAYS, rule

#: How many images of each class.
IMAGES = 6
LETTERS = "ABCDEF"
#: How the images of a class are chosen, how many of them are prototypes, and how many criticisms.
CONDITIONS: dict[str, tuple[str, int, int]] = {
    **{f"{way}-prototypes": (way, IMAGES, 0) for way in WAYS},
    **{f"{way}-prototypes-criticisms": (way, IMAGES // 2, IMAGES // 2) for way in WAYS},
    "random": ("random", IMAGES, 0),
}
WORDS = {
    key: TITLES[way] + (f", {n} prototypes" if way in WAYS else "") + (f" and {m} criticisms" if m else "")
    for key, (way, n, m) in CONDITIONS.items()
}


def groups_shown(
    design: Mapping[str, Any],
    condition: str,
    groups: Sequence[Sequence[tuple[Any, str]]],
    pictures: Mapping[str, Mapping[str, Any]],
    words: Sequence[Mapping[str, str]],
) -> list[dict[str, Any]]:
    """The groups as a page is given them, with `words` and roles where the design says so."""
    # Where all six are of one kind there is nothing to tell apart.
    marked = design["roles"] == "marked" and CONDITIONS[condition][2] > 0
    return [
        {
            "letter": letter,
            "pictures": [{**pictures[image.sha256], **({"role": role} if marked else {})} for image, role in group],
            **called,
        }
        for letter, called, group in zip(LETTERS, words, groups, strict=True)
    ]


def words_for(design: Mapping[str, Any], bench: Any) -> list[dict[str, str]]:
    """What a group is called besides its letter, by label: nothing, or the title of its class, and its gloss if any.

    Without the example image: one more picture of the class, always the same, would blur what is compared.
    """
    titles = bench.class_titles(design["classifier"])
    if design["names"] != "classes":
        return [{} for _ in titles]
    told = bench.glosses(design["classifier"])
    glosses = (told[label].text if label in told else "" for label in range(len(titles)))
    return [{"title": title, **({"gloss": text} if text else {})} for title, text in zip(titles, glosses, strict=True)]


def select(
    bench: Any,
    design: Mapping[str, Any],
    rounds: Sequence[tuple[Any, Sequence[int]]],
    pools: Mapping[int, Sequence[Any]],
    names: Sequence[str],
) -> dict[str, list[Any]]:
    """By condition the selections of all rounds, six a round.  DesignError, a line a condition, for pools too small."""
    asked = {label: bench.pool(names[label], images) for label, images in pools.items()}
    wanted = [(asked[label], design["seed"] + number) for number, (_, labels) in enumerate(rounds) for label in labels]
    from_pools, seeds = zip(*wanted, strict=True)
    selected, problems = {}, []
    for condition in design["conditions"]:
        way, n_prototypes, n_criticisms = CONDITIONS[condition]
        options = {**rule(way, design), "n_prototypes": n_prototypes, "n_criticisms": n_criticisms}
        try:
            selected[condition] = list(bench.selections(design["classifier"], from_pools, **options, seed=seeds))
        except StudyError as error:
            problems.append(f"condition {condition}: {error}.")
    if problems:
        raise DesignError([*problems, "Leave out these classes or these conditions, or change the rule."])
    return selected


def shuffled(selection: Any, random: np.random.Generator) -> list[tuple[Any, str]]:
    """The images of a group in random places, each with its role."""
    images = [(image, "prototype") for image in selection.prototypes]
    images += [(image, "criticism") for image in selection.criticisms]
    return [images[i] for i in random.permutation(len(images))]


def smallest_pool(selections: Sequence[Any]) -> int:
    """The smallest pool that anything was drawn from."""
    pools = [s.prototype_pool for s in selections] + [s.criticism_pool for s in selections if s.criticisms]
    return min(pools)

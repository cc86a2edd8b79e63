"""The groups of a class assignment: how their images are chosen, and what a page is given of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from studies.lib.errors import StudyError
from studies.protocols.base.protocol import DesignError

from .selections import ALWAYS_ALIKE, TITLES, WAYS, rule

#: How many images of each class.
IMAGES = 6
LETTERS = "ABCDEF"
#: How the images of a class are chosen, how many of them are prototypes, and how many criticisms.
CONDITIONS: dict[str, tuple[str, int, int]] = {
    **{f"{way}-prototypes": (way, IMAGES, 0) for way in WAYS},
    **{f"{way}-prototypes-criticisms": (way, IMAGES // 2, IMAGES // 2) for way in WAYS},
    "random": ("random", IMAGES, 0),
}
#: Whether the images that stand for a class are drawn again in each round; and what a result says of it.
EACH_ROUND, ONE_SET = "each_round", "one_set"
SETS = {
    EACH_ROUND: "The images of a class are drawn again in each round, by MMD-critic from a random half of the class.",
    ONE_SET: "Every round has the same images of a class: the result is about these sets too.",
    "before": "The images of a class are drawn again in each round, but by MMD-critic the same ones in all.",
}
#: Apart from every other draw of the same seed.
HALVES = 6151
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
    anew = design["selection_sets"] == EACH_ROUND
    asked = {label: bench.pool(names[label], images) for label, images in pools.items()}
    at = [(number, label) for number, (_, labels) in enumerate(rounds) for label in labels]
    seeds = [design["seed"] + (number if anew else 0) for number, _ in at]
    whole = [asked[label] for _, label in at]
    halves = [_half(bench, design, asked[label], names[label], number, label) for number, label in at] if anew else []
    selected, problems = {}, []
    for condition in design["conditions"]:
        way, n_prototypes, n_criticisms = CONDITIONS[condition]
        options = {**rule(way, design), "n_prototypes": n_prototypes, "n_criticisms": n_criticisms}
        # What always chooses the same from the same images is asked about different ones.
        from_pools = halves if anew and way in ALWAYS_ALIKE else whole
        try:
            selected[condition] = list(bench.selections(design["classifier"], from_pools, **options, seed=seeds))
        except StudyError as error:
            problems.append(f"condition {condition}: {error}.")
    if problems:
        raise DesignError([*problems, "Leave out these classes or these conditions, or change the rule."])
    return selected


def _half(bench: Any, design: Mapping[str, Any], pool: Any, name: str, number: int, label: int) -> Any:
    """A random half of a class for one round, in its old order; never fewer images than a group has."""
    size = min(len(pool.images), max(-(-len(pool.images) // 2), IMAGES))
    random = np.random.default_rng([design["seed"], HALVES, number, label])
    chosen = sorted(random.permutation(len(pool.images))[:size].tolist())
    return bench.pool(name, [pool.images[place] for place in chosen])


def shuffled(selection: Any, random: np.random.Generator) -> list[tuple[Any, str]]:
    """The images of a group in random places, each with its role."""
    images = [(image, "prototype") for image in selection.prototypes]
    images += [(image, "criticism") for image in selection.criticisms]
    return [images[i] for i in random.permutation(len(images))]


def smallest_pool(selections: Sequence[Any]) -> int:
    """The smallest pool that anything was drawn from."""
    pools = [s.prototype_pool for s in selections] + [s.criticism_pool for s in selections if s.criticisms]
    return min(pools)

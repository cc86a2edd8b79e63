"""Checks: trials whose answer is known, taken from images the classifier gets right with confidence.

Gold trials look like all others and tell who is not looking; practice trials and the example show people what to do.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .base import DesignError, StimulusSpec
from .glossing import glossed

#: The probability of its true class from which an image is clear enough to be checked with.
CLEAR = 0.9
#: So many times the gold trials of one person are prepared, so that people do not all meet the same.
POOL = 3
#: Apart from every other draw of the same seed.
STREAM = 7919


def roles(design: Mapping[str, Any], visits: int = 1) -> list[tuple[str, int, int]]:
    """The kinds of check a design asks for: how many are needed, and how many are prepared where there are enough."""
    gold = design["gold"] * visits
    wanted = [("example", int(design["example"])), ("practice", design["practice"])]
    return [(role, n, n) for role, n in wanted if n] + ([("gold", gold, POOL * gold)] if gold else [])


def clear(predictions: Iterable[Any]) -> list[Any]:
    """The predictions that are right and sure, one of each photograph."""
    sure = (p for p in predictions if p.top[0].label == p.image.label and p.true_probability >= CLEAR)
    return list({prediction.image.sha256: prediction for prediction in sure}.values())


def questions(
    design: Mapping[str, Any],
    bench: Any,
    images: Iterable[Any],
    *,
    condition: str,
    asks: int = 1,
    visits: int = 1,
) -> Iterator[StimulusSpec]:
    """The checks of a protocol that asks about `asks` classes of each image at once, to be answered yes or no.

    Half of them name the image's class, the others only classes that the classifier does not think of.  DesignError
    where too few images are clear enough.  Nothing is asked of the bench where the design wants no checks.
    """
    if not (wanted := roles(design, visits)):
        return
    classifier = design["classifier"]
    names, titles, told = bench.class_names(classifier), bench.class_titles(classifier), bench.glosses(classifier)
    candidates = clear(bench.predictions(classifier, images))
    made = shares(wanted, len(candidates), f"the classifier gets right with at least {CLEAR:.0%}")
    bench.note(checks=made)
    random = np.random.default_rng([design["seed"], STREAM])
    drawn = [candidates[i] for i in random.permutation(len(candidates))[: sum(made.values())]]
    pictures = bench.pictures(classifier, [prediction.image for prediction in drawn])
    roles_of = [role for role, n in made.items() for _ in range(n)]
    # Of each kind every other one is right, the first for certain: an example shows what is meant by yes.
    right = [i % 2 == 0 for n in made.values() for i in range(n)]
    for role, is_right, prediction, picture in zip(roles_of, right, drawn, pictures, strict=True):
        image = prediction.image
        guessed = {guess.label for guess in prediction.top}
        outside = [label for label in range(len(names)) if label not in guessed]
        outside = outside or [label for label in range(len(names)) if label != image.label]
        others = [outside[i] for i in random.permutation(len(outside))]
        labels = [image.label, *others][:asks] if is_right else others[:asks]
        labels = [labels[i] for i in random.permutation(len(labels))]
        called = [titles[label] for label in labels]
        yield StimulusSpec(
            condition=condition,
            role=role,
            family=image.sha256,
            shown={
                "picture": picture.as_json(),
                "ask": ", ".join(called),
                **({"asks": called} if len(called) > 1 else {}),
                # A check without what the others say of their words would be known by that.
                **glossed(told, labels, image),
            },
            truth={
                "image": image.path,
                "label": "; ".join(names[label] for label in labels),
                "true_label": names[image.label],
                "true_probability": prediction.true_probability,
                "expected": "yes" if is_right else "no",
            },
        )


def shares(wanted: Sequence[tuple[str, int, int]], available: int, what: str) -> dict[str, int]:
    """How many checks of each kind are made of so many images; DesignError where they are too few."""
    needed = sum(n for _, n, _ in wanted)
    if available < needed:
        kinds = ", ".join(f"{role} {n}" for role, n, _ in wanted)
        raise DesignError([f"the checks ({kinds}) need {needed} images that {what}, and there are {available}"])
    found = {}
    left = available - needed
    for role, n, most in wanted:
        found[role] = n + min(most - n, left)
        left -= found[role] - n
    return found

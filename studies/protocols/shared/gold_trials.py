"""Checks: trials whose answer is known, taken from images the classifier gets right with confidence.

Gold trials look like all others and tell who is not looking; practice trials and the example show people what to do.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from studies.protocols.base.protocol import DesignError, StimulusSpec
from studies.protocols.base.session_form import CLEAR

from .class_glosses import glossed

#: Apart from every other draw of the same seed.
STREAM = 7919


def roles(design: Mapping[str, Any], main: int, visits: int = 1) -> list[tuple[str, int, int]]:
    """The kinds of check a design asks for: how many are needed, and how many are prepared where there are enough.

    main: how many main stimuli the study has.  Of gold so many are prepared that each is met as often as one of these
    is: what people see more often than the rest, or less often, gives itself away at a second look.
    """
    gold, of_main = design["gold"], min(design["trials_per_participant"], main)
    pool = math.ceil(main * gold / of_main) if of_main else 0
    wanted = [("example", int(design["example"])), ("practice", design["practice"])]
    needed = gold * visits
    return [(role, n, n) for role, n in wanted if n] + ([("gold", needed, max(needed, pool))] if gold else [])


def clear(predictions: Iterable[Any]) -> list[Any]:
    """The predictions that are right and sure, one of each photograph."""
    sure = (p for p in predictions if p.top[0].label == p.image.label and p.true_probability >= CLEAR)
    return list({prediction.image.sha256: prediction for prediction in sure}.values())


def usable(design: Mapping[str, Any], predictions: Iterable[Any], *, without: Collection[str] = ()) -> list[Any]:
    """The clear predictions of photographs whose digests are not in `without`, for control trials.

    Where the design names the photographs of its control trials: those alone, in its order; DesignError for one that
    cannot be used.
    """
    found = [one for one in clear(predictions) if one.image.sha256 not in without]
    paths = design.get("check_images", [])
    by_path = {one.image.path: one for one in found} if paths else {}
    if unusable := next((path for path in paths if path not in by_path), ""):
        raise DesignError(
            [
                f"check_images: {unusable} cannot be a control trial: the classifier is not right with at least "
                f"{CLEAR:.0%}, or the photograph is used otherwise"
            ]
        )
    return [by_path[path] for path in paths] if paths else found


def order(design: Mapping[str, Any], n: int, random: np.random.Generator) -> list[int]:
    """The places of n usable photographs in the order in which they are used: as chosen, or drawn."""
    drawn = random.permutation(n).tolist()
    return list(range(n)) if design.get("check_images") else drawn


def draw(
    design: Mapping[str, Any], bench: Any, images: Iterable[Any], *, main: int, visits: int = 1
) -> tuple[dict[str, int], list[tuple[str, Any, Any]], np.random.Generator]:
    """Images for the checks beside `main` stimuli: how many of each role; role, prediction and picture of each; and a
    generator to go on.

    DesignError where too few images are clear enough.  Nothing is asked of the bench where the design wants no checks.
    """
    random = np.random.default_rng([design["seed"], STREAM])
    if not (wanted := roles(design, main, visits)):
        return {}, [], random
    # A class is not explained by the very picture that is asked about: such a check would be known by that.
    told = bench.glosses(design["classifier"]).values()
    examples = {gloss.example.image.sha256 for gloss in told if gloss.example}
    candidates = usable(design, bench.predictions(design["classifier"], images), without=examples)
    made = shares(wanted, len(candidates), f"the classifier gets right with at least {CLEAR:.0%}")
    bench.add_to_report(checks=made)
    drawn = [candidates[i] for i in order(design, len(candidates), random)[: sum(made.values())]]
    pictures = bench.pictures(design["classifier"], [prediction.image for prediction in drawn])
    roles_of = [role for role, n in made.items() for _ in range(n)]
    return made, list(zip(roles_of, drawn, pictures, strict=True)), random


def questions(
    design: Mapping[str, Any],
    bench: Any,
    images: Iterable[Any],
    *,
    condition: str,
    main: int,
    asks: int = 1,
    visits: int = 1,
) -> Iterator[StimulusSpec]:
    """The checks of a protocol that asks about `asks` classes of each image at once, to be answered yes or no, beside
    `main` stimuli.

    Half of them name the image's class, the others classes that the classifier does not think of, or hardly: of the
    image set, and where these are too few, of its other outputs.  DesignError where too few images are clear enough.
    Nothing is asked of the bench where the design wants no checks.
    """
    made, drawn, random = draw(design, bench, images, main=main, visits=visits)
    if not made:
        return
    classifier = design["classifier"]
    names, titles, told = bench.class_names(classifier), bench.class_titles(classifier), bench.glosses(classifier)
    classes = bench.class_labels(classifier)
    without_class = sorted(set(range(len(names))) - set(classes))
    # Of each kind every other one is right, the first for certain: an example shows what is meant by yes.
    right = [i % 2 == 0 for n in made.values() for i in range(n)]
    for (role, prediction, picture), is_right in zip(drawn, right, strict=True):
        image = prediction.image
        guessed = [guess.label for guess in prediction.top]
        outside = [label for label in classes if label not in guessed]
        others = [outside[i] for i in random.permutation(len(outside))]
        if len(others) < asks:
            rest = [label for label in without_class if label not in guessed]
            others += [rest[i] for i in random.permutation(len(rest))]
        # Where there still are too few, the least likely guesses: a check that asks about fewer would be known by that.
        others += [label for label in reversed(guessed) if label != image.label]
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


def in_turn(made: Mapping[str, int], n: int, random: np.random.Generator) -> list[int]:
    """For the checks of each role, in order, which of n places the right answer has: each as often as any other, but
    for one, so that no answer is right for all of them."""
    found: list[int] = []
    for checks in made.values():
        rounds = [random.permutation(n).tolist() for _ in range(-(-checks // n))]
        found += [place for one in rounds for place in one][:checks]
    return found

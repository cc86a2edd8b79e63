"""The rounds of a class assignment: their targets, their classes, and which classes are confused with each other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle, islice
from typing import Any

import numpy as np

from studies.protocols.base.protocol import DesignError

from . import gold_trials

#: How many classes a round has.
CLASSES = 6


def confusion_of(predictions: Iterable[Any], labels: Sequence[int]) -> np.ndarray:
    """[n, n] of these n labels, symmetric: the mean probability that images of one are given for the other, both ways.

    What is given for any other output counts for none of them.
    """
    places = {label: place for place, label in enumerate(labels)}
    given, counts = np.zeros((len(labels), len(labels))), np.zeros(len(labels))
    for prediction in predictions:
        true = places[prediction.image.label]
        counts[true] += 1
        for guess in prediction.top:
            if guess.label in places:
                given[true, places[guess.label]] += guess.probability
    means = given / np.maximum(counts, 1)[:, None]
    return means + means.T


def draw_rounds(
    pools: Mapping[int, Sequence[Any]],
    names: Sequence[str],
    n: int,
    confusion: np.ndarray | None,
    random: np.random.Generator,
) -> Iterator[tuple[Any, list[int]]]:
    """The target of each round and the labels of its classes in the order of their groups.

    confusion: of the labels of `pools`, in their order.
    Classes take turns at having the target; no image is the target of two rounds.  DesignError for a class with fewer
    images than targets.
    """
    labels = np.array(list(pools))
    turns = list(islice(cycle(random.permutation(labels).tolist()), n))
    targets = {}
    for label in labels.tolist():
        # One photograph under two paths is one target.
        different = list({image.sha256: image for image in pools[label]}.values())
        wanted = turns.count(label)
        if len(different) < wanted:
            found = f"{wanted} targets are wanted from its images, but there are {len(different)}"
            raise DesignError([f"class {names[label]!r}: {found}"])
        targets[label] = iter([different[i] for i in random.permutation(len(different))[:wanted]])
    places = {label: place for place, label in enumerate(labels.tolist())}
    for label in turns:
        others = random.permutation(labels[labels != label])
        if confusion is not None:
            columns = [places[other] for other in others.tolist()]
            others = others[np.argsort(-confusion[places[label], columns], kind="stable")]
        yield next(targets[label]), random.permutation([label, *others[: CLASSES - 1]]).tolist()


def hold_out(pools: dict[int, list[Any]], targets: Sequence[Any]) -> None:
    """Take every target out of its pool: shown in the group of another round, it would give its class away."""
    held_out = {target.sha256 for target in targets}
    for label, images in pools.items():
        pools[label] = [image for image in images if image.sha256 not in held_out]


def clear_rounds(
    clear: Iterable[Any],
    targets: Sequence[Any],
    wanted: Sequence[tuple[str, int, int]],
    size: int,
    random: np.random.Generator,
    *,
    chosen: Sequence[Any] = (),
) -> tuple[dict[str, int], list[tuple[Any, dict[int, list[Any]]]]]:
    """Rounds of clear images alone, none of them a target of the study: how many of each kind of check, then each
    round's target and its groups of `size` images by label, in order.

    `wanted` is what `gold_trials.roles` gives.  chosen: the targets of these rounds in their order, where a design
    names them.  DesignError where too few classes have enough such images.
    """
    held_out = {image.sha256 for image in (*targets, *chosen)}
    pools: dict[int, list[Any]] = {}
    for image in clear:
        if image.sha256 not in held_out:
            pools.setdefault(image.label, []).append(image)
    # Of each class so many are shown, the rest can be targets.
    pools = {label: [pool[i] for i in random.permutation(len(pool))] for label, pool in sorted(pools.items())}
    pools = {label: pool for label, pool in pools.items() if len(pool) > size}
    if len(pools) < CLASSES:
        clearly = f"that the classifier gets right with at least {gold_trials.CLEAR:.0%}"
        needed = f"{CLASSES} classes with more than {size} images {clearly}, besides the targets"
        raise DesignError([f"the checks need {needed}, and there are {len(pools)}"])
    if few := next((image for image in chosen if image.label not in pools), None):
        raise DesignError([f"check_images: the class of {few.path} has too few other clear images"])
    left = list(chosen) or [image for pool in pools.values() for image in pool[size:]]
    made = gold_trials.shares(wanted, len(left), "could be the targets of checks")
    rounds = []
    places = list(range(len(left))) if chosen else random.permutation(len(left)).tolist()
    for target in (left[i] for i in places[: sum(made.values())]):
        others = random.permutation([label for label in pools if label != target.label])[: CLASSES - 1]
        labels = random.permutation([target.label, *others]).tolist()
        groups = {label: [pools[label][i] for i in random.permutation(size)] for label in labels}
        rounds.append((target, groups))
    return made, rounds

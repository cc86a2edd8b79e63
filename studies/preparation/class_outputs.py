"""Which output of a classifier stands for which class of its image set, and what its outputs are called.

A *label* is an output everywhere but in the rows of an image set, where it is a class's place among the classes.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from studies.models import Classifier


@dataclass(frozen=True)
class ClassOutputs:
    """of_classes: the output of each class, by its index.  names, titles: of all outputs, in their order; a class has
    its own, another output the one its network came with, or `output 217`.  No two outputs have one name.
    """

    of_classes: tuple[int, ...]
    names: tuple[str, ...]
    titles: tuple[str, ...]


def class_outputs(classifier: Classifier) -> ClassOutputs:
    """The mapping that was stored with the classifier, with the names and titles its classes have today."""
    rows = list(classifier.image_set.classes.order_by("index").values_list("name", "title"))
    # A row that says nothing has its classes in the order of its outputs.
    of_classes = classifier.class_mapping.get("classes") or range(len(rows))
    own = dict(zip(of_classes, rows, strict=True))
    others = dict(_others(classifier, own))
    names = tuple(own[i][0] if i in own else others[i] for i in range(classifier.n_outputs))
    titles = tuple(own[i][1] if i in own else others[i] for i in range(classifier.n_outputs))
    return ClassOutputs(tuple(of_classes), names, titles)


def _others(classifier: Classifier, own: dict[int, tuple[str, str]]) -> Iterator[tuple[int, str]]:
    """Names of the outputs without a class, none of them a class's or another output's."""
    given: Sequence[str] = classifier.class_mapping.get("names") or [""] * classifier.n_outputs
    times = Counter(name for i, name in enumerate(given) if i not in own)
    taken = {name for name, _ in own.values()}
    for i, name in enumerate(given):
        if i in own:
            continue
        unique = name if name and times[name] == 1 else f"{name} (output {i})" if name else f"output {i}"
        while unique in taken:
            unique += f" (output {i})"
        taken.add(unique)
        yield i, unique

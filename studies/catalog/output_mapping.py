"""Which output of a classifier is which class of its image set: found where it is certain, else asked for.

In this order: what the researcher says (`--outputs`); the numbers that the image set brings (folders named by whole
numbers, or the column index of labels.csv); the names the network comes with; ImageNet's order for WordNet ids; and
the sorted class names, if there are exactly as many outputs and numbers in the names leave no doubt about the order.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from studies.lib.errors import StudyError
from studies.models import Classifier, ImageClass, ImageSet

from . import imagenet
from .output_lists import Aliases, OutputList, parse_list

#: Orders that `--outputs` names instead of a file.
TEXT_ORDER, NUMBER_ORDER, IMAGENET = "text-order", "number-order", "imagenet"
ORDERS = {
    TEXT_ORDER: "the class names sorted as text, as torchvision’s ImageFolder does",
    NUMBER_ORDER: "the class names sorted by the numbers in them",
    IMAGENET: "ImageNet’s 1,000 classes, by their WordNet ids",
}
REMEDY = (
    "say which output is which class: --outputs FILE with a line for each output, or CSV with the columns class and "
    "index"
)

_LONGEST_NAME = 200


@dataclass(frozen=True)
class OutputMapping:
    """The output of each class, by its index; the network's own names of all outputs, or none; and how it was found."""

    classes: tuple[int, ...]
    names: tuple[str, ...]
    by: str

    def as_json(self) -> dict[str, Any]:
        """What is kept with the classifier."""
        return {"classes": list(self.classes), "names": list(self.names), "by": self.by}

    def recipe(self) -> dict[str, Any]:
        """What the classifier's digest covers of it."""
        return {"classes": list(self.classes), "names": list(self.names)}


def map_outputs(
    image_set: ImageSet, n_outputs: int, *, names: Sequence[str] = (), given: str = "", called: str = "--outputs"
) -> OutputMapping:
    """The mapping of a network's outputs to the classes of an image set.

    names: what the network itself calls its outputs, where its library says so.  given: what the researcher says, the
    text of a list or one of ORDERS; called: what messages call it.  StudyError, in one line with the remedy, where it
    is not certain which output is which class.
    """
    classes = list(image_set.classes.order_by("index"))
    known = tuple(names) if len(names) == n_outputs else ()
    if n_outputs < len(classes):
        raise StudyError(f"has {n_outputs:,} outputs, too few for {len(classes):,} classes")
    if given.strip() in ORDERS:
        return _by_order(given.strip(), classes, n_outputs, known)
    if given:
        return _by_list(given, called, classes, n_outputs, known)
    return _by_default(classes, n_outputs, known)


def in_words(classifier: Classifier) -> Iterator[str]:
    """Lines that say which output is which class, for whoever has to see at a glance that it is right."""
    rows = list(classifier.image_set.classes.order_by("index"))
    stored = classifier.class_mapping
    pairs = [f"{_called(row)} is output {stored['classes'][row.index]}" for row in rows]
    shown = pairs if len(pairs) <= 4 else [*pairs[:2], "…", pairs[-1]]
    yield f"Outputs {stored['by']}: {', '.join(shown)}."
    if without := classifier.n_outputs - len(rows):
        outputs = f"{without:,} of {classifier.n_outputs:,} outputs"
        yield f"{outputs} have no class here; they may be predicted and asked about."
        if nameless := len(set(range(classifier.n_outputs)) - set(stored["classes"])) - _named(stored):
            last = max(set(range(classifier.n_outputs)) - set(stored["classes"]))
            yield f"{nameless:,} of them have no name: participants read “output {last}”. --outputs FILE names them."


def _named(stored: dict[str, Any]) -> int:
    """How many of the outputs without a class have a name."""
    of_classes = set(stored["classes"])
    return sum(bool(name) for i, name in enumerate(stored["names"]) if i not in of_classes)


def _called(row: ImageClass) -> str:
    return row.name if row.title in (row.name, row.name.replace("_", " ")) else f"{row.name} ({row.title})"


# --- without a word of the researcher's -------------------------------------------------------------------------------


def _by_default(classes: Sequence[ImageClass], n_outputs: int, known: tuple[str, ...]) -> OutputMapping:
    if all(row.output is not None for row in classes):
        numbers = [row.output for row in classes]
        remedy = f"{REMEDY}, or --outputs {NUMBER_ORDER} to count them from the first"
        return OutputMapping(_checked(numbers, classes, n_outputs, remedy), known, "by the numbers of the classes")
    if known:
        matched, problems = _match(classes, _aliases_of(known))
        if not problems:
            return OutputMapping(_checked(matched, classes, n_outputs, REMEDY), known, "by the network’s own names")
        if len(problems) < len(classes):
            missing = _missing(problems, classes, "among the names of the network’s outputs")
            raise StudyError(f"{missing}; {REMEDY}")
    if n_outputs == len(imagenet.classes()) and all(imagenet.find(row.wordnet_id) for row in classes):
        return _by_order(IMAGENET, classes, n_outputs, known)
    if n_outputs == len(classes):
        as_text, as_numbers = sorted(row.name for row in classes), sorted((row.name for row in classes), key=_natural)
        if as_text != as_numbers:
            one, other = next(pair for pair in zip(as_text, as_numbers, strict=True) if len(set(pair)) > 1)
            raise StudyError(
                f"sorted as text {one} comes before {other}, sorted by the numbers in them the other way round: say "
                f"--outputs {TEXT_ORDER}, as torchvision’s ImageFolder sorts, or --outputs {NUMBER_ORDER}, or give a "
                "list of them"
            )
        # Macs write é as e and an accent, which is sorted elsewhere; names are kept composed here.
        if as_text != (apart := sorted(as_text, key=lambda name: unicodedata.normalize("NFD", name))):
            one, other = next(pair for pair in zip(as_text, apart, strict=True) if len(set(pair)) > 1)
            raise StudyError(
                f"{one} comes before {other}, but after it where accents are letters of their own, as on a Mac: say "
                f"--outputs {TEXT_ORDER} for the first order, or give a list of them"
            )
        return OutputMapping(tuple(range(n_outputs)), known, "in the order of the class names")
    wordnet = f", or --outputs {IMAGENET} for ImageNet’s usual order" if n_outputs == 1000 else ""
    raise StudyError(
        f"the network has {n_outputs:,} outputs, and the image set {len(classes):,} classes: {REMEDY}{wordnet}"
    )


# --- by what the researcher says --------------------------------------------------------------------------------------


def _by_order(order: str, classes: Sequence[ImageClass], n_outputs: int, known: tuple[str, ...]) -> OutputMapping:
    if order == IMAGENET:
        names = tuple(one.name for one in imagenet.classes())
        if n_outputs != len(names):
            raise StudyError(f"--outputs {IMAGENET} is for {len(names):,} outputs, and the network has {n_outputs:,}")
        matched, problems = _match(classes, _aliases_of(names))
        if problems:
            raise StudyError(_missing(problems, classes, "among ImageNet’s 1,000"))
        by = "in ImageNet’s order of WordNet ids"
        return OutputMapping(_checked(matched, classes, n_outputs, ""), known or names, by)
    if n_outputs != len(classes):
        numbers = f"{n_outputs:,} outputs, and the image set {len(classes):,} classes"
        raise StudyError(f"--outputs {order} needs as many outputs as classes, and the network has {numbers}")
    if order == NUMBER_ORDER:
        if not any(re.search("[0-9]", row.name) for row in classes):
            raise StudyError(
                f"--outputs {order}: there are no numbers in the class names, {_few([row.name for row in classes])}"
            )
        ordered = sorted(classes, key=lambda row: _natural(row.name))
    else:
        ordered = sorted(classes, key=lambda row: row.name)
    places = {row.index: place for place, row in enumerate(ordered)}
    return OutputMapping(tuple(places[row.index] for row in classes), known, f"by --outputs {order}")


def _by_list(
    text: str, called: str, classes: Sequence[ImageClass], n_outputs: int, known: tuple[str, ...]
) -> OutputMapping:
    numbered = all(row.name.isascii() and row.name.isdecimal() for row in classes)
    meanings = parse_list(text, called, n_classes=len(classes), n_outputs=n_outputs, numbered=numbered)
    found = [_mapping(one, called, classes, n_outputs, known) for one in meanings]
    if len({one.classes for one in found}) > 1:
        raise StudyError(
            f"{called}: its numbers could be the outputs of the classes, or the classes of the outputs: use CSV with "
            "the columns class and index"
        )
    return found[0]


def _mapping(
    meant: OutputList, called: str, classes: Sequence[ImageClass], n_outputs: int, known: tuple[str, ...]
) -> OutputMapping:
    by = f"by {called}"
    if meant.of_classes is not None:
        if len(meant.of_classes) != len(classes):
            numbers = f"{len(meant.of_classes):,} numbers in it, and {len(classes):,} classes"
            raise StudyError(f"{called}: there are {numbers}")
        return OutputMapping(_checked(meant.of_classes, classes, n_outputs, called), known, by)
    aliases = meant.aliases or {}
    if meant.complete and len(aliases) != n_outputs:
        raise StudyError(f"{called}: there are {len(aliases):,} names in it, and the network has {n_outputs:,} outputs")
    if aliases and max(aliases) >= n_outputs:
        last = f"{n_outputs:,} outputs, 0 to {n_outputs - 1}"
        raise StudyError(f"{called}: output {max(aliases)} is in it, and the network has {last}")
    matched, problems = _match(classes, aliases)
    if problems:
        raise StudyError(f"{called}: {_missing(problems, classes, 'in it')}")
    # The last one of an output's names is the one people can read.
    names = tuple(aliases[i][-1] if i in aliases else known[i] if known else "" for i in range(n_outputs))
    return OutputMapping(_checked(matched, classes, n_outputs, called), names, by)


def _natural(name: str) -> str:
    """What sorts `class 2` before `class 10`, and names without numbers as they are sorted anyway."""
    return re.sub("[0-9]+", lambda number: number[0].zfill(_LONGEST_NAME), name)


# --- names that are compared ------------------------------------------------------------------------------------------


def _aliases_of(names: Sequence[str]) -> Aliases:
    """What outputs with these names are called; those of ImageNet by their WordNet ids too."""
    ids = [one.wordnet_id for one in imagenet.classes()] if _imagenet(names) else [""] * len(names)
    return {
        i: (identifier, name) if identifier else (name,)
        for i, (identifier, name) in enumerate(zip(ids, names, strict=True))
    }


def _imagenet(names: Sequence[str]) -> bool:
    return list(names) == [one.name for one in imagenet.classes()]


def _match(classes: Sequence[ImageClass], aliases: Aliases) -> tuple[list[int], list[str]]:
    """The output of each class, -1 for none; and the classes without one, or with several, in words."""
    exact, loose = defaultdict(set), defaultdict(set)
    for output, names in aliases.items():
        for name in names:
            exact[name].add(output)
            # `tench, Tinca tinca` is called both.
            for part in {name, *name.split(",")}:
                loose[imagenet.plain(part)].add(output)
    matched, problems = [], []
    for row in classes:
        wanted = [name for name in (row.name, row.wordnet_id, row.title) if name]
        ways: Iterable[set[int]] = [
            *(exact[name] for name in wanted if name in exact),
            *(loose[imagenet.plain(name)] for name in wanted if imagenet.plain(name) in loose),
        ]
        found = next((way for way in ways if len(way) == 1), None)
        if found is None:
            several = next(iter(ways), None)
            outputs = f" (outputs {' and '.join(str(i) for i in sorted(several))})" if several else ""
            problems.append(f"{row.name}{outputs}")
        matched.append(next(iter(found)) if found else -1)
    return matched, problems


def _checked(
    outputs: Sequence[int | None], classes: Sequence[ImageClass], n_outputs: int, remedy: str
) -> tuple[int, ...]:
    """The outputs, of which each is there and stands for one class."""
    seen: dict[int, str] = {}
    after = f": {remedy}" if remedy else ""
    for row, output in zip(classes, outputs, strict=True):
        if output is None or output >= n_outputs:
            last = f"the network has outputs 0 to {n_outputs - 1}"
            raise StudyError(f"class {row.name} would be output {output}, and {last}{after}")
        if output in seen:
            raise StudyError(f"the classes {seen[output]} and {row.name} would both be output {output}{after}")
        seen[output] = row.name
    return tuple(seen)


def _missing(problems: Sequence[str], classes: Sequence[ImageClass], where: str) -> str:
    """How many classes have no output, and which."""
    verb = "is" if len(problems) == 1 else "are"
    return f"{len(problems):,} of {len(classes):,} classes {verb} not {where}: {_few(problems)}"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more

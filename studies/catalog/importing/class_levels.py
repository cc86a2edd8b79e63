"""Which level of folders the classes are: judged by where the accepted photographs lie, and never guessed."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Words in names of folders that divide a data set and are not classes; compared without case.
SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing", "dev", "holdout", "eval"}
#: What stands beside such a word, as in `training_set`, `train2017` or `images-val`.
BESIDE = {"set", "sets", "split", "data", "dataset", "image", "images", "img", "imgs", "photos", "pictures"}
#: How many classes of a level that is not chosen are named in a sentence.
NAMED = 4


@dataclass(frozen=True)
class Level:
    """One level of folders, 1 next to the root: the photographs of each folder, and how many lie above it."""

    number: int
    classes: dict[str, int]
    above: int

    def in_words(self) -> str:
        """As `--level 2: cat 3, dog 3 and 4 more`."""
        named = [f"{name} {n:,}" for name, n in list(self.classes.items())[:NAMED]]
        more = f" and {len(self.classes) - NAMED:,} more" if len(self.classes) > NAMED else ""
        above = f", {self.above:,} images above it" if self.above else ""
        return f"--level {self.number} ({', '.join(named)}{more}{above})"


@dataclass(frozen=True)
class Judgement:
    """The level of the classes; where it is not certain None, and `reason` says why in one line."""

    level: int | None
    reason: str
    levels: tuple[Level, ...]

    def question(self) -> str:
        """The reason with what can be said about it on the command line."""
        ways = " or ".join(one.in_words() for one in self.levels)
        return f"{self.reason}: say which level of folders the classes are, {ways}"


def judge(paths: Sequence[str]) -> Judgement:
    """The level of the classes among photographs at these paths below the root.

    It is certain where all photographs lie equally deep, exactly one level has several folders, and no two of these
    are called as parts of a data set are, train and val for example.  Without any folder there is no level, and without
    a photograph no reason either.
    """
    folders = [tuple(path.split("/")[:-1]) for path in paths]
    depths = Counter(map(len, folders))
    levels = tuple(_levels(folders, max(depths, default=0)))
    if not levels:
        reason = "the photographs lie in no folders: put one folder a class there, or a labels.csv" if paths else ""
        return Judgement(None, reason, ())
    if len(depths) > 1:
        shallow, deep = (min(paths, key=lambda path: (path.count("/") * sign, path)) for sign in (1, -1))
        return Judgement(None, f"photographs lie at several depths, {shallow} and {deep} for example", levels)
    several = [one for one in levels if len(one.classes) > 1]
    if not several:
        only = ", ".join(name for one in levels for name in one.classes)
        what = "one folder only" if len(levels) == 1 else "one folder only at every level"
        return Judgement(None, f"there is {what}, {only}, and so one class", levels)
    if len(several) > 1:
        names = " and ".join(f"{_few(list(one.classes))} at level {one.number}" for one in several)
        return Judgement(None, f"folders differ at several levels, {names}", levels)
    # One alone may be a class: trains, for example.
    if len(parts := [name for name in several[0].classes if divides(name)]) > 1:
        return Judgement(None, f"{_few(parts)} look like parts of a data set, not like classes", levels)
    return Judgement(several[0].number, "", levels)


def class_at(path: str, level: int) -> str:
    """The folder of that level that a path goes through; nothing where it does not go so deep, or is no path below."""
    parts = path.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in path or ":" in parts[0]:
        return ""
    return parts[level - 1] if len(parts) > level else ""


def without_wrapper(paths: Sequence[str], level: int) -> dict[str, str]:
    """Each path without the folders around everything, above the level of the classes."""
    tops = [path.split("/")[: level - 1] for path in paths]
    shared = 0
    while shared < level - 1 and len({tuple(top[: shared + 1]) for top in tops}) == 1:
        shared += 1
    return {path: "/".join(path.split("/")[shared:]) for path in paths}


def _levels(folders: Sequence[tuple[str, ...]], deepest: int) -> Iterator[Level]:
    for number in range(1, deepest + 1):
        counts = Counter(one[number - 1] for one in folders if len(one) >= number)
        yield Level(number, dict(sorted(counts.items())), sum(len(one) < number for one in folders))


def divides(name: str) -> bool:
    """Whether something is called as a part of a data set is."""
    words = {word.removesuffix("set") for word in re.split(r"[\W\d_]+", name.casefold())} - BESIDE - {""}
    return bool(words) and words <= SPLITS


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")

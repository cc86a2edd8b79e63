"""From a source of files to photographs with their classes: what is listed, what each file is, and all of it together.

Nothing is decided before everything was looked at: `listed`, then `examine` for each, then `settle`.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from django.conf import settings

from explainers import images
from studies.lib import storage
from studies.lib.errors import StudyError

from . import labels_file
from .class_levels import Judgement, class_at, divides, judge, without_wrapper
from .labels_file import Listed
from .sources import LABELS, LONGEST_CLASS, FileRefused, Found, Source, Spellings, printable

EMPTY_FOLDER = "a folder without photographs"
SAME_UNDER_TWO = "the same photograph under two labels"


@dataclass(frozen=True)
class Examined:
    """What became of a file: kept under its digest, refused, or left out."""

    path: str
    label: str = ""
    refused: str = ""
    left_out: str = ""
    #: What is said of a photograph that was taken.
    note: str = ""
    #: It is not a photograph at all, as a text file is.
    foreign: bool = False
    #: The number of its class in labels.csv.
    output: int | None = None
    sha256: str = ""
    file: str = ""
    width: int = 0
    height: int = 0
    #: Its place among all of the source's files.
    number: int = 0


@dataclass(frozen=True)
class Settled:
    """All files with their classes.  judgement: of the level of folders; None where labels.csv names the classes."""

    accepted: list[Examined]
    left_out: list[Examined]
    refused: list[Examined]
    judgement: Judgement | None = None

    @property
    def undecided(self) -> str:
        """Why it is not certain which folders the classes are, or nothing."""
        return self.judgement.reason if self.judgement and self.judgement.level is None else ""


# --- what there is ----------------------------------------------------------------------------------------------------


def listed(source: Source, part: str = "") -> list[Listed]:
    """The files, sorted; with their classes where there is a labels.csv with the columns file and label.

    part: which value of its column of parts is taken, such as train; see `labels_file.by_labels`.  StudyError where the
    whole of it is refused: nothing in it, too much, or a labels.csv that cannot be read.
    """
    everything = source.files()
    found: Mapping[str, Found] = {one.path: one for one in reversed(everything)}
    if table := labels_file.find(found):
        files = list(labels_file.by_labels(source, found, table, part))
        labels = sorted({one.label for one in files if one.label})
        check_classes(labels)
        if len(parts := list(filter(divides, labels))) > 1:
            named = ", ".join(parts[:3])
            raise StudyError(
                f"{LABELS}: {named} look like parts of a data set, not like classes; where they are classes, call them "
                "otherwise"
            )
    elif part:
        raise StudyError(f"--part is for a {LABELS} with a column of parts such as split, and there is none")
    else:
        files = [Listed(one.path, problem=one.problem) for one in everything]
        files += [Listed(name, problem=EMPTY_FOLDER) for name in source.empty_folders()]
    if not files:
        raise StudyError(f"{source.name}: no images in it: put one folder a class there, or labels.csv")
    return sorted(files, key=lambda one: one.path)


# --- looking at each --------------------------------------------------------------------------------------------------


def examine(source: Source, one: Listed) -> Examined:
    """Read a file, decode all of it, and keep it in the storage if it is a photograph.

    Kept at once, so that a large set never has to fit in memory; an unused file is harmless and collected later.
    """
    path, said = printable(one.path), {"label": one.label, "output": one.output}
    if one.left_out:
        return Examined(path, left_out=one.left_out)
    if one.problem:
        return Examined(path, refused=one.problem, **said)
    try:
        data = source.read(one.path)
        facts = images.inspect(data, max_pixels=settings.IMPORT_MAX_PIXELS)
    except (FileRefused, images.ImageError) as error:
        return Examined(path, refused=str(error), foreign=isinstance(error, images.NotAnImage), **said)
    file = storage.store("images", data, f".{facts.format.lower()}")
    content = {"sha256": facts.sha256, "file": file, "width": facts.width, "height": facts.height}
    return Examined(path, note=facts.note, **said, **content)


# --- all of it together -----------------------------------------------------------------------------------------------


def settle(examined: Sequence[Examined], *, by_labels: bool, level: int | None = None) -> Settled:
    """Every file with its class, and what is left out or refused because of the others.

    by_labels: the classes are known from labels.csv; else they are the folders of `level`, or of the level that is
    certain.  The same bytes twice count once; under two classes they are refused, since one of the two is wrong.
    StudyError for classes that differ in spelling only.
    """
    judgement = None
    if not by_labels:
        # What a file has in common with others is found again each time: only its own refusal stands.
        examined = [replace(one, label="", left_out="") for one in examined]
        judgement = judge([one.path for one in examined if not one.refused])
        if level is not None:
            if level not in (known := [one.number for one in judgement.levels]):
                there = f"there are {', '.join(map(str, known))}" if known else "there are no folders at all"
                raise StudyError(f"there is no level {level} of folders ({there})")
            judgement = replace(judgement, level=level, reason="")
        if judgement.level is None:
            return _sorted(
                [one for one in examined if not one.refused], [], [one for one in examined if one.refused], judgement
            )
        spellings = Spellings()
        examined = [one for file in examined for one in _classed(file, judgement.level, spellings)]
    left_out = [one for one in examined if one.left_out]
    refused = [one for one in examined if one.refused]
    by_content: dict[str, list[Examined]] = {}
    for one in examined:
        if not one.refused and not one.left_out:
            by_content.setdefault(one.sha256, []).append(one)
    accepted = []
    for first, *others in by_content.values():
        other = next((one for one in others if one.label != first.label), None)
        if other:
            both = f"{first.path} and {other.path} are {SAME_UNDER_TWO}, {first.label} and {other.label}"
            refused += [replace(one, refused=both) for one in (first, *others)]
            continue
        accepted.append(first)
        left_out += [replace(one, left_out=f"the same photograph as {first.path}") for one in others]
    check_classes(sorted({one.label for one in accepted}))
    return _sorted(accepted, left_out, refused, judgement)


def _classed(one: Examined, level: int, spellings: Spellings) -> Iterator[Examined]:
    """A file with the class that its folder at this level is, or why it has none."""
    label = spellings.of(class_at(one.path, level))
    if one.refused == EMPTY_FOLDER:
        depth = one.path.count("/") + 1
        if depth == level:
            name = unicodedata.normalize("NFC", one.path.rpartition("/")[2])
            yield replace(one, label=name, refused="a class without images")
        elif depth < level:
            yield replace(one, refused="", left_out=EMPTY_FOLDER)
    elif one.refused:
        if one.foreign and not label:
            yield replace(one, refused="", left_out=f"beside the folders of the classes, and {one.refused}")
        else:
            yield replace(one, label=label[:LONGEST_CLASS])
    elif not label:
        where = "not a folder: put one folder a class there, or a labels.csv" if level == 1 else "above the classes"
        yield replace(one, refused=where)
    elif len(label) > LONGEST_CLASS:
        yield replace(one, refused=f"its class has more than {LONGEST_CLASS} characters")
    else:
        yield replace(one, label=label)


def _sorted(
    accepted: list[Examined], left_out: list[Examined], refused: list[Examined], judgement: Judgement | None
) -> Settled:
    return Settled(*(sorted(some, key=lambda one: one.path) for some in (accepted, left_out, refused)), judgement)


def check_classes(labels: Sequence[str]) -> None:
    """StudyError for classes that differ in how they are written only: they are one class, spelt twice."""
    seen: dict[str, str] = {}
    for label in labels:
        plain = unicodedata.normalize("NFKC", label).casefold().replace("\u200c", "").replace("\u200d", "").strip()
        plain = plain.lstrip("0") or "0" if plain.isascii() and plain.isdecimal() else plain
        if plain in seen:
            raise StudyError(f"the classes {seen[plain]} and {label} differ in spelling only: call them the same")
        seen[plain] = label


def lost_classes(settled: Settled) -> list[str]:
    """Classes that would have no image left without the refused ones.

    The sorted class names may be the classifier's outputs: with one missing, all that follow would be taken for others.
    """
    kept = Counter(one.label for one in settled.accepted)
    return sorted({one.label for one in settled.refused if one.label and not kept[one.label]})


def final_paths(settled: Settled) -> dict[str, str]:
    """The path of each accepted photograph below the folder that the classes are in."""
    paths = [one.path for one in settled.accepted]
    if settled.judgement is None or settled.judgement.level is None:
        return {path: path for path in paths}
    return without_wrapper(paths, settled.judgement.level)

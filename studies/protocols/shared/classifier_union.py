"""Several classifiers in one study of their errors: every question that any of them raises is asked once.

A question is a picture with the labels that are asked about it. Two classifiers share it where they show the same
picture and were wrong with the same labels; one that crops its images otherwise has questions of its own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from studies.protocols.base.field_help import PAPER, FieldHelp
from studies.protocols.base.fields import NameListField
from studies.protocols.base.protocol import DesignError, DesignForm, StimulusSpec, sample
from studies.protocols.base.sample_size import ImageCounts, SampleSize

from . import gold_trials
from .class_glosses import glossed
from .top5_guesses import ONE_QUESTION, TOP5_ERRORS

if TYPE_CHECKING:
    import pandas as pd

#: What `truth["classifiers"]` says of each: the question is an error of it, or it got the image right.
WRONG, RIGHT = "wrong", "right"

NAMED = "classifiers"


class SeveralClassifiersForm(DesignForm):
    """One classifier, or several of one image set."""

    about: ClassVar[Mapping[str, FieldHelp]] = {
        NAMED: FieldHelp(
            "pictures",
            "The errors of all of them are judged by the same people. A question that several share is asked once, so "
            "that fewer answers are needed than in a study of each.",
            "one per line",
            f"{PAPER}: four networks in Table 1 (section 3.1).",
        ),
    }
    classifier = forms.ChoiceField(
        required=False,
        help_text="Classifier whose decisions participants judge. Leave empty where several are named below.",
    )
    classifiers = NameListField(
        required=False,
        initial=[],
        help_text="Several classifiers of one image set, by name, instead of one.",
    )

    def clean_classifiers(self) -> list[str]:
        named: list[str] = self.cleaned_data[NAMED]
        known = self.catalogue.classifiers
        if unknown := [name for name in named if name not in known]:
            there = f"there are: {', '.join(known)}" if known else "import one first"
            raise forms.ValidationError(f"{unknown[0]} is not the name of a classifier ({there}).")
        if len(named) == 1:
            raise forms.ValidationError(f"Name at least two; one alone is the setting classifier: {named[0]}.")
        sets = self.catalogue.image_sets
        if other := next((name for name in named if sets.get(name) != sets.get(named[0])), ""):
            raise forms.ValidationError(
                f"{named[0]} is of the image set {sets[named[0]]} and {other} of {sets[other]}: "
                "name classifiers of one image set."
            )
        return named

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        if NAMED in self.errors or "classifier" in self.errors:
            return design
        if design.get("classifier") and design.get(NAMED):
            self.add_error(NAMED, "Give classifier or classifiers, not both.")
        elif not design.get("classifier") and not design.get(NAMED):
            self.add_error("classifier", self.fields["classifier"].error_messages["required"])
        return design


@dataclass
class _Errors:
    """One classifier's errors by the path of the image, and how many there are of either kind."""

    name: str
    selected: dict[str, Any]
    top1: dict[str, Any]
    n_top5: int
    pictures: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Question:
    picture: Any
    image: Any
    labels: list[int]
    asked_by: dict[str, Any]


def questions(design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
    """The stimuli of a design that names several classifiers; DesignError where one of them raises no question."""
    names = design[NAMED]
    first = names[0]
    images = bench.images(first, classes=design["classes"])
    errors = [_errors_of(design, bench, name) for name in names]
    missed = {path for one in errors for path in one.selected}
    drawn = sample((image.path for image in images if image.path in missed), design["sample"], design["seed"])
    for one in errors:
        shown = [one.selected[path].image for path in drawn if path in one.selected]
        if not shown:
            raise DesignError(
                [f"sample: {one.name} gets none of the {len(drawn)} images that were drawn wrong; draw more"]
            )
        one.pictures = dict(zip((image.path for image in shown), bench.pictures(one.name, shown), strict=True))
    words = {name: (bench.class_titles(name), bench.class_names(name)) for name in names}
    asked = [question for path in drawn for question in _of_image(design, words, errors, path)]
    bench.add_to_report(**_counts(design, len(images), errors, drawn, asked))
    condition = "errors" if design["top_k"] == 1 else design["selection"].replace("_", "-")
    told = {name: bench.glosses(name) for name in names}
    by_name = {one.name: one for one in errors}
    for question in asked:
        owner = next(iter(question.asked_by))
        titles, called = words[owner]
        path = question.image.path
        guesses = {
            name: WRONG if name in question.asked_by else _verdict(by_name[name].selected.get(path), words[name][1])
            for name in names
        }
        yield StimulusSpec(
            condition=condition,
            family=question.image.sha256 if design["asking"] == ONE_QUESTION else "",
            shown={
                "picture": question.picture.as_json(),
                "ask": ", ".join(titles[label] for label in question.labels),
                **({"asks": [titles[label] for label in question.labels]} if len(question.labels) > 1 else {}),
                **glossed(told[owner], question.labels, question.image),
            },
            truth={
                "image": path,
                "label": "; ".join(called[label] for label in question.labels),
                "true_label": called[question.image.label],
                "probability": {
                    name: _probability(prediction, labels) for name, (prediction, labels) in question.asked_by.items()
                },
                "true_probability": {name: one.true_probability for name, (one, _) in question.asked_by.items()},
                "classifiers": guesses,
            },
        )
    wrong = {path for one in errors for path in one.top1}
    right = [image for image in images if image.path not in wrong]
    controls = {"condition": condition, "main": len(asked), "asks": len(asked[0].labels)}
    for spec in gold_trials.questions({**design, "classifier": first}, bench, right, **controls):
        yield replace(spec, truth={**spec.truth, "classifiers": dict.fromkeys(names, RIGHT)})


def _errors_of(design: Mapping[str, Any], bench: Any, name: str) -> _Errors:
    images = bench.images(name, classes=design["classes"])
    top1 = {p.image.path: p for p in bench.predictions(name, images) if p.top[0].label != p.image.label}
    beyond = {path: p for path, p in top1.items() if p.image.label not in {guess.label for guess in p.top}}
    selected = beyond if design["selection"] == TOP5_ERRORS else top1
    if not selected:
        best = "five best guesses of" if design["selection"] == TOP5_ERRORS else "best guess of"
        raise DesignError([f"the {best} {name} miss none of the {len(images)} images: leave it out of classifiers"])
    return _Errors(name, selected, top1, len(beyond))


def _of_image(
    design: Mapping[str, Any], words: Mapping[str, Any], errors: Sequence[_Errors], path: str
) -> Iterable[_Question]:
    found: dict[tuple[str, frozenset[str]], _Question] = {}
    for one in errors:
        if (prediction := one.selected.get(path)) is None:
            continue
        (_, names), picture = words[one.name], one.pictures[path]
        guesses = [guess.label for guess in prediction.top][: design["top_k"]]
        for labels in [guesses] if design["asking"] == ONE_QUESTION else [[label] for label in guesses]:
            key = (picture.file, frozenset(names[label] for label in labels))
            question = found.setdefault(key, _Question(picture, prediction.image, labels, {}))
            question.asked_by[one.name] = (prediction, labels)
    return found.values()


def _verdict(prediction: Any, names: Sequence[str]) -> str:
    """What a classifier got that did not raise the question."""
    if prediction is None:
        return RIGHT
    return f"{WRONG}: {'; '.join(names[guess.label] for guess in prediction.top)}"


def _probability(prediction: Any, labels: Sequence[int]) -> Any:
    found = [guess.probability for guess in prediction.top if guess.label in labels]
    return found if len(found) > 1 else found[0]


def _counts(
    design: Mapping[str, Any], images: int, errors: Sequence[_Errors], drawn: Sequence[str], asked: Sequence[_Question]
) -> dict[str, Any]:
    each = {}
    for one in errors:
        counts = {"images": images, "errors": len(one.selected)}
        if design["top_k"] == 5:
            counts |= {"top1_errors": len(one.top1), "top5_errors": one.n_top5}
        each[one.name] = counts | {
            "shown": sum(path in one.selected for path in drawn),
            "questions": sum(one.name in question.asked_by for question in asked),
        }
    separate = sum(one["questions"] for one in each.values())
    either = [[a.name, b.name, len(a.selected.keys() | b.selected.keys())] for a, b in combinations(errors, 2)]
    return {
        "images": images,
        "errors": len({path for one in errors for path in one.selected}),
        "shown": len(drawn),
        "questions": len(asked),
        "separate_questions": separate,
        "by_classifier": each,
        "either_wrong": either,
    }


# --- taken apart again ------------------------------------------------------------------------------------------------


def of_one(design: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The design of a study of this classifier alone."""
    return {**design, "classifier": name, NAMED: []}


def asked_of(stimuli: "pd.DataFrame", name: str) -> Any:
    """(stimuli,) whether each is an error of this classifier."""
    return stimuli["classifiers"].map(lambda says: says[name] == WRONG).to_numpy(dtype=bool)


# --- before it is prepared --------------------------------------------------------------------------------------------


def sample_size(design: Mapping[str, Any], counts: ImageCounts) -> SampleSize:
    """How many questions the union has, by the classifiers' checks; at most so many where one was not checked."""
    names, classes = design[NAMED], design["classes"]
    several = len(names)
    each = 1 if design["asking"] == ONE_QUESTION else 5
    apart = several if design["asking"] == ONE_QUESTION else 1
    if counts.union is None:
        images = min(counts.images_of(classes), design["sample"] or counts.images_of(classes))
        because = f"at most {several} times {images:,} images: how many are wrong, the checks would tell"
        return SampleSize(each * several * images, because, apart=apart, at_most=True)
    missed, separate, together = counts.union.of(classes)
    says = f"{separate:,} errors of {several} classifiers on {missed:,} images"
    exact = design["top_k"] == 1
    if design["sample"] and design["sample"] < missed:
        drawn = min(together if exact else separate, several * design["sample"])
        says += f"; {design['sample']:,} of these images are drawn"
        return SampleSize(each * drawn, says, apart=apart, at_most=True)
    if not exact:
        says += ", each with five guesses; what they share is known once the study is prepared"
        return SampleSize(each * separate, says, apart=apart, at_most=True)
    says += f", {together:,} different questions, by the classifiers’ checks"
    return SampleSize(together, says, apart=apart, separate=separate)

"""Which model is more reasonable (Selvaraju et al. 2017, Grad-CAM, section 5.2).

Two classifiers that both name the class of an image rightly; of each the same visualisation of why, side by side.
People say which of the two is more reasonable, on five steps from -2 to 2.  As both are right, what is judged is the
visualisation.  In the paper 54 people compared VGG-16 with AlexNet and preferred the more accurate VGG-16 by 0.57 with
guided backpropagation and by 1.27 with guided Grad-CAM.

The side of each model is drawn for each trial and stored; ratings are turned to the second model before they are
averaged.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from django import forms
from django.utils.translation import gettext_lazy as _

from .base.field_help import FieldHelp, PublishedDesign
from .base.fields import NameListField, condition_of
from .base.preregistration import LATE, Preregistration, computed
from .base.protocol import Choice, DesignError, DesignForm, Protocol, StimulusSpec, sample
from .base.results import Figure, Gallery, Summary, Table, p_value, percent, span
from .base.sample_size import ImageCounts, SampleSize
from .shared import gold_trials, two_way_results, visualisations
from .shared.two_way_results import rating
from .shared.visualisations import GRADCAM_PAPER, ExplainersForm, compared_pairs, conditions, visualise

if TYPE_CHECKING:
    import pandas as pd

#: The answers from left to right, each with its rating: positive for the side on the right.
RATINGS = {"first_clearly": -2, "first_slightly": -1, "equally": 0, "second_slightly": 1, "second_clearly": 2}
ANSWERS = {value: name for name, value in RATINGS.items()}
CHOICES = (
    Choice("first_clearly", _("A is clearly more reasonable"), "1"),
    Choice("first_slightly", _("A is slightly more reasonable"), "2"),
    Choice("equally", _("Both are equally reasonable"), "3"),
    Choice("second_slightly", _("B is slightly more reasonable"), "4"),
    Choice("second_clearly", _("B is clearly more reasonable"), "5"),
)
IN_GALLERY = 4


class PreferenceForm(ExplainersForm, DesignForm):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "classifiers": FieldHelp(
            "pictures",
            "Only images that both get right are shown. Positive means stand for the second.",
            "two, one per line",
            f"{GRADCAM_PAPER}: AlexNet and VGG-16.",
        ),
        "images": FieldHelp(
            "pictures", "Stimuli, answers and people grow in proportion, once for each explainer.", "images"
        ),
    }
    classifier = None  # type: ignore[assignment]
    classifiers = NameListField(
        help_text="The two classifiers that are compared, by name. They need the same image set.",
    )
    images = forms.IntegerField(
        initial=40,
        required=False,
        min_value=1,
        max_value=100_000,
        help_text="Number of images that both classifiers get right, drawn at random; fewer where there are fewer.",
    )
    field_order = ["classifiers", "explainers", "images", "answers_per_stimulus", "trials_per_participant"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["explainers"].initial = [visualisations.GUIDED, visualisations.GUIDED_GRADCAM]

    def clean_classifiers(self) -> list[str]:
        named = self.cleaned_data["classifiers"]
        known = self.catalogue.classifiers
        if unknown := [name for name in named if name not in known]:
            there = f"there are: {', '.join(known)}" if known else "import one first"
            raise forms.ValidationError(f"{unknown[0]} is not the name of a classifier ({there}).")
        if len(named) != 2:
            raise forms.ValidationError(f"Name two classifiers, not {len(named)}.")
        return named


class Preference(Protocol):
    key, title, version = "preference", "Which model is more reasonable?", 1
    description = "People compare the same visualisation of two classifiers that are both right, side by side."
    form_class = PreferenceForm
    truth_columns = {
        "models": "Names of the two classifiers; the first stands on the left unless the sides were changed."
    }
    summary_reads = ("image", "label")
    answer_columns = {
        "left": ("text", "Name of the classifier whose visualisation stood first or left, as A."),
        "right": ("text", "Name of the classifier whose visualisation stood second or right, as B."),
        "rating": ("integer", "The answer from -2 (A clearly) to 2 (B clearly); empty without one."),
        "item": ("text", "Image that the stimulus is of: the unit of the analysis."),
    }
    seconds = 8.0
    contract_design = {"explainers": ["gradients", "occlusion"], "contrasts": ["gradients:occlusion"], "images": 6}
    papers = (
        PublishedDesign(
            "gradcam-models",
            "Which model is more reasonable (section 5.2)",
            {"explainers": [visualisations.GUIDED, visualisations.GUIDED_GRADCAM]},
            {
                "explainers": "guided backpropagation and guided Grad-CAM: 0.57 and 1.27 in favour of VGG-16",
            },
            {
                "classifiers": "AlexNet and VGG-16 in the paper: name yours, the more accurate one second",
                "images": "how many images the 54 workers saw is yours",
                "answers_per_stimulus": "how many people see a pair is yours",
            },
            GRADCAM_PAPER,
        ),
    )

    def sample_size(self, design: Mapping[str, Any], counts: ImageCounts) -> SampleSize:
        n, each = min(design["images"], counts.images_of([]) - counts.errors_of([]).least), len(design["explainers"])
        because = f"at most {n:,} images that both get right in {each} visualisations"
        return SampleSize(n * each, because, conditions=each, apart=each, at_most=True)

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        models = design["classifiers"]
        right, accuracy, images = _right(bench, models)
        both = [image for image in right[models[0]] if image in right[models[1]]]
        if not both:
            raise DesignError([f"none of the {images} images is right with both {models[0]} and {models[1]}"])
        drawn = sample(both, design["images"], design["seed"])
        names, titles = bench.class_names(models[0]), bench.class_titles(models[0])
        asked = {
            model: [
                (picture, picture.image.label)
                for picture in bench.pictures(model, [right[model][image] for image in drawn])
            ]
            for model in models
        }
        empty, gallery = {}, []
        for explainer in design["explainers"]:
            condition = condition_of(explainer)
            found = [visualise(bench, design, model, asked[model], explainer) for model in models]
            empty[condition] = sum(one.reason is not None for side in found for one in side)
            for at, (first, second) in enumerate(zip(*found, strict=True)):
                image = right[models[0]][drawn[at]]
                sides = [first.picture.as_json(), second.picture.as_json()]
                if at < IN_GALLERY:
                    gallery.append([f"{image.path}: {names[image.label]}, {condition}", sides])
                yield StimulusSpec(
                    condition=condition,
                    family=image.sha256,
                    shown={"sides": sides, "ask": titles[image.label]},
                    truth={"image": image.path, "label": names[image.label], "models": list(models)},
                )
        bench.add_to_report(
            images=images,
            accuracy=accuracy,
            both_right=len(both),
            shown=len(drawn),
            empty_visualisations=empty,
            gallery=gallery,
        )
        yield from _checks(design, bench, right, set(drawn), len(drawn) * len(design["explainers"]))

    def preparation_report(self, preparation: Mapping[str, Any]) -> tuple[list[Table], list[Gallery]]:
        rows = [
            [f"Right with {name}", f"{one['right']} of {preparation['images']}", percent(one["share"])]
            for name, one in preparation["accuracy"].items()
        ]
        rows += [["Right with both", f"{preparation['both_right']} of {preparation['images']}", None]]
        rows += [["of these shown", preparation["shown"], None]]
        rows += [[f"Empty visualisations, {name}", n, None] for name, n in preparation["empty_visualisations"].items()]
        pairs = [tuple(row) for row in preparation["gallery"]]
        gallery = Gallery("Visualisations", list(preparation["accuracy"]), pairs)
        return [Table("Images", ["", "number", "share"], rows)], [gallery]

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return CHOICES

    def pictures(self, shown: Mapping[str, Any]) -> list[str]:
        return [side["file"] for side in shown["sides"]]

    def arrangements(self, shown: Mapping[str, Any]) -> int:
        return 2

    def arranged(self, shown: Mapping[str, Any], arrangement: int) -> Mapping[str, Any]:
        return {**shown, "sides": shown["sides"][::-1]} if arrangement else shown

    def as_arranged(self, answer: str, shown: Mapping[str, Any], arrangement: int) -> str:
        return ANSWERS[-RATINGS[answer]] if arrangement else answer

    def is_expected(self, answer: str, expected: str) -> bool:
        """Whether the same side is preferred, clearly or not."""
        return RATINGS[answer] * RATINGS[expected] > 0

    # --- counting ---------------------------------------------------------------------------------------------------

    rate_range = (-2.0, 2.0)

    def answer_cells(
        self, shown: Mapping[str, Any], truth: Mapping[str, Any], arrangement: int, answer: str
    ) -> tuple[Any, ...]:
        left, right = truth["models"][::-1] if arrangement else truth["models"]
        return left, right, RATINGS.get(answer), truth["image"]

    def rehearsal_measures(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        return {f"mean preference, {name}": one for name, one in measures["conditions"].items()}

    def preregister(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Preregistration:
        first, second = design["classifiers"]
        named = conditions(design)
        return Preregistration(
            estimand=f"the mean preference of a new person for {second} over {first} on a new image that both get "
            "right, from -2 to 2, for each visualisation, against 0",
            computations=[
                computed(
                    "preference",
                    "image",
                    conditions=named,
                    models=[first, second],
                    ratings=RATINGS,
                    accuracy=preparation["accuracy"],
                    nothing={"conditions": {}, "contrasts": []},
                    quantities={f"mean preference, {name}": ["conditions", name] for name in named},
                )
            ],
            exclusions=(LATE,),
            contrasts=visualisations.registered(design, "mean"),
        )

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        """`rate`: the mean rating, from -2 to 2, positive for the second model."""
        mean = 0.5 if rate is None else rate
        return ANSWERS[int(random.binomial(4, (mean + 2) / 4)) - 2], float(random.lognormal(1.6, 0.4))

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        first, second = design["classifiers"]
        accuracy = preparation["accuracy"]
        measures: dict[str, Any] = {"second": second, "accuracy": accuracy, "conditions": {}, "contrasts": []}
        measures["more_accurate"] = _more_accurate(accuracy, first, second)
        if answers.empty:
            return Summary("No answer counts yet.", measures)
        from studies.analysis.preferences import preference

        told = answers.merge(stimuli[["stimulus", "image"]], on="stimulus", how="left")
        turned = two_way_results.arrangement(told) == 1
        table = told.assign(
            left=np.where(turned, second, first).astype(object),
            right=np.where(turned, first, second).astype(object),
            rating=told["answer"].astype(str).map(RATINGS),
            condition=told["condition"].astype(str),
            item=told["image"],
        )
        pairs = compared_pairs(design, set(table["condition"]))
        measures |= preference(table, second=second, contrasts=pairs)
        found = {name: measures["conditions"][name] for name in conditions(design) if name in measures["conditions"]}
        measures["conditions"] = found
        tables = [
            _means_table(found, first, second, measures["more_accurate"]),
            *([two_way_results.contrasts_table(measures["contrasts"], rating)] if measures["contrasts"] else []),
            _distribution_table(found),
            Table(
                "Side",
                ["", "mean", "uncertainty", "p"],
                [
                    [
                        "Ratings as they were given, positive for the second side",
                        rating(measures["favours_right"]["estimate"]),
                        span(measures["favours_right"], rating),
                        p_value(measures["favours_right"]["p_value"]),
                    ]
                ],
                "Without a preference for a side 0.",
            ),
        ]
        return Summary(_headline(found, second), measures, tables, _figures(found, second))


def _right(bench: Any, models: list[str]) -> tuple[dict[str, dict[str, Any]], dict[str, Any], int]:
    """By model its images that it gets right, by digest; its accuracy; and how many images both are asked about."""
    images = {model: {one.sha256: one for one in bench.images(model)} for model in models}
    shared = [sha for sha in images[models[0]] if sha in images[models[1]]]
    names = {model: bench.class_names(model) for model in models}
    shared = [sha for sha in shared if len({names[model][images[model][sha].label] for model in models}) == 1]
    if not shared:
        raise DesignError([f"classifiers: {models[0]} and {models[1]} have no images of the same classes in common"])
    right = {}
    for model in models:
        predictions = bench.predictions(model, [images[model][sha] for sha in shared])
        right[model] = {p.image.sha256: p.image for p in predictions if p.top[0].label == p.image.label}
    accuracy = {model: {"right": len(right[model]), "share": len(right[model]) / len(shared)} for model in models}
    return right, accuracy, len(shared)


def _more_accurate(accuracy: Mapping[str, Any], first: str, second: str) -> str | None:
    """The one that gets more images right; None where both get as many."""
    difference = accuracy[second]["right"] - accuracy[first]["right"]
    return None if not difference else second if difference > 0 else first


def _means_table(found: Mapping[str, Any], first: str, second: str, better: str | None) -> Table:
    rows = [
        [
            name,
            one["answers"],
            rating(one["estimate"]),
            span(one, rating),
            p_value(one["p_value"]),
            *(percent(one["prefers"][side], one["answers"]) for side in (first, "neither", second)),
        ]
        for name, one in found.items()
    ]
    columns = ["", "answers", "mean", "uncertainty", "p, against 0", f"prefer {first}", "neither", f"prefer {second}"]
    note = f"From −2 to 2, positive for {second}; sides are turned before averaging. {two_way_results.TWO_WAY} "
    note += f"On these images {better} is the more accurate one." if better else "Both are as accurate."
    return Table(f"Mean preference for {second}", columns, rows, note)


def _distribution_table(found: Mapping[str, Any]) -> Table:
    columns = ["", *(str(value).replace("-", "−") for value in ANSWERS)]
    rows = [[name, *(one["distribution"][str(value)] for value in ANSWERS)] for name, one in found.items()]
    return Table("Answers by rating", columns, rows, "Turned to the second model.")


def _figures(found: Mapping[str, Any], second: str) -> list[Figure]:
    if all(one["estimate"] is None for one in found.values()):
        return []
    series = {"name": "mean rating", "x": list(found), "marked": 0.0, "marked_as": "no preference"}
    ends = {"y": "estimate", "low": "low", "high": "high"}
    series |= {end: [one[key] for one in found.values()] for end, key in ends.items()} | {"logarithmic": False}
    title, note = f"Mean preference for {second}", "With their two-way 95% intervals. The dashed line is no preference."
    return [Figure("means", "forest", title, "visualisation", "mean rating", [series], note)]


def _headline(found: Mapping[str, Any], second: str) -> str:
    said = [f"{rating(one['estimate'])} with {name} ({span(one, rating)})" for name, one in found.items()]
    return f"The mean preference for {second}, from −2 to 2, is {'; '.join(said)}."


def _checks(
    design: Mapping[str, Any], bench: Any, right: Mapping[str, Mapping[str, Any]], shown: set[str], main: int
) -> Iterator[StimulusSpec]:
    """A visualisation beside a blank picture, of images that are not shown otherwise: who looks, prefers the first."""
    if not (wanted := gold_trials.roles(design, main)):
        return
    model, random = design["classifiers"][0], np.random.default_rng([design["seed"], gold_trials.STREAM])
    names, titles = bench.class_names(model), bench.class_titles(model)
    predictions = bench.predictions(model, right[model].values())
    usable = [one.image for one in gold_trials.usable(design, predictions, without=shown)]
    made = gold_trials.shares(wanted, len(usable), f"{model} is sure of and are not shown otherwise")
    bench.add_to_report(checks=made)
    drawn = [usable[i] for i in gold_trials.order(design, len(usable), random)[: sum(made.values())]]
    pictures = list(bench.pictures(model, drawn))
    seen = visualise(bench, design, model, [(one, one.image.label) for one in pictures], design["explainers"][0])
    blank = bench.differences([(picture, picture) for picture in pictures])
    roles = [role for role, n in made.items() for _ in range(n)]
    for role, found, nothing, second in zip(roles, seen, blank, gold_trials.in_turn(made, 2, random), strict=True):
        sides = [found.picture.as_json(), nothing.as_json()]
        yield StimulusSpec(
            condition=conditions(design)[0],
            role=role,
            family=found.image.sha256,
            shown={"sides": sides[::-1] if second else sides, "ask": titles[found.image.label]},
            truth={
                "image": found.image.path,
                "label": names[found.image.label],
                "models": list(design["classifiers"]),
                "expected": "second_clearly" if second else "first_clearly",
            },
        )

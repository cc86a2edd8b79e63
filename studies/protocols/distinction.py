"""Which explanation is the model's? (HIVE: Kim, Meister, Ramaswamy, Fong & Russakovsky, ECCV 2022, arXiv 2112.03184.)

The distinction task: of one photograph several explanations, one for each of the classes that the classifier thinks of
first, without their names.  People say which of them belongs to the class that the classifier decides for.  Where
explanations can be told apart they are right oftener than by chance, which is one quarter with the four of the paper;
and where the classifier is wrong they should notice.  The paper found that explanations make people trust wrong
decisions, and are not distinct enough to tell right from wrong ones.

Right and wrong decisions are shown in equal numbers, as far as there are so many.  The order of the explanations is
drawn for each trial and stored.
"""

from collections.abc import Iterator, Mapping
from itertools import permutations
from math import factorial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from django import forms

from .base.field_help import FieldHelp, PublishedDesign
from .base.fields import condition_of
from .base.preregistration import LATE, Preregistration, computed
from .base.protocol import Choice, DesignError, DesignForm, Protocol, StimulusSpec
from .base.results import Gallery, Summary, Table, percent
from .base.sample_size import ImageCounts, SampleSize
from .shared import gold_trials, right_answers, two_way_results, visualisations
from .shared.visualisations import ExplainersForm, compared_pairs, conditions, visualise

if TYPE_CHECKING:
    import pandas as pd

PAPER = "Kim et al. 2022 (HIVE)"
LETTERS = "ABCDE"
IN_GALLERY = 4


class DistinctionForm(ExplainersForm, DesignForm):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "options": FieldHelp(
            "asked", "More options are harder, and chance is lower.", "explanations", f"{PAPER}: four."
        ),
        "images": FieldHelp(
            "pictures",
            "Stimuli, answers and people grow in proportion, once for each explainer. Half of the images are ones that "
            "the classifier gets wrong, as far as there are so many.",
            "images",
        ),
    }
    options = forms.IntegerField(
        initial=4,
        required=False,
        min_value=2,
        max_value=5,
        help_text="Number of explanations on a page, for the classes that the classifier thinks of first.",
    )
    images = forms.IntegerField(
        initial=40,
        required=False,
        min_value=2,
        max_value=100_000,
        help_text="Number of images, drawn at random; fewer where there are fewer.",
    )
    field_order = ["classifier", "explainers", "options", "images", "answers_per_stimulus", "trials_per_participant"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["explainers"].initial = ["gradcam"]

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        known = self.catalogue.classifiers.get(design.get("classifier", ""), ())
        if known and (design.get("options") or 0) > len(known):
            self.add_error("options", f"Must not be above the number of classes, which is {len(known)}.")
        return design


class Distinction(Protocol):
    key, title, version = "distinction", "Which explanation is the model’s?", 1
    description = "People say which of several explanations belongs to the class that the classifier decides for."
    form_class = DistinctionForm
    truth_columns = {
        "model_right": "Whether the classifier is right.",
        "true_label": "Name of the photograph's true class.",
        "classes": "Names of the classes that are explained, in the order in which they were prepared.",
        "place": "Which of them, from 1, the classifier decides for.",
    }
    summary_reads = ("image", "model_right", "place")
    answer_columns = {
        "truth": ("text", "The answer that is right: the letter of the explanation of the classifier's decision."),
        "item": ("text", "Image that the stimulus is of: the unit of the analysis."),
        "shown_order": ("text", "The explanations in the order of the page, by the letters of their prepared places."),
    }
    has_correct_answer = True
    seconds = 12.0
    contract_design = {"explainers": ["gradients", "occlusion"], "contrasts": ["gradients:occlusion"], "images": 6}
    papers = (
        PublishedDesign(
            "hive-distinction",
            "Which explanation is the model’s",
            {"options": 4, "explainers": ["gradcam"]},
            {
                "options": "four explanations, one of them of the class that is predicted; chance is 25%",
                "explainers": "Grad-CAM, beside three methods that are networks of their own",
            },
            {
                "images": "how many images are shown is yours",
                "answers_per_stimulus": "how many people see an image is yours",
            },
            PAPER,
        ),
    )

    def sample_size(self, design: Mapping[str, Any], counts: ImageCounts) -> SampleSize:
        n, each = min(design["images"], counts.images_of([])), len(design["explainers"])
        because = f"at most {n:,} images in {each} ways to explain"
        return SampleSize(n * each, because, conditions=each, apart=each, at_most=True)

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier, random = design["classifier"], np.random.default_rng(design["seed"])
        names = bench.class_names(classifier)
        images = bench.images(classifier)
        predictions = list(bench.predictions(classifier, images))
        drawn = right_answers.balanced(predictions, design["images"], random)
        if len(drawn[0].top) < design["options"]:
            raise DesignError(
                [f"the classifier has {len(drawn[0].top)} guesses, and {design['options']} are explained"]
            )
        pictures = list(bench.pictures(classifier, [one.image for one in drawn]))
        # The order in which explanations are prepared tells nothing about the classifier's.
        orders = [random.permutation(design["options"]).tolist() for _ in drawn]
        labels = [[one.top[i].label for i in order] for one, order in zip(drawn, orders, strict=True)]
        questions = [(picture, label) for picture, some in zip(pictures, labels, strict=True) for label in some]
        wrong = sum(one.top[0].label != one.image.label for one in drawn)
        gallery = []
        for explainer in design["explainers"]:
            found = iter(visualise(bench, design, classifier, questions, explainer))
            for at, (one, picture, order) in enumerate(zip(drawn, pictures, orders, strict=True)):
                shown = [next(found).picture.as_json() for _ in order]
                if at < IN_GALLERY:
                    said = f"{one.image.path}, {condition_of(explainer)}: {names[one.top[0].label]} is"
                    gallery.append([f"{said} {LETTERS[order.index(0)]}", [picture.as_json(), *shown]])
                yield StimulusSpec(
                    condition=condition_of(explainer),
                    family=one.image.sha256,
                    shown=_shown(picture, shown),
                    truth={
                        "image": one.image.path,
                        "label": names[one.top[0].label],
                        "true_label": names[one.image.label],
                        "model_right": one.top[0].label == one.image.label,
                        "classes": [names[label] for label in labels[at]],
                        "place": order.index(0) + 1,
                        "options": design["options"],
                    },
                )
        bench.add_to_report(images=len(images), shown=len(drawn), wrong=wrong, gallery=gallery)
        yield from _checks(design, bench, predictions, {one.image.sha256 for one in drawn})

    def preparation_report(self, preparation: Mapping[str, Any]) -> tuple[list[Table], list[Gallery]]:
        rows = [
            ["Images", preparation["images"]],
            ["of these shown", preparation["shown"]],
            ["of these that the classifier gets wrong", preparation["wrong"]],
        ]
        pictures = [tuple(row) for row in preparation["gallery"]]
        columns = ["picture", *LETTERS[: len(pictures[0][1]) - 1]] if pictures else ["picture"]
        return [Table("Images", ["", "number"], rows)], [Gallery("Explanations", columns, pictures)]

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return tuple(Choice(letter, letter, letter.lower()) for letter in LETTERS[: len(shown["options"])])

    def pictures(self, shown: Mapping[str, Any]) -> list[str]:
        return [shown["picture"]["file"], *(one["file"] for one in shown["options"])]

    def arrangements(self, shown: Mapping[str, Any]) -> int:
        return factorial(len(shown["options"]))

    def arranged(self, shown: Mapping[str, Any], arrangement: int) -> Mapping[str, Any]:
        return {**shown, "options": [shown["options"][i] for i in _order(len(shown["options"]), arrangement)]}

    def as_arranged(self, answer: str, shown: Mapping[str, Any], arrangement: int) -> str:
        """The letter that an explanation has on such a page."""
        return _letter(answer, len(shown["options"]), arrangement)

    # --- counting ---------------------------------------------------------------------------------------------------

    def answer_cells(
        self, shown: Mapping[str, Any], truth: Mapping[str, Any], arrangement: int, answer: str
    ) -> tuple[Any, ...]:
        n = len(shown["options"])
        order = "".join(LETTERS[place] for place in _order(n, arrangement))
        return _letter(LETTERS[truth["place"] - 1], n, arrangement), truth["image"], order

    def rehearsal_measures(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        return {f"right, {name}": one for name, one in measures["conditions"].items()}

    def planted_measures(
        self, design: Mapping[str, Any], preparation: Mapping[str, Any], rate: float
    ) -> dict[str, float]:
        return {f"right, {name}": rate for name in conditions(design)}

    def preregister(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Preregistration:
        named, chance = conditions(design), 1 / design["options"]
        return Preregistration(
            estimand="the chance that a new person finds the explanation of the classifier's decision for a new image, "
            f"for each explainer, against 1/{design['options']}; and where the classifier is right and wrong",
            computations=[
                computed(
                    "choices",
                    "image",
                    conditions=named,
                    right={"column": "truth"},
                    chance=chance,
                    constants={"chance": chance},
                    by_model="model_right",
                    nothing={"conditions": {}, "contrasts": [], "by_model": {"right": {}, "wrong": {}}},
                    quantities={f"right, {name}": ["conditions", name] for name in named},
                )
            ],
            exclusions=(LATE,),
            contrasts=visualisations.registered(design, "logit"),
        )

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        """`rate`: the chance that they find the explanation of the classifier's decision."""
        others = [letter for letter in LETTERS[: truth["options"]] if letter != LETTERS[truth["place"] - 1]]
        right = random.random() < (0.45 if rate is None else rate)
        answer = LETTERS[truth["place"] - 1] if right else str(random.choice(others))
        return answer, float(random.lognormal(2.0, 0.4))

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        chance = 1 / design["options"]
        measures: dict[str, Any] = {"chance": chance, "conditions": {}, "contrasts": []}
        if answers.empty:
            return Summary("No answer counts yet.", measures | {"by_model": {"right": {}, "wrong": {}}})
        told = answers.merge(stimuli[["stimulus", *self.summary_reads]], on="stimulus", how="left")
        pairs = zip(told["place"], two_way_results.arrangement(told).tolist(), strict=True)
        right = np.array(
            [_letter(LETTERS[place - 1], design["options"], order) for place, order in pairs], dtype=object
        )
        table = told.assign(
            correct=told["answer"].astype(str).to_numpy() == right,
            condition=told["condition"].astype(str),
            item=told["image"],
        ).drop(columns="answer")
        named = conditions(design)
        measures = right_answers.shares(table, named, chance=chance, pairs=compared_pairs(design))
        measures["by_model"] = right_answers.by_model(table, named)
        found, what = measures["conditions"], "The classifier’s explanation found"
        tables = [
            *right_answers.table_of(what, found, f"Chance is {percent(chance)}."),
            *([two_way_results.contrasts_table(measures["contrasts"])] if measures["contrasts"] else []),
            *right_answers.model_tables(measures["by_model"], what),
        ]
        note = "Shares with their two-way 95% intervals. The dashed line is chance."
        figures = [two_way_results.figure(f"{what}, by explainer", "right in %", found, chance, note)]
        said = right_answers.headline(found, "People find the explanation of the classifier’s decision", chance)
        return Summary(said, measures, tables, figures)


def _order(n: int, arrangement: int) -> tuple[int, ...]:
    """The permutation of this number, in lexical order; 0 leaves everything in its place."""
    return next(order for at, order in enumerate(permutations(range(n))) if at == arrangement)


def _shown(picture: Any, explanations: list[dict[str, Any]]) -> dict[str, Any]:
    return {"picture": picture.as_json(), "options": explanations}


def _letter(place: str, n: int, arrangement: int) -> str:
    """The letter on a page of this order of the explanation that was prepared at the place of that letter."""
    return LETTERS[_order(n, arrangement).index(LETTERS.index(place))]


def _checks(design: Mapping[str, Any], bench: Any, predictions: list[Any], shown: set[str]) -> Iterator[StimulusSpec]:
    """One explanation among blank pictures, of images that are clear and not shown otherwise: who looks, finds it."""
    if not (wanted := gold_trials.roles(design, len(shown) * len(design["explainers"]))):
        return
    classifier, random = design["classifier"], np.random.default_rng([design["seed"], gold_trials.STREAM])
    names, options = bench.class_names(classifier), design["options"]
    usable = gold_trials.usable(design, predictions, without=shown)
    made = gold_trials.shares(wanted, len(usable), "the classifier is sure of and are not shown otherwise")
    bench.add_to_report(checks=made)
    drawn = [usable[i] for i in gold_trials.order(design, len(usable), random)[: sum(made.values())]]
    pictures = list(bench.pictures(classifier, [one.image for one in drawn]))
    asked = [(picture, one.image.label) for picture, one in zip(pictures, drawn, strict=True)]
    seen = visualise(bench, design, classifier, asked, design["explainers"][0])
    blanks = bench.differences([(picture, picture) for picture in pictures])
    roles = [role for role, n in made.items() for _ in range(n)]
    places = gold_trials.in_turn(made, options, random)
    for role, one, picture, found, blank, place in zip(roles, drawn, pictures, seen, blanks, places, strict=True):
        some = [found.picture.as_json() if n == place else blank.as_json() for n in range(options)]
        yield StimulusSpec(
            condition=conditions(design)[0],
            role=role,
            family=one.image.sha256,
            shown=_shown(picture, some),
            truth={
                "image": one.image.path,
                "label": names[one.image.label],
                "true_label": names[one.image.label],
                "model_right": True,
                "classes": [names[one.image.label]],
                "place": place + 1,
                "options": options,
                "expected": LETTERS[place],
            },
        )

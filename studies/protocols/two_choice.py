"""Which class is depicted (Selvaraju et al. 2017, Grad-CAM, section 5.1).

Images with exactly two annotated classes; of each a visualisation for one of the two, nothing else.  People say which
of the two it depicts.  The better a visualisation tells classes apart, the oftener they are right; chance is one half,
and a visualisation can be worse than that.  The paper asked of 90 image-category pairs in four visualisations, nine
people each, and found 44.44% right with guided backpropagation, 61.23% with guided Grad-CAM, 53.33% with deconvolution
and 60.37% with Grad-CAM by deconvolution.

The two classes of an image are one item, and nobody meets an image twice.  The order of the two names is drawn for each
trial and stored.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from django import forms

from .base.field_help import FieldHelp, PublishedDesign
from .base.fields import condition_of
from .base.preregistration import LATE, Preregistration, computed
from .base.protocol import Choice, DesignError, DesignForm, Protocol, StimulusSpec, sample
from .base.results import Gallery, Summary, Table, percent, span
from .base.sample_size import ImageCounts, SampleSize
from .shared import gold_trials, two_way_results, visualisations
from .shared.visualisations import GRADCAM_PAPER, ExplainersForm, compared_pairs, conditions, visualise

if TYPE_CHECKING:
    import pandas as pd

CHANCE = 0.5
#: The keys that give the first and the second name: they lie to the left and to the right on all keyboards.
KEYS = ("f", "j")
#: An answer has room for so many characters.
LONGEST_NAME = 100
IN_GALLERY = 4


class TwoChoiceForm(ExplainersForm, DesignForm):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "images": FieldHelp(
            "pictures",
            "Stimuli, answers and people grow in proportion: each image is shown for both of its classes, in every "
            "visualisation. More images make the interval narrower than more people do.",
            "images",
            f"{GRADCAM_PAPER}: 90 pairs of an image and a class.",
        ),
        "answers_per_stimulus": FieldHelp(
            "people",
            "Answers, people and cost grow in proportion.",
            "people per stimulus",
            f"{GRADCAM_PAPER}: nine.",
        ),
    }
    images = forms.IntegerField(
        initial=45,
        required=False,
        min_value=1,
        max_value=100_000,
        help_text="Number of images with exactly two annotated classes, drawn at random; fewer where there are fewer.",
    )
    field_order = ["classifier", "explainers", "images", "answers_per_stimulus", "trials_per_participant"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["answers_per_stimulus"].initial = 9


class TwoChoice(Protocol):
    key, title, version = "two_choice", "Which class is depicted?", 1
    description = "People say which of an image’s two classes a visualisation depicts."
    form_class = TwoChoiceForm
    truth_columns = {
        "other": "Name of the image's other annotated class.",
        "reason": "Why the visualisation shows nothing; empty where it shows something.",
    }
    summary_reads = ("image", "label", "names")
    summary_shows = ("picture",)
    answer_columns = {
        "first": ("text", "Name of the class that stood first on the page."),
        "second": ("text", "Name of the class that stood second."),
        "truth": ("text", "Name of the class that was visualised."),
        "item": ("text", "Image that the stimulus is of: the unit of the analysis."),
    }
    contract_design = {"explainers": ["gradients", "occlusion"], "contrasts": ["gradients:occlusion"], "images": 6}
    papers = (
        PublishedDesign(
            "gradcam-classes",
            "Which class is depicted (section 5.1)",
            {
                "explainers": [
                    visualisations.GUIDED,
                    visualisations.GUIDED_GRADCAM,
                    visualisations.DECONVOLUTION,
                    visualisations.DECONVOLUTION_GRADCAM,
                ],
                "contrasts": [
                    "gradcam fine=guided:guided_backprop",
                    "gradcam fine=deconvolution:deconvolution",
                ],
                "images": 45,
                "answers_per_stimulus": 9,
            },
            {
                "explainers": "guided backpropagation, deconvolution, and Grad-CAM with each",
                "contrasts": "what Grad-CAM adds to guided backpropagation, and to deconvolution",
                "images": "images with exactly two annotated categories: 90 pairs of an image and a category",
                "answers_per_stimulus": "nine people for each of them",
            },
            {
                "classifier": "the paper’s VGG-16 and AlexNet, fine-tuned on PASCAL VOC 2007, or your own",
                "trials_per_participant": "how many images one of its workers saw is yours",
            },
            GRADCAM_PAPER,
        ),
    )

    def sample_size(self, design: Mapping[str, Any], counts: ImageCounts) -> SampleSize:
        n, each = min(design["images"], counts.images_of([])), len(design["explainers"])
        because = f"at most {n:,} images for both of their classes in {each} visualisations"
        return SampleSize(2 * n * each, because, conditions=each, apart=2 * each, at_most=True)

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier = design["classifier"]
        names, titles = bench.class_names(classifier), bench.class_titles(classifier)
        annotated = list({one.image.sha256: one for one in bench.annotated(classifier)}.values())
        fitting = [one for one in annotated if len(one.labels) == 2 and one.seen == one.labels]
        if not fitting:
            raise DesignError(
                [
                    f"none of the {len(annotated)} images with annotated objects has objects of exactly two classes; "
                    "import objects with manage.py import_images --objects"
                ]
            )
        if long := next((names[i] for one in fitting for i in one.labels if len(names[i]) > LONGEST_NAME), ""):
            raise DesignError([f"the name of the class {long!r} is longer than {LONGEST_NAME} characters"])
        drawn = sample(fitting, design["images"], design["seed"])
        pictures = list(bench.pictures(classifier, [one.image for one in drawn]))
        questions = [
            (picture, label) for one, picture in zip(drawn, pictures, strict=True) for label in sorted(one.labels)
        ]
        pairs = {one.image.sha256: sorted(one.labels) for one in drawn}
        empty, gallery = {}, []
        for explainer in design["explainers"]:
            condition, found = condition_of(explainer), visualise(bench, design, classifier, questions, explainer)
            empty[condition] = sum(one.reason is not None for one in found)
            gallery.append([one.picture.as_json() for one in found[:IN_GALLERY]])
            for one in found:
                both = pairs[one.image.sha256]
                other = next(label for label in both if label != one.label)
                yield StimulusSpec(
                    condition=condition,
                    family=one.image.sha256,
                    shown={
                        "picture": one.picture.as_json(),
                        "names": [{"value": names[label], "title": titles[label]} for label in both],
                    },
                    truth={
                        "image": one.image.path,
                        "label": names[one.label],
                        "other": names[other],
                        "names": [names[label] for label in both],
                        "reason": one.reason or "",
                    },
                )
        bench.add_to_report(
            annotated_images=len(annotated),
            images_with_two_classes=len(fitting),
            images=len(drawn),
            empty_visualisations=empty,
            gallery=_gallery_rows(questions, names, gallery),
        )
        main = 2 * len(drawn) * len(design["explainers"])
        yield from _checks(design, bench, {one.image.sha256 for one in drawn}, main)

    def preparation_report(self, preparation: Mapping[str, Any]) -> tuple[list[Table], list[Gallery]]:
        counts = [
            ["Images with annotated objects", preparation["annotated_images"]],
            ["of these with exactly two classes, both of them seen", preparation["images_with_two_classes"]],
            ["of these shown", preparation["images"]],
        ]
        counts += [[f"Visualisations that show nothing, {name}", n] for name, n in _empty(preparation)]
        table = Table("Images", ["", "number"], counts)
        return [table], [
            Gallery(
                "Visualisations", ["picture", *dict(_empty(preparation))], [tuple(r) for r in preparation["gallery"]]
            )
        ]

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return tuple(Choice(one["value"], one["title"], key) for one, key in zip(shown["names"], KEYS, strict=True))

    def arrangements(self, shown: Mapping[str, Any]) -> int:
        return 2

    def arranged(self, shown: Mapping[str, Any], arrangement: int) -> Mapping[str, Any]:
        return {**shown, "names": shown["names"][::-1]} if arrangement else shown

    # --- counting ---------------------------------------------------------------------------------------------------

    has_correct_answer = True

    def answer_cells(
        self, shown: Mapping[str, Any], truth: Mapping[str, Any], arrangement: int, answer: str
    ) -> tuple[Any, ...]:
        first, second = (one["value"] for one in self.arranged(shown, arrangement)["names"])
        return first, second, truth["label"], truth["image"]

    def rehearsal_measures(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        return {f"right, {name}": one for name, one in measures["conditions"].items()}

    def planted_measures(
        self, design: Mapping[str, Any], preparation: Mapping[str, Any], rate: float
    ) -> dict[str, float]:
        return {f"right, {name}": rate for name in conditions(design)}

    def preregister(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Preregistration:
        named = conditions(design)
        return Preregistration(
            estimand="the chance that a new person names the visualised class of a new image, for each visualisation, "
            "against one half",
            computations=[
                computed(
                    "choices",
                    "image",
                    right={"truth": "label"},
                    chance=CHANCE,
                    first=True,
                    conditions=named,
                    constants={"chance": CHANCE},
                    nothing={"conditions": {}, "contrasts": []},
                    quantities={f"right, {name}": ["conditions", name] for name in named},
                )
            ],
            exclusions=(LATE,),
            contrasts=visualisations.registered(design, "logit"),
        )

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        """`rate`: the chance that they name the visualised class, which may be below one half."""
        right = random.random() < (0.6 if rate is None else rate)
        return truth["label"] if right else truth["other"], float(random.lognormal(1.2, 0.4))

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        measures: dict[str, Any] = {"chance": CHANCE, "conditions": {}, "contrasts": []}
        if answers.empty:
            return Summary("No answer counts yet.", measures)
        from studies.analysis.choices import two_choice

        told = answers.merge(stimuli[["stimulus", "image", "label", "names"]], on="stimulus", how="left")
        turned = two_way_results.arrangement(told) == 1
        both = np.array(told["names"].tolist(), dtype=object)
        table = told.assign(
            first=np.where(turned, both[:, 1], both[:, 0]),
            second=np.where(turned, both[:, 0], both[:, 1]),
            answer=told["answer"].astype(str).astype(object),
            condition=told["condition"].astype(str),
            truth=told["label"].astype(object),
            item=told["image"],
        )
        pairs = compared_pairs(design, set(table["condition"]))
        measures = two_choice(table, chance=CHANCE, contrasts=pairs)
        # In the order of the design.
        found = {name: measures["conditions"][name] for name in conditions(design) if name in measures["conditions"]}
        measures["conditions"] = found
        note = f"Answers that name the visualised class; chance is {percent(CHANCE)}."
        tables = [
            two_way_results.shares_table("Visualised class named", found, note),
            *([two_way_results.contrasts_table(measures["contrasts"])] if measures["contrasts"] else []),
            two_way_results.shares_table(
                "Position of the name chosen",
                {"first of the two names": measures["chose_first"]},
                f"Without a preference for a position {percent(CHANCE)}.",
            ),
        ]
        figures = [
            two_way_results.figure(
                "Visualised class named, by visualisation",
                "right in %",
                found,
                CHANCE,
                "Shares with their two-way 95% intervals. The dashed line is chance.",
            )
        ]
        return Summary(_headline(found), measures, tables, figures)


def _headline(found: Mapping[str, Mapping[str, Any]]) -> str:
    said = [f"{percent(one['estimate'], one['denominator'])} with {name} ({span(one)})" for name, one in found.items()]
    return f"People name the visualised class in {'; '.join(said)}. Chance is {percent(CHANCE)}."


def _empty(preparation: Mapping[str, Any]) -> list[tuple[str, int]]:
    """By condition how many visualisations show nothing."""
    return list(preparation["empty_visualisations"].items())


def _gallery_rows(questions: list[tuple[Any, int]], names: list[str], columns: list[list[Any]]) -> list[list[Any]]:
    rows = []
    for at, (picture, label) in enumerate(questions[:IN_GALLERY]):
        shown = [picture.as_json(), *(column[at] for column in columns)]
        rows.append([f"{picture.image.path}: {names[label]}", shown])
    return rows


def _checks(design: Mapping[str, Any], bench: Any, shown: set[str], main: int) -> Iterator[StimulusSpec]:
    """Photographs that are not shown otherwise, with the name of their class and another: who looks, knows it."""
    if not (wanted := gold_trials.roles(design, main)):
        return
    classifier, random = design["classifier"], np.random.default_rng([design["seed"], gold_trials.STREAM])
    names, titles = bench.class_names(classifier), bench.class_titles(classifier)
    with_others = {one.image.sha256 for one in bench.annotated(classifier) if len(one.labels) > 1}
    predictions = bench.predictions(classifier, bench.images(classifier))
    usable = gold_trials.usable(design, predictions, without=shown | with_others)
    made = gold_trials.shares(wanted, len(usable), "show one class clearly and are not shown otherwise")
    bench.add_to_report(checks=made)
    drawn = [usable[i].image for i in gold_trials.order(design, len(usable), random)[: sum(made.values())]]
    roles = [role for role, n in made.items() for _ in range(n)]
    for role, picture in zip(roles, bench.pictures(classifier, drawn), strict=True):
        label = picture.image.label
        others = [one for one in bench.class_labels(classifier) if one != label]
        both = [label, others[int(random.integers(len(others)))]][:: 1 if random.integers(2) else -1]
        yield StimulusSpec(
            condition=conditions(design)[0],
            role=role,
            family=picture.image.sha256,
            shown={
                "picture": picture.as_json(),
                "names": [{"value": names[one], "title": titles[one]} for one in both],
            },
            truth={
                "image": picture.image.path,
                "label": names[label],
                "other": names[next(one for one in both if one != label)],
                "names": [names[one] for one in both],
                "reason": "",
                "expected": names[label],
            },
        )

"""Rectified top-1 and top-5 labelling (Stock & Cissé 2018, section 3.1).

People see every image the classifier got wrong, with the class it predicted, and say whether that class is relevant.
An error on which at least k of n people say yes is no error: R(k) = E·(1 − s(k)), with E the error over all images
and s(k) the share of shown images with at least k yes.

With top_k 5 they are shown the five best guesses instead, and an image is accepted when one of them is relevant.  The
paper gives two figures: of the top-1 errors so shown (ResNet-101: 6.44 → 1.94%), and of the top-5 errors alone
(→ 1.37%).  The guesses are asked about in one question together, or each in a question of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from django import forms

from .base.field_help import PAPER, FieldHelp, PublishedDesign
from .base.preregistration import Preregistration
from .base.protocol import Choice, DesignError, Protocol, StimulusSpec, sample
from .base.results import Gallery, Summary, Table
from .base.sample_size import ImageCounts, SampleSize
from .base.shown_stimuli import ShownStimulus, most_frequent_label
from .shared import (
    classifier_results,
    classifier_union,
    condition_comparison,
    gold_trials,
    picture_grids,
    rectified_results,
)
from .shared import panels as panel_rules
from .shared import top5_guesses as top5
from .shared.class_glosses import glossed
from .shared.classifier_union import NAMED, SeveralClassifiersForm
from .shared.panels import YES_OR_NO, PanelForm
from .shared.top5_guesses import EACH_LABEL, ONE_QUESTION, TOP1_ERRORS, TOP5_ERRORS

if TYPE_CHECKING:
    import pandas as pd

#: What the paper's studies of rectified errors have in common.
FIVE = {"answers_per_stimulus": 5, "threshold": 4, "top_k": 5, "asking": ONE_QUESTION}
PANELS = {
    "answers_per_stimulus": "five people see each image",
    "threshold": "a label is accepted when at least four of the five say yes",
    "top_k": "the five best guesses are shown",
}


class RectifiedLabelingForm(SeveralClassifiersForm, PanelForm):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "top_k": FieldHelp(
            "asked",
            "With 5 the top-5 error is rectified: an image is accepted when one of five guesses is relevant.",
            "guesses",
            f"{PAPER}: both (section 3.1).",
        ),
        "selection": FieldHelp(
            "asked",
            "With five guesses: all top-1 errors are more images to show than the top-5 errors alone. The two answer "
            "different questions.",
            "",
            f"{PAPER} reports both: 1.94% and 1.37% (section 3.1).",
        ),
        "asking": FieldHelp(
            "asked", "One question per guess makes five stimuli of an image and needs five times the answers."
        ),
        "sample": FieldHelp(
            "pictures",
            "Answers and cost shrink in proportion, and the interval widens; the error over all images stays known.",
            "images",
            f"{PAPER}: every misclassified image.",
        ),
    }
    top_k = forms.IntegerField(
        initial=1,
        required=False,
        min_value=1,
        max_value=5,
        help_text="Number of the classifier's best guesses to ask about: 1 or 5.",
    )
    selection = forms.ChoiceField(
        initial=TOP1_ERRORS,
        required=False,
        choices=[
            (TOP1_ERRORS, "where the best guess is wrong"),
            (TOP5_ERRORS, "where all five best guesses are wrong"),
        ],
        help_text="Images to show.",
    )
    asking = forms.ChoiceField(
        initial=ONE_QUESTION,
        required=False,
        choices=[(ONE_QUESTION, "one question for all guesses"), (EACH_LABEL, "one question per guess")],
        help_text="Question format for five guesses.",
    )
    sample = forms.IntegerField(
        required=False,
        min_value=1,
        help_text=(
            "Number of misclassified images to show, drawn at random. Leave empty for all. E stays over all images."
        ),
    )
    essential = ("classifier", "classifiers", *PanelForm.essential)
    field_order = ["classifier", "classifiers", "answers_per_stimulus", "threshold", "trials_per_participant"]

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        if design.get("top_k") not in (None, 1, 5):
            self.add_error("top_k", "Must be 1 or 5.")
        if design.get("top_k") == 1:
            for name, only in (("selection", TOP1_ERRORS), ("asking", ONE_QUESTION)):
                if design.get(name) not in (None, only):
                    self.add_error(name, f"With top_k 1 this can only be {only}.")
        return design


class RectifiedLabeling(Protocol):
    key, title, version = "rectified_labeling", "Rectified labelling", 3
    description = "People judge whether what the classifier took each misclassified image for is relevant after all."
    form_class = RectifiedLabelingForm
    truth_columns = {
        "true_label": "Name of the photograph's true class.",
        "probability": (
            "What the classifier gives the class that was asked about; for five, a list; for several, by classifier."
        ),
        "true_probability": "What the classifier gives the true class; for several, by classifier.",
    }
    summary_reads = ("image",)
    amendable = ("threshold", "unequal_panels")
    contract_design = {"sample": 16}
    papers = (
        PublishedDesign(
            "top1",
            "Rectified top-1 labelling (section 3.1)",
            {"answers_per_stimulus": 5, "threshold": 4, "top_k": 1},
            PANELS | {"top_k": "people are asked about the predicted class"},
            {"trials_per_participant": "the paper does not say how many images one person saw"},
        ),
        PublishedDesign(
            "top5",
            "Rectified top-5 labelling, of all top-1 errors (section 3.1)",
            FIVE | {"selection": TOP1_ERRORS},
            PANELS | {"selection": "of the images that the best guess misses: 6.44 → 1.94%"},
            {"asking": "the paper does not say whether the guesses were asked about together"},
        ),
        PublishedDesign(
            "top5_errors",
            "Rectified top-5 labelling, of the top-5 errors alone (section 3.1)",
            FIVE | {"selection": TOP5_ERRORS},
            PANELS | {"selection": "of the images that all five guesses miss: 6.44 → 1.37%"},
            {"asking": "the paper does not say whether the guesses were asked about together"},
        ),
    )

    def sample_size(self, design: Mapping[str, Any], counts: ImageCounts) -> SampleSize:
        if design.get(NAMED):
            return classifier_union.sample_size(design, counts)
        wrong = counts.errors_of(design["classes"], five=design["selection"] == TOP5_ERRORS)
        shown = min(wrong.number, design["sample"] or wrong.number)
        because = wrong.says + (f"; {shown:,} of them are drawn" if shown < wrong.number else "")
        if design["asking"] == ONE_QUESTION:
            return SampleSize(shown, because, at_most=wrong.at_most)
        return SampleSize(5 * shown, f"{because}, each with five questions", at_most=wrong.at_most)

    def compared_classifiers(self, design: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(design.get(NAMED) or ())

    def preparation_report(self, preparation: Mapping[str, Any]) -> tuple[list[Table], list[Gallery]]:
        return (classifier_results.preparation_tables(preparation) if "by_classifier" in preparation else []), []

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        if design.get(NAMED):
            yield from classifier_union.questions(design, bench)
            return
        classifier = design["classifier"]
        titles = bench.class_titles(classifier)
        names = bench.class_names(classifier)
        images = bench.images(classifier, classes=design["classes"])
        wrong = [p for p in bench.predictions(classifier, images) if p.top[0].label != p.image.label]
        if design["top_k"] == 5:
            yield from top5.five_guesses(design, bench, wrong, images)
            return
        if not wrong:
            raise DesignError([f"the classifier gets none of the {len(images)} images wrong: there is nothing to show"])
        shown = sample(wrong, design["sample"], design["seed"])
        bench.add_to_report(images=len(images), errors=len(wrong), shown=len(shown))
        told = bench.glosses(classifier)
        for prediction, picture in zip(shown, bench.pictures(classifier, [p.image for p in shown]), strict=True):
            predicted = prediction.top[0]
            yield StimulusSpec(
                condition="errors",
                shown={
                    "picture": picture.as_json(),
                    "ask": titles[predicted.label],
                    **glossed(told, [predicted.label], prediction.image),
                },
                truth={
                    "image": prediction.image.path,
                    "label": names[predicted.label],
                    "true_label": names[prediction.image.label],
                    "probability": predicted.probability,
                    "true_probability": prediction.true_probability,
                },
            )
        yield from gold_trials.questions(design, bench, images, condition="errors", main=len(shown))

    def picture_figures(
        self, design: Mapping[str, Any], preparation: Mapping[str, Any], shown: Sequence[ShownStimulus]
    ) -> list[Gallery]:
        """Figure 3, errors that people accept; and figure 10a, images that the classifier takes for one class."""
        k, panel = design["threshold"], design["answers_per_stimulus"]
        accepted = [one for one in shown if one.answers >= panel and one.yes * panel >= k * one.answers]
        accepted.sort(key=lambda one: (-one.yes, one.number))
        label = most_frequent_label(shown)
        taken = [one for one in shown if one.label == label]
        return [
            picture_grids.grid(
                "Accepted errors", accepted, f"Errors whose label at least {k} of {panel} people accept, most first."
            ),
            picture_grids.grid(
                f"Images classified as {label}",
                taken,
                "Errors alone: images of other classes that the classifier mistook.",
            ),
        ]

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return YES_OR_NO

    def reads(self, design: Mapping[str, Any]) -> tuple[str, ...]:
        if design.get(NAMED):
            return (*self.summary_reads, "classifiers")
        return self.summary_reads if design["asking"] == EACH_LABEL else ()

    def rehearsal_measures(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        if NAMED in measures:
            return classifier_results.rehearsal_measures(measures)
        return {"accepted share": measures["accepted_share"], "rectified error": measures["rectified_error"]}

    def preregister(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Preregistration:
        k, n = design["threshold"], design["answers_per_stimulus"]
        shown = "shown images" if design["asking"] == ONE_QUESTION else "shown images, one of whose guesses is accepted"
        estimand = (
            f"R({k}) = E (1 - s({k})): the error E over all images, less the share s of {shown} at {k} of {n} yes"
        )
        if design.get(NAMED):
            estimand += ", of each classifier, and the differences of R between them"
            how = classifier_results.how_computed(design, preparation)
            return panel_rules.preregistered_panels(design, estimand, how)
        how = rectified_results.how_computed(design, preparation)
        return panel_rules.preregistered_panels(design, estimand, how)

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        # Without rates people find a bit under half of the labels relevant (by the paper's Table 1, 43 to 58%); and
        # the true class, where it is among several, nearly always.
        usual = 0.95 if truth["true_label"] in truth["label"].split("; ") else 0.45
        return panel_rules.simulated(usual if rate is None else rate, random)

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        if design.get(NAMED):
            return classifier_results.summary(design, preparation, stimuli, answers)
        found = rectified_results.judged(design, preparation, stimuli, answers)
        if answers.empty:
            return Summary("No answer counts yet.", found.measures)
        yes = (answers["answer"] == "yes").astype("int8")
        figures = [
            *rectified_results.figures(found),
            condition_comparison.people_figure(answers.assign(yes=yes), "yes"),
        ]
        tables = rectified_results.tables(found, preparation)
        return Summary(rectified_results.headline(found.measures), found.measures, tables, figures)

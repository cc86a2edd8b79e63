"""Rectified top-1 labelling (Stock & Cissé 2018, section 3.2).

People see every image the classifier got wrong, with the class it predicted, and say whether that class is relevant.
An error on which at least k of n people say yes is no error: R(k) = E·(1 − s(k)), with E the error over all images
and s(k) the share of shown images with at least k yes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from django import forms
from django.utils.translation import gettext_lazy as _

from studies.analysis.rectified import rectified_error
from studies.analysis.report import reanalysis
from studies.analysis.tables import Answers

from .base import Choice, DesignError, DesignForm, Protocol, StimulusSpec, sample
from .fields import NameListField
from .results import Figure, Summary, Table, percent, span


class RectifiedLabelingForm(DesignForm):
    threshold = forms.IntegerField(
        initial=4,
        required=False,
        min_value=1,
        help_text="k: a label counts as relevant when at least so many of the panel say yes.",
    )
    top_k = forms.IntegerField(
        initial=1, required=False, min_value=1, max_value=1, help_text="Errors of the classifier's k best guesses."
    )
    classes = NameListField(
        required=False, initial=[], help_text="Only images of these true classes, one a line; empty for all."
    )
    sample = forms.IntegerField(
        required=False,
        min_value=1,
        help_text="Show so many of the misclassified images, drawn at random; empty for all. E stays over all images.",
    )
    field_order = ["classifier", "answers_per_stimulus", "threshold", "trials_per_participant"]

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        panel, threshold = design.get("answers_per_stimulus"), design.get("threshold")
        if panel and threshold and threshold > panel:
            self.add_error("threshold", f"Must not be above answers_per_stimulus, which is {panel}.")
        known = self.catalogue.classifiers.get(design.get("classifier", ""), ())
        if known and (missing := [name for name in design.get("classes", []) if name not in known]):
            self.add_error("classes", f"This classifier has no class {', '.join(missing)}.")
        return design


class RectifiedLabeling(Protocol):
    key, title, version = "rectified_labeling", "Rectified top-1 labelling", 1
    description = "People judge whether the predicted class of each misclassified image is relevant after all."
    form_class = RectifiedLabelingForm

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier = design["classifier"]
        titles = bench.class_titles(classifier)
        names = bench.class_names(classifier)
        images = bench.images(classifier, classes=design["classes"])
        wrong = [p for p in bench.predictions(classifier, images) if p.top[0].label != p.image.label]
        if not wrong:
            raise DesignError([f"the classifier gets none of the {len(images)} images wrong: there is nothing to show"])
        shown = sample(wrong, design["sample"], design["seed"])
        bench.note(images=len(images), errors=len(wrong), shown=len(shown))
        for prediction, picture in zip(shown, bench.pictures(classifier, [p.image for p in shown]), strict=True):
            predicted = prediction.top[0]
            yield StimulusSpec(
                condition="errors",
                shown={"picture": picture.as_json(), "ask": titles[predicted.label]},
                truth={
                    "image": prediction.image.path,
                    "label": names[predicted.label],
                    "true_label": names[prediction.image.label],
                    "probability": predicted.probability,
                    "true_probability": prediction.true_probability,
                },
            )

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return Choice("yes", _("Yes"), "y"), Choice("no", _("No"), "n")

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        # Without rates people find a bit under half of the labels relevant, as in the paper.
        answer = "yes" if random.random() < (0.45 if rate is None else rate) else "no"
        return answer, float(random.lognormal(0.6, 0.4))

    def summary(
        self, design: Mapping[str, Any], preparation: Mapping[str, Any], stimuli: pd.DataFrame, answers: pd.DataFrame
    ) -> Summary:
        panel, k, error = design["answers_per_stimulus"], design["threshold"], _error(preparation)
        measures: dict[str, Any] = {"top1_error": error, "threshold": k, "panel": panel}
        if answers.empty:
            nothing = {"estimate": None, "low": None, "high": None, "reason": "no answer counts yet"}
            measures |= {"accepted_share": nothing, "rectified_error": nothing}
            return Summary(headline="No answer counts yet.", measures=measures)
        said = Answers.from_frame(answers)
        measures |= reanalysis(said, threshold=k, panel=panel, seed=design["seed"])
        measures["rectified_error"] = rectified_error(
            said,
            population=preparation["images"],
            errors=preparation["errors"],
            shown=preparation["shown"],
            threshold=k,
            panel=panel,
        )
        return Summary(_headline(measures), measures, [_table(measures)], _figures(measures))


def _error(preparation: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "estimate": preparation["errors"] / preparation["images"],
        "numerator": preparation["errors"],
        "numerator_name": "misclassified images",
        "denominator": preparation["images"],
        "denominator_name": "images",
    }


def _headline(measures: Mapping[str, Any]) -> str:
    accepted, rectified = measures["accepted_share"], measures["rectified_error"]
    error = percent(measures["top1_error"]["estimate"])
    if rectified["estimate"] is None:
        return f"The top-1 error is {error}; it cannot be rectified yet: {rectified['reason']}."
    share, new = percent(accepted["estimate"]), percent(rectified["estimate"])
    rule = f"At least {measures['threshold']} of {measures['panel']} people accept {share} of the errors"
    return f"{rule}: the top-1 error of {error} becomes {new} ({span(rectified)})."


def _table(measures: Mapping[str, Any]) -> Table:
    error, accepted, rectified = (measures[name] for name in ("top1_error", "accepted_share", "rectified_error"))
    plain = {**rectified["wilson"], "level": rectified["level"]}
    known = f"{error['numerator']} of {error['denominator']} {error['denominator_name']}"
    panels = f"{accepted['numerator']} of {accepted['denominator']} panels"
    formula = f"{percent(error['estimate'])} × (1 − {percent(accepted['estimate'])})"
    rows = [
        ["Standard top-1 error, E", percent(error["estimate"]), "known", known],
        ["Accepted share, s", percent(accepted["estimate"]), span(accepted), panels],
        ["Rectified top-1 error, R", percent(rectified["estimate"]), span(rectified), formula],
        ["R with a plain Wilson interval", percent(rectified["estimate"]), span(plain), "ignores participants"],
    ]
    return Table("Top-1 error before and after people judged it", ["", "estimate", "uncertainty", "from"], rows, NOTE)


NOTE = (
    "The default interval is two-way: it accounts for images and for participants. Its pivotal variance was derived "
    "for Quorum and has no published reference; the plain Wilson interval treats the panels as independent."
)


def _figures(measures: Mapping[str, Any]) -> list[Figure]:
    n, curve = measures["panel"], measures["rectified_error"]["curve"]
    positive = {"name": "images", "x": list(range(n + 1)), "y": measures["histogram"]}
    rectified = {"name": "R(k)", "x": list(range(n + 2)), "y": curve, "marked": measures["threshold"]}
    return [
        Figure(
            name="positive_answers",
            kind="bars",
            title="Positive answers per image",
            x=f"yes answers of {n}",
            y="images",
            series=[positive],
            note=f"How many of the images with {n} answers got so many yes.",
        ),
        Figure(
            name="threshold_curve",
            kind="steps",
            title="Rectified error by threshold",
            x="threshold k: yes answers that make a label relevant",
            y="R(k) in %",
            series=[rectified],
            note="At k = 0 every error is accepted; above the panel's size none is. The design's threshold is marked.",
        ),
    ]

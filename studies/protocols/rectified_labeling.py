"""Rectified top-1 labelling (Stock & Cissé 2018, section 3.2).

People see every image the classifier got wrong, with the class it predicted, and say whether that class is relevant.
An error on which at least k of n people say yes is no error: R(k) = E·(1 − s(k)), with E the error over all images
and s(k) the share of shown images with at least k yes.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from django import forms
from django.utils.translation import gettext_lazy as _

from .base import Choice, DesignError, DesignForm, Protocol, StimulusSpec, sample
from .fields import NameListField
from .results import Figure, Summary, Table

if TYPE_CHECKING:
    import pandas as pd


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
    known = {
        "true_label": "Name of the photograph's true class.",
        "probability": "What the classifier gives the class that was asked about, which it predicted.",
        "true_probability": "What the classifier gives the true class.",
    }

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
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        # Loaded here, so that web processes, which only ask, start fast.
        from studies.analysis.crossed import CrossedPanels
        from studies.analysis.panels import count_panels
        from studies.analysis.participants import participant_summary
        from studies.analysis.rectified import rectified_error
        from studies.analysis.report import reanalysis
        from studies.analysis.tables import Answers

        panel, k, error = design["answers_per_stimulus"], design["threshold"], _error(preparation)
        measures: dict[str, Any] = {"top1_error": error, "threshold": k, "panel": panel}
        if answers.empty:
            nothing = {"estimate": None, "low": None, "high": None, "reason": "no answer counts yet"}
            measures |= {"accepted_share": nothing, "rectified_error": nothing}
            return Summary(headline="No answer counts yet.", measures=measures)
        said = Answers(
            participant=answers["participant"].to_numpy(),
            stimulus=answers["stimulus"].to_numpy(),
            answer=(answers["answer"] == "yes").to_numpy(dtype="int8"),
        )
        panels = count_panels(said, panel=panel)
        counted = {"panels": panels, "crossed": CrossedPanels.of(said, panels)}
        counts = {name: preparation[name] for name in ("images", "errors", "shown")}
        counts["population"] = counts.pop("images")
        measures |= reanalysis(said, threshold=k, panel=panel, seed=design["seed"])
        by_threshold = [rectified_error(said, threshold=t, **counts, **counted) for t in range(1, panel + 1)]
        measures["rectified_error"] = by_threshold[k - 1]
        people = participant_summary(said)
        measures["straight_lining_participants"] = int(people["straight_lining"].sum())
        return Summary(
            _headline(measures),
            measures,
            [_result_table(measures), _basis_table(measures, preparation), _agreement_table(measures["agreement"])],
            [_positive_answers(measures), _thresholds(measures, by_threshold), _people(people, measures["yes_share"])],
        )


def _error(preparation: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "estimate": preparation["errors"] / preparation["images"],
        "numerator": preparation["errors"],
        "numerator_name": "misclassified images",
        "denominator": preparation["images"],
        "denominator_name": "images",
    }


# --- in words ---------------------------------------------------------------------------------------------------------


def _headline(measures: Mapping[str, Any]) -> str:
    accepted, rectified = measures["accepted_share"], measures["rectified_error"]
    error = _percent(measures["top1_error"]["estimate"])
    if rectified["estimate"] is None:
        return f"The top-1 error is {error}; it cannot be rectified yet: {rectified['reason']}."
    share, new = _percent(accepted["estimate"]), _percent(rectified["estimate"])
    rule = f"At least {measures['threshold']} of {measures['panel']} people accept {share} of the errors"
    return f"{rule}: the top-1 error of {error} becomes {new} ({_range(rectified)})."


def _range(quantity: Mapping[str, Any]) -> str:
    if quantity["low"] is None:
        return f"no interval: {quantity['reason']}"
    level = round(100 * quantity["level"])
    return f"{level} % interval {_percent(quantity['low'])} to {_percent(quantity['high'])}"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.2f} %"


# --- in tables --------------------------------------------------------------------------------------------------------

DERIVED = (
    "The default interval is two-way: it accounts for images and for participants. Its pivotal variance was derived "
    "for Quorum and has no published reference; the plain Wilson interval treats the panels as independent."
)


def _result_table(measures: Mapping[str, Any]) -> Table:
    error, accepted, rectified = (measures[name] for name in ("top1_error", "accepted_share", "rectified_error"))
    known = f"{error['numerator']} of {error['denominator']} {error['denominator_name']}"
    rows = [["Standard top-1 error, E", _percent(error["estimate"]), "known", known]]
    if accepted["estimate"] is None:
        rows.append(["Rectified top-1 error, R", None, None, accepted["reason"]])
    else:
        plain = {**rectified["wilson"], "level": rectified["level"], "reason": rectified["reason"]}
        panels = f"{accepted['numerator']} of {accepted['denominator']} panels"
        formula = f"{_percent(error['estimate'])} × (1 − {_percent(accepted['estimate'])})"
        rows += [
            ["Accepted share, s", _percent(accepted["estimate"]), _range(accepted), panels],
            ["Rectified top-1 error, R", _percent(rectified["estimate"]), _range(rectified), formula],
            ["R with a plain Wilson interval", _percent(rectified["estimate"]), _range(plain), "ignores participants"],
        ]
    note = " ".join([DERIVED, *(f"{text[0].upper()}{text[1:]}." for text in rectified["notes"])])
    return Table("Top-1 error before and after people judged it", ["", "estimate", "uncertainty", "from"], rows, note)


def _basis_table(measures: Mapping[str, Any], preparation: Mapping[str, Any]) -> Table:
    effective, panels = measures["accepted_share"]["effective_participants"], measures["accepted_share"]["panels"]
    rows = [
        ["Images", preparation["images"]],
        ["Misclassified images", preparation["errors"]],
        ["Stimuli shown", preparation["shown"]],
        [f"Panels with {measures['panel']} answers", panels["counted"]],
        ["Panels with fewer, left out", panels["short"]],
        ["Answers counted", measures["answers"]],
        ["Participants", measures["participants"]],
        ["Effective participants", None if effective is None else f"{effective:.1f}"],
        ["Participants flagged for straight-lining, kept", measures["straight_lining_participants"]],
    ]
    note = (
        "Effective participants: the number of equally active people who would carry as much information. "
        "Straight-lining: a run of one answer that is most unlikely by chance."
    )
    return Table("What the result rests on", ["", "number"], rows, note)


AGREEMENT = {
    "raw": "Raw agreement",
    "fleiss_kappa": "Fleiss’ kappa",
    "krippendorff_alpha": "Krippendorff’s alpha",
    "gwet_ac1": "Gwet’s AC1",
}


def _agreement_table(agreement: Mapping[str, Any]) -> Table:
    def between(bounds: Mapping[str, Any]) -> str | None:
        return None if bounds["low"] is None else f"{bounds['low']:.3f} to {bounds['high']:.3f}"

    rows = []
    for key, name in AGREEMENT.items():
        value, bootstrap = agreement[key], agreement["bootstrap"][key]
        shown = agreement["reasons"].get(key) if value is None else f"{value:.3f}"
        rows.append([name, shown, between(agreement["intervals"][key]), between(bootstrap)])
    level = round(100 * agreement["level"])
    note = (
        "The two-way interval accounts for images and for participants; like the pivotal variance it was derived for "
        "Quorum. The bootstrap over stimuli is the usual one and takes the participants for granted."
    )
    if agreement["interval_reason"]:
        note += f" No two-way interval: {agreement['interval_reason']}."
    columns = ["", "value", f"{level} % two-way interval", f"{level} % bootstrap interval"]
    return Table("Agreement within panels", columns, rows, note)


# --- in figures -------------------------------------------------------------------------------------------------------


def _positive_answers(measures: Mapping[str, Any]) -> Figure:
    n = measures["panel"]
    return Figure(
        name="positive_answers",
        kind="bars",
        title="Positive answers per image",
        x=f"yes answers of {n}",
        y="images",
        series=[{"name": "images", "x": list(range(n + 1)), "y": measures["histogram"]}],
        note=f"How many of the images with {n} answers got so many yes.",
    )


def _thresholds(measures: Mapping[str, Any], by_threshold: list[Mapping[str, Any]]) -> Figure:
    n, curve = measures["panel"], measures["rectified_error"]["curve"]
    rectified = {
        "name": "R(k)",
        "x": list(range(n + 2)),
        "y": curve,
        "low": [None, *(one["low"] for one in by_threshold), None],
        "high": [None, *(one["high"] for one in by_threshold), None],
        "marked": measures["threshold"],
    }
    return Figure(
        name="threshold_curve",
        kind="steps",
        title="Rectified error by threshold",
        x="threshold k: yes answers that make a label relevant",
        y="R(k) in %",
        series=[rectified],
        note=(
            "At k = 0 every error is accepted; above the panel's size none is, and R is the standard error. "
            "Thick lines are 95 % intervals. The design's threshold is marked."
        ),
    )


def _people(people: "pd.DataFrame", yes_share: float) -> Figure:
    points = {
        "name": "participants",
        "x": people["answers"].tolist(),
        "y": people["yes_share"].tolist(),
        "marked": yes_share,
    }
    return Figure(
        name="participants",
        kind="scatter",
        title="Participants",
        x="counted answers",
        y="yes answers in %",
        series=[points],
        note="One point a participant. The dashed line is the share of yes among all answers.",
    )

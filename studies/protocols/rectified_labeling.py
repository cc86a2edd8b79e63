"""Rectified top-1 and top-5 labelling (Stock & Cissé 2018, section 3.2).

People see every image the classifier got wrong, with the class it predicted, and say whether that class is relevant.
An error on which at least k of n people say yes is no error: R(k) = E·(1 − s(k)), with E the error over all images
and s(k) the share of shown images with at least k yes.

With top_k 5 they are shown the five best guesses instead, and an image is accepted when one of them is relevant.  The
paper gives two figures: of the top-1 errors so shown (ResNet-101: 6.44 → 1.94 %), and of the top-5 errors alone
(→ 1.37 %).  The guesses are asked about in one question together, or each in a question of its own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from django import forms
from django.utils.translation import gettext_lazy as _

from studies.analysis.intervals import wilson
from studies.analysis.rectified import rectified_error
from studies.analysis.report import reanalysis
from studies.analysis.tables import Answers

from .base import Choice, DesignError, DesignForm, Protocol, StimulusSpec, sample
from .fields import NameListField
from .results import Figure, Summary, Table, percent, span

TOP1_ERRORS, TOP5_ERRORS = "top1_errors", "top5_errors"
ONE_QUESTION, EACH_LABEL = "one_question", "each_label"


class RectifiedLabelingForm(DesignForm):
    threshold = forms.IntegerField(
        initial=4,
        required=False,
        min_value=1,
        help_text="k: a label counts as relevant when at least so many of the panel say yes.",
    )
    top_k = forms.IntegerField(
        initial=1,
        required=False,
        min_value=1,
        max_value=5,
        help_text="How many of the classifier's best guesses people are asked about: 1 or 5.",
    )
    selection = forms.ChoiceField(
        initial=TOP1_ERRORS,
        required=False,
        choices=[
            (TOP1_ERRORS, "where the best guess is wrong"),
            (TOP5_ERRORS, "where all five best guesses are wrong"),
        ],
        help_text="Which images are shown.",
    )
    asking = forms.ChoiceField(
        initial=ONE_QUESTION,
        required=False,
        choices=[(ONE_QUESTION, "one question for all guesses"), (EACH_LABEL, "one question for each guess")],
        help_text="How people are asked about five guesses.",
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
        self._clean_guesses(design)
        known = self.catalogue.classifiers.get(design.get("classifier", ""), ())
        if known and (missing := [name for name in design.get("classes", []) if name not in known]):
            self.add_error("classes", f"This classifier has no class {', '.join(missing)}.")
        return design

    def _clean_guesses(self, design: dict[str, Any]) -> None:
        if design.get("top_k") not in (None, 1, 5):
            self.add_error("top_k", "Must be 1 or 5.")
        if design.get("top_k") == 1:
            for name, only in (("selection", TOP1_ERRORS), ("asking", ONE_QUESTION)):
                if design.get(name) not in (None, only):
                    self.add_error(name, f"With top_k 1 this can only be {only}.")


class RectifiedLabeling(Protocol):
    key, title, version = "rectified_labeling", "Rectified labelling", 1
    description = "People judge whether what the classifier took each misclassified image for is relevant after all."
    form_class = RectifiedLabelingForm

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier = design["classifier"]
        titles = bench.class_titles(classifier)
        names = bench.class_names(classifier)
        images = bench.images(classifier, classes=design["classes"])
        wrong = [p for p in bench.predictions(classifier, images) if p.top[0].label != p.image.label]
        if design["top_k"] == 5:
            yield from _five_guesses(design, bench, wrong, len(images))
            return
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
        if design.get("top_k", 1) == 5:
            return _five_guesses_summary(design, preparation, stimuli, answers)
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


# --- five guesses -----------------------------------------------------------------------------------------------------


def _five_guesses(design: Mapping[str, Any], bench: Any, wrong: list[Any], images: int) -> Iterator[StimulusSpec]:
    """Stimuli of the images that count as errors by the design's selection, with the classifier's five best guesses."""
    classifier = design["classifier"]
    titles, names = bench.class_titles(classifier), bench.class_names(classifier)
    wrong5 = [p for p in wrong if p.image.label not in {guess.label for guess in p.top}]
    errors = wrong5 if design["selection"] == TOP5_ERRORS else wrong
    if not errors:
        best = "five best guesses" if design["selection"] == TOP5_ERRORS else "best guess"
        raise DesignError([f"the {best} miss none of the {images} images: there is nothing to show"])
    shown = sample(errors, design["sample"], design["seed"])
    bench.note(images=images, errors=len(errors), top1_errors=len(wrong), top5_errors=len(wrong5), shown=len(shown))
    for prediction, picture in zip(shown, bench.pictures(classifier, [p.image for p in shown]), strict=True):
        labels = [guess.label for guess in prediction.top]
        for asked in [labels] if design["asking"] == ONE_QUESTION else [[label] for label in labels]:
            yield StimulusSpec(
                condition=design["selection"].replace("_", "-"),
                shown={
                    "picture": picture.as_json(),
                    "ask": ", ".join(titles[label] for label in asked),
                    **({"asks": [titles[label] for label in asked]} if len(asked) > 1 else {}),
                },
                truth={
                    "image": prediction.image.path,
                    "label": "; ".join(names[label] for label in asked),
                    "true_label": names[prediction.image.label],
                    "probabilities": [guess.probability for guess in prediction.top if guess.label in asked],
                    "true_probability": prediction.true_probability,
                },
            )


def _five_guesses_summary(
    design: Mapping[str, Any], preparation: Mapping[str, Any], stimuli: pd.DataFrame, answers: pd.DataFrame
) -> Summary:
    panel, k = design["answers_per_stimulus"], design["threshold"]
    measures: dict[str, Any] = {
        "top5_error": {**_error(preparation), "estimate": preparation["top5_errors"] / preparation["images"]}
        | {"numerator": preparation["top5_errors"], "numerator_name": "images missed by all five guesses"},
        "selected_error": {**_error(preparation), "numerator_name": SELECTED[design["selection"]]},
        "selection": design["selection"],
        "asking": design["asking"],
        "threshold": k,
        "panel": panel,
    }
    if answers.empty:
        nothing = {"estimate": None, "low": None, "high": None, "reason": "no answer counts yet"}
        return Summary("No answer counts yet.", measures | {"accepted_share": nothing, "rectified_error": nothing})
    counts = {"population": preparation["images"], "errors": preparation["errors"], "shown": preparation["shown"]}
    if design["asking"] == ONE_QUESTION:
        said = Answers.from_frame(answers)
        measures |= reanalysis(said, threshold=k, panel=panel, seed=design["seed"])
        measures["rectified_error"] = rectified_error(said, **counts, threshold=k, panel=panel)
    else:
        measures |= _any_of_five(stimuli, answers, panel, k, counts)
    figures = _figures(measures) if design["asking"] == ONE_QUESTION else []
    return Summary(_five_guesses_headline(measures), measures, [_five_guesses_table(measures)], figures)


def _any_of_five(
    stimuli: pd.DataFrame, answers: pd.DataFrame, panel: int, k: int, counts: Mapping[str, int]
) -> dict[str, Any]:
    """An image is accepted when at least one of its guesses is; it counts when all of its panels are complete."""
    yes = (answers["answer"] == "yes").groupby(answers["stimulus"]).agg(["size", "sum"])
    panels = stimuli.assign(image=[truth["image"] for truth in stimuli["truth"]]).set_index("stimulus").join(yes)
    complete = (panels["size"] == panel).groupby(panels["image"]).all()
    accepted = (panels["sum"] >= k).groupby(panels["image"]).any()[complete]
    n, m = len(accepted), int(accepted.sum())
    error, plain = counts["errors"] / counts["population"], wilson(m, n)
    share = {
        "estimate": m / n if n else None,
        "low": None,
        "high": None,
        "level": 0.95,
        "numerator": m,
        "denominator": n,
        "reason": "a two-way interval is not known for images accepted through any of several questions"
        if n
        else "no image has all of its panels complete",
        "wilson": {"low": plain[0], "high": plain[1]} if plain else {"low": None, "high": None},
    }

    def rectified(value: float | None) -> float | None:
        return None if value is None else error * (1 - value)

    turned = {"low": rectified(share["wilson"]["high"]), "high": rectified(share["wilson"]["low"])}
    return {
        "answers": len(answers),
        "accepted_share": share,
        "rectified_error": {**share, "estimate": rectified(share["estimate"]), "wilson": turned, **counts},
    }


SELECTED = {TOP1_ERRORS: "images missed by the best guess", TOP5_ERRORS: "images missed by all five guesses"}
ASKED = {ONE_QUESTION: "asked in one question", EACH_LABEL: "asked one by one"}


def _five_guesses_headline(measures: Mapping[str, Any]) -> str:
    rectified, standard = measures["rectified_error"], percent(measures["top5_error"]["estimate"])
    if rectified["estimate"] is None:
        return f"The top-5 error is {standard}; it cannot be rectified yet: {rectified['reason']}."
    rule = f"with labels that at least {measures['threshold']} of {measures['panel']} people accept"
    how = f"shown: {SELECTED[measures['selection']]}; guesses {ASKED[measures['asking']]}"
    return f"The top-5 error of {standard} becomes {percent(rectified['estimate'])} {rule} ({how}; {span(rectified)})."


def _five_guesses_table(measures: Mapping[str, Any]) -> Table:
    standard, selected = measures["top5_error"], measures["selected_error"]
    accepted, rectified = measures["accepted_share"], measures["rectified_error"]
    plain = {**rectified["wilson"], "level": 0.95, "reason": rectified["reason"]}
    formula = f"{percent(selected['estimate'])} × (1 − {percent(accepted['estimate'])})"
    shares = f"{accepted.get('numerator')} of {accepted.get('denominator')} images, {ASKED[measures['asking']]}"
    rows: list[list[Any]] = [
        [name, percent(fact["estimate"]), "known", f"{fact['numerator']} of {fact['denominator']} images"]
        for name, fact in (("Standard top-5 error", standard), (f"E, {selected['numerator_name']}", selected))
    ]
    rows += [
        ["Accepted share, s", percent(accepted["estimate"]), span(accepted), shares],
        ["Rectified top-5 error, R", percent(rectified["estimate"]), span(rectified), formula],
        ["R with a plain Wilson interval", percent(rectified["estimate"]), span(plain), "ignores participants"],
    ]
    note = "" if measures["asking"] == EACH_LABEL else NOTE
    return Table("Top-5 error before and after people judged it", ["", "estimate", "uncertainty", "from"], rows, note)

"""Rectified top-1 and top-5 labelling (Stock & Cissé 2018, section 3.2).

People see every image the classifier got wrong, with the class it predicted, and say whether that class is relevant.
An error on which at least k of n people say yes is no error: R(k) = E·(1 − s(k)), with E the error over all images
and s(k) the share of shown images with at least k yes.

With top_k 5 they are shown the five best guesses instead, and an image is accepted when one of them is relevant.  The
paper gives two figures: of the top-1 errors so shown (ResNet-101: 6.44 → 1.94 %), and of the top-5 errors alone
(→ 1.37 %).  The guesses are asked about in one question together, or each in a question of its own.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from django import forms

from . import accepting, checking, comparing, guesses
from .accepting import YES_OR_NO, PanelForm, known_share, nothing_counts
from .base import Choice, DesignError, Protocol, StimulusSpec, sample
from .expected import Expected, Known
from .explained import PAPER, AsInPaper, Setting
from .glossing import glossed
from .guesses import EACH_LABEL, ONE_QUESTION, TOP1_ERRORS, TOP5_ERRORS
from .registered import Registered
from .results import Summary, Table, percent, span

if TYPE_CHECKING:
    import pandas as pd

SELECTED = {TOP1_ERRORS: "images missed by the best guess", TOP5_ERRORS: "images missed by all five guesses"}
ASKED = {ONE_QUESTION: "asked in one question", EACH_LABEL: "asked one by one"}

#: What the paper's studies of rectified errors have in common.
FIVE = {"answers_per_stimulus": 5, "threshold": 4, "top_k": 5, "asking": ONE_QUESTION}
PANELS = {
    "answers_per_stimulus": "five people see each image",
    "threshold": "a label is accepted when at least four of the five say yes",
    "top_k": "the five best guesses are shown",
}


class RectifiedLabelingForm(PanelForm):
    about: ClassVar[Mapping[str, Setting]] = {
        "top_k": Setting(
            "asked",
            "With 5 the top-5 error is rectified: an image is accepted when one of five guesses is relevant.",
            "guesses",
            f"{PAPER}: both (section 3.2).",
        ),
        "selection": Setting(
            "asked",
            "With five guesses: all top-1 errors are more images to show than the top-5 errors alone. The two answer "
            "different questions.",
            "",
            f"{PAPER} reports both: 1.94 and 1.37 % (section 3.2).",
        ),
        "asking": Setting(
            "asked", "A question for each guess makes five stimuli of an image, and five times the answers."
        ),
        "sample": Setting(
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
    sample = forms.IntegerField(
        required=False,
        min_value=1,
        help_text="Show so many of the misclassified images, drawn at random; empty for all. E stays over all images.",
    )
    field_order = ["classifier", "answers_per_stimulus", "threshold", "trials_per_participant"]

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
    key, title, version = "rectified_labeling", "Rectified labelling", 1
    description = "People judge whether what the classifier took each misclassified image for is relevant after all."
    form_class = RectifiedLabelingForm
    known = {
        "true_label": "Name of the photograph's true class.",
        "probability": "What the classifier gives the class that was asked about; for five, a list.",
        "true_probability": "What the classifier gives the true class.",
    }
    summary_reads = ("image",)
    amendable = ("threshold", "unequal_panels")
    papers = (
        AsInPaper(
            "top1",
            "Rectified top-1 labelling (section 3.2)",
            {"answers_per_stimulus": 5, "threshold": 4, "top_k": 1},
            PANELS | {"top_k": "people are asked about the predicted class"},
            {"trials_per_participant": "the paper does not say how many images one person saw"},
        ),
        AsInPaper(
            "top5",
            "Rectified top-5 labelling, of all top-1 errors (section 3.2)",
            FIVE | {"selection": TOP1_ERRORS},
            PANELS | {"selection": "of the images that the best guess misses: 6.44 → 1.94 %"},
            {"asking": "the paper does not say whether the guesses were asked about together"},
        ),
        AsInPaper(
            "top5_errors",
            "Rectified top-5 labelling, of the top-5 errors alone (section 3.2)",
            FIVE | {"selection": TOP5_ERRORS},
            PANELS | {"selection": "of the images that all five guesses miss: 6.44 → 1.37 %"},
            {"asking": "the paper does not say whether the guesses were asked about together"},
        ),
    )

    def expected(self, design: Mapping[str, Any], known: Known) -> Expected:
        wrong = known.errors_of(design["classes"], five=design["selection"] == TOP5_ERRORS)
        shown = min(wrong.number, design["sample"] or wrong.number)
        because = wrong.says + (f"; {shown:,} of them are drawn" if shown < wrong.number else "")
        if design["asking"] == ONE_QUESTION:
            return Expected(shown, because, at_most=wrong.at_most)
        return Expected(5 * shown, f"{because}, each with five questions", at_most=wrong.at_most)

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier = design["classifier"]
        titles = bench.class_titles(classifier)
        names = bench.class_names(classifier)
        images = bench.images(classifier, classes=design["classes"])
        wrong = [p for p in bench.predictions(classifier, images) if p.top[0].label != p.image.label]
        if design["top_k"] == 5:
            yield from guesses.five_guesses(design, bench, wrong, images)
            return
        if not wrong:
            raise DesignError([f"the classifier gets none of the {len(images)} images wrong: there is nothing to show"])
        shown = sample(wrong, design["sample"], design["seed"])
        bench.note(images=len(images), errors=len(wrong), shown=len(shown))
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
        yield from checking.questions(design, bench, images, condition="errors")

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return YES_OR_NO

    def reads(self, design: Mapping[str, Any]) -> tuple[str, ...]:
        return self.summary_reads if design["asking"] == EACH_LABEL else ()

    def recovered(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        return {"accepted share": measures["accepted_share"], "rectified error": measures["rectified_error"]}

    def registered(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Registered:
        k, n = design["threshold"], design["answers_per_stimulus"]
        shown = "shown images" if design["asking"] == ONE_QUESTION else "shown images, one of whose guesses is accepted"
        return accepting.registered(
            design,
            f"R({k}) = E (1 - s({k})): the error E over all images, less the share s of {shown} at {k} of {n} yes",
            {
                "kind": "panels" if design["asking"] == ONE_QUESTION else "any_panel",
                "item": "stimulus" if design["asking"] == ONE_QUESTION else "image",
                "formula": "E * (1 - s)",
                "known": {"E": [preparation["errors"], preparation["images"]]},
            },
        )

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        # Without rates people find a bit under half of the labels relevant, as in the paper; and the true class, where
        # it is among several, nearly always.
        usual = 0.95 if truth["true_label"] in truth["label"].split("; ") else 0.45
        return accepting.simulated(usual if rate is None else rate, random)

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        panel, k, rule = (design[name] for name in ("answers_per_stimulus", "threshold", "unequal_panels"))
        measures = _known(design, preparation) | {"threshold": k, "panel": panel}
        if answers.empty:
            nothing = nothing_counts()
            return Summary("No answer counts yet.", measures | {"accepted_share": nothing, "rectified_error": nothing})
        # Loaded here, so that web processes, which only ask, start fast.
        from studies.analysis.crossed import CrossedPanels
        from studies.analysis.dawid_skene import positive_share
        from studies.analysis.panels import count_panels
        from studies.analysis.participants import participant_summary
        from studies.analysis.rectified import rectified_error
        from studies.analysis.report import reanalysis
        from studies.analysis.tables import Answers

        said = Answers(
            participant=answers["participant"].to_numpy(),
            stimulus=answers["stimulus"].to_numpy(),
            answer=(answers["answer"] == "yes").to_numpy(dtype="int8"),
        )
        people = comparing.people_figure(answers.assign(yes=said.answer), "yes")
        settings = {"threshold": k, "panel": panel, "rule": rule, "seed": design["seed"]}
        if design["asking"] == EACH_LABEL:
            labels = measures["labels"] = reanalysis(said, **settings)
            measures |= guesses.any_of_five(stimuli, answers, panel, k, rule, preparation)
            tables = [_result_table(measures), accepting.agreement_table(labels["agreement"])]
            histogram = accepting.positive_answers(panel, {"labels": labels["histogram"]}, by="label", of="labels")
            return Summary(_headline(measures), measures, tables, [histogram, people])
        panels = count_panels(said, panel=panel, rule=rule)
        counted = {"panels": panels, "crossed": CrossedPanels.of(said, panels)}
        counts = {"population": preparation["images"]} | {name: preparation[name] for name in ("errors", "shown")}
        measures |= reanalysis(said, **settings)
        by_threshold = [rectified_error(said, threshold=t, **counts, **counted) for t in range(1, panel + 1)]
        measures["rectified_error"] = by_threshold[k - 1]
        measures["straight_lining_participants"] = int(participant_summary(said)["straight_lining"].sum())
        measures["dawid_skene"] = positive_share(said)
        error = measures["top1_error" if design["top_k"] == 1 else "selected_error"]["estimate"]
        tables = [
            _result_table(measures),
            _basis_table(measures, preparation),
            accepting.agreement_table(measures["agreement"]),
            accepting.robustness_table(by_threshold, measures["dawid_skene"], lambda share: error * (1 - share)),
        ]
        figures = [
            accepting.positive_answers(panel, {"images": measures["histogram"]}),
            accepting.threshold_curves(panel, k, "error", "error", {"R(k)": by_threshold}),
            people,
        ]
        return Summary(_headline(measures), measures, tables, figures)


# --- what is known, and in words --------------------------------------------------------------------------------------


def _known(design: Mapping[str, Any], preparation: Mapping[str, Any]) -> dict[str, Any]:
    """The error as the classifier leaves it; with five guesses also that of the selection, and how people are asked."""
    images, errors = preparation["images"], preparation["errors"]
    if design["top_k"] == 1:
        return {"top1_error": known_share(errors, "misclassified images", images, "images")}
    return {
        "top5_error": known_share(preparation["top5_errors"], SELECTED[TOP5_ERRORS], images, "images"),
        "selected_error": known_share(errors, SELECTED[design["selection"]], images, "images"),
        "selection": design["selection"],
        "asking": design["asking"],
    }


def _headline(measures: Mapping[str, Any]) -> str:
    accepted, rectified = measures["accepted_share"], measures["rectified_error"]
    guesses = "top-1" if "top1_error" in measures else "top-5"
    error = percent(measures[f"{guesses.replace('-', '')}_error"]["estimate"])
    if rectified["estimate"] is None:
        return f"The {guesses} error is {error}; it cannot be rectified yet: {rectified['reason']}."
    share, new = percent(accepted["estimate"]), percent(rectified["estimate"])
    rule = f"At least {measures['threshold']} of {measures['panel']} people accept {share} of the errors"
    if guesses == "top-5":
        rule += f" shown ({SELECTED[measures['selection']]}; guesses {ASKED[measures['asking']]})"
    return f"{rule}: the {guesses} error of {error} becomes {new} ({span(rectified)})."


# --- in tables and figures --------------------------------------------------------------------------------------------


def _result_table(measures: Mapping[str, Any]) -> Table:
    accepted, rectified = measures["accepted_share"], measures["rectified_error"]
    if "top1_error" in measures:
        guesses, error, judged = "top-1", measures["top1_error"], "panels"
        rows = [["Standard top-1 error, E", percent(error["estimate"]), "known", accepting.counted(error)]]
    else:
        guesses, error, judged = "top-5", measures["selected_error"], f"images, {ASKED[measures['asking']]}"
        standard = measures["top5_error"]
        rows = [
            ["Standard top-5 error", percent(standard["estimate"]), "known", accepting.counted(standard)],
            [f"E, {error['numerator_name']}", percent(error["estimate"]), "known", accepting.counted(error)],
        ]
    name, new = f"Rectified {guesses} error, R", percent(rectified["estimate"])
    if accepted["estimate"] is None:
        rows.append([name, None, None, accepted["reason"]])
    else:
        panels = f"{accepted['numerator']} of {accepted['denominator']} {judged}"
        rows += [
            ["Accepted share, s", percent(accepted["estimate"]), span(accepted), panels],
            [name, new, span(rectified), accepting.product(error["estimate"], accepted["estimate"])],
            ["R with a plain Wilson interval", new, span(accepting.plain(rectified)), accepting.IGNORES],
        ]
    two_way = measures.get("asking") != EACH_LABEL
    note = [accepting.DERIVED] * two_way + [f"{text[0].upper()}{text[1:]}." for text in rectified["notes"]]
    title = f"{guesses.capitalize()} error before and after people judged it"
    return Table(title, ["", "estimate", "uncertainty", "from"], rows, " ".join(note))


SHORT = {"drop": "left out", "proportion": "accepted at the same share", "top_up": "waited for"}


def _basis_table(measures: Mapping[str, Any], preparation: Mapping[str, Any]) -> Table:
    effective, panels = measures["accepted_share"]["effective_participants"], measures["accepted_share"]["panels"]
    rows = [
        ["Images", preparation["images"]],
        ["Misclassified images", preparation["errors"]],
        ["Stimuli shown", preparation["shown"]],
        [f"Panels with {measures['panel']} answers", panels["counted"]],
        [f"Panels with fewer, {SHORT[panels['rule']]}", panels["short"]],
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

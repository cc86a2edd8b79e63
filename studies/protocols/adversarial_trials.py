"""Adversarial images, whole and explained (Stock & Cissé 2018, section 3.3).

Images the classifier gets right are attacked.  Those that fool it as displayed are shown twice, whole and as the
superpixels that speak most for the adversarial label, and people say whether that label is relevant.  A flipped image
whose adversarial label is accepted by k of n people is no error: R = S − f·p, with S the adversarial error over all
images, f the share flipped and p the accepted share of flipped images.  It is not S·(1 − p), which would also forgive
images that were wrong before the attack.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from django import forms
from django.utils.translation import gettext_lazy as _

from studies.analysis.cluster import two_way_difference
from studies.analysis.differences import pivotal_difference
from studies.analysis.panels import count_panels
from studies.analysis.rectified import adversarial_rectified_error
from studies.analysis.tables import Answers

from .base import Arms, Choice, DesignError, DesignForm, Protocol, StimulusSpec, sample
from .fields import NameListField
from .results import Figure, Summary, Table, percent, points, span

WHOLE, EXPLANATION = CONDITIONS = ("whole", "explanation")
TWO_VISITS, GROUPS = "two_visits", "separate_groups"
MOST_RISEN = 10


class AdversarialTrialsForm(DesignForm):
    threshold = forms.IntegerField(
        initial=4,
        required=False,
        min_value=1,
        help_text="k: an adversarial label counts as relevant when at least so many of the panel say yes.",
    )
    trials_per_participant = forms.IntegerField(
        initial=50,
        required=False,
        min_value=1,
        max_value=10_000,
        help_text="How many stimuli one person is shown at most, at each visit.",
    )
    meeting = forms.ChoiceField(
        initial=TWO_VISITS,
        required=False,
        choices=[
            (TWO_VISITS, "in two visits: the same people, a washout apart"),
            (GROUPS, "in separate groups: each person one condition only"),
        ],
        help_text="How people meet the two conditions.",
    )
    washout_days = forms.FloatField(
        initial=3,
        required=False,
        min_value=0.01,
        max_value=365,
        help_text="Days from the last answer of the first visit to the second. Nobody can come back earlier.",
    )
    classes = NameListField(
        required=False, initial=[], help_text="Only images of these true classes, one a line; empty for all."
    )
    sample = forms.IntegerField(
        required=False,
        min_value=1,
        help_text="Show so many of the flipped images, drawn at random; empty for all. S and f stay over all images.",
    )
    attack_step = forms.FloatField(
        initial=0.001, required=False, min_value=1e-9, help_text="IFGSM's ε, the size of a step, in the unit below."
    )
    attack_unit = forms.ChoiceField(
        initial="normalised",
        required=False,
        choices=[
            ("normalised", "of the classifier's normalised input (ε times a channel's standard deviation in pixels)"),
            ("pixel", "of pixels in [0, 1]"),
        ],
        help_text="What the step is measured in.",
    )
    attack_steps = forms.IntegerField(
        initial=10, required=False, min_value=1, max_value=1000, help_text="M, how many steps are taken."
    )
    attack_norm = forms.ChoiceField(
        initial="linf",
        required=False,
        choices=[("linf", "L∞: the sign of the gradient"), ("l2", "L2: the gradient over its length")],
        help_text="The direction of a step.",
    )
    attack_grid = forms.ChoiceField(
        initial="exact",
        required=False,
        choices=[("exact", "exact values, rounded for display at the end"), ("eight_bits", "rounded at every step")],
        help_text="Rounded at every step, what fools the classifier always survives display; needs a step of 1/255.",
    )
    lime_samples = forms.IntegerField(
        initial=1000, required=False, min_value=10, max_value=100_000, help_text="LIME's masks for each image."
    )
    lime_features = forms.IntegerField(
        initial=16, required=False, min_value=1, max_value=1000, help_text="K, superpixels LIME may select."
    )
    superpixels = forms.IntegerField(
        initial=8,
        required=False,
        min_value=1,
        max_value=1000,
        help_text="Superpixels shown: those that speak most for the adversarial label. Fewer where fewer speak for it.",
    )
    fill = forms.ChoiceField(
        initial="grey",
        required=False,
        choices=[("grey", "grey"), ("mean", "their mean colour")],
        help_text="What hides the other superpixels.",
    )
    field_order = ["classifier", "answers_per_stimulus", "threshold", "trials_per_participant", "meeting"]

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        panel, threshold = design.get("answers_per_stimulus"), design.get("threshold")
        if panel and threshold and threshold > panel:
            self.add_error("threshold", f"Must not be above answers_per_stimulus, which is {panel}.")
        known = self.catalogue.classifiers.get(design.get("classifier", ""), ())
        if known and (missing := [name for name in design.get("classes", []) if name not in known]):
            self.add_error("classes", f"This classifier has no class {', '.join(missing)}.")
        on_grid, step = design.get("attack_grid") == "eight_bits", design.get("attack_step")
        if on_grid and design.get("attack_unit") == "pixel" and step and step < 1 / 255:
            self.add_error("attack_step", "Must be at least 1/255 (0.00392157) where every step is rounded.")
        return design


class AdversarialTrials(Protocol):
    key, title, version = "adversarial_trials", "Adversarial images, whole and explained", 1
    description = "People judge the adversarial label of attacked images: shown whole, and reduced to its explanation."
    form_class = AdversarialTrialsForm

    def arms(self, design: Mapping[str, Any]) -> Arms:
        if design["meeting"] == GROUPS:
            return Arms(CONDITIONS)
        return Arms(CONDITIONS, visits=2, washout=timedelta(days=design["washout_days"]))

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier = design["classifier"]
        names, titles = bench.class_names(classifier), bench.class_titles(classifier)
        images = bench.images(classifier, classes=design["classes"])
        predictions = bench.predictions(classifier, images)
        correct = [p.image for p in predictions if p.top[0].label == p.image.label]
        if not correct:
            raise DesignError([f"the classifier gets none of the {len(images)} images right: there is none to attack"])
        attacks = list(bench.attacks(classifier, correct, _attack(design)))
        flipped = [a for a in attacks if a.fools_as_displayed]
        if not flipped:
            raise DesignError([f"none of the {len(correct)} attacked images fools the classifier as displayed"])
        drawn = sample(flipped, design["sample"], design["seed"])
        explanations = bench.explanations(
            classifier,
            [(a.picture, a.label) for a in drawn],
            _explainer(design),
            n_shown=design["superpixels"],
            fill=design["fill"],
            seed=design["seed"],
        )
        pairs = list(zip(drawn, explanations, strict=True))
        # Where nothing speaks for the label there is no explanation to show, and so nothing to compare.
        explained = [(attack, explanation) for attack, explanation in pairs if explanation.n_positive]
        if not explained:
            raise DesignError([f"none of the {len(drawn)} adversarial images has an explanation"])
        bench.note(**_report(len(images), attacks, flipped, drawn, [e for _, e in explained]))
        for attack, explanation in explained:
            truth = {
                "image": attack.image.path,
                "label": names[attack.label],
                "true_label": names[attack.image.label],
                "flip_step": attack.flip_step,
                "fools_exactly": attack.fools_exactly,
                "r2": explanation.r2,
                "n_positive": explanation.n_positive,
            }
            for condition, picture in ((WHOLE, attack.picture), (EXPLANATION, explanation.picture)):
                yield StimulusSpec(
                    condition=condition,
                    shown={"picture": picture.as_json(), "ask": titles[attack.label]},
                    truth={**truth, "condition": condition},
                    family=attack.image.sha256,
                )

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return Choice("yes", _("Yes"), "y"), Choice("no", _("No"), "n")

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        # Without rates, as in the paper: explanations persuade more than whole images.
        usual = {WHOLE: 0.45, EXPLANATION: 0.55}[truth["condition"]]
        answer = "yes" if random.random() < (usual if rate is None else rate) else "no"
        return answer, float(random.lognormal(0.6, 0.4))

    def summary(
        self, design: Mapping[str, Any], preparation: Mapping[str, Any], stimuli: pd.DataFrame, answers: pd.DataFrame
    ) -> Summary:
        panel, k = design["answers_per_stimulus"], design["threshold"]
        measures: dict[str, Any] = {"threshold": k, "panel": panel, "meeting": design["meeting"]}
        measures |= {name: preparation[name] for name in REPORTED}
        if answers.empty:
            nothing = {"estimate": None, "low": None, "high": None, "reason": "no answer counts yet"}
            measures |= {"conditions": {}, "accepted_difference": nothing, "yes_difference": nothing}
            return Summary(headline="No answer counts yet.", measures=measures)
        table = _by_image(stimuli, answers)
        said = Answers.from_frame(table, stimulus="image", condition="condition")
        each = dict(said.by_condition())
        measures["conditions"] = {
            name: _condition(each[name], design, preparation) for name in CONDITIONS if name in each
        }
        measures |= _differences(table, each, panel, k)
        measures["risen"] = _risen(stimuli, said, each, panel)
        return Summary(
            _headline(measures),
            measures,
            [
                _rectified_table(measures),
                _difference_table(measures),
                _preparation_table(measures),
                _risen_table(measures),
            ],
            _figures(measures),
        )


def _attack(design: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "method": "ifgsm",
        "parameters": {
            "step": design["attack_step"],
            "max_steps": design["attack_steps"],
            "norm": design["attack_norm"],
            "unit": design["attack_unit"],
            "on_grid": design["attack_grid"] == "eight_bits",
        },
    }


def _explainer(design: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "method": "lime",
        "parameters": {"n_samples": design["lime_samples"], "n_features": design["lime_features"]},
    }


# --- what preparing found ---------------------------------------------------------------------------------------------


#: The facts of the preparation that the result repeats.
REPORTED = (
    "clean_accuracy",
    "adversarial_accuracy",
    "adversarial_error",
    "flipped_share",
    "survival",
    "r2",
    "positive_superpixels",
)


def _report(
    images: int, attacks: Sequence[Any], flipped: Sequence[Any], drawn: Sequence[Any], explanations: Sequence[Any]
) -> dict[str, Any]:
    """S and f, of the pictures as displayed, which are what people judge; those of the exact tensors stand beside."""
    correct, exactly = len(attacks), [a for a in attacks if a.fools_exactly]
    wrong = images - correct
    return {
        "images": images,
        "errors": wrong,
        "attacked": correct,
        "flipped": len(flipped),
        "adversarial_errors": wrong + len(flipped),
        "drawn": len(drawn),
        "shown": len(explanations),
        "without_explanation": len(drawn) - len(explanations),
        "clean_accuracy": _share(correct, "images given their true class", images, "images"),
        "adversarial_accuracy": {
            **_share(correct - len(flipped), "images given their true class after the attack", images, "images"),
            "exact": (correct - len(exactly)) / images,
        },
        "adversarial_error": {
            **_share(wrong + len(flipped), "images wrong before or after the attack, as displayed", images, "images"),
            "exact": (wrong + len(exactly)) / images,
        },
        "flipped_share": {
            **_share(len(flipped), "images flipped by the attack, as displayed", images, "images"),
            "exact": len(exactly) / images,
            "of_attacked": len(flipped) / correct,
        },
        "survival": _share(
            sum(a.fools_as_displayed for a in exactly),
            "images that still fool the classifier as displayed",
            len(exactly),
            "images whose exact tensor fools it",
        ),
        "r2": _spread([e.r2 for e in explanations]),
        "positive_superpixels": _spread([e.n_positive for e in explanations]),
    }


def _share(numerator: int, numerator_name: str, denominator: int, denominator_name: str) -> dict[str, Any]:
    return {
        "estimate": numerator / denominator if denominator else None,
        "numerator": numerator,
        "numerator_name": numerator_name,
        "denominator": denominator,
        "denominator_name": denominator_name,
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"lowest": min(values), "median": median(values), "highest": max(values), "n": len(values)}


# --- counting ---------------------------------------------------------------------------------------------------------


def _by_image(stimuli: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """The answers with the image in place of the stimulus, so that the two conditions of an image are one stimulus."""
    image = {row.stimulus: row.truth["image"] for row in stimuli.itertuples()}
    return answers.assign(image=answers["stimulus"].map(image))


def _condition(answers: Answers, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> dict[str, Any]:
    rectified = adversarial_rectified_error(
        answers,
        adversarial_errors=preparation["adversarial_errors"],
        adversarial_population=preparation["images"],
        flipped=preparation["flipped"],
        flipped_population=preparation["images"],
        shown=preparation["shown"],
        threshold=design["threshold"],
        panel=design["answers_per_stimulus"],
    )
    panels = count_panels(answers, panel=design["answers_per_stimulus"])
    return {
        "answers": panels.n_answers,
        "participants": panels.n_participants,
        "yes_share": int(panels.yes.sum()) / panels.n_answers,
        "histogram": panels.histogram.tolist(),
        "accepted_share": rectified["terms"]["p"],
        "rectified_error": rectified,
    }


def _differences(table: pd.DataFrame, each: Mapping[str, Answers], panel: int, k: int) -> dict[str, Any]:
    if len(each) < len(CONDITIONS):
        reason = f"no answer counts yet in the condition {next(name for name in CONDITIONS if name not in each)}"
        nothing = {"estimate": None, "low": None, "high": None, "p_value": None, "reason": reason}
        return {"accepted_difference": nothing, "yes_difference": nothing, "mcnemar": None}
    accepted = pivotal_difference(each[WHOLE], each[EXPLANATION], k, panel=panel)
    mcnemar = accepted.pop("mcnemar")
    yes = two_way_difference(
        (table["answer"] == "yes").to_numpy(dtype=float),
        (table["condition"] == EXPLANATION).to_numpy(),
        table["participant"].to_numpy(),
        table["image"].to_numpy(),
    )
    return {"accepted_difference": accepted, "yes_difference": yes.as_dict(), "mcnemar": mcnemar}


def _risen(stimuli: pd.DataFrame, said: Answers, each: Mapping[str, Answers], panel: int) -> list[dict[str, Any]]:
    """The images with complete panels in both conditions, those first whose yes answers rose most."""
    if len(each) < len(CONDITIONS):
        return []
    label = {truth["image"]: truth["label"] for truth in stimuli["truth"]}
    counted = {name: count_panels(each[name], panel=panel) for name in CONDITIONS}
    rows = []
    for code, image in enumerate(said.stimulus_names):
        if all(code < len(c.counted) and c.counted[code] for c in counted.values()):
            whole, explained = (int(counted[name].yes[code]) for name in CONDITIONS)
            rows.append({"image": str(image), "label": label[image], WHOLE: whole, EXPLANATION: explained})
    return sorted(rows, key=lambda row: (row[WHOLE] - row[EXPLANATION], row["image"]))


# --- telling ----------------------------------------------------------------------------------------------------------


def _headline(measures: Mapping[str, Any]) -> str:
    standard = percent(measures["adversarial_error"]["estimate"])
    parts = []
    for name, found in measures["conditions"].items():
        rectified = found["rectified_error"]
        if rectified["estimate"] is None:
            return f"The adversarial error is {standard}; it cannot be rectified yet: {rectified['reason']} ({name})."
        parts.append(f"{percent(rectified['estimate'])} ({SEEN[name]}; {span(rectified)})")
    rule = f"at least {measures['threshold']} of {measures['panel']} people"
    return f"With labels that {rule} accept, the adversarial error of {standard} becomes {' and '.join(parts)}."


SEEN = {WHOLE: "images shown whole", EXPLANATION: "explanations shown"}


def _rectified_table(measures: Mapping[str, Any]) -> Table:
    known = [measures["adversarial_error"], measures["flipped_share"]]
    rows: list[list[Any]] = [
        [name, percent(fact["estimate"]), "known", _of(fact)]
        for name, fact in zip(("Standard adversarial error, S", "Flipped share, f"), known, strict=True)
    ]
    notes = []
    for name, found in measures["conditions"].items():
        rectified, share = found["rectified_error"], found["accepted_share"]
        terms = "S − f × p"
        if share["estimate"] is not None:
            numbers = [percent(value) for value in (known[0]["estimate"], known[1]["estimate"], share["estimate"])]
            terms = f"{numbers[0]} − {numbers[1]} × {numbers[2]}"
        rows += [
            [f"Accepted share of flipped images, p ({name})", percent(share["estimate"]), span(share), _of(share)],
            [f"Rectified adversarial error, R ({name})", percent(rectified["estimate"]), span(rectified), terms],
        ]
        plain = {**rectified["wilson"], "level": rectified["level"], "reason": rectified["reason"]}
        rows.append([f"R with a plain Wilson interval ({name})", percent(rectified["estimate"]), span(plain), IGNORES])
        notes += [f"{name}: {note}" for note in rectified["notes"]]
    title = "Standard and rectified adversarial error"
    return Table(title, ["", "estimate", "uncertainty", "from"], rows, " ".join([NOTE, *(f"{n}." for n in notes)]))


IGNORES = "ignores participants"
NOTE = (
    "R = S − f·p. S and f are counted on the pictures as displayed. The default interval is two-way: it accounts for "
    "images and for participants. Its pivotal variance was derived for Quorum and has no published reference; the "
    "plain Wilson interval treats the panels as independent."
)


def _difference_table(measures: Mapping[str, Any]) -> Table:
    accepted, yes, mcnemar = (measures[name] for name in ("accepted_difference", "yes_difference", "mcnemar"))
    rows = [
        ["Accepted share", points(accepted["estimate"]), span(accepted, points), _p(accepted), "two-way pivotal"],
        ["Share of yes answers", points(yes["estimate"]), span(yes, points), _p(yes), "two-way cluster-robust t"],
    ]
    if mcnemar:
        counts = f"{mcnemar['only_second']} accepted as explanations only, {mcnemar['only_first']} whole only"
        rows.append(["Accepted images, McNemar", counts, "", _p(mcnemar), IGNORES])
    return Table("Explanations less whole images", ["", "difference", "interval", "p", "method"], rows, DIFFERENCE_NOTE)


DIFFERENCE_NOTE = (
    "Differences are paired by image, and by participant where the same people met both conditions. The test of the "
    "study is the cluster-robust one on the shares of yes answers; McNemar's exact test is beside it for comparison."
)


def _preparation_table(measures: Mapping[str, Any]) -> Table:
    names = {
        "clean_accuracy": "Accuracy on clean images",
        "adversarial_accuracy": "Accuracy under attack, as displayed",
        "flipped_share": "Flipped by the attack, as displayed",
        "survival": "Surviving display",
    }
    rows = [[title, percent(measures[name]["estimate"]), _of(measures[name])] for name, title in names.items()]
    for name, title, form in (
        ("r2", "R² of the explanations", "{:.2f}"),
        ("positive_superpixels", "Superpixels that speak for the label", "{:g}"),
    ):
        found = measures[name]
        range_ = f"from {form.format(found['lowest'])} to {form.format(found['highest'])}, {found['n']} explanations"
        rows.append([title, f"median {form.format(found['median'])}", range_])
    return Table("The attack and the explanations", ["", "", "from"], rows)


def _risen_table(measures: Mapping[str, Any]) -> Table:
    n = measures["panel"]
    risen = [row for row in measures["risen"] if row[EXPLANATION] > row[WHOLE]][:MOST_RISEN]
    rows = [
        [
            row["image"],
            row["label"],
            f"{row[WHOLE]} of {n}",
            f"{row[EXPLANATION]} of {n}",
            row[EXPLANATION] - row[WHOLE],
        ]
        for row in risen
    ]
    note = f"At most {MOST_RISEN}; chosen because agreement rose, so they say nothing about how often it does."
    columns = ["image", "adversarial label", "yes, whole", "yes, explanation", "rise"]
    return Table("Images on which agreement rose most", columns, rows, note)


def _of(fact: Mapping[str, Any]) -> str:
    return f"{fact['numerator']} of {fact['denominator']} {fact['denominator_name']}"


def _p(test: Mapping[str, Any]) -> str:
    p = test.get("p_value")
    return "" if p is None else "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _figures(measures: Mapping[str, Any]) -> list[Figure]:
    n, conditions = measures["panel"], measures["conditions"]
    positive = [{"name": name, "x": list(range(n + 1)), "y": found["histogram"]} for name, found in conditions.items()]
    curves = [
        {"name": name, "x": list(range(n + 2)), "y": found["rectified_error"]["curve"], "marked": measures["threshold"]}
        for name, found in conditions.items()
    ]
    return [
        Figure(
            name="positive_answers",
            kind="bars",
            title="Positive answers by condition",
            x=f"yes answers of {n}",
            y="images",
            series=positive,
            note=f"How many of the images with {n} answers in a condition got so many yes.",
        ),
        Figure(
            name="threshold_curve",
            kind="steps",
            title="Rectified adversarial error by threshold",
            x="threshold k: yes answers that make a label relevant",
            y="R(k) in %",
            series=curves,
            note="At k = 0 every flipped image is accepted; above the panel's size none is. The threshold is marked.",
        ),
    ]

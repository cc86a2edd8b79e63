"""Adversarial images, whole and explained (Stock & Cissé 2018, section 3.2).

Images the classifier gets right are attacked.  Those that fool it as displayed are shown twice, whole and as the
superpixels that speak most for the adversarial label, and people say whether that label is relevant.  A flipped image
whose adversarial label is accepted by k of n people is no error: R = S − f·p, with S the adversarial error over all
images, f the share flipped and p the accepted share of flipped images.  It is not S·(1 − p), which would also forgive
images that were wrong before the attack.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from django import forms

from .base.field_help import PAPER, FieldHelp, PublishedDesign
from .base.preregistration import Preregistration, computed, contrast
from .base.protocol import Arms, Choice, DesignError, Protocol, StimulusSpec, sample
from .base.results import Gallery, Summary, Table
from .base.sample_size import ImageCounts, SampleSize
from .base.shown_stimuli import ShownStimulus
from .shared import acceptance_increase, adversarial_results, condition_comparison, gold_trials, margins
from .shared import attacks as attack_settings
from .shared import panels as panel_rules
from .shared.acceptance_increase import CONDITIONS, EXPLANATION, WHOLE
from .shared.attacks import IN_GALLERY, AttackForm, attack_recipe
from .shared.class_glosses import glossed
from .shared.explanations import ExplanationForm, explain, stability
from .shared.margins import MarginForm
from .shared.panels import YES_OR_NO, PanelForm, nothing_counts

if TYPE_CHECKING:
    import pandas as pd

    from studies.analysis.answers import Answers

TWO_VISITS, GROUPS = "two_visits", "separate_groups"


class AdversarialTrialsForm(AttackForm, ExplanationForm, MarginForm, PanelForm):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "trials_per_participant": FieldHelp(
            "people",
            "The fewer, the more people are needed, and the narrower the interval: it is people that are sampled, too.",
            "stimuli per person and visit",
            "Quorum’s own: some minutes of work.",
        ),
        "meeting": FieldHelp(
            "people",
            "Two visits compare people with themselves, but some do not return. Separate "
            "groups need twice the people and give a wider interval for the difference.",
            "",
            f"{PAPER}: different people, whole images first (section 3.2). Counterbalanced visits are Quorum’s own.",
        ),
        "washout_days": FieldHelp(
            "people",
            "Longer: less of the image is remembered, and fewer people return.",
            "days",
            f"{PAPER}: three days (section 3.2).",
        ),
        "sample": FieldHelp(
            "pictures",
            "Answers and cost shrink in proportion, and the interval widens; S and f stay known over all images.",
            "images",
            f"{PAPER}: a subset of classes, all their flipped images.",
        ),
    }
    trials_per_participant = forms.IntegerField(
        initial=50,
        required=False,
        min_value=1,
        max_value=10_000,
        help_text="Maximum number of stimuli shown to one person per visit.",
    )
    meeting = forms.ChoiceField(
        initial=TWO_VISITS,
        required=False,
        choices=[
            (TWO_VISITS, "in two visits: the same people, a washout apart"),
            (GROUPS, "in separate groups: each person one condition only"),
        ],
        help_text="Way in which participants meet the two conditions.",
    )
    washout_days = forms.FloatField(
        initial=3.0,
        required=False,
        min_value=0.01,
        max_value=365,
        help_text=(
            "Days between the last answer of the first visit and the second visit. Participants cannot return earlier."
        ),
    )
    sample = forms.IntegerField(
        required=False,
        min_value=1,
        help_text=(
            "Number of flipped images to show, drawn at random. Leave empty for all. S and f stay over all images."
        ),
    )
    field_order = ["classifier", "answers_per_stimulus", "threshold", "trials_per_participant", "meeting"]

    def needs(self, design: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        return [("classifier", "gradients")]


class AdversarialTrials(Protocol):
    key, title, version = "adversarial_trials", "Adversarial images, whole and explained", 2
    description = "People judge the adversarial label of attacked images: shown whole, and reduced to its explanation."
    form_class = AdversarialTrialsForm
    truth_columns = {
        "true_label": "Name of the photograph's true class.",
        "flip_step": "The attack's step at which the decision first changed; -1 where only display changed it.",
        "fools_exactly": "Whether the exact attacked tensor fools the classifier, before it is rounded for display.",
        "r2": "R² of the explanation's fit; empty for a heat map.",
        "n_positive": "How many of the explanation's superpixels, or pixels, speak for the label.",
    }
    summary_reads = ("image", "label")
    amendable = ("threshold", "unequal_panels")
    summary_shows = ("picture",)
    contract_design = {"sample": 12, "explainer": "occlusion", "explainer_parameters": "window=8"}
    papers = (
        PublishedDesign(
            "adversarial",
            "Adversarial images, whole and explained (section 3.2)",
            {
                "answers_per_stimulus": 5,
                "threshold": 4,
                "meeting": TWO_VISITS,
                "washout_days": 3,
                "attack_step": 0.001,
                "attack_unit": "normalised",
                "attack_steps": 10,
                "attack_norm": "linf",
                "lime_samples": 1000,
                "superpixels": 8,
            },
            {
                "answers_per_stimulus": "five people see each image",
                "threshold": "a label is accepted when at least four of the five say yes",
                "meeting": "nobody sees an image in both conditions within the washout",
                "washout_days": "three days",
                "attack_step": "ε = 0.001",
                "attack_unit": "the paper names no unit; with this one its accuracies are plausible",
                "attack_steps": "at most M = 10; here always ten",
                "attack_norm": "the paper defines both norms; which one the study used is open, and this is the sign",
                "lime_samples": "n = 1000 masks",
                "superpixels": "the eight superpixels that speak most for the label",
            },
            {"classes": "the paper used a subset of the classes: name yours"},
        ),
    )

    def sample_size(self, design: Mapping[str, Any], counts: ImageCounts) -> SampleSize:
        right = counts.images_of(design["classes"]) - counts.errors_of(design["classes"]).least
        shown = min(right, design["sample"] or right)
        because = f"of at most {right:,} images that are right, {shown:,} flipped ones, each whole and explained"
        apart = 2 if design["meeting"] == GROUPS else 1
        return SampleSize(2 * shown, because, conditions=2, apart=apart, at_most=True)

    def arms(self, design: Mapping[str, Any]) -> Arms:
        if design["meeting"] == GROUPS:
            return Arms(CONDITIONS)
        return Arms(CONDITIONS, visits=2, washout=timedelta(days=design["washout_days"]))

    def alters_pictures(self, design: Mapping[str, Any]) -> bool:
        return True

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier = design["classifier"]
        names, titles = bench.class_names(classifier), bench.class_titles(classifier)
        images = bench.images(classifier, classes=design["classes"])
        predictions = bench.predictions(classifier, images)
        correct = [p.image for p in predictions if p.top[0].label == p.image.label]
        if not correct:
            raise DesignError([f"the classifier gets none of the {len(images)} images right: there is none to attack"])
        attacks = list(bench.attacks(classifier, correct, attack_recipe(design)))
        flipped = [a for a in attacks if a.fools_as_displayed]
        if not flipped:
            raise DesignError([f"none of the {len(correct)} attacked images fools the classifier as displayed"])
        drawn = sample(flipped, design["sample"], design["seed"])
        pairs = list(zip(drawn, explain(bench, design, drawn, seed=design["seed"]), strict=True))
        shown = [(a, e) for a, e in pairs if attack_settings.can_be_shown(design, a, e)]
        if not shown:
            raise DesignError([attack_settings.none_shown(design, pairs)])
        bench.add_to_report(**attack_settings.report(design, len(images), attacks, flipped, pairs, shown))
        bench.add_to_report(stability=stability(bench, design, drawn))
        bench.add_to_report(
            gallery=attack_settings.compared(bench, design, sample(shown, IN_GALLERY, design["seed"]), names)
        )
        told = bench.glosses(classifier)
        for attack, explanation in shown:
            gloss = glossed(told, [attack.label], attack.image)
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
                    shown={"picture": picture.as_json(), "ask": titles[attack.label], **gloss},
                    truth={**truth, "condition": condition},
                    family=attack.image.sha256,
                )
        visits = arms.visits if (arms := self.arms(design)) else 1
        sizes = {"main": 2 * len(shown), "visits": visits}
        yield from gold_trials.questions(design, bench, images, condition=WHOLE, **sizes)

    def preparation_report(self, preparation: Mapping[str, Any]) -> tuple[list[Table], list[Gallery]]:
        facts = attack_settings.preparation_table(attack_settings.known(preparation))
        return [facts], [attack_settings.gallery(preparation["gallery"])]

    def picture_figures(
        self, design: Mapping[str, Any], preparation: Mapping[str, Any], shown: Sequence[ShownStimulus]
    ) -> list[Gallery]:
        """Figure 5; figure 6 is a gallery of the result."""
        return attack_settings.clean_and_adversarial(preparation.get("gallery", ()))

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return YES_OR_NO

    def rehearsal_measures(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        errors = {f"rectified error, {key}": one["rectified_error"] for key, one in measures["conditions"].items()}
        differences = {"difference in yes": "yes_difference", "difference in accepted": "accepted_difference"}
        return errors | {name: measures[measure] for name, measure in differences.items()}

    def preregister(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Preregistration:
        k, n = design["threshold"], design["answers_per_stimulus"]
        return panel_rules.preregistered_panels(
            design,
            f"R({k}) = S - f p({k}) in each condition: the error S of all images under attack, less the share f that "
            f"was flipped times the share p of flipped images accepted at {k} of {n} yes",
            _computed(preparation),
            [
                contrast(
                    f"{adversarial_results.DIFFERENCE}, accepted share", {EXPLANATION: 1, WHOLE: -1}, scale="accepted"
                )
            ],
        )

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        # Without rates, as in the paper: explanations persuade more than whole images.
        usual = {WHOLE: 0.45, EXPLANATION: 0.55}[truth["condition"]]
        return panel_rules.simulated(usual if rate is None else rate, random)

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        panel, k, rule = (design[name] for name in ("answers_per_stimulus", "threshold", "unequal_panels"))
        measures: dict[str, Any] = {"threshold": k, "panel": panel, "meeting": design["meeting"]}
        measures["classes"] = design["classes"]
        measures |= attack_settings.known(preparation)
        if answers.empty:
            nothing = nothing_counts()
            measures |= {"conditions": {}, "accepted_difference": nothing, "yes_difference": nothing}
            return Summary(headline="No answer counts yet.", measures=measures)
        # Loaded here, so that web processes, which only ask, start fast.
        from studies.analysis.answers import Answers
        from studies.analysis.participant_quality import participant_summary

        # By image in place of stimulus, so that the two conditions of an image are compared with each other.
        table = answers.merge(stimuli[["stimulus", *self.summary_reads]], on="stimulus", how="left")
        table["yes"] = (table["answer"] == "yes").astype(int)
        said = Answers.from_frame(table, stimulus="image", condition="condition")
        each = dict(said.by_condition())
        by_threshold = {
            name: _rectified(each[name], panel, rule, preparation, panel_rules.of_design(design))
            for name in CONDITIONS
            if name in each
        }
        measures["conditions"] = {
            name: _condition(each[name], panel, rule, found[k - 1], design["seed"])
            for name, found in by_threshold.items()
        }
        measures |= _differences(table, each, panel, k, rule, margins.of_design(design))
        measures["strata"] = condition_comparison.strata(table, "yes", "label", CONDITIONS)
        people = participant_summary(said)
        measures["straight_lining_participants"] = int(people["straight_lining"].sum())
        measures["risen"] = acceptance_increase.acceptance_increase(stimuli, said, each, panel)
        return Summary(
            adversarial_results.headline(measures),
            measures,
            [
                adversarial_results.rectified_table(measures),
                adversarial_results.difference_table(measures),
                *margins.table({"Accepted share": measures["accepted_difference"]}),
                attack_settings.preparation_table(measures),
                *(
                    panel_rules.agreement_table(found["agreement"], f"Agreement within panels, {name}")
                    for name, found in measures["conditions"].items()
                ),
                *adversarial_results.robustness(measures, by_threshold),
                *condition_comparison.strata_tables(
                    measures["strata"], "adversarial label", adversarial_results.DIFFERENCE, CONDITIONS
                ),
                acceptance_increase.table(measures),
            ],
            [*adversarial_results.figures(measures, by_threshold), condition_comparison.people_figure(table, "yes")],
            warnings=condition_comparison.strata_warnings(
                measures["strata"], "adversarial labels", adversarial_results.DIFFERENCE
            ),
            galleries=[acceptance_increase.gallery(measures, stimuli)],
        )


def _computed(preparation: Mapping[str, Any]) -> dict[str, Any]:
    """How the export's program follows."""
    images = preparation["images"]
    return computed(
        "panels",
        "image",
        conditions=list(CONDITIONS),
        formula="S - f * p",
        share="p",
        known={"S": [preparation["adversarial_errors"], images], "f": [preparation["flipped"], images]},
        facts=attack_settings.FACTS,
        copied=[*attack_settings.COPIED, *(name for name in attack_settings.NEWER if name in preparation)],
        constants={name: 0 for name in ("flipped_by_display", "below_r2_floor") if name not in preparation},
        settings=panel_rules.SETTINGS,
        nothing={"conditions": {}} | dict.fromkeys(("accepted_difference", "yes_difference"), panel_rules.NOTHING),
        nothing_compared=dict.fromkeys(("accepted_difference", "yes_difference"), nothing_counts(p_value=None))
        | {"mcnemar": None},
        strata={"by": "label", "pair": list(CONDITIONS)},
        visits={"setting": "meeting", "value": TWO_VISITS, "washout": "washout_days"},
        quantities={f"rectified error, {name}": ["conditions", name, "rectified_error"] for name in CONDITIONS}
        | {"difference in yes": ["yes_difference"], "difference in accepted": ["accepted_difference"]},
    )


# --- counting ---------------------------------------------------------------------------------------------------------


def _rectified(
    answers: "Answers", panel: int, rule: Any, preparation: Mapping[str, Any], estimand: Any
) -> list[dict[str, Any]]:
    """R(k) of one condition for k = 1 … n."""
    from studies.analysis.rectified import adversarial_rectified_error

    counts = {name: preparation[name] for name in ("adversarial_errors", "flipped", "shown")}
    counts |= {f"{name}_population": preparation["images"] for name in ("adversarial", "flipped")}
    settings = {"panel": panel, "rule": rule, "estimand": estimand}
    return [adversarial_rectified_error(answers, **counts, threshold=k, **settings) for k in range(1, panel + 1)]


def _condition(answers: "Answers", panel: int, rule: Any, rectified: dict[str, Any], seed: int) -> dict[str, Any]:
    from studies.analysis.agreement import panel_agreement
    from studies.analysis.crossed_panels import CrossedPanels
    from studies.analysis.dawid_skene import positive_share
    from studies.analysis.panels import count_panels

    panels = count_panels(answers, panel=panel, rule=rule)
    agreement = panel_agreement(CrossedPanels.of(answers, panels), seed=seed)
    return {
        "answers": panels.n_answers,
        "participants": panels.n_participants,
        "yes_share": int(panels.yes.sum()) / panels.n_answers,
        "histogram": panels.histogram.tolist(),
        "accepted_share": rectified["terms"]["p"],
        "rectified_error": rectified,
        "agreement": agreement,
        "dawid_skene": positive_share(answers, agreement),
    }


def _differences(
    table: "pd.DataFrame", each: Mapping[str, "Answers"], panel: int, k: int, rule: Any, margin: float | None
) -> dict[str, Any]:
    if len(each) < len(CONDITIONS):
        reason = f"no answer counts yet in the condition {next(name for name in CONDITIONS if name not in each)}"
        nothing = nothing_counts(p_value=None) | {"reason": reason}
        return {"accepted_difference": nothing, "yes_difference": nothing, "mcnemar": None}
    from studies.analysis.differences import pivotal_difference
    from studies.analysis.effect_sizes import sized_difference

    accepted = pivotal_difference(each[WHOLE], each[EXPLANATION], k, panel=panel, rule=rule, margin=margin)
    mcnemar = accepted.pop("mcnemar")
    yes = sized_difference(
        table["yes"].to_numpy(dtype=float),
        (table["condition"] == EXPLANATION).to_numpy(),
        table["participant"].to_numpy(),
        table["image"].to_numpy(),
    )
    return {"accepted_difference": accepted, "yes_difference": yes, "mcnemar": mcnemar}

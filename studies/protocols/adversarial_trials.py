"""Adversarial images, whole and explained (Stock & Cissé 2018, section 3.3).

Images the classifier gets right are attacked.  Those that fool it as displayed are shown twice, whole and as the
superpixels that speak most for the adversarial label, and people say whether that label is relevant.  A flipped image
whose adversarial label is accepted by k of n people is no error: R = S − f·p, with S the adversarial error over all
images, f the share flipped and p the accepted share of flipped images.  It is not S·(1 − p), which would also forgive
images that were wrong before the attack.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from django import forms

from . import accepting, adversarial_results, attacking, checking, comparing, rising
from .accepting import YES_OR_NO, PanelForm, nothing_counts
from .attacking import IN_GALLERY, AttackForm, ExplanationForm, attack_recipe, explainer_recipe
from .base import Arms, Choice, DesignError, Protocol, StimulusSpec, sample
from .expected import Expected, Known
from .explained import PAPER, AsInPaper, Setting
from .glossing import glossed
from .registered import Registered, contrast
from .results import Gallery, Summary, Table
from .rising import CONDITIONS, EXPLANATION, WHOLE

if TYPE_CHECKING:
    import pandas as pd

    from studies.analysis.tables import Answers

TWO_VISITS, GROUPS = "two_visits", "separate_groups"


class AdversarialTrialsForm(AttackForm, ExplanationForm, PanelForm):
    about: ClassVar[Mapping[str, Setting]] = {
        "trials_per_participant": Setting(
            "people",
            "The fewer, the more people are needed, and the narrower the interval: it is people that are sampled, too.",
            "stimuli for each person, at each visit",
            "Quorum’s own: some minutes of work.",
        ),
        "meeting": Setting(
            "people",
            "Two visits compare people with themselves, but some do not come back; separate groups need twice the "
            "people and a wider interval for the difference.",
            "",
            f"{PAPER}: the same people, days apart (section 3.3).",
        ),
        "washout_days": Setting(
            "people",
            "Longer: less is remembered of the whole image, and fewer come back.",
            "days",
            f"{PAPER}: three days (section 3.3).",
        ),
        "sample": Setting(
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
        initial=3.0,
        required=False,
        min_value=0.01,
        max_value=365,
        help_text="Days from the last answer of the first visit to the second. Nobody can come back earlier.",
    )
    sample = forms.IntegerField(
        required=False,
        min_value=1,
        help_text="Show so many of the flipped images, drawn at random; empty for all. S and f stay over all images.",
    )
    field_order = ["classifier", "answers_per_stimulus", "threshold", "trials_per_participant", "meeting"]


class AdversarialTrials(Protocol):
    key, title, version = "adversarial_trials", "Adversarial images, whole and explained", 2
    description = "People judge the adversarial label of attacked images: shown whole, and reduced to its explanation."
    form_class = AdversarialTrialsForm
    known = {
        "true_label": "Name of the photograph's true class.",
        "flip_step": "The attack's step at which the decision first changed; -1 where only display changed it.",
        "fools_exactly": "Whether the exact attacked tensor fools the classifier, before it is rounded for display.",
        "r2": "R² of the explanation's fit.",
        "n_positive": "How many of the explanation's superpixels speak for the label.",
    }
    summary_reads = ("image", "label")
    amendable = ("threshold", "unequal_panels")
    summary_shows = ("picture",)
    papers = (
        AsInPaper(
            "adversarial",
            "Adversarial images, whole and explained (section 3.3)",
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
                "attack_steps": "M = 10",
                "attack_norm": "the paper attacks by both norms; this is the sign of the gradient",
                "lime_samples": "n = 1000 masks",
                "superpixels": "the eight superpixels that speak most for the label",
            },
            {"classes": "the paper used a subset of the classes: name yours"},
        ),
    )

    def expected(self, design: Mapping[str, Any], known: Known) -> Expected:
        right = known.images_of(design["classes"]) - known.errors_of(design["classes"]).least
        shown = min(right, design["sample"] or right)
        because = f"of at most {right:,} images that are right, {shown:,} flipped ones, each whole and explained"
        apart = 2 if design["meeting"] == GROUPS else 1
        return Expected(2 * shown, because, conditions=2, apart=apart, at_most=True)

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
        attacks = list(bench.attacks(classifier, correct, attack_recipe(design)))
        flipped = [a for a in attacks if a.fools_as_displayed]
        if not flipped:
            raise DesignError([f"none of the {len(correct)} attacked images fools the classifier as displayed"])
        drawn = sample(flipped, design["sample"], design["seed"])
        explanations = bench.explanations(
            classifier,
            [(a.picture, a.label) for a in drawn],
            explainer_recipe(design),
            n_shown=design["superpixels"],
            fill=design["fill"],
            seed=design["seed"],
        )
        pairs = list(zip(drawn, explanations, strict=True))
        # Where nothing speaks for the label, or nothing is hidden, there are no two pictures to compare.
        shown = [(a, e) for a, e in pairs if e.n_positive and not attacking.hides_nothing(a, e)]
        if not shown:
            raise DesignError([attacking.none_shown(pairs)])
        bench.note(**attacking.report(len(images), attacks, flipped, pairs, shown))
        bench.note(gallery=attacking.compared(bench, classifier, sample(shown, IN_GALLERY, design["seed"]), names))
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
        yield from checking.questions(design, bench, images, condition=WHOLE, visits=visits)

    def prepared(self, preparation: Mapping[str, Any]) -> tuple[list[Table], list[Gallery]]:
        facts = attacking.preparation_table(attacking.known(preparation))
        return [facts], [attacking.gallery(preparation["gallery"])]

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return YES_OR_NO

    def recovered(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        errors = {f"rectified error, {key}": one["rectified_error"] for key, one in measures["conditions"].items()}
        differences = {"difference in yes": "yes_difference", "difference in accepted": "accepted_difference"}
        return errors | {name: measures[measure] for name, measure in differences.items()}

    def registered(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Registered:
        k, n, images = design["threshold"], design["answers_per_stimulus"], preparation["images"]
        return accepting.registered(
            design,
            f"R({k}) = S - f p({k}) in each condition: the error S of all images under attack, less the share f that "
            f"was flipped times the share p of flipped images accepted at {k} of {n} yes",
            {
                "kind": "panels",
                "item": "image",
                "conditions": list(CONDITIONS),
                "formula": "S - f * p",
                "known": {"S": [preparation["adversarial_errors"], images], "f": [preparation["flipped"], images]},
                "contrasts": ["yes_difference"],
            },
            [contrast(f"{adversarial_results.DIFFERENCE}, share of yes answers", {EXPLANATION: 1, WHOLE: -1})],
        )

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        # Without rates, as in the paper: explanations persuade more than whole images.
        usual = {WHOLE: 0.45, EXPLANATION: 0.55}[truth["condition"]]
        return accepting.simulated(usual if rate is None else rate, random)

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        panel, k, rule = (design[name] for name in ("answers_per_stimulus", "threshold", "unequal_panels"))
        measures: dict[str, Any] = {"threshold": k, "panel": panel, "meeting": design["meeting"]}
        measures |= attacking.known(preparation)
        if answers.empty:
            nothing = nothing_counts()
            measures |= {"conditions": {}, "accepted_difference": nothing, "yes_difference": nothing}
            return Summary(headline="No answer counts yet.", measures=measures)
        # Loaded here, so that web processes, which only ask, start fast.
        from studies.analysis.participants import participant_summary
        from studies.analysis.tables import Answers

        # By image in place of stimulus, so that the two conditions of an image are compared with each other.
        table = answers.merge(stimuli[["stimulus", *self.summary_reads]], on="stimulus", how="left")
        table["yes"] = (table["answer"] == "yes").astype(int)
        said = Answers.from_frame(table, stimulus="image", condition="condition")
        each = dict(said.by_condition())
        by_threshold = {name: _rectified(each[name], panel, rule, preparation) for name in CONDITIONS if name in each}
        measures["conditions"] = {
            name: _condition(each[name], panel, rule, found[k - 1], design["seed"])
            for name, found in by_threshold.items()
        }
        measures |= _differences(table, each, panel, k, rule)
        measures["strata"] = comparing.strata(table, "yes", "label", CONDITIONS)
        people = participant_summary(said)
        measures["straight_lining_participants"] = int(people["straight_lining"].sum())
        measures["risen"] = rising.risen(stimuli, said, each, panel)
        return Summary(
            adversarial_results.headline(measures),
            measures,
            [
                adversarial_results.rectified_table(measures),
                adversarial_results.difference_table(measures),
                attacking.preparation_table(measures),
                *(
                    accepting.agreement_table(found["agreement"], f"Agreement within panels, {name}")
                    for name, found in measures["conditions"].items()
                ),
                *adversarial_results.robustness(measures, by_threshold),
                *comparing.strata_tables(
                    measures["strata"], "adversarial label", adversarial_results.DIFFERENCE, CONDITIONS
                ),
                rising.table(measures),
            ],
            [*adversarial_results.figures(measures, by_threshold), comparing.people_figure(table, "yes")],
            warnings=comparing.strata_warnings(
                measures["strata"], "adversarial labels", adversarial_results.DIFFERENCE
            ),
            galleries=[rising.gallery(measures, stimuli)],
        )


# --- counting ---------------------------------------------------------------------------------------------------------


def _rectified(answers: "Answers", panel: int, rule: Any, preparation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """R(k) of one condition for k = 1 … n."""
    from studies.analysis.rectified import adversarial_rectified_error

    counts = {name: preparation[name] for name in ("adversarial_errors", "flipped", "shown")}
    counts |= {f"{name}_population": preparation["images"] for name in ("adversarial", "flipped")}
    settings = {"panel": panel, "rule": rule}
    return [adversarial_rectified_error(answers, **counts, threshold=k, **settings) for k in range(1, panel + 1)]


def _condition(answers: "Answers", panel: int, rule: Any, rectified: dict[str, Any], seed: int) -> dict[str, Any]:
    from studies.analysis.agreement import panel_agreement
    from studies.analysis.crossed import CrossedPanels
    from studies.analysis.dawid_skene import positive_share
    from studies.analysis.panels import count_panels

    panels = count_panels(answers, panel=panel, rule=rule)
    return {
        "answers": panels.n_answers,
        "participants": panels.n_participants,
        "yes_share": int(panels.yes.sum()) / panels.n_answers,
        "histogram": panels.histogram.tolist(),
        "accepted_share": rectified["terms"]["p"],
        "rectified_error": rectified,
        "agreement": panel_agreement(CrossedPanels.of(answers, panels), seed=seed),
        "dawid_skene": positive_share(answers),
    }


def _differences(table: "pd.DataFrame", each: Mapping[str, "Answers"], panel: int, k: int, rule: Any) -> dict[str, Any]:
    if len(each) < len(CONDITIONS):
        reason = f"no answer counts yet in the condition {next(name for name in CONDITIONS if name not in each)}"
        nothing = nothing_counts(p_value=None) | {"reason": reason}
        return {"accepted_difference": nothing, "yes_difference": nothing, "mcnemar": None}
    from studies.analysis.cluster import two_way_difference
    from studies.analysis.differences import pivotal_difference

    accepted = pivotal_difference(each[WHOLE], each[EXPLANATION], k, panel=panel, rule=rule)
    mcnemar = accepted.pop("mcnemar")
    yes = two_way_difference(
        table["yes"].to_numpy(dtype=float),
        (table["condition"] == EXPLANATION).to_numpy(),
        table["participant"].to_numpy(),
        table["image"].to_numpy(),
    )
    return {"accepted_difference": accepted, "yes_difference": yes.as_dict(), "mcnemar": mcnemar}

"""People who are advised by a classifier: how well both do together, and how far people rely on it.

Of each photograph the classifier's prediction is shown, with its confidence if wanted, and an explanation or none.  In
one step people accept the prediction or reject it (Taesiri, Nguyen & Nguyen, NeurIPS 2022, arXiv 2208.00780, whose
people were right in 81.56% of trials with the prediction and its confidence alone, and in 75.76% to 78.87% with
explanations by examples).  In two steps they name a class first, then see the advice and name one again (Schemmer,
Kuehl, Benz, Bartos & Satzger, IUI 2023, arXiv 2302.02187).

As classifiers are mostly right, all is told apart by whether this one is: *over-reliance* is to follow it where it is
wrong, *under-reliance* not to follow it where it is right.  Right and wrong decisions are shown in equal numbers, as
far as there are so many.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from django import forms
from django.utils.translation import gettext_lazy as _

from .base.answer_parts import AnswerPart, OneOf
from .base.field_help import FieldHelp, PublishedDesign
from .base.fields import MethodListField, condition_of
from .base.preregistration import LATE, Preregistration, computed
from .base.protocol import Arms, Choice, DesignForm, Protocol, StimulusSpec
from .base.results import Gallery, Summary, Table
from .base.sample_size import ImageCounts, SampleSize
from .shared import gold_trials, right_answers, two_way_results, visualisations
from .shared.visualisations import ExplainersForm, compared_pairs, conditions, visualise

if TYPE_CHECKING:
    import pandas as pd

NONE = "none"
ONE_STEP, TWO_STEP = "one_step", "two_step"
TOGETHER, GROUPS = "together", "separate_groups"
PAPER, TWO_STEP_PAPER = "Taesiri et al. 2022", "Schemmer et al. 2023"
ACCEPT, REJECT = Choice("yes", _("The program is right"), "y"), Choice("no", _("The program is wrong"), "n")
FIRST = "first_answer"
KEYS = "123456789"
IN_GALLERY = 4
RELIANCE = {"over-reliance": "over_reliance", "under-reliance": "under_reliance"}
NOTHING: Mapping[str, Any] = {"by_model": {"right": {}, "wrong": {}}, "over_reliance": {}, "under_reliance": {}}


class AdviceForm(ExplainersForm, DesignForm):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "mode": FieldHelp(
            "asked",
            "In two steps it is known what people would have said without the advice; each trial takes longer.",
            source=f"{PAPER}: people accept or reject the predicted label; {TWO_STEP_PAPER}: a first and a final one.",
        ),
        "options": FieldHelp("asked", "Only in two steps. More options are harder.", "classes"),
        "show_confidence": FieldHelp(
            "asked",
            "Participants rely more on what is said with confidence.",
            source=f"{PAPER}: the label is shown with its confidence.",
        ),
        "meeting": FieldHelp(
            "people",
            "In separate groups nobody sees with what others are advised; more people.",
            source=f"{PAPER}: each person sees one kind of explanation.",
        ),
        "images": FieldHelp(
            "pictures",
            "Stimuli, answers and people grow in proportion, once for each condition. Half of the images are ones that "
            "the classifier gets wrong, as far as there are so many.",
            "images",
        ),
    }
    explainers = MethodListField(
        also=(NONE,),
        required=False,
        initial=[NONE, "gradcam"],
        help_text="Conditions: “none” for the prediction alone, and explainers by name or with parameters.",
    )
    mode = forms.ChoiceField(
        initial=ONE_STEP,
        required=False,
        choices=[
            (ONE_STEP, "accept or reject the prediction"),
            (TWO_STEP, "answer, see the prediction, answer again"),
        ],
        help_text="Use of the advice: after the picture alone, or with it from the start.",
    )
    options = forms.IntegerField(
        initial=4,
        required=False,
        min_value=2,
        max_value=len(KEYS),
        help_text="Number of classes to choose among in two steps.",
    )
    show_confidence = forms.BooleanField(
        initial=True, required=False, help_text="Show the classifier's probability with its prediction."
    )
    meeting = forms.ChoiceField(
        initial=TOGETHER,
        required=False,
        choices=[(TOGETHER, "all conditions, in turn"), (GROUPS, "one condition each, in separate groups")],
        help_text="Conditions that one person meets.",
    )
    images = forms.IntegerField(
        initial=40,
        required=False,
        min_value=2,
        max_value=100_000,
        help_text="Number of images, drawn at random; fewer where there are fewer.",
    )
    field_order = ["classifier", "explainers", "mode", "images", "answers_per_stimulus", "trials_per_participant"]

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        known = self.catalogue.classifiers.get(design.get("classifier", ""), ())
        if known and design.get("mode") == TWO_STEP and (design.get("options") or 0) > len(known):
            self.add_error("options", f"Must not be above the number of classes, which is {len(known)}.")
        return design


class Advice(Protocol):
    key, title, version = "advice", "People advised by a classifier", 1
    description = "People use a classifier’s prediction, with an explanation or none: how much do they rely on it?"
    form_class = AdviceForm
    truth_columns = {
        "model_right": "Whether the classifier is right.",
        "true_label": "Name of the photograph's true class.",
        "probability": "What the classifier gives its prediction.",
        "right_answer": "The answer that is right.",
    }
    summary_reads = ("image", "label", "model_right", "right_answer")
    answer_columns = {
        "truth": ("text", "The answer that is right."),
        "item": ("text", "Image that the stimulus is of: the unit of the analysis."),
        "model_right": ("integer", "1 where the classifier is right, else 0."),
    }
    has_correct_answer = True
    seconds = 9.0
    contract_design = {"explainers": ["none", "gradients"], "contrasts": ["gradients:none"], "images": 6}
    papers = (
        PublishedDesign(
            "accept-or-reject",
            "Accept or reject a prediction",
            {
                "mode": ONE_STEP,
                "meeting": GROUPS,
                "show_confidence": True,
                "trials_per_participant": 30,
            },
            {
                "mode": "people accept or reject the predicted label",
                "meeting": "each person sees one kind of explanation",
                "show_confidence": "the label is shown with its confidence",
                "trials_per_participant": "30 trials each",
            },
            {"explainers": "the paper explains by similar images; name the explainers that you compare"},
            PAPER,
        ),
        PublishedDesign(
            "revised-answers",
            "Answer, see the advice, answer again",
            {"mode": TWO_STEP},
            {"mode": "a first answer, the advice, a final answer: reliance is seen in what changes"},
            {"explainers": "name the explainers that you compare", "options": "how many classes to choose among"},
            TWO_STEP_PAPER,
        ),
    )

    def sample_size(self, design: Mapping[str, Any], counts: ImageCounts) -> SampleSize:
        n, each = min(design["images"], counts.images_of([])), len(design["explainers"])
        because = f"at most {n:,} images in {each} conditions"
        return SampleSize(n * each, because, conditions=each, apart=each, at_most=True)

    def arms(self, design: Mapping[str, Any]) -> Arms | None:
        return Arms(tuple(conditions(design))) if design["meeting"] == GROUPS else None

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier, random = design["classifier"], np.random.default_rng(design["seed"])
        images = bench.images(classifier)
        predictions = list(bench.predictions(classifier, images))
        drawn = right_answers.balanced(predictions, design["images"], random)
        pictures = list(bench.pictures(classifier, [one.image for one in drawn]))
        offered = [_offered(design, bench, one, random) for one in drawn]
        questions = [(picture, one.top[0].label) for picture, one in zip(pictures, drawn, strict=True)]
        wrong, gallery = sum(one.top[0].label != one.image.label for one in drawn), []
        for explainer in design["explainers"]:
            found = [None] * len(drawn)
            if explainer != NONE:
                found = visualise(bench, design, classifier, questions, explainer)
                shown = zip(drawn[:IN_GALLERY], pictures, found, strict=False)
                gallery += [
                    [f"{one.image.path}, {condition_of(explainer)}", [picture.as_json(), seen.picture.as_json()]]
                    for one, picture, seen in shown
                ]
            for one, picture, seen, some in zip(drawn, pictures, found, offered, strict=True):
                yield _spec(design, bench, one, picture, seen, some, condition=condition_of(explainer))
        bench.add_to_report(images=len(images), shown=len(drawn), wrong=wrong, gallery=gallery)
        yield from _checks(design, bench, predictions, {one.image.sha256 for one in drawn}, random)

    def preparation_report(self, preparation: Mapping[str, Any]) -> tuple[list[Table], list[Gallery]]:
        rows = [
            ["Images", preparation["images"]],
            ["of these shown", preparation["shown"]],
            ["of these that the classifier gets wrong", preparation["wrong"]],
        ]
        pictures = [tuple(row) for row in preparation["gallery"]]
        return [Table("Images", ["", "number"], rows)], [Gallery("Explanations", ["picture", "explained"], pictures)]

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        if "options" not in shown:
            return ACCEPT, REJECT
        return tuple(Choice(one["value"], one["title"], key) for one, key in zip(shown["options"], KEYS, strict=False))

    def before(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[AnswerPart, ...]:
        """The answer without the advice, in two steps."""
        if "options" not in shown:
            return ()
        options = tuple((one["value"], one["title"]) for one in shown["options"])
        return (OneOf(FIRST, _("Your answer before the advice"), "What they said before the advice.", options=options),)

    def shown_before(self, shown: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: value for name, value in shown.items() if name in ("picture", "options")}

    def pictures(self, shown: Mapping[str, Any]) -> list[str]:
        return [shown["picture"]["file"], *([shown["explanation"]["file"]] if "explanation" in shown else [])]

    # --- counting ---------------------------------------------------------------------------------------------------

    def answer_cells(
        self, shown: Mapping[str, Any], truth: Mapping[str, Any], arrangement: int, answer: str
    ) -> tuple[Any, ...]:
        return truth["right_answer"], truth["image"], int(truth["model_right"])

    def rehearsal_measures(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        return {
            f"{what}, {name}": one
            for what, key in (("right", "conditions"), *RELIANCE.items())
            for name, one in measures[key].items()
        }

    def preregister(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Preregistration:
        named = conditions(design)
        return Preregistration(
            estimand="the chance that a new person who is advised is right about a new image, for each condition; and "
            "that they follow the classifier where it is wrong, and do not where it is right",
            computations=[
                computed(
                    "choices",
                    "image",
                    conditions=named,
                    right={"truth": "right_answer"},
                    chance=None,
                    by_model="model_right",
                    followed={"answer": ACCEPT.value} if design["mode"] == ONE_STEP else {"truth": "label"},
                    nothing={"conditions": {}, "contrasts": [], **NOTHING},
                    quantities={
                        f"{what}, {name}": [key, name]
                        for what, key in (("right", "conditions"), *RELIANCE.items())
                        for name in named
                    },
                )
            ],
            exclusions=(LATE,),
            contrasts=visualisations.registered(design, "logit"),
        )

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        """`rate`: the chance that they are right in the end.  Those who are wrong follow wrong advice."""
        right = random.random() < (0.7 if rate is None else rate)
        answer = truth["right_answer"]
        if not right:
            others = [one for one in truth["offered"] if one != truth["right_answer"]]
            followed = truth["label"] in others
            answer = truth["label"] if followed else str(random.choice(others))
        return answer, float(random.lognormal(1.8, 0.4))

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        measures: dict[str, Any] = {"chance": None, "conditions": {}, "contrasts": []}
        if answers.empty:
            return Summary("No answer counts yet.", measures | NOTHING)
        told = answers.merge(stimuli[["stimulus", *self.summary_reads]], on="stimulus", how="left")
        said = told["answer"].astype(str)
        model_right = told["model_right"].astype(bool).to_numpy()
        table = told.assign(
            correct=said == told["right_answer"],
            followed=(said == told["label"]) if design["mode"] == TWO_STEP else (said == ACCEPT.value),
            condition=told["condition"].astype(str),
            item=told["image"],
        ).drop(columns="answer")
        named = conditions(design)
        measures = right_answers.shares(table, named, pairs=compared_pairs(design))
        measures["by_model"] = right_answers.by_model(table, named)
        followed = table.assign(correct=table["followed"])
        measures["over_reliance"] = right_answers.of_conditions(followed[~model_right], named)
        turned = table.assign(correct=~table["followed"])
        measures["under_reliance"] = right_answers.of_conditions(turned[model_right], named)
        tables = [
            *right_answers.table_of("Right in the end", measures["conditions"], "Answers that are right."),
            *([two_way_results.contrasts_table(measures["contrasts"])] if measures["contrasts"] else []),
            *right_answers.model_tables(measures["by_model"], "Right in the end"),
            *right_answers.table_of(
                "Over-reliance", measures["over_reliance"], "Answers that follow the classifier where it is wrong."
            ),
            *right_answers.table_of(
                "Under-reliance",
                measures["under_reliance"],
                "Answers that do not follow the classifier where it is right.",
            ),
        ]
        note = "Shares with their two-way 95% intervals."
        figures = [
            two_way_results.figure("Right in the end, by condition", "right in %", measures["conditions"], None, note)
        ]
        headline = right_answers.headline(measures["conditions"], "People who are advised are right in", None)
        return Summary(headline, measures, tables, figures)


def _offered(design: Mapping[str, Any], bench: Any, prediction: Any, random: np.random.Generator) -> list[int]:
    """The labels to choose among in two steps: the true one, the classifier's, and others it thinks of, shuffled."""
    if design["mode"] == ONE_STEP:
        return []
    wanted = [prediction.image.label, *(guess.label for guess in prediction.top)]
    rest = [label for label in bench.class_labels(design["classifier"]) if label not in wanted]
    wanted += [rest[i] for i in random.permutation(len(rest))]
    some = list(dict.fromkeys(wanted))[: design["options"]]
    return [some[i] for i in random.permutation(len(some))]


def _spec(
    design: Mapping[str, Any],
    bench: Any,
    prediction: Any,
    picture: Any,
    seen: Any,
    offered: list[int],
    *,
    condition: str,
    role: str = "main",
    guess: int | None = None,
) -> StimulusSpec:
    """One stimulus; `guess` stands in a control trial for what the classifier says."""
    classifier, image, probability = design["classifier"], prediction.image, prediction.top[0].probability
    names, titles = bench.class_names(classifier), bench.class_titles(classifier)
    guess = prediction.top[0].label if guess is None else guess
    right = guess == image.label
    shown: dict[str, Any] = {"picture": picture.as_json(), "ask": titles[guess]}
    if design["show_confidence"]:
        shown["percent"] = round(100 * probability)
    if seen is not None:
        shown["explanation"] = seen.picture.as_json()
    if offered:
        shown["options"] = [{"value": names[label], "title": titles[label]} for label in offered]
    answer = names[image.label] if offered else ACCEPT.value if right else REJECT.value
    return StimulusSpec(
        condition=condition,
        role=role,
        family=image.sha256,
        shown=shown,
        truth={
            "image": image.path,
            "label": names[guess],
            "true_label": names[image.label],
            "model_right": right,
            "probability": probability,
            "right_answer": answer,
            "offered": [names[label] for label in offered] or [ACCEPT.value, REJECT.value],
            **({} if role == "main" else {"expected": answer}),
        },
    )


def _checks(
    design: Mapping[str, Any], bench: Any, predictions: list[Any], shown: set[str], random: np.random.Generator
) -> Iterator[StimulusSpec]:
    """Predictions that are clearly right or clearly not, of images that are not shown otherwise."""
    if not (wanted := gold_trials.roles(design, len(shown) * len(design["explainers"]))):
        return
    draw = np.random.default_rng([design["seed"], gold_trials.STREAM])
    usable = gold_trials.usable(design, predictions, without=shown)
    made = gold_trials.shares(wanted, len(usable), "the classifier is sure of and are not shown otherwise")
    bench.add_to_report(checks=made)
    drawn = [usable[i] for i in gold_trials.order(design, len(usable), draw)[: sum(made.values())]]
    pictures = bench.pictures(design["classifier"], [one.image for one in drawn])
    # Of each kind every other one names what the classifier does not think of; it is told apart by who looks.
    right = [at % 2 == 0 for n in made.values() for at in range(n)]
    roles = [role for role, n in made.items() for _ in range(n)]
    for role, is_right, one, picture in zip(roles, right, drawn, pictures, strict=True):
        guess = one.top[0].label
        if not is_right and design["mode"] == ONE_STEP:
            others = [label for label in bench.class_labels(design["classifier"]) if label != guess]
            unlikely = [label for label in others if label not in {some.label for some in one.top}] or others
            guess = unlikely[int(draw.integers(len(unlikely)))]
        offered = _offered(design, bench, one, random)
        named = conditions(design)[0]
        yield _spec(design, bench, one, picture, None, offered, condition=named, role=role, guess=guess)

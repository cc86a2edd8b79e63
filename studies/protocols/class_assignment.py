"""Class assignment by prototypes and criticisms (Stock & Cissé 2018, section 3.4).

People see six classes by six images each, and one more image of one of them: which class does it belong to?  Chance is
1/6.  What is compared is how the six images of a class were chosen; a round's target and classes are the same whichever
way that was, and nobody meets a round twice.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from django import forms

from . import assignment_results, checking, comparing
from .assignment_results import CHANCE, TOO_FAST, TOO_SLOW
from .base import Choice, DesignForm, Protocol, StimulusSpec
from .expected import Expected, Known
from .explained import PAPER, AsInPaper, Setting
from .fields import NameListField, SomeOfField
from .groups import CONDITIONS, IMAGES, LETTERS, WORDS, groups_shown, select, shuffled, smallest_pool, words_for
from .registered import LATE, Registered, contrast
from .results import Summary, Table, percent
from .rounds import CLASSES, clear_rounds, confusion_of, draw_rounds, hold_out
from .selecting import TITLES, WAYS, SelectionForm

if TYPE_CHECKING:
    import pandas as pd


class ClassAssignmentForm(SelectionForm, DesignForm):
    about: ClassVar[Mapping[str, Setting]] = {
        "classes": Setting(
            "pictures",
            "More classes make rounds that are less alike; each needs enough images for every rule.",
            "one a line",
        ),
        "rounds": Setting(
            "pictures",
            "Stimuli, answers and people grow in proportion: a round is shown once in each condition.",
            "targets",
        ),
        "conditions": Setting(
            "choosing",
            "Stimuli, answers and people grow with their number, and so does the correction for many comparisons.",
            source=f"{PAPER}: all seven (section 3.4).",
        ),
        "drawing": Setting("pictures", "By confusion is harder for people: the six classes look alike."),
        "names": Setting("asked", "With names people can go by what they know of the word, not by the pictures alone."),
        "roles": Setting("asked", "Marked, people know which pictures are unusual ones of their class."),
        "min_seconds": Setting(
            "asked",
            "Higher leaves out more answers, which others are asked for again.",
            "seconds",
            f"{PAPER}: 20 seconds (section 3.4).",
        ),
        "max_seconds": Setting(
            "asked",
            "Lower leaves out more answers, which others are asked for again.",
            "seconds",
            f"{PAPER}: 3 minutes (section 3.4).",
        ),
    }
    classes = NameListField(
        required=False,
        initial=[],
        help_text="The pool that a round's classes come from, by name; empty for all.",
    )
    rounds = forms.IntegerField(
        initial=20,
        required=False,
        min_value=1,
        max_value=10_000,
        help_text="How many targets there are; each is shown in every condition, to different people.",
    )
    conditions = SomeOfField(
        choices=list(WORDS.items()),
        required=False,
        initial=list(CONDITIONS),
        help_text="How the images of a class are chosen, in several ways; none for all seven of the paper.",
    )
    drawing = forms.ChoiceField(
        choices=[("random", "at random"), ("confusion", "by confusion")],
        initial="random",
        required=False,
        help_text="The other five classes of a round: any, or those the classifier confuses most with the target's.",
    )
    names = forms.ChoiceField(
        choices=[("letters", "letters"), ("classes", "the names of the classes")],
        initial="letters",
        required=False,
        help_text="What the groups of images are called.",
    )
    roles = forms.ChoiceField(
        choices=[("unmarked", "not marked"), ("marked", "marked")],
        initial="unmarked",
        required=False,
        help_text="Whether people are told which images are prototypes and which are criticisms.",
    )
    min_seconds = forms.IntegerField(
        initial=20, required=False, min_value=0, help_text="A faster answer, by the server's clock, does not count."
    )
    max_seconds = forms.IntegerField(
        initial=180,
        required=False,
        min_value=1,
        max_value=600,
        help_text="A slower answer, by the server's clock, does not count.",
    )
    field_order = ["classifier", "classes", "rounds", "conditions", "drawing", "answers_per_stimulus"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["trials_per_participant"].initial = 10

    def clean_conditions(self) -> list[str]:
        named = self.cleaned_data["conditions"]
        # In one order, so that the same choice is the same design.
        return [name for name in CONDITIONS if name in named] or list(CONDITIONS)

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        fastest, slowest = design.get("min_seconds"), design.get("max_seconds")
        if fastest is not None and slowest is not None and fastest >= slowest:
            self.add_error("max_seconds", f"Must be above min_seconds, which is {fastest}.")
        known = self.catalogue.classifiers.get(design.get("classifier", ""), ())
        if known and "classes" not in self.errors and (size := len(design.get("classes") or known)) < CLASSES:
            self.add_error("classes", f"A round needs {CLASSES} classes, and the pool has {size}.")
        return design


class ClassAssignment(Protocol):
    key, title, version = "class_assignment", "Class assignment by prototypes and criticisms", 2
    description = "People say which of six classes an image belongs to, going by six images chosen from each class."
    form_class = ClassAssignmentForm
    known = {
        "round": "Number of the round: its target and its classes are the same in every condition.",
        "classes": "Names of the six classes in the order of their groups, A to F.",
    }
    summary_reads = ("label", "round", "classes")
    seconds = 45.0
    papers = (
        AsInPaper(
            "assignment",
            "Class assignment by prototypes and criticisms (section 3.4)",
            {
                "conditions": list(CONDITIONS),
                "names": "letters",
                "roles": "unmarked",
                "min_seconds": 20,
                "max_seconds": 180,
                "probability_above": 0.9,
                "probability_below": 0.1,
                "attack_steps": 10,
            },
            {
                "conditions": "adversarial, MMD and probability, each with and without criticisms, and random",
                "min_seconds": "answers given in 20 seconds to 3 minutes are valid",
                "max_seconds": "answers given in 20 seconds to 3 minutes are valid",
                "probability_above": "prototypes are given their class with more than 0.9",
                "probability_below": "criticisms are given it with less than 0.1",
                "attack_steps": "prototypes survive 10 steps, criticisms flip at the first",
            },
            {
                "rounds": "the number of rounds is yours",
                "answers_per_stimulus": "how many people answered a round is yours",
                "names": "the paper does not say what the groups were called",
                "roles": "the paper does not say whether they were told apart",
            },
        ),
    )
    #: Longer than any window, so that nobody loses a place in it.
    lease = timedelta(minutes=15)

    def expected(self, design: Mapping[str, Any], known: Known) -> Expected:
        rounds, conditions = design["rounds"], len(design["conditions"])
        # Nobody meets a round twice, so that each condition of it needs people of its own.
        because = f"{rounds:,} rounds in {conditions} conditions"
        return Expected(rounds * conditions, because, conditions=conditions, apart=conditions)

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier, random = design["classifier"], np.random.default_rng(design["seed"])
        names, words = bench.class_names(classifier), words_for(design, bench)
        pools: dict[int, list[Any]] = {names.index(name): [] for name in design["classes"] or names}
        images = bench.images(classifier, classes=design["classes"])
        for image in images:
            pools[image.label].append(image)
        confusion = None
        if design["drawing"] == "confusion":
            confusion = confusion_of(bench.predictions(classifier, images), len(names))
        rounds = list(draw_rounds(pools, names, design["rounds"], confusion, random))
        bench.note(rounds=len(rounds), classes=len(pools), images=len(images))
        hold_out(pools, [target for target, _ in rounds])
        selected = select(bench, design, rounds, pools, names)
        bench.note(smallest_pools={key: smallest_pool(selections) for key, selections in selected.items()})
        chosen = (image for selections in selected.values() for one in selections for image in one.images)
        wanted = list(dict.fromkeys([*(target for target, _ in rounds), *chosen]))
        pictures = {p.image.sha256: p.as_json() for p in bench.pictures(classifier, wanted)}
        for number, (target, labels) in enumerate(rounds):
            for key in design["conditions"]:
                selections = selected[key][number * CLASSES : (number + 1) * CLASSES]
                groups = [shuffled(selection, random) for selection in selections]
                called = [words[label] for label in labels]
                yield StimulusSpec(
                    condition=key,
                    family=f"round {number + 1}",
                    shown={
                        "target": pictures[target.sha256],
                        "groups": groups_shown(design, key, groups, pictures, called),
                    },
                    truth={
                        "image": target.path,
                        "label": names[target.label],
                        "round": number + 1,
                        "classes": [names[label] for label in labels],
                        "images": [[{"image": image.path, "role": role} for image, role in group] for group in groups],
                        "pools": [[selection.prototype_pool, selection.criticism_pool] for selection in selections],
                    },
                )
        yield from _checks(design, bench, images, [target for target, _ in rounds])

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return tuple(
            Choice(group["letter"], group.get("title", group["letter"]), group["letter"].lower())
            for group in shown["groups"]
        )

    def pictures(self, shown: Mapping[str, Any]) -> list[str]:
        return [shown["target"]["file"], *(one["file"] for group in shown["groups"] for one in group["pictures"])]

    def exclusion(self, design: Mapping[str, Any], answer: str, server_ms: int) -> str:
        if server_ms < 1000 * design["min_seconds"]:
            return TOO_FAST
        return TOO_SLOW if server_ms > 1000 * design["max_seconds"] else ""

    # --- counting ---------------------------------------------------------------------------------------------------

    skilled = True

    def recovered(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        return {f"right, {key}": one for key, one in measures["conditions"].items()}

    def registered(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Registered:
        window = f"{design['min_seconds']} s to {design['max_seconds']} s, both included, by the server's clock"
        return Registered(
            estimand="the share of counted answers that choose the target's class, in each condition; chance is 1/6",
            computation={
                "kind": "shares",
                "under": "conditions",
                "conditions": design["conditions"],
                "item": "round",
                "right": {"letters": LETTERS, "of": "label", "among": "classes"},
                "contrasts": ["contrasts"],
            },
            exclusions=(f"an answer outside of {window} does not count ({TOO_FAST}, {TOO_SLOW})", LATE),
            contrasts=_contrasts(design["conditions"]),
        )

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        """`rate`: the chance that they know the class; who does not guesses."""
        knows = random.random() < (0.5 if rate is None else rate)
        place = truth["classes"].index(truth["label"]) if knows else int(random.integers(CLASSES))
        # Nineteen of twenty answers fall in the window.
        fastest, slowest = np.log([max(design["min_seconds"], 1), design["max_seconds"]])
        seconds = random.lognormal((fastest + slowest) / 2, (slowest - fastest) / 4)
        return LETTERS[place], float(seconds)

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        from studies.analysis.cluster import Contrast, registered_contrasts

        measures: dict[str, Any] = {"chance": CHANCE, "conditions": {}, "contrasts": []}
        if answers.empty:
            return Summary("No answer counts yet.", measures)
        said = assignment_results.marked_right(stimuli, answers)
        found = comparing.shares(said, "right", "round", design["conditions"])
        measures["conditions"] = found
        if contrasts := [Contrast(c["name"], c["weights"], c["null"]) for c in _contrasts(found)]:
            columns = (said[name] for name in ("right", "condition", "participant", "round"))
            measures["contrasts"] = registered_contrasts(*columns, contrasts)
        pairs = [c for c in measures["contrasts"] if c["name"] in SIMPSON]
        within = {c["name"]: comparing.strata(said, "right", "label", _pair(c)) for c in pairs}
        measures["strata"] = within
        note = f"Right answers; chance is {percent(CHANCE)}."
        tables = [
            comparing.shares_table("Right class chosen", "targets", WORDS, found, note),
            comparing.contrasts_table("targets", measures["contrasts"]),
            *(
                t
                for name, one in within.items()
                for t in comparing.strata_tables(one, "class", name, ("without", "with"))
            ),
        ]
        figures = [
            comparing.figure("Right class chosen, by condition", "right in %", WORDS, found, CHANCE),
            *comparing.forest({c["name"]: c for c in measures["contrasts"]}, "odds ratio", ratios=True),
            comparing.people_figure(said, "right"),
        ]
        warnings = [w for name, one in within.items() for w in comparing.strata_warnings(one, "classes", name)]
        return Summary(assignment_results.headline(found), measures, tables, figures, warnings)

    def before_exclusions(
        self,
        design: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
        excluded: "pd.DataFrame",
    ) -> tuple[dict[str, Any], list[Table]]:
        return assignment_results.window(design, stimuli, answers, excluded)


def _checks(design: Mapping[str, Any], bench: Any, images: Any, targets: Sequence[Any]) -> Iterator[StimulusSpec]:
    """Rounds whose every image the classifier gets right with confidence: who looks, finds the class."""
    if not (wanted := checking.roles(design)):
        return
    classifier, random = design["classifier"], np.random.default_rng([design["seed"], checking.STREAM])
    names, words = bench.class_names(classifier), words_for(design, bench)
    clear = [prediction.image for prediction in checking.clear(bench.predictions(classifier, images))]
    made, rounds = clear_rounds(clear, targets, wanted, IMAGES, random)
    bench.note(checks=made)
    every = [image for target, groups in rounds for image in (target, *(i for group in groups.values() for i in group))]
    pictures = {p.image.sha256: p.as_json() for p in bench.pictures(classifier, list(dict.fromkeys(every)))}
    for role, (target, groups) in zip((role for role, n in made.items() for _ in range(n)), rounds, strict=True):
        called = [words[label] for label in groups]
        placed = [[(image, "prototype") for image in group] for group in groups.values()]
        yield StimulusSpec(
            condition=design["conditions"][0],
            role=role,
            shown={
                "target": pictures[target.sha256],
                "groups": groups_shown(design, "random", placed, pictures, called),
            },
            truth={
                "image": target.path,
                "label": names[target.label],
                "classes": [names[label] for label in groups],
                "expected": LETTERS[list(groups).index(target.label)],
            },
        )


# --- what came of it --------------------------------------------------------------------------------------------------


#: Compared within classes too: the contrasts of two conditions that differ in their criticisms alone.
SIMPSON = {f"{TITLES[way]}: with criticisms against without": way for way in WAYS}


def _contrasts(conditions: Collection[str]) -> list[dict[str, Any]]:
    """The contrasts that are tested of so many conditions."""
    contrasts = [
        contrast(name, {f"{way}-prototypes-criticisms": 1, f"{way}-prototypes": -1}, scale="logit")
        for name, way in SIMPSON.items()
    ]
    for key, (way, _, _) in CONDITIONS.items():
        if way in WAYS:
            contrasts.append(contrast(f"{WORDS[key]} against random", {key: 1, "random": -1}, scale="logit"))
    contrasts.append(contrast("Random against chance", {"random": 1}, null=CHANCE, scale="logit"))
    return [one for one in contrasts if set(one["weights"]) <= set(conditions)]


def _pair(contrast: Mapping[str, Any]) -> tuple[str, str]:
    """The conditions it compares, the one taken away first."""
    first, second = sorted(contrast["weights"], key=lambda key: contrast["weights"][key])
    return first, second

"""What do people learn of a classifier? (Hase & Bansal 2020; Colin, Fel, Cadene & Serre 2022, arXiv 2112.04417.)

A system is judged by how its pupils do.  People predict what the classifier will say: of images before any training, in
sessions of training and test, and of images afterwards.  In training they are told what it said, and in all groups but
one also why, by an explanation.  What counts is whether they predict *the classifier's* answer on new images, whatever
the photographs show; the truth is never told.

Groups are balanced in random blocks as people arrive.  Sets of images are rotated over the phases with a test, so that
each set stands in each phase equally often; right and wrong decisions of the classifier are in each set in equal
numbers, as far as there are so many.  Nobody meets an image twice.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from django import forms

from .base.field_help import FieldHelp, PublishedDesign
from .base.fields import MethodListField, NameListField, condition_of, method_of
from .base.preregistration import LATE, Preregistration, computed
from .base.protocol import Arms, Choice, DesignError, DesignForm, Phase, Protocol, StimulusSpec, block_of
from .base.results import Gallery, Summary, Table
from .base.sample_size import ImageCounts, SampleSize
from .shared import gold_trials, learning_results

if TYPE_CHECKING:
    import pandas as pd

NONE, PRE, POST = "none", "pre", "post"
KEYS = "1234567890"
PAPER = "Colin et al. 2022"
IN_GALLERY = 4


class SimulatabilityForm(DesignForm):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "arms": FieldHelp(
            "explanation",
            "Each is a group of people, who are trained with that explanation. People grow in proportion.",
            "one per line",
            f"{PAPER}: a group without explanations, and one for each method.",
        ),
        "classes": FieldHelp(
            "pictures",
            "Only images of these classes for which the classifier says one of them. Fewer are easier to guess.",
            "one per line, at most ten",
        ),
        "sessions": FieldHelp(
            "asked", "Each has a training and a test; more show how learning goes on.", "sessions", f"{PAPER}: three."
        ),
        "training_per_session": FieldHelp("asked", "More teach more, and take longer.", "images"),
        "test_per_session": FieldHelp(
            "asked",
            "So many also before the first session and after the last. More make the interval narrower and need more "
            "images.",
            "images",
        ),
        "participants_per_arm": FieldHelp(
            "people",
            "10 points of effect are found with a power of 38% with 25 people a group, 72% with 50, 94% with 100.",
            "people",
            "Quorum’s own simulation.",
        ),
        "drawing": FieldHelp("explanation", "Drawing of heat maps, in groups that are trained with explanations."),
        "superpixels": FieldHelp("explanation", "Only for explainers by superpixels.", "superpixels"),
    }
    arms = MethodListField(
        also=(NONE,),
        required=False,
        initial=[NONE, "gradcam"],
        help_text="Groups: “none” for training without explanations, and explainers by name or with parameters.",
    )
    classes = NameListField(
        required=False,
        initial=[],
        help_text="Classes that people predict, by name. Leave empty for the classifier's first ten.",
    )
    sessions = forms.IntegerField(
        initial=3, required=False, min_value=1, max_value=20, help_text="Number of sessions of training and test."
    )
    training_per_session = forms.IntegerField(
        initial=5, required=False, min_value=1, max_value=1000, help_text="Number of training images in each session."
    )
    test_per_session = forms.IntegerField(
        initial=6, required=False, min_value=1, max_value=1000, help_text="Number of test images in each phase."
    )
    participants_per_arm = forms.IntegerField(
        initial=50,
        required=False,
        min_value=1,
        max_value=99_000,
        help_text="Number of people in each group; a multiple of the number of tests, which is sessions and two.",
    )
    drawing = forms.ChoiceField(
        initial="overlay",
        required=False,
        choices=[
            ("overlay", "over the picture in grey"),
            ("auto", "in the gradient’s colours where there are any"),
            ("map", "the map alone"),
        ],
        help_text="Drawing of heat maps.",
    )
    superpixels = forms.IntegerField(
        initial=8, required=False, min_value=1, max_value=1000, help_text="Maximum number of superpixels shown."
    )
    answers_per_stimulus = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=99_000,
        widget=forms.HiddenInput,
        help_text="Follows from participants_per_arm and sessions.",
    )
    trials_per_participant = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=100_000,
        widget=forms.HiddenInput,
        help_text="Follows from test_per_session and sessions.",
    )
    essential = ("arms", "classes", "sessions", "answers_per_stimulus")
    field_order = ["classifier", "arms", "classes", "sessions"]

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        known = self.catalogue.classifiers.get(design.get("classifier", ""), ())
        if "arms" not in self.errors and (len(design["arms"]) < 2 or NONE not in design["arms"]):
            self.add_error("arms", "Name “none” and at least one explainer.")
        if "classes" not in self.errors and known:
            design["classes"] = design["classes"] or list(known[: len(KEYS)])
            if not 2 <= len(design["classes"]) <= len(KEYS):
                self.add_error("classes", f"Name 2 to {len(KEYS)} classes, not {len(design['classes'])}.")
        numbers = ("sessions", "test_per_session", "participants_per_arm")
        if any(name in self.errors for name in numbers):
            return design
        tests, each, people = design["sessions"] + 2, design["test_per_session"], design["participants_per_arm"]
        if rest := people % tests:
            near = " or ".join(str(n) for n in (people - rest, people - rest + tests) if n)
            why = "so that every set of images stands in every test equally often"
            self.add_error("participants_per_arm", f"Must be a multiple of {tests}, {why}: {near}.")
            return design
        # These follow from the others, whatever is given for them.
        return design | {"answers_per_stimulus": people // tests, "trials_per_participant": tests * each}


class Simulatability(Protocol):
    key, title, version = "simulatability", "What do people learn of a classifier?", 1
    description = "People predict a classifier’s answers before, during and after training with explanations or none."
    form_class = SimulatabilityForm
    truth_columns = {
        "phase": "Phase in which the stimulus is met: pre, session-1 and so on, post; of training too.",
        "set": "Number of the set of images it belongs to.",
        "model_right": "Whether the classifier is right.",
        "true_label": "Name of the photograph's true class.",
    }
    summary_reads = ("image", "label", "phase")
    answer_columns = {
        "phase": ("text", "Phase of the visit: pre, session-1 and so on, post."),
        "model_output": ("text", "Name of the class that the classifier says, which is the right answer."),
        "item": ("text", "Image that the stimulus is of: the unit of the analysis."),
    }
    has_correct_answer = True
    seconds = 6.0
    contract_design = {
        "arms": ["none", "gradients"],
        "sessions": 2,
        "training_per_session": 2,
        "test_per_session": 2,
        "participants_per_arm": 12,
    }
    papers = (
        PublishedDesign(
            "pupils",
            "Predict the model after training with explanations",
            {"sessions": 3},
            {"sessions": "three sessions, each with a training and a test"},
            {
                "arms": "name the explainers that you compare with no explanation",
                "classes": "the classes of the images",
                "training_per_session": "how many training images is yours",
                "test_per_session": "how many test images is yours",
                "participants_per_arm": "how many people take part is yours",
            },
            PAPER,
        ),
    )

    def sample_size(self, design: Mapping[str, Any], counts: ImageCounts) -> SampleSize:
        arms, tests = len(design["arms"]), design["sessions"] + 2
        n = arms * tests * tests * design["test_per_session"]
        because = f"{tests} sets of {design['test_per_session']} test images, each in {tests} phases of {arms} groups"
        return SampleSize(n, because, conditions=arms, apart=arms * tests)

    def arms(self, design: Mapping[str, Any]) -> Arms:
        return Arms(tuple(condition_of(one) for one in design["arms"]), rotations=design["sessions"] + 2)

    def phases(self, design: Mapping[str, Any]) -> tuple[Phase, ...]:
        training, test = design["training_per_session"], design["test_per_session"]
        sessions = [f"session-{n + 1}" for n in range(design["sessions"])]
        both = [(Phase(f"training-{n}", training, training=True), Phase(n, test)) for n in sessions]
        return Phase(PRE, test), *(phase for pair in both for phase in pair), Phase(POST, test)

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier, random = design["classifier"], np.random.default_rng(design["seed"])
        names, titles = bench.class_names(classifier), bench.class_titles(classifier)
        classes = [names.index(name) for name in design["classes"]]
        predictions = list(bench.predictions(classifier, bench.images(classifier, classes=design["classes"])))
        usable = list({p.image.sha256: p for p in predictions if p.top[0].label in classes}.values())
        tests = [phase for phase in self.phases(design) if not phase.training]
        lessons = [phase for phase in self.phases(design) if phase.training]
        sizes = [design["test_per_session"]] * len(tests) + [design["training_per_session"]] * len(lessons)
        sets = _sets(usable, sizes, random)
        every = [one for some in sets for one in some]
        pictures = dict(
            zip(
                (one.image.sha256 for one in every),
                bench.pictures(classifier, [one.image for one in every]),
                strict=True,
            )
        )
        offered = [{"value": names[label], "title": titles[label]} for label in classes]
        taught = [one for some in sets[len(tests) :] for one in some]
        questions = [(pictures[one.image.sha256], one.top[0].label) for one in taught]
        gallery = []
        for arm in design["arms"]:
            seen = {}
            if arm != NONE:
                found = bench.visualisations(
                    classifier,
                    questions,
                    method_of(arm),
                    drawing=design["drawing"],
                    n_shown=design["superpixels"],
                    seed=design["seed"],
                )
                seen = {one.image.sha256: one.picture.as_json() for one in found}
                gallery += [
                    [
                        f"{one.image.path}, {condition_of(arm)}: {names[one.top[0].label]}",
                        [pictures[one.image.sha256].as_json(), seen[one.image.sha256]],
                    ]
                    for one in taught[:IN_GALLERY]
                ]
            for rotation in range(len(tests)):
                for at, phase in enumerate([*tests, *lessons]):
                    # Tests take turns at the sets; lessons are the same for everybody.
                    number = (at + rotation) % len(tests) if at < len(tests) else at
                    for one in sets[number]:
                        picture = pictures[one.image.sha256].as_json()
                        shown: dict[str, Any] = {"picture": picture, "options": offered}
                        output = names[one.top[0].label]
                        truth = {
                            "image": one.image.path,
                            "label": output,
                            "true_label": names[one.image.label],
                            "model_right": one.top[0].label == one.image.label,
                            "phase": phase.name,
                            "set": number + 1,
                            "rotation": rotation,
                            "offered": design["classes"],
                        }
                        if phase.training:
                            shown["after"] = {"decision": titles[one.top[0].label]}
                            if arm != NONE:
                                shown["after"]["explanation"] = seen[one.image.sha256]
                            truth["expected"] = output
                        yield StimulusSpec(
                            condition=condition_of(arm),
                            family=one.image.sha256,
                            shown=shown,
                            truth=truth,
                            role="training" if phase.training else "main",
                            block=block_of(phase, rotation),
                        )
        wrong = [sum(one.top[0].label != one.image.label for one in some) for some in sets]
        bench.add_to_report(images=len(usable), sets=sizes, wrong=wrong, gallery=gallery)
        main = len(design["arms"]) * len(tests) * sum(len(some) for some in sets[: len(tests)])
        yield from _checks(design, bench, usable, {one.image.sha256 for one in every}, offered, main)

    def preparation_report(self, preparation: Mapping[str, Any]) -> tuple[list[Table], list[Gallery]]:
        rows = [["Images with a decision among the classes", preparation["images"], None]]
        pairs = zip(preparation["sets"], preparation["wrong"], strict=True)
        rows += [[f"Set {n}", size, wrong] for n, (size, wrong) in enumerate(pairs, start=1)]
        note = "The last sets are those of the trainings."
        gallery = Gallery("Explanations", ["picture", "explained"], [tuple(row) for row in preparation["gallery"]])
        return [Table("Sets of images", ["", "images", "wrong decisions"], rows, note)], [gallery]

    def choices(self, design: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[Choice, ...]:
        return tuple(Choice(one["value"], one["title"], key) for one, key in zip(shown["options"], KEYS, strict=False))

    def pictures(self, shown: Mapping[str, Any]) -> list[str]:
        after = shown.get("after", {})
        return [shown["picture"]["file"], *([after["explanation"]["file"]] if "explanation" in after else [])]

    # --- counting ---------------------------------------------------------------------------------------------------

    def answer_cells(
        self, shown: Mapping[str, Any], truth: Mapping[str, Any], arrangement: int, answer: str
    ) -> tuple[Any, ...]:
        return truth.get("phase", ""), truth["label"], truth["image"]

    def rehearsal_measures(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        found = {f"gain, {name}": one for name, one in measures["gain"].items()}
        return found | ({"effect": measures["effect"]} if measures["effect"] else {})

    def planted_rate(self, truth: Mapping[str, Any], rate: float) -> float:
        return 0.5 if truth["phase"] == PRE else rate

    def preregister(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Preregistration:
        return Preregistration(
            estimand="the gain in the share of the classifier's answers that a new person predicts on new images, from "
            "before to after training, with an explanation less without: a difference of differences",
            computations=[
                computed(
                    "learning",
                    "image",
                    arms=learning_results.arms_of(design),
                    reference=NONE,
                    pre=PRE,
                    post=POST,
                    sessions=[f"session-{n + 1}" for n in range(design["sessions"])],
                    trials=design["trials_per_participant"],
                    nothing=dict(learning_results.NOTHING),
                    quantities={f"gain, {name}": ["gain", name] for name in learning_results.arms_of(design)}
                    | {"effect": ["effect"]},
                )
            ],
            exclusions=(LATE,),
        )

    def simulated_answer(
        self, design: Mapping[str, Any], truth: Mapping[str, Any], rate: float | None, random: np.random.Generator
    ) -> tuple[str, float]:
        """`rate`: the chance that they predict the classifier's answer; without rates pupils learn a little."""
        usual = {PRE: 0.55, POST: 0.7}.get(truth.get("phase", POST), 0.65)
        right = random.random() < (usual if rate is None else rate)
        others = [name for name in truth["offered"] if name != truth["label"]]
        return truth["label"] if right else str(random.choice(others)), float(random.lognormal(1.4, 0.4))

    def summary(
        self,
        design: Mapping[str, Any],
        preparation: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
    ) -> Summary:
        if answers.empty:
            return Summary("No answer counts yet.", dict(learning_results.NOTHING))
        told = answers.merge(stimuli[["stimulus", *self.summary_reads]], on="stimulus", how="left")
        table = told.assign(
            answer=told["answer"].astype(str).astype(object),
            model_output=told["label"].astype(object),
            condition=told["condition"].astype(str),
            item=told["image"],
        )
        return learning_results.summary(design, table, reference=NONE, pre=PRE, post=POST)


def _sets(usable: list[Any], sizes: list[int], random: np.random.Generator) -> list[list[Any]]:
    """Sets of so many predictions each, all different, half of each right and half wrong as far as possible."""
    sides = [[one for one in usable if (one.top[0].label == one.image.label) is right] for right in (True, False)]
    pools = [[some[i] for i in random.permutation(len(some))] for some in sides]
    if sum(map(len, pools)) < sum(sizes):
        raise DesignError(
            [
                f"{sum(sizes)} different images are needed for the tests and trainings, and the classifier says one of "
                f"the classes for {sum(map(len, pools))} of them: name more classes, or ask for fewer images"
            ]
        )
    # Of odd sizes the larger half is right in one set and wrong in the next.
    wanted = [(size + at % 2) // 2 for at, size in enumerate(sizes)]
    wrong = _as_many(wanted, sizes, len(pools[1]), len(pools[0]))
    sets = []
    for size, n in zip(sizes, wrong, strict=True):
        some = [pools[1].pop() for _ in range(n)] + [pools[0].pop() for _ in range(size - n)]
        sets.append([some[i] for i in random.permutation(size)])
    return sets


def _as_many(wanted: list[int], sizes: list[int], wrong: int, right: int) -> list[int]:
    """How many wrong decisions each set has: as wanted, or evenly fewer or more where one kind does not suffice."""
    found = list(wanted)
    while sum(found) > wrong:
        found[found.index(max(found))] -= 1
    while sum(sizes) - sum(found) > right:
        left = [size - n for size, n in zip(sizes, found, strict=True)]
        found[left.index(max(left))] += 1
    return found


def _checks(
    design: Mapping[str, Any], bench: Any, usable: list[Any], shown: set[str], offered: list[dict[str, str]], main: int
) -> Iterator[StimulusSpec]:
    """Images that the classifier is right and sure about, and that are not shown otherwise, beside `main` stimuli."""
    if not (wanted := gold_trials.roles(design, main)):
        return
    classifier, random = design["classifier"], np.random.default_rng([design["seed"], gold_trials.STREAM])
    names = bench.class_names(classifier)
    clear = gold_trials.usable(design, usable, without=shown)
    made = gold_trials.shares(wanted, len(clear), "the classifier is sure of and are not shown otherwise")
    bench.add_to_report(checks=made)
    drawn = [clear[i].image for i in gold_trials.order(design, len(clear), random)[: sum(made.values())]]
    roles = [role for role, n in made.items() for _ in range(n)]
    for role, picture in zip(roles, bench.pictures(classifier, drawn), strict=True):
        name = names[picture.image.label]
        yield StimulusSpec(
            condition=condition_of(design["arms"][0]),
            role=role,
            family=picture.image.sha256,
            shown={"picture": picture.as_json(), "options": offered},
            truth={
                "image": picture.image.path,
                "label": name,
                "true_label": name,
                "model_right": True,
                "offered": design["classes"],
                "expected": name,
            },
        )

"""Class assignment by prototypes and criticisms (Stock & Cissé 2018, section 3.3).

People see six classes by six images each, and one more image of one of them: which class does it belong to?  Chance is
1/6.  What is compared is how the six images of a class were chosen; a round's target and classes are the same whichever
way that was, and nobody meets a round twice.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from .base.field_help import PublishedDesign
from .base.preregistration import LATE, Preregistration, computed, contrast
from .base.protocol import Choice, Protocol, StimulusSpec
from .base.results import Gallery, Summary, Table, percent
from .base.sample_size import ImageCounts, SampleSize
from .base.shown_stimuli import ShownStimulus, most_frequent_label
from .shared import assignment_results, condition_comparison, gold_trials, margins, picture_grids, selection_counts
from .shared.assignment_form import SAMPLE, THESE, ClassAssignmentForm
from .shared.assignment_groups import (
    CONDITIONS,
    IMAGES,
    LETTERS,
    SETS,
    WORDS,
    groups_shown,
    select,
    shuffled,
    smallest_pool,
    words_for,
)
from .shared.assignment_results import CHANCE, TOO_FAST, TOO_SLOW
from .shared.assignment_rounds import CLASSES, clear_rounds, confusion_of, draw_rounds, hold_out
from .shared.selections import TITLES, WAYS

if TYPE_CHECKING:
    import pandas as pd

#: By what the classes are: in words, and what targets have in common, by its column and in the plural.
ABOUT = {THESE: "these classes", SAMPLE: "classes of which these are a sample"}
ITEMS = {THESE: "round", SAMPLE: "label"}
NOUNS = {"round": "targets", "label": "classes"}


class ClassAssignment(Protocol):
    key, title, version = "class_assignment", "Class assignment by prototypes and criticisms", 3
    description = "People say which of six classes an image belongs to, going by six images chosen from each class."
    form_class = ClassAssignmentForm
    truth_columns = {
        "round": "Number of the round: its target and its classes are the same in every condition.",
        "classes": "Names of the six classes in the order of their groups, A to F.",
    }
    summary_reads = ("label", "round", "classes")
    seconds = 45.0
    contract_design = {"rounds": 6}
    papers = (
        PublishedDesign(
            "assignment",
            "Class assignment by prototypes and criticisms (section 3.3)",
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
                "selection_sets": "the paper does not say whether rounds share the images of a class",
            },
        ),
    )
    #: Longer than any window, so that nobody loses a place in it.
    lease = timedelta(minutes=15)

    def sample_size(self, design: Mapping[str, Any], counts: ImageCounts) -> SampleSize:
        rounds, conditions = design["rounds"], len(design["conditions"])
        # Nobody meets a round twice, so that each condition of it needs people of its own.
        because = f"{rounds:,} rounds in {conditions} conditions"
        return SampleSize(rounds * conditions, because, conditions=conditions, apart=conditions)

    def stimuli(self, design: Mapping[str, Any], bench: Any) -> Iterator[StimulusSpec]:
        classifier, random = design["classifier"], np.random.default_rng(design["seed"])
        names, words = bench.class_names(classifier), words_for(design, bench)
        labels = bench.class_labels(classifier)
        if design["classes"]:
            of_name = {names[label]: label for label in labels}
            labels = [of_name[name] for name in design["classes"]]
        pools: dict[int, list[Any]] = {label: [] for label in labels}
        images = bench.images(classifier, classes=design["classes"])
        for image in images:
            pools[image.label].append(image)
        confusion = None
        if design["drawing"] == "confusion":
            confusion = confusion_of(bench.predictions(classifier, images), labels)
        rounds = list(draw_rounds(pools, names, design["rounds"], confusion, random))
        bench.add_to_report(rounds=len(rounds), classes=len(pools), images=len(images))
        hold_out(pools, [target for target, _ in rounds])
        selected = select(bench, design, rounds, pools, names)
        bench.add_to_report(smallest_pools={key: smallest_pool(selections) for key, selections in selected.items()})
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

    def selection_counts(self, design: Mapping[str, Any], bench: Any, sampled: int) -> list[Table]:
        ways: dict[str, tuple[int, int]] = {}
        for key in design["conditions"]:
            way, *wanted = CONDITIONS[key]
            ways[way] = tuple(map(max, ways.get(way, (0, 0)), wanted))  # type: ignore[assignment]
        return selection_counts.tables(design, bench, design["classes"], ways, sampled)

    def picture_figures(
        self, design: Mapping[str, Any], preparation: Mapping[str, Any], shown: Sequence[ShownStimulus]
    ) -> list[Gallery]:
        """Figures 7 and 9: prototypes and criticisms of a class by each method."""
        return picture_grids.by_method(shown, most_frequent_label(shown), TITLES)

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

    has_correct_answer = True

    def rehearsal_measures(self, measures: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        return {f"right, {key}": one for key, one in measures["conditions"].items()}

    def preregister(self, design: Mapping[str, Any], preparation: Mapping[str, Any]) -> Preregistration:
        window = f"{design['min_seconds']} s to {design['max_seconds']} s, both included, by the server's clock"
        return Preregistration(
            estimand="the share of counted answers that choose the target's class, in each condition; chance is 1/6; "
            f"for {ABOUT[_classes(design)]}",
            computations=[_computed(design)],
            exclusions=(f"an answer outside of {window} does not count ({TOO_FAST}, {TOO_SLOW})", LATE),
            margin=margins.of_design(design),
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
        from studies.analysis.effect_sizes import sized_contrasts
        from studies.analysis.two_way_clustering import Contrast

        measures: dict[str, Any] = {"chance": CHANCE, "conditions": {}, "contrasts": []}
        if "selection_sets" in design:
            measures["selection_sets"] = design["selection_sets"]
        if answers.empty:
            return Summary("No answer counts yet.", measures)
        said = assignment_results.marked_right(stimuli, answers)
        item = ITEMS[_classes(design)]
        found = condition_comparison.shares(said, "right", item, design["conditions"])
        measures["conditions"] = found
        if contrasts := [Contrast(c["name"], c["weights"], c["null"]) for c in _contrasts(found)]:
            columns = (said[name] for name in ("right", "condition", "participant", item))
            measures["contrasts"] = sized_contrasts(*columns, contrasts, margin=margins.of_design(design))
        pairs = [c for c in measures["contrasts"] if c["name"] in SIMPSON]
        within = {c["name"]: condition_comparison.strata(said, "right", "label", _pair(c)) for c in pairs}
        measures["strata"] = within
        note = f"Right answers; chance is {percent(CHANCE)}. {SETS[_sets(design)]}"
        tables = [
            condition_comparison.shares_table("Right class chosen", NOUNS[item], WORDS, found, note),
            condition_comparison.contrasts_table(NOUNS[item], measures["contrasts"]),
            *margins.table({c["name"]: c for c in measures["contrasts"]}),
            *(
                t
                for name, one in within.items()
                for t in condition_comparison.strata_tables(one, "class", name, ("without", "with"))
            ),
        ]
        figures = [
            condition_comparison.figure("Right class chosen, by condition", "right in %", WORDS, found, CHANCE),
            *condition_comparison.forest(
                {c["name"]: c for c in measures["contrasts"]},
                "odds ratio",
                ratios=True,
                margin=margins.of_design(design),
            ),
            condition_comparison.people_figure(said, "right"),
        ]
        warnings = [
            w for name, one in within.items() for w in condition_comparison.strata_warnings(one, "classes", name)
        ]
        return Summary(
            assignment_results.headline(found, measures["contrasts"], ABOUT[_classes(design)]),
            measures,
            tables,
            figures,
            warnings,
        )

    def before_exclusions(
        self,
        design: Mapping[str, Any],
        stimuli: "pd.DataFrame",
        answers: "pd.DataFrame",
        excluded: "pd.DataFrame",
    ) -> tuple[dict[str, Any], list[Table]]:
        return assignment_results.window(design, stimuli, answers, excluded)


def _classes(design: Mapping[str, Any]) -> str:
    """Whether the result is about these classes, or they are a sample."""
    return design.get("classes_are") or THESE


def _sets(design: Mapping[str, Any]) -> str:
    """Whether rounds share the images of a class; studies from before there was the setting did, for MMD-critic."""
    return design.get("selection_sets") or "before"


def _computed(design: Mapping[str, Any]) -> dict[str, Any]:
    """How the export's program follows."""
    names = {one["name"] for one in _contrasts(design["conditions"])}
    return computed(
        "shares",
        ITEMS[_classes(design)],
        under="conditions",
        conditions=design["conditions"],
        right={"letters": LETTERS, "of": "label", "among": "classes"},
        constants={"chance": CHANCE},
        settings={"selection_sets": "selection_sets"} if "selection_sets" in design else {},
        nothing={"conditions": {}, "contrasts": []},
        strata={
            name: {"by": "label", "pair": [f"{way}-prototypes", f"{way}-prototypes-criticisms"]}
            for name, way in SIMPSON.items()
            if name in names
        },
        window={"too_fast": TOO_FAST, "too_slow": TOO_SLOW},
        quantities={f"right, {key}": ["conditions", key] for key in design["conditions"]},
    )


def _checks(design: Mapping[str, Any], bench: Any, images: Any, targets: Sequence[Any]) -> Iterator[StimulusSpec]:
    """Rounds whose every image the classifier gets right with confidence: who looks, finds the class."""
    if not (wanted := gold_trials.roles(design, len(targets) * len(design["conditions"]))):
        return
    classifier, random = design["classifier"], np.random.default_rng([design["seed"], gold_trials.STREAM])
    names, words = bench.class_names(classifier), words_for(design, bench)
    sure = gold_trials.clear(bench.predictions(classifier, images))
    held_out = {target.sha256 for target in targets}
    named = gold_trials.usable(design, sure, without=held_out) if design.get("check_images") else []
    chosen, clear = ([one.image for one in some] for some in (named, sure))
    made, rounds = clear_rounds(clear, targets, wanted, IMAGES, random, chosen=chosen)
    bench.add_to_report(checks=made)
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

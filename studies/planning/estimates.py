"""What a design comes to, before anything is prepared or anybody is paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count

from studies import protocols
from studies.lib import limited_process
from studies.lib.canonical_json import digest
from studies.models import Classifier, ClassifierEvaluation, Misclassification, Study
from studies.preparation.class_outputs import class_outputs
from studies.protocols import ImageCounts, Protocol, SampleSize, Union, classifiers_of

#: Simulated answers that somebody who types may wait for, some tenths of a second; of larger studies `plan` tells.
ENOUGH, MOST = 200_000, 500_000
MOST_REPLICATES = 20
KEPT_SECONDS = 24 * 3600
#: The range of rates that are shares.
SHARES = (0.0, 1.0)
#: As the planning page begins with: log-odds of yes for the average stimulus, and standard deviations.
ASSUMED = {"mean": 0.0, "stimulus_sd": 2.0, "participant_sd": 1.0, "activity_sd": 0.5}


@dataclass(frozen=True)
class Consequences:
    """What a design needs.  extra: practice, training and gold trials, which are paid and not counted."""

    expected: SampleSize
    answers: int
    people: int
    extra: int
    hours: float
    cost: float
    #: Of the 95% interval, as a share; None where it is not worked out, and why.
    width: float | None
    width_of: str
    no_width: str = ""

    @property
    def saved(self) -> int:
        """How many questions are asked once instead of several times, as classifiers share them."""
        separate = self.expected.separate
        return 0 if separate is None or self.expected.at_most else separate - self.expected.stimuli


def known(*classifiers: str, seen: Any) -> ImageCounts | None:
    """What there is to know of the first of these classifiers among those `seen`, and of the errors of all of them.

    Five queries, and for several one more for each, whatever the size of their image set.
    """
    rows = {row.name: row for row in seen.filter(name__in=classifiers).select_related("image_set")}
    if classifiers[0] not in rows:
        return None
    found = _of_one(rows[classifiers[0]])
    if len(classifiers) == 1 or len(rows) < len(classifiers):
        return found
    return replace(found, union=_union([rows[name] for name in classifiers]))


def _union(rows: Sequence[Classifier]) -> Union | None:
    """What several classifiers get wrong together, by their checks; None where one of them was not checked."""
    names = dict(rows[0].image_set.classes.values_list("index", "name"))
    images, separate, together = (dict.fromkeys(names.values(), 0) for _ in range(3))
    asked: set[tuple[Any, ...]] = set()
    missed: dict[int, str] = {}
    for row in rows:
        if _checked(row) is None:
            return None
        outputs = class_outputs(row)
        found = Misclassification.objects.filter(evaluation__classifier=row)
        for image, label, predicted in found.values_list("image", "label", "predicted").iterator(chunk_size=2000):
            name = outputs.names[label]
            # Cropped otherwise, it is another picture and another question.
            question = (image, outputs.names[predicted], row.preprocessing["resize"], row.preprocessing["crop"])
            separate[name] += 1
            together[name] += question not in asked
            asked.add(question)
            missed[image] = name
    for name in missed.values():
        images[name] += 1
    return Union(images, separate, together)


def _of_one(row: Classifier) -> ImageCounts:
    names = dict(row.image_set.classes.values_list("index", "name"))
    counted = dict(row.image_set.images.order_by().values_list("label").annotate(n=Count("pk")))
    images = {name: counted.get(index, 0) for index, name in names.items()}
    result = _checked(row)
    if result is None:
        return ImageCounts(images)
    wrong = dict.fromkeys(images, 0)
    labels = {output: names[index] for index, output in enumerate(class_outputs(row).of_classes)}
    for label, predicted, n in result["pairs"]:
        if label != predicted and label in labels:
            wrong[labels[label]] += n
    return ImageCounts(images, wrong, result["images"] - result["among_five"])


@dataclass(frozen=True)
class SharedQuestions:
    """How many questions several classifiers raise together, and how many studies of one each would ask."""

    asked: int
    separate: int

    @property
    def saved(self) -> int:
        return self.separate - self.asked

    @property
    def saved_share(self) -> float:
        return self.saved / self.separate if self.separate else 0.0


def shared_questions(study: Study) -> SharedQuestions | None:
    """Of a study of several classifiers: as it is prepared, or by their checks; None where neither tells."""
    if "separate_questions" in study.preparation and study.state != Study.State.DRAFT:
        return SharedQuestions(study.preparation["questions"], study.preparation["separate_questions"])
    counts = known(*classifiers_of(study.design), seen=Classifier.objects.all())
    size = protocols.get(study.protocol).sample_size(study.design, counts) if counts else None
    return None if size is None or size.separate is None else SharedQuestions(size.stimuli, size.separate)


def _checked(classifier: Classifier) -> dict[str, Any] | None:
    return (
        ClassifierEvaluation.objects.filter(classifier=classifier, state=ClassifierEvaluation.State.DONE)
        .values_list("result", flat=True)
        .first()
    )


def people_needed(kind: Protocol, design: Mapping[str, Any], stimuli: int, *, apart: int = 1, wanted: int = 0) -> int:
    """At least so many people: nobody answers a stimulus twice, so a panel is a lower bound whatever one is shown.

    wanted: answers, where they are not all panels' worth.
    """
    if not stimuli:
        return 0
    panel, arms = design["answers_per_stimulus"], kind.arms(design)
    met = stimuli // len(arms.conditions) if arms else stimuli // apart
    each = max(1, min(design["trials_per_participant"], met)) * (arms.visits if arms else 1)
    return max(panel * apart, -(-(wanted or stimuli * panel) // each))


def of_design(
    kind: Protocol, design: Mapping[str, Any], expected: SampleSize, *, pay: float, seconds: float, owner: str
) -> Consequences:
    """Answers, people, hours and cost by arithmetic; the interval by simulating the study under ASSUMED.

    pay and seconds are of one answer, practice and gold among them; owner is who asks, whose newest request wins.
    """
    arms = kind.arms(design)
    answers = expected.stimuli * design["answers_per_stimulus"]
    people = people_needed(kind, design, expected.stimuli, apart=expected.apart)
    training = sum(phase.trials for phase in kind.phases(design) if phase.training)
    extra = people * (design["practice"] + training + design["gold"] * (arms.visits if arms else 1))
    if kind.phases(design) or kind.rate_range != SHARES:
        width, why = None, "only shares of answers are simulated while you type"
    else:
        width, why = _width(design, expected, people, arms is not None and arms.visits == 1, owner)
    return Consequences(
        expected=expected,
        answers=answers,
        people=people,
        extra=extra,
        hours=(answers + extra) * seconds / 3600,
        cost=(answers + extra) * pay,
        width=width,
        width_of=_of(design, expected),
        no_width=why,
    )


def _of(design: Mapping[str, Any], expected: SampleSize) -> str:
    what = "accepted share" if "threshold" in design else "share of answers"
    return f"difference of two conditions in the {what}" if expected.conditions > 1 else what


def _width(
    design: Mapping[str, Any], expected: SampleSize, people: int, separate_groups: bool, owner: str
) -> tuple[float | None, str]:
    conditions = min(expected.conditions, 2)
    stimuli, panel = expected.stimuli // expected.conditions, design["answers_per_stimulus"]
    answers = stimuli * panel * conditions
    if not stimuli:
        return None, "there is nothing to show"
    if answers > MOST:
        return None, "too many answers to simulate while you type"
    replicates = max(1, min(MOST_REPLICATES, ENOUGH // answers))
    asked = {
        "stimuli": stimuli,
        "participants": people,
        "panel": panel,
        "threshold": design.get("threshold"),
        "conditions": conditions,
        "separate_groups": separate_groups and conditions > 1,
        "replicates": replicates,
    }
    key = f"width:{digest([asked, ASSUMED])}"
    found: tuple[float | None, str] | None = cache.get(key)
    if found is None:
        try:
            found = in_process("width_of_design", asked, ASSUMED, owner=owner)
        except limited_process.Unfinished as reason:
            return None, str(reason)
        cache.set(key, found, KEPT_SECONDS)
    return found


def in_process(function: str, *args: Any, owner: str) -> Any:
    """The value of a function of `studies.analysis.plan_on_request`, computed where it can be ended."""
    folder = settings.DATA_DIR / "estimates"
    name = f"studies.analysis.plan_on_request:{function}"
    return limited_process.run(name, *args, owner=owner, folder=folder, seconds=settings.ESTIMATE_SECONDS)

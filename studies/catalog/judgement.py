"""What is doubtful about a classifier as it was imported: one sentence for each, with its figures.

A study asks before it opens. What is counted is in `ClassifierEvaluation.result`, so judging it again costs nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies.models import Classifier, ClassifierEvaluation, Study
from studies.protocols import classifiers_of
from studies.protocols.base.results import percent

if TYPE_CHECKING:
    from studies.analysis.confusion import Assignment

#: So much more often right, or less often than expected, is worth a sentence: shares of images.
GAIN = 0.03
#: A known accuracy of ImageNet's 1,000 classes says little about some of them.
SUBSET = 0.15
#: So large a share of predictions of one class is nearly all.
NEARLY_ALL = 0.8
MOST_PAIRS = 4


def judged(
    classifier: Classifier,
    result: Mapping[str, Any],
    *,
    titles: Sequence[str],
    of_classes: Sequence[int],
    assignment: "Assignment | None",
    trials: Iterable[Mapping[str, Any]],
) -> list[dict[str, str]]:
    """The doubts, each with its check and its line.

    result: images, right, accuracy, low, high, pairs, inside (right, were only outputs with a class counted) and
    failures, as evaluation counts them.  titles: of the outputs.  of_classes: the output of each class.
    """
    if not result["images"]:
        return [_doubt("failed", f"{classifier.name} answered for none of its photographs{_failures(result)}.")]
    found = [
        *_expected(classifier, result, len(of_classes)),
        *_guessing(classifier, result, len(of_classes)),
        *_order(classifier, assignment, titles, of_classes),
        *_preprocessing(classifier, trials),
        *_one_class(classifier, result, titles),
        *_without_class(classifier, result, of_classes),
    ]
    if result["failed"]:
        what = "1 photograph" if result["failed"] == 1 else f"{result['failed']:,} photographs"
        found.append(_doubt("failed", f"{what} could not be judged{_failures(result)}."))
    return found


def doubts(study: Study) -> list[str]:
    """The sentences about the classifiers of a study, as they stand; empty where there is nothing to ask."""
    named = {*classifiers_of(study.design), *study.preparation.get("classifiers", {})}
    rows = Classifier.objects.filter(name__in=named).select_related("evaluation").order_by("name")
    return [line for row in rows for line in of_classifier(row)]


def of_classifier(classifier: Classifier) -> Iterator[str]:
    """The sentences about one classifier: of its evaluation, and of what was seen at import."""
    evaluation = getattr(classifier, "evaluation", None)
    if evaluation is None or evaluation.state != ClassifierEvaluation.State.DONE:
        how = "is not evaluated to the end yet" if evaluation else "was never evaluated on its photographs"
        yield f"{classifier.name} {how}: manage.py check_classifier {classifier.name}"
    else:
        yield from (one["line"] for one in evaluation.result.get("doubts", ()))
    for one in classifier.checks:
        if one["consequence"] == "doubt" and not one["ok"]:
            yield f"{classifier.name}: {one['line']}."


def _expected(classifier: Classifier, result: Mapping[str, Any], n_classes: int) -> Iterator[dict[str, str]]:
    expected = classifier.expected_accuracy
    if expected is None:
        return
    subset = "torchvision" in classifier.source and n_classes < classifier.n_outputs
    if result["accuracy"] < expected - (SUBSET if subset else GAIN):
        whole = f" on all {classifier.n_outputs:,} classes" if subset else ""
        yield _doubt("expected", f"{_is_right(classifier, result)}; {percent(expected)} were expected{whole}.")


def _guessing(classifier: Classifier, result: Mapping[str, Any], n_classes: int) -> Iterator[dict[str, str]]:
    if n_classes > 1 and result["low"] <= 1 / n_classes:
        share = percent(1 / n_classes)
        yield _doubt("guessing", f"{_is_right(classifier, result)}: guessing would be right on {share}.")


def _order(
    classifier: Classifier, assignment: "Assignment | None", titles: Sequence[str], of_classes: Sequence[int]
) -> Iterator[dict[str, str]]:
    if assignment is None or not _gains(assignment.fitted, assignment.accuracy):
        return
    moved = [
        f"output {output} seems to be {titles[label]}"
        for label, output in zip(of_classes, assignment.best, strict=True)
        if label != output
    ]
    more = f", and {len(moved) - MOST_PAIRS:,} more" if len(moved) > MOST_PAIRS else ""
    yield _doubt(
        "order",
        f"With its outputs in another order {classifier.name} would be right on {percent(assignment.fitted)} of the "
        f"photographs instead of {percent(assignment.accuracy)}: {', '.join(moved[:MOST_PAIRS])}{more}.",
    )


def _preprocessing(classifier: Classifier, trials: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    better = [one for one in trials if _gains(one["right"] / one["images"], one["now"] / one["images"])]
    for one in sorted(better, key=lambda one: -(one["right"] - one["now"]) / one["images"]):
        right, now = percent(one["right"] / one["images"]), percent(one["now"] / one["images"])
        yield _doubt(
            f"preprocessing-{one['key']}",
            f"Given {one['title']}, {classifier.name} would be right on {right} of {one['images']:,} photographs "
            f"instead of {now}.",
        )


def _one_class(classifier: Classifier, result: Mapping[str, Any], titles: Sequence[str]) -> Iterator[dict[str, str]]:
    predicted: dict[int, int] = {}
    true: dict[int, int] = {}
    for label, output, n in result["pairs"]:
        predicted[output] = predicted.get(output, 0) + n
        true[label] = true.get(label, 0) + n
    commonest = max(predicted, key=lambda output: predicted[output])
    share, own = predicted[commonest] / result["images"], true.get(commonest, 0) / result["images"]
    if share >= NEARLY_ALL and own < share / 2:
        yield _doubt(
            "one-class",
            f"{percent(share)} of what {classifier.name} says is one class, {titles[commonest]}, of which "
            f"{percent(own)} of the photographs are.",
        )


def _without_class(
    classifier: Classifier, result: Mapping[str, Any], of_classes: Sequence[int]
) -> Iterator[dict[str, str]]:
    with_class = set(of_classes)
    outside = sum(n for _, output, n in result["pairs"] if output not in with_class) / result["images"]
    inside = result["inside"] / result["images"]
    if _gains(inside, result["accuracy"]):
        yield _doubt(
            "without-class",
            f"{percent(outside)} of what {classifier.name} says are outputs without a class; were only those with one "
            f"counted, it would be right on {percent(inside)} instead of {percent(result['accuracy'])}.",
        )


def _is_right(classifier: Classifier, result: Mapping[str, Any]) -> str:
    low, high = percent(result["low"]), percent(result["high"])
    share, images = percent(result["accuracy"]), f"{result['images']:,} photographs"
    return f"{classifier.name} is right on {share} of {images} (95% interval: {low} to {high})"


def _failures(result: Mapping[str, Any]) -> str:
    told = result.get("failures", ())
    return f": {'; '.join(told)}" if told else ""


def _gains(share: float, now: float) -> bool:
    # Shares of whole images are no whole numbers.
    return share - now >= GAIN - 1e-9


def _doubt(check: str, line: str) -> dict[str, str]:
    return {"check": check, "line": line}

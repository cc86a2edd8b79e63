"""Which sentence fires when: each doubt at its threshold, and none a step before it."""

import pytest

from studies.analysis.confusion import Assignment
from studies.catalog import judgement
from studies.models import Classifier

TITLES = ["plane", "car", "bird", "cat"]


def classifier(**fields) -> Classifier:
    return Classifier(name="net", **{"source": {"module": "x"}, "n_outputs": 4, "expected_accuracy": None, **fields})


def result(right: int = 80, images: int = 100, **changes) -> dict:
    share = right / images
    wrong = [[0, 1, images - right]] if images - right else []
    counts = {"images": images, "right": right, "inside": right, "failed": 0, "accuracy": share}
    return {**counts, "low": share - 0.05, "high": share + 0.05, "pairs": [[1, 1, right], *wrong], **changes}


def checks(row: Classifier, counts: dict, assignment=None, trials=(), of_classes=range(4)) -> set[str]:
    found = judgement.judged(
        row, counts, titles=TITLES, of_classes=list(of_classes), assignment=assignment, trials=list(trials)
    )
    assert all(one["line"].endswith(".") and "\n" not in one["line"] for one in found)
    return {one["check"] for one in found}


FLAT = {"pairs": [[i, i, 20] for i in range(4)] + [[i, (i + 1) % 4, 5] for i in range(4)]}


def trial(right: int, now: int, images: int = 200) -> dict:
    return {"key": "levels", "title": "pixels from 0 to 255", "images": images, "right": right, "now": now}


def assigned(fitted: float) -> Assignment:
    return Assignment(best=(1, 0, 2, 3), accuracy=0.5, fitted=fitted)


@pytest.mark.parametrize(
    ("row", "counts", "more", "fires"),
    [
        ({}, {}, {}, set()),
        ({"expected_accuracy": 0.83}, {}, {}, set()),
        ({"expected_accuracy": 0.84}, {}, {}, {"expected"}),
        ({}, {"right": 30}, {}, {"guessing"}),
        ({}, {"right": 31}, {}, set()),
        ({}, {}, {"assignment": assigned(0.52)}, set()),
        ({}, {}, {"assignment": assigned(0.53)}, {"order"}),
        ({}, {}, {"trials": [trial(105, 100)]}, set()),
        ({}, {}, {"trials": [trial(106, 100)]}, {"preprocessing-levels"}),
        ({}, {"inside": 82}, {}, set()),
        ({}, {"inside": 83}, {}, {"without-class"}),
        ({}, {"failed": 2, "failures": ["a.png: damaged"]}, {}, {"failed"}),
    ],
)
def test_a_doubt_fires_at_its_threshold_and_not_before(row, counts, more, fires):
    given = {"right": 80} | counts
    base = result(given.pop("right"))
    assert checks(classifier(**row), base | FLAT | given, **more) == fires


def test_nearly_all_predictions_in_one_class_that_is_not_so_common():
    one = {"pairs": [[0, 2, 25], [1, 2, 25], [2, 2, 25], [3, 2, 5], [3, 3, 20]]}
    assert "one-class" in checks(classifier(), result(45) | one)
    fewer = {"pairs": [[0, 2, 25], [1, 2, 25], [2, 2, 25], [3, 2, 4], [3, 3, 21]]}
    assert "one-class" not in checks(classifier(), result(46) | fewer)
    # A set of one class is all of it.
    assert "one-class" not in checks(classifier(), result(100) | {"pairs": [[2, 2, 100]]})


def test_what_is_known_of_a_thousand_classes_says_less_about_some_of_them():
    source = {"source": {"torchvision": "resnet18", "weights": "V1"}, "n_outputs": 1000, "expected_accuracy": 0.9}
    assert checks(classifier(**source), result(80) | FLAT) == set()
    (line,) = judgement.judged(
        classifier(**source), result(74) | FLAT, titles=TITLES, of_classes=range(4), assignment=None, trials=[]
    )
    assert line["line"].endswith("90.00% were expected on all 1,000 classes.")


def test_the_order_names_the_outputs_that_seem_to_be_others():
    (found,) = judgement.judged(
        classifier(), result() | FLAT, titles=TITLES, of_classes=range(4), assignment=assigned(0.9), trials=[]
    )
    assert found["line"] == (
        "With its outputs in another order net would be right on 90.00% of the photographs instead of 50.00%: output 1 "
        "seems to be plane, output 0 seems to be car."
    )


def test_a_network_that_answers_for_nothing_is_in_doubt():
    nothing = {"images": 0, "failed": 3, "failures": ["a.png: damaged"], "right": 0}
    assert checks(classifier(), nothing) == {"failed"}

"""Headlines say what was measured: no comparison of two bases, no largest of seven, counts where there are few."""

import pytest

from studies import lifecycle
from studies.protocols.base.results import percent, share_or_counts
from studies.protocols.shared.assignment_results import headline
from studies.results import figures
from studies.results.result import result
from tests.bench import made_up_study
from tests.factories import answered_study, simulated_rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def figures_are_drawn_elsewhere(monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")


def told(key: str, design: dict, n_images: int = 160) -> str:
    study = made_up_study(key, design, n_images=n_images)
    lifecycle.open_study(study)
    simulated_rows(study)
    return result(study).summary.headline


@pytest.mark.parametrize("asking", ["one_question", "each_label"])
def test_top5_of_top1_errors_names_both_bases_and_turns_neither_into_the_other(asking):
    said = told("rectified_labeling", {"top_k": 5, "asking": asking})
    assert "of all images are top-1 errors, and" in said
    assert "of whose five guesses none is accepted" in said
    assert "By the labels the top-5 error is" in said
    assert "becomes" not in said


def test_top5_of_top5_errors_compares_one_basis_with_itself():
    said = told("rectified_labeling", {"top_k": 5, "selection": "top5_errors", "threshold": 3})
    assert "the top-5 error of" in said
    assert "becomes" in said


def test_a_result_of_some_classes_says_so():
    study = made_up_study("rectified_labeling", {}, n_images=160)
    names = sorted(set(study.stimuli.main().values_list("truth__true_label", flat=True)))[:3]
    said = told("rectified_labeling", {"classes": names})
    assert "for this image set and these classes" in said
    assert "these classes" not in told("rectified_labeling", {})


def share(estimate, n=120):
    return {"estimate": estimate, "numerator": round(estimate * n), "denominator": n}


def contrast(name, points, p):
    return {"name": name, "difference": {"estimate": points}, "p_holm": p, "reason": "too few"}


SHARES = {"mmd-prototypes": share(0.75), "random": share(0.25)}


def test_class_assignment_leads_with_the_registered_contrasts_that_differ():
    said = headline(SHARES, [contrast("MMD against random", 0.5, 0.001), contrast("Random against chance", 0.05, 0.4)])
    assert said.startswith("Of 2 registered contrasts 1 differs at 5% by Holm’s p: MMD against random +50.00 points")
    assert "Random against chance" not in said
    assert "most often" not in said


def test_class_assignment_says_where_no_contrast_differs_and_where_none_can_be_tested():
    none = headline(SHARES, [contrast("MMD against random", 0.5, 0.2), contrast("Random against chance", 0.05, 0.4)])
    assert none.startswith("Of 2 registered contrasts none differs at 5% by Holm’s p. For these classes, ")
    untested = headline(SHARES, [contrast("MMD against random", 0.5, None)])
    assert untested.startswith("None of the registered contrasts can be tested: too few. ")
    assert headline(SHARES, []).startswith("For these classes, the right class is chosen in 75.00% of answers with")


def test_the_registered_contrasts_of_a_real_study_lead():
    said = told("class_assignment", {"rounds": 30})
    assert "registered contrasts" in said
    assert said.index("registered contrasts") < said.index("the right class is chosen")


def test_classes_that_are_a_sample_are_what_answers_are_clustered_by():
    shares = {}
    for classes_are in ("these", "sample"):
        study = made_up_study("class_assignment", {"rounds": 30, "classes_are": classes_are}, n_images=160)
        lifecycle.open_study(study)
        simulated_rows(study)
        found = result(study).summary
        shares[classes_are] = found.measures["conditions"]["random"]
        assert ("of which these are a sample" in found.headline) == (classes_are == "sample")
        assert ("of which these are a sample" in study.frozen["analysis"]["estimand"]) == (classes_are == "sample")
    assert shares["these"]["items"] == 30
    assert shares["sample"]["items"] < 30
    assert shares["these"]["estimate"] == shares["sample"]["estimate"]
    assert shares["sample"]["effective_items"] <= shares["sample"]["items"]


@pytest.mark.parametrize(
    ("n", "said"), [(19, "7 of the 19 errors"), (20, "35.00% (7 of 20) of the errors"), (100, "7.00% of the errors")]
)
def test_a_share_of_few_is_told_as_what_was_counted(n, said):
    assert share_or_counts({"estimate": 7 / n, "numerator": 7, "denominator": n}, "the errors") == said


def test_a_share_of_answers_has_no_article():
    assert share_or_counts({"estimate": 0.5, "numerator": 6, "denominator": 12}, "answers") == "6 of 12 answers"


def test_the_headline_of_a_small_study_counts_its_images():
    assert "people accept 4 of the 12 errors" in result(answered_study()).summary.headline
    assert " of 40) of the errors" in result(answered_study(40, 5, 20)).summary.headline


@pytest.mark.parametrize(
    ("share", "of", "said"),
    [
        (0.6, 5, "60.00% (3 of 5)"),
        (1 / 3, 99, "33.33% (33 of 99)"),
        (0.6, 100, "60.00%"),
        (0.61, 5, "61.00%"),  # no count of five: a weighted share, which must not be told as one
        (None, 5, "–"),
    ],
)
def test_a_share_of_few_stands_beside_what_was_counted(share, of, said):
    assert percent(share, of) == said

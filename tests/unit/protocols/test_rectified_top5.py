"""Rectified labelling with five guesses: both selections and both ways of asking, named in design and result."""

import pandas as pd
import pytest

from studies.lib.errors import StudyError
from studies.protocols import get
from studies.results import frames
from tests.bench import made_up_study

pytestmark = pytest.mark.django_db
KEY = "rectified_labeling"


def study_of(**design):
    return made_up_study(KEY, {"top_k": 5, "answers_per_stimulus": 2, "threshold": 2, **design})


def summary(study, yes):
    """The result where a stimulus gets two yes when `yes` says so of its truth, and two no otherwise."""
    stimuli = frames.stimulus_frame(study)
    rows = [
        (person, row.number, "yes" if yes(row.truth) else "no", row.condition.key, 900)
        for row in study.stimuli.select_related("condition").order_by("number")
        for person in range(2)
    ]
    answers = pd.DataFrame(rows, columns=["participant", "stimulus", "answer", "condition", "response_ms"])
    return get(KEY).summary(study.design, study.preparation, stimuli, answers)


def test_the_selections_show_the_top_1_or_the_top_5_errors():
    wide, narrow = study_of(), study_of(selection="top5_errors")
    assert wide.stimuli.count() == wide.preparation["top1_errors"]
    assert narrow.stimuli.count() == narrow.preparation["top5_errors"] < wide.stimuli.count()
    for stimulus in narrow.stimuli.all():
        assert stimulus.truth["true_label"] not in stimulus.truth["label"].split("; ")
        assert len(stimulus.shown["asks"]) == 5


def test_one_question_for_each_label_makes_five_stimuli_an_image():
    one, each = study_of(), study_of(asking="each_label")
    assert each.stimuli.count() == 5 * one.stimuli.count()
    assert all("asks" not in stimulus.shown for stimulus in each.stimuli.all())


@pytest.mark.parametrize("selection", ["top1_errors", "top5_errors"])
@pytest.mark.parametrize("asking", ["one_question", "each_label"])
def test_the_result_names_its_selection_and_its_way_of_asking(selection, asking):
    study = study_of(selection=selection, asking=asking)
    labels = sorted({stimulus.truth["image"] for stimulus in study.stimuli.all()})
    accepted = set(labels[: len(labels) // 2])
    found = summary(study, lambda truth: truth["image"] in accepted)
    error = study.preparation["errors"] / study.preparation["images"]
    assert found.measures["rectified_error"]["estimate"] == pytest.approx(error * (1 - len(accepted) / len(labels)))
    assert (found.measures["selection"], found.measures["asking"]) == (selection, asking)
    assert ("all five guesses" if selection == "top5_errors" else "the best guess;") in found.headline
    assert ("one by one" if asking == "each_label" else "in one question") in found.headline


def test_one_accepted_label_of_five_accepts_the_image():
    study = study_of(asking="each_label")
    first = {}
    for stimulus in study.stimuli.order_by("number"):
        first.setdefault(stimulus.truth["image"], stimulus.truth["label"])
    found = summary(study, lambda truth: first[truth["image"]] == truth["label"])
    assert found.measures["accepted_share"]["estimate"] == 1
    assert found.measures["accepted_share"]["low"] is None
    assert found.measures["accepted_share"]["reason"]


@pytest.mark.parametrize(
    ("design", "said"),
    [
        ({"top_k": 3}, "top_k: Must be 1 or 5."),
        ({"top_k": 1, "selection": "top5_errors"}, "selection: With top_k 1 this can only be top1_errors."),
        ({"top_k": 1, "asking": "each_label"}, "asking: With top_k 1 this can only be one_question."),
        ({"asking": "loudly"}, "asking: Must be one of one_question, each_label, not"),
    ],
)
def test_a_design_that_makes_no_sense_is_refused(design, said):
    with pytest.raises(StudyError, match=said):
        study_of(**design)


def test_with_one_guess_the_stimuli_are_what_they_were():
    study = made_up_study(KEY)
    assert set(study.stimuli.first().shown) == {"picture", "ask"}
    assert set(study.stimuli.first().truth) == {"image", "label", "true_label", "probability", "true_probability"}

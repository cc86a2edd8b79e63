"""Several classifiers in one rectified study: each question asked once, each classifier's result its own."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command
from django.urls import reverse

from studies import lifecycle
from studies.export import export, recompute
from studies.lib.errors import StudyError
from studies.models import Classifier, ClassifierEvaluation, Misclassification
from studies.planning import estimates
from studies.protocols import get
from studies.results import analysis_json, figures, frames, result
from tests.bench import MadeUpBench, made_up_study
from tests.factories import make_classifier, make_image_set, simulated_rows
from tests.logged_in_users import researcher

pytestmark = pytest.mark.django_db
KEY = "rectified_labeling"
DESIGNS = [
    {},
    {"top_k": 5},
    {"top_k": 5, "selection": "top5_errors"},
    {"top_k": 5, "asking": "each_label"},
    {"sample": 20},
]
PANEL = {"answers_per_stimulus": 3, "threshold": 2}


def study_of(**design):
    return made_up_study(KEY, {**PANEL, **design}, n_images=120, several=True)


def guesses_of(study, name) -> dict[str, tuple[str, ...]]:
    """The five guesses of each image that the classifier gets wrong by the design's selection, by its path."""
    bench, five = MadeUpBench(), study.design["selection"] == "top5_errors"
    names = bench.class_names(name)
    found = {}
    for prediction in bench.predictions(name, bench.images(name)):
        labels = [guess.label for guess in prediction.top]
        if labels[0] != prediction.image.label and not (five and prediction.image.label in labels):
            found[prediction.image.path] = tuple(names[label] for label in labels)
    return found


def asked_of(study, name) -> set[tuple[str, ...]]:
    """The questions of a study of this classifier alone: an image and what is asked of it, in no order."""
    top, each = study.design["top_k"], study.design["asking"] == "each_label"
    questions = set()
    for path, labels in guesses_of(study, name).items():
        for asked in [[label] for label in labels[:top]] if each else [labels[:top]]:
            questions.add((path, *sorted(asked)))
    return questions


@pytest.mark.parametrize("design", DESIGNS)
def test_the_union_of_the_questions_is_asked_once(design):
    study = study_of(**design)
    names = study.design["classifiers"]
    asked = [
        (truth["image"], *sorted(truth["label"].split("; ")))
        for truth in study.stimuli.main().values_list("truth", flat=True)
    ]
    alone = {name: asked_of(study, name) for name in names}
    union = set().union(*alone.values())
    if "sample" in design:
        drawn = {question[0] for question in asked}
        assert len(drawn) == design["sample"]
        alone = {name: {one for one in own if one[0] in drawn} for name, own in alone.items()}
        union = set().union(*alone.values())
    assert len(asked) == len(set(asked))
    assert set(asked) == union
    saved = sum(map(len, alone.values())) - len(union)
    assert study.preparation["separate_questions"] - study.preparation["questions"] == saved
    assert saved > 0 or design.get("top_k") == 5
    missed = {name: set(guesses_of(study, name)) for name in names}
    for truth in study.stimuli.main().values_list("truth", flat=True):
        for name in names:
            mine = (truth["image"], *sorted(truth["label"].split("; "))) in alone[name]
            assert (truth["classifiers"][name] == "wrong") == mine
            assert (truth["classifiers"][name] == "right") == (truth["image"] not in missed[name])


@pytest.mark.parametrize("design", DESIGNS)
def test_planted_answers_come_back_exactly_and_from_answers_csv_alone(design, tmp_path):
    study = study_of(**design)
    names = study.design["classifiers"]
    lifecycle.open_study(study)
    simulated_rows(study, people=40)
    _, content = analysis_json.analyse(study, None)
    export.write(study, tmp_path / "export")
    with (tmp_path / "export" / "answers.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["counted"] == "1"]
    for name in names:
        yes: dict[tuple[str, str], int] = {}
        for row in rows:
            if row[f"classifier_{name}"] == "wrong":
                question = row["image"], row["label"]
                yes[question] = yes.get(question, 0) + (row["answer"] == "yes")
        images = {image for image, _ in yes}
        accepted = {image for (image, _), n in yes.items() if n >= PANEL["threshold"]}
        error = len(guesses_of(study, name)) / 120
        own = content["classifiers"][name]
        assert own["accepted_share"]["estimate"] == pytest.approx(len(accepted) / len(images), abs=1e-15)
        assert own["rectified_error"]["estimate"] == pytest.approx(error * (1 - len(accepted) / len(images)), abs=1e-15)
        assert own["rectified_error"]["curve"][-1] == pytest.approx(error)
    (difference,) = content["differences"]
    estimates = [content["classifiers"][name]["rectified_error"]["estimate"] for name in names]
    assert difference["estimate"] == estimates[1] - estimates[0]
    assert set(difference["estimands"]) == {"this image set", "new images"}
    assert {"estimand", "meaning", "method", "p_holm", "low", "high", "reason"} <= set(difference)
    assert recompute.main(tmp_path / "export") == 0
    names_of_tables = {path.stem for path in (tmp_path / "export" / "tables").glob("*.csv")}
    assert any("errors-of-the-classifiers" in name for name in names_of_tables)
    with (tmp_path / "export" / "stimuli.csv").open(newline="") as file:
        shown = list(csv.DictReader(file))
    assert all(row[f"classifier_{name}"] for row in shown for name in names)


def test_a_classifier_among_several_has_the_result_it_has_alone():
    """The same answers to the same questions give the same measures, whoever else is judged by them."""
    study = study_of(answers_per_stimulus=5, threshold=4)
    names = study.design["classifiers"]
    alone = made_up_study(KEY, {"classifier": names[0], "answers_per_stimulus": 5, "threshold": 4}, n_images=24)
    random = np.random.default_rng(1)
    stimuli, own = frames.stimulus_frame(study), frames.stimulus_frame(alone)
    numbers = {truth["image"]: number for number, truth in alone.stimuli.main().values_list("number", "truth")}
    rows, mine = [], []
    for number, truth in study.stimuli.main().order_by("number").values_list("number", "truth"):
        for person in random.choice(30, 5, replace=False).tolist():
            row = (person, "yes" if random.random() < 0.6 else "no", "errors", 900.0)
            rows.append((number, *row))
            if truth["classifiers"][names[0]] == "wrong":
                mine.append((numbers[truth["image"]], *row))
    columns = ["stimulus", "participant", "answer", "condition", "response_ms"]
    together = get(KEY).summary(study.design, study.preparation, stimuli, pd.DataFrame(rows, columns=columns))
    single = get(KEY).summary(alone.design, alone.preparation, own, pd.DataFrame(mine, columns=columns))
    found = together.measures["classifiers"][names[0]]
    assert set(found) == set(single.measures)
    for name in ("accepted_share", "rectified_error", "top1_error", "histogram", "threshold_curve", "yes_share"):
        assert found[name] == single.measures[name]


def test_the_figure_has_every_curve_and_the_first_table_a_row_a_classifier():
    study = study_of()
    lifecycle.open_study(study)
    simulated_rows(study, people=40)
    summary = result.result(study).summary
    names = study.design["classifiers"]
    (curve,) = (figure for figure in summary.figures if figure.name == "threshold_curve")
    assert [series["name"] for series in curve.series] == names
    assert "<svg" in figures.svg(curve)
    assert [row[0] for row in summary.tables[0].rows] == names
    assert all(name in summary.headline for name in names)
    json.dumps(summary.measures, allow_nan=False)


def test_before_the_first_answer_every_classifier_says_so():
    study = study_of()
    lifecycle.open_study(study)
    lifecycle.close_study(study)
    measures = result.result(study).summary.measures
    for name in study.design["classifiers"]:
        assert measures["classifiers"][name]["rectified_error"]["reason"] == "no answer counts yet"
        assert measures["classifiers"][name]["top1_error"]["estimate"] > 0
    assert [one["estimate"] for one in measures["differences"]] == [None]


def test_gold_is_of_images_that_every_classifier_gets_right():
    study = study_of(gold=4, practice=2)
    wrong = {path for name in study.design["classifiers"] for path in guesses_of(study, name)}
    checks = [stimulus.truth for stimulus in study.stimuli.exclude(role="main")]
    assert checks
    assert not wrong & {truth["image"] for truth in checks}


@pytest.mark.parametrize(
    ("design", "said"),
    [
        ({"classifiers": ["one"]}, "classifiers: Name at least two; one alone is the setting classifier: one."),
        ({"classifiers": ["one", "one"]}, "classifiers: Named twice: one."),
        ({"classifiers": ["one", "none"]}, "classifiers: none is not the name of a classifier (there are: "),
        ({"classifiers": ["one", "other"]}, "classifiers: one is of the image set A and other of B: name classifiers"),
        (
            {"classifiers": ["one", "two"], "classifier": "one"},
            "classifiers: Give classifier or classifiers, not both.",
        ),
        ({}, "classifier: This field is required."),
        ({"classifiers": []}, "classifier: This field is required."),
        ({"classifiers": "one, two"}, "classifiers: one, two is not the name of a classifier (there are: "),
        ({"classifiers": 3}, "classifiers: must be a text with a line for each, or a list of texts, not 3"),
    ],
)
def test_networks_that_do_not_belong_together_are_refused_in_one_line(design, said):
    image_set = make_image_set("A")
    for name in ("one", "two"):
        make_classifier(image_set, name)
    make_classifier(make_image_set("B"), "other")
    with pytest.raises(StudyError) as refused:
        lifecycle.create_study(slug="several", protocol=KEY, design=design)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_classifier_without_any_error_is_named():
    study = study_of()
    first, _ = study.design["classifiers"]
    perfect = make_classifier(Classifier.objects.get(name=first).image_set, "perfect")

    class Bench(MadeUpBench):
        def predictions(self, classifier, images):
            found = super().predictions(classifier, images)
            return (p for p in found if classifier != perfect.name or p.top[0].label == p.image.label)

    design = {**study.design, "classifiers": [first, perfect.name]}
    with pytest.raises(ValueError, match="the best guess of perfect miss"):
        list(get(KEY).stimuli(design, Bench()))


def checked(name, study):
    """The classifier's check as `check_classifier` leaves it: its errors, image by image."""
    evaluation = ClassifierEvaluation.objects.get(classifier__name=name)
    images = dict(evaluation.classifier.image_set.images.values_list("path", "pk"))
    places = {class_name: place for place, class_name in enumerate(MadeUpBench().class_names(name))}
    Misclassification.objects.bulk_create(
        Misclassification(
            evaluation=evaluation,
            image_id=images[path],
            label=places[path.split("/")[0]],
            predicted=places[labels[0]],
            probability=0.5,
        )
        for path, labels in guesses_of(study, name).items()
    )


def test_planning_tells_the_questions_saved_before_and_after_preparing(capsys):
    study = study_of()
    draft = lifecycle.duplicate_study(study, slug="draft")
    assert estimates.shared_questions(draft).separate == estimates.shared_questions(draft).asked == 0
    for name in study.design["classifiers"]:
        checked(name, study)
    alone = [asked_of(study, name) for name in study.design["classifiers"]]
    separate, together = sum(map(len, alone)), len(set().union(*alone))
    told = f"{together} questions are asked once, {separate} in studies of one classifier each: "
    told += f"{separate - together} saved"
    for slug in ("draft", study.slug):
        call_command("plan_study", study=slug, stimuli=[60], participants=[30], replicates=2)
        assert told in capsys.readouterr().out
    some = {**study.design, "classes": ["accordion", "celesta"]}
    counts = estimates.known(*study.design["classifiers"], seen=Classifier.objects.all())
    size = get(KEY).sample_size(some, counts)
    assert size.stimuli == len({one for own in alone for one in own if one[0].split("/")[0] in some["classes"]})


def test_the_design_page_tells_the_questions_saved():
    study = study_of()
    for name in study.design["classifiers"]:
        checked(name, study)
    fields = {name: "\n".join(value) if isinstance(value, list) else value for name, value in study.design.items()}
    data = {name: value for name, value in fields.items() if value not in (None, False)}
    page = researcher().post(reverse("admin:studies_study_add_consequences", query={"protocol": KEY}), data)
    saved = study.preparation["separate_questions"] - study.preparation["questions"]
    assert f"<dt>Questions saved</dt><dd>{saved} " in page.content.decode()

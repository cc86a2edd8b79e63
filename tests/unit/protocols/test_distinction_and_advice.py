"""Which explanation is the model's, and people who are advised: orders, steps, reliance, and the export read back."""

import json
from collections import Counter

import pytest
from django.core.management import call_command

from studies import lifecycle, protocols
from studies.designs.choices import catalogue
from studies.export import export, recompute
from studies.models import Trial
from studies.protocols import DesignError
from studies.results import figures, result
from tests.bench import CLASSES, made_up_study
from tests.factories import make_classifier, make_image_set, simulated_rows

pytestmark = pytest.mark.django_db

DESIGNS = {
    "distinction": [{"explainers": ["gradients", "occlusion"], "options": 3, "images": 30}],
    "advice": [
        {"explainers": ["none", "occlusion"], "images": 40, "contrasts": ["occlusion:none"]},
        {"explainers": ["none", "occlusion"], "images": 40, "mode": "two_step", "meeting": "separate_groups"},
    ],
}
CASES = [(key, design) for key, some in DESIGNS.items() for design in some]


def answered(key, design):
    """As pages would: every second trial of several orders in another one."""
    study, kind = made_up_study(key, design, n_images=160), protocols.get(key)
    lifecycle.open_study(study)
    simulated_rows(study)
    for trial in list(Trial.objects.filter(study=study).select_related("stimulus"))[::2]:
        shown = trial.stimulus.shown
        if kind.arrangements(shown) > 1:
            answer = kind.as_arranged(trial.answer, shown, 3)
            Trial.objects.filter(pk=trial.pk).update(arrangement=3, answer=answer)
    return study


@pytest.mark.parametrize(("key", "design"), CASES)
def test_the_export_is_read_back_to_the_same_digits_and_the_program_agrees(key, design, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")
    place, out = tmp_path / "export", tmp_path / "again.json"
    export.write(answered(key, design), place)
    found = json.loads((place / "analysis.json").read_text())
    more = {} if found["chance"] is None else {"chance": found["chance"]}
    where = {"without": ["correct"], "keep_where": ["counted=1"], "json": out, **more}
    call_command("reanalyse", place / "answers.csv", protocol="accuracy", **where)
    again = json.loads(out.read_text())
    for name, one in found["conditions"].items():
        assert {key: again["conditions"][name][key] for key in one} == one
    capsys.readouterr()
    assert recompute.main(place) == 0, capsys.readouterr().out
    assert "agrees with analysis.json to the last digit" in capsys.readouterr().out


def test_a_letter_stands_for_another_explanation_in_another_order():
    kind = protocols.get("distinction")
    shown = {"picture": {}, "options": [{"file": name} for name in "wxyz"]}
    orders = set()
    for arrangement in range(kind.arrangements(shown)):
        page = [one["file"] for one in kind.arranged(shown, arrangement)["options"]]
        orders.add("".join(page))
        # Whoever means the explanation prepared third says the letter that it has on the page.
        said = kind.as_arranged("C", shown, arrangement)
        assert page["ABCD".index(said)] == "y"
    assert len(orders) == 24
    assert kind.as_arranged("C", shown, 0) == "C"


@pytest.mark.parametrize("key", DESIGNS)
def test_half_of_the_decisions_that_are_shown_are_wrong(key):
    study = made_up_study(key, DESIGNS[key][0], n_images=160)
    truths = study.stimuli.main().values_list("truth", flat=True)
    assert len(set(Counter(truth["model_right"] for truth in truths).values())) == 1


def test_reliance_is_told_where_the_classifier_is_wrong_and_where_it_is_right():
    study = made_up_study("advice", DESIGNS["advice"][0], n_images=160)
    lifecycle.open_study(study)
    simulated_rows(study)
    # Everybody accepts everything that comes with an explanation.
    Trial.objects.filter(study=study, stimulus__condition__key="occlusion").update(answer="yes")
    found = result.result(study).summary.measures
    assert found["over_reliance"]["occlusion"]["estimate"] == 1
    assert found["under_reliance"]["occlusion"]["estimate"] == 0
    assert found["by_model"]["right"]["occlusion"]["estimate"] == 1
    assert found["by_model"]["wrong"]["occlusion"]["estimate"] == 0
    assert found["conditions"]["occlusion"]["estimate"] == 0.5
    assert 0 < found["over_reliance"]["none"]["estimate"] < 1


def test_what_people_choose_among_holds_the_truth_and_the_advice():
    study = made_up_study("advice", {**DESIGNS["advice"][1], "options": 3}, n_images=160)
    for truth, shown in study.stimuli.values_list("truth", "shown"):
        offered = [one["value"] for one in shown["options"]]
        assert {truth["true_label"], truth["label"]} <= set(offered)
        assert len(set(offered)) == 3
        assert truth["right_answer"] == truth["true_label"]


@pytest.mark.parametrize(
    ("key", "design", "says"),
    [
        ("distinction", {"options": 9}, "options: "),
        ("distinction", {"explainers": ["none"]}, "explainers: 'none' is not the name of a method"),
        ("advice", {"mode": "three_step"}, "mode: "),
        ("advice", {"mode": "two_step", "options": 9}, "options: Must not be above the number of classes, which is 8."),
        ("advice", {"explainers": [{"method": "none", "parameters": {"a": 1}}]}, "'none' is not the name of a method"),
    ],
)
def test_a_design_that_cannot_be_is_refused_in_one_line(key, design, says):
    classifier = make_classifier(make_image_set(classes=CLASSES, n_images=24)).name
    with pytest.raises(DesignError) as refused:
        protocols.get(key).clean({"classifier": classifier, **design}, catalogue=catalogue())
    assert says in str(refused.value)

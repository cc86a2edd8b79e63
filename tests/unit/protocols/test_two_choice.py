"""Which class is depicted: who meets what, in which order, and what the export tells of it."""

import json
from collections import Counter

import pandas as pd
import pytest
from django.core.management import call_command

from studies import lifecycle, participation, protocols
from studies.designs.choices import catalogue
from studies.export import export, recompute
from studies.models import Trial
from studies.protocols import DesignError
from studies.results import figures
from tests.bench import CLASSES, MadeUpBench, made_up_study
from tests.factories import make_classifier, make_image_set, simulated_rows

pytestmark = pytest.mark.django_db

DESIGN = {"explainers": ["gradients", "occlusion", "rise"], "images": 20, "answers_per_stimulus": 3}


def opened(**design):
    study = made_up_study("two_choice", DESIGN | design, n_images=96)
    lifecycle.open_study(study)
    return study


def clean(**design):
    classifier = make_classifier(make_image_set(classes=CLASSES, n_images=24)).name
    return protocols.get("two_choice").clean({"classifier": classifier, **design}, catalogue=catalogue())


def test_each_image_is_shown_for_both_of_its_classes_in_every_visualisation():
    study = opened()
    rows = list(study.stimuli.values_list("condition__key", "truth", "family"))
    assert len(rows) == 20 * 2 * 3
    by_image = Counter((key, truth["image"]) for key, truth, _ in rows)
    assert set(by_image.values()) == {2}
    assert all({truth["label"], truth["other"]} == set(truth["names"]) for _, truth, _ in rows)
    assert len({family for *_, family in rows}) == 20


def answer_all(study, n):
    for _ in range(n):
        person, _ = participation.enrol(study, consent=participation.current_consent(study))
        participation.start(person)
        while trial := participation.current_trial(person):
            shown = participation.shown_to(trial)
            participation.answer(person, trial.pk, protocols.get("two_choice").choices({}, shown)[0].value)


def test_nobody_meets_an_image_twice_and_everybody_meets_all_visualisations():
    study = opened()
    answer_all(study, 4)
    for person in study.participants.all():
        met = list(person.trials.values_list("stimulus__family", "stimulus__condition__key"))
        assert len(met) == len({family for family, _ in met}) == 20
        assert max(Counter(key for _, key in met).values()) - min(Counter(key for _, key in met).values()) <= 1


def test_the_order_of_the_two_names_is_drawn_for_each_trial_stored_and_shown():
    study = opened()
    answer_all(study, 3)
    orders = Counter(Trial.objects.values_list("arrangement", flat=True))
    assert min(orders[0], orders[1]) > 15
    for trial in Trial.objects.select_related("stimulus", "study"):
        names = [one["value"] for one in trial.stimulus.shown["names"]]
        assert trial.answer == names[trial.arrangement]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")
    study = opened(contrasts=["occlusion:gradients", "rise:gradients"])
    simulated_rows(study, people=30)
    # As pages would: every second trial in the other order.
    Trial.objects.filter(study=study, pk__in=list(Trial.objects.values_list("pk", flat=True))[::2]).update(
        arrangement=1
    )
    export.write(study, tmp_path / "export")
    return tmp_path / "export"


def test_reanalyse_reads_the_export_back_to_the_same_digits(folder, tmp_path):
    out = tmp_path / "again.json"
    contrasts = ["occlusion:gradients", "rise:gradients"]
    call_command(
        "reanalyse",
        folder / "answers.csv",
        protocol="two_choice",
        json=out,
        contrast=contrasts,
        keep_where=["counted=1"],
    )
    again, found = json.loads(out.read_text()), json.loads((folder / "analysis.json").read_text())
    for key in ("answers", "participants", "stimuli", "items", "chance", "conditions", "contrasts", "chose_first"):
        assert again[key] == found[key], key
    assert found["items"] == 20
    assert len(found["contrasts"]) == 2
    table = pd.read_csv(folder / "answers.csv")
    share = (table["answer"] == table["first"]).mean()
    assert found["chose_first"]["estimate"] == pytest.approx(share, abs=1e-12)
    assert set(table["first"]) & set(table["second"])


def test_the_exports_program_agrees_to_the_last_digit(folder, capsys):
    assert recompute.main(folder) == 0, capsys.readouterr().out
    assert "agrees with analysis.json to the last digit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("design", "says"),
    [
        ({"explainers": ["gradients", "gradients"]}, "explainers: Named twice: gradients"),
        ({"explainers": ["crystal_ball"]}, "explainers: 'crystal_ball' is not the name of a method; there are: decon"),
        ({"explainers": [{"method": "gradcam", "colour": 1}]}, "not 'colour'"),
        ({"explainers": [{"method": "gradcam", "parameters": 3}]}, "A method is"),
        (
            {"explainers": [{"method": "gradcam", "parameters": {"layer": ["a"]}}]},
            "parameter 'layer' of gradcam must be",
        ),
        ({"explainers": [{"method": "gradcam", "parameters": {"layer": "x" * 60}}]}, "too long for the name"),
        ({"explainers": "{oops"}, "is not a JSON object"),
        ({"explainers": [3]}, "explainers: must be a list of names, or of objects"),
        ({"explainers": ["gradients"], "contrasts": ["gradients:rise"]}, "is not a comparison B:A of two conditions"),
        ({"explainers": ["gradients"], "contrasts": ["gradients"]}, "is not a comparison B:A"),
        ({"images": 0}, "images: "),
    ],
)
def test_a_design_that_cannot_be_is_refused_in_one_line(design, says):
    with pytest.raises(DesignError) as refused:
        clean(**design)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_method_without_parameters_is_its_name():
    assert clean(explainers=[{"method": "rise", "parameters": {}}])["explainers"] == ["rise"]
    assert clean(explainers=[])["explainers"] == protocols.get("two_choice").papers[0].design["explainers"]


class OneClassOnly(MadeUpBench):
    def annotated(self, classifier, *, classes=()):
        return (one for one in super().annotated(classifier) if len(one.labels) == 1)


def test_without_images_of_two_classes_preparing_says_so():
    design = clean()
    with pytest.raises(DesignError, match=r"none of the 0 images with annotated objects .* import_images --objects"):
        list(protocols.get("two_choice").stimuli(design, OneClassOnly()))


def test_gold_is_of_images_that_are_not_shown_otherwise():
    study = opened(gold=2, practice=1)
    main = {truth["image"] for truth in study.stimuli.main().values_list("truth", flat=True)}
    checks = list(study.stimuli.control_stimuli().values_list("truth", flat=True))
    assert len(checks) >= 3
    assert not main & {truth["image"] for truth in checks}
    assert all(truth["expected"] == truth["label"] for truth in checks)

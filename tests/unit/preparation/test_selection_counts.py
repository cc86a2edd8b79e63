"""How many images fulfil the rules of a design: by hand from the made-up bench, by command and by a worker's turn."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import reverse

from studies import protocols
from studies.jobs import queue
from studies.models import Study
from studies.preparation import selection_counts
from studies.protocol_contract.made_up_bench import MadeUpBench, made_up_study
from tests.logged_in_users import researcher, text

pytestmark = pytest.mark.django_db

CLASSES = ["accordion", "bassoon", "celesta", "dulcimer", "euphonium", "flugelhorn"]


@pytest.fixture
def study(monkeypatch) -> Study:
    monkeypatch.setattr(selection_counts, "Bench", lambda progress=None: MadeUpBench())
    return made_up_study("class_assignment", {"classes": CLASSES, "rounds": 3}, n_images=96)


def test_each_class_is_counted_by_probability_in_full_and_by_the_attack_in_a_sample(study):
    bench = MadeUpBench()
    (counts, hint) = protocols.get(study.protocol).selection_counts(study.design, bench, 6)
    net = study.design["classifier"]
    for row, name in zip(counts.rows, CLASSES, strict=True):
        cells = dict(zip(counts.columns, row, strict=True))
        images = bench.images(net, classes=[name])
        given = [one.true_probability for one in bench.predictions(net, images)]
        assert cells["class"] == name
        assert cells["images"] == len(images) == 12
        assert cells["Probability: prototypes"] == str(sum(one > 0.9 for one in given))
        assert cells["Probability: criticisms"] == str(sum(one < 0.1 for one in given))
        assert cells["Adversarial: prototypes"].endswith("of 6)")
    assert [row[0] for row in hint.rows] == ["0.00025", "0.0005", "0.001, the design’s", "0.002", "0.004"]
    assert "accordion (Probability)" in counts.note


def test_without_an_attack_there_is_no_hint_and_no_attack_is_asked_for(study, monkeypatch):
    monkeypatch.setattr(MadeUpBench, "attacks", None)
    design = {**study.design, "conditions": ["mmd-prototypes", "random", "probability-prototypes"]}
    (counts,) = protocols.get(study.protocol).selection_counts(design, MadeUpBench(), 6)
    assert counts.columns == ["class", "images", "Probability: prototypes", "Probability: criticisms"]


def test_the_command_prints_the_counts_and_the_page_keeps_them(study, capsys):
    call_command("count_selectable", study.slug, "--sample", "4")
    assert "Images that fulfil the rules" in (said := capsys.readouterr().out) or "class" in said
    assert "of 4)" in said
    page = text(researcher().get(reverse("admin:studies_study_change", args=[study.pk])))
    assert "A hint for the step of the attack" in page
    Study.objects.filter(pk=study.pk).update(design={**study.design, "seed": 9})
    page = text(researcher().get(reverse("admin:studies_study_change", args=[study.pk])))
    assert "The design has changed since this was counted" in page


def test_a_sample_of_none_and_a_study_without_rules_are_refused_in_one_line(study):
    with pytest.raises(CommandError, match="--sample must be at least 1, not 0"):
        call_command("count_selectable", study.slug, "--sample", "0")
    other = made_up_study("rectified_labeling", {"sample": 3}, n_images=48)
    with pytest.raises(CommandError, match="chooses no images by a rule"):
        call_command("count_selectable", other.slug)


def test_the_page_asks_a_worker_whose_turn_keeps_what_it_counted(study, monkeypatch):
    rung = []
    monkeypatch.setattr(queue, "send", lambda task, argument, name: rung.append((task, argument)) or True)
    client = researcher()
    assert client.post(reverse("admin:studies_study_count", args=[study.pk])).status_code == 302
    assert rung == [("studies.tasks.count_selectable", study.pk)]
    assert "A worker counts since" in text(client.get(reverse("admin:studies_study_change", args=[study.pk])))
    selection_counts.count_for_page(study.pk)
    study.refresh_from_db()
    assert selection_counts.counted(study)["tables"][0]["title"] == "Images that fulfil the rules"
    selection_counts.count_for_page(study.pk + 1)

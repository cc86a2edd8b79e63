"""All stimuli of a study: paged, filtered, each with what it was made by."""

import lxml.html
import pytest
from django.urls import reverse
from django.utils import timezone

from explainers import computations as all_computations
from studies.admin.study.stimuli import ON_A_PAGE, facts_of
from studies.lib.canonical_json import digest
from studies.models import Artifact, Classifier, Image, Study
from studies.preparation import provenance
from tests.bench import made_up_study
from tests.factories import make_study
from tests.logged_in_users import researcher, staff, text

pytestmark = pytest.mark.django_db


def at(study: Study, name: str = "stimuli") -> str:
    return reverse(f"admin:studies_study_{name}", args=[study.pk])


def numbers(response) -> list[int]:
    links = lxml.html.fromstring(response.content).xpath("//ul[@class='desk-cards']//a/@href")
    return [int(link.partition("number=")[2]) for link in links]


def test_stimuli_come_in_pages_in_order():
    study, client = make_study(ON_A_PAGE + 3), researcher()
    assert numbers(client.get(at(study))) == list(range(1, ON_A_PAGE + 1))
    assert numbers(client.get(at(study), {"p": 2})) == [ON_A_PAGE + 1, ON_A_PAGE + 2, ON_A_PAGE + 3]
    assert "63 stimuli" in text(client.get(at(study)))


def test_what_a_protocol_knows_can_be_filtered_by():
    study = made_up_study("adversarial_trials", n_images=48)
    kinds = {fact.name: fact.kind for fact in facts_of(study)}
    assert kinds == {
        "label": "words",
        "true_label": "words",
        "flip_step": "number",
        "fools_exactly": "switch",
        "r2": "number",
        "n_positive": "number",
    }


@pytest.mark.parametrize("key", ["r2", "flip_step"])
def test_a_number_is_within_both_ends_and_what_is_not_known_is_within_none(key):
    study, client = made_up_study("adversarial_trials", n_images=48), researcher()
    rows = list(study.stimuli.order_by("number"))
    for n, row in enumerate(rows):
        row.truth[key] = None if n % 4 == 0 else n / 10
        row.save(update_fields=["truth"])
    everything = numbers(client.get(at(study)))
    assert len(everything) == len(rows)

    def within(low: float, high: float) -> list[int]:
        return [row.number for row in rows if row.truth[key] is not None and low <= row.truth[key] <= high]

    assert numbers(client.get(at(study), {f"{key}_to": "0.5"})) == within(-1, 0.5)
    assert numbers(client.get(at(study), {f"{key}_from": "0.5"})) == within(0.5, 100)
    assert numbers(client.get(at(study), {f"{key}_from": "0.3", f"{key}_to": "0.6"})) == within(0.3, 0.6)


def test_condition_role_class_and_switch_are_filters():
    study, client = made_up_study("adversarial_trials", {"gold": 2, "example": True}, n_images=240), researcher()
    rows = list(study.stimuli.select_related("condition"))
    first = study.conditions.first()
    label = rows[0].truth["label"]
    assert set(numbers(client.get(at(study), {"condition": first.pk}))) <= {
        row.number for row in rows if row.condition == first
    }
    assert set(numbers(client.get(at(study), {"role": "gold"}))) == {row.number for row in rows if row.role == "gold"}
    assert set(numbers(client.get(at(study), {"label": label, "role": "gold"}))) == {
        row.number for row in rows if row.role == "gold" and row.truth["label"] == label
    }
    for value in ("true", "false"):
        found = client.get(at(study), {"fools_exactly": value})
        total = sum(row.truth.get("fools_exactly") is (value == "true") for row in rows)
        assert f"{total} stimul" in text(found)
    assert numbers(client.get(at(study), {"label": "no such class"})) == []
    assert "No stimulus matches the filter." in text(client.get(at(study), {"r2_from": "much"}))


def test_the_filter_stays_on_the_next_page():
    study, client = make_study(ON_A_PAGE * 2), researcher()
    links = lxml.html.fromstring(client.get(at(study), {"role": "main"}).content).xpath(
        "//nav[@aria-label='Pages of stimuli']/a/@href"
    )
    assert links == ["?role=main&p=2"]


def made(study: Study) -> list[Artifact]:
    """An explanation of a picture that an attack made from a photograph, of which there is a prediction."""
    file = study.stimuli.first().shown["picture"]["file"]
    attacked = "artifacts/aa/attacked.png"
    photograph = study.stimuli.first().truth["image"]
    classifier = Classifier.objects.get(name=study.design["classifier"])
    image = Image.objects.get(path=photograph, image_set=classifier.image_set)
    sha256 = image.sha256
    method = {"method": "lime", "version": 3, "parameters": {"samples": 1000}}
    recipes = [
        (all_computations.get("prediction").recipe(sha256, image.label, classifier.digest), {"hidden": "x"}),
        ({"kind": "attack", "version": 1, "image": sha256, "attack": {"method": "ifgsm"}}, {"picture": attacked}),
        ({"kind": "explanation", "version": 4, "picture": attacked, "explainer": method}, {"picture": file}),
        ({"kind": "attack", "version": 1, "image": "another"}, {"picture": "artifacts/bb/other.png"}),
    ]
    rows = [
        Artifact.objects.create(
            digest=digest(recipe),
            kind=recipe["kind"],
            recipe=recipe,
            files=files,
            state=Artifact.State.DONE,
            seconds=1.25,
            finished_at=timezone.now(),
        )
        for recipe, files in recipes
    ]
    study.artifacts.set(rows)
    return rows


def test_a_stimulus_is_traced_back_to_its_photograph():
    study = make_study(2)
    prediction, attack, explanation, other = made(study)
    file = study.stimuli.first().shown["picture"]["file"]
    assert provenance.made_by(study, [file]) == [explanation, attack, prediction]
    assert provenance.made_by(study, ["artifacts/bb/other.png"]) == [other]


def test_the_page_of_a_stimulus_tells_recipe_digests_versions_and_seconds():
    study = make_study(2)
    rows = made(study)
    words = text(researcher().get(at(study, "stimulus"), {"number": 1}))
    for row in rows[:3]:
        assert row.digest in words
    assert rows[3].digest not in words
    assert "1.250 s" in words
    assert "lime, version 3" in words
    assert "samples 1,000" in words
    assert '"version":4' in words
    assert study.stimuli.first().truth["image"] in words


def test_artifacts_of_another_study_are_not_told():
    study, other = make_study(2), make_study(2)
    made(other)
    assert "No record of how" in text(researcher().get(at(study, "stimulus"), {"number": 1}))


@pytest.mark.parametrize("number", ["", "0", "99", "x", "½", "9" * 30])
def test_a_number_that_is_no_stimulus_is_not_found(number):
    assert researcher().get(at(make_study(1), "stimulus"), {"number": number}).status_code == 404


def test_nobody_sees_stimuli_of_a_study_they_do_not_see():
    study = make_study(1)
    assert staff("view_study").get(at(study)).status_code == 404
    assert staff("view_study").get(at(study, "stimulus"), {"number": 1}).status_code == 404

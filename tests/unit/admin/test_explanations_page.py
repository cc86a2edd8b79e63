"""The page of a classifier's explanations: it asks workers, shows what they measured, and gives it as files."""

import csv
import io
import json

import pytest
from django.urls import reverse

from studies.models import ExplanationMeasurement, ImageObject
from tests.factories import make_image_set
from tests.fake_queue import Workers
from tests.logged_in_users import researcher, said, staff, text
from tests.small_networks import import_small

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = {"explainers": ["gradients", "integrated_gradients"], "measures": ["pointing", "faithfulness", "sanity"]}
ASKED |= {"sample": 6, "seed": 0}


@pytest.fixture
def classifier(tmp_path):
    image_set = make_image_set("things", n_images=9)
    for image in image_set.images.all():
        ImageObject.objects.create(image=image, label=image.label, x0=4, y0=6, x1=24, y1=20)
    return import_small("net", image_set.name, tmp_path)


@pytest.fixture
def workers(monkeypatch) -> Workers:
    return Workers(monkeypatch)


def address(classifier, name="explanations") -> str:
    return reverse(f"admin:studies_classifier_{name}", args=[classifier.pk])


def test_a_worker_measures_and_the_page_shows_tables_figures_and_files(classifier, workers):
    client = researcher()
    assert "Nothing is measured yet." in text(client.get(address(classifier)))
    response = client.post(address(classifier), ASKED, follow=True)
    assert said(response) == ["A worker measures the explanations now."]
    assert "0 of 0 results" in text(response)
    assert "A worker measures explanations" in client.get(address(classifier, "explaining")).content.decode()
    workers.work()
    assert client.get(address(classifier, "explaining")).headers["HX-Refresh"] == "true"
    response = client.get(address(classifier))
    words = text(response)
    assert "Pointing game ↑" in words
    assert "Less gradients" in words
    assert response.content.count(b"<svg") == 5
    result = ExplanationMeasurement.objects.get().result
    file = client.get(address(classifier), {"format": "json"})
    assert json.loads(file.content) == result
    assert file.headers["Content-Disposition"] == 'attachment; filename="net-explanations.json"'
    rows = list(csv.DictReader(io.StringIO(client.get(address(classifier), {"format": "csv"}).content.decode())))
    assert {(row["explainer"], row["measure"]) for row in rows} == {
        (name, key) for name, one in result["methods"].items() for key in one["measures"]
    }
    pointing = next(row for row in rows if (row["explainer"], row["measure"]) == ("gradients", "pointing_game"))
    assert float(pointing["estimate"]) == result["methods"]["gradients"]["measures"]["pointing_game"]["estimate"]
    log = client.get(reverse("admin:studies_classifier_history", args=[classifier.pk]))
    assert "measures of explanations asked for" in text(log).casefold()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"explainers": []}, "This field is required"),
        ({"explainers": ["saliency"]}, "saliency is not one of the available choices"),
        ({"sample": "0"}, "greater than or equal to 1"),
        ({"measures": ["beauty"]}, "beauty is not one of the available choices"),
    ],
)
def test_what_cannot_be_measured_is_said_at_its_field_and_nothing_is_asked(classifier, workers, change, words):
    response = researcher().post(address(classifier), ASKED | change)
    assert words in text(response)
    assert not workers.messages
    assert not ExplanationMeasurement.objects.exists()


def test_without_objects_their_measures_are_not_offered(classifier, workers):
    ImageObject.objects.all().delete()
    client = researcher()
    assert "Pointing game" not in text(client.get(address(classifier)))
    assert "pointing is not one of the available choices" in text(client.post(address(classifier), ASKED))
    assert not workers.messages


def test_a_viewer_reads_and_does_not_ask(classifier, workers):
    client = staff("view_classifier")
    words = text(client.get(address(classifier)))
    assert "Nothing is measured yet." in words
    assert "Measure again" not in words
    assert client.post(address(classifier), ASKED).status_code == 403
    assert not workers.messages


def test_a_failed_measurement_says_why(classifier):
    ExplanationMeasurement.objects.create(classifier=classifier, settings={}, state="failed", problem="it went wrong")
    assert "It went wrong." in text(researcher().get(address(classifier)))

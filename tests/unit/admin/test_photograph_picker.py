"""A design's photographs are chosen by looking at them: those of the classifier's image set, with one right answer."""

import pytest
from django.urls import reverse

from explainers import computations
from studies.catalog import candidates
from studies.lib.canonical_json import digest
from studies.models import Artifact, ImageObject
from studies.preparation.class_outputs import class_outputs
from tests.factories import make_classifier, make_image_set
from tests.logged_in_users import researcher

pytestmark = pytest.mark.django_db

PHOTOGRAPHS = reverse("admin:studies_classifier_photographs")


@pytest.fixture
def classifier():
    return make_classifier(make_image_set(n_images=9), "net")


def predict(classifier, image, output: int, probability: float) -> None:
    kind, outputs = computations.get("prediction"), class_outputs(classifier).of_classes
    recipe = kind.recipe(image.sha256, outputs[image.label], classifier.digest)
    right = output == outputs[image.label]
    value = {"top": [[output, probability]], "true_probability": probability if right else 0.01}
    state = Artifact.State.DONE
    Artifact.objects.create(digest=digest(recipe), kind="prediction", recipe=recipe, state=state, value=value)


def paths(classifier, **asked) -> list[str]:
    found = candidates.candidates(classifier, **({"label": None, "clear": 0.9} | asked))
    return [image.path for image in found.photographs]


def test_those_are_offered_that_show_one_class_and_that_the_classifier_is_right_and_sure_of(classifier):
    right, unsure, wrong, two, *unknown = classifier.image_set.images.order_by("label", "path")
    for image, output, probability in ((right, 0, 0.95), (unsure, 0, 0.8), (wrong, 2, 0.99), (two, 1, 0.99)):
        predict(classifier, image, output, probability)
    ImageObject.objects.create(image=two, label=2, x0=0, y0=0, x1=9, y1=9)
    ImageObject.objects.create(image=right, label=0, x0=0, y0=0, x1=9, y1=9)
    assert paths(classifier) == [right.path, *(image.path for image in unknown)]
    assert paths(classifier, label=0) == [right.path]
    assert candidates.candidates(classifier, label=None, clear=0.9).unknown == len(unknown)
    assert len(paths(classifier, clear=None)) == 9


def test_pages_follow_each_other_without_a_gap(classifier, monkeypatch):
    monkeypatch.setattr(candidates, "PAGE", 2)
    monkeypatch.setattr(candidates, "WINDOW", 3)
    monkeypatch.setattr(candidates, "WINDOWS", 1)
    for clear in (0.9, None):
        found, start = [], 0
        while start is not None:
            page = candidates.candidates(classifier, label=None, clear=clear, start=start)
            found, start = found + [image.path for image in page.photographs], page.next
        assert found == list(classifier.image_set.images.order_by("label", "path").values_list("path", flat=True))


def test_the_part_of_the_form_has_a_box_for_each_photograph(classifier):
    query = {"classifier": "net", "into": "id_check_images", "clear": 0.9}
    page = researcher().get(PHOTOGRAPHS, query)
    assert page.content.decode().count('type="checkbox"') == 9
    assert "Check the classifier" in page.content.decode()
    assert researcher().get(PHOTOGRAPHS, query | {"label": 1}).content.decode().count('type="checkbox"') == 3


@pytest.mark.parametrize(
    "query",
    [{}, {"classifier": "none"}, {"classifiers": ""}, {"classifier": "net", "clear": "x"}, {"start": -1, "label": "y"}],
)
def test_without_a_classifier_or_with_nonsense_it_says_what_to_do_first(query, classifier):
    assert "Choose a classifier first" in researcher().get(PHOTOGRAPHS, query).content.decode()

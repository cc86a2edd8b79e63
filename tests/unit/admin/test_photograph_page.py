"""The page of one photograph shows its annotated objects, as it was imported and as a classifier sees it."""

import lxml.html
import numpy as np
import pytest
from django.urls import reverse

from explainers import images
from studies.models import Classifier, ImageObject
from tests.factories import make_classifier, make_image_set
from tests.logged_in_users import researcher, staff, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def photograph():
    """32 × 32 pixels with an object in its middle and one in its corner."""
    image = make_image_set(n_images=6).images.order_by("path")[1]
    ImageObject.objects.create(image=image, label=image.label, x0=10, y0=8, x1=20, y1=24)
    ImageObject.objects.create(image=image, label=2, x0=0, y0=0, x1=4, y1=4)
    return image


def address(image, page="photograph") -> str:
    return reverse(f"admin:studies_imageset_{page}", args=[image.image_set_id, image.pk])


def boxes(response) -> list[list[float]]:
    drawn = lxml.html.fromstring(response.content.decode()).xpath("//svg//rect[not(@class)]")
    return [[float(one.get(name)) for name in ("x", "y", "width", "height")] for one in drawn]


def test_every_box_is_drawn_and_listed_with_its_class(photograph):
    response = researcher().get(address(photograph))
    assert boxes(response) == [[10, 8, 10, 16], [0, 0, 4, 4]]
    words = text(response)
    assert "1. accordion 10.0 8.0 20.0 24.0" in words
    assert "2. grand piano 0.0 0.0 4.0 4.0" in words
    assert "Previous" in words
    assert "Next" in words


def test_as_a_classifier_sees_it_boxes_follow_the_crop(photograph):
    classifier = make_classifier(photograph.image_set)
    Classifier.objects.filter(pk=classifier.pk).update(preprocessing=classifier.preprocessing | {"crop": 16})
    client = researcher()
    response = client.get(address(photograph), {"classifier": classifier.pk})
    assert boxes(response) == [[2, 0, 10, 16]]
    assert "1 cropped away" in text(response)
    source = lxml.html.fromstring(response.content.decode()).xpath("//div[@class='desk-boxed']/img/@src")[0]
    seen = images.load(client.get(source).content)
    whole = images.load(client.get(address(photograph, "picture")).content)
    assert np.array_equal(seen, whole[8:24, 8:24])


@pytest.mark.parametrize("query", ["classifier=0", "classifier=x", "classifier=99999999999999999999"])
def test_a_classifier_that_is_none_of_the_set_is_not_found(photograph, query):
    make_classifier(make_image_set())
    assert researcher().get(f"{address(photograph)}?{query}").status_code == 404


def test_a_photograph_of_another_set_is_not_found_and_strangers_see_nothing(photograph):
    other = make_image_set()
    wrong = reverse("admin:studies_imageset_photograph", args=[other.pk, photograph.pk])
    assert researcher().get(wrong).status_code == 404
    assert staff().get(address(photograph)).status_code in (403, 404)


def test_the_image_sets_page_counts_objects_and_leads_to_its_photographs(photograph):
    response = researcher().get(reverse("admin:studies_imageset_change", args=[photograph.image_set_id]))
    assert "Annotated objects 2 on 1 image" in text(response)
    assert address(photograph) in response.content.decode()

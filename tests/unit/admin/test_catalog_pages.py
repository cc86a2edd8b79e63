"""Image sets and classifiers on the desk: looked at, not changed; photographs only as thumbnails, for staff only."""

import io

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from PIL import Image as Pillow

from studies.lib import storage
from studies.models import Image
from tests.factories import CLASSES, make_classifier, make_image_set, make_study
from tests.logged_in_users import researcher, staff, text

pytestmark = pytest.mark.django_db

LISTS = {name: f"admin:studies_{name}_changelist" for name in ("imageset", "classifier")}


def thumbnail(image: Image) -> str:
    return reverse("admin:studies_imageset_thumbnail", args=[image.sha256])


def test_lists_show_counts_and_thumbnails():
    make_classifier(make_image_set("things", n_images=12), "net")
    for name, words in [("imageset", "things 12 3 1"), ("classifier", "net none things 12 3")]:
        page = researcher().get(reverse(LISTS[name]))
        assert words in text(page)
        assert page.content.count(b"/admin/studies/imageset/thumbnail/") == 5


@pytest.mark.parametrize(("name", "command"), [("imageset", "import_images"), ("classifier", "import_classifier")])
def test_an_empty_list_says_which_command_to_run(name, command):
    assert f"manage.py {command} NAME" in text(researcher().get(reverse(LISTS[name])))


@pytest.mark.parametrize("name", LISTS)
def test_nobody_adds_changes_or_deletes_by_a_click(name):
    image_set = make_image_set("things")
    row = image_set if name == "imageset" else make_classifier(image_set, "things")
    client = researcher()
    for action in ("change", "delete"):
        address = reverse(f"admin:studies_{name}_{action}", args=[row.pk])
        assert client.post(address, {"name": "other", "post": "yes"}).status_code == 403
    client.post(reverse(f"admin:studies_{name}_add"), {"name": "other"})
    row.refresh_from_db()
    assert (row.name, type(row).objects.count()) == ("things", 1)


def test_the_page_of_an_image_set_shows_its_classes_and_some_images():
    image_set = make_image_set("things", n_images=11)
    page = researcher().get(reverse("admin:studies_imageset_change", args=[image_set.pk]))
    counted = [(one["row"].name, one["n"]) for one in page.context["classes"]]
    assert counted == list(zip(CLASSES, (4, 4, 3), strict=True))
    assert "Images 11 Classes 3 Size in pixels 32 × 32" in text(page)
    assert {image["path"] for image in page.context["sample"]} == set(image_set.images.values_list("path", flat=True))


def test_a_class_without_images_is_shown_with_none():
    image_set = make_image_set("things", classes=(*CLASSES, "theremin"), n_images=3)
    image_set.images.filter(label=2).delete()
    client = researcher()
    page = client.get(reverse("admin:studies_imageset_change", args=[image_set.pk]))
    assert [one["n"] for one in page.context["classes"]] == [1, 1, 0, 0]
    words = client.get(reverse("admin:studies_imageset_classes", args=[image_set.pk]))
    assert text(words).count("No image of it") == 2
    for content in (page.content, words.content):
        assert b'src=""' not in content
    assert "theremin" in text(client.get(reverse("admin:studies_imageset_example", args=[image_set.pk, 3])))


def test_the_page_of_a_classifier_shows_all_its_results_depend_on():
    classifier = make_classifier(make_image_set("things"), "net")
    classifier.preprocessing = {"resize": 256, "crop": 224, "mean": [0.485, 0.456, 0.406], "std": [0.2, 0.2, 0.2]}
    classifier.source = {"torchvision": "resnet18", "weights": "IMAGENET1K_V1"}
    classifier.save()
    words = text(researcher().get(reverse("admin:studies_classifier_change", args=[classifier.pk])))
    for expected in (
        "resnet18",
        "IMAGENET1K_V1",
        "256 px",
        "224 × 224 px",
        "0.485, 0.456, 0.406",
        CLASSES[2].replace("_", " "),
    ):
        assert expected in words
    assert classifier.digest in words
    assert classifier.state_digest in words


def test_the_page_of_a_classifier_names_its_studies():
    study = make_study(3)
    classifier = study.design["classifier"]
    page = researcher().get(reverse("admin:studies_classifier_changelist") + f"?q={classifier}")
    change = page.context["cl"].result_list[0]
    assert study.title in text(researcher().get(reverse("admin:studies_classifier_change", args=[change.pk])))


@pytest.mark.parametrize("side", [32, 200])
def test_a_thumbnail_is_a_small_png_and_never_the_file_itself(side):
    image = make_image_set(n_images=1, side=side).images.get()
    response = researcher().get(thumbnail(image))
    picture = Pillow.open(io.BytesIO(response.content))
    assert (picture.format, picture.size) == ("PNG", (min(side, 96),) * 2)
    assert response["Content-Type"] == "image/png"
    if side > 96:
        assert response.content != storage.read(image.file)


def test_a_thumbnail_carries_no_metadata():
    image = make_image_set(n_images=1).images.get()
    exif = Pillow.Exif()
    exif[0x010E] = "secret description"
    file = io.BytesIO()
    Pillow.new("RGB", (300, 200), "red").save(file, "JPEG", exif=exif)
    assert b"secret description" in file.getvalue()
    image.file, image.width, image.height = storage.store("images", file.getvalue(), ".jpg"), 300, 200
    image.sha256 = image.file.split("/")[-1].removesuffix(".jpg")
    image.save()
    assert b"secret" not in researcher().get(thumbnail(image)).content


def test_thumbnails_need_the_permission_to_see_image_sets():
    image = make_image_set(n_images=1).images.get()
    anonymous = Client().get(thumbnail(image))
    assert (anonymous.status_code, anonymous["Location"].startswith("/admin/login/")) == (302, True)
    assert staff("view_study").get(thumbnail(image)).status_code == 403
    assert staff("view_imageset").get(thumbnail(image)).status_code == 200


def test_a_cached_thumbnail_still_needs_the_permission():
    image = make_image_set(n_images=1).images.get()
    assert researcher().get(thumbnail(image)).status_code == 200
    assert staff().get(thumbnail(image)).status_code == 403


def test_a_thumbnail_of_nothing_is_not_found():
    client = researcher()
    gone = make_image_set(n_images=1, side=7).images.get()
    default_storage.delete(gone.file)
    assert client.get(thumbnail(gone)).status_code == 404
    assert client.get(reverse("admin:studies_imageset_thumbnail", args=["0" * 64])).status_code == 404

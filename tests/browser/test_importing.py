"""A researcher in a real browser brings photographs and a classifier in, with a real worker."""

import pytest
from celery.contrib.testing.worker import start_worker
from django.urls import reverse
from playwright.sync_api import expect

from config.celery import app
from studies.jobs import queue
from studies.models import Classifier, Event, ImageSet, Import
from tests.archives import packed
from tests.browser.desk import account, faults_in_all_looks, log_in
from tests.factories import make_image_set, make_picture
from tests.small_networks import import_small

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def working():
    """A worker, in this process, for as long as the block goes on."""
    return start_worker(app, pool="solo", queues=queue.QUEUES, perform_ping_check=False, shutdown_timeout=30)


@pytest.fixture
def page(browse):
    account("ada", "researcher")
    page = browse(bypass_csp=True)
    log_in(page, "ada")
    return page


def test_a_zip_is_uploaded_its_report_read_the_rest_confirmed_and_worded(page):
    files = {f"{label}/{n}.png": make_picture(n) for n, label in enumerate(("bell", "fish", "key") * 2)}
    archive = {"name": "things.zip", "mimeType": "application/zip", "buffer": packed(files | {"bell/no.txt": b"words"})}
    page.get_by_role("link", name="Image sets").first.click()
    page.get_by_role("link", name="Add an image set").click()
    page.get_by_label("Short name").fill("things")
    page.get_by_label("A zip archive").set_input_files(archive)
    assert faults_in_all_looks(page) == []
    page.get_by_role("button", name="Look at the files").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    assert faults_in_all_looks(page) == []
    with working():
        # The page notices by itself: nothing is clicked or loaded here.
        expect(page.get_by_role("heading", name="Nothing is imported yet")).to_be_visible()
    expect(page.get_by_role("row", name="bell/no.txt")).to_contain_text("is a text file, not the picture")
    assert not ImageSet.objects.exists()
    assert faults_in_all_looks(page) == []
    page.get_by_role("button", name="Import 6 without the refused").click()
    with working():
        expect(page.get_by_text("It is there.")).to_be_visible()
    assert ImageSet.objects.get().images.count() == 6
    assert faults_in_all_looks(page) == []

    page.get_by_role("link", name="Look at the images of things").click()
    page.get_by_role("link", name="Words for participants").click()
    page.get_by_label("Gloss of fish").fill("it swims")
    assert faults_in_all_looks(page) == []
    page.get_by_role("button", name="Save the words").click()
    expect(page.get_by_label("Gloss of fish")).to_have_value("it swims")
    page.goto(reverse("admin:studies_imageset_example", args=[ImageSet.objects.get().pk, 1]))
    assert faults_in_all_looks(page) == []
    page.goto(reverse("admin:studies_imageset_history", args=[ImageSet.objects.get().pk]))
    expect(page.get_by_role("rowheader")).to_have_text(
        [
            "Words for participants changed",
            "Imported",
            "Import confirmed",
            "Import asked for",
        ]
    )
    assert faults_in_all_looks(page) == []
    page.goto(reverse("admin:studies_import_changelist"))
    expect(page.get_by_role("link", name="things")).to_be_visible()
    assert set(Event.objects.values_list("who", flat=True)) == {"ada", "worker"}


def test_a_classifier_is_looked_at_and_its_mistakes_are_shown(page, tmp_path):
    import_small("net", make_image_set("things").name, tmp_path)
    page.goto(reverse("admin:studies_classifier_change", args=[Classifier.objects.get().pk]))
    page.get_by_role("link", name="Look at it").click()
    assert faults_in_all_looks(page) == []
    page.get_by_role("button", name="Look at it").click()
    with working():
        # Every image in every usual preprocessing, and a network's libraries loaded: minutes on a busy machine.
        expect(page.get_by_role("heading", name="Mistakes, the surest first")).to_be_visible(timeout=180_000)
    assert (
        page.locator(".desk-mistakes figure").count()
        == Classifier.objects.get().evaluation.misclassifications.count()
        > 0
    )
    assert faults_in_all_looks(page) == []
    page.locator(".desk-matrix a").first.click()
    expect(page.get_by_text("All mistakes")).to_be_visible()
    assert faults_in_all_looks(page) == []


def test_a_classifiers_form_has_no_faults_and_says_its_mistakes_in_place(page):
    make_image_set("things")
    page.goto(reverse("admin:studies_classifier_add"))
    page.get_by_label("Short name").fill("net")
    page.get_by_role("button", name="Import it").click()
    expect(page.get_by_text("Name a network of torchvision or of another library, or choose a module")).to_be_visible()
    assert faults_in_all_looks(page) == []
    assert not Import.objects.exists()

"""A researcher in a real browser, from the admin's login to the results, with a real worker and people who answer."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from celery.contrib.testing.worker import start_worker
from django.contrib.auth.models import User
from django.core.management import call_command
from playwright.sync_api import expect
from safetensors.torch import save_file

from config.celery import app
from explainers.images import encode_png
from studies.jobs import queue
from studies.models import Artifact, Image, Study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NETWORK = """
from torch import nn

class Colours(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        return self.linear(x.mean((2, 3)))
"""
COLOURS = ("blue", "green", "red")
#: Which colour the photographs of each class have: three are not what their class says.
PHOTOGRAPHS = {"blue": "blue blue red", "green": "green green", "red": "red blue green"}


@pytest.fixture
def classifier(tmp_path):
    """A network that tells colours apart, and photographs some of which it gets wrong."""
    random = np.random.default_rng(0)
    for name, colours in PHOTOGRAPHS.items():
        for n, colour in enumerate(colours.split()):
            pixels = random.integers(0, 90, (48, 48, 3), dtype=np.uint8)
            pixels[:, :, 2 - COLOURS.index(colour)] += 150
            path = tmp_path / "photographs" / name / f"{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_png(pixels))
    (tmp_path / "colours.py").write_text(NETWORK)
    weights = {"linear.weight": torch.eye(3).flip(0).contiguous() * 10, "linear.bias": torch.zeros(3)}
    save_file(weights, tmp_path / "colours.safetensors")
    call_command("import_images", "photographs", str(tmp_path / "photographs"))
    options = {"module": f"{tmp_path}/colours.py:Colours", "checkpoint": tmp_path / "colours.safetensors"}
    call_command("import_classifier", "colours", images="photographs", **options)


def log_in(page) -> None:
    User.objects.create_superuser("ada", password="a password of five words")
    page.goto("/admin/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("a password of five words")
    page.get_by_role("button", name="Log in").click()


def design(page) -> None:
    page.get_by_role("link", name="Add a study").click()
    page.get_by_label("Title").fill("What is red?")
    expect(page.get_by_label("Short name")).to_have_value("what-is-red")
    page.get_by_text("Rectified labelling").click()
    page.get_by_role("button", name="Next: its design").click()
    # None is chosen before the researcher chooses.
    page.locator("[name=classifier]").select_option(index=1)
    page.get_by_label("Answers per stimulus").fill("2")
    page.get_by_label("Threshold").fill("3")
    page.get_by_role("button", name="Create the study").click()
    expect(page.locator("#id_threshold_error")).to_have_text("Must not be above answers_per_stimulus, which is 2.")
    page.get_by_label("Threshold").fill("2")
    page.get_by_role("button", name="Create the study").click()
    expect(page.get_by_text("What is red? is a draft now. Prepare it next.")).to_be_visible()


def prepare(page) -> None:
    page.get_by_role("button", name="Prepare").click()
    expect(page.get_by_text("A worker is preparing this study.")).to_be_visible()
    with start_worker(app, pool="solo", queues=queue.QUEUES, perform_ping_check=False, shutdown_timeout=30):
        # The page notices by itself: nothing is clicked or loaded here.
        expect(page.get_by_role("link", name="Open …")).to_be_visible(timeout=30_000)
    expect(page.locator("dt", has_text="Stimuli").locator("+ dd")).to_have_text("3")


def answer_everything(page, link: str) -> None:
    page.goto(re.sub(r"^https?://[^/]+", "", link))
    page.get_by_role("button", name=re.compile("I agree")).click()
    page.get_by_role("button", name="Begin").click()
    for number in (1, 2, 3):
        expect(page.locator(".count")).to_have_text(re.compile(rf"^{number} of "))
        page.locator("form.painted").wait_for()
        page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("code", exact=False).first).to_be_visible()


def test_from_the_login_to_the_results(browse, classifier, tmp_path):
    page = browse()
    log_in(page)
    design(page)
    prepare(page)

    page.get_by_role("link", name="Open …").click()
    expect(page.get_by_text("Opening cannot be undone.")).to_be_visible()
    # Nobody has evaluated the classifier: the page says so, and asks.
    page.get_by_label("Open it in spite of that").check()
    page.get_by_role("button", name="Open the study").click()
    expect(page.get_by_text("The study is open: people with the link can take part.")).to_be_visible()
    expect(page.get_by_role("button", name="Save the texts")).to_have_count(0)

    link = page.locator("#participant-link").inner_text()
    for _ in range(2):
        answer_everything(browse(), link)

    page.get_by_role("link", name="Counts and times").click()
    expect(page.get_by_text("While a study runs, only counts and times are shown.")).to_be_visible()
    expect(page.locator("main, #content").first).not_to_contain_text("accept")
    page.get_by_role("link", name="Back to the study").click()

    page.get_by_role("link", name="Close …").click()
    expect(page.get_by_text("All 6 answers are there.")).to_be_visible()
    page.get_by_role("button", name="Close the study").click()

    # Three of eight photographs are errors, and everybody found the classifier right about all of them.
    expect(page.get_by_text(re.compile("the top-1 error of 37.50% becomes 0.00%"))).to_be_visible()
    expect(page.locator("figure svg, .desk-figure svg")).to_have_count(4)
    numbers = page.get_by_text("The numbers in a table").first
    numbers.click()
    expect(page.locator("details[open] tbody tr").last).to_have_text(re.compile(r"2\s*3"))

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download everything").click()
    with zipfile.ZipFile(Path(downloading.value.path())) as archive:
        name = next(name for name in archive.namelist() if name.endswith("analysis.json"))
        analysis = json.loads(archive.read(name))
    assert analysis["rectified_error"]["estimate"] == 0
    assert Study.objects.get().state == Study.State.CLOSED


@pytest.mark.parametrize("width", [390, 1280])
def test_while_a_study_is_prepared_its_page_shows_what_failed_and_lets_it_be_called_off(browse, classifier, width):
    page = browse(viewport={"width": width, "height": 844})
    log_in(page)
    design(page)
    page.get_by_role("button", name="Prepare").click()
    study = Study.objects.get()
    image = study_images(study)[0]
    long = "damaged or cut short: " + "image file is truncated, " * 6
    fails = Artifact(digest="a", kind="prediction", recipe={"image": image.sha256}, state="failed", problem=long)
    waits = Artifact(digest="b", kind="prediction", recipe={}, state="pending")
    study.artifacts.set(Artifact.objects.bulk_create([fails, waits]))
    # The page asks by itself: nothing is loaded here.
    expect(page.get_by_text("0 of 2, 1 failed")).to_be_visible()
    expect(page.get_by_label("What failed")).to_contain_text(f"{image.path} damaged or cut short")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Prepare again").click()
    expect(page.get_by_text("A worker prepares the study now.")).to_be_visible()
    page.get_by_role("button", name="Cancel the preparation").click()
    expect(page.get_by_text("The preparation failed. Its preparation was cancelled")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    study.refresh_from_db()
    assert study.state == Study.State.DRAFT


def study_images(study: Study) -> list[Image]:
    return list(Image.objects.filter(image_set__classifiers__name=study.design["classifier"]).order_by("path"))


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_window(browse, classifier, width):
    page = browse(viewport={"width": width, "height": 844})
    log_in(page)
    design(page)
    study = page.url
    for address in (
        "/admin/",
        "/admin/studies/study/",
        "/admin/studies/study/add/",
        study,
        study.replace("change", "design"),
    ):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address

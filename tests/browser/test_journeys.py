"""Every protocol from its design to its export, in a real browser with real methods; turns that lead nowhere."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from celery.contrib.testing.worker import start_worker
from django.core.management import call_command
from django.urls import reverse
from playwright.sync_api import expect
from safetensors.torch import save_file

from config.celery import app
from explainers.images import encode_png
from studies import lifecycle, protocols
from studies.jobs import queue
from studies.models import Participant, Slot, Study, Trial
from tests.browser.desk import account, log_in
from tests.factories import make_study, open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NETWORK = """
from torch import nn

class Colours(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 6)

    def forward(self, x):
        return self.linear(x[:, :, ::6, ::6].mean((2, 3)))
"""
COLOURS = {
    "blue": (0, 0, 1),
    "cyan": (0, 1, 1),
    "green": (0, 1, 0),
    "magenta": (1, 0, 1),
    "red": (1, 0, 0),
    "yellow": (1, 1, 0),
}
EACH = 10

#: What is changed of each protocol's default, so that one person's few answers fill it; settings by their names.
ATTACK = {"attack_step": "0.1", "attack_unit": "pixel", "attack_steps": "4"}
ONE_EACH = {"answers_per_stimulus": "1"}
JOURNEYS: dict[str, dict[str, str | list[str]]] = {
    "adversarial_trials": {
        **ONE_EACH,
        **ATTACK,
        "threshold": "1",
        "meeting": "separate_groups",
        "sample": "2",
        "lime_samples": "100",
        "lime_features": "4",
        "segmentation": "slic",
        "slic_segments": "9",
        "superpixels": "3",
    },
    # No attack flips this network at its first step, so that there would be no criticisms by the default.
    "attribute_annotation": {**ONE_EACH, "class_name": "red", "images": "2", "selection": "mmd", "threshold": "1"},
    "class_assignment": {
        **ONE_EACH,
        "rounds": "2",
        "conditions": ["mmd-prototypes-criticisms", "random"],
        "min_seconds": "0",
    },
    "rectified_labeling": {**ONE_EACH, "threshold": "1", "sample": "3"},
}


@pytest.fixture
def classifier(tmp_path):
    """A network that tells six colours apart, and for each a folder of photographs of which the last has another's.

    It looks at some of the pixels: a superpixel filled with its mean is another one to it, and explanations differ.
    """
    random = np.random.default_rng(0)
    names = list(COLOURS)
    for at, name in enumerate(names):
        for n in range(EACH):
            colour = COLOURS[names[(at + 1) % 6] if n == EACH - 1 else name]
            pixels = random.integers(0, 90, (36, 36, 3), dtype=np.uint8)
            pixels += np.array(colour, dtype=np.uint8) * 150
            path = tmp_path / "photographs" / name / f"{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_png(pixels))
    (tmp_path / "colours.py").write_text(NETWORK)
    weight = torch.tensor(list(COLOURS.values())).float() * 2 - 1
    save_file({"linear.weight": weight * 8, "linear.bias": -weight.sum(1) * 4}, tmp_path / "colours.safetensors")
    call_command("import_images", "photographs", str(tmp_path / "photographs"))
    options = {"module": f"{tmp_path}/colours.py:Colours", "checkpoint": tmp_path / "colours.safetensors"}
    call_command("import_classifier", "colours", images="photographs", **options)


def design(page, protocol: str) -> Study:
    page.get_by_role("link", name="Add a study").click()
    page.get_by_label("Title").fill(f"A journey: {protocol}")
    page.get_by_text(protocols.get(protocol).title, exact=True).click()
    page.get_by_role("button", name="Next: its design").click()
    # None is chosen before the researcher chooses.
    page.locator("[name=classifier]").select_option(index=1)
    # What is folded up is opened, as somebody would who looks for it.
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => (one.open = true))")
    for name, value in JOURNEYS[protocol].items():
        field = page.locator(f"[name={name}]")
        if field.first.evaluate("(one) => one.tagName") == "SELECT":
            field.select_option(value)
        elif field.first.get_attribute("type") == "radio":
            page.locator(f"[name={name}][value={value}]").check()
        elif isinstance(value, list):
            for box in field.all():
                box.set_checked(box.get_attribute("value") in value)
        else:
            field.fill(value)
    page.get_by_role("button", name="Create the study").click()
    expect(page.get_by_text("is a draft now. Prepare it next.")).to_be_visible()
    return Study.objects.get()


def prepare(page) -> None:
    page.get_by_role("button", name="Prepare").click()
    with start_worker(app, pool="solo", queues=queue.QUEUES, perform_ping_check=False, shutdown_timeout=30):
        expect(page.get_by_role("link", name="Open …")).to_be_visible()


def preview(page) -> None:
    """Every page to the last, by the preview's own link; nothing is stored."""
    page.get_by_role("link", name="Preview").click()
    onward = page.get_by_role("link", name="Next", exact=True)
    seen = [page.url]
    while onward.count():
        onward.click()
        expect(page.get_by_text("Nothing is stored.")).to_be_visible()
        assert page.url not in seen
        seen.append(page.url)
    assert len(seen) > 3
    assert not Participant.objects.exists()
    page.get_by_role("link", name="Back to the study").click()


def take_part(page, link: str) -> None:
    """By keyboard, to the code; the first answer each time."""
    page.goto(re.sub(r"^https?://[^/]+", "", link))
    page.get_by_role("button", name=re.compile("I agree")).press("Enter")
    page.get_by_role("button", name="Begin").press("Enter")
    at = page.locator("form.painted .count, .count").first
    while True:
        page.locator("form.painted, #code").first.wait_for()
        if page.locator("#code").count():
            return
        before = at.inner_text()
        page.keyboard.press(page.locator("button[data-key]").first.get_attribute("data-key"))
        page.wait_for_function("(before) => document.querySelector('.count')?.innerText !== before", arg=before)


@pytest.mark.parametrize("protocol", JOURNEYS)
def test_from_the_design_to_the_export(protocol, browse, classifier, tmp_path):
    account("ada", "researcher")
    page = browse()
    log_in(page, "ada")
    study = design(page, protocol)
    prepare(page)
    preview(page)
    page.get_by_role("link", name="Open …").click()
    # Nobody has evaluated the classifier: the page says so, and asks.
    page.get_by_label("Open it in spite of that").check()
    page.get_by_role("button", name="Open the study").click()
    link = page.locator("#participant-link").inner_text()
    for _person in range(4):
        if Slot.objects.filter(filled=False).exists():
            take_part(browse(), link)
    page.reload()
    page.get_by_role("link", name="Close …").click()
    expect(page.get_by_text(re.compile(r"All \d+ answers are there\."))).to_be_visible()
    page.get_by_role("button", name="Close the study").click()
    expect(page.get_by_text("The study is closed. Here are its results.")).to_be_visible()
    n = Trial.objects.exclude(answered_at=None).count()
    expect(page.locator("dt", has_text="Answers counted").locator("+ dd")).to_have_text(re.compile(rf"^{n} of {n}"))

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download everything").click()
    with zipfile.ZipFile(Path(downloading.value.path())) as archive:
        archive.extractall(tmp_path / "export")
    (answers,) = (tmp_path / "export").rglob("answers.csv")
    exported = pd.read_csv(answers)
    assert len(exported) == n > 1
    assert exported["counted"].all()
    assert Slot.objects.filter(stimulus__study=study, filled=False).count() == 0


# --- wrong turns ------------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(browse):
    user = account("ada", "researcher")
    page = browse()
    log_in(page, "ada")
    page.wait_for_url("**/admin/")

    def go(study: Study, name: str):
        Study.objects.filter(pk=study.pk).update(owner=user)
        page.goto(reverse(f"admin:studies_study_{name}", args=[study.pk]))
        return page

    return go


def test_an_open_study_is_not_edited(desk):
    study = open_study(2)
    page = desk(study, "change")
    page = desk(study, "design")
    expect(page.get_by_text(re.compile("can no longer be changed|cannot be changed"))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Save|Create"))).to_have_count(0)


def test_a_study_that_is_not_prepared_is_not_opened(desk):
    study = lifecycle.create_study(slug="draft", protocol="rectified_labeling", design=make_study(2).design)
    page = desk(study, "change")
    expect(page.get_by_role("link", name="Open …")).to_have_count(0)
    page = desk(study, "open")
    expect(page.get_by_text("draft", exact=False).first).to_be_visible()
    expect(page.get_by_role("button", name="Open the study")).to_have_count(0)
    study.refresh_from_db()
    assert study.state == Study.State.DRAFT


def test_a_study_with_answers_is_not_deleted(desk, browse):
    study = open_study(1, 1, threshold=1)
    take_part(browse(), reverse("studies:join", args=[study.link]))
    lifecycle.close_study(study)
    page = desk(study, "change")
    expect(page.get_by_role("link", name="Delete this study …")).to_have_count(0)
    page = desk(study, "delete")
    expect(page.get_by_text("cannot be deleted: people have taken part")).to_be_visible()
    assert Trial.objects.exclude(answered_at=None).count() == 1

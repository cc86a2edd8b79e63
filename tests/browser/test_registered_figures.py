"""A design with a margin, a registered look and exclusions, in a real browser: from the design to the export."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from playwright.sync_api import expect

from studies import protocols
from studies.export import recompute
from studies.models import Study
from tests.bench import CLASSES, prepare_made_up
from tests.browser.desk import account, log_in
from tests.factories import fill_slots, make_classifier, make_image_set, without_doubts

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SETTINGS = {"rounds": "24", "margin": "10", "interim_looks": "50"}


def design(page) -> None:
    page.get_by_role("link", name="Add a study").click()
    page.get_by_label("Title").fill("Which class is it?")
    page.get_by_text("Class assignment").click()
    page.get_by_role("button", name="Next: its design").click()
    page.locator("[name=classifier]").select_option(index=1)
    # What is folded up is opened, as somebody would who looks for it.
    for name in ("How many people", "What is asked"):
        group = page.locator(".desk-group > summary", has_text=name)
        if group.count():
            group.click()
    for name, value in SETTINGS.items():
        page.locator(f"[name={name}]").fill(value)
    page.get_by_role("button", name="Create the study").click()
    expect(page.locator("#id_spending_error")).to_have_text("Registered looks need a spending function.")
    page.locator("[name=spending]").select_option("pocock")
    page.get_by_role("button", name="Create the study").click()
    expect(page.get_by_text("is a draft now. Prepare it next.")).to_be_visible()


def answer_everything(study: Study) -> None:
    """As the protocol simulates it, some outside the window of time; somebody looks when half of it is there."""
    kind, random = protocols.get(study.protocol), np.random.default_rng(0)

    def says(stimulus):
        answer, seconds = kind.simulated_answer(study.design, stimulus.truth, None, random)
        return answer, round(1000 * seconds)

    fill_slots(study, 40, says)
    filled = list(study.slots.filter(filled=True).order_by("pk").values_list("pk", flat=True))
    later = study.slots.filter(pk__in=filled[round(study.slots.count() / 2) :])
    later.update(filled=False)
    call_command("analyse", study.slug)
    study.slots.filter(pk__in=filled).update(filled=True)


def test_a_margin_a_registered_look_and_exclusions_go_from_the_design_to_the_export(browse, tmp_path, capsys):
    without_doubts(make_classifier(make_image_set(classes=CLASSES, n_images=160)))
    account("ada", "researcher")
    page = browse()
    log_in(page, "ada")
    design(page)
    address, study = page.url, Study.objects.get()
    assert (study.design["margin"], study.design["spending"], study.design["interim_looks"]) == (10.0, "pocock", "50")
    prepare_made_up(study)

    page.goto(address)
    page.get_by_role("link", name="Open …").click()
    expect(page.get_by_text("At 50% of the answers, by Pocock’s spending function")).to_be_visible()
    expect(page.get_by_text("less than 200 ms after its picture was painted")).to_be_visible()
    page.get_by_role("button", name="Open the study").click()
    expect(page.get_by_text("The study is open: people with the link can take part.")).to_be_visible()
    study.refresh_from_db()
    answer_everything(study)

    page.goto(address)
    page.get_by_role("link", name="Close …").click()
    page.get_by_role("button", name="Close the study").click()
    headline = page.locator(".desk-headline")
    expect(headline).to_contain_text("registered contrasts")
    expect(headline).not_to_contain_text("Exploratory")
    for title in (
        "Differences against the margin",
        "Interim looks and their boundaries",
        "Registered contrasts at the boundary",
        "Before and after exclusions",
    ):
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    expect(page.get_by_text("Interim looks: with the registered looks the tests")).to_be_visible()

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download everything").click()
    with zipfile.ZipFile(Path(downloading.value.path())) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / study.slug
    found = json.loads((folder / "analysis.json").read_text())
    assert [look["registered"] for look in found["interim_looks"]["looks"]] == [True]
    assert found["sensitivity"]["steps"]
    assert any(one["equivalence"]["margin"] == 0.1 for one in found["contrasts"])
    assert recompute.main(folder) == 0, capsys.readouterr().out[-2000:]

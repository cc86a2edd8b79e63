"""The pages of a study at the desk in a real browser: axe in both schemes and widths; preview, renewing, excluding."""

import os
from pathlib import Path

import pytest
from django.core.cache import cache
from django.urls import reverse
from playwright.sync_api import expect

from studies import lifecycle, participation
from studies.models import ClassifierEvaluation, ImageSet, Participant, Study, Trial
from studies.results import cache as result_cache
from studies.results import page_data
from tests.bench import made_up_study
from tests.browser.desk import LOOKS, account, faults_in_all_looks, log_in, put_on
from tests.factories import open_study
from tests.fake_queue import Workers

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: Where pictures of the pages are kept for whoever wants to look at them.
PICTURES = os.environ.get("PICTURES_OF_PAGES")
SESSION = {
    "questions": "How old are you? | number",
    "example": True,
    "practice": 1,
    "gold": 2,
    "gold_rate": 0.5,
    "comments": True,
    "trials_per_participant": 3,
}


def owned(study: Study, user) -> Study:
    Study.objects.filter(pk=study.pk).update(owner=user)
    study.refresh_from_db()
    return study


def at(study: Study, name: str, query: str = "") -> str:
    return reverse(f"admin:studies_study_{name}", args=[study.pk]) + query


def answered(study: Study, people: int) -> None:
    for _ in range(people):
        person, _token = participation.enrol(study, consent=participation.current_consent(study))
        participation.start(person)
        while (trial := participation.current_trial(person)) is not None:
            participation.answer(person, trial.pk, trial.stimulus.truth.get("expected", "yes"), response_ms=1500)
            if trial.role == "practice":
                participation.leave_feedback(person, trial.pk)


def looked_at(page, name: str, within: str) -> list[str]:
    if PICTURES:
        for width, scheme in LOOKS:
            put_on(page, width, scheme)
            page.screenshot(path=Path(PICTURES) / f"{name}-{width}-{scheme}.png", full_page=True)
    return [f"{name}, {one}" for one in faults_in_all_looks(page, within)]


def test_axe_finds_nothing_on_the_pages_of_a_study(browse):
    ada = account("ada", "researcher")
    ready = owned(made_up_study("adversarial_trials", SESSION, n_images=240), ada)
    runs = owned(made_up_study("rectified_labeling", SESSION, n_images=240), ada)
    lifecycle.open_study(runs)
    answered(runs, 4)
    participation.exclude(runs.participants.first(), reason="answered in no time")
    closed = owned(open_study(2), ada)
    lifecycle.close_study(closed)
    page = browse(bypass_csp=True)
    log_in(page, "ada")
    page.wait_for_url("**/admin/")
    addresses = {
        "start": reverse("admin:index"),
        "study": at(ready, "change"),
        "stimuli": at(ready, "stimuli"),
        "stimulus": at(ready, "stimulus", "?number=1"),
        "duplicate": at(ready, "duplicate"),
        "delete": at(ready, "delete"),
        "open study": at(runs, "change"),
        "running": at(runs, "running"),
        "participants": at(runs, "participants"),
        "exclude": at(runs, "exclude", "?number=2"),
        "closed study": at(closed, "change"),
        "archive": at(closed, "archive"),
        "add": reverse("admin:studies_study_add"),
        "design": at(ready, "design"),
        "as in the paper": reverse(
            "admin:studies_study_add_design",
            query={"title": "Red", "slug": "red", "protocol": "rectified_labeling", "start": "top5"},
        ),
        "charts": at(runs, "charts"),
        "results": at(closed, "results"),
        "words": reverse("admin:studies_imageset_classes", args=[ImageSet.objects.first().pk]),
        "help": reverse("admin:help", args=["how-to/run-a-study.html"]),
    }
    found = []
    for name, address in addresses.items():
        page.goto(address)
        if page.locator(".desk-consequences").count():
            # The figures, or what is missing: no classifier is chosen before the researcher chooses.
            page.locator(".desk-comes-to, [data-part=problem] li").first.wait_for()
        found += looked_at(page, name, "#main")
    for key in ("consent", "questions", "instructions", "practice", "otherwise", "come-back", "thanks", "screened-out"):
        page.goto(at(ready, "preview", f"?at={key}"))
        found += looked_at(page, f"preview {key}", "body")
    page.goto(at(ready, "preview", "?number=1"))
    found += looked_at(page, "preview trial", "body")
    assert found == []


def test_a_preview_is_gone_through_by_its_own_buttons_and_stores_nothing(browse):
    study = owned(made_up_study("rectified_labeling", SESSION, n_images=240), account("ada", "researcher"))
    page = browse()
    log_in(page, "ada")
    page.get_by_role("link", name=study.title).click()
    page.get_by_role("link", name="Preview").click()
    for button, heading in (
        ("I agree", "A few questions about you"),
        ("Go on", "What to do"),
        ("Begin", "relevant for this image"),
    ):
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
        expect(page.get_by_text("Nothing is stored.")).to_be_visible()
    page.locator("form.painted").wait_for()
    page.keyboard.press("y")
    expect(page.locator(".verdict")).to_be_visible()
    # A page by itself: loaded again it is the same.
    page.reload()
    expect(page.locator(".verdict")).to_be_visible()
    page.get_by_role("link", name="Back to the study").click()
    expect(page.get_by_role("link", name="Preview")).to_be_visible()
    assert not Participant.objects.exists()
    assert not Trial.objects.exists()
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('quorum.kept'))") == []


def test_a_running_study_renews_itself_until_that_is_switched_off(browse):
    study = owned(open_study(4, 2, trials_per_participant=4), account("ada", "researcher"))
    page = browse()
    page.clock.install()
    log_in(page, "ada")
    page.wait_for_url("**/admin/")
    page.goto(at(study, "running"))
    expect(page.get_by_text("0 of 8")).to_be_visible()
    expect(page.get_by_text("No participants yet.")).to_be_visible()
    answered(study, 1)
    page.clock.run_for(16_000)
    expect(page.get_by_text("4 of 8")).to_be_visible()
    page.get_by_label("Update this page").uncheck()
    answered(study, 1)
    page.clock.run_for(60_000)
    expect(page.get_by_text("4 of 8")).to_be_visible()
    page.get_by_label("Update this page").check()
    page.clock.run_for(16_000)
    expect(page.locator("#running").get_by_text("8 of 8")).to_be_visible()
    # The charts come by themselves, less often, and are drawn anew when the last ones are half a minute old.
    cache.clear()
    page.clock.run_for(31_000)
    expect(page.get_by_role("heading", name="Answers over time")).to_be_visible()


def test_the_results_of_a_large_study_come_by_themselves_when_a_worker_has_counted(browse, monkeypatch):
    monkeypatch.setattr(result_cache, "AT_ONCE", 3)
    workers, told = Workers(monkeypatch), page_data.page_data
    study = owned(open_study(4, 2, trials_per_participant=4), account("ada", "researcher"))
    answered(study, 2)
    lifecycle.close_study(study)
    page = browse(bypass_csp=True)
    log_in(page, "ada")
    page.wait_for_url("**/admin/")
    page.goto(at(study, "results"))
    expect(page.get_by_text("waiting for a worker to count them")).to_be_visible()
    found = looked_at(page, "results to come", "#main")

    def failing(result):
        raise ValueError("no sense in it")

    monkeypatch.setattr(page_data, "page_data", failing)
    with pytest.raises(ValueError, match="no sense"):
        workers.answer()
    # Asked for every two seconds.
    expect(page.get_by_role("alert")).to_contain_text(
        "could not be counted: it stopped unexpectedly (ValueError: no sense in it)."
    )
    found += looked_at(page, "results that failed", "#main")
    monkeypatch.setattr(page_data, "page_data", told)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("waiting for a worker to count them")).to_be_visible()
    workers.work()
    expect(page.get_by_role("link", name="Download everything")).to_be_visible()
    assert page.locator("#results[hx-trigger]").count() == 0
    assert page.locator("#results svg").count() >= 2
    found += looked_at(page, "results that came", "#main")
    assert found == []


def test_a_design_tells_what_it_comes_to_while_it_is_written(browse):
    study = owned(made_up_study("rectified_labeling", n_images=240), account("ada", "researcher"))
    ClassifierEvaluation.objects.all().delete()
    page = browse()
    log_in(page, "ada")
    page.wait_for_url("**/admin/")
    page.goto(at(study, "design"))
    answers = page.locator(".desk-comes-to div", has_text="Answers needed")
    expect(answers).to_contain_text("400")
    page.get_by_label("Answers per stimulus").fill("7")
    # Of another design only an upper bound is known: nobody has checked the classifier.
    expect(answers).to_contain_text("1,680")
    # Said to whoever does not see it; the focus stays where somebody writes.
    said = page.locator(".desk-consequences [role=status]")
    expect(said).to_contain_text("1,680 answers by at least 34 people")
    expect(page.get_by_label("Answers per stimulus")).to_be_focused()
    page.get_by_label("Threshold").fill("9")
    problem = page.get_by_role("link", name="Threshold")
    expect(problem).to_be_visible()
    expect(said).to_contain_text("Must not be above answers_per_stimulus, which is 7.")
    expect(answers).to_contain_text("1,680")
    page.get_by_label("Threshold").fill("6")
    expect(problem).to_be_hidden()
    study.refresh_from_db()
    assert study.design["answers_per_stimulus"] == 5


def test_somebody_is_found_and_excluded(browse):
    study = owned(open_study(3, 2, trials_per_participant=3), account("ada", "researcher"))
    answered(study, 2)
    page = browse()
    log_in(page, "ada")
    page.wait_for_url("**/admin/")
    page.goto(at(study, "participants"))
    page.get_by_label("Number, identifier or completion code").fill("2")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Exclude participant 2").click()
    page.get_by_label("Reason").fill("answered in no time")
    page.get_by_role("button", name="Exclude the participant").click()
    expect(page.get_by_text("3 places opened again")).to_be_visible()
    assert study.participants.get(number=2).exclusion_reason == "answered in no time"

"""The list of studies, the page of one, and its results: what is shown, to whom, and what stays fixed once open."""

import io
import zipfile
from dataclasses import replace
from datetime import timedelta

import lxml.html
import pytest
from django.urls import reverse

from studies import lifecycle, participation, protocols
from studies.designs.consent_details import ConsentDetailsForm
from studies.models import Study
from studies.protocols import Summary
from studies.simulation import age
from tests.bench import made_up_study
from tests.factories import CLASSES, make_study, open_study
from tests.logged_in_users import researcher, said, staff, text

pytestmark = pytest.mark.django_db

State = Study.State


def at(study: Study, name: str = "change") -> str:
    return reverse(f"admin:studies_study_{name}", args=[study.pk])


def answered_study(people: int = 3, *, close: bool = True) -> Study:
    """Two stimuli, answered by so many people; everybody says yes."""
    study = open_study(2, people)
    for _ in range(people):
        person, _token = participation.enrol(study, consent=participation.current_consent(study), simulated=True)
        participation.start(person)
        while (trial := participation.current_trial(person)) is not None:
            participation.answer(person, trial.pk, "yes", response_ms=1500)
    if close:
        lifecycle.close_study(study)
    return study


# --- the list and the first page --------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/admin/studies/study/", "/admin/"])
def test_lists_show_state_and_progress(address):
    answered_study(2, close=False)
    make_study(3, 5)
    words = text(researcher().get(address))
    assert "Open" in words
    assert "4 of 4" in words
    assert "Ready" in words
    assert "15 wanted" in words


def test_the_list_has_the_participant_link_to_copy(settings):
    settings.SITE_URL = "https://quorum.example"
    study = make_study(3)
    link = f"https://quorum.example/s/{study.link}/"
    client = researcher()
    assert f'data-copy="{link}"' in client.get("/admin/studies/study/").content.decode()
    assert link in text(client.get(at(study)))


def test_the_first_page_puts_what_runs_first():
    for state in (State.DRAFT, State.CLOSED, State.OPEN, State.READY, State.PAUSED):
        Study.objects.filter(pk=make_study(1, slug=state).pk).update(state=state)
    rows = researcher().get("/admin/").context["rows"]
    assert [row["study"].slug for row in rows] == ["open", "paused", "ready", "draft", "closed"]


def test_an_empty_installation_shows_the_first_steps():
    words = text(researcher().get("/admin/"))
    assert "manage.py import_images NAME FOLDER" in words
    assert "manage.py import_classifier NAME" in words
    assert "Your first study" in words
    assert "No studies yet" in text(researcher().get("/admin/studies/study/"))
    imports = staff("view_import", "add_classifier").get("/admin/studies/import/")
    assert "No imports yet" in text(imports)
    assert reverse("admin:studies_classifier_add") in imports.content.decode()
    assert f'class="desk-button primary" href="{reverse("admin:studies_imageset_add")}"' not in imports.content.decode()


def test_who_may_not_see_studies_sees_none():
    study = make_study(3)
    client = staff("view_imageset")
    assert study.title not in text(client.get("/admin/"))
    assert client.get("/admin/studies/study/").status_code == 403
    for address in (at(study), at(study, "results"), at(study, "export")):
        assert client.get(address).status_code == 404


def test_who_may_only_look_sees_no_buttons():
    study = make_study(3)
    page = staff("view_study", sees=study).get(at(study))
    assert page.status_code == 200
    for word in ("Prepare again", "Open …", "Change the design", "Save the texts", "Delete this study"):
        assert word not in text(page)


# --- one study --------------------------------------------------------------------------------------------------------

BUTTONS = {
    State.DRAFT: ["Prepare"],
    State.PREPARING: ["Cancel the preparation", "Prepare again"],
    State.READY: ["Open", "Prepare again"],
    State.OPEN: ["Pause", "Close"],
    State.PAUSED: ["Open again", "Close"],
    State.CLOSED: ["Archive"],
}


@pytest.mark.parametrize("state", State.values)
def test_the_page_offers_what_can_be_done_in_its_state(state):
    study = make_study(3)
    Study.objects.filter(pk=study.pk).update(state=state)
    page = researcher().get(at(study))
    assert [step.button for step, says in page.context["steps"]] == BUTTONS[state]


def test_the_page_warns_while_the_consent_text_lacks_details_and_no_longer():
    study = make_study(3)
    Study.objects.filter(pk=study.pk).update(consent_text="", consent_details={})
    client = researcher()
    assert "Not ready for participants: its consent text has nothing for: researchers" in text(client.get(at(study)))
    told = dict.fromkeys(ConsentDetailsForm.base_fields, 1)
    Study.objects.filter(pk=study.pk).update(consent_details=told)
    assert "Not ready for participants" not in text(client.get(at(study)))


def test_the_design_is_a_table_with_what_each_setting_means():
    rows = researcher().get(at(make_study(3, classes=list(CLASSES[:2]), sample=1200))).context["design"]
    shown = {row["name"]: row["value"] for row in rows}
    assert (shown["Threshold"], shown["Classes"], shown["Sample"]) == ("4", ", ".join(CLASSES[:2]), "1,200")
    assert all(row["help"] for row in rows)


def test_what_preparing_found_is_reported():
    study = make_study(3)
    study.preparation["classifiers"] = {"net": "0123456789abcdef" * 4}
    study.save(update_fields=["preparation"])
    words = text(researcher().get(at(study)))
    assert "Images 12 Errors 3 Shown 3 Classifiers net 0123456789ab…" in words


def test_the_report_of_an_attack_is_in_words_and_compares_pictures():
    study = made_up_study("adversarial_trials")
    page = researcher().get(at(study))
    assert "Accuracy on clean images" in text(page)
    assert "66.67%" in text(page)
    assert "16 of 24 images" in text(page)
    images = compared(page)
    assert len(images) == 4 * min(8, study.preparation["shown"])
    # 32 pixels a side: three times as large, every pixel a square.
    assert {(image.get("width"), image.get("height")) for image in images} == {("96", "96")}
    assert researcher().get(images[0].get("src")).headers["Content-Type"] == "image/png"


def test_the_results_show_the_images_on_which_agreement_rose_most():
    study = made_up_study("adversarial_trials", {"answers_per_stimulus": 1, "threshold": 1})
    lifecycle.open_study(study)
    person, _token = participation.enrol(study, consent=participation.current_consent(study))
    for answer in ("no", "yes"):
        participation.start(person)
        while (trial := participation.current_trial(person)) is not None:
            participation.answer(person, trial.pk, answer)
        age(person, timedelta(days=4))
        person.refresh_from_db()
    lifecycle.close_study(study)
    page = researcher().get(at(study, "results"))
    assert "0 of 1 yes whole, 1 of 1 explained" in text(page)
    assert len(compared(page)) == 2 * 10


def compared(page) -> list:
    (gallery,) = lxml.html.fromstring(page.content).find_class("desk-compared")
    return gallery.findall(".//img")


def test_title_and_consent_can_be_changed_until_the_study_opens():
    study = make_study(3)
    response = researcher().post(at(study), {"title": "Other words", "consent_text": "I agree."}, follow=True)
    study.refresh_from_db()
    assert (said(response), study.title, study.consent_text) == (["The texts are saved."], "Other words", "I agree.")
    assert study.state == State.READY


def test_an_emptied_consent_text_is_the_composed_one():
    study = make_study(3)
    researcher().post(at(study), {"title": "Title", "consent_text": ""})
    study.refresh_from_db()
    assert study.consent_text == ""


def test_saving_texts_writes_no_other_column(monkeypatch):
    """A worker that finishes between reading and saving must not be undone."""
    study = make_study(3)
    Study.objects.filter(pk=study.pk).update(state=State.PREPARING)
    changing = lifecycle.change_texts

    def meanwhile(row, **texts):
        Study.objects.filter(pk=study.pk).update(state=State.READY, preparation={"images": 99})
        changing(row, **texts)

    monkeypatch.setattr(lifecycle, "change_texts", meanwhile)
    researcher().post(at(study), {"title": "New", "consent_text": "New"})
    study.refresh_from_db()
    assert (study.title, study.state, study.preparation) == ("New", State.READY, {"images": 99})


@pytest.mark.parametrize("state", [State.OPEN, State.PAUSED, State.CLOSED])
def test_a_study_that_has_opened_refuses_every_edit(state):
    study = open_study(3)
    Study.objects.filter(pk=study.pk).update(state=state)
    before = Study.objects.values().get(pk=study.pk)
    client = researcher()
    response = client.post(at(study), {"title": "Other", "consent_text": "Other"}, follow=True)
    assert said(response) == [f"Study {study.slug} is {state}: it can no longer be changed."]
    assert Study.objects.values().get(pk=study.pk) == before
    assert "Save the texts" not in text(client.get(at(study)))


def test_a_study_that_opens_while_its_texts_are_edited_keeps_them(monkeypatch):
    study = make_study(3)
    changing = lifecycle.change_texts

    def too_late(row, **texts):
        lifecycle.open_study(study)
        changing(row, **texts)

    monkeypatch.setattr(lifecycle, "change_texts", too_late)
    response = researcher().post(at(study), {"title": "Other", "consent_text": "Other"}, follow=True)
    assert said(response) == [f"Study {study.slug} is open: its texts can no longer be changed."]
    study.refresh_from_db()
    assert (study.title, study.consent_text) == ("Pictures and words", "")


def test_only_a_study_that_was_never_open_can_be_deleted():
    prepared, opened = make_study(3), open_study(3)
    client = researcher()
    assert "Delete this study" in text(client.get(at(prepared)))
    assert "Delete this study" not in text(client.get(at(opened)))
    client.post(at(opened, "delete"), {"post": "yes"})
    client.post(at(prepared, "delete"), {"post": "yes"})
    assert list(Study.objects.all()) == [opened]


def test_no_action_deletes_studies_from_the_list():
    study = open_study(3)
    data = {"action": "delete_selected", "_selected_action": [study.pk], "post": "yes"}
    researcher().post("/admin/studies/study/", data)
    assert Study.objects.filter(pk=study.pk).exists()


# --- results ----------------------------------------------------------------------------------------------------------


def test_an_unopened_study_has_no_results():
    study = make_study(3)
    assert said(researcher().get(at(study, "results"), follow=True)) == [
        f"Study {study.slug} is ready: it has no answers yet."
    ]


@pytest.mark.parametrize("state", [State.OPEN, State.PAUSED])
def test_while_a_study_runs_only_counts_and_times_are_shown(state, monkeypatch):
    study = answered_study(close=False)
    Study.objects.filter(pk=study.pk).update(state=state)
    looked = []
    monkeypatch.setattr(protocols.get(study.protocol), "summary", lambda *args: looked.append(args))
    client = researcher()
    words = text(client.get(at(study, "results")))
    assert "Answers counted 6 of 6 Participants 3 3 finished Panels full 2 0 partly, 0 empty" in words
    assert "Median response time 1.5 s" in words
    assert "Download everything" not in words
    assert not looked
    assert said(client.get(at(study, "export"), follow=True)) == [
        f"Study {study.slug} is {state}: only a closed study can be downloaded."
    ]


def test_the_results_of_a_closed_study_have_a_headline_a_table_and_figures():
    page = researcher().get(at(answered_study(), "results"))
    words = text(page)
    assert "At least 2 of 3 people accept 2 of the 2 errors" in words
    assert "Rectified top-1 error, R" in words
    content = page.content.decode()
    assert content.count("<svg") >= 2
    assert content.count("<details>") == len(page.context["figures"]) >= 2
    assert page.context["figures"][0]["table"]["rows"][-1] == [
        {"text": "3", "number": True, "column": "yes answers of 3"},
        {"text": "2", "number": True, "column": "images"},
    ]


def test_words_of_a_result_are_escaped(monkeypatch):
    study = answered_study()
    protocol = protocols.get(study.protocol)
    true_summary = protocol.summary

    def hostile(*args) -> Summary:
        return replace(true_summary(*args), headline="<script>alert(1)</script>")

    monkeypatch.setattr(protocol, "summary", hostile)
    content = researcher().get(at(study, "results")).content.decode()
    assert "<script>alert(1)" not in content
    assert "&lt;script&gt;alert(1)" in content


def test_a_closed_study_can_be_downloaded_whole():
    study = answered_study()
    response = researcher().get(at(study, "export"))
    assert response["Content-Disposition"] == f'attachment; filename="{study.slug}.zip"'
    with zipfile.ZipFile(io.BytesIO(response.getvalue())) as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist()}
        assert archive.testzip() is None
    assert {"answers.csv", "stimuli.csv", "analysis.json", "design.json"} <= names


@pytest.mark.parametrize("query", ["q=a%00b", "state__exact=a%00b", "owner__id__exact=%00", "%00=1"])
def test_a_zero_byte_in_an_address_is_refused_before_a_database_that_has_none_is_asked(query):
    assert researcher().get(f"{reverse('admin:studies_study_changelist')}?{query}").status_code == 400


@pytest.mark.parametrize(("longest", "status"), [(2000, 200), (2001, 400), (60_000, 400)])
def test_a_search_longer_than_anybody_types_is_refused_before_a_database_fails_at_it(longest, status):
    assert researcher().get(reverse("admin:studies_study_changelist"), {"q": "x" * longest}).status_code == status

"""Participants' pages, one behaviour at a time; whole sessions in a real browser are in tests/browser."""

import time
from datetime import timedelta

import lxml.html
import pytest
from django.core import signing
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from studies import lifecycle, participation
from studies.designs.consent import consent_texts
from studies.models import Participant, Stimulus, Study, Trial
from studies.simulation import age
from studies.views import session_pages
from studies.views.pages import FORM_AGE
from tests.factories import open_study
from tests.participant_client import Visitor, heading, stored, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor():
    return Visitor(open_study(4, 2))


# --- the way through --------------------------------------------------------------------------------------------------


def test_a_person_goes_from_the_link_to_the_completion_code(visitor):
    consent = visitor.get()
    assert "voluntary" in text(consent)
    visitor.send()
    person = visitor.participant
    assert person.consent.text in consent_texts(visitor.study).values()
    assert person.consented_at
    assert person.started_at is None
    assert "at most 4 pictures" in text(visitor.get())
    visitor.send()
    for number in range(1, 5):
        page = visitor.get()
        assert f"{number} of 4" in text(page)
        assert f"Is {visitor.trial.stimulus.shown['ask']} relevant for this image?" in text(page)
        visitor.send(answer="no", response_ms="1234")
    end = visitor.get()
    assert person.completion_code in text(end)
    assert "You answered 4 questions" in text(end)
    assert set(Trial.objects.values_list("answer", "response_ms", "counted")) == {("no", 1234, True)}


def test_each_choice_is_a_button_with_its_key(visitor):
    page = lxml.html.fromstring(visitor.begin().get().content)
    buttons = [(button.get("name"), button.get("value"), button.get("data-key")) for button in page.iter("button")]
    assert buttons == [("answer", "yes", "y"), ("answer", "no", "n")]


def test_the_next_picture_is_named_for_loading_ahead(visitor):
    visitor.begin()
    upcoming = participation.arrive(visitor.participant).ready[0]
    (form,) = lxml.html.fromstring(visitor.get().content).forms
    assert form.get("data-ahead") == reverse("studies:picture", args=[upcoming.stimulus.shown["picture"]["file"]])


def test_the_last_trial_has_nothing_to_load_ahead():
    visitor = Visitor(open_study(1)).begin()
    (form,) = lxml.html.fromstring(visitor.get().content).forms
    assert form.get("data-ahead") == ""


@pytest.fixture
def _no_pace_remembered(monkeypatch):
    monkeypatch.setattr(session_pages, "PACE_SECONDS", 0)
    cache.clear()
    yield
    cache.clear()


def minutes_left(visitor: Visitor) -> str:
    (left,) = [one.text_content() for one in lxml.html.fromstring(visitor.get().content).find_class("left")] or [""]
    return left


@pytest.mark.usefixtures("_no_pace_remembered")
def test_the_time_left_is_what_others_took_for_as_many_pictures(monkeypatch):
    monkeypatch.setattr(session_pages, "PACE_FROM", 5)
    study = open_study(12, 3)
    others = [Visitor(study).begin() for _ in range(5)]
    visitor = Visitor(study).begin()
    assert minutes_left(visitor) == ""
    # The median of five is told, whatever the slowest took.
    for other, seconds in zip(others, (20, 25, 30, 60, 900), strict=True):
        assert minutes_left(visitor) == ""
        age(other.participant, timedelta(seconds=seconds))
        other.send(answer="yes")
    said = []
    for _ in range(12):
        said.append(minutes_left(visitor))
        age(visitor.participant, timedelta(seconds=30))
        visitor.send(answer="yes")
    assert said[:2] == ["about 6 minutes left"] * 2
    assert said[2:4] == ["about 5 minutes left"] * 2
    assert said[-2:] == ["about one minute left"] * 2


def test_the_home_page_says_what_this_is_and_leads_to_the_admin(client):
    page = client.get(reverse("studies:home"))
    assert "people judge an image classifier" in text(page)
    assert reverse("admin:index") in page.content.decode()


# --- nothing is done twice --------------------------------------------------------------------------------------------


def test_agreeing_twice_enrols_one_participant(visitor):
    form = visitor.form()
    first, second = visitor.post(form), visitor.post(form)
    assert first.headers["Location"] == second.headers["Location"]
    assert Participant.objects.count() == 1


def test_every_visit_to_the_link_is_somebody_new(visitor):
    form, other = visitor.form(), visitor.form()
    assert visitor.post(form).headers["Location"] != visitor.post(other).headers["Location"]


def test_agreeing_again_after_the_study_closed_still_leads_to_ones_page(visitor):
    form = visitor.form()
    first = visitor.post(form)
    lifecycle.close_study(visitor.study)
    assert visitor.post(form).headers["Location"] == first.headers["Location"]


def test_leaving_the_instructions_twice_shows_one_trial(visitor):
    visitor.send()
    form = visitor.form()
    assert visitor.post(form).status_code == visitor.post(form).status_code == 303
    assert Trial.objects.filter(presented_at__isnull=False).count() == 1


def test_reloading_shows_the_same_trial(visitor):
    visitor.begin()
    pictures = {lxml.html.fromstring(visitor.get().content).find(".//img").get("src") for _ in range(3)}
    assert len(pictures) == 1
    assert Trial.objects.filter(presented_at__isnull=False).count() == 1


def test_an_answer_sent_twice_counts_once_and_leads_to_the_same_page(visitor):
    visitor.begin()
    form = visitor.form()
    first = visitor.post(form | {"answer": "yes"})
    after = stored()
    second = visitor.post(form | {"answer": "no"})
    assert (first.status_code, first.headers["Location"]) == (second.status_code, second.headers["Location"])
    assert stored() == after


def test_the_trial_of_an_older_tab_cannot_answer_the_current_one(visitor):
    visitor.begin()
    older = visitor.form()
    visitor.send(answer="yes")
    current = visitor.trial
    assert visitor.post(older | {"answer": "no"}).status_code == 303
    assert visitor.trial == current


# --- bad input --------------------------------------------------------------------------------------------------------


def tampered(form):
    step, number, rest = form["trial"].split(":", 2)
    return {"trial": f"{step}:{int(number) + 1}:{rest}"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(tampered, id="tampered"),
        pytest.param(lambda form: {"trial": form["trial"][:-1]}, id="cut short"),
        pytest.param(lambda form: {"trial": "1"}, id="unsigned"),
        pytest.param(lambda form: {"trial": ""}, id="empty"),
        pytest.param(lambda form: {"trial": "\x00é" * 50}, id="noise"),
        pytest.param(lambda form: {"answer": "maybe"}, id="an answer not offered"),
        pytest.param(lambda form: {"answer": ""}, id="no answer"),
        pytest.param(lambda form: {"answer": "yes\x00"}, id="an answer with a null"),
    ],
)
def test_a_form_that_was_changed_stores_nothing_and_says_how_to_go_on(visitor, change):
    visitor.begin()
    form, before = visitor.form() | {"answer": "yes"}, stored()
    refused = visitor.post(form | change(form))
    assert refused.status_code == 400
    assert heading(refused) == "That did not work"
    (onward,) = lxml.html.fromstring(refused.content).xpath("//main//a/@href")
    assert onward == visitor.path
    assert stored() == before


def test_a_form_without_its_fields_is_refused(visitor):
    visitor.begin()
    assert visitor.post({}).status_code == 400


def test_a_page_left_open_for_too_long_is_refused(visitor, monkeypatch):
    visitor.begin()
    with monkeypatch.context() as patch:
        then = int(time.time() - FORM_AGE.total_seconds() - 10)
        patch.setattr(signing.TimestampSigner, "timestamp", lambda self: signing.b62_encode(then))
        form = visitor.form()
    before = stored()
    refused = visitor.post(form | {"answer": "yes"})
    assert refused.status_code == 400
    assert "open for too long" in text(refused)
    assert stored() == before
    visitor.send(answer="yes")


def test_the_form_of_somebody_else_is_refused(visitor):
    visitor.begin()
    other = Visitor(visitor.study).begin()
    before = stored()
    assert visitor.post(other.form() | {"answer": "yes"}).status_code == 400
    assert stored() == before


def test_a_consent_form_that_was_changed_enrols_nobody_and_asks_again(visitor):
    form = visitor.form()
    for join in ("", form["join"][:-1], form["join"].swapcase()):
        refused = visitor.post({"join": join})
        assert refused.status_code == 400
        assert "agree again" in text(refused)
    assert Participant.objects.count() == 0


def test_a_consent_form_of_another_study_enrols_nobody(visitor):
    assert visitor.post(Visitor(open_study()).form()).status_code == 400
    assert Participant.objects.count() == 0


def test_a_text_that_changed_meanwhile_is_shown_before_anybody_agrees_to_it(visitor):
    form = visitor.form()
    visitor.study.consents.create(version=2, text="Something else.", sha256="0" * 64)
    again = visitor.post(form)
    assert Participant.objects.count() == 0
    assert "Something else." in text(again)
    visitor.send()
    assert visitor.participant.consent.version == 2


@pytest.mark.parametrize("claimed", ["", "-1", "1.5", "NaN", "1e9", "99999999999", "²", "soon"])
def test_a_response_time_that_is_none_is_left_out_and_the_answer_kept(visitor, claimed):
    visitor.begin()
    trial = visitor.trial
    visitor.send(answer="yes", response_ms=claimed)
    trial.refresh_from_db()
    assert (trial.answer, trial.response_ms) == ("yes", None)


@pytest.mark.parametrize(
    "path",
    [
        "/s/00000000-0000-4000-8000-000000000000/",
        "/s/not-a-link/",
        "/t/nobody/",
        "/t/nobody/consent/",
        "/t/%00/",
        "/nothing",
        "/pictures/artifacts/00/none.png",
    ],
)
def test_an_unknown_address_says_so_calmly(path):
    response = Client().get(path)
    assert response.status_code == 404
    assert heading(response) == "There is nothing at this address"


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(visitor, method):
    visitor.begin()
    assert getattr(visitor.client, method)(visitor.path).status_code == 405


def test_what_a_researcher_wrote_is_text_and_no_markup(visitor):
    visitor.study.consents.update(text="One.\n\n<script>alert(1)</script>")
    Study.objects.update(title="<b>bold</b>")
    page = visitor.get()
    assert "<b>bold</b>" in text(page)
    assert "<script>alert" in text(page)
    Stimulus.objects.update(shown={**Stimulus.objects.first().shown, "ask": "<i>cat</i>"})
    visitor.begin()
    assert "Is <i>cat</i> relevant" in text(visitor.get())


def test_a_form_sent_by_the_pages_script_is_answered_by_the_next_page_itself():
    visitor = Visitor(open_study(2)).begin()
    fields = visitor.form() | {"answer": "yes"}
    first = visitor.client.post(visitor.path, fields, headers={"X-Quorum-Page": "next"})
    assert first.status_code == 200
    assert dict(lxml.html.fromstring(first.content).forms[0].form_values())["trial"] != fields["trial"]
    again = visitor.client.post(visitor.path, fields, headers={"X-Quorum-Page": "next"})
    assert lxml.html.fromstring(again.content).find(".//img").get("src") == (
        lxml.html.fromstring(first.content).find(".//img").get("src")
    )
    assert stored()[0][0] == "yes"
    assert len([answer for answer, *_ in stored() if answer]) == 1

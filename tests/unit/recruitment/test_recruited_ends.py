"""Where recruited people go: with each outcome, from each page that is an end, and to no other site."""

from datetime import timedelta

import lxml.html
import pytest
from django.test import Client

from studies import lifecycle, participation
from studies.models import Arrival, Participant, Slot, Study, Trial
from studies.recruitment import arrivals
from studies.simulation import age
from tests.bench import made_up_study
from tests.factories import open_study
from tests.participant_client import Visitor, heading, text
from tests.recruiters import CODES, CONSENT, PREVIEW, SANDBOX, address, comes, from_framing, from_prolific, recruits

pytestmark = pytest.mark.django_db

COMPLETE = "https://app.prolific.com/submissions/complete?cc="


def outside(response) -> list[str]:
    """The links of a page that lead elsewhere."""
    return [url for url in lxml.html.fromstring(response.content).xpath("//a/@href") if url.startswith("http")]


def form_action(response) -> str:
    policy = response.headers["Content-Security-Policy"]
    return policy.partition("form-action ")[2].partition(";")[0]


def handing_in(response) -> tuple[str, dict[str, str]]:
    (form,) = lxml.html.fromstring(response.content).forms
    return form.action, dict(form.form_values())


def taken(key: str, query: dict, **design) -> Visitor:
    return comes(recruits(open_study(2, 1, **design), key), query).begin()


def test_prolific_gets_its_own_code_for_those_who_are_done():
    visitor = taken("prolific", from_prolific())
    visitor.finish()
    end = visitor.get()
    assert outside(end) == [COMPLETE + CODES["completed"]]
    assert form_action(end) == "'self'"


def test_prolific_gets_another_code_for_those_who_are_screened_out():
    study = made_up_study(
        "rectified_labeling", {"gold": 2, "gold_rate": 1.0, "trials_per_participant": 4}, n_images=192
    )
    lifecycle.open_study(study)
    visitor = comes(recruits(study, "prolific"), from_prolific()).begin()
    while trial := visitor.trial:
        wrong = {"yes": "no", "no": "yes"}[trial.stimulus.truth.get("expected", "no")]
        visitor.send(answer=wrong)
    assert visitor.participant.screened_out_at
    assert outside(visitor.get()) == [COMPLETE + CODES["screened_out"]]


def test_prolific_gets_another_code_for_those_who_do_not_agree_and_nothing_is_stored():
    visitor = comes(recruits(open_study(1, 1), "prolific"), from_prolific())
    assert outside(visitor.get()) == [COMPLETE + CODES["no_consent"]]
    assert not Participant.objects.exists()


@pytest.mark.parametrize("state", ["full", "closed", "paused", "late"])
def test_prolific_gets_another_code_for_those_for_whom_nothing_is_left(state):
    study = recruits(open_study(1, 1), "prolific")
    late = comes(study, from_prolific("e" * 24)).begin() if state == "late" else None
    if state in ("full", "late"):
        Slot.objects.update(holder=None, leased_until=None)
        comes(study, from_prolific("f" * 24)).begin().finish()
        Trial.objects.filter(answered_at=None).update(released_at="2026-01-01T00:00:00Z")
    if state == "closed":
        lifecycle.close_study(study)
    if state == "paused":
        lifecycle.pause_study(study)
    page = late.get() if late else comes(study, from_prolific()).get()
    assert outside(page) == [COMPLETE + CODES["nothing_left"]]


def test_without_a_code_of_its_own_an_outcome_has_words_and_no_way_to_be_paid_for_another():
    given = {name: "" for name in CODES if name != "completed"}
    visitor = comes(recruits(open_study(1, 1), "prolific", **given), from_prolific())
    page = visitor.get()
    assert outside(page) == []
    assert "return your submission on Prolific" in text(page)


def test_a_second_visit_is_another_submission_of_the_same_person_and_gets_its_own_code():
    study = made_up_study("adversarial_trials", {"threshold": 1})
    lifecycle.open_study(study)
    recruits(study, "prolific")
    visitor = comes(study, from_prolific(session="1" * 24)).begin()
    visitor.finish()
    waiting = visitor.get()
    assert heading(waiting) == "Thank you. Please come back"
    assert outside(waiting) == [COMPLETE + CODES["come_back"]]
    assert "You will be invited again" in text(waiting)
    person = visitor.participant
    assert arrivals.due(study) == []
    age(person, timedelta(days=3))
    (due,) = arrivals.due(study)
    assert (due.number, due.visit, due.person) == (person.number, 2, from_prolific()["PROLIFIC_PID"])
    again = comes(study, from_prolific(session="2" * 24, study="7" * 24))
    again.get()
    again.path = again.responses[-1].headers["Location"]
    assert heading(again.get()) == "Welcome back"
    again.send()
    again.finish()
    assert outside(again.get()) == [COMPLETE + CODES["completed"]]
    assert arrivals.due(study) == []
    assert Participant.objects.count() == 1


# --- a site with a frame ----------------------------------------------------------------------------------------------


def test_a_preview_shows_the_text_and_asks_stores_and_takes_nothing():
    study = recruits(open_study(1, 1), "framing")
    visitor = comes(study, PREVIEW)
    page = visitor.get()
    assert (page.status_code, heading(page)) == (200, "Would you like to take part?")
    assert "Accept the task to take part" in text(page)
    assert lxml.html.fromstring(page.content).forms == []
    for fields in ({}, comes(study, from_framing()).form()):
        assert visitor.post(fields).status_code == 200
    assert not Participant.objects.exists()
    assert not Arrival.objects.exists()
    assert participation.has_room(study)


def test_a_task_that_is_returned_and_accepted_again_goes_on_and_is_handed_in_as_the_new_assignment():
    study = recruits(open_study(2, 1), "framing")
    visitor = comes(study, from_framing(assignment="3FIRST")).begin()
    visitor.send(answer="yes")
    again = comes(study, from_framing(assignment="3SECOND"))
    again.get()
    again.path = again.responses[-1].headers["Location"]
    assert again.trial == visitor.trial
    again.finish()
    action, fields = handing_in(end := again.get())
    assert action == f"{SANDBOX}/submit"
    code = Participant.objects.get().completion_code
    assert fields == {"assignmentId": "3SECOND", "code": code, "outcome": "completed"}
    # On this page alone, to this site alone.
    assert form_action(end) == f"'self' {SANDBOX}"
    assert {form_action(page) for page in visitor.responses + again.responses if page is not end} == {"'self'"}


@pytest.mark.parametrize(
    "submit_to",
    [
        "https://framing.example",
        "https://evil.example",
        "https://sandbox.framing.example.evil.example",
        "http://sandbox.framing.example",
        "https://sandbox.framing.example@evil.example",
        "javascript:alert(1)",
    ],
)
def test_in_the_sandbox_no_other_host_is_handed_in_to(submit_to):
    page = comes(recruits(open_study(1, 1), "framing"), from_framing(submit_to=submit_to)).get()
    assert (page.status_code, "Please return it" in text(page)) == (400, True)
    assert submit_to not in page.content.decode()
    assert not Participant.objects.exists()


def test_only_the_recruiters_own_sites_frame_its_study_and_only_its_study():
    study, other = recruits(open_study(1, 1), "framing"), open_study(1, 1)
    visitor = comes(study, from_framing())
    pages = [
        visitor.get(),
        visitor.begin().get(),
        *(visitor.client.get(f"{visitor.path}{below}/") for below in ("withdraw", "consent")),
    ]
    for page in pages:
        assert page.headers["Content-Security-Policy"].endswith(f"frame-ancestors {SANDBOX}")
        assert "X-Frame-Options" not in page.headers
        assert not page.cookies
    for page in (Visitor(other).get(), comes(recruits(other, "prolific"), from_prolific()).get(), Client().get("/")):
        assert page.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
        assert page.headers["X-Frame-Options"] == "DENY"


def test_whoever_came_by_a_recruiter_before_goes_back_to_that_one():
    study: Study = recruits(open_study(2, 2), "framing")
    visitor = comes(study, from_framing()).begin()
    recruits(study, "prolific")
    visitor.finish()
    assert handing_in(visitor.get())[0] == f"{SANDBOX}/submit"
    other = comes(study, from_prolific()).begin()
    other.finish()
    assert outside(other.get()) == [COMPLETE + CODES["completed"]]


def test_whoever_comes_with_submissions_without_end_is_refused_and_nothing_more_is_stored(monkeypatch):
    monkeypatch.setattr(arrivals, "MOST_SUBMISSIONS", 3)
    study = recruits(open_study(1, 1), "framing")
    comes(study, from_framing(assignment="3A0")).begin()
    statuses = [Client().get(address(study, from_framing(assignment=f"3A{n}"))).status_code for n in range(5)]
    assert statuses == [303, 303, 303, 400, 400]
    assert Arrival.objects.count() == 3


def test_trying_many_ids_is_slowed_down_by_address(settings, within_one_minute):
    settings.JOIN_LIMIT = 2
    study = recruits(open_study(1, 1), "framing")
    comes(study, from_framing()).begin()
    one = Client(REMOTE_ADDR="203.0.113.44")
    assert [one.get(address(study, from_framing())).status_code for _ in range(4)] == [303, 303, 429, 429]


@pytest.mark.parametrize("language", ["fr", "de"])
@pytest.mark.parametrize(("key", "query"), [("prolific", from_prolific())])
def test_what_recruited_people_read_is_in_the_studys_language(key, query, language):
    study = recruits(open_study(1, 1, language=language), key)
    visitor = comes(study, query)
    pages = [visitor.get(), Client().get(address(study, {}))]
    visitor.begin().finish()
    pages.append(visitor.get())
    words = " ".join(text(page) for page in pages).replace(CONSENT, "")
    english = ("Please", "I do not agree", "Back to", "takes people", "until then")
    assert [one for one in english if one in words] == []

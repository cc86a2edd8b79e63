"""What participants' pages say in each state of a study."""

import pytest

from studies import lifecycle
from studies.models import Participant, Study, Trial
from tests.factories import make_study, open_study
from tests.participant_client import Visitor, heading, stored, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor():
    return Visitor(open_study(4, 2))


# --- the states of a study --------------------------------------------------------------------------------------------


def put(study: Study, state: str) -> None:
    Study.objects.filter(pk=study.pk).update(state=state)


@pytest.mark.parametrize(
    ("state", "status", "says"),
    [
        ("draft", 403, "This study has not begun yet"),
        ("preparing", 403, "This study has not begun yet"),
        ("ready", 403, "This study has not begun yet"),
        ("paused", 200, "This study is paused"),
        ("closed", 410, "This study has ended"),
    ],
)
def test_a_study_that_is_not_open_says_so_and_enrols_nobody(visitor, state, status, says):
    form = visitor.form()
    put(visitor.study, state)
    for response in (visitor.get(), visitor.post(form), visitor.post({})):
        assert (response.status_code, heading(response)) == (status, says)
    assert Participant.objects.count() == 0


def test_a_study_that_was_never_opened_says_so():
    response = Visitor(make_study()).get()
    assert (response.status_code, heading(response)) == (403, "This study has not begun yet")


def test_a_full_study_asks_nobody_to_consent():
    study = open_study(1, 1)
    visitor, late = Visitor(study).begin(), Visitor(study)
    assert heading(late.get()) == "There is nothing to do right now"
    visitor.send(answer="yes")
    assert heading(late.post({})) == "There is nothing to do right now"
    assert Participant.objects.count() == 1


def test_whoever_finds_every_place_taken_after_consenting_is_told_so():
    study = open_study(1, 1)
    first, second = Visitor(study), Visitor(study)
    first.send()
    second.send()
    first.send()
    first.send(answer="yes")
    second.send()
    end = second.get()
    assert "Every picture already has enough answers" in text(end)
    assert second.participant.completion_code not in text(end)


def test_a_pause_takes_the_answer_on_screen_and_keeps_the_place(visitor):
    visitor.begin()
    lifecycle.pause_study(visitor.study)
    assert "relevant for this image" in text(visitor.get())
    visitor.send(answer="yes")
    page = visitor.get()
    assert (page.status_code, heading(page)) == (200, "This study is paused")
    lifecycle.open_study(visitor.study)
    assert "2 of 4" in text(visitor.get())


def test_a_pause_before_the_instructions_are_left_shows_no_trial(visitor):
    visitor.send()
    form = visitor.form()
    lifecycle.pause_study(visitor.study)
    assert heading(visitor.get()) == "This study is paused"
    assert visitor.post(form).status_code == 303
    assert heading(visitor.get()) == "This study is paused"
    assert Trial.objects.count() == 0


def test_a_closed_study_takes_no_answer_and_gives_the_code_to_whoever_answered(visitor):
    visitor.begin()
    visitor.send(answer="yes")
    form, before = visitor.form(), stored()
    lifecycle.close_study(visitor.study)
    refused = visitor.post(form | {"answer": "yes"})
    assert (refused.status_code, heading(refused)) == (410, "This study has ended")
    assert "was not stored" in text(refused)
    assert visitor.participant.completion_code in text(visitor.get())
    assert stored() == before


def test_a_study_that_closed_before_the_first_answer_gives_no_code(visitor):
    visitor.begin()
    lifecycle.close_study(visitor.study)
    page = visitor.get()
    assert page.status_code == 410
    assert visitor.participant.completion_code not in text(page)


def test_whoever_is_done_sees_the_code_also_after_the_study_closed(visitor):
    visitor.begin().finish()
    lifecycle.close_study(visitor.study)
    page = visitor.get()
    assert page.status_code == 200
    assert visitor.participant.completion_code in text(page)

"""One address enrols a hundred times and holds places: others go on, wait where they must, and are never ended."""

from datetime import timedelta

import lxml.html
import pytest
from django.conf import settings as site
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studies import lifecycle, participation
from studies.models import Participant, Slot, Trial
from studies.participation import claiming
from studies.participation.claiming import LONGEST, lease
from tests.bench import made_up_study
from tests.factories import open_study
from tests.participant_client import Visitor, heading, text

pytestmark = pytest.mark.django_db

ATTACKER, OTHER = "203.0.113.5", "198.51.100.7"


@pytest.fixture(autouse=True)
def nothing_is_remembered():
    cache.clear()


def at(address: str, study) -> Visitor:
    visitor = Visitor(study)
    visitor.client = Client(REMOTE_ADDR=address)
    return visitor


def begins(address: str, study):
    """The instructions left behind; the response to the form that asks for the first trial."""
    visitor = at(address, study)
    visitor.send()
    response = visitor.post(visitor.form())
    visitor.path = response.headers.get("Location", visitor.path)
    return visitor, response


def held(study) -> int:
    return Slot.objects.filter(study=study, filled=False, leased_until__gt=timezone.now()).count()


def wait_for_the_leases_to_end(study) -> None:
    Slot.objects.filter(study=study, filled=False).update(leased_until=timezone.now() - timedelta(seconds=1))


def test_a_hundred_enrolments_of_one_address_hold_a_few_places(settings):
    settings.BEGINNERS_PER_ADDRESS = 5
    study = open_study(12, 8)
    refused = [response for _visitor, response in (begins(ATTACKER, study) for _ in range(30)) if response.headers]
    assert held(study) <= 2 * 5
    last = refused[-1]
    assert (last.status_code, heading(last), last.headers["Refresh"]) == (429, "Please wait a moment", "15")
    # Everyone else begins, answers and ends as if nobody had attacked.
    visitor, response = begins(OTHER, study)
    assert response.status_code == 303
    visitor.finish()
    assert Trial.objects.filter(counted=True).count() == 12


def test_without_limits_one_address_holds_every_place(settings):
    settings.BEGINNERS_PER_ADDRESS = settings.BEGINNERS_PER_LINK = 0
    study = open_study(4, 5)
    for _ in range(10):
        begins(ATTACKER, study)
    assert held(study) == 4 * 5


def test_a_link_has_a_limit_of_its_own_whatever_the_addresses(settings):
    settings.BEGINNERS_PER_LINK = 3
    study = open_study(4, 3)
    codes = [begins(f"203.0.113.{n}", study)[1].status_code for n in range(5)]
    assert codes == [303, 303, 303, 429, 429]


def test_the_limit_of_a_link_holds_nobody_back_while_there_are_many_more_places(settings):
    """Or strangers at a few addresses could keep everyone else from beginning at all."""
    settings.BEGINNERS_PER_LINK = 3
    study = open_study(12, 8)
    codes = [begins(f"203.0.113.{n}", study)[1].status_code for n in range(30)]
    assert codes == [303] * 24 + [429] * 6
    assert held(study) == 48


def test_who_has_answered_makes_room_for_the_next_of_their_address(settings):
    settings.BEGINNERS_PER_ADDRESS = 1
    study = open_study(6, 4)
    first, _response = begins(ATTACKER, study)
    assert begins(ATTACKER, study)[1].status_code == 429
    first.send(answer="yes")
    assert begins(ATTACKER, study)[1].status_code == 303


def test_whoever_waited_begins_when_a_lease_has_ended(settings):
    settings.BEGINNERS_PER_ADDRESS = 1
    study = open_study(6, 4)
    begins(ATTACKER, study)
    waiting, response = begins(ATTACKER, study)
    assert response.status_code == 429
    wait_for_the_leases_to_end(study)
    assert waiting.post(waiting.form()).status_code == 303


def taken_by_others(study, but: Visitor) -> None:
    """Everything that is free is leased to people who do nothing."""
    while Slot.objects.filter(claiming.free(timezone.now()), study=study).exists():
        person, _token = participation.enrol(study, consent=participation.current_consent(study))
        participation.start(person)


def test_somebody_in_the_middle_waits_while_others_hold_all_that_is_left_and_then_goes_on():
    study = open_study(6, 2)
    visitor = Visitor(study).begin()
    taken_by_others(study, visitor)
    visitor.send(answer="yes")
    visitor.send(answer="yes")
    page = visitor.get()
    assert heading(page) == "Please wait a moment"
    assert page.headers["Refresh"] == "15"
    assert lxml.html.fromstring(page.content).xpath("//*[@data-refresh='15']")
    assert visitor.participant.finished_at is None
    wait_for_the_leases_to_end(study)
    visitor.get()
    visitor.finish()
    assert visitor.participant.trials.filter(counted=True).count() == 6


def test_before_there_was_waiting_they_were_ended_for_good(monkeypatch):
    monkeypatch.setattr(claiming, "_may_come_free", lambda person, counts: False)
    study = open_study(6, 2)
    visitor = Visitor(study).begin()
    taken_by_others(study, visitor)
    visitor.send(answer="yes")
    visitor.send(answer="yes")
    assert visitor.participant.finished_at


def test_who_does_not_want_to_wait_ends_with_their_code():
    study = open_study(6, 2)
    visitor = Visitor(study).begin()
    taken_by_others(study, visitor)
    visitor.send(answer="yes")
    visitor.send(answer="yes")
    visitor.send()
    assert visitor.participant.finished_at
    assert visitor.participant.completion_code in text(visitor.get())


def test_a_button_to_stop_that_comes_too_late_shows_what_there_is():
    study = open_study(6, 2)
    visitor = Visitor(study).begin()
    taken_by_others(study, visitor)
    visitor.send(answer="yes")
    visitor.send(answer="yes")
    form = visitor.form()
    wait_for_the_leases_to_end(study)
    visitor.post(form)
    assert visitor.participant.finished_at is None
    assert visitor.trial


def test_nobody_waits_where_every_place_is_filled():
    study = open_study(2, 1)
    Visitor(study).begin().finish()
    assert Trial.objects.filter(counted=True).count() == 2
    late, _token = participation.enrol(study, consent=participation.current_consent(study))
    assert not participation.start(late).waits
    late.refresh_from_db()
    assert late.finished_at


def test_a_page_loaded_again_and_again_does_not_keep_its_place_for_ever():
    study = open_study(1, 1)
    visitor = Visitor(study).begin()
    long_ago = timezone.now() - (LONGEST + 1) * lease(study)
    Trial.objects.update(presented_at=long_ago)
    wait_for_the_leases_to_end(study)
    for _ in range(3):
        visitor.get()
    assert held(study) == 0
    # The place is still theirs as long as nobody else wants it.
    visitor.send(answer="yes")
    assert Trial.objects.filter(counted=True).count() == 1


def test_practice_holds_no_place():
    study = made_up_study("rectified_labeling", {"practice": 1, "answers_per_stimulus": 2, "threshold": 1})
    lifecycle.open_study(study)
    visitor = Visitor(study).begin()
    assert (visitor.trial.role, held(study)) == ("practice", 0)
    visitor.send(answer=visitor.trial.stimulus.truth["expected"])
    visitor.send()
    assert held(study) == 2


@pytest.mark.parametrize("where", ["GET", "POST"])
def test_a_study_may_ask_for_one_enrolment_a_browser(where):
    study = open_study(6, 4, one_per_browser=True)
    visitor = Visitor(study)
    join, form = visitor.path, visitor.form()
    visitor.path = visitor.post(form).headers["Location"]
    cookie = visitor.client.cookies["quorum_took_part"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == (join, True, "Lax")
    assert visitor.path.split("/")[2] not in cookie.value
    # The form that was sent twice leads to the same participant; a new one to nobody.
    assert visitor.client.post(join, form).headers["Location"] == visitor.path
    if where == "GET":
        again = visitor.client.get(join)
    else:
        again = visitor.client.post(join, dict(lxml.html.fromstring(Client().get(join).content).forms[0].form_values()))
    assert (again.status_code, heading(again)) == (403, "You have taken part already")
    assert Participant.objects.count() == 1
    assert Client().get(join).status_code == 200
    assert "your browser keeps a cookie" in participation.current_consent(study).text


def test_other_studies_set_no_cookie():
    visitor = Visitor(open_study(2, 2)).begin()
    assert not visitor.client.cookies
    assert visitor.client.get(reverse("studies:join", args=[visitor.study.link])).status_code == 200


def test_the_limits_are_settings_far_above_what_a_class_needs():
    assert (site.BEGINNERS_PER_ADDRESS, site.BEGINNERS_PER_LINK) == (30, 300)

"""Participants read again what they agreed to, and nothing of a running trial is touched by it."""

from datetime import UTC, datetime, timedelta

import lxml.html
import pytest
from django.core.cache import cache
from django.test import Client

from studies import lifecycle, participation
from studies.models import Participant, Study
from tests.factories import CONSENT, open_study
from tests.participant_client import Visitor, heading, stored, text

pytestmark = pytest.mark.django_db

OTHER = "Another text, agreed to by nobody."


def links(response) -> list[str]:
    return lxml.html.fromstring(response.content).xpath("//footer//a[@target='_blank']/@href")


def own_page(visitor: Visitor):
    return visitor.client.get(f"{visitor.path}consent/")


def agreed(study: Study, language: str = "en") -> Visitor:
    visitor = Visitor(study)
    visitor.client.defaults["HTTP_ACCEPT_LANGUAGE"] = language
    visitor.send()
    return visitor


def test_every_page_below_a_participants_address_leads_to_it():
    visitor = agreed(open_study(2, 2, comments=True, questions="How old are you?"))
    own = f"{visitor.path}consent/"
    pages = [visitor.get(), visitor.client.get(f"{visitor.path}withdraw/")]
    visitor.send()
    pages.append(visitor.get())
    visitor.send()
    pages.append(visitor.get())
    assert visitor.trial
    visitor.finish()
    pages.append(visitor.get())
    visitor.send(comments="")
    pages.append(visitor.get())
    lifecycle.pause_study(visitor.study)
    pages.append(visitor.get())
    assert len({heading(page) for page in pages}) >= 5
    assert [links(page) for page in pages] == [[own]] * len(pages)
    # Before there is a participant there is nothing to read again.
    assert links(Visitor(open_study(1, 1)).get()) == []


def test_it_is_the_version_and_the_language_that_they_agreed_to_and_no_other():
    study = open_study(2, 2)
    visitor = agreed(study, "de")
    study.consents.create(version=2, language="de", text=OTHER, sha256="0" * 64)
    visitor.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "fr"
    page = own_page(visitor)
    assert heading(page) == "Ce que vous avez accepté"
    assert "Was gespeichert wird" in text(page)
    assert "version 1" in text(page)
    assert OTHER not in text(page)
    assert lxml.html.fromstring(page.content).xpath("//main//div[@lang='de']//h2/text()")[0] == "Über die Studie"
    later = agreed(study, "de")
    assert OTHER in text(own_page(later))
    assert "Fassung 2" in text(own_page(later))


def test_it_tells_when_they_agreed_with_the_zone_and_whom_to_ask(settings):
    visitor = agreed(open_study(1, 1))
    when = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    Participant.objects.update(consented_at=when)
    settings.TIME_ZONE = "Europe/Berlin"
    page = own_page(visitor)
    (time,) = lxml.html.fromstring(page.content).xpath("//time")
    assert time.text == "March 2, 2026, 00:30 (CET)"
    # What the script shows by the browser's own clock is this very moment.
    assert datetime.fromisoformat(time.get("datetime")) == when
    assert f"Questions about the study: {CONSENT['contact']}" in text(page)


def test_a_text_of_the_researchers_own_is_shown_as_text_and_no_markup():
    study = open_study(1, 1)
    visitor = agreed(study)
    participation.find(visitor.path.split("/")[2])
    own = study.consents.create(version=2, text="# Purpose\nWe <b>ask</b>.", sha256="1" * 64)
    Participant.objects.update(consent=own)
    page = lxml.html.fromstring(own_page(visitor).content)
    assert page.xpath("//main//h2/text()") == ["Purpose"]
    assert "We <b>ask</b>." in page.text_content()


def test_reading_it_in_the_middle_of_a_trial_stores_nothing_and_moves_no_lease():
    visitor = agreed(open_study(3, 2))
    visitor.send()
    visitor.get()
    before, trial = stored(), visitor.trial
    page = own_page(visitor)
    assert visitor.client.head(f"{visitor.path}consent/").status_code == 200
    assert (page.status_code, page.headers["Cache-Control"], dict(page.cookies)) == (200, "no-store", {})
    assert stored() == before
    assert visitor.trial == trial
    visitor.send(answer="yes", response_ms="1234")
    trial.refresh_from_db()
    assert trial.response_ms == 1234
    # The page of the study itself moves something, which this comparison sees.
    assert stored() != before


def test_nothing_is_sent_to_it():
    visitor = agreed(open_study(1, 1))
    assert visitor.client.post(f"{visitor.path}consent/", {"trial": "x"}).status_code == 405


def test_it_counts_among_the_requests_of_a_token_and_guesses_among_those_of_an_address(settings, within_one_minute):
    settings.TOKEN_LIMIT = 5
    visitor = agreed(open_study(1, 1))
    cache.clear()
    assert [own_page(visitor).status_code for _ in range(6)] == [200] * 5 + [429]
    assert visitor.client.get(visitor.path).status_code == 429
    settings.JOIN_LIMIT = 2
    guesser = Client(REMOTE_ADDR="203.0.113.7")
    assert [guesser.get(f"/t/guess-{n}/consent/").status_code for n in range(4)] == [404, 404, 429, 429]


@pytest.mark.parametrize("withdrawal", ["remove", "anonymise"])
def test_after_a_withdrawal_nothing_is_shown_as_at_an_address_of_nobody(withdrawal):
    visitor = agreed(open_study(1, 1, withdrawal=withdrawal))
    assert own_page(visitor).status_code == 200
    participation.withdraw(visitor.participant)
    page = own_page(visitor)
    assert (page.status_code, heading(page)) == (404, "There is nothing at this address")
    assert text(page) == text(Client().get("/t/nobody/consent/"))


def test_it_can_be_read_once_the_study_has_closed_until_what_leads_to_the_person_is_removed():
    study = open_study(1, 1)
    visitor = agreed(study)
    lifecycle.close_study(study)
    assert own_page(visitor).status_code == 200
    Participant.objects.update(consented_at=visitor.participant.consented_at - timedelta(days=400))
    participation.disconnect(Participant.objects.all())
    assert own_page(visitor).status_code == 404

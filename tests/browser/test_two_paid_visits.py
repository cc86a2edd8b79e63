"""A study of two visits, from its posting at a stub of Prolific to the payment of both, in a real browser."""

from datetime import timedelta

import pytest
from django.urls import reverse

from studies import lifecycle
from studies.lib import http_api
from studies.models import Arrival, Participant, Posting, Study
from studies.recruitment import payments, postings
from studies.simulation import age
from tests.bench import made_up_study
from tests.browser.desk import account, log_in
from tests.prolific_stub import ProlificStub, serving, use
from tests.recruiters import CODES, recruits

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PERSON = "5f1a2b3c4d5e6f7a8b9c0d1e"


@pytest.fixture
def stub(settings, live_server, monkeypatch):
    monkeypatch.setattr(http_api, "pause", lambda seconds: None)
    with serving(ProlificStub()) as service:
        use(service, settings)
        settings.SITE_URL = live_server.url
        yield service


def post(desk, study, visit: str, reward: str) -> Posting:
    """Post the study and publish it, by the pages of the desk."""
    desk.goto(reverse("admin:studies_study_posting", args=[study.pk]))
    form = desk.get_by_label("New posting")
    form.locator("select[name=visit]").select_option(visit)
    for name, value in {"places": "5", "reward": reward, "minutes": "10", "description": "Look at pictures."}.items():
        form.locator(f"[name={name}]").fill(value)
    form.get_by_role("button", name="Make a draft").click()
    desk.get_by_text("The draft is made.").wait_for()
    posting = Posting.objects.latest("pk")
    desk.locator("input[name=total]").fill(payments.money(5 * posting.reward))
    desk.get_by_role("button", name="Publish").click()
    desk.get_by_text("It is published.").wait_for()
    return posting


def takes_part(page, stub, posting: Posting, *, first: bool) -> str:
    """Take part as Prolific sends people, and hand in the code that the last page leads back with."""
    submission, address = stub.take(posting.name, PERSON)
    page.goto(address)
    if first:
        page.get_by_role("button", name="I agree").click()
    page.get_by_role("button", name="Begin").click()
    number = 1
    while True:
        page.locator("form.painted, a:has-text('Back to Prolific')").first.wait_for()
        if page.locator("form.painted").count() == 0:
            break
        page.locator("button[data-key]").first.click()
        number += 1
        page.locator(f".count:text-matches('^{number} of'), a:has-text('Back to Prolific')").first.wait_for()
    way = page.get_by_role("link", name="Back to Prolific").get_attribute("href")
    stub.complete(submission, way.partition("cc=")[2])
    return submission


def test_two_visits_are_posted_taken_and_paid_once_each(browse, stub):
    study = recruits(made_up_study("adversarial_trials", {"threshold": 1}), "prolific")
    lifecycle.open_study(study, untold_anyway=True)
    # Money is spent by the owner alone.
    Study.objects.update(owner=account("ada", "researcher"))
    desk, page = browse(), browse()
    log_in(desk, "ada")
    desk.locator("#main").wait_for()
    first = post(desk, study, "1", "1.50")
    one = takes_part(page, stub, first, first=True)
    assert stub.rows[one]["study_code"] == CODES["come_back"]
    desk.get_by_role("button", name="Read submissions now").click()
    desk.get_by_text("All submissions are read.").wait_for()
    assert stub.paid == [(one, 150)]
    age(Participant.objects.get(), timedelta(days=3))
    second = post(desk, study, "2", "2.00")
    # Only who is due is shown the second posting.
    assert (stub.open_to(second.name, PERSON), stub.open_to(second.name, "b" * 24)) == (True, False)
    two = takes_part(page, stub, second, first=False)
    assert stub.rows[two]["study_code"] == CODES["completed"]
    postings.ask(second)
    postings.ask(first)
    assert stub.paid == [(one, 150), (two, 200)]
    rows = [(row.visit, row.outcome, row.state, row.base) for row in payments.table(study)]
    assert rows == [(1, "come_back", "approved", 150), (2, "completed", "approved", 200)]
    assert Participant.objects.count() == 1
    assert Arrival.objects.count() == 2

"""A storm of messages, and workers killed at any request, before it or after it: everybody is paid what they are owed.

The same with ten thousand messages and processes that are really killed is `python -m benchmarks.recruiter_storm`.
"""

from random import Random

import httpx
import pytest

from studies.lib import http_api
from studies.lib.errors import StudyError
from studies.models import Arrival
from studies.recruitment import bonuses, postings
from tests.prolific_stub import ProlificStub, serving, use
from tests.recruiter_storm import Storm

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """As a process that is killed: no code of ours catches it."""


@pytest.fixture
def deadly(settings, monkeypatch):
    """The stub, and a way to have requests killed by the dice."""
    monkeypatch.setattr(http_api, "pause", lambda seconds: None)
    plain, dice = httpx.Client.request, Random(4)
    chance = {"of": 0.0}

    def request(self, *args, **kwargs):
        if dice.random() < chance["of"]:
            raise Killed
        reply = plain(self, *args, **kwargs)
        if dice.random() < chance["of"]:
            raise Killed
        return reply

    with serving(ProlificStub()) as stub:
        use(stub, settings)
        monkeypatch.setattr(httpx.Client, "request", request)
        yield stub, chance


def weather(storm: Storm, chance: dict[str, float], client, monkeypatch) -> int:
    """The storm, in which whoever is rung for is killed time and again; how often they were."""
    kills, rung = 0, []
    monkeypatch.setattr("studies.jobs.queue.enqueue_posting", lambda pk: rung.append(pk) or True)
    chance["of"] = 0.15
    for message in storm.messages(60):
        storm.send(client, message)
        while rung:
            try:
                postings.ask_by_id(rung.pop())
                storm.pay_bonuses()
            except Killed:
                kills += 1
            except StudyError:
                # The researcher sees why, and comes again.
                pass
    chance["of"] = 0
    # Calm: what the sweep and a researcher do afterwards.
    postings.ask(storm.posting)
    storm.pay_bonuses()
    return kills


def test_nobody_is_overpaid_nobody_unpaid_and_no_place_stuck(deadly, client, monkeypatch):
    stub, chance = deadly
    storm = Storm(stub, 30, seed=1)
    assert weather(storm, chance, client, monkeypatch) >= 5
    assert storm.harm() == []


def test_the_storm_notices_bonuses_that_are_asked_for_again(deadly, client, monkeypatch):
    stub, _chance = deadly
    storm = Storm(stub, 15, seed=2)

    def again(payment, paid):
        payment.state = bonuses.State.SET_UP
        type(payment).objects.filter(pk=payment.pk).update(state=payment.state)
        bonuses.go_on(payment)

    monkeypatch.setattr(bonuses, "settle", again)
    for act in storm.acts:
        act()
    postings.ask(storm.posting)
    payment = bonuses._begin(storm.posting, storm.owed_bonuses())
    stub.faults = {r"POST .*/pay/": ["lose"]}
    with pytest.raises(StudyError):
        bonuses.go_on(payment)
    storm.pay_bonuses()
    assert ["instead of" in line for line in storm.harm()] == [True]


def test_the_storm_notices_codes_that_approve_by_themselves(deadly, monkeypatch):
    stub, _chance = deadly
    storm = Storm(stub, 15, seed=3)
    monkeypatch.setattr(postings, "why_not", lambda posting, arrival: "")
    for act in storm.acts:
        act()
    postings.ask(storm.posting)
    storm.pay_bonuses()
    assert sorted({line.partition(" was paid ")[0] for line in storm.harm()}) == [
        "a person who was screened out, with another's code",
        "a person who was unfinished, with another's code",
    ]
    assert Arrival.objects.filter(state="approved").exists()

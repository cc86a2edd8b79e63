"""Who may frame participants' pages, and how often somebody may ask for them."""

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from studies.models import Participant
from tests.factories import open_study
from tests.participant_client import Visitor, heading, stored

pytestmark = pytest.mark.django_db

RECRUITERS = ["https://sandbox.framing.example", "https://framing.example"]
ELSEWHERE = "203.0.113.7"


@pytest.fixture(autouse=True)
def _clean_slate(within_one_minute):
    cache.clear()
    yield
    cache.clear()


def framing(response) -> tuple[str, str | None]:
    policy = response.headers.get("Content-Security-Policy", "")
    return policy.partition("frame-ancestors ")[2], response.headers.get("X-Frame-Options")


def test_the_recruiters_may_frame_participants_pages_and_nobody_anything_else(settings, client):
    settings.FRAME_ANCESTORS = RECRUITERS
    study = open_study(2)
    visitor = Visitor(study)
    assert framing(visitor.get()) == (" ".join(RECRUITERS), None)
    assert framing(visitor.begin().get()) == (" ".join(RECRUITERS), None)
    picture = reverse("studies:picture", args=[study.stimuli.first().shown["picture"]["file"]])
    for path in ("/", picture, "/pictures/none.png", "/admin/login/", "/nothing/here/"):
        ancestors, header = framing(client.get(path))
        assert ancestors in ("'none'", ""), path
        assert header == "DENY", path


def test_without_recruiters_no_page_is_framed():
    visitor = Visitor(open_study(2))
    assert framing(visitor.get()) == ("'none'", "DENY")
    assert framing(visitor.begin().get()) == ("'none'", "DENY")


def test_whoever_asks_for_their_page_too_often_waits_and_has_lost_nothing(settings):
    settings.TOKEN_LIMIT = 6
    one, other = Visitor(open_study(3)).begin(), Visitor(open_study(3)).begin()
    one.send(answer="yes")
    before = stored()
    while (page := one.get()).status_code == 200:
        assert len(one.responses) < 20
    assert (page.status_code, heading(page), page.headers["Retry-After"]) == (429, "One moment, please", "60")
    assert page.headers["Cache-Control"] == "no-store"
    assert one.post({"trial": "whatever"}).status_code == 429
    assert stored() == before
    # Another person is not made to wait, and after a minute nor is this one.
    assert other.get().status_code == 200
    cache.clear()
    assert one.get().status_code == 200


def test_an_address_that_joins_again_and_again_waits_and_others_do_not(settings):
    settings.JOIN_LIMIT = 3
    study = open_study(3)
    visitor = Visitor(study)
    visitor.client = Client(REMOTE_ADDR=ELSEWHERE)
    statuses = [visitor.post(visitor.form()).status_code for _ in range(5)]
    assert statuses == [303, 303, 303, 429, 429]
    assert Participant.objects.count() == 3
    assert Client(REMOTE_ADDR="203.0.113.8").post(visitor.path, visitor.form()).status_code == 303
    # Reading the consent is free.
    assert visitor.get().status_code == 200


def test_guessing_tokens_is_counted_by_address(settings):
    settings.JOIN_LIMIT = 3
    guesser = Client(REMOTE_ADDR=ELSEWHERE)
    assert [guesser.get(f"/t/guess-{n}/").status_code for n in range(5)] == [404, 404, 404, 429, 429]


@pytest.mark.parametrize(
    ("address", "same"), [("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"), ("203.0.113.7", "203.0.113.7")]
)
def test_a_network_of_ipv6_that_one_customer_has_counts_as_one_address(settings, address, same):
    settings.JOIN_LIMIT = 1
    assert Client(REMOTE_ADDR=address).get("/t/guess/").status_code == 404
    assert Client(REMOTE_ADDR=same).get("/t/guess/").status_code == 429


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_this_machine_itself_and_a_proxy_that_is_not_counted_are_never_limited(settings, address):
    settings.JOIN_LIMIT = 1
    client = Client(REMOTE_ADDR=address)
    assert {client.get("/t/guess/").status_code for _ in range(4)} == {404}


def test_a_limit_of_0_is_none(settings):
    settings.JOIN_LIMIT = settings.TOKEN_LIMIT = 0
    client = Client(REMOTE_ADDR=ELSEWHERE)
    assert {client.get("/t/guess/").status_code for _ in range(4)} == {404}


def test_with_a_cache_that_is_away_nobody_waits_and_pages_are_whole(settings):
    settings.TOKEN_LIMIT = settings.JOIN_LIMIT = 1
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    }
    visitor = Visitor(open_study(2)).begin()
    visitor.finish()
    assert heading(visitor.get()) == "Thank you"

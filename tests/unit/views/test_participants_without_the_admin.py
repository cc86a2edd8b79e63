"""Participants' pages pay nothing for the desk: no cookie, no query for sessions, accounts or second factors."""

import pytest
from django.conf import settings as site
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from studies.accounts import second_factor
from tests.factories import open_study
from tests.participant_client import Visitor
from tests.unit.accounts.test_login import PASSWORD, code_of, log_in, with_second_factor
from tests.unit.views.test_participant_privacy import every_page

pytestmark = pytest.mark.django_db

OF_THE_DESK = ("auth_", "django_session", "otp_", "axes_", "django_content_type", "django_admin_log")
MIDDLEWARES = [
    name for name in site.MIDDLEWARE if any(word in name for word in ("sessions", "auth", "messages", "otp", "axes"))
]


@pytest.fixture
def researchers_browser(monkeypatch) -> Client:
    """One in which somebody with a second factor is logged in at the desk; visitors use it."""
    ada = User.objects.create_user("ada", password=PASSWORD, is_staff=True, is_superuser=True)
    device, _codes = with_second_factor(ada)
    client = Client()
    log_in(client, code=code_of(device))
    assert client.get("/admin/").status_code == 200
    assert second_factor.is_on(ada)
    monkeypatch.setattr("tests.participant_client.Client", lambda **options: client)
    return client


def asked(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in queries if any(table in query["sql"] for table in OF_THE_DESK)]


def test_a_session_asks_nothing_of_the_desks_tables_and_sets_no_cookie_even_in_a_researchers_browser(
    researchers_browser,
):
    study = open_study(4, 2)
    before = {name: morsel.value for name, morsel in researchers_browser.cookies.items()}
    assert site.SESSION_COOKIE_NAME in before
    with CaptureQueriesContext(
        connection,
    ) as queries:
        responses = every_page(study)
    assert len(responses) > 10
    assert asked(queries) == []
    assert [response for response in responses if response.cookies] == []
    assert {name: morsel.value for name, morsel in researchers_browser.cookies.items()} == before


def test_the_test_above_can_tell(researchers_browser):
    with CaptureQueriesContext(connection) as queries:
        researchers_browser.get("/admin/")
    found = " ".join(asked(queries))
    assert all(table in found for table in ("auth_user", "django_session", "otp_totp_totpdevice"))


def test_a_session_has_as_many_queries_as_without_the_desks_middlewares(settings):
    def count() -> int:
        cache.clear()  # what is remembered of a study of the same number
        visitor = Visitor(open_study(1, 1))  # chance decides nothing
        with CaptureQueriesContext(connection) as queries:
            visitor.begin()
            visitor.finish()
            visitor.get()
        return len(queries)

    with_them = count()
    assert len(MIDDLEWARES) == 5
    settings.MIDDLEWARE = [name for name in site.MIDDLEWARE if name not in MIDDLEWARES]
    assert count() == with_them


def test_the_desks_cookies_are_for_the_desk_alone(researchers_browser):
    paths = {name: morsel["path"] for name, morsel in researchers_browser.cookies.items()}
    assert paths[site.SESSION_COOKIE_NAME] == "/admin/"
    assert set(paths.values()) == {"/admin/"}

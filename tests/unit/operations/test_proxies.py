"""What goes wrong between a proxy and the server is said in one line, and no cookie is taken for another's."""

import logging

import pytest
from django.conf import settings as site
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from studies.operations import logs
from tests.factories import open_study
from tests.participant_client import Visitor

pytestmark = pytest.mark.django_db


@pytest.fixture
def https(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]


def test_a_proxy_that_does_not_say_how_a_visitor_came_gets_a_sentence_and_no_loop(https, caplog):
    join = reverse("studies:join", args=[open_study(1, 1).link])
    page = Client().get(join)
    assert page.status_code == 503
    assert b"proxy_set_header X-Forwarded-Proto $scheme;" in page.content
    assert [record.message for record in caplog.records if "X-Forwarded-Proto" in record.message]


def test_one_that_says_so_is_served_or_redirected(https):
    join = reverse("studies:join", args=[open_study(1, 1).link])
    assert Client(headers={"X-Forwarded-Proto": "https"}).get(join).status_code == 200
    redirected = Client(headers={"X-Forwarded-Proto": "http"}).get(join)
    assert (redirected.status_code, redirected.headers["Location"].split(":")[0]) == (301, "https")
    assert Client().get("/healthz").status_code == 200


def test_without_the_sentence_the_request_is_sent_to_itself(https, settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "ForwardedProto" not in name]
    page = Client().get("/")
    assert (page.status_code, page.headers["Location"]) == (301, "https://testserver/")


def test_two_installations_on_one_host_have_cookies_of_their_own():
    assert site.COOKIES_OF in site.SESSION_COOKIE_NAME
    assert site.COOKIES_OF in site.CSRF_COOKIE_NAME
    assert site.SECRET_KEY not in site.SESSION_COOKIE_NAME
    page = Client().get(reverse("admin:login"))
    assert set(page.cookies) == {site.CSRF_COOKIE_NAME}


def record(status: int) -> logging.LogRecord:
    """As Django logs a request that ended in an exception."""
    try:
        raise PermissionDenied
    except PermissionDenied as error:
        found = (type(error), error, error.__traceback__)
    one = logging.LogRecord("django.request", logging.WARNING, "", 0, "Forbidden: %s", ("/admin/",), found)
    one.status_code = status
    return one


@pytest.mark.parametrize(("layout", "formatter"), [("text", logs.TextFormatter), ("json", logs.JsonFormatter)])
def test_a_page_that_is_refused_is_one_line_of_the_log_and_an_error_of_ours_keeps_its_traceback(layout, formatter):
    handler = logs.configuration(layout, "INFO")["handlers"]["console"]
    assert handler["filters"] == ["one_line_a_refusal"]
    refusal, error, without = record(403), record(500), record(403)
    for one in (refusal, error):
        assert logs.OneLineARefusal().filter(one)
    assert "Traceback" not in formatter().format(refusal)
    assert "\n" not in formatter().format(refusal)
    assert "Traceback" in formatter().format(error)
    # A control: as it comes it has one.
    assert "Traceback" in formatter().format(without)


def test_what_is_judged_is_not_translated_by_browsers():
    page = Visitor(open_study(1, 1)).begin().get().content.decode()
    assert '<form method="post" class="trial" translate="no"' in page

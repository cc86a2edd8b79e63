"""Of somebody who is not signed in no byte is read that was sent to the admin, whatever the address; staff upload."""

import io

import pytest
from django.conf import settings as site
from django.contrib import admin
from django.test import Client
from django.urls import NoReverseMatch, reverse

from tests.logged_in_users import researcher

pytestmark = pytest.mark.django_db

BODY = b"csrfmiddlewaretoken=" + b"x" * 64


class Watched(io.BytesIO):
    """A body that tells whether anybody read of it."""

    reads = 0

    def read(self, *size):
        self.reads += 1
        return super().read(*size)

    readline = read


def addresses() -> list[str]:
    """Every address of the admin that can be written down, some of a row that is not there."""
    found = set()
    for pattern in admin.site.get_urls():
        names = [one.name for one in getattr(pattern, "url_patterns", [pattern])]
        for name in filter(None, names):
            for arguments in ([], [1], ["1"]):
                try:
                    found.add(reverse(f"admin:{name}", args=arguments))
                except NoReverseMatch:
                    continue
    return sorted(found)


def post(path: str, cookies: str = "", content_type: str = "application/x-www-form-urlencoded") -> tuple[int, int]:
    """The status, and how often the body was read."""
    body = Watched(BODY)
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    response = client.request(
        **{
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "REMOTE_ADDR": "203.0.113.5",
            "wsgi.input": body,
            "CONTENT_TYPE": content_type,
            "CONTENT_LENGTH": str(len(BODY)),
            "HTTP_COOKIE": cookies,
        }
    )
    return response.status_code, body.reads


#: As the attack has it: a token that was invented, which Django compares with that of the form.
INVENTED = f"{site.CSRF_COOKIE_NAME}={'a' * 32}; {site.SESSION_COOKIE_NAME}={'b' * 32}"


def test_every_address_of_the_admin_answers_a_stranger_without_reading():
    paths = [path for path in addresses() if path != reverse("admin:login")]
    assert len(paths) > 30
    assert reverse("admin:studies_imageset_add") in paths
    for path in paths:
        for content_type in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            status, reads = post(path, INVENTED, content_type)
            assert (status, reads) == (302, 0), path


def test_without_the_middleware_a_strangers_body_is_read(settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "NoBody" not in name]
    _status, reads = post(reverse("admin:studies_imageset_add"), INVENTED)
    assert reads


def test_the_login_is_read_and_so_is_what_staff_send():
    assert post(reverse("admin:login"), INVENTED)[1]
    client = researcher()
    session = client.cookies[site.SESSION_COOKIE_NAME].value
    cookies = f"{site.CSRF_COOKIE_NAME}={'a' * 32}; {site.SESSION_COOKIE_NAME}={session}"
    assert post(reverse("admin:studies_imageset_add"), cookies)[1]


def test_a_stranger_is_led_to_the_login_and_the_connection_ends():
    page = Client().post(reverse("admin:studies_imageset_add"), {"a": "b"})
    assert page.status_code == 302
    assert page.headers["Location"].startswith(reverse("admin:login"))
    assert page.headers["Connection"] == "close"

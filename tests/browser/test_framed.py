"""Participants' pages in the frame of a recruiter's site, over https, on another origin; and nobody else's."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from studies.models import Participant
from tests.browser.https_servers import certificate, framing_site, this_site
from tests.browser.participant import answers, at
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def sites(settings, tmp_path):
    """This site, the recruiter's origin that may frame it, and a stranger's that may not."""
    tls = certificate(tmp_path)
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    with framing_site(tls) as port:
        recruiter, stranger = (f"https://{name}.localhost:{port}" for name in ("recruiter", "stranger"))
        settings.FRAME_ANCESTORS = [recruiter]
        with this_site(tls) as ours:
            yield ours, recruiter, stranger


def framed(page, site: str, address: str):
    """The frame in which that site shows the address."""
    page.goto(f"{site}/?{address}")
    (frame,) = page.main_frame.child_frames
    return frame


def refused(page, site: str, address: str) -> bool:
    """Whether the browser shows something else in its place, and says that it is for a policy on frames."""
    said = []
    page.on("console", lambda message: said.append(message.text))
    frame = framed(page, site, address)
    # What stands in its place comes when the page around it is there, and what is said of it after that.
    for _ in range(200):
        if frame.url == address:
            return False
        if frame.url.startswith("chrome-error:") and any("frame" in text.lower() for text in said):
            return True
        page.wait_for_timeout(50)
    raise AssertionError(f"neither shown nor refused: {frame.url!r}, {said}")


def test_a_session_is_played_in_the_recruiters_frame_and_nobody_elses_and_the_desk_in_none(browse, sites):
    ours, recruiter, stranger = sites
    study = open_study(2)
    page = browse(ignore_https_errors=True)
    link = ours + reverse("studies:join", args=[study.link])
    frame = framed(page, recruiter, link)
    assert frame.url == link
    frame.get_by_role("button", name="I agree").click()
    frame.get_by_role("button", name="Begin").click()
    at(frame, 1)
    page.keyboard.press("y")
    at(frame, 2)
    frame.get_by_role("button", name="No").click()
    frame.locator("#code").wait_for()
    assert answers() == [(1, "yes"), (2, "no")]
    code = frame.locator("#code").text_content()
    assert code == Participant.objects.get().completion_code
    # Loaded anew, as after a recruiter's own page was: no cookie led back, the address did.
    mine = frame.url
    expect(framed(page, recruiter, mine).locator("#code")).to_have_text(code)
    assert page.context.cookies() == []
    assert not refused(page, recruiter, mine)

    for site, address in (
        (stranger, link),
        (stranger, mine),
        (recruiter, ours + reverse("admin:login")),
        (recruiter, ours + reverse("admin:index")),
        (recruiter, f"{ours}/"),
        (recruiter, f"{ours}/healthz"),
        (recruiter, f"{ours}/no-such-page"),
    ):
        assert refused(page, site, address), (site, address)
    assert Participant.objects.count() == 1

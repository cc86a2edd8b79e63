"""Somebody withdraws in a real browser, which forgets them too."""

import os

import pytest
from playwright.sync_api import expect

from studies.models import Participant
from tests.browser.participant import at, begin, kept
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: A folder to look at the pages in, where one is named.
PICTURES = os.environ.get("TEST_PICTURES")


def look(page, name: str) -> None:
    if not PICTURES:
        return
    for width, height in ((390, 844), (1280, 800)):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=f"{PICTURES}/{name}-{width}-{scheme}.png", full_page=True)


def remembered(page) -> list[str]:
    return page.evaluate("Object.keys(localStorage)")


@pytest.mark.parametrize("script", [True, False])
def test_somebody_withdraws_from_the_middle_of_a_study(browse, script):
    study = open_study(4, 2, withdrawal="remove", side=224)
    page = browse(java_script_enabled=script)
    if script:
        begin(page, study)
        page.keyboard.press("y")
        at(page, 2)
        assert remembered(page)
    else:
        page.goto(f"/s/{study.link}/")
        page.get_by_role("button", name="I agree").click()
        page.get_by_role("button", name="Begin").click()
    look(page, "trial")
    page.get_by_role("link", name="Withdraw from this study").click()
    look(page, "withdraw")
    page.get_by_role("link", name="No, go back").click()
    expect(page.locator(".count")).to_be_visible()
    page.get_by_role("link", name="Withdraw from this study").click()
    page.get_by_role("button", name="Withdraw").click()
    look(page, "sure")
    page.get_by_role("button", name="Yes, withdraw me now").click()
    expect(page.get_by_role("heading")).to_have_text("You have withdrawn")
    look(page, "withdrawn")
    assert Participant.objects.get().withdrawn_at
    if script:
        # A function, not an expression: pages that forbid eval let only the first be asked again.
        page.wait_for_function("() => Object.keys(localStorage).length === 0")
        assert kept(page) == []
    page.goto(f"/s/{study.link}/withdraw/")
    look(page, "code")
    page.goto(f"/s/{study.link}/")
    expect(page.get_by_role("button", name="I agree")).to_be_visible()
    expect(page.locator("#begun")).to_be_hidden()

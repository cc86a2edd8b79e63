"""A participant in a real browser, from the link to the completion code; mishaps are in test_mishaps."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from studies.models import Participant, Trial
from tests.browser.participant import answers, at, begin, join
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_from_consent_to_the_completion_code_by_keyboard_alone(browse):
    study = open_study(4, 2)
    page = browse()
    page.goto(reverse("studies:join", args=[study.link]))
    for name in ("I agree and want to take part", "Begin"):
        button = page.get_by_role("button", name=name)
        button.wait_for()
        page.keyboard.press("Tab")
        expect(button).to_be_focused()
        page.keyboard.press("Enter")
    for number, key in enumerate("ynyn", start=1):
        at(page, number)
        page.keyboard.press(key)
    person = Participant.objects.get()
    expect(page.get_by_role("status", name="Your completion code")).to_have_text(person.completion_code)
    assert answers() == [(1, "yes"), (2, "no"), (3, "yes"), (4, "no")]
    assert all(time is not None for time in Trial.objects.values_list("response_ms", flat=True))


def test_the_buttons_are_reached_by_tab_and_pressed_by_space(browse):
    page = browse()
    begin(page, open_study(2))
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Yes")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    at(page, 2)
    assert answers() == [(1, "no")]


def test_keys_can_be_turned_off_and_stay_off(browse):
    page = browse()
    begin(page, open_study(2))
    page.get_by_label("Answer by key").uncheck()
    page.keyboard.press("y")
    page.reload()
    at(page, 1)
    expect(page.get_by_label("Answer by key")).not_to_be_checked()
    page.keyboard.press("y")
    page.get_by_role("button", name="No").click()
    at(page, 2)
    assert answers() == [(1, "no")]


def test_a_whole_session_works_without_javascript(browse):
    study = open_study(3, 2)
    page = browse(java_script_enabled=False)
    join(page, study)
    page.get_by_role("button", name="Begin").click()
    for number in (1, 2, 3):
        at(page, number, painted=False)
        expect(page.get_by_label("Answer by key")).to_be_hidden()
        page.get_by_role("button", name="Yes").click()
    expect(page.locator("#code")).to_have_text(Participant.objects.get().completion_code)
    assert answers() == [(1, "yes"), (2, "yes"), (3, "yes")]
    assert set(Trial.objects.values_list("response_ms", flat=True)) == {None}


def test_opening_the_link_again_offers_the_way_back(browse):
    study = open_study(2)
    page = browse()
    begin(page, study)
    own = page.url
    again = page.context.new_page()
    again.goto(reverse("studies:join", args=[study.link]))
    again.get_by_role("link", name="continue").click()
    at(again, 1)
    assert again.url == own
    other = browse()
    other.goto(reverse("studies:join", args=[study.link]))
    expect(other.get_by_role("link", name="continue")).to_be_hidden()


def test_the_next_picture_is_loaded_ahead_and_not_again(browse):
    page = browse()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/pictures/" in request.url else None)
    study = open_study(2)
    join(page, study)
    with page.expect_response(lambda response: len(asked) == 2 and response.url == asked[1]) as ahead:
        page.get_by_role("button", name="Begin").click()
    at(page, 1)
    assert ahead.value.ok
    page.keyboard.press("y")
    at(page, 2)
    second = page.locator("img").evaluate("img => img.src")
    assert second == asked[1]
    taken = page.evaluate("url => performance.getEntriesByName(url).map(entry => entry.transferSize)", second)
    assert len([size for size in taken if size]) == 1


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize(("side", "scheme"), [(32, "light"), (128, "dark"), (224, "light")])
def test_pictures_are_shown_in_whole_multiples_and_nothing_overflows(browse, width, side, scheme):
    page = browse(viewport={"width": width, "height": 844}, color_scheme=scheme)
    begin(page, open_study(1, side=side, rendering="squares"))
    shown = page.locator("img").bounding_box()
    assert shown["width"] == shown["height"]
    assert shown["width"] % side == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("getComputedStyle(document.querySelector('img')).imageRendering") == "pixelated"
    for button in page.get_by_role("button").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 44
        assert box["y"] + box["height"] <= 844


def test_nothing_is_kept_as_a_cookie_and_nothing_is_asked_of_others(browse, live_server):
    page = browse()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    begin(page, open_study(2))
    for number in (1, 2):
        at(page, number)
        page.keyboard.press("n")
    page.locator("#code").wait_for()
    assert page.context.cookies() == []
    assert [url for url in asked if not url.startswith(live_server.url)] == []
    assert complaints == []

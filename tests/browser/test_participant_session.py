"""A participant in a real browser, from the link to the completion code, with the mishaps people have."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from studies.models import Participant, Slot, Trial
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def join(page, study) -> None:
    page.goto(reverse("studies:join", args=[study.link]))
    page.get_by_role("button", name="I agree").click()


def begin(page, study) -> None:
    join(page, study)
    page.get_by_role("button", name="Begin").click()
    at(page, 1)


def at(page, number: int, *, painted: bool = True) -> None:
    """Wait until the page shows the trial of this number; its script says when the picture is painted."""
    expect(page.locator(".count")).to_have_text(re.compile(rf"^{number} of "))
    if painted:
        page.locator("form.painted").wait_for()


def answers() -> list[tuple[int, str]]:
    return list(Trial.objects.exclude(answered_at=None).order_by("position").values_list("position", "answer"))


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


def test_a_key_held_down_or_pressed_with_another_answers_nothing(browse):
    page = browse()
    begin(page, open_study(3))
    page.keyboard.press("Control+y")
    page.keyboard.press("x")
    page.keyboard.down("y")
    at(page, 2)
    page.keyboard.down("y")  # held: the browser repeats it
    page.keyboard.down("y")
    at(page, 2)
    page.keyboard.up("y")
    page.keyboard.press("n")
    at(page, 3)
    assert answers() == [(1, "yes"), (2, "no")]


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


def test_reloading_any_page_changes_nothing(browse):
    study = open_study(2)
    page = browse()
    join(page, study)
    page.reload()
    page.get_by_role("button", name="Begin").click()
    at(page, 1)
    picture = page.locator("img").get_attribute("src")
    for _ in range(3):
        page.reload()
        at(page, 1)
        assert page.locator("img").get_attribute("src") == picture
    page.keyboard.press("y")
    at(page, 2)
    page.keyboard.press("y")
    code = page.locator("#code").text_content()
    page.reload()
    assert page.locator("#code").text_content() == code
    assert answers() == [(1, "yes"), (2, "yes")]


def test_going_back_leads_to_the_page_one_is_at(browse):
    study = open_study(3)
    page = browse()
    begin(page, study)
    page.keyboard.press("y")
    at(page, 2)
    page.go_back()
    page.wait_for_load_state()
    if page.get_by_role("button", name="I agree").is_visible():
        page.get_by_role("button", name="I agree").click()
    at(page, 2)
    page.keyboard.press("n")
    at(page, 3)
    assert Participant.objects.count() == 1
    assert answers() == [(1, "yes"), (2, "no")]


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


def test_a_double_click_gives_one_answer(browse):
    study = open_study(4)
    page = browse()
    page.goto(reverse("studies:join", args=[study.link]))
    page.get_by_role("button", name="I agree").dblclick()
    page.get_by_role("button", name="Begin").dblclick()
    at(page, 1)
    page.evaluate("const yes = document.querySelector('[value=yes]'); yes.click(); yes.click()")
    at(page, 2)
    page.keyboard.press("n")
    at(page, 3)
    assert Participant.objects.count() == 1
    assert answers() == [(1, "yes"), (2, "no")]


def test_a_second_tab_neither_repeats_nor_loses_an_answer(browse):
    study = open_study(3)
    page = browse()
    begin(page, study)
    tab = page.context.new_page()
    tab.goto(page.url)
    at(tab, 1)
    page.keyboard.press("y")
    at(page, 2)
    tab.keyboard.press("n")  # an answer to the first picture, which has one already
    at(tab, 2)
    tab.keyboard.press("n")
    at(tab, 3)
    page.get_by_role("button", name="Yes").click()
    at(page, 3)
    assert answers() == [(1, "yes"), (2, "no")]
    assert Slot.objects.filter(filled=True).count() == 2


def test_the_response_time_runs_from_the_painted_picture_not_from_the_page(browse):
    study = open_study(1)
    page = browse()
    join(page, study)
    held = []
    page.route("**/pictures/**", lambda route: held.append(route))
    page.get_by_role("button", name="Begin").click()
    page.locator("form.trial").wait_for(state="attached")
    page.wait_for_timeout(700)
    page.keyboard.press("y")  # too early: there is nothing to see yet
    assert answers() == []
    for route in held:
        route.continue_()
    at(page, 1)
    # The page's own clock, read around the answer: no machine is too slow for this comparison.
    page.evaluate(
        "document.querySelector('form').addEventListener('submit', () => sessionStorage.t = performance.now())"
    )
    page.keyboard.press("y")
    page.locator("#code").wait_for()
    since_the_page_began = float(page.evaluate("sessionStorage.t"))
    assert 0 <= Trial.objects.get().response_ms <= since_the_page_began - 700 + 1


def test_a_picture_that_cannot_be_loaded_is_not_answered(browse):
    page = browse()
    join(page, open_study(2))
    page.route("**/pictures/**", lambda route: route.abort())
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("alert")).to_contain_text("The picture could not be loaded")
    page.keyboard.press("y")
    page.get_by_role("button", name="Yes").click()
    assert answers() == []
    page.unroute("**/pictures/**")
    page.get_by_role("link", name="load the page again").click()
    at(page, 1)
    page.keyboard.press("y")
    at(page, 2)


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
    assert taken == [0]


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize(("side", "scheme"), [(32, "light"), (128, "dark"), (224, "light")])
def test_pictures_are_shown_in_whole_multiples_and_nothing_overflows(browse, width, side, scheme):
    page = browse(viewport={"width": width, "height": 844}, color_scheme=scheme)
    begin(page, open_study(1, side=side))
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

"""What goes wrong while somebody takes part, in a real browser.

No answer is lost, none counts twice, and everybody goes on from where they were.

`python -m benchmarks.scenarios` runs each of these a hundred times.
"""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Error, expect

from studies import lifecycle
from studies.models import Participant, Slot, Study, Trial
from tests.browser.participant import answers, at, begin, join, kept, press
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WAITING = "The connection is interrupted"


# --- moving about -----------------------------------------------------------------------------------------------------


def test_reloading_any_page_changes_nothing(browse):
    page = browse()
    join(page, open_study(2))
    page.reload()
    page.get_by_role("button", name="Begin").click()
    at(page, 1)
    for number in (1, 2):
        picture = page.locator("img").get_attribute("src")
        page.reload()
        at(page, number)
        assert page.locator("img").get_attribute("src") == picture
        page.keyboard.press("y")
        at(page, 2) if number == 1 else page.locator("#code").wait_for()
    code = page.locator("#code").text_content()
    page.reload()
    expect(page.locator("#code")).to_have_text(code)
    assert answers() == [(1, "yes"), (2, "yes")]


def test_going_back_leads_to_the_page_one_is_at(browse):
    page = browse()
    begin(page, open_study(3))
    press(page, "y", then=2)
    page.go_back()
    at(page, 2)
    page.go_back()
    page.get_by_role("link", name="continue").click()
    at(page, 2)
    press(page, "n", then=3)
    assert Participant.objects.count() == 1
    assert answers() == [(1, "yes"), (2, "no")]


def test_going_back_and_forward_again_loses_nothing(browse):
    page = browse()
    begin(page, open_study(3))
    press(page, "y", then=2)
    page.go_back()
    at(page, 2)
    press(page, "n", then=3)
    page.go_forward()
    at(page, 3)
    page.keyboard.press("y")
    page.locator("#code").wait_for()
    assert answers() == [(1, "yes"), (2, "no"), (3, "yes")]


def test_a_second_tab_neither_repeats_nor_loses_an_answer(browse):
    page = browse()
    begin(page, open_study(3))
    tab = page.context.new_page()
    tab.goto(page.url)
    at(tab, 1)
    press(page, "y", then=2)
    press(tab, "n", then=2)  # an answer to the first picture, which has one already
    press(tab, "n", then=3)
    page.get_by_role("button", name="Yes").click()
    at(page, 3)
    assert answers() == [(1, "yes"), (2, "no")]
    assert Slot.objects.filter(filled=True).count() == 2


def test_two_devices_with_one_link_take_turns(browse):
    phone, laptop = browse(viewport={"width": 390, "height": 844}, has_touch=True), browse()
    begin(phone, open_study(4))
    laptop.goto(phone.url)
    at(laptop, 1)
    phone.get_by_role("button", name="Yes").tap()
    at(phone, 2)
    press(laptop, "n", then=2)
    press(laptop, "n", then=3)
    phone.reload()
    at(phone, 3)
    phone.get_by_role("button", name="Yes").tap()
    at(phone, 4)
    press(laptop, "n", then=4)
    assert answers() == [(1, "yes"), (2, "no"), (3, "yes")]


def test_a_browser_that_changes_its_language_goes_on_in_it(browse, settings):
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    page = browse(locale="en-GB")
    begin(page, open_study(3))
    assert page.locator("html").get_attribute("lang") == "en"
    page.context.set_extra_http_headers({"Accept-Language": "de"})
    press(page, "y", then=2)
    assert page.locator("html").get_attribute("lang") == "de"
    page.reload()
    at(page, 2)
    press(page, "n", then=3)
    assert answers() == [(1, "yes"), (2, "no")]


# --- pressing too much ------------------------------------------------------------------------------------------------


def test_a_double_click_gives_one_answer(browse):
    study = open_study(4)
    page = browse()
    page.goto(reverse("studies:join", args=[study.link]))
    page.get_by_role("button", name="I agree").dblclick()
    page.get_by_role("button", name="Begin").dblclick()
    at(page, 1)
    page.evaluate("{ const yes = document.querySelector('[value=yes]'); yes.click(); yes.click() }")
    at(page, 2)
    press(page, "n", then=3)
    assert Participant.objects.count() == 1
    assert answers() == [(1, "yes"), (2, "no")]


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
    press(page, "n", then=3)
    assert answers() == [(1, "yes"), (2, "no")]


# --- connections ------------------------------------------------------------------------------------------------------


def test_an_answer_given_offline_is_kept_and_sent_when_the_connection_is_back(browse):
    page = browse()
    begin(page, open_study(3))
    page.context.set_offline(True)
    page.keyboard.press("y")
    expect(page.get_by_role("status").filter(has_text=WAITING)).to_be_visible()
    page.keyboard.press("n")  # there is nothing to answer now
    assert len(kept(page)) == 1
    assert answers() == []
    page.context.set_offline(False)
    at(page, 2)
    expect(page.get_by_text(WAITING)).to_be_hidden()
    assert kept(page) == []
    press(page, "n", then=3)
    assert answers() == [(1, "yes"), (2, "no")]
    assert Trial.objects.get(position=1).response_ms is not None


def test_what_people_say_about_themselves_offline_is_kept_too(browse):
    study = open_study(2, questions="How old are you? | number")
    page = browse()
    page.goto(reverse("studies:join", args=[study.link]))
    page.get_by_role("button", name="I agree").click()
    page.get_by_label("How old are you?").fill("34")
    page.context.set_offline(True)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text(WAITING)).to_be_visible()
    page.context.set_offline(False)
    page.get_by_role("button", name="Begin").click()
    at(page, 1)
    assert Participant.objects.get().background == {"How old are you?": "34"}


def test_an_answer_whose_reply_is_lost_is_sent_again_and_stored_once(browse):
    page = browse()
    begin(page, open_study(3))

    def lose(route):
        route.fetch()
        route.abort()

    page.route("**/t/**", lose, times=1)
    page.keyboard.press("y")
    at(page, 2)
    press(page, "n", then=3)
    assert answers() == [(1, "yes"), (2, "no")]
    assert Slot.objects.filter(filled=True).count() == 2


def answers_with(status: int):
    return lambda route: route.fulfill(status=status, body="Busy")


def test_a_server_that_is_busy_or_asks_for_a_pause_is_asked_again(browse):
    page, later = browse(), [408, 425, 429, 500, 502, 503, 504]
    begin(page, open_study(len(later) + 1))
    for number, status in enumerate(later, start=1):
        page.route("**/t/**", answers_with(status), times=1)
        press(page, "y", then=number + 1)
    assert answers() == [(number, "yes") for number in range(1, len(later) + 1)]


def test_somebody_who_does_not_want_to_wait_asks_again_at_once(browse):
    page = browse()
    begin(page, open_study(2))
    page.clock.install()
    # Time stands still: nothing is sent again by itself.
    page.clock.pause_at(timezone.now() + timedelta(minutes=1))
    page.route("**/t/**", answers_with(503), times=1)
    page.keyboard.press("y")
    page.get_by_role("button", name="Try again now").click()
    at(page, 2, painted=False)
    assert answers() == [(1, "yes")]


def test_a_server_that_is_killed_and_started_again_gets_every_answer(browse_production):
    server, page = browse_production
    begin(page, open_study(3))
    server.kill()
    page.keyboard.press("y")
    expect(page.get_by_text(WAITING)).to_be_visible()
    assert answers() == []
    server.start()
    at(page, 2)
    press(page, "n", then=3)
    assert answers() == [(1, "yes"), (2, "no")]


def test_a_page_of_somebody_else_takes_no_answer_away(browse):
    """Such as the login page of a café's network, which answers everything with 200."""
    page = browse()
    begin(page, open_study(3))
    page.route("**/t/**", lambda route: route.fulfill(body="<h1>Please log in</h1>", content_type="text/html"), times=2)
    page.keyboard.press("y")
    expect(page.get_by_role("heading", name="Please log in")).to_be_visible()
    assert answers() == []
    assert len(kept(page)) == 1
    page.goto(page.url)
    at(page, 2)
    assert kept(page) == []
    press(page, "n", then=3)
    assert answers() == [(1, "yes"), (2, "no")]


def test_a_form_that_is_refused_shows_why_and_is_not_sent_again(browse):
    page = browse()
    begin(page, open_study(2))
    page.evaluate("document.querySelector('[name=trial]').value += 'x'")
    page.keyboard.press("y")
    expect(page.get_by_text("This form does not belong to this page")).to_be_visible()
    assert kept(page) == []
    page.get_by_role("link", name="Go on").click()
    at(page, 1)
    press(page, "n", then=2)
    assert answers() == [(1, "no")]


def test_a_page_that_needs_another_script_is_loaded_by_the_browser(browse):
    """As after an update of the server in the middle of somebody's session."""
    page = browse()
    begin(page, open_study(3))

    def update(route):
        reply = route.fetch()
        route.fulfill(response=reply, body=reply.text().replace("/trial.js", "/trial.js?updated"))

    page.evaluate("window.loaded = true")
    press(page, "y", then=2)
    assert page.evaluate("window.loaded") is True
    page.route("**/t/**", update, times=1)
    press(page, "n", then=3)
    assert page.evaluate("window.loaded") is None
    assert answers() == [(1, "yes"), (2, "no")]


def test_a_reload_sends_a_kept_answer_first(browse):
    page = browse()
    begin(page, open_study(3))
    page.route("**/t/**", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    page.keyboard.press("y")
    expect(page.get_by_text(WAITING)).to_be_visible()
    page.unroute("**/t/**")
    page.reload()
    at(page, 2)
    assert kept(page) == []
    press(page, "n", then=3)
    assert answers() == [(1, "yes"), (2, "no")]


def test_a_tab_that_crashes_loses_no_answer(browse):
    page = browse()
    begin(page, open_study(3))
    address = page.url
    page.route("**/t/**", lambda route: route.abort())
    page.keyboard.press("y")
    expect(page.get_by_text(WAITING)).to_be_visible()
    with page.expect_event("crash"), pytest.raises(Error, match="crash"):
        page.goto("chrome://crash")
    assert answers() == []
    again = page.context.new_page()
    again.goto(address)
    at(again, 2)
    press(again, "n", then=3)
    assert answers() == [(1, "yes"), (2, "no")]


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_a_slow_picture_cannot_be_answered_before_it_is_there_and_its_loading_is_not_counted(browse):
    page = browse()
    join(page, open_study(1))
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


def test_a_picture_that_cannot_be_loaded_is_not_answered_until_it_comes(browse):
    page = browse()
    join(page, open_study(2))
    page.route("**/pictures/**", lambda route: route.abort())
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("alert")).to_contain_text("The picture could not be loaded")
    page.keyboard.press("y")
    page.get_by_role("button", name="Yes").click()
    assert answers() == []
    page.unroute("**/pictures/**")
    at(page, 1)
    expect(page.get_by_role("alert")).to_be_hidden()
    press(page, "y", then=2)


# --- the study meanwhile ----------------------------------------------------------------------------------------------


def test_an_answer_whose_place_went_to_somebody_else_is_kept_and_not_counted(browse):
    study = open_study(2, 1)
    slow, fast = browse(), browse()
    begin(slow, study)
    Slot.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    begin(fast, study)
    press(fast, "n", then=2)
    slow.keyboard.press("y")
    expect(slow.locator("#code")).to_have_text(Participant.objects.earliest("pk").completion_code)
    assert set(Trial.objects.exclude(answered_at=None).values_list("answer", "counted", "exclusion")) == {
        ("no", True, ""),
        ("yes", False, "late"),
    }
    fast.keyboard.press("n")
    fast.locator("#code").wait_for()
    assert Slot.objects.filter(filled=True).count() == 2


def test_a_study_that_is_paused_meanwhile_takes_the_answer_and_goes_on_later(browse):
    study = open_study(3)
    page = browse()
    begin(page, study)
    lifecycle.pause_study(study)
    page.keyboard.press("y")
    expect(page.get_by_role("heading", name="This study is paused")).to_be_visible()
    lifecycle.open_study(study)
    page.get_by_role("link", name="Look again").click()
    at(page, 2)
    press(page, "n", then=3)
    assert answers() == [(1, "yes"), (2, "no")]


def test_a_study_that_is_closed_meanwhile_says_that_the_answer_came_too_late(browse):
    study = open_study(3)
    page = browse()
    begin(page, study)
    press(page, "y", then=2)
    lifecycle.close_study(Study.objects.get())
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="This study has ended")).to_be_visible()
    expect(page.get_by_text("so this one was not stored")).to_be_visible()
    expect(page.locator("#code")).to_have_text(Participant.objects.get().completion_code)
    assert kept(page) == []
    assert answers() == [(1, "yes")]

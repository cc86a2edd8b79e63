"""Everybody can take part: each participant's page of each protocol, put through axe and measures of our own."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from studies import lifecycle, protocols
from studies.models import Study
from tests.bench import made_up_study
from tests.browser.participant import at, begin, press
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: CSS pixels of the smallest side of whatever is pressed; WCAG 2.2 asks for 24.
TARGET = 44


# --- the way through --------------------------------------------------------------------------------------------------


def consent(page, study) -> None:
    page.goto(reverse("studies:join", args=[study.link]))


def follow(name: str):
    """Press the button of this name."""
    return lambda page, study: page.get_by_role("button", name=name).click()


def first_trial(page, study) -> None:
    follow("Begin")(page, study)
    page.locator("form.painted").wait_for()


def enlarged(page, study) -> None:
    """Where pictures can be enlarged: one that is."""
    for view in page.locator("a.view").all()[:1]:
        view.click()


def interrupted(page, study) -> None:
    """An answer that cannot be sent."""
    page.keyboard.press("Escape")
    page.context.set_offline(True)
    page.locator("button[data-key]").first.click()
    page.locator(".kept p").wait_for()


def without_a_picture(page, study) -> None:
    page.route("**/pictures/**", lambda route: route.abort())
    page.context.set_offline(False)
    page.locator("#broken").wait_for()
    page.unroute("**/pictures/**")


def paused(page, study) -> None:
    lifecycle.pause_study(study)
    page.locator("form.painted").wait_for()
    page.locator("button[data-key]").first.click()
    page.get_by_role("heading", name="paused").wait_for()
    lifecycle.open_study(study)


def ended(page, study) -> None:
    """Thanks, or when to come back."""
    page.get_by_role("link", name="Look again").click()
    while page.locator("form.painted, #code").first.wait_for() or page.locator("form.painted").count():
        count = page.locator(".count").text_content()
        page.locator("button[data-key]").first.click()
        page.wait_for_function("(count) => document.querySelector('.count')?.textContent !== count", arg=count)


def nothing_here(page, study) -> None:
    page.goto(reverse("studies:take", args=["nobody"]))


#: Each page and how one gets there from the one before it.
PAGES = {
    "consent": consent,
    "instructions": follow("I agree"),
    "trial": first_trial,
    "enlarged": enlarged,
    "interrupted": interrupted,
    "without a picture": without_a_picture,
    "paused": paused,
    "ended": ended,
    "nothing here": nothing_here,
}


def walk(page, study, check) -> dict[str, list[str]]:
    """What `check` finds on each page, where it finds something."""
    found = {}
    for name, go in PAGES.items():
        go(page, study)
        page.locator("h1").first.wait_for()
        found[name] = check(page)
    return {name: faults for name, faults in found.items() if faults}


def opened(key: str) -> Study:
    """Five trials, so that there are enough for what happens on the way."""
    study = made_up_study(key, n_images=96)
    study.design = {
        **study.design,
        **{name: 5 for name in ("rounds", "trials_per_participant") if name in study.design},
    }
    study.save(update_fields=["design"])
    lifecycle.open_study(study)
    return study


def axe(page) -> list[str]:
    violations = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html']}" for one in violations for node in one["nodes"]]


def narrow_or_small(page) -> list[str]:
    """What sticks out of the window, and what is too small to press."""
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    faults = [f"{wide} pixels too wide"] if wide > 0 else []
    for control in page.locator("button, .button, select, textarea, label:has(input), .view").all():
        box = control.bounding_box()
        if box and min(box["width"], box["height"]) < TARGET:
            faults.append(f"{box['width']} by {box['height']}: {control.evaluate('one => one.outerHTML')[:120]}")
    return faults


@pytest.mark.parametrize("key", list(protocols.available()))
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_on_any_page(browse, key, scheme, width):
    page = browse(viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
    assert walk(page, opened(key), axe) == {}


def test_axe_finds_nothing_where_a_picture_is_wider_than_the_window(browse):
    page = browse(viewport={"width": 320, "height": 568}, bypass_csp=True)
    begin(page, open_study(1, side=384))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert axe(page) == []


def test_axe_would_find_something(browse):
    page = browse(bypass_csp=True)
    consent(page, open_study(1))
    page.evaluate("document.querySelector('.small').style.color = '#999'")
    assert [fault.split(":")[0] for fault in axe(page)] == ["color-contrast"]


@pytest.mark.parametrize("key", list(protocols.available()))
@pytest.mark.parametrize(("width", "height"), [(320, 568), (640, 400)])
def test_at_four_and_two_times_the_size_nothing_sticks_out_and_all_can_be_pressed(browse, key, width, height):
    """1280 pixels enlarged to 400 % are 320 wide, to 200 % 640."""
    page = browse(viewport={"width": width, "height": height})
    assert walk(page, opened(key), narrow_or_small) == {}


# --- hearing and pressing ---------------------------------------------------------------------------------------------


def test_by_keyboard_the_next_question_gets_the_focus_and_the_progress_is_said(browse):
    page = browse()
    begin(page, open_study(3))
    press(page, "y", then=2)
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.locator("p[role=status]")).to_have_text("2 of 3")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Yes")).to_be_focused()
    page.keyboard.press("Enter")
    at(page, 3)
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_by_pointer_nothing_takes_the_focus_and_the_question_is_said(browse):
    page = browse()
    begin(page, open_study(3))
    page.get_by_role("button", name="Yes").click()
    at(page, 2)
    question = page.get_by_role("heading", level=1).text_content()
    expect(page.locator("p[role=status]")).to_have_text(f"2 of 3 {question}")
    assert page.evaluate("document.activeElement === document.body")


def test_nothing_moves_for_whoever_wants_no_motion(browse):
    page = browse(reduced_motion="reduce")
    begin(page, open_study(2))
    moving = (
        "[...document.querySelectorAll('*')].filter((one) => parseFloat(getComputedStyle(one).transitionDuration) > 0"
    )
    moving += " || getComputedStyle(one).animationName !== 'none').length"
    assert page.evaluate(moving) == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving) > 0


def test_every_picture_of_a_trial_is_called_the_same_whatever_it_shows(browse):
    page = browse()
    begin(page, open_study(3))
    names = {page.get_by_role("img").get_attribute("alt")}
    for number, key in enumerate("yn", start=2):
        press(page, key, then=number)
        names.add(page.get_by_role("img").get_attribute("alt"))
    assert names == {"The picture this question is about"}

"""Everybody can take part: each participant's page of each protocol, put through axe and measures of our own."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from studies import lifecycle, protocols
from studies.models import Study
from tests.bench import made_up_study
from tests.browser.desk import LOOKS
from tests.browser.participant import at, begin, give_an_answer, press
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: CSS pixels of the smallest side of whatever is pressed; WCAG 2.2 asks for 24.
TARGET = 44


# --- the way through --------------------------------------------------------------------------------------------------


def consent(page, study) -> None:
    page.goto(reverse("studies:join", args=[study.link]))


def follow(name: str, to: str):
    """Press the button of this name, which leads to what `to` selects."""

    def go(page, study) -> None:
        page.get_by_role("button", name=name).click()
        page.locator(to).wait_for()

    return go


def answered(page, study) -> None:
    give_an_answer(page)
    page.locator(".verdict").wait_for()


def enlarged(page, study) -> None:
    """Where pictures can be enlarged: one that is."""
    for view in page.locator("a.view").all()[:1]:
        view.click()


def interrupted(page, study) -> None:
    """An answer that cannot be sent."""
    page.keyboard.press("Escape")
    page.context.set_offline(True)
    give_an_answer(page)
    page.locator(".kept p").wait_for()


def without_a_picture(page, study) -> None:
    page.route("**/pictures/**", lambda route: route.abort())
    page.context.set_offline(False)
    page.locator("#broken").wait_for()
    page.unroute("**/pictures/**")


def paused(page, study) -> None:
    lifecycle.pause_study(study)
    page.locator("form.painted").wait_for()
    give_an_answer(page)
    page.get_by_role("heading", name="paused").wait_for()
    lifecycle.open_study(study)


def done(page, study) -> None:
    """All trials answered: room for comments, or when to come back."""
    page.get_by_role("link", name="Look again").click()
    page.locator("form.painted").wait_for()
    go_on = page.get_by_role("button", name="Go on", exact=True)
    while page.locator("form.trial").count() or go_on.count():
        if go_on.count():
            # What was expected in a training trial.
            go_on.click()
            go_on.wait_for(state="detached")
            continue
        page.locator("form.painted").wait_for()
        count = page.locator(".count").text_content()
        give_an_answer(page)
        page.wait_for_function("(count) => document.querySelector('.count')?.textContent !== count", arg=count)


def ended(page, study) -> None:
    for finish in page.get_by_role("button", name="Finish").all():
        finish.click()
    page.locator("#code").wait_for()


def nothing_here(page, study) -> None:
    page.goto(reverse("studies:take", args=["nobody"]))


#: Each page and how one gets there from the one before it.
PAGES = {
    "consent": consent,
    "questions": follow("I agree", ".questions"),
    "instructions": follow("Go on", "section.example"),
    "practice": follow("Begin", "form.painted"),
    "feedback": answered,
    "trial": follow("Go on", "form.painted"),
    "enlarged": enlarged,
    "interrupted": interrupted,
    "without a picture": without_a_picture,
    "paused": paused,
    "done": done,
    "ended": ended,
    "nothing here": nothing_here,
}
#: With everything a session can have.
SESSION = {
    "questions": "How old are you? | number\nDo you wear glasses? | yes | no\nWhat do you work as?",
    "example": True,
    "practice": 1,
    "gold": 1,
    "comments": True,
    "debrief": "We wanted to know what people see.",
    "completion_url": "https://recruiter.example/done?code={code}",
    "trials_per_participant": 5,
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
    # With glosses; of classes that have names on the page.
    named = {"names": "classes"} if "names" in protocols.get(key).form_class.base_fields else {}
    study = made_up_study(key, SESSION | named, n_images=240, glossed=True)
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


def looked_at(page) -> list[str]:
    """What is wrong with a page on a phone by day, on a desk by night, and enlarged."""
    found = []
    # Each width and each scheme once: room is a matter of the one, contrast of the other.
    for width, scheme in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 844})
        found += [f"{scheme}, {width} wide: {fault}" for fault in axe(page)]
    # 1280 pixels enlarged to 200% are 640 wide, to 400% 320.
    for width, height in ((640, 400), (320, 568)):
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{width} wide: {fault}" for fault in narrow_or_small(page)]
    page.set_viewport_size({"width": 390, "height": 844})
    return found


@pytest.mark.parametrize("key", list(protocols.available()))
def test_nothing_is_wrong_with_any_page(browse, key):
    page = browse(viewport={"width": 390, "height": 844}, bypass_csp=True)
    assert walk(page, opened(key), looked_at) == {}


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


def test_the_measures_would_find_something(browse):
    page = browse(viewport={"width": 320, "height": 568})
    consent(page, open_study(1))
    assert narrow_or_small(page) == []
    style = "height: 20px; min-height: 0; padding: 0; margin-left: 300px; white-space: nowrap"
    page.evaluate("(style) => { document.querySelector('button').style.cssText = style; }", style)
    wide, small = narrow_or_small(page)
    assert "too wide" in wide
    assert "<button" in small


# --- hearing and pressing ---------------------------------------------------------------------------------------------


def press_by_tab(page, selector: str) -> None:
    """Tab to the next of these controls and press it."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return page.keyboard.press("Enter")
    raise AssertionError(f"no way by Tab to {selector}")


@pytest.mark.parametrize("key", ["class_assignment", "rectified_labeling"])
def test_a_session_with_everything_in_it_is_done_by_tab_and_enter_alone(browse, key):
    study = made_up_study(key, {**SESSION, "trials_per_participant": 1, "gold": 0}, n_images=240)
    lifecycle.open_study(study)
    page = browse()
    consent(page, study)
    for there in ("form", ".questions", "section.example", "form.painted", ".verdict", "form.painted", "textarea"):
        page.locator(there).first.wait_for()
        press_by_tab(page, "button:is(.actions *, [data-key])")
    page.locator("#code").wait_for()
    assert study.participants.get().finished_at


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
    expect(page.locator("p[role=status]")).to_have_text(f"2 of 3. {question}")
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

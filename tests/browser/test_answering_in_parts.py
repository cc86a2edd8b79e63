"""The studies of visualisations and advice in a real browser: first trials by key, on a phone, without a script."""

import pytest
from playwright.sync_api import expect

from studies import lifecycle
from studies.models import Trial
from tests.bench import made_up_study
from tests.browser.participant import at, begin, join

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
#: By protocol the key of one answer, and the place of its button.
KEYS = {
    "two_choice": ("j", 1),
    "preference": ("4", 3),
    "distinction": ("c", 2),
    "advice": ("n", 1),
    "simulatability": ("2", 1),
}


def opened(key, **design):
    study = made_up_study(key, design, n_images=96)
    lifecycle.open_study(study)
    return study


def said(number: int) -> Trial:
    return Trial.objects.get(position=number)


def fits(page) -> bool:
    """Whether nothing has to be scrolled for sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("key", KEYS)
def test_the_first_trials_are_answered_by_key(browse, key):
    page, (pressed, place) = browse(), KEYS[key]
    begin(page, opened(key))
    for number in (1, 2):
        at(page, number)
        assert fits(page)
        value = page.locator("button[data-key]").nth(place).get_attribute("value")
        page.keyboard.press(pressed)
        at(page, number + 1)
        assert said(number).answer == value


@pytest.mark.parametrize("key", KEYS)
def test_the_first_trials_are_answered_on_a_phone_without_a_script(browse, key):
    page, place = browse(java_script_enabled=False, **PHONE), KEYS[key][1]
    study = opened(key, confidence=True)
    join(page, study)
    page.get_by_role("button", name="Begin").click()
    for number in (1, 2):
        at(page, number, painted=False)
        choice = page.locator("input[name=answer]").nth(place)
        value = choice.get_attribute("value")
        choice.check()
        page.locator("input[name=part_confidence]").nth(3).check()
        page.get_by_role("button", name="Send the answer").click()
        at(page, number + 1, painted=False)
        assert (said(number).answer, said(number).parts) == (value, {"confidence": 4})


def test_parts_are_answered_by_keyboard_alone(browse):
    page = browse()
    begin(page, opened("two_choice", confidence=True))
    page.keyboard.press("j")
    expect(page.locator("input[name=answer]").nth(1)).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    expect(page.locator("input[name=part_confidence]").nth(1)).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Send the answer")).to_be_focused()
    page.keyboard.press("Enter")
    at(page, 2)
    assert said(1).parts == {"confidence": 2}


def test_the_advice_comes_after_the_first_answer(browse):
    page = browse()
    begin(page, opened("advice", mode="two_step", explainers=["occlusion"]))
    expect(page.get_by_role("heading", name="What does the photograph show?")).to_be_visible()
    page.get_by_role("radio").first.check()
    page.get_by_role("button", name="Send the answer").click()
    expect(page.get_by_role("heading", name="The program says")).to_be_visible()
    page.locator("form.painted").wait_for()
    page.reload()
    expect(page.get_by_role("heading", name="The program says")).to_be_visible()
    page.locator("form.painted").wait_for()
    page.keyboard.press("1")
    at(page, 2)
    assert said(1).parts.keys() == {"first_answer"}
    assert said(1).answer


def test_training_tells_what_the_program_said(browse):
    page = browse()
    begin(page, opened("simulatability"))
    expect(page.locator(".phase")).to_have_text("Part 1 of 8")
    for number in (2, 3):
        page.keyboard.press("1")
        at(page, number)
    expect(page.locator(".phase")).to_have_text("Part 2 of 8")
    page.keyboard.press("1")
    expect(page.locator(".verdict")).to_contain_text("The program said")
    page.get_by_role("button", name="Go on").click()
    at(page, 4)

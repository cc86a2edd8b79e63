"""How answers are given, in a real browser: whoever answers by keyboard or by accessible actions shows no sign."""

import pytest
from django.urls import reverse

from studies.models import Participant, Trial
from tests.browser.participant import at
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DESIGN = {"threshold": 1, "evidence": True, "hidden_field": True, "flagging": "exclude"}
#: The browser of the tests says that a program drives it; that of a person does not.
AS_PEOPLES = "Object.defineProperty(Navigator.prototype, 'webdriver', { get: () => false });"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
TRIALS = 4


def by_letter(page, number: int) -> None:
    page.keyboard.press("yn"[number % 2])


def by_tab(key: str):
    def answer(page, number: int) -> None:
        for _ in range(20):
            page.keyboard.press("Tab")
            # Nobody comes upon the hidden field.
            assert page.evaluate("document.activeElement.name") != "more"
            if page.evaluate("document.activeElement.matches('button[data-key]')"):
                return page.keyboard.press(key)
        raise AssertionError("no button was reached by Tab")

    return answer


def by_role(page, number: int) -> None:
    """Found by role and name, as assistive technology finds it, and pressed where it is."""
    page.get_by_role("button", name="Yes").press("Enter")


def by_tool(page, number: int) -> None:
    """As a keyboard user's tool: it clicks by a script, just after a press that it keeps from the page."""
    page.evaluate("document.querySelector('button[data-key]').click()")


def by_pointer(page, number: int) -> None:
    box = page.locator("button[data-key]").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 2, steps=12)
    page.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 3)


def by_script(page, number: int) -> None:
    """A script in the page, as an extension's, once no press is of now any more."""
    page.evaluate(
        "Object.defineProperty(navigator, 'userActivation', { value: { isActive: false }, configurable: true })"
    )
    page.evaluate("document.querySelector('button[data-key]').click()")


def answered(browse, answer, *, as_peoples: bool = True) -> Participant:
    """The participant, once they have answered everything in this way, by keyboard from the first page on."""
    page = browse(**({"user_agent": AGENT} if as_peoples else {}))
    if as_peoples:
        page.add_init_script(AS_PEOPLES)
    page.goto(reverse("studies:join", args=[open_study(TRIALS, 2, **DESIGN).link]))
    for name in ("I agree", "Begin"):
        page.get_by_role("button", name=name).focus()
        page.keyboard.press("Enter")
    for number in range(1, TRIALS + 1):
        at(page, number)
        answer(page, number)
    page.get_by_role("heading", name="Thank you").wait_for()
    return Participant.objects.get()


@pytest.mark.parametrize(
    ("answer", "by"),
    [
        (by_letter, {"key"}),
        (by_tab("Enter"), {"key"}),
        (by_tab("Space"), {"key"}),
        (by_role, {"key"}),
        (by_tool, {"action"}),
        (by_pointer, {"mouse"}),
    ],
)
def test_nobody_is_flagged_for_how_people_answer(browse, answer, by):
    person = answered(browse, answer)
    evidence = list(Trial.objects.exclude(answered_at=None).values_list("evidence", flat=True))
    assert {one["by"] for one in evidence} <= by
    assert person.flags == []
    assert Trial.objects.filter(counted=True).count() == TRIALS
    assert person.evidence["session"]["hertz"] is None or person.evidence["session"]["hertz"] > 0


def test_a_page_tells_how_the_pointer_came(browse):
    answered(browse, by_pointer)
    last = Trial.objects.exclude(answered_at=None).latest("position").evidence
    assert last["off"] == pytest.approx([-0.17, -0.17], abs=0.03)
    assert last["trusted"]
    assert (last["visible"], last["pastes"]) == (True, 0)


def test_controls_a_driven_browser_and_a_script_are_flagged(browse):
    assert answered(browse, by_letter, as_peoples=False).flags == ["automated_browser"]


def test_a_script_that_answers_is_flagged_and_not_counted(browse):
    assert answered(browse, by_script).flags == ["scripted_answers"]
    assert not Trial.objects.filter(counted=True).exists()

"""What somebody who takes part does in a browser, and what they left in the database."""

import re

from django.urls import reverse
from playwright.sync_api import expect

from studies.models import Trial


def join(page, study) -> None:
    page.goto(reverse("studies:join", args=[study.link]))
    page.get_by_role("button", name="I agree").click()
    page.get_by_role("button", name="Begin").wait_for()


def begin(page, study) -> None:
    join(page, study)
    page.get_by_role("button", name="Begin").click()
    at(page, 1)


def at(page, number: int, *, painted: bool = True) -> None:
    """Wait until the page shows the trial of this number; its script says when the picture is painted."""
    expect(page.locator(".count")).to_have_text(re.compile(rf"^{number} (of|von) "))
    if painted:
        page.locator("form.painted").wait_for()


def press(page, key: str, then: int) -> None:
    """Answer by key, and wait for the trial of this number."""
    page.keyboard.press(key)
    at(page, then)


def give_an_answer(page) -> None:
    """The first of what is offered: one press, or of each part its first choice and then the button."""
    names = "[...new Set([...document.querySelectorAll('form.trial input[type=radio]')].map((one) => one.name))]"
    chosen = page.evaluate(names)
    for name in chosen:
        page.locator(f"form.trial input[name={name}]").first.check()
    page.locator("form.trial .actions button" if chosen else "button[data-key]").first.click()


def answers() -> list[tuple[int, str]]:
    return list(Trial.objects.exclude(answered_at=None).order_by("position").values_list("position", "answer"))


def kept(page) -> list[str]:
    """What this browser keeps until a server has answered it."""
    return page.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('quorum.kept '))")

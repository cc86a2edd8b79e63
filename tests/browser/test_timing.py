"""What a page measures while somebody answers: the time since the picture was painted, and where they were meanwhile.

How exact it is, is measured by `python -m benchmarks.response_time`; here nothing depends on how fast a machine is.
"""

from urllib.parse import parse_qs

import pytest

from studies import lifecycle
from studies.models import Trial
from tests.bench import made_up_study
from tests.browser.conftest import PATIENCE_MS
from tests.browser.participant import answers, at, begin, press
from tests.factories import open_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def sent(page, key: str) -> dict[str, int]:
    """What the page measured, as it sends it with the answer of this key."""
    with page.expect_request(lambda request: request.method == "POST") as request:
        page.keyboard.press(key)
    fields = parse_qs(request.value.post_data)
    return {name: int(fields[name][0]) for name in ("response_ms", "away_ms", "hidden_count", "blur_count")}


def test_somebody_who_takes_half_a_second_is_measured_on_every_page(browse):
    page = browse()
    begin(page, open_study(4))
    for number in (1, 2, 3):
        at(page, number)
        page.wait_for_timeout(500)
        press(page, "y", then=number + 1)
    times = Trial.objects.exclude(answered_at=None).values_list("response_ms", flat=True)
    assert len(times) == 3
    assert all(499 <= time <= PATIENCE_MS for time in times)


def test_leaving_the_window_is_counted_for_the_page_it_happened_on(browse):
    page = browse()
    begin(page, open_study(3))
    # Playwright makes every page believe that it has the focus; this one is to know better.
    page.context.new_cdp_session(page).send("Emulation.setFocusEmulationEnabled", {"enabled": False})
    page.bring_to_front()
    elsewhere = page.context.new_page()
    elsewhere.bring_to_front()
    page.wait_for_function("() => !document.hasFocus()")
    page.wait_for_timeout(400)
    page.bring_to_front()
    page.wait_for_function("() => document.hasFocus()")
    first = sent(page, "y")
    assert first["blur_count"] == 1
    assert 390 <= first["away_ms"] <= first["response_ms"]
    at(page, 2)
    second = sent(page, "n")
    assert (second["away_ms"], second["hidden_count"], second["blur_count"]) == (0, 0, 0)
    at(page, 3)
    assert answers() == [(1, "yes"), (2, "no")]


def test_a_hidden_page_is_counted_until_it_is_seen_again(browse):
    """A headless browser never hides a tab: the page is told so instead."""
    hide = "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    hide += " document.dispatchEvent(new Event('visibilitychange')) }"
    page = browse()
    begin(page, open_study(2))
    for _ in range(2):
        page.evaluate(hide, True)
        page.wait_for_timeout(200)
        page.evaluate(hide, False)
    measured = sent(page, "y")
    assert (measured["hidden_count"], measured["blur_count"]) == (2, 0)
    assert 380 <= measured["away_ms"] <= measured["response_ms"]


@pytest.mark.parametrize(
    "translates",
    [
        "document.documentElement.classList.add('translated-ltr')",
        "document.documentElement.lang = 'eo'",
        "document.querySelector('h1').innerHTML = '<font style=\"vertical-align: inherit\">Ĉu</font>'",
    ],
)
def test_a_page_that_the_browser_translated_says_so_with_its_answer(browse, translates):
    page = browse()
    begin(page, open_study(2))
    press(page, "y", then=2)
    page.evaluate(translates)
    page.keyboard.press("n")
    page.get_by_role("heading", name="Thank you").wait_for()
    answered = Trial.objects.exclude(answered_at=None).order_by("position")
    assert list(answered.values_list("translated", flat=True)) == [False, True]


def test_time_runs_once_the_last_of_many_pictures_is_there(browse):
    study = made_up_study("class_assignment", {"rounds": 3, "min_seconds": 0}, n_images=96)
    lifecycle.open_study(study)
    page = browse(viewport={"width": 1280, "height": 800})
    begin(page, study)
    upcoming = page.locator("form").get_attribute("data-ahead").split()
    assert len(upcoming) == 37
    here = page.locator("form img").evaluate_all("(pictures) => pictures.map((one) => one.getAttribute('src'))")
    late = next(url for url in reversed(upcoming) if url not in here)
    held = []
    page.route(f"**{late}", lambda route: held.append(route))
    page.reload(
        wait_until="commit"
    )  # with a route the browser's cache is off: what was loaded ahead is asked for again
    at(page, 1)
    page.keyboard.press("a")
    at(page, 2, painted=False)
    page.wait_for_timeout(300)
    page.keyboard.press("b")
    assert page.locator("form.painted").count() == 0
    assert [value for _, value in answers()] == ["A"]
    for route in held:
        route.continue_()
    at(page, 2)
    page.keyboard.press("b")
    at(page, 3)
    assert [value for _, value in answers()] == ["A", "B"]

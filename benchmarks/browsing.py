"""A real browser at the production server, for benchmarks of participants' pages.

The server is the Procfile's, on SQLite, in a temporary data folder; every trial has a picture of its own, so that none
has been seen before.  When the browser painted a picture is told by its Element Timing, and when a key was pressed by
the event's own time: neither is a clock of the page that is measured.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import tests.environment  # noqa: F401  a data folder of its own, before Django looks for one

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Playwright keeps an event loop in this thread; Django would take any query beside it for a mistake.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

import django

django.setup()

import numpy as np  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.urls import reverse  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

from studies import lifecycle  # noqa: E402
from studies.lib import storage  # noqa: E402
from studies.models import Study, Trial  # noqa: E402
from tests import requirements  # noqa: E402
from tests.browser.conftest import FLAGS, Production  # noqa: E402
from tests.factories import make_picture, make_study  # noqa: E402

#: Milliseconds of the epoch: `painted`, when a picture was on the screen, by its address; `pressed`, the last key.
WATCH = """
window.painted = {};
window.pressed = null;
const epoch = (milliseconds) => performance.timeOrigin + milliseconds;
new MutationObserver(() => {
  for (const picture of document.images) if (!picture.elementTiming) picture.elementTiming = "picture";
}).observe(document, { childList: true, subtree: true });
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.painted[entry.url] ??= epoch(entry.renderTime);
}).observe({ type: "element", buffered: true });
addEventListener("keydown", (event) => (window.pressed = epoch(event.timeStamp)), { capture: true });
"""


def open_study(trials: int, side: int) -> Study:
    """A study of so many trials for one person, with pictures of noise, which no compression makes small."""
    call_command("migrate", verbosity=0)
    study = make_study(trials, 1, side=side)
    for number, stimulus in enumerate(study.stimuli.all(), start=1000):
        stimulus.shown["picture"]["file"] = storage.store("artifacts", make_picture(number, side), ".png")
        stimulus.save(update_fields=["shown"])
    lifecycle.open_study(study)
    return study


@contextmanager
def server() -> Iterator[str]:
    """The address of the Procfile's web server, started and stopped."""
    production = Production()
    production.start()
    try:
        yield production.url
    finally:
        production.kill()


@contextmanager
def participant(study: Study, address: str) -> Iterator[Page]:
    """A browser at the first trial of the study."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=requirements.chromium(), args=FLAGS)
        page = browser.new_page(base_url=address)
        page.add_init_script(WATCH)
        page.goto(reverse("studies:join", args=[study.link]))
        page.get_by_role("button", name="I agree").click()
        page.get_by_role("button", name="Begin").click()
        yield page
        browser.close()


def painted(page: Page, number: int) -> float:
    """When the picture of this trial was painted; waits for it, and until the page takes answers by key."""
    page.wait_for_function(
        """(number) => {
          const picture = document.querySelector("form.painted img");
          const count = document.querySelector(".count")?.textContent ?? "";
          return picture && count.startsWith(`${number} of `) && window.painted[picture.src];
        }""",
        arg=number,
    )
    return page.evaluate("window.painted[document.querySelector('form.painted img').src]")


def quantile(values: list[float], share: float) -> float:
    """The smallest of the values that so large a share of them does not exceed."""
    return round(float(np.quantile(values, share, method="inverted_cdf")), 1)


def response_times() -> list[int | None]:
    """What the pages measured, in order."""
    answered = Trial.objects.exclude(answered_at=None)
    return list(answered.order_by("position").values_list("response_ms", flat=True))

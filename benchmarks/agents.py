"""Scripted browsers of several kinds take part in a study: the share of each that evidence flags, and that it does not.

    .venv/bin/python -m benchmarks.agents --each 5

Chromium on this machine answers a study with `evidence` and `hidden_field` on, a few trials each.  The kinds:

plain           a browser as Playwright starts it; it clicks buttons
script          the same with its marks hidden; a script in the page clicks, as an extension does
form filler     the same; fills in every field of a page and clicks
pointer         marks hidden; it clicks by the browser's own input, so that the pointer jumps
humanised       marks hidden; the pointer moves in many steps, with pauses, to a place beside the middle
keys            marks hidden; it answers by keys
a person's keys a control: keys, and focus moved by Tab, in a browser with its window, as somebody without a mouse has

Prints one JSON line: by kind how many took part, how many were flagged and by what, and how many had a pointer that
jumped, which is recorded and is no sign.  Nothing here was measured with people.
"""

import argparse
import json
import os
import tempfile
from collections import Counter
from random import Random
from typing import Any

CHROMIUM = os.environ.get("TEST_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
HIDDEN = "Object.defineProperty(Navigator.prototype, 'webdriver', { get: () => false });"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
#: A script in the page, which begins so late that no press of the one who set it up counts as one of now.
CLICKS = """setTimeout(() => setInterval(() => {
  const form = document.querySelector('form.trial.painted:not(.sent)');
  if (form) form.querySelector('button[data-key]').click();
}, 60), 6000);"""
FILLS = "document.querySelectorAll('form.trial input[type=text]').forEach((field) => { field.value = 'yes'; })"


def plain(page: Any, dice: Random) -> None:
    page.locator("button[data-key]").nth(dice.randrange(2)).click()


def form_filler(page: Any, dice: Random) -> None:
    page.evaluate(FILLS)
    plain(page, dice)


def humanised(page: Any, dice: Random) -> None:
    box = page.locator("button[data-key]").nth(dice.randrange(2)).bounding_box()
    x, y = box["x"] + box["width"] * dice.uniform(0.2, 0.8), box["y"] + box["height"] * dice.uniform(0.25, 0.75)
    page.mouse.move(x + dice.uniform(-90, 90), y - dice.uniform(40, 160), steps=12)
    page.wait_for_timeout(dice.uniform(60, 200))
    page.mouse.move(x, y, steps=dice.randrange(8, 20))
    page.mouse.down()
    page.wait_for_timeout(dice.uniform(40, 90))
    page.mouse.up()


def keys(page: Any, dice: Random) -> None:
    page.keyboard.press(dice.choice("yn"))


def by_tab(page: Any, dice: Random) -> None:
    for _ in range(1 + dice.randrange(2)):
        page.keyboard.press("Tab")
    page.locator("button[data-key]").nth(dice.randrange(2)).focus()
    page.keyboard.press(dice.choice(["Enter", "Space"]))


#: By kind: whether its marks are hidden, and how it answers; None: its own script does.
KINDS = {
    "plain": (False, plain),
    "script": (True, None),
    "form filler": (True, form_filler),
    "pointer": (True, plain),
    "humanised": (True, humanised),
    "keys": (True, keys),
    "a person's keys": (True, by_tab),
}


def take_part(browser: Any, study: Any, base: str, kind: str, dice: Random) -> None:
    """One agent from the text to agree to until the end."""
    from django.urls import reverse

    hidden, answers = KINDS[kind]
    context = browser.new_context(base_url=base, **({"user_agent": AGENT} if hidden else {}))
    if hidden:
        context.add_init_script(HIDDEN)
    if answers is None:
        context.add_init_script(CLICKS)
    page = context.new_page()
    page.goto(reverse("studies:join", args=[study.link]))
    page.get_by_role("button", name="I agree").click()
    page.get_by_role("button", name="Begin").click()
    trials = study.design["trials_per_participant"]
    if answers is None:
        # Playwright's own looking at a page counts as somebody's press there: so it does not look meanwhile.
        page.wait_for_timeout(9000 + 1000 * trials)
    for number in range(1, trials + 1 if answers else 1):
        page.locator(f"header.progress .count:text-matches('^{number} of')").wait_for()
        page.locator("form.painted").wait_for()
        answers(page, dice)
    page.get_by_role("heading", name="Thank you").wait_for()
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=5, help="Agents of each kind.")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DATA_DIR": folder, "LOG_LEVEL": "ERROR", "DJANGO_SETTINGS_MODULE": "config.settings"}
        os.environ |= {"DJANGO_ALLOW_ASYNC_UNSAFE": "1", "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver"}
        os.environ |= {"BEGINNERS_PER_ADDRESS": "0", "JOIN_LIMIT": "0"}
        print(json.dumps(run(given)))


def run(given: argparse.Namespace) -> dict[str, Any]:
    import threading
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    import django

    django.setup()
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from playwright.sync_api import sync_playwright

    from studies.models import Participant
    from tests.factories import open_study

    call_command("migrate", verbosity=0)
    agents = given.each * len(KINDS)
    design = {"threshold": 1, "evidence": True, "hidden_field": True, "by_yourself": True, "flagging": "flag"}
    study = open_study(given.trials, min(agents, 99), **design)

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = make_server("127.0.0.1", 0, StaticFilesHandler(get_wsgi_application()), handler_class=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found: dict[str, dict[str, Any]] = {}
    dice = Random(given.seed)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for kind in KINDS:
            known = set(Participant.objects.values_list("pk", flat=True))
            for _ in range(given.each):
                take_part(browser, study, f"http://127.0.0.1:{server.server_port}", kind, dice)
            people = list(Participant.objects.exclude(pk__in=known))
            found[kind] = {
                "agents": len(people),
                "flagged": sum(bool(person.flags) for person in people),
                "signs": dict(Counter(sign for person in people for sign in person.flags or ())),
                "pointer_jumped": sum(bool((person.evidence or {}).get("tally", {}).get("jumps")) for person in people),
            }
        browser.close()
    server.shutdown()
    return {"trials": given.trials, "kinds": found}


if __name__ == "__main__":
    main()

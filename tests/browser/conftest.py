import os

import pytest
from playwright.sync_api import expect, sync_playwright

from tests import reachable

#: On a busy machine a page takes its time; nothing here is about how fast it is.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def chromium():
    """A real Chromium, or the one line that says why these tests do not run."""
    path = reachable.chromium()
    # Playwright keeps an event loop in this thread; Django would take any query beside it for a mistake.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def browse(chromium, live_server):
    """Open a fresh browser profile on the tests' server: `browse(java_script_enabled=False)` gives its first page."""
    contexts = []

    def fresh(**options):
        contexts.append(chromium.new_context(base_url=live_server.url, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_MS)
        return page

    yield fresh
    for context in contexts:
        context.close()

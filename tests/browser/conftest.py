import os
import re
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from tests import requirements

#: On a busy machine a page takes its time; nothing here is about how fast it is.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)

ROOT = Path(__file__).parent.parent.parent

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def chromium():
    """A real Chromium, or the one line that says why these tests do not run."""
    path = requirements.chromium()
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


class Production:
    """The Procfile's web server on the tests' database; it can be killed with all its workers, and started again."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self) -> None:
        line = re.search(r"^web: (.*)$", (ROOT / "Procfile").read_text(), re.MULTILINE)[1]
        command = line.replace("$PORT", str(self.port)).split()
        self.process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        for _ in range(300):
            with suppress(httpx.TransportError):
                return httpx.get(self.url)
            time.sleep(0.1)
        raise TimeoutError(self.url)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def browse_production(chromium, transactional_db):
    """A running production server, and the first page of a fresh browser profile on it."""
    server = Production()
    server.start()
    context = chromium.new_context(base_url=server.url)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield server, page
    context.close()
    server.kill()

"""The database is really stopped, and the cache with it, while somebody answers: they are told, and nothing is lost."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.browser.participant import at
from tests.services.broker import Broker
from tests.services.cluster import Cluster
from tests.services.conftest import installed
from tests.services.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.services]

WAITING = "The connection is interrupted"
GIVEN = "SELECT answer, response_ms IS NOT NULL FROM studies_trial WHERE answered_at IS NOT NULL ORDER BY position"


def test_an_answer_given_while_the_database_is_stopped_is_kept_by_its_page_and_stored_when_it_is_back(
    chromium, tmp_path
):
    with Cluster() as cluster, Broker() as broker, installed("postgresql", tmp_path, cluster.url()) as plain:
        services = {"BROKER_URL": broker.url(), "CACHE_URL": broker.url(1)}
        installation = replace(plain, environment={**plain.environment, **services})
        done = installation.run("-m", "tests.services.opening", "--stimuli", "4", "--each", "4")
        assert done.returncode == 0, done.stderr
        with Server(installation.environment, tmp_path / "log") as server:
            context = chromium.new_context(base_url=f"http://127.0.0.1:{server.port}")
            try:
                play(context.new_page(), done.stdout.strip(), cluster, broker)
            finally:
                context.close()
        assert installation.rows(GIVEN) == [("yes", True), ("no", True), ("yes", True)]
    said = (tmp_path / "log").read_text()
    assert "the database fails: OperationalError" in said
    assert "Traceback" not in said


def play(page, link: str, cluster: Cluster, broker: Broker) -> None:
    page.goto(f"/s/{link}/")
    page.get_by_role("button", name="I agree").click()
    page.get_by_role("button", name="Begin").click()
    at(page, 1)
    # Without cache and queue people answer as ever.
    broker.kill()
    page.keyboard.press("y")
    at(page, 2)
    cluster.stop()
    page.keyboard.press("n")
    expect(page.get_by_text(WAITING)).to_be_visible()
    # Somebody who opens the page meanwhile is told to wait, on a page that needs nothing.
    other = page.context.new_page()
    response = other.goto(page.url)
    assert (response.status, response.headers["retry-after"]) == (503, "10")
    expect(other.get_by_role("heading")).to_have_text("Please wait a moment")
    cluster.start()
    at(page, 3)
    expect(page.get_by_text(WAITING)).to_be_hidden()
    broker.start()
    page.keyboard.press("y")
    at(page, 4)

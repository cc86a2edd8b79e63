"""A study in a frame as a recruiter shows it, in a real browser, and the admin's pages of recruiting.

A local site frames the study and is handed in to.
"""

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from django.urls import reverse
from playwright.sync_api import expect

from studies import lifecycle, participation
from studies.models import Arrival, Participant, Slot, Study, Trial
from studies.simulation import age
from tests.bench import made_up_study
from tests.browser.desk import account, faults, log_in
from tests.browser.test_desk_pages import PICTURES
from tests.factories import open_study
from tests.framing.recruiters import SITES
from tests.recruiters import PREVIEW, WORKER, address, comes, from_framing, recruits

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


class Worksite(BaseHTTPRequestHandler):
    """Shows the address of its query in a frame; keeps whatever is handed in."""

    def do_GET(self):
        src = unquote(urlsplit(self.path).query).replace("&", "&amp;")
        self._send(f'<!doctype html><title>Task</title><iframe src="{src}" width="900" height="700"></iframe>')

    def do_POST(self):
        given = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.handed_in.append((self.path, {name: values[0] for name, values in parse_qs(given).items()}))
        self._send("<!doctype html><title>Done</title><p>Handed in</p>")

    def _send(self, page: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_args):
        pass


@pytest.fixture
def sites():
    """Two sites, of which the study is to know one."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Worksite) for _ in range(2)]
    for server in servers:
        server.handed_in = []
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def shower(sites, monkeypatch):
    """The site that takes the sandbox's place, in this test alone: no setting names a host to hand in to."""
    monkeypatch.setitem(SITES, "sandbox", sites[0].url)
    return sites[0]


def test_a_task_is_previewed_accepted_answered_returned_accepted_again_and_handed_in(
    browse, live_server, shower, sites
):
    study = recruits(open_study(3, 2), "framing")
    page, frame = browse(), None

    def shows(query: dict, site=shower):
        nonlocal frame
        page.goto(f"{site.url}/?{live_server.url}{address(study, query)}")
        frame = page.frame_locator("iframe")

    def at(number: int) -> None:
        expect(frame.locator(".count")).to_contain_text(f"{number} of 3")
        frame.locator("form.painted").wait_for()

    # A preview stores nothing and takes no place.
    shows(PREVIEW)
    expect(frame.get_by_role("status")).to_contain_text("Accept the task to take part")
    expect(frame.get_by_role("button")).to_have_count(0)
    assert not Participant.objects.exists()
    assert not Arrival.objects.exists()
    assert not Slot.objects.filter(holder__isnull=False).exists()
    assert participation.has_room(study)

    # Accepted, begun, answered once; then returned.
    shows(from_framing(assignment="3FIRST", submit_to=shower.url))
    frame.get_by_role("button", name="I agree").click()
    frame.get_by_role("button", name="Begin").click()
    at(1)
    frame.get_by_role("button", name="Yes").click()
    at(2)
    shows(PREVIEW)
    expect(frame.get_by_role("status")).to_contain_text("Accept the task to take part")

    # Accepted again: the same person, at the same trial, though the browser brings no cookie.
    assert page.context.cookies() == []
    shows(from_framing(assignment="3SECOND", submit_to=shower.url))
    at(2)
    frame.get_by_role("button", name="No").click()
    at(3)
    frame.get_by_role("button", name="Yes").click()
    hand_in = frame.get_by_role("button", name="Hand in the task")
    hand_in.wait_for()
    assert list(Trial.objects.order_by("position").values_list("answer", flat=True)) == ["yes", "no", "yes"]

    # The page itself lets its form go nowhere else, whatever becomes of it; the other site would have taken it.
    other = sites[1]
    assert httpx.post(f"{other.url}/submit", data={"tried": "1"}).status_code == 200
    form = frame.locator("form.way")
    form.evaluate(f"(form) => {{ form.action = '{other.url}/submit'; }}")
    refusals = []
    page.on("console", lambda message: refusals.append(message.text))
    hand_in.click()
    expect(hand_in).to_be_visible()
    form.evaluate(f"(form) => {{ form.action = '{shower.url}/submit'; }}")
    hand_in.click()
    expect(frame.get_by_text("Handed in")).to_be_visible()
    person = Participant.objects.get()
    told = {"assignmentId": "3SECOND", "code": person.completion_code, "outcome": "completed"}
    assert shower.handed_in == [("/submit", told)]
    assert other.handed_in == [("/submit", {"tried": "1"})]
    assert any("form-action" in refusal for refusal in refusals)

    # Where the frame says that it hands in elsewhere, nothing is begun.
    shows(from_framing("ANOTHER", "3THIRD", submit_to=other.url))
    expect(frame.get_by_role("heading", level=1)).to_have_text("That did not work")
    # And no other site shows the study in a frame, while this one does.
    shows(from_framing(assignment="3SECOND", submit_to=shower.url))
    expect(frame.get_by_role("heading", name="Thank you")).to_be_visible()
    shows(from_framing(assignment="3SECOND", submit_to=shower.url), other)
    for _ in range(200):
        if page.frames[1].url:
            break
        page.wait_for_timeout(50)
    assert page.frames[1].url.startswith("chrome-error:")
    assert Participant.objects.count() == 1

    # What recruited people read is sound, in a frame or not.
    alone = browse(viewport={"width": 390, "height": 844}, bypass_csp=True)
    again, new = (from_framing(*who, shower.url) for who in ((WORKER, "3SECOND"), ("ANEW", "3NEW")))
    for query in (PREVIEW, again, new):
        alone.goto(address(study, query))
        assert faults(alone, "main") == []


def test_the_desks_pages_of_recruiting_are_sound(browse):
    ada = account("ada", "researcher")
    study = made_up_study("adversarial_trials", {"threshold": 1})
    lifecycle.open_study(study)
    Study.objects.update(owner=ada)
    recruits(study, "framing")
    visitor = comes(study, from_framing()).begin()
    visitor.finish()
    age(visitor.participant, timedelta(days=3))
    page, found = browse(), {}

    def look(name: str) -> None:
        found[name] = faults(page)
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"recruiting-{name}.png", full_page=True)

    log_in(page, "ada")
    page.goto(reverse("admin:studies_study_recruiting", args=[study.pk]))
    look("recruiting")
    page.get_by_role("button", name="Show the IDs of people due").click()
    expect(page.get_by_role("cell", name=WORKER)).to_be_visible()
    look("due")
    page.goto(reverse("admin:studies_study_recruiting", args=[study.pk]) + "?recruiter=prolific")
    look("prolific")
    assert {name: wrong for name, wrong in found.items() if wrong} == {}

"""No line that the program writes holds what opens a participant's page."""

import io
import json
import logging
import logging.config
import subprocess
import sys

import pytest
from django.conf import settings
from django.test import Client

from studies.operations import logs
from tests.factories import open_study
from tests.participant_client import Visitor

#: Always the same, since it is in the names of tests.
TOKEN = "xQlO74eNcgU0fAOOMLa1TA"
PATH = f"/t/{TOKEN}/"


@pytest.fixture(params=["text", "json"])
def lines(request):
    """What the configured handlers write from now on."""
    written = io.StringIO()
    configuration = logs.configuration(request.param, "INFO")
    configuration["handlers"]["console"]["stream"] = written
    before = logging.getLogger().handlers[:]
    logging.config.dictConfig(configuration)
    yield written
    logging.config.dictConfig(settings.LOGGING)
    logging.getLogger().handlers[:] = before


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        (f"Not Found: {PATH}", "Not Found: /t/…/"),
        (f'"POST {PATH} HTTP/1.1" 200', '"POST /t/…/ HTTP/1.1" 200'),
        (f"{PATH}withdraw/?next={PATH}", "/t/…/withdraw/?next=/t/…/"),
        (f"/x/?next=%2Ft%2F{TOKEN}%2F", "/x/?next=%2Ft%2F…%2F"),
        (f"https://site/t/{TOKEN}", "https://site/t/…"),
        ("/pictures/artifacts/ab/0.png", "/pictures/artifacts/ab/0.png"),
        ("/t/", "/t/"),
        ('"GET /s/0b1c/?PROLIFIC_PID=5f&STUDY_ID=6 HTTP/1.1"', '"GET /s/0b1c/?… HTTP/1.1"'),
        ("?next=%2Fs%2F0b1c%2F%3FworkerId%3DA1", "?next=%2Fs%2F0b1c%2F%3F…"),
        ("/s/0b1c/ and /admin/s/?q=1", "/s/0b1c/ and /admin/s/?…"),
        ("/s/0b1c/", "/s/0b1c/"),
        ("/admin/studies/study/?q=1", "/admin/studies/study/?q=1"),
    ],
)
def test_a_token_is_taken_out_of_whatever_surrounds_it_and_nothing_else(text, scrubbed):
    assert logs.scrub(text) == scrubbed
    assert logs.scrub(scrubbed) == scrubbed


@pytest.mark.django_db
def test_lines_about_a_participants_page_name_the_page_and_not_the_token(lines, monkeypatch):
    visitor = Visitor(open_study(1)).begin()
    token = visitor.path.split("/")[2]
    visitor.client.put(visitor.path)
    monkeypatch.setattr("studies.participation.find", lambda token: 1 / 0)
    Client(raise_request_exception=False).get(visitor.path)
    said = lines.getvalue()
    assert "Method Not Allowed" in said
    assert "ZeroDivisionError" in said
    assert "/t/…/" in said
    assert token not in said


def test_the_servers_own_lines_and_tracebacks_are_scrubbed_too(lines):
    for name in ("gunicorn.access", "gunicorn.error", "django.server", "anything.else"):
        try:
            raise RuntimeError(f"no such thing as {PATH}")
        except RuntimeError:
            logging.getLogger(name).warning('127.0.0.1 "GET %s HTTP/1.1" 200', PATH, exc_info=True)
    said = lines.getvalue()
    assert said.count("GET /t/…/") == said.count("no such thing as /t/…/") == 4
    assert TOKEN not in said


def test_the_tests_above_can_tell():
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    record = logging.LogRecord("x", logging.WARNING, "", 0, "Not Found: %s", (PATH,), None)
    handler.emit(record)
    assert TOKEN in written.getvalue()


@pytest.mark.parametrize("lines", ["json"], indirect=True)
@pytest.mark.django_db
def test_a_json_line_has_the_route_and_the_status_and_nobodys_name(lines, client):
    client.get("/s/00000000-0000-4000-8000-000000000000/")
    (said,) = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert {name: said[name] for name in ("level", "logger", "method", "route", "status")} == {
        "level": "WARNING",
        "logger": "django.request",
        "method": "GET",
        "route": "s/<uuid:link>/",
        "status": 404,
    }
    assert set(said) == {"time", "level", "logger", "message", "process", "method", "route", "status"}


@pytest.mark.parametrize("lines", ["json"], indirect=True)
def test_a_json_line_about_a_task_has_its_name_its_id_and_its_seconds(lines):
    task = {"id": "an-id", "name": "studies.tasks.compute", "runtime": 1.23456, "return_value": "None", "args": "[7]"}
    logging.getLogger("celery.app.trace").info("Task %(name)s[%(id)s] succeeded", task, extra={"data": task})
    said = json.loads(lines.getvalue())
    assert (said["task"], said["task_id"], said["seconds"]) == ("studies.tasks.compute", "an-id", 1.235)
    assert set(said) == {"time", "level", "logger", "message", "process", "task", "task_id", "seconds"}


def test_a_layout_that_is_not_there_is_refused():
    program = "import os; os.environ['LOG_FORMAT'] = 'xml'; import config.settings"
    done = subprocess.run([sys.executable, "-c", program], cwd=settings.BASE_DIR, capture_output=True, text=True)
    assert "LOG_FORMAT must be one of text, json, not 'xml'." in done.stderr

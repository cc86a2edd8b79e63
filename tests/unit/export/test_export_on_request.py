"""The export that a page hands out: a small study's at once, a large one's by a process that can be ended."""

import io
import tempfile
import zipfile
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from studies.export import in_process, on_request
from studies.lib import limited_process
from studies.results import cache
from tests.factories import answered_study
from tests.logged_in_users import researcher, said

pytestmark = pytest.mark.django_db

SECONDS = 77


@pytest.fixture
def large(monkeypatch, settings, tmp_path) -> Path:
    """Every study is a large one; the folder in which it is written."""
    monkeypatch.setattr(cache, "AT_ONCE", 0)
    settings.DATA_DIR, settings.EXPORT_SECONDS = tmp_path, SECONDS
    return tmp_path


def address(study) -> str:
    return reverse("admin:studies_study_export", args=[study.pk])


def in_this_process(monkeypatch) -> list[dict]:
    """Processes of their own do not see a test's database: what is asked of one is done here, and noted."""
    asked = []

    def run(function, *args, **options):
        asked.append({"function": function, **options})
        assert function == "studies.export.in_process:write_zip"
        in_process.write_zip(*args)

    monkeypatch.setattr(limited_process, "run", run)
    return asked


def test_a_large_study_is_written_by_a_process_of_its_own_and_handed_out_whole(large, monkeypatch):
    asked = in_this_process(monkeypatch)
    study, client = answered_study(), researcher()
    response = client.get(address(study))
    with zipfile.ZipFile(io.BytesIO(response.getvalue())) as archive:
        assert archive.testzip() is None
        assert f"{study.slug}/analysis.json" in archive.namelist()
    user = User.objects.get(is_superuser=True)
    (call,) = asked
    assert (call["owner"], call["seconds"]) == (f"export-{user.pk}", SECONDS)
    # Not one of those places that estimates have.
    assert call["places"] is on_request.PLACES
    assert study.events.filter(what="exported").get().who == user.username
    assert list(large.iterdir()) == []


def test_a_small_study_needs_no_process(monkeypatch, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    asked = in_this_process(monkeypatch)
    response = researcher().get(address(answered_study()))
    assert zipfile.ZipFile(io.BytesIO(response.getvalue())).testzip() is None
    assert (asked, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        (
            limited_process.OverLimit("it takes longer than 77 seconds"),
            "Not exported: it takes longer than 77 seconds: have the server's operator write it, manage.py",
        ),
        (limited_process.Busy("busy"), "Not exported: another export is being written; try again in a minute."),
        (limited_process.Superseded("a newer request of yours took its place"), "Not exported: a newer request of"),
    ],
    ids=["too long", "busy", "newer"],
)
def test_an_export_that_is_ended_is_said_on_the_results_page(large, monkeypatch, reason, line):
    def ended(*_args, **_options):
        raise reason

    monkeypatch.setattr(limited_process, "run", ended)
    study = answered_study()
    client = researcher()
    response = client.get(address(study), follow=True)
    assert response.request["PATH_INFO"] == reverse("admin:studies_study_results", args=[study.pk])
    (message,) = said(response)
    assert message.startswith(line)
    assert list(large.iterdir()) == []
    assert not study.events.filter(what="exported").exists()


def test_a_disk_without_room_is_said(large, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    (message,) = said(researcher().get(address(answered_study()), follow=True))
    assert message == "Not exported: No space left on device."

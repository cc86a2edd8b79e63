"""The disk of the database is really full while somebody answers: they are told to wait, and what they sent is taken
once there is room again.
"""

import subprocess
from random import Random

import pytest

from tests import requirements
from tests.services.conftest import installed
from tests.services.serving import Server

from .event_loop import finished
from .http_participants import Connection, Ledger, Walker

pytestmark = pytest.mark.services

GIVEN = "SELECT answer FROM studies_trial WHERE answered_at IS NOT NULL ORDER BY position"


@pytest.fixture
def small(tmp_path):
    """A data folder on a file system of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        requirements.missing("no small tmpfs can be mounted", "Run the tests as root.")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(2**12))
        except OSError:
            pass


def test_an_answer_that_a_full_disk_does_not_take_is_503_and_is_taken_when_there_is_room(small, tmp_path):
    with installed("sqlite", small) as installation:
        done = installation.run("-m", "tests.services.opening", "--stimuli", "3", "--each", "3")
        assert done.returncode == 0, done.stderr
        with Server(installation.environment, tmp_path / "log", workers=1) as server:
            finished(answer(server.port, done.stdout.strip(), small / "ballast"))
        assert installation.rows(GIVEN) == [("yes",), ("no",)]
    said = (tmp_path / "log").read_text()
    assert "the database fails: OperationalError" in said
    assert "Traceback" not in said


async def answer(port: int, link: str, ballast) -> None:
    walker = Walker(port, link, Random(0), Ledger())
    await walker.join()
    await walker.begin()
    await walker.answer("yes")
    form = {**walker.page.fields, "answer": "no", "response_ms": "700"}
    fill(ballast)
    browser = Connection(port)
    refused = await browser.request("POST", walker.path, form)
    assert (refused.status, refused.headers["retry-after"]) == (503, "10")
    assert "sends it again by itself" in refused.body
    ballast.unlink()
    assert (await browser.request("POST", walker.path, form)).status == 200
    browser.close()
    walker.close()

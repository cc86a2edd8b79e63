"""What the production server writes while people take part, its access log turned on: no line opens anybody's page."""

import json
from random import Random

import pytest

from tests.services.conftest import installed
from tests.services.serving import Server

from .event_loop import finished
from .http_participants import Ledger, Walker

pytestmark = pytest.mark.services


@pytest.mark.parametrize("layout", ["text", "json"])
def test_the_access_log_of_the_server_holds_no_token(layout, tmp_path):
    with installed("sqlite", tmp_path) as installation:
        link = installation.run("-m", "tests.services.opening", "--stimuli", "3", "--each", "3").stdout.strip()
        logged = {"GUNICORN_CMD_ARGS": "--access-logfile -", "LOG_FORMAT": layout}
        with Server({**installation.environment, **logged}, tmp_path / "log", workers=1) as server:
            token = finished(take_part(server.port, link))
        said = (tmp_path / "log").read_text()
    assert len(token) == 22
    assert token not in said
    posts = [line for line in said.splitlines() if "POST /t/…/ HTTP/1.1" in line]
    assert len(posts) >= 4
    if layout == "json":
        assert {json.loads(line)["logger"] for line in posts} == {"gunicorn.access"}


async def take_part(port: int, link: str) -> str:
    """Somebody who answers everything; their token."""
    walker = Walker(port, link, Random(0), Ledger())
    await walker.join()
    await walker.begin()
    while walker.page.trial is not None:
        await walker.answer()
    walker.close()
    return walker.path.split("/")[2]

"""The production server is restarted while a crowd answers: nothing that was acknowledged is lost, nobody is stuck."""

import asyncio
from random import Random

import pytest

from tests.services.test_crowd_over_http import go, served

from .crowd_over_http import Throng

pytestmark = pytest.mark.services

CROWD = ["--stimuli", "20", "--each", "10"]


def test_reloaded_twice_under_load_it_loses_nothing_and_answers_everybody(installation, tmp_path):
    with served(installation, tmp_path, *CROWD) as (link, server):
        before, reloads = set(server.children()), []

        async def disturb(dice: Random) -> None:
            await asyncio.sleep(dice.uniform(0.5, 1.5))
            if len(reloads) < 2:
                server.reload()
                reloads.append(1)

        throng = Throng(installation, server.port, link, at_once=12, patient=True, disturb=disturb)
        assert go(throng) == {}
        assert reloads
        assert not before & set(server.children())
    assert "Traceback" not in server.log.read_text()


def test_stopped_and_started_again_under_load_it_ends_by_itself_and_loses_nothing(installation, tmp_path):
    with served(installation, tmp_path, *CROWD) as (link, server):
        ends = []

        async def disturb(dice: Random) -> None:
            await asyncio.sleep(dice.uniform(0.5, 1.5))
            if len(ends) < 2:
                ends.append(await asyncio.to_thread(server.stop_and_restart))

        throng = Throng(installation, server.port, link, at_once=12, patient=True, disturb=disturb)
        assert go(throng) == {}
        assert ends
        assert set(ends) == {0}
    assert "Traceback" not in server.log.read_text()

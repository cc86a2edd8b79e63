"""A crowd before the real pages fills every panel exactly, loses nothing, and the test can tell when it does not.

Larger crowds, and harder ones, are a command: `python -m benchmarks.crowd`.
"""

import asyncio
from contextlib import contextmanager
from random import Random

import psycopg
import pytest

from tests import requirements
from tests.services.counting import harm
from tests.services.serving import Server

from .crowd_over_http import Habits, Throng
from .event_loop import finished

pytestmark = pytest.mark.services


@contextmanager
def served(installation, tmp_path, *options: str, **serving):
    """The link of an open study, and the server that shows it."""
    done = installation.run("-m", "tests.services.opening", *options)
    assert done.returncode == 0, done.stderr
    with Server(installation.environment, tmp_path / "log", workers=4, **serving) as server:
        yield done.stdout.strip(), server


def go(throng: Throng) -> dict:
    finished(throng.run())
    return {
        **harm(throng.installation, throng.ledger, full=True),
        **({"errors": e} if (e := throng.ledger.errors) else {}),
    }


def test_a_crowd_over_http_fills_every_panel_exactly_with_distinct_people(installation, tmp_path):
    with served(installation, tmp_path, "--stimuli", "24", "--each", "12") as (link, server):
        throng = Throng(installation, server.port, link, at_once=16)
        assert go(throng) == {}
        # Nobody reads the reply of an answer whose sender hung up; most hear that theirs is stored.
        assert len(throng.ledger.sent) >= 24 * 5
        assert len(throng.ledger.acknowledged) >= 24 * 4


def test_no_acknowledged_answer_is_lost_when_four_processes_and_all_connections_are_cut_at_once(installation, tmp_path):
    with served(installation, tmp_path, "--stimuli", "90", "--each", "20") as (link, server):
        killed, answered = [], []

        async def disturb(dice: Random) -> None:
            while not throng.ledger.acknowledged:
                await asyncio.sleep(0.1)
            # Twice; a slow machine may need many seconds to start processes again.
            await asyncio.sleep(dice.uniform(0.5, 1.5) if not killed else 5 if len(killed) < 2 else 3600)
            answered.append(len(throng.ledger.acknowledged))
            killed.append(server.kill_children())
            await asyncio.to_thread(cut_connections, installation)

        throng = Throng(installation, server.port, link, at_once=16, patient=True, disturb=disturb)
        assert go(throng) == {}
        # In the middle of it: some had been answered before, and more were after.
        assert killed[0] == 4
        assert 0 < answered[0] < len(throng.ledger.acknowledged)


def cut_connections(installation) -> None:
    """Whoever is connected to the database is no more; SQLite has no server to lose."""
    if installation.engine == "postgresql":
        name = psycopg.conninfo.conninfo_to_dict(installation.environment["DATABASE_URL"])["dbname"]
        with requirements.postgresql() as server:
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def test_without_what_protects_it_the_same_crowd_does_harm(installation, tmp_path):
    """PostgreSQL without lock and constraints; SQLite, whose writers queue anyway, without the queue."""
    application = {
        "postgresql": "tests.services.without_constraints:unlocked()",
        "sqlite": "tests.services.without_constraints:deferred()",
    }
    options = ["--stimuli", "20", "--panel", "12", "--each", "20", "--without-constraints"]
    with served(installation, tmp_path, *options, application=application[installation.engine]) as (link, server):
        # Both tabs of everybody come back at once, again and again.
        habits = Habits(two_tabs=1)
        throng = Throng(installation, server.port, link, at_once=16, habits=habits, pauses=0.1, seconds=15)
        assert go(throng).keys() - {"not_exactly_full"}

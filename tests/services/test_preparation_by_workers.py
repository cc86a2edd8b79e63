"""Real workers, real queues, real kills: the same bytes as in the foreground, on both engines.

docs/explanation/faults.md has the table of faults; the same in one process, and faster: tests/unit/.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import pytest
import redis

from tests import requirements
from tests.services.conftest import ROOT, Installation, installed
from tests.services.relay import Relay

from .celery_workers import Workforce

pytestmark = pytest.mark.services

IMAGES = 300
KILLS = 3
#: Long enough for a batch on a machine that is busy with other things.
LEASE = "5"
PROGRAM = ("-m", "tests.services.preparing")

_undisturbed: list[dict] = []

#: Tests of faults that run in one process, and here once more on PostgreSQL.
FAULTS = (
    "tests/unit/preparation/test_images_that_fail.py",
    "tests/unit/preparation/test_preparation_faults.py",
    "tests/unit/results/test_result_cache.py",
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def studio(request, tmp_path_factory):
    """An installation with a study to prepare and two that cannot be; its queue is of files, or in Redis."""
    folder = tmp_path_factory.mktemp(request.param)
    with installed(request.param, folder) as plain:
        queue = requirements.redis_url() if plain.engine == "postgresql" else ""
        studio = replace(plain, environment={**plain.environment, "BROKER_URL": queue, "WORK_LEASE": LEASE})
        options = ["--images", str(IMAGES), "--fault", "slow", "--also", "killing", "stuck"]
        done(studio.run(*PROGRAM, "make", str(folder / "source"), *options))
        yield studio
        empty_the_queue(studio)


@pytest.fixture
def undisturbed(studio) -> dict:
    """What preparing the study in the foreground leaves behind, on the engine that was there first."""
    if not _undisturbed:
        studio.manage("prepare", "study")
        _undisturbed.append(json.loads(done(studio.run(*PROGRAM, "fingerprint"))))
    found = _undisturbed[0]
    assert found["state"] == "ready"
    assert found["artifacts"]["done"] > IMAGES
    return found


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "workers.log"


def done(process: subprocess.CompletedProcess) -> str:
    assert process.returncode == 0, process.stderr
    return process.stdout


def ask(studio: Installation, slug: str = "study", *, times: int = 1) -> None:
    """Have workers prepare the study from nothing."""
    empty_the_queue(studio)
    done(studio.run(*PROGRAM, "ask", slug, "--times", str(times)))


@contextmanager
def tended(studio: Installation, slug: str = "study") -> Iterator[subprocess.Popen]:
    """The sweeper, which ends with the preparation and prints the fingerprint."""
    sweeper = subprocess.Popen(
        [sys.executable, *PROGRAM, "tend", slug],
        cwd=ROOT,
        env={**os.environ, **studio.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield sweeper
    finally:
        sweeper.kill()
        sweeper.communicate()


def result_of(sweeper: subprocess.Popen, log: Path) -> dict:
    out, said = sweeper.communicate(timeout=240)
    assert sweeper.returncode == 0, f"{said[-3000:]}\n{log.read_text()[-3000:]}"
    return json.loads(out)


def empty_the_queue(studio: Installation) -> None:
    if studio.engine == "postgresql":
        redis.Redis.from_url(studio.environment["BROKER_URL"]).flushdb()
    else:
        shutil.rmtree(studio.folder / "queue", ignore_errors=True)
        (studio.folder / "queue").mkdir()


def at_work(studio: Installation) -> set[int]:
    """The processes that hold a batch."""
    return {int(mark.rsplit(":", 2)[1]) for (mark,) in studio.rows(RUNNING)}


RUNNING = "SELECT DISTINCT worker FROM studies_artifact WHERE state = 'running'"


def behind_a_relay(studio: Installation, variable: str) -> tuple[Relay, Installation]:
    """The installation with that service behind a relay, where it can be taken away."""
    url = urlsplit(studio.environment[variable])
    relay = Relay(url.hostname, url.port or {"redis": 6379}.get(url.scheme, 5432))
    user = f"{url.netloc.rpartition('@')[0]}@" if "@" in url.netloc else ""
    through = url._replace(netloc=f"{user}127.0.0.1:{relay.port}").geturl()
    return relay, replace(studio, environment={**studio.environment, variable: through})


def test_four_workers_killed_given_everything_thrice_and_cut_off_for_ten_seconds_leave_what_the_foreground_leaves(
    studio, undisturbed, log
):
    """While they are at work database and queue are gone for ten seconds, and the queue comes back empty."""
    ask(studio, times=3)
    dice = Random(7)
    take_away, give_back, through = cut_off(studio)
    with Workforce(through.environment, 4, log) as workers, tended(through) as sweeper:

        def over() -> bool:
            return sweeper.poll() is not None

        workers.wait_for_work(lambda: at_work(studio), over)
        assert not over()
        take_away()
        time.sleep(dice.uniform(0, 1))
        workers.kill(dice)
        time.sleep(9)
        empty_the_queue(studio)
        give_back()
        for _ in range(KILLS - 1):
            workers.kill_one_at_work(lambda: at_work(studio), over, dice)
        while not over():
            workers.replace_the_dead()
            time.sleep(0.2)
        assert result_of(sweeper, log) == undisturbed


def cut_off(studio: Installation) -> tuple[Callable, Callable, Installation]:
    """How to take database and queue away, how to give them back, and the installation that leads to them.

    SQLite's file cannot be away: it is locked.
    """
    if studio.engine == "postgresql":
        queue, one = behind_a_relay(studio, "BROKER_URL")
        database, both = behind_a_relay(one, "DATABASE_URL")
        relays = (queue, database)
        return lambda: [one.cut() for one in relays], lambda: [one.mend() for one in relays], both
    lock = sqlite3.connect(studio.folder / "quorum.sqlite3", timeout=30)
    lock.isolation_level = None

    def take_away() -> None:
        lock.execute("BEGIN EXCLUSIVE")
        shutil.rmtree(studio.folder / "queue")

    return take_away, lambda: lock.execute("ROLLBACK"), studio


@pytest.mark.parametrize(
    ("studio", "fault"),
    [("sqlite", "stuck"), ("postgresql", "killing")],
    indirect=["studio"],
)
def test_an_image_that_ends_its_workers_is_named_and_the_others_are_kept(studio, log, fault):
    ask(studio, fault)
    studio = replace(studio, environment={**studio.environment, "WORK_LEASE": "3"})
    with Workforce(studio.environment, 1, log) as workers, tended(studio, fault) as sweeper:
        deaths = 0
        while sweeper.poll() is None:
            deaths += workers.replace_the_dead()
            time.sleep(0.1)
        found = result_of(sweeper, log)
    assert deaths == 3
    assert found["state"] == "draft"
    assert found["problem"].startswith("fish/marked.png: its worker crashed 3 times")
    assert found["artifacts"] == {"done": IMAGES, "failed": 1}


@pytest.mark.parametrize("studio", ["sqlite"], indirect=True)
def test_a_disk_that_is_full_and_then_has_room_again_changes_nothing(studio, undisturbed, log):
    """The results' folder on a small file system of its own, most of it taken at first."""
    ask(studio)
    folder = studio.folder / "media" / "artifacts"
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        requirements.missing("no small tmpfs can be mounted", "Run the tests as root.")
    try:
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(63 * 2**20 + 2**19))
        with Workforce(studio.environment, 1, log), tended(studio) as sweeper:
            until = time.monotonic() + 60
            while "No space left" not in log.read_text() and time.monotonic() < until:
                time.sleep(0.1)
            assert "No space left" in log.read_text()
            ballast.unlink()
            assert result_of(sweeper, log) == undisturbed
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("studio", ["postgresql"], indirect=True)
def test_every_fault_of_the_table_ends_as_well_on_postgresql(studio):
    """The tests in one process, which otherwise run on SQLite; without two that take their time and no database.

    With them those of what else workers take in the same way.
    """
    url = requirements.database_url(f"{urlsplit(studio.environment['DATABASE_URL']).path[1:]}_faults")
    environment = {"DATABASE_URL_OF_TESTS": url, "SECRET_KEY": "tests only", "REQUIRE_SERVICES": ""}
    faults = replace(studio, environment=environment)
    options = ["-q", "-p", "no:cacheprovider", "-k", "not thousand and not hanging"]
    ran = faults.run("-m", "pytest", *FAULTS, *options)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "skipped" not in ran.stdout

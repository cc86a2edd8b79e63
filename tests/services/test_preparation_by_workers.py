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
from dataclasses import replace
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import pytest
import redis

from tests import reachable
from tests.services.relay import Relay
from tests.services.workforce import Workforce

pytestmark = pytest.mark.services

IMAGES = 400
PROGRAM = ("-m", "tests.services.preparing")


@pytest.fixture
def installation(installation):
    """With a short lease, and with its queue: files beside SQLite, Redis beside PostgreSQL."""
    environment = {**installation.environment, "WORK_LEASE": "3", "LOG_LEVEL": "INFO"}
    if installation.engine == "postgresql":
        environment["BROKER_URL"] = reachable.redis_url()
        redis.Redis.from_url(environment["BROKER_URL"]).flushdb()
    return replace(installation, environment=environment)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict:
    """What preparing the same study in the foreground leaves behind, on SQLite."""
    from tests.services.conftest import Installation

    folder = tmp_path_factory.mktemp("foreground")
    data = {"DATA_DIR": str(folder / "data"), "SECRET_KEY": "tests only", "DATABASE_URL": "", "BROKER_URL": ""}
    alone = Installation("sqlite", data)
    make(alone, folder)
    alone.manage("prepare", "study")
    found = json.loads(done(alone.run(*PROGRAM, "fingerprint")))
    assert found["state"] == "ready"
    assert found["artifacts"]["done"] > IMAGES
    return found


def done(process: subprocess.CompletedProcess) -> str:
    assert process.returncode == 0, process.stderr
    return process.stdout


def make(installation, folder: Path, *options: str) -> None:
    source = folder / "source"
    source.mkdir()
    done(installation.run(*PROGRAM, "make", str(source), "--images", str(IMAGES), *options))


def log_of(folder: Path) -> Path:
    return folder / "workers.log"


def tended(installation) -> subprocess.Popen:
    """The sweeper, which ends with the preparation and prints the fingerprint."""
    return subprocess.Popen(
        [sys.executable, *PROGRAM, "tend"],
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, **installation.environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def result_of(sweeper: subprocess.Popen, log: Path) -> dict:
    out, _ = sweeper.communicate(timeout=240)
    assert sweeper.returncode == 0, log.read_text()[-3000:]
    return json.loads(out)


def empty_the_queue(installation) -> None:
    if installation.engine == "postgresql":
        redis.Redis.from_url(installation.environment["BROKER_URL"]).flushdb()
    else:
        shutil.rmtree(Path(installation.environment["DATA_DIR"]) / "queue")
        (Path(installation.environment["DATA_DIR"]) / "queue").mkdir()


def test_four_workers_that_are_killed_and_lose_their_queue_leave_what_the_foreground_leaves(
    installation, undisturbed, tmp_path
):
    make(installation, tmp_path)
    installation.manage("prepare", "study", "--enqueue")
    dice = Random(7)
    with Workforce(installation.environment, 4, log_of(tmp_path)) as workers:
        sweeper = tended(installation)
        time.sleep(4)
        for _ in range(4):
            time.sleep(dice.uniform(0.5, 2.5))
            workers.kill(dice)
        empty_the_queue(installation)
        assert result_of(sweeper, log_of(tmp_path)) == undisturbed


def test_an_image_that_kills_its_workers_is_named_and_the_others_are_kept(installation, tmp_path):
    make(installation, tmp_path, "--fault", "killing")
    installation.manage("prepare", "study", "--enqueue")
    with Workforce(installation.environment, 1, log_of(tmp_path)) as workers:
        sweeper = tended(installation)
        deaths = 0
        while sweeper.poll() is None:
            deaths += workers.replace_the_dead()
            time.sleep(0.2)
        found = result_of(sweeper, log_of(tmp_path))
    assert deaths == 3
    assert found["state"] == "draft"
    assert found["problem"].startswith("fish/marked.png: its computation ended its worker 3 times")
    assert found["artifacts"] == {"done": IMAGES, "failed": 1}


def test_a_database_that_is_away_for_ten_seconds_changes_nothing(installation, undisturbed, tmp_path):
    make(installation, tmp_path)
    installation.manage("prepare", "study", "--enqueue")
    take_away, give_back, environment = away(installation)
    with Workforce(environment, 2, log_of(tmp_path)):
        time.sleep(4)
        take_away()
        time.sleep(10)
        give_back()
        assert result_of(tended(installation), log_of(tmp_path)) == undisturbed


def away(installation):
    """How to take the workers' database away, how to give it back, and the environment that leads to it."""
    if installation.engine == "sqlite":
        lock = sqlite3.connect(Path(installation.environment["DATA_DIR"]) / "quorum.sqlite3", timeout=30)
        lock.isolation_level = None
        return lambda: lock.execute("BEGIN EXCLUSIVE"), lambda: lock.execute("ROLLBACK"), installation.environment
    url = urlsplit(installation.environment["DATABASE_URL"])
    relay = Relay(url.hostname, url.port or 5432)
    user = url.netloc.rpartition("@")[0]
    through = url._replace(netloc=f"{user}@127.0.0.1:{relay.port}").geturl()
    return relay.cut, relay.mend, {**installation.environment, "DATABASE_URL": through}


@pytest.mark.parametrize("installation", ["postgresql"], indirect=True)
def test_a_queue_that_is_down_when_asked_is_used_when_it_is_back(installation, undisturbed, tmp_path):
    """A queue of files is there whenever the data folder is."""
    make(installation, tmp_path)
    nowhere = replace(installation, environment={**installation.environment, "BROKER_URL": "redis://127.0.0.1:1/0"})
    said = nowhere.manage("prepare", "study", "--enqueue")
    assert "the queue of the workers cannot be reached" in said
    with Workforce(installation.environment, 1, log_of(tmp_path)):
        assert result_of(tended(installation), log_of(tmp_path)) == undisturbed


@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
def test_a_disk_that_is_full_and_then_has_room_again_changes_nothing(installation, undisturbed, tmp_path):
    """The results' folder on a small file system of its own, most of it taken at first."""
    make(installation, tmp_path)
    folder = Path(installation.environment["DATA_DIR"]) / "media" / "artifacts"
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(63 * 2**20 + 2**19))
        installation.manage("prepare", "study", "--enqueue")
        with Workforce(installation.environment, 1, log_of(tmp_path)):
            sweeper = tended(installation)
            until = time.monotonic() + 60
            while "No space left" not in log_of(tmp_path).read_text() and time.monotonic() < until:
                time.sleep(0.2)
            assert "No space left" in log_of(tmp_path).read_text()
            ballast.unlink()
            assert result_of(sweeper, log_of(tmp_path)) == undisturbed
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)

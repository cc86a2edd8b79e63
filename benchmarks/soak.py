"""A soak: moderate load for an hour, while a worker, a web process and the broker are killed in turn.

    .venv/bin/python -m benchmarks.soak --minutes 60
    .venv/bin/python -m benchmarks.soak --minutes 10 --leaky

On PostgreSQL, with a Redis of its own that keeps nothing, stand the Procfile's server, two workers and beat.  People
take part in one study after the other, with time to think; they open two tabs, reload, hang up, leave, send twice, and
their leases run out.  Beside them the workers prepare a study of photographs, which is then forgotten and asked for
again.  Every --pause seconds one of the three is killed with SIGKILL; the broker is away for a while and comes back
without its messages.  Of the web processes and of the workers always the same one is spared, so that its memory can be
followed over the whole time.  With --leaky the server keeps a part of every request: a negative control for that.

Prints one JSON line: answers, preparations, kills, and for each process the memory after its warm-up, at the end, and
the slope.  Ends with status 1 when anything was lost, a panel is not exactly full, a preparation left other bytes than
the foreground, a process ended that nobody had killed, or memory grew.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count, cycle
from pathlib import Path
from random import Random

from tests.services.broker import Broker
from tests.services.celery_workers import Workforce
from tests.services.conftest import ROOT, Installation, installed
from tests.services.counting import harm, tally
from tests.services.crowd_over_http import Habits, Throng
from tests.services.http_participants import Ledger
from tests.services.memory_usage import Scales
from tests.services.serving import Server

PREPARING = ("-m", "tests.services.preparing")
HABITS = Habits(two_tabs=0.1, double=0.03, reload=0.03, leaving=0.01, hanging_up=0.02)


def finished(installation: Installation, *command: str) -> str:
    done = installation.run(*command, timeout=600)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return done.stdout


@contextmanager
def beside(installation: Installation, log: Path, *command: str, **options) -> Iterator[subprocess.Popen]:
    """A further process of the installation, ended with the block."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **installation.environment},
            stderr=out,
            **{"stdout": out, **options},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Disturbance:
    """Kills one thing after the other, every so many seconds, however many crowds come and go meanwhile."""

    def __init__(self, server: Server, workers: Workforce, broker: Broker, given: argparse.Namespace):
        self.server, self.workers, self.broker, self.given = server, workers, broker, given
        self.spared = min(server.children())
        #: Workers that had ended by themselves.
        self.deaths = 0
        self.kills = {"worker": 0, "web": 0, "broker": 0}
        self._turns = cycle(self.kills)
        self._next = time.monotonic() + given.pause

    async def disturb(self, _dice: Random) -> None:
        while time.monotonic() < self._next:
            await asyncio.sleep(0.5)
        self._next = time.monotonic() + self.given.pause
        what = next(self._turns)
        self.kills[what] += 1
        # A crowd that is done calls off what disturbs it; what was begun is brought to an end all the same.
        await asyncio.shield(asyncio.to_thread(getattr(self, f"_kill_{what}")))

    def _kill_worker(self) -> None:
        self.deaths += self.workers.replace_the_dead()
        self.workers.kill_number(1)

    def _kill_web(self) -> None:
        self.server.kill_all_but(self.spared)

    def _kill_broker(self) -> None:
        self.broker.kill()
        time.sleep(self.given.away)
        self.broker.start()


async def crowds(given: argparse.Namespace, installation: Installation, server: Server, disturbance: Disturbance):
    """One study after the other until the time is over, each until it is full.

    Returns what people were told, what went wrong, and the seconds of each study.
    """
    told, errors, seconds = Ledger(), [], []
    until = time.monotonic() + 60 * given.minutes
    for number in count(1):
        options = ["--stimuli", str(given.slots // 5), "--each", "30", "--slug", f"crowd-{number}"]
        link = await asyncio.to_thread(finished, installation, "-m", "tests.services.opening", *options)
        throng = Throng(
            installation,
            server.port,
            link.strip(),
            seed=given.seed + number,
            at_once=given.at_once,
            habits=replace(HABITS, thinking=given.think),
            patient=True,
            pauses=0,
            lapses=5,
            disturb=disturbance.disturb,
            seconds=1200,
        )
        start = time.monotonic()
        await throng.run()
        seconds.append(round(time.monotonic() - start))
        told.sent |= throng.ledger.sent
        told.acknowledged |= throng.ledger.acknowledged
        told.seconds += throng.ledger.seconds
        errors += throng.ledger.errors
        print(f"study {number}: {seconds[-1]} s, {disturbance.kills}", file=sys.stderr, flush=True)
        if time.monotonic() > until or errors:
            return told, errors, seconds
    raise AssertionError


def run(given: argparse.Namespace) -> dict:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        broker = stack.enter_context(Broker())
        installation = stack.enter_context(installed("postgresql", folder / "data"))
        services = {"BROKER_URL": broker.url(), "CACHE_URL": broker.url(1), "WORK_LEASE": "60", "JOIN_LIMIT": "0"}
        installation = replace(installation, environment={**installation.environment, **services})
        making = ["make", str(folder / "source"), "--images", str(given.images), "--fault", "slow"]
        finished(installation, *PREPARING, *making)
        finished(installation, "manage.py", "prepare", "study")
        expected = json.loads(finished(installation, *PREPARING, "fingerprint"))
        application = "tests.services.without_constraints:leaking()" if given.leaky else ""
        log = folder / "log"
        server = stack.enter_context(Server(installation.environment, log, application=application))
        workers = stack.enter_context(Workforce(installation.environment, 2, log))
        beat = stack.enter_context(
            beside(installation, log, "-m", "celery", "--quiet", "--app", "config", "beat", "--pidfile=")
        )
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        preparing = stack.enter_context(beside(installation, log, *PREPARING, "again", "study", **pipes))
        disturbance = Disturbance(server, workers, broker, given)

        def processes() -> dict[str, list[int]]:
            return {
                "web, which starts the others": [server.pid],
                "web": server.children(),
                "worker": workers.pids,
                "beat": [beat.pid],
            }

        start = time.monotonic()
        with Scales(processes) as scales:
            told, errors, by_study = asyncio.run(crowds(given, installation, server, disturbance))
        minutes = (time.monotonic() - start) / 60
        out, _ = preparing.communicate(input="that is enough\n", timeout=300)
        prepared = [json.loads(line) for line in out.splitlines()]
        took = [one.pop("seconds") for one in prepared]
        wrong: dict[str, object] = dict(harm(installation, told, full=True))
        if errors:
            wrong["errors"] = sorted(set(errors))[:5]
        if different := [one for one in prepared if one != expected]:
            wrong["prepared_otherwise"] = different
        if not prepared:
            wrong["prepared"] = 0
        if deaths := disturbance.deaths + workers.replace_the_dead():
            wrong["workers_that_ended_by_themselves"] = deaths
        if beat.poll() is not None:
            wrong["beat_ended"] = beat.returncode
        memory = scales.figures(at_least=0.9 * 60 * minutes)
        if grown := [one["process"] for one in memory if not one.get("flat", True)]:
            wrong["grown"] = grown
        if given.log:
            Path(given.log).write_bytes(log.read_bytes())
        return {
            "ran_minutes": round(minutes, 1),
            **tally(installation),
            "acknowledged": len(told.acknowledged),
            "studies": len(by_study),
            "prepared": len(prepared),
            "preparing_seconds": took,
            "kills": disturbance.kills,
            "memory": memory,
            "wrong": wrong,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="the last study is filled after that")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slots", type=int, default=500, help="of each study")
    parser.add_argument("--images", type=int, default=1200, help="that are prepared again and again")
    parser.add_argument("--at-once", type=int, default=10)
    parser.add_argument("--think", type=float, default=3, help="mean seconds before each page is sent")
    parser.add_argument("--pause", type=float, default=45, help="seconds between kills")
    parser.add_argument("--away", type=float, default=8, help="seconds that the broker is away")
    parser.add_argument("--leaky", action="store_true", help="a negative control")
    parser.add_argument("--log", help="a file that gets what all processes wrote")
    given = parser.parse_args()
    # Whoever ends this early finds no server and no database left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    figures = run(given)
    print(json.dumps({"benchmark": "soak", **vars(given), **figures}))
    raise SystemExit(1 if figures["wrong"] else 0)


if __name__ == "__main__":
    main()

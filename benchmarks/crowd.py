"""A crowd before the real pages, over HTTP: 32 at once fill 10,000 slots, each with a different person, run after run.

    .venv/bin/python -m benchmarks.crowd --engine postgresql --runs 10
    .venv/bin/python -m benchmarks.crowd --engine postgresql --runs 20 --chaos
    .venv/bin/python -m benchmarks.crowd --engine postgresql --chaos --forgetful

The n-th run has the seed `--seed` + n, an empty database and the Procfile's server with eight processes.  People send
twice, open two tabs, reload, hang up and leave; leases run out, and the study is paused now and then.  With --chaos the
server has four processes, and at random moments all of them are killed with SIGKILL while PostgreSQL (a server made for
the run, durable as by default) is crashed and started again; people send again what was not taken.  With
--forgetful that PostgreSQL acknowledges what it has not written, and it alone is crashed, so that acknowledging goes on
until then: a negative control, in which answers have to be lost.

Prints one JSON line, and ends with status 1 when a run left any panel over-full or not full, a person who met anything
twice, an answer acknowledged and not stored, or slots and answers that contradict each other.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random

from benchmarks.trial_cycle import open_study
from tests.services.cluster import Cluster
from tests.services.conftest import installed
from tests.services.counting import harm, tally
from tests.services.crowd_over_http import Throng
from tests.services.serving import Server

#: PostgreSQL as nobody should run it: commits are written down ten seconds later.
FORGETFUL = ("synchronous_commit = off", "wal_writer_delay = 10s")


class Chaos:
    """Kills the processes of a server and crashes a database, at once; counts both."""

    def __init__(self, server: Server | None, cluster: Cluster | None, pause: float):
        self.server, self.cluster, self.pause = server, cluster, pause
        self.kills = self.crashes = 0

    async def disturb(self, dice: Random) -> None:
        await asyncio.sleep(dice.uniform(0.5, 1.5) * self.pause)
        async with asyncio.TaskGroup() as at_once:
            if self.server:
                at_once.create_task(self._kill(dice))
            if self.cluster:
                at_once.create_task(self._crash())

    async def _kill(self, dice: Random) -> None:
        # Now and then the process that starts the others dies with them.
        kill = self.server.kill_and_restart if dice.random() < 0.2 else self.server.kill_children
        self.kills += await asyncio.to_thread(kill)

    async def _crash(self) -> None:
        await asyncio.to_thread(self.cluster.crash)
        self.crashes += 1


def run(given: argparse.Namespace, seed: int) -> dict:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crowd-")))
        cluster = None
        if given.chaos and given.engine == "postgresql":
            cluster = stack.enter_context(Cluster(*(FORGETFUL if given.forgetful else ())))
        installation = stack.enter_context(installed(given.engine, folder, cluster.url() if cluster else ""))
        link = open_study(installation, stimuli=given.slots // given.panel, panel=given.panel, each=given.each)
        server = stack.enter_context(Server(installation.environment, folder / "log", workers=given.processes))
        chaos = Chaos(None if given.forgetful else server, cluster, given.pause) if given.chaos else None
        throng = Throng(
            installation,
            server.port,
            link,
            seed=seed,
            at_once=given.at_once,
            patient=given.chaos,
            disturb=chaos.disturb if chaos else None,
            seconds=given.seconds,
        )
        start = time.monotonic()
        asyncio.run(throng.run())
        seconds = round(time.monotonic() - start, 1)
        wrong: dict[str, object] = {**harm(installation, throng.ledger, full=True)}
        if throng.ledger.errors:
            wrong["errors"] = sorted(set(throng.ledger.errors))[:5]
        figures = {"seed": seed, "seconds": seconds, **tally(installation), "came": throng.came}
        figures |= {"acknowledged": len(throng.ledger.acknowledged), "wrong": wrong}
        if chaos:
            figures |= {"killed": chaos.kills, "crashes": chaos.crashes, "sent_again": throng.failures}
        return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slots", type=int, help="(default: 10,000, with --chaos 1,000)")
    parser.add_argument("--panel", type=int, default=5)
    parser.add_argument("--each", type=int, default=50, help="trials a participant")
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--processes", type=int, help="of the server (default: 8, with --chaos 4)")
    parser.add_argument("--chaos", action="store_true")
    parser.add_argument("--forgetful", action="store_true", help="a negative control")
    parser.add_argument("--pause", type=float, default=5, help="mean seconds between kills")
    parser.add_argument("--seconds", type=float, default=1800, help="after which a run is given up")
    given = parser.parse_args()
    # Whoever ends this early finds no server and no database left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given.slots = given.slots or (1_000 if given.chaos else 10_000)
    given.processes = given.processes or (4 if given.chaos else 8)
    runs = []
    for number in range(given.runs):
        runs.append(run(given, given.seed + number))
        print(json.dumps(runs[-1]), file=sys.stderr)
    bad = [one["seed"] for one in runs if one["wrong"]]
    print(json.dumps({"benchmark": "crowd", **vars(given), "wrong_seeds": bad, "by_run": runs}))
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()

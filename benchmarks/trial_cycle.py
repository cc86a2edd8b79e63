"""The cycle of a trial under load: so many participants at once send their answer and are shown the next page.

    .venv/bin/python -m benchmarks.trial_cycle --engine postgresql --participants 8
    .venv/bin/python -m benchmarks.trial_cycle --engine postgresql --participants 200 --think 2 --trials 10000
    .venv/bin/python -m benchmarks.trial_cycle --engine postgresql --scale

Against the server of the Procfile, with a database of its own, on the cores that it shares with the participants.
Pictures are not loaded: a browser keeps them, and where there are many people they come from elsewhere.
Prints one JSON line: cycles a second, percentiles of their milliseconds, errors, what a check of the database then
found wrong (nothing: `{}`), and how many cores the server, the participants and everything on this machine kept busy.
--scale puts the same load in turn on a study of 2,000 slots and on one of 200,000, and prints both and their ratios.
PostgreSQL is looked for where the tests look for it.
"""

import argparse
import asyncio
import json
import math
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

from tests.services.conftest import Installation, installed
from tests.services.counting import harm, tally
from tests.services.http_participants import Ledger, Unreachable, Walker
from tests.services.serving import Server, count

ROUNDS = 6
TICKS = os.sysconf("SC_CLK_TCK")


def open_study(installation: Installation, *, stimuli: int, panel: int, each: int) -> str:
    """The link of a study made for this."""
    options = ["--stimuli", str(stimuli), "--panel", str(panel), "--each", str(each)]
    done = installation.run("-m", "tests.services.opening", *options, timeout=600)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.strip()


class Load:
    """So many participants at once in one study; whoever is done is followed by somebody else."""

    def __init__(self, server: Server, link: str, given: argparse.Namespace):
        self.server, self.link, self.given = server, link, given
        self.ledger = Ledger()
        self._people: list[Walker | None] = [None] * given.participants
        self._dice = Random(given.seed)

    async def arrive(self) -> None:
        """Everybody stands before the first trial."""
        for number in range(self.given.participants):
            self._people[number] = await self._newcomer()

    async def _newcomer(self) -> Walker:
        walker = Walker(self.server.port, self.link, Random(self._dice.random()), self.ledger)
        if not await walker.join():
            raise SystemExit("the study is full: ask for more --stimuli")
        await walker.begin()
        return walker

    async def run(self, cycles: int) -> tuple[float, list[float]]:
        """Seconds for so many cycles of all together, and those of each."""
        self._left = cycles
        self.ledger.seconds = []
        start = time.perf_counter()
        await asyncio.gather(*(self._take_part(number) for number in range(self.given.participants)))
        return time.perf_counter() - start, self.ledger.seconds

    async def _take_part(self, number: int) -> None:
        walker = self._people[number]
        # The first pause is a part of one, so that people with equal pauses do not come all at once.
        await asyncio.sleep(walker.dice.random() * self._pause(walker))
        while self._left > 0:
            self._left -= 1
            try:
                if walker.page.trial is None:
                    walker.close()
                    walker = self._people[number] = await self._newcomer()
                await walker.answer()
            except (Unreachable, RuntimeError) as error:
                self.ledger.errors.append(str(error))
                await walker.load()
            await asyncio.sleep(self._pause(walker))

    def _pause(self, walker: Walker) -> float:
        if self.given.think == 0:
            return 0.0
        if self.given.thinking == "uniform":
            return walker.dice.uniform(0, 2 * self.given.think)
        return walker.dice.expovariate(1 / self.given.think)


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """Percentiles: the smallest value that so many per cent do not exceed."""
    ranked = sorted(seconds)
    return {f"p{p}": round(1000 * ranked[math.ceil(p / 100 * len(ranked)) - 1], 1) for p in (50, 95, 99)}


def measure(stack: ExitStack, given: argparse.Namespace, stimuli: int) -> tuple[Installation, Load]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cycle-")))
    installation = stack.enter_context(installed(given.engine, folder))
    link = open_study(installation, stimuli=stimuli, panel=given.panel, each=given.each)
    server = Server(installation.environment, folder / "log", workers=given.processes, threads=given.threads)
    stack.enter_context(server)
    return installation, Load(server, link, given)


def spent(load: Load) -> dict[str, float]:
    """Processor seconds so far; the database's are only among those of everything."""
    user, nice, system, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return {
        "server": load.server.processor_seconds(),
        "participants": time.process_time(),
        "everything": (user + nice + system) / TICKS,
    }


async def one(given: argparse.Namespace, installation: Installation, load: Load) -> dict:
    await load.arrive()
    before = spent(load)
    seconds, each = await load.run(given.trials)
    cores = {name: round((now - before[name]) / seconds, 2) for name, now in spent(load).items()}
    return {
        "cycles_per_second": round(len(each) / seconds, 1),
        **milliseconds(each),
        "cycles": len(each),
        "errors": len(load.ledger.errors),
        "first_errors": load.ledger.errors[:3],
        "cores": cores,
        "harm": harm(installation, load.ledger),
        **tally(installation),
    }


async def scaled(given: argparse.Namespace, sides: dict[int, tuple[Installation, Load]]) -> dict:
    """The sides in turn, the first round of each not counted."""
    taken: dict[int, list[tuple[float, list[float]]]] = {slots: [] for slots in sides}
    for _, load in sides.values():
        await load.arrive()
    for round_ in range(ROUNDS + 1):
        for slots, (_, load) in sides.items():
            result = await load.run(given.trials // ROUNDS)
            if round_:
                taken[slots].append(result)
    figures: dict[str, object] = {}
    for slots, (installation, load) in sides.items():
        pooled = [second for _, each in taken[slots] for second in each]
        figures[str(slots)] = {
            "cycles_per_second": round(statistics.median(len(each) / seconds for seconds, each in taken[slots]), 1),
            **milliseconds(pooled),
            "errors": len(load.ledger.errors),
            "harm": harm(installation, load.ledger),
        }
    small, large = figures.values()
    figures["ratio"] = {name: round(large[name] / small[name], 3) for name in ("cycles_per_second", "p50", "p95")}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--participants", type=int, default=8, help="how many at once")
    parser.add_argument("--think", type=float, default=0, help="mean seconds between a page and its answer")
    parser.add_argument("--thinking", choices=["exponential", "uniform"], default="exponential")
    parser.add_argument("--trials", type=int, help="cycles in all (default: 3000, with --scale 1200)")
    parser.add_argument("--stimuli", type=int, help="(default: as many as the trials need)")
    parser.add_argument("--panel", type=int, default=5)
    parser.add_argument("--each", type=int, default=50, help="trials a participant")
    parser.add_argument("--processes", type=int, default=count("--workers"), help="of the server (the Procfile's)")
    parser.add_argument("--threads", type=int, default=count("--threads"), help="of each process (the Procfile's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", action="store_true", help="2,000 slots beside 200,000")
    given = parser.parse_args()
    # Whoever ends this early finds no server and no database left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given.trials = given.trials or (1200 if given.scale else 3000)
    figures = {"benchmark": "trial_cycle", **vars(given)}
    with ExitStack() as stack:
        if given.scale:
            del figures["stimuli"]
            sides = {slots: measure(stack, given, slots // given.panel) for slots in (2_000, 200_000)}
            figures |= asyncio.run(scaled(given, sides))
        else:
            spare = 2 * given.participants + given.each
            given.stimuli = figures["stimuli"] = given.stimuli or given.trials // given.panel + spare
            figures |= asyncio.run(one(given, *measure(stack, given, given.stimuli)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

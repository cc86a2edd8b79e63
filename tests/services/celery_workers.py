"""Celery workers as processes of their own, which a test may kill and replace."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

ROOT = Path(__file__).parent.parent.parent


class Workforce:
    """`n` workers of one installation, each replaced when it is gone, as a supervisor would."""

    def __init__(self, environment: dict[str, str], n: int, log: Path):
        self._environment = {**os.environ, **environment}
        self._log = log
        self._workers = [self._start() for _ in range(n)]

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self._workers]

    def __enter__(self) -> "Workforce":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.wait()

    def _start(self) -> subprocess.Popen:
        name = f"w{time.monotonic_ns()}@%h"
        program = [sys.executable, "-m", "celery", "--quiet", "--app", "config", "worker", "--hostname", name]
        program += ["--pool", "solo", "--queues", "default,gpu", "--loglevel", "INFO"]
        program += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        with self._log.open("ab") as log:
            return subprocess.Popen(program, cwd=ROOT, env=self._environment, stdout=log, stderr=log)

    def kill(self, dice: Random) -> None:
        """SIGKILL for one of them, and another in its place."""
        self.kill_number(dice.randrange(len(self._workers)))

    def kill_number(self, index: int) -> None:
        """The same for a certain one."""
        self._workers[index].send_signal(signal.SIGKILL)
        self._workers[index].wait()
        self._workers[index] = self._start()

    def wait_for_work(self, at_work: Callable[[], set[int]], over: Callable[[], bool]) -> set[int]:
        """Those of these workers that hold a batch; none where everything is over before one does.

        at_work: gives the processes that hold a batch.
        """
        while not (busy := at_work() & set(self.pids)) and not over():
            self.replace_the_dead()
            time.sleep(0.02)
        return busy

    def kill_one_at_work(self, at_work: Callable[[], set[int]], over: Callable[[], bool], dice: Random) -> None:
        """SIGKILL for one that has begun something, at any time within its batch, and another in its place."""
        if busy := self.wait_for_work(at_work, over):
            time.sleep(dice.uniform(0, 0.3))
            self.kill_number(next(i for i, worker in enumerate(self._workers) if worker.pid == min(busy)))

    def replace_the_dead(self) -> int:
        """How many had to be replaced."""
        dead = [i for i, worker in enumerate(self._workers) if worker.poll() is not None]
        for i in dead:
            self._workers[i] = self._start()
        return len(dead)

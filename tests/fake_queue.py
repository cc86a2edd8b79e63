"""Workers without processes: what is rung for is kept in a list, and answered when, and as often as, a test wants."""

from datetime import timedelta
from random import Random

from django.db.models.functions import Now

from studies import tasks
from studies.jobs import queue
from studies.models import Artifact
from studies.preparation import workers


class Killed(BaseException):
    """A worker ends here, as by SIGKILL: nothing is tidied up."""


class Workers:
    """The queue and whoever works it off.  `messages` holds (task, argument) pairs, oldest first."""

    def __init__(self, monkeypatch):
        self.messages: list[tuple[str, object]] = []
        self.reachable = True
        monkeypatch.setattr(queue, "send", self._send)
        monkeypatch.setattr(queue, "waiting", lambda name: len(self.messages))

    def _send(self, task: str, argument: object, queue: str) -> bool:
        if self.reachable:
            self.messages.append((task, argument))
        return self.reachable

    def answer(self, index: int = 0, *, times: int = 1) -> None:
        """Do what one message says."""
        task, argument = self.messages.pop(index)
        for _ in range(times):
            getattr(tasks, task.rpartition(".")[2])(argument)

    def work(self, *, times: int = 1) -> None:
        """Until nothing is left to do."""
        for _ in range(1000):
            if not self.messages:
                return
            self.answer(times=times)
        raise AssertionError("the workers never come to an end")

    def work_and_be_replaced(self, *, kills: int) -> None:
        """Until nothing is left to do, another worker coming for each that is killed."""
        for _ in range(kills + 1):
            try:
                self.work()
            except Killed:
                self.let_leases_end()
            self.sweep()
            if not self.messages:
                return
        raise AssertionError(f"killed more than {kills} times")

    def sweep(self) -> None:
        workers.sweep()

    def struggle(self, dice: Random, *, rounds: int) -> None:
        """Work with messages lost, repeated and out of order, leases that run out and sweeps at any time."""
        for _ in range(rounds):
            chance = dice.random()
            if chance < 0.15 or not self.messages:
                self.sweep()
            elif chance < 0.25:
                self.messages.pop(dice.randrange(len(self.messages)))
            elif chance < 0.35:
                self.messages.append(dice.choice(self.messages))
            elif chance < 0.45:
                self.let_leases_end()
            else:
                try:
                    self.answer(dice.randrange(len(self.messages)))
                except Killed:
                    self.let_leases_end()

    def let_leases_end(self) -> None:
        running = Artifact.objects.filter(state=Artifact.State.RUNNING)
        running.update(leased_until=Now() - timedelta(seconds=1))

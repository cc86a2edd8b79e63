"""Simulated participants come, one after the other or several at once, until every panel is full."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import httpx
import numpy as np
from django.db import connections

from studies import audit, protocols
from studies.lib.errors import StudyError
from studies.models import Role, Slot, Study, Trial
from studies.recruitment import arrivals

from .answer_rates import Rates, check_rates
from .participant import Person
from .population import Population

#: Apart from what people answer: what they are like, and what else they do.
HABITS = 1
#: What an application in this process takes for its address.
HERE = "http://127.0.0.1"


@dataclass(frozen=True)
class SimulationOutcome:
    """How many came and how many of them left in the middle; answers given, and those still wanted."""

    participants: int
    answers: int
    wanted: int
    left: int = 0


def simulate(
    study: Study,
    *,
    participants: int,
    seed: int = 0,
    rates: Rates | None = None,
    population: Population | None = None,
    days: float | None = None,
    concurrent: int = 1,
    url: str | None = None,
    application: Callable | None = None,
    progress: Callable[[int], None] = lambda answers: None,
) -> SimulationOutcome:
    """Send so many people through the study, `concurrent` of them at once; they stop when every panel is full.

    Each is drawn from the `population`, whose skill is the rate of every stimulus that has a right answer: the chance
    that somebody knows it, else guesses.  Where people come twice, all return after so many `days`, for which their
    first visit is set back in time.  One after the other, the same seed gives the same answers.  `url` is a server of
    this installation; without it one is started on a free port and stopped afterwards.  With `application`, a WSGI
    application, there is no server: its pages are made in this process.
    """
    if study.state != Study.State.OPEN:
        raise StudyError(f"study {study.slug} is {study.state}: only an open study can be answered")
    recruiter, _settings = arrivals.recruiter_of(study)
    if recruiter.names_people:
        raise StudyError(f"study {study.slug} takes in people of {recruiter.title} alone: rehearse a copy instead")
    population = population or Population()
    check(study, rates, population)
    with _server(HERE if application else url) as base:
        crowd = _Crowd(study, base, seed, rates, population, progress, application)
        crowd.each(crowd.come, range(participants), concurrent)
        if days is not None:
            crowd.each(lambda person: crowd.come_back(person, days), list(crowd.came), concurrent)
    left = sum(person.left for person in crowd.came)
    wanted = Slot.objects.filter(study=study, filled=False).count()
    audit.record(study, audit.What.SIMULATED, None, participants=len(crowd.came), answers=crowd.answers)
    return SimulationOutcome(len(crowd.came), crowd.answers, wanted, left)


def check(study: Study, rates: Rates | None, population: Population) -> None:
    """StudyError, with what is wrong, where such people cannot answer this study."""
    population.check()
    if rates is not None:
        check_rates(study, rates)
    if population.skill is not None:
        _check_skill(study, rates)


@dataclass
class _Crowd:
    study: Study
    base: str
    seed: int
    rates: Rates | None
    population: Population
    progress: Callable[[int], None]
    application: Callable | None = None
    came: list[Person] = field(default_factory=list)
    answers: int = 0

    def __post_init__(self) -> None:
        self._lock = Lock()

    def each(self, do: Callable, things: Iterable, concurrent: int) -> None:
        """Until one says there is no more to do; with several at once, in threads with connections of their own."""
        if concurrent == 1:
            for thing in things:
                if not do(thing):
                    break
            return

        def alone(thing: object) -> None:
            try:
                do(thing)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(concurrent) as threads:
            futures = [threads.submit(alone, thing) for thing in things]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise

    def come(self, number: int) -> bool:
        """Whether somebody was let in, so that it is worth while for others to come."""
        if not self.study.slots.filter(filled=False).exists():
            return False
        with self._browser() as client:
            habits = np.random.default_rng([self.seed, number, HABITS])
            answers = np.random.default_rng([self.seed, number])
            person = Person(self.study, client, answers, habits, self.population.draw(habits), self.rates)
            self._count(person.come())
        # Nobody: every stimulus is with somebody else just now, or spoken for.
        if person.participant is not None:
            with self._lock:
                self.came.append(person)
        return person.participant is not None

    def come_back(self, person: Person, days: float) -> bool:
        with self._browser() as person.client:
            self._count(person.come_back(days))
        return True

    def _browser(self) -> httpx.Client:
        transport = httpx.WSGITransport(app=self.application) if self.application else None
        return httpx.Client(base_url=self.base, follow_redirects=True, timeout=60, transport=transport)

    def _count(self, answered: Iterator[Trial]) -> None:
        for trial in answered:
            with self._lock:
                self.answers += trial.role != Role.PRACTICE
                self.progress(int(trial.role == Role.MAIN))


def _check_skill(study: Study, rates: Rates | None) -> None:
    if rates is not None:
        raise StudyError("the rates say how much people know: give rates or a skill")
    protocol = protocols.get(study.protocol)
    if not protocol.has_correct_answer:
        raise StudyError(f"a study of the kind {protocol.key} has no right answers, so skill means nothing in it")


@contextmanager
def _server(url: str | None) -> Iterator[str]:
    """A production server of this installation, on a port that is free."""
    if url:
        yield url
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"fd://{listener.fileno()}"]
        command += [
            "--threads",
            "4",
            "--log-level",
            "error",
            "--no-control-socket",
            "--chdir",
            str(Path(__file__).parent.parent.parent),
        ]
        command += ["--env", "ALLOWED_HOSTS=127.0.0.1"]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()])  # noqa: S603
        try:
            # The socket listens already: the first request waits until the server is up.
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.terminate()
            server.wait(timeout=30)

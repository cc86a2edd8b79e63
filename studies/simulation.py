"""Simulated participants: they go through the real pages over HTTP, and answer by the protocol's model of people."""

import math
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import lxml.html
import numpy as np
from django.db import transaction
from django.db.models import F
from django.urls import reverse

from studies import participation, protocols
from studies.catalogue import read_csv
from studies.errors import StudyError
from studies.models import Participant, Slot, Stimulus, Study, Trial

#: The chance of "yes" for a picture (its path below the imported folder), the name of the class asked about, and the
#: condition, "" for any.
Rates = Mapping[tuple[str, str, str], float]


@dataclass(frozen=True)
class Outcome:
    participants: int
    answers: int
    wanted: int


def read_rates(path: Path) -> Rates:
    """The columns image, label, rate and, if there, condition; StudyError with the line for a rate outside [0, 1]."""
    rates = {}
    for line, row in read_csv(path, ["image", "label", "rate"], ["condition"]):
        try:
            rate = float(row["rate"])
        except ValueError:
            rate = math.nan
        if not 0 <= rate <= 1:
            raise StudyError(f"{path.name}, line {line}: rate must be a number from 0 to 1, not {row['rate']!r}")
        rates[row["image"], row["label"], row["condition"]] = rate
    return rates


def rate_of(rates: Rates, stimulus: Stimulus) -> float | None:
    """The rate of a stimulus: that of its condition, else that of any; None where there is neither."""
    of = stimulus.truth["image"], stimulus.truth["label"]
    return rates.get((*of, stimulus.condition.key), rates.get((*of, "")))


def simulate(
    study: Study,
    *,
    participants: int,
    seed: int = 0,
    rates: Rates | None = None,
    skill: float | None = None,
    days: float | None = None,
    url: str | None = None,
    progress: Callable[[int], None] = lambda answers: None,
) -> Outcome:
    """Send so many people through the study, one after the other; they stop when every panel is full.

    `skill` is the rate of every stimulus that has a right answer: the chance that somebody knows it, else guesses.
    Where people come twice, all return after so many `days`, for which their first visit is set back in time.
    The same seed gives the same answers.  `url` is a server of this installation; without it one is started on a
    free port and stopped afterwards.
    """
    if study.state != Study.State.OPEN:
        raise StudyError(f"study {study.slug} is {study.state}: only an open study can be answered")
    if rates is not None:
        _check_rates(study, rates)
    if skill is not None:
        _check_skill(study, skill, rates)
    came, answers = [], 0
    with _server(url) as base, httpx.Client(base_url=base, follow_redirects=True, timeout=60) as client:
        for number in range(participants):
            if not study.slots.filter(filled=False).exists():
                break
            person = _Person(study, client, np.random.default_rng([seed, number]), rates, skill)
            for _ in person.come():
                answers += 1
                progress(1)
            if person.participant is None:
                break  # every stimulus is with somebody else just now, or spoken for
            came.append(person)
        for person in came if days is not None else ():
            for _ in person.come_back(days):
                answers += 1
                progress(1)
    return Outcome(len(came), answers, Slot.objects.filter(study=study, filled=False).count())


class _Person:
    """One simulated participant.  The pages know people by their address alone, so these can share a browser."""

    def __init__(
        self,
        study: Study,
        client: httpx.Client,
        random: np.random.Generator,
        rates: Rates | None,
        skill: float | None,
    ):
        self.study, self.client, self.random, self.rates, self.skill = study, client, random, rates, skill
        self.protocol = protocols.get(study.protocol)
        self.participant: Participant | None = None
        self.address = ""

    def come(self) -> Iterator[None]:
        """The first visit, where there is room; yields after each answer."""
        page = self._open(reverse("studies:join", args=[self.study.link]))
        if not _forms(page):
            return
        page = self._submit(page, {})  # consent
        self.address = page.url.path
        self.participant = participation.find(self.address.rstrip("/").rpartition("/")[2])
        if self.participant is None:
            raise StudyError(f"the page after consent is not a participant's: {page.url.path}")
        Participant.objects.filter(pk=self.participant.pk).update(simulated=True)
        yield from self._visit(page)

    def come_back(self, days: float) -> Iterator[None]:
        """Another visit after so many days, if the participant is to come again; yields after each answer."""
        self.participant.refresh_from_db()
        if self.participant.returns_at:
            age(self.participant, timedelta(days=days))
            page = self._open(self.address)
            if _forms(page):
                yield from self._visit(page)

    def _visit(self, page: httpx.Response) -> Iterator[None]:
        page = self._submit(page, {})  # instructions
        while (trial := self._current(self.participant)) is not None:
            page = self._submit(page, self._answer(trial))
            yield

    def _current(self, participant: Participant) -> Trial | None:
        """What the page shows is known from the database: the page itself does not tell the truth about it."""
        trials = Trial.objects.filter(participant=participant, presented_at__isnull=False, answered_at=None)
        return trials.select_related("stimulus__condition", "participant").first()

    def _answer(self, trial: Trial) -> dict[str, str]:
        truth = trial.stimulus.truth
        rate = self.skill if self.rates is None else rate_of(self.rates, trial.stimulus)
        value, seconds = self.protocol.simulated_answer(self.study.design, truth, rate, self.random)
        age(trial.participant, timedelta(seconds=seconds))
        return {"answer": value, "response_ms": str(round(seconds * 1000))}

    def _open(self, path: str) -> httpx.Response:
        return _checked(self.client.get(path))

    def _submit(self, page: httpx.Response, values: dict[str, str]) -> httpx.Response:
        """Send the page's form as a browser would, with these values filled in."""
        forms = _forms(page)
        if not forms:
            raise StudyError(f"no form on the page {page.url.path}")
        form = forms[0]
        action = page.url.join(form.action or "")
        return _checked(self.client.post(action, data=dict(form.form_values()) | values))


@transaction.atomic
def age(participant: Participant, time: timedelta) -> None:
    """Set all that happened to a participant so far back in time, as if that much time had passed since.

    Leases stay as they are: the participant is still looking at what they hold.
    """
    people, trials = Participant.objects.filter(pk=participant.pk), Trial.objects.filter(participant=participant)
    people.update(**_earlier(time, "consented_at", "started_at", "finished_at", "returns_at", "washed_out_at"))
    trials.update(**_earlier(time, "claimed_at", "presented_at", "released_at", "answered_at", "washed_out_at"))


def _earlier(time: timedelta, *columns: str) -> dict[str, Any]:
    return {column: F(column) - time for column in columns}


def _forms(page: httpx.Response) -> list:
    return lxml.html.fromstring(page.content, base_url=str(page.url)).forms


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise StudyError(f"{response.request.method} {response.url.path} answered {response.status_code}")
    return response


def _check_rates(study: Study, rates: Rates) -> None:
    for stimulus in study.stimuli.main().select_related("condition").iterator():
        if rate_of(rates, stimulus) is None:
            truth = stimulus.truth
            raise StudyError(f"the rates have no line for image {truth['image']} and label {truth['label']}")


def _check_skill(study: Study, skill: float, rates: Rates | None) -> None:
    if not 0 <= skill <= 1:
        raise StudyError(f"the skill must be a number from 0 to 1, not {skill}")
    if rates is not None:
        raise StudyError("the rates say how much people know: give rates or a skill")
    protocol = protocols.get(study.protocol)
    if not protocol.skilled:
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
            str(Path(__file__).parent.parent),
        ]
        command += ["--env", "ALLOWED_HOSTS=127.0.0.1"]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()])  # noqa: S603
        try:
            # The socket listens already: the first request waits until the server is up.
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.terminate()
            server.wait(timeout=30)

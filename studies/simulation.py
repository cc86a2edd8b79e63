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
from studies.models import Participant, Slot, Study, Trial

#: The chance of "yes" for a picture (its path below the imported folder) and the name of the class asked about.
Rates = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Outcome:
    participants: int
    answers: int
    wanted: int


def read_rates(path: Path) -> Rates:
    """The columns image, label and rate of a CSV file; StudyError with the line for a rate outside [0, 1]."""
    rates = {}
    for line, row in read_csv(path, ["image", "label", "rate"]):
        try:
            rate = float(row["rate"])
        except ValueError:
            rate = math.nan
        if not 0 <= rate <= 1:
            raise StudyError(f"{path.name}, line {line}: rate must be a number from 0 to 1, not {row['rate']!r}")
        rates[row["image"], row["label"]] = rate
    return rates


def simulate(
    study: Study,
    *,
    participants: int,
    seed: int = 0,
    rates: Rates | None = None,
    url: str | None = None,
    progress: Callable[[int], None] = lambda answers: None,
) -> Outcome:
    """Send so many people through the study, one after the other; they stop when every panel is full.

    The same seed gives the same answers.  `url` is a server of this installation; without it one is started on a
    free port and stopped afterwards.
    """
    if study.state != Study.State.OPEN:
        raise StudyError(f"study {study.slug} is {study.state}: only an open study can be answered")
    if rates is not None:
        _check_rates(study, rates)
    came = answers = 0
    with _server(url) as base:
        for person in range(participants):
            if not study.slots.filter(filled=False).exists():
                break
            with httpx.Client(base_url=base, follow_redirects=True, timeout=60) as client:
                for _ in _Person(study, client, np.random.default_rng([seed, person]), rates).go():
                    answers += 1
                    progress(1)
            came += 1
    return Outcome(came, answers, Slot.objects.filter(study=study, filled=False).count())


class _Person:
    """One simulated participant with a browser of their own."""

    def __init__(self, study: Study, client: httpx.Client, random: np.random.Generator, rates: Rates | None):
        self.study, self.client, self.random, self.rates = study, client, random, rates
        self.protocol = protocols.get(study.protocol)

    def go(self) -> Iterator[None]:
        """The whole session; yields after each answer."""
        page = self._open(reverse("studies:join", args=[self.study.link]))
        if not _forms(page):
            return  # every stimulus is with somebody else just now
        page = self._submit(page, {})  # consent
        participant = participation.find(page.url.path.rstrip("/").rpartition("/")[2])
        if participant is None:
            raise StudyError(f"the page after consent is not a participant's: {page.url.path}")
        Participant.objects.filter(pk=participant.pk).update(simulated=True)
        page = self._submit(page, {})  # instructions
        while (trial := self._current(participant)) is not None:
            page = self._submit(page, self._answer(trial))
            yield

    def _current(self, participant: Participant) -> Trial | None:
        """What the page shows is known from the database: the page itself does not tell the truth about it."""
        trials = Trial.objects.filter(participant=participant, presented_at__isnull=False, answered_at=None)
        return trials.select_related("stimulus", "participant").first()

    def _answer(self, trial: Trial) -> dict[str, str]:
        truth = trial.stimulus.truth
        rate = None if self.rates is None else self.rates[truth["image"], truth["label"]]
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
    Participant.objects.filter(pk=participant.pk).update(**_earlier(time, "consented_at", "started_at", "finished_at"))
    trials = Trial.objects.filter(participant=participant)
    trials.update(**_earlier(time, "claimed_at", "presented_at", "released_at", "answered_at"))


def _earlier(time: timedelta, *columns: str) -> dict[str, Any]:
    return {column: F(column) - time for column in columns}


def _forms(page: httpx.Response) -> list:
    return lxml.html.fromstring(page.content, base_url=str(page.url)).forms


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise StudyError(f"{response.request.method} {response.url.path} answered {response.status_code}")
    return response


def _check_rates(study: Study, rates: Rates) -> None:
    for truth in study.stimuli.values_list("truth", flat=True).iterator():
        if (truth["image"], truth["label"]) not in rates:
            raise StudyError(f"the rates have no line for image {truth['image']} and label {truth['label']}")


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

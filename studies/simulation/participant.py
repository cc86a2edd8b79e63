"""One simulated participant in front of the pages, which are filled in whatever they are."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import lxml.html
import numpy as np
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from studies import participation, protocols
from studies.lib.errors import StudyError
from studies.models import Participant, Role, Slot, Stimulus, Study, Trial

from .answer_rates import Rates, rate_of
from .population import Model


class Person:
    """One simulated participant.  The pages know people by their address alone, so these can share a browser.

    `random` draws what they answer, and nothing else: what they do besides has a generator of its own, so that the
    same person gives the same answers however often they click.
    """

    def __init__(
        self,
        study: Study,
        client: httpx.Client,
        random: np.random.Generator,
        habits: np.random.Generator,
        model: Model,
        rates: Rates | None,
    ):
        self.study, self.client, self.random, self.habits = study, client, random, habits
        self.model, self.rates = model, rates
        self.protocol = protocols.get(study.protocol)
        self.participant: Participant | None = None
        self.address = ""
        self.left = False

    def come(self) -> Iterator[Trial]:
        """The first visit, where there is room; yields each trial that was answered."""
        page = self._open(reverse("studies:join", args=[self.study.link]))
        if _form(page) is None:
            return
        page = self._submit(page, {})  # consent
        self.address = page.url.path
        self.participant = participation.find(self.address.rstrip("/").rpartition("/")[2])
        if self.participant is None:
            raise StudyError(f"the page after consent is not a participant's: {page.url.path}")
        Participant.objects.filter(pk=self.participant.pk).update(simulated=True)
        yield from self._visit(page)

    def come_back(self, days: float) -> Iterator[Trial]:
        """Another visit after so many days, if the participant is to come again; yields each trial answered."""
        self.participant.refresh_from_db()
        if self.participant.returns_at and not self.left:
            age(self.participant, timedelta(days=days))
            yield from self._visit(self._open(self.address))

    def _visit(self, page: httpx.Response) -> Iterator[Trial]:
        """From page to page, until one has no form."""
        while (form := _form(page)) is not None:
            if self._does(self.model.leaving):
                self._leave()
                return
            if self._does(self.model.reload):
                page = self._open(self.address)
                if (form := _form(page)) is None:
                    return
            trial = self._current() if form.xpath(".//*[@name='answer']") else None
            values = self._answer(trial) if trial else self._filled_in(form)
            following = self._submit(page, values)
            if self._does(self.model.double):
                following = self._submit(page, values)
            page = following
            if trial:
                yield trial

    def _does(self, chance: float) -> bool:
        return bool(self.habits.random() < chance)

    def _leave(self) -> None:
        """For good; whoever comes next comes after the leases have run out."""
        self.left = True
        held = Slot.objects.filter(holder__participant=self.participant, filled=False)
        held.update(leased_until=timezone.now() - timedelta(seconds=1))

    def _current(self) -> Trial | None:
        """What the page shows is known from the database: the page itself does not tell the truth about it."""
        trials = Trial.objects.filter(participant=self.participant, presented_at__isnull=False, answered_at=None)
        return trials.select_related("stimulus__condition", "participant", "study").first()

    def _answer(self, trial: Trial) -> dict[str, Any]:
        design, stimulus = self.study.design, trial.stimulus
        if stimulus.role == Role.MAIN:
            value, seconds = self.protocol.simulated_answer(
                design, stimulus.truth, self._rate(stimulus, *stimulus.truth.get("asks", ())[:1]), self.random
            )
            read = self.protocol.simulated_parts(design, stimulus.truth, partial(self._rate, stimulus), self.random)
        else:
            # Whoever looks sees what is expected: these were chosen to be clear.
            value, seconds = stimulus.truth["expected"], float(self.habits.lognormal(0.6, 0.4))
            read = {name: [part] for name, part in stimulus.truth.get("expected_parts", {}).items()}
        if self._does(self.model.careless):
            read = {}
            value = str(self.habits.choice([choice.value for choice in self.protocol.choices(design, stimulus.shown)]))
        else:
            value = self.protocol.as_arranged(value, stimulus.shown, trial.arrangement)
        seconds *= self.model.pace
        age(trial.participant, timedelta(seconds=seconds))
        parts = self.protocol.parts(design, participation.shown_to(trial))
        beside = {part.field: read.get(part.name) or part.simulated(self.habits) for part in parts}
        return {"answer": value, "response_ms": str(round(seconds * 1000)), **beside}

    def _rate(self, stimulus: Stimulus, about: str | None = None) -> float | None:
        """The rate at which they answer what is asked; their skill where none is planted."""
        return self.model.skill if self.rates is None else rate_of(self.rates, stimulus, about)

    def _filled_in(self, form: Any) -> dict[str, str]:
        """Something for everything that can be chosen or counted; what is to be written stays empty."""
        values = {}
        for name in dict.fromkeys(field.name for field in form.inputs if field.name):
            fields = form.xpath(".//*[@name=$name]", name=name)
            offered = [field.get("value") for field in fields if field.get("type") == "radio"]
            offered += [option.get("value") for field in fields for option in field.xpath(".//option[@value!='']")]
            if offered:
                values[name] = str(self.habits.choice(offered))
            elif fields[0].get("type") == "number":
                values[name] = str(self.habits.integers(18, 80))
        return values

    def _open(self, path: str) -> httpx.Response:
        return _checked(self.client.get(path))

    def _submit(self, page: httpx.Response, values: dict[str, str]) -> httpx.Response:
        """Send the page's form as a browser would, with these values filled in."""
        form = _form(page)
        action = page.url.join(form.action or "")
        return _checked(self.client.post(action, data=dict(form.form_values()) | values))


@transaction.atomic
def age(participant: Participant, time: timedelta) -> None:
    """Set all that happened to a participant so far back in time, as if that much time had passed since.

    Leases stay as they are: the participant is still looking at what they hold.
    """
    people, trials = Participant.objects.filter(pk=participant.pk), Trial.objects.filter(participant=participant)
    people.update(**_earlier(time, "consented_at", "started_at", "finished_at", "returns_at", "washed_out_at"))
    trials.update(
        **_earlier(
            time, "claimed_at", "presented_at", "released_at", "answered_at", "feedback_seen_at", "washed_out_at"
        )
    )


def _earlier(time: timedelta, *columns: str) -> dict[str, Any]:
    return {column: F(column) - time for column in columns}


def _form(page: httpx.Response) -> Any | None:
    forms = lxml.html.fromstring(page.content, base_url=str(page.url)).forms
    return forms[0] if forms else None


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise StudyError(f"{response.request.method} {response.url.path} answered {response.status_code}")
    return response

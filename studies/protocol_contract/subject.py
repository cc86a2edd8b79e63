"""The protocol under examination, and the studies it is examined on."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import httpx
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction

from studies import lifecycle
from studies.designs.choices import catalogue
from studies.models import Study
from studies.protocols import Protocol
from studies.simulation import Rehearsal, rehearse
from studies.simulation.complete_panels import fewest_people
from studies.simulation.crowd import HERE

from .made_up_bench import CLASSES, made_up_study
from .made_up_images import about, make_classifier, make_image_set

#: Every part of a session, each in a way that simulated people pass.
SESSION: Mapping[str, Any] = {
    "questions": "How old are you? | number\nDo you wear glasses? | yes | no\nWhat do you work as?",
    "example": True,
    "practice": 2,
    "gold": 2,
    "gold_rate": 0.5,
    "comments": True,
    "debrief": "We wanted to know what people see.",
}
#: Made-up images of a study, thirty of each class: a third are right and sure, enough for whole rounds of controls.
IMAGES = 8 * 30
#: So many people more than panels need at least: somebody is always late for the last stimulus.
SPARE = 3
MOST_PEOPLE = 400


class NotKept(Exception):
    """A promise that a protocol does not keep; its text is one line."""


def require(holds: Any, line: str) -> None:
    """NotKept with this line unless it holds."""
    if not holds:
        raise NotKept(line)


class Subject:
    """A registered protocol with its studies, each made when it is first asked for.

    several: of two classifiers, where the protocol takes one or several.
    """

    def __init__(self, protocol: Protocol, *, several: bool = False):
        self.protocol, self.several = protocol, several
        #: Measures of complete studies by the rate at which people answer, drawn once for several properties.
        self.drawn: dict[float, Any] = {}
        self._failures: dict[str, Exception] = {}

    def make(self, name: str) -> None:
        """See to it that the part `name` is there, to be kept for properties that come after; what it failed with."""
        if name in self._failures:
            raise self._failures[name]
        try:
            with transaction.atomic():
                getattr(self, name)
        except Exception as error:
            self._failures[name] = error
            raise

    @cached_property
    def classifier(self) -> str:
        """The name of a made-up classifier, for designs without a study."""
        return make_classifier(make_image_set(classes=CLASSES, n_images=24)).name

    @cached_property
    def about(self) -> dict[str, Any]:
        """What its designs say of classifiers."""
        return about(self.protocol, self.classifier, several=self.several)

    def clean(self, **settings: Any) -> dict[str, Any]:
        """The complete design of these settings; DesignError where there is none."""
        return self.protocol.clean({**self.about, **settings}, catalogue=catalogue())

    def prepared(self, n_images: int = IMAGES, **settings: Any) -> Study:
        """A study that is ready to open, of `contract_design` and these settings."""
        design = {**self.protocol.contract_design, **settings}
        return made_up_study(self.protocol.key, design, n_images=n_images, several=self.several)

    def opened(self, **settings: Any) -> Study:
        """The same, open."""
        study = self.prepared(**settings)
        lifecycle.open_study(study)
        return study

    @cached_property
    def with_session(self) -> Study:
        """A study with every part of a session, prepared and never opened."""
        return self.prepared(**SESSION)

    @cached_property
    def rehearsed(self) -> Rehearsal:
        """A rehearsal of that study: simulated people fill every panel through the participants' pages."""
        study = self.with_session
        arms = self.protocol.arms(study.design)
        shown = list(study.stimuli.main().select_related("condition"))
        panel, each = study.design["answers_per_stimulus"], study.design["trials_per_participant"]
        enough = max(fewest_people(shown, arms, panel), -(-len(shown) * panel // min(each, len(shown))))
        return rehearse(
            study,
            participants=min(MOST_PEOPLE, SPARE * enough),
            days=arms.washout.total_seconds() / 86_400 + 1 if arms and arms.visits > 1 else None,
            application=application(),
        )


@contextmanager
def connection_kept() -> Iterator[None]:
    """Pages made in this process use the transaction they are asked in: the end of a request does not close it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


def application() -> Callable:
    """The pages of this installation, made in this process."""
    return WSGIHandler()


def browser(language: str = "en") -> httpx.Client:
    """A participant's browser that asks them for its pages."""
    transport = httpx.WSGITransport(app=application())
    return httpx.Client(base_url=HERE, transport=transport, headers={"Accept-Language": language}, timeout=60)

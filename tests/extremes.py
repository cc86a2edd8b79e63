"""Every page of the admin that computes, asked with the extremes of every setting, and participants meanwhile."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import lxml.html
from django import forms
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from studies import lifecycle, protocols
from studies.admin.study.planning import MOST_ANSWERS, PlanForm
from studies.models import Classifier, Study
from studies.results import cache
from tests.bench import made_up_study
from tests.factories import open_study, simulated_rows
from tests.large_study import large_classifier

#: For a number that has no largest value.
ENDLESS = 10**9
#: A page that has not answered by then never will.
NEVER_SECONDS = 120
#: Trials of a study whose results are computed while its page waits, at the very most.
MOST_TRIALS = 4_950


@dataclass(frozen=True)
class Request:
    """What is asked of which page; `data` is posted, None is for pages to be read."""

    what: str
    address: str
    data: dict[str, Any] | None = None


def extremes(given: forms.Field) -> list[Any]:
    """The least and the most that a field takes, or every choice it has; nothing for text."""
    if isinstance(given, forms.IntegerField | forms.FloatField):
        return [given.min_value, ENDLESS if given.max_value is None else given.max_value]
    if isinstance(given, forms.BooleanField):
        return ["", "on"]
    if isinstance(given, forms.MultipleChoiceField):
        names = [name for name, _ in given.choices]
        return [names[:1], names]
    if isinstance(given, forms.ChoiceField):
        return [name for name, _ in given.choices]
    return []


def of_designs(classifier: Classifier) -> Iterator[Request]:
    """The estimate beside each design form, and the form itself: every setting's extremes, alone and all at once."""
    catalogue = protocols.Catalogue(
        {classifier.name: tuple(classifier.image_set.classes.values_list("name", flat=True))}
    )
    for key, protocol in protocols.available().items():
        fields = protocol.form(catalogue=catalogue).fields
        estimate = reverse("admin:studies_study_add_consequences", query={"protocol": key})
        page = reverse("admin:studies_study_add_design", query={"title": "A", "slug": "a", "protocol": key})
        usual = {"classifier": classifier.name, "class_name": "class-001"}
        small, large = ({**usual, **_corner(fields, end)} for end in (0, -1))
        for name, base in (("usual", usual), ("small", small), ("large", large)):
            yield Request(f"{key}, {name}", estimate, base)
            yield Request(f"{key}, {name}, without scripts", page, {**base, "work_out": "1"})
        for name, given in fields.items():
            for value in extremes(given):
                yield Request(f"{key}, {name} {value}", estimate, {**usual, name: value})


def _corner(fields: dict[str, forms.Field], end: int) -> dict[str, Any]:
    """All numbers at one end; a threshold goes with its panel, and what was to be left out is left out."""
    numbers = (forms.IntegerField, forms.FloatField)
    values = {name: extremes(given)[end] for name, given in fields.items() if isinstance(given, numbers)}
    values["threshold"] = values["answers_per_stimulus"]
    # Nothing fits both ends of these.
    for name in ("probability_above", "probability_below", "min_seconds", "max_seconds", "gold_rate", "sample"):
        values.pop(name, None)
    return values


def of_plans() -> Iterator[Request]:
    """The planning page: what is just not refused as too large, in each direction, and each assumption's extremes."""
    page = reverse("admin:studies_study_plan")
    usual = {"stimuli": "200", "participants": "50", "answers": "5", "measure": "accepted", "replicates": "20"}
    fields = PlanForm(pilots=Study.objects.none()).fields
    most = MOST_ANSWERS // 20 // 2
    directions = {
        "stimuli": {"stimuli": str(most), "participants": "50", "answers": "1", "threshold": "1"},
        "people": {"stimuli": "1", "participants": str(most), "answers": "5"},
        "panel": {"stimuli": "1", "participants": str(most // 2), "answers": str(most // 2)},
        "crowd as large as its panels": {"stimuli": "100", "participants": "2000", "answers": "2000"},
        "panels of a third of the crowd": {"stimuli": "800", "participants": "181", "answers": "60"},
        "replicates": {"stimuli": "10", "participants": "20", "answers": "5", "replicates": "500"},
        "grid": {"stimuli": "10 20 30 40", "participants": "10 20", "answers": "1 2 3 4 5 6"},
    }
    for name, direction in directions.items():
        for conditions in ("1", "2"):
            yield Request(f"plan, {name}, {conditions}", page, {**usual, **direction, "conditions": conditions})
    for name, given in fields.items():
        if name not in usual and name not in ("pilot", "pilot_study"):
            for value in extremes(given):
                yield Request(f"plan, {name} {value}", page, {**usual, "conditions": "2", name: value})


def of_studies(classifier: Classifier, trials: int = MOST_TRIALS) -> Iterator[Request]:
    """Results, gallery and export of every protocol with small and large panels; the check of a large image set."""
    for key in protocols.available():
        for panel in (1, 99):
            study = _answered(key, panel, trials)
            for page in ("results", "stimuli", "export"):
                yield Request(
                    f"{key}, panels of {panel}, {page}", reverse(f"admin:studies_study_{page}", args=[study.pk])
                )
    # One that a process of its own writes.
    large = _answered("rectified_labeling", 99, 2 * cache.AT_ONCE)
    assert cache.large(large)
    yield Request("a large export", reverse("admin:studies_study_export", args=[large.pk]))
    yield Request("check", reverse("admin:studies_classifier_check", args=[classifier.pk]))


def _answered(key: str, panel: int, trials: int) -> Study:
    """A closed study of about so many trials."""
    design: dict[str, Any] = {"answers_per_stimulus": panel, "trials_per_participant": 10_000}
    if "threshold" in protocols.get(key).form_class.base_fields:
        design["threshold"] = panel
    if key == "class_assignment":
        design |= {"rounds": max(2, trials // (7 * panel)), "min_seconds": 0}
    study = made_up_study(key, design, n_images=max(96, min(2 * trials // panel, 1200)))
    lifecycle.open_study(study)
    return simulated_rows(study, people=100)


@dataclass
class Participants:
    """Somebody at a time who takes part while the block is in progress; how long each of their pages took."""

    server: str
    study: Study
    milliseconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> "Participants":
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._take_part)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _take_part(self) -> None:
        while not self._over.is_set():
            with httpx.Client(base_url=self.server, timeout=NEVER_SECONDS, follow_redirects=True) as browser:
                try:
                    self._session(browser)
                except Exception as error:
                    self.failures.append(f"{type(error).__name__}: {error}")
                    time.sleep(0.5)

    def _session(self, browser: httpx.Client) -> None:
        page = self._asked(browser.get, reverse("studies:join", args=[self.study.link]))
        while not self._over.is_set() and (found := lxml.html.fromstring(page.content).forms):
            fields = dict(found[0].form_values())
            answers = found[0].xpath(".//button[@name='answer']/@value")
            page = self._asked(browser.post, str(page.url), data=fields | ({"answer": answers[0]} if answers else {}))
            # As somebody who looks at a picture for a moment.
            self._over.wait(0.05)

    def _asked(self, method: Any, address: str, **options: Any) -> httpx.Response:
        start = time.perf_counter()
        page = method(address, **options)
        self.milliseconds.append(1000 * (time.perf_counter() - start))
        if page.status_code != 200:
            raise AssertionError(f"{page.status_code} {page.text[:200]}")
        return page


def prepared() -> tuple[Classifier, Study]:
    """A classifier of many images, and an open study for participants, who have all their own."""
    study = open_study(300, 99, threshold=1, trials_per_participant=300)
    return large_classifier(20_000), study


def researcher_cookies() -> dict[str, str]:
    """Of somebody who is logged in, at any process of this installation."""
    user, _ = User.objects.get_or_create(username="ada", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    return {name: morsel.value for name, morsel in client.cookies.items()}


def ask(server: str, requests: list[Request], cookies: dict[str, str]) -> dict[str, float]:
    """Ask all of them, one after the other; seconds for each.  AssertionError for a failure, or none in time."""
    took = {}
    with httpx.Client(base_url=server, timeout=NEVER_SECONDS, cookies=cookies) as desk:
        token = lxml.html.fromstring(desk.get(reverse("admin:studies_study_plan")).content)
        (csrf, *_) = token.xpath("//input[@name='csrfmiddlewaretoken']/@value")
        for request in requests:
            start = time.perf_counter()
            try:
                if request.data is None:
                    page = desk.get(request.address)
                else:
                    page = desk.post(request.address, data={**request.data, "csrfmiddlewaretoken": csrf})
            except httpx.TimeoutException:
                raise AssertionError(f"{request.what}: no answer within {NEVER_SECONDS} seconds") from None
            took[request.what] = time.perf_counter() - start
            assert page.status_code in (200, 422), (request.what, page.status_code, page.text[:300])
    return took


def several_at_once(server: str, requests: list[Request], cookies: dict[str, str], people: int) -> dict[str, float]:
    """The same by so many windows of one researcher, who types on before anything has come."""
    took: dict[str, float] = {}
    parts = [requests[n::people] for n in range(people)]
    problems: list[BaseException] = []

    def one(part: list[Request]) -> None:
        try:
            took.update(ask(server, part, cookies))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=one, args=[part]) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with suppress(IndexError):
        raise problems[0]
    return took

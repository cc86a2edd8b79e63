"""Somebody with a browser, for tests of participants' pages, and what can be read off the pages they are shown."""

import lxml.html
from django.test import Client
from django.urls import reverse

from studies import participation
from studies.models import Participant, Study, Trial

#: What the script of a trial's page measures, and every browser sends with the answer.
MEASURED = {"response_ms": "1234", "away_ms": "200", "hidden_count": "1", "blur_count": "2"}


class Visitor:
    """Somebody with a browser: follows links and sends the forms of the pages they are shown."""

    def __init__(self, study: Study):
        self.study = study
        self.client = Client(enforce_csrf_checks=True)
        self.responses = []
        self.path = reverse("studies:join", args=[study.link])

    def get(self, path: str = ""):
        self.path = path or self.path
        response = self.client.get(self.path)
        self.responses.append(response)
        return response

    def form(self) -> dict[str, str]:
        """The fields of the form on the page this person is at."""
        page = self.get()
        if not (forms := lxml.html.fromstring(page.content).forms):
            raise AssertionError(f"there is no form on the page “{heading(page)}” ({page.status_code}): {text(page)}")
        return dict(forms[0].form_values())

    def post(self, fields: dict[str, str]):
        response = self.client.post(self.path, fields)
        self.responses.append(response)
        return response

    def send(self, **values: str):
        """Fill in the form of the current page, send it as a browser would, and stand on the page it leads to."""
        form = self.form()
        measured = {name: value for name, value in MEASURED.items() if name in form}
        response = self.post(form | measured | (self.parts() if "answer" in values else {}) | values)
        assert response.status_code == 303
        self.path = response.headers["Location"]
        return response

    def parts(self) -> dict[str, str]:
        """Something for each further thing the page asks; of a check, what is right."""
        form = lxml.html.fromstring(self.responses[-1].content).forms[0]
        offered: dict[str, str] = {}
        for field in form.xpath(".//input[@type='radio'][starts-with(@name, 'part_')]"):
            offered.setdefault(field.get("name"), field.get("value"))
        right = self.trial.stimulus.truth.get("expected_parts", {}) if offered and self.trial else {}
        return offered | {f"part_{name}": value for name, value in right.items()}

    def begin(self) -> "Visitor":
        self.send()
        self.send()
        return self

    @property
    def participant(self) -> Participant:
        return participation.find(self.path.rstrip("/").rpartition("/")[2])

    @property
    def trial(self) -> Trial | None:
        return Trial.objects.filter(participant=self.participant, presented_at__isnull=False, answered_at=None).first()

    def finish(self) -> None:
        while self.trial:
            self.send(answer="yes")


def text(response) -> str:
    return " ".join(lxml.html.fromstring(response.content).find("body").text_content().split())


def heading(response) -> str:
    return lxml.html.fromstring(response.content).findtext(".//h1")


def stored() -> list:
    return list(Trial.objects.order_by("pk").values_list("answer", "answered_at", "counted"))

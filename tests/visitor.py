"""Somebody with a browser, for tests of participants' pages, and what can be read off the pages they are shown."""

import lxml.html
from django.test import Client
from django.urls import reverse

from studies import participation
from studies.models import Participant, Study, Trial


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
        return dict(lxml.html.fromstring(self.get().content).forms[0].form_values())

    def post(self, fields: dict[str, str]):
        response = self.client.post(self.path, fields)
        self.responses.append(response)
        return response

    def send(self, **values: str):
        """Fill in the form of the current page, send it, and stand on the page it leads to."""
        response = self.post(self.form() | values)
        assert response.status_code == 303
        self.path = response.headers["Location"]
        return response

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

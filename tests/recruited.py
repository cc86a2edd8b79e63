"""Studies whose people come from a recruiter, what it sends along with them, and a Mechanical Turk without network."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import boto3
from botocore.stub import Stubber
from django.urls import reverse

from studies import recruitment
from studies.models import Study
from studies.recruiting import mturk
from tests.visitor import Visitor

CODES = {"completed": "CDONE1", "come_back": "CBACK2", "screened_out": "CSCREEN3"}
CODES |= {"nothing_left": "CNOTHING4", "no_consent": "CNO5"}
#: Valid settings of each recruiter, by its key.
SETTINGS: dict[str, dict[str, Any]] = {"open_link": {}, "prolific": CODES, "mturk": {"place": "sandbox"}}
PROLIFIC_PID, STUDY_ID = "5f1a2b3c4d5e6f7a8b9c0d1e", "60aaaaaaaaaaaaaaaaaaaaaa"
WORKER, HIT, SANDBOX = "A2WORKEROFTESTS", "3HITOFTESTS00000000000000", "https://workersandbox.mturk.com"


CONSENT = "You are asked to look at pictures. Your id is kept for payment."


def recruits(study: Study, key: str, **changes: Any) -> Study:
    """Have people come this way, to a study whose text to agree to says so, also where it is open already."""
    Study.objects.filter(pk=study.pk).update(consent_text=CONSENT)
    study.consent_text = CONSENT
    recruitment.choose(study, key, SETTINGS[key] | changes)
    return study


def from_prolific(person: str = PROLIFIC_PID, session: str = "61bbbbbbbbbbbbbbbbbbbbb1", study: str = STUDY_ID) -> dict:
    return {"PROLIFIC_PID": person, "STUDY_ID": study, "SESSION_ID": session}


def from_mturk(worker: str = WORKER, assignment: str = "3ASSIGNMENT1", submit_to: str = SANDBOX) -> dict:
    return {"assignmentId": assignment, "hitId": HIT, "workerId": worker, "turkSubmitTo": submit_to}


PREVIEW = {"assignmentId": mturk.NO_ASSIGNMENT, "hitId": HIT}
#: How somebody comes, by the recruiter's key: the query for a person and a submission.
COMES = {
    "prolific": lambda person="a", n=1: from_prolific(person * 24, f"{n:024x}"),
    "mturk": lambda person="a", n=1: from_mturk(f"A{person.upper() * 12}", f"3ASSIGNMENT{n}"),
}


def address(study: Study, query: dict) -> str:
    return f"{reverse('studies:join', args=[study.link])}?{urlencode(query)}"


def comes(study: Study, query: dict) -> Visitor:
    """Somebody at the study's link, with what a recruiter sends along."""
    visitor = Visitor(study)
    visitor.path = address(study, query)
    return visitor


@contextmanager
def stubbed(monkeypatch: Any, settings: Any) -> Iterator[Stubber]:
    """A real client of Mechanical Turk that asks nobody: each request has to be the one that is expected, in turn."""
    settings.MTURK_KEY_ID, settings.MTURK_SECRET_KEY = "AKIATESTSONLY", "tests only"
    settings.SITE_URL = "https://studies.example.org"
    client = boto3.client("mturk", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    monkeypatch.setattr(mturk, "connect", lambda at: client)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()

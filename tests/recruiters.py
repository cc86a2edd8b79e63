"""Studies whose people come from a recruiter, and what it sends along with them."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from studies.models import Study
from studies.recruitment import arrivals
from tests.framing.recruiters import NO_ASSIGNMENT, SITES
from tests.participant_client import Visitor

CODES = {"completed": "CDONE1", "come_back": "CBACK2", "screened_out": "CSCREEN3"}
CODES |= {"nothing_left": "CNOTHING4", "no_consent": "CNO5"}
#: Valid settings of each recruiter, by its key.
CONNECT = {name: f"https://connect.cloudresearch.com/participant/project/ABC/{name}" for name in CODES}
SONA = "https://yourschool.sona-systems.com/webstudy_credit.aspx?experiment_id=123&credit_token=4e48f9b638a"
SETTINGS: dict[str, dict[str, Any]] = {
    "open_link": {},
    "connect": CONNECT,
    "framing": {"place": "sandbox"},
    "prolific": CODES,
    "sona": {"completion_url": f"{SONA}&survey_code=XXXX", "screened_out_credit": True},
}
PROLIFIC_PID, STUDY_ID = "5f1a2b3c4d5e6f7a8b9c0d1e", "60aaaaaaaaaaaaaaaaaaaaaa"
WORKER, TASK, SANDBOX = "A2WORKEROFTESTS", "3TASKOFTESTS0000000000000", SITES["sandbox"]


CONSENT = (
    "You are asked to look at pictures. Your id at Prolific, CloudResearch Connect, SONA or Framing site is kept for "
    "payment."
)


def recruits(study: Study, key: str, **changes: Any) -> Study:
    """Use this recruiter, to a study whose text to agree to says so, also where it is open already."""
    if study.opened_at:
        study.consents.update(text=CONSENT)
    arrivals.choose(study, key, SETTINGS[key] | changes)
    return study


def from_prolific(person: str = PROLIFIC_PID, session: str = "61bbbbbbbbbbbbbbbbbbbbb1", study: str = STUDY_ID) -> dict:
    return {"PROLIFIC_PID": person, "STUDY_ID": study, "SESSION_ID": session}


def from_connect(person: str = "e1" * 16, assignment: str = "a1" * 16, project: str = "b1" * 16) -> dict:
    return {"participantId": person, "assignmentId": assignment, "projectId": project}


def from_framing(worker: str = WORKER, assignment: str = "3ASSIGNMENT1", submit_to: str = SANDBOX) -> dict:
    return {"assignmentId": assignment, "taskId": TASK, "workerId": worker, "submitTo": submit_to}


PREVIEW = {"assignmentId": NO_ASSIGNMENT, "taskId": TASK}
#: How somebody comes, by the recruiter's key: the query for a person and a submission.
COMES = {
    "connect": lambda person="a", n=1: from_connect(person * 32, f"{n:032x}"),
    "prolific": lambda person="a", n=1: from_prolific(person * 24, f"{n:024x}"),
    "framing": lambda person="a", n=1: from_framing(f"A{person.upper() * 12}", f"3ASSIGNMENT{n}"),
    # SONA has one number for a person and what they do.
    "sona": lambda person="a", n=1: {"id": str(1000 + ord(person))},
}


def address(study: Study, query: dict) -> str:
    return f"{reverse('studies:join', args=[study.link])}?{urlencode(query)}"


def comes(study: Study, query: dict) -> Visitor:
    """Somebody at the study's link, with what a recruiter sends along."""
    visitor = Visitor(study)
    visitor.path = address(study, query)
    return visitor

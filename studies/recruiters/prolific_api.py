"""Prolific's API: postings, submissions, bonuses, groups and signed messages.

https://docs.prolific.com/api-reference (its OpenAPI description, read in November 2026).  Only the stub of the tests
was ever asked with it.
"""

import base64
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings as site
from django.utils.dateparse import parse_datetime

from studies.lib.errors import StudyError
from studies.lib.http_api import Api, OutcomeUnknown, ServiceError

from .base import Draft, Market, Submission, SubmissionState, VisitOutcome

#: Of people, studies and submissions alike; nothing of the kind is shown in a message.
IDS = re.compile(r"\b[0-9a-f]{24}\b")
STATES = {
    "ACTIVE": SubmissionState.ACTIVE,
    "RESERVED": SubmissionState.ACTIVE,
    "AWAITING REVIEW": SubmissionState.WAITING,
    "APPROVED": SubmissionState.APPROVED,
    "PARTIALLY APPROVED": SubmissionState.APPROVED,
    "REJECTED": SubmissionState.REJECTED,
    "RETURNED": SubmissionState.RETURNED,
    "TIMED-OUT": SubmissionState.TIMED_OUT,
    "SCREENED OUT": SubmissionState.SCREENED_OUT,
}
CODE_TYPES = {
    VisitOutcome.COMPLETED: "COMPLETED",
    VisitOutcome.COME_BACK: "FOLLOW_UP_STUDY",
    VisitOutcome.SCREENED_OUT: "FIXED_SCREENOUT",
    VisitOutcome.NOTHING_LEFT: "OTHER",
    VisitOutcome.NO_CONSENT: "NO_CONSENT",
}
RETURN_REASONS = {
    VisitOutcome.NOTHING_LEFT: "Every place of this study was taken when you came.",
    VisitOutcome.NO_CONSENT: "You did not agree to take part.",
}
EVENTS = ("submission.status.change", "study.status.change")
AT_ONCE = 200
DRAFTED = ("UNPUBLISHED", "SCHEDULED")


class ProlificMarket(Market):
    """The account of this installation."""

    rejections = {
        "TOO_QUICKLY": "answered too quickly",
        "FAILED_INSTRUCTIONS": "did not follow the instructions",
        "FAILED_CHECK": "failed checks",
        "LOW_EFFORT": "little effort",
        "NO_CODE": "no completion code",
        "BAD_CODE": "a wrong completion code",
        "NO_DATA": "nothing was answered",
        "OTHER": "another reason",
    }
    shortest_reason = 100

    def __init__(self, api: Api, *, workspace: str, secret: str, project: str = ""):
        self.api, self.workspace, self.secret, self.project = api, workspace, secret, project

    # --- postings -----------------------------------------------------------------------------------------------------

    def draft(self, draft: Draft, settings: Mapping[str, Any]) -> str:
        filters = [("participant_group_allowlist", draft.only), ("participant_group_blocklist", draft.without)]
        body = {
            "name": draft.title,
            "description": draft.description,
            "external_study_url": draft.link,
            "prolific_id_option": "url_parameters",
            "completion_codes": _codes(draft, settings),
            "total_available_places": draft.places,
            "estimated_completion_time": draft.minutes,
            "reward": draft.reward,
            "filters": [{"filter_id": name, "selected_values": list(groups)} for name, groups in filters if groups],
        }
        if self.project:
            body["project"] = self.project
        try:
            reply = self.api.post("/api/v1/studies/", body, again=False)
        except OutcomeUnknown as error:
            raise ServiceError(f"{error}; perhaps a draft that nobody sees is there all the same") from None
        return _id(reply.json)

    def publish(self, posting: str) -> None:
        if self._status(posting) in DRAFTED:
            try:
                self.api.post(f"/api/v1/studies/{posting}/transition/", {"action": "PUBLISH"}, again=False)
            except OutcomeUnknown:
                # Prolific itself says what it is now.
                if self._status(posting) in DRAFTED:
                    raise

    def ended(self, posting: str) -> bool:
        return self._status(posting) in ("COMPLETED", "AWAITING REVIEW")

    def _status(self, posting: str) -> str:
        return str(self.api.get(f"/api/v1/studies/{posting}/").get("status", ""))

    # --- submissions --------------------------------------------------------------------------------------------------

    def submissions(self, posting: str) -> Iterator[Submission]:
        for row in self.api.pages("/api/v1/submissions/", study=posting):
            name, person = fold(row.get("id")), fold(row.get("participant_id"))
            if not IDS.fullmatch(name) or not IDS.fullmatch(person):
                raise ServiceError("Prolific sends a submission without an id")
            state = STATES.get(str(row.get("status", "")).upper().replace("_", " "), SubmissionState.OTHER)
            yield Submission(name, person, state, _moment(row.get("started_at")), _moment(row.get("completed_at")))

    def approve(self, submission: str) -> None:
        self._move(submission, {"action": "APPROVE"})

    def reject(self, submission: str, category: str, reason: str) -> None:
        self._move(submission, {"action": "REJECT", "message": reason, "rejection_category": category})

    def _move(self, submission: str, body: Mapping[str, str]) -> None:
        # Prolific ignores the second of two equal ones.
        self.api.post(f"/api/v1/submissions/{submission}/transition/", body, again=True)

    def ask_to_return(self, submission: str, reason: str) -> None:
        body = {"request_return_reasons": [reason]}
        self.api.post(f"/api/v1/submissions/{submission}/request-return/", body, again=True)

    # --- bonuses ------------------------------------------------------------------------------------------------------

    def set_up_bonuses(self, posting: str, amounts: Mapping[str, int]) -> str:
        if len(amounts) > AT_ONCE:
            raise StudyError(f"Prolific takes at most {AT_ONCE} bonuses at once")
        lines = "\n".join(f"{name},{amount // 100}.{amount % 100:02}" for name, amount in amounts.items())
        body = {"study_id": posting, "csv_bonuses": lines}
        return _id(self.api.post("/api/v1/submissions/bonus-payments/", body, again=True).json)

    def pay_bonuses(self, batch: str) -> None:
        # Prolific pays once more for each time it is asked: it is asked once.
        self.api.post(f"/api/v1/bulk-bonus-payments/{batch}/pay/", again=False)

    # --- groups -------------------------------------------------------------------------------------------------------

    def make_group(self, name: str) -> str:
        if not self.workspace:
            raise StudyError("PROLIFIC_WORKSPACE is not set: groups of people belong to a workspace")
        body = {"workspace_id": self.workspace, "name": name}
        return _id(self.api.post("/api/v1/participant-groups/", body, again=True).json)

    def add_to_group(self, group: str, people: Sequence[str]) -> None:
        for first in range(0, len(people), AT_ONCE):
            body = {"participant_ids": list(people[first : first + AT_ONCE])}
            self.api.post(f"/api/v1/participant-groups/{group}/participants/", body, again=True)

    # --- messages -----------------------------------------------------------------------------------------------------

    def about(self, headers: Mapping[str, str], body: bytes) -> str | None:
        stamp = headers.get("X-Prolific-Request-Timestamp", "")
        signature = headers.get("X-Prolific-Request-Signature", "")
        if not self.secret or not hmac.compare_digest(sign(self.secret, stamp, body), signature.encode()):
            return None
        try:
            told = json.loads(body)
        except ValueError:
            return ""
        told = told if isinstance(told, dict) else {}
        # The names differ with the kind of message; whose it is not, all postings are asked.
        for name in ("study_id", "study", "resource_id"):
            if isinstance(told.get(name), str) and IDS.fullmatch(told[name]):
                return told[name]
        return ""

    def subscribe(self, url: str) -> None:
        if not self.workspace or not self.secret:
            raise StudyError("PROLIFIC_WORKSPACE and PROLIFIC_SECRET have to be set first")
        for event in EVENTS:
            body = {"workspace_id": self.workspace, "event_type": event, "target_url": url}
            reply = self.api.post("/api/v1/hooks/subscriptions/", body, again=False)
            secret = reply.headers.get("X-Hook-Secret", "")
            self.api.post(f"/api/v1/hooks/subscriptions/{_id(reply.json)}/", {"secret": secret}, again=True)


def sign(secret: str, stamp: str, body: bytes) -> bytes:
    """The signature of a message: HMAC-SHA-256 over its time and its bytes, in base 64."""
    return base64.b64encode(hmac.digest(secret.encode(), stamp.encode() + body, "sha256"))


def fold(name: Any) -> str:
    """An id as it is compared: without spaces around it, in lower case; empty for what is no text."""
    return name.strip().lower() if isinstance(name, str) else ""


def make_market() -> ProlificMarket | None:
    """The account that the settings name; None where they name none."""
    if not site.PROLIFIC_TOKEN:
        return None
    headers = {"Authorization": f"Token {site.PROLIFIC_TOKEN}"}
    api = Api("Prolific", site.PROLIFIC_URL, headers, hidden=IDS)
    account = {"workspace": site.PROLIFIC_WORKSPACE, "project": site.PROLIFIC_PROJECT}
    return ProlificMarket(api, secret=site.PROLIFIC_SECRET, **account)


def _codes(draft: Draft, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The completion codes, each with what follows on it.

    Nobody is approved by a code alone, which people can pass on: Quorum approves whom it saw finish.
    """
    noted = [{"action": "ADD_TO_PARTICIPANT_GROUP", "participant_group": draft.group}] if draft.group else []
    review = {"action": "MANUALLY_REVIEW"}
    screened_out: dict[str, Any] = review
    if draft.screened_out_reward:
        screened_out = {
            "action": "FIXED_SCREEN_OUT_PAYMENT",
            "fixed_screen_out_reward": draft.screened_out_reward,
            "slots": draft.places,
        }
    follows: dict[str, list[dict[str, Any]]] = {
        VisitOutcome.COMPLETED: [review, *noted],
        VisitOutcome.COME_BACK: [review, *noted],
        VisitOutcome.SCREENED_OUT: [screened_out, *noted],
        **{
            outcome: [{"action": "REQUEST_RETURN", "return_reason": reason}]
            for outcome, reason in RETURN_REASONS.items()
        },
    }
    return [
        {"code": settings[outcome], "code_type": CODE_TYPES[outcome], "actions": actions}
        for outcome, actions in follows.items()
        if settings.get(outcome)
    ]


def _id(told: Any) -> str:
    name = told.get("id", "") if isinstance(told, dict) else ""
    if not isinstance(name, str) or not re.fullmatch(r"[0-9A-Za-z-]{1,64}", name):
        raise ServiceError("Prolific answers without an id")
    return name


def _moment(text: Any) -> datetime | None:
    try:
        found = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None

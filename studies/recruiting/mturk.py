"""Amazon Mechanical Turk: the study stands in a frame of a HIT, and is handed in by a form that goes to Amazon.

https://docs.aws.amazon.com/AWSMechTurk/latest/AWSMturkAPI/ApiReference_ExternalQuestionArticle.html
A worker who returns the HIT and accepts it again has another assignment, and is the same person.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

import lxml.etree
from django import forms
from django.conf import settings as site
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _

from studies.errors import StudyError

from .base import (
    Arrived,
    Handed,
    HowFar,
    Instruction,
    Market,
    NotFromHere,
    Offer,
    Outcome,
    Recruiter,
    RecruiterForm,
    Unanswered,
    WayOn,
    one,
)


@dataclass(frozen=True)
class Place:
    """One of Mechanical Turk's two: what is asked, where a HIT is handed in, and which sites show it in a frame."""

    title: str
    endpoint: str
    submit_to: str
    #: Handing in leads on to these.
    leads_to: tuple[str, ...]
    frames: tuple[str, ...]


SANDBOX, LIVE = "sandbox", "live"
PLACES = {
    SANDBOX: Place(
        "the sandbox, where no money is spent",
        "https://mturk-requester-sandbox.us-east-1.amazonaws.com",
        "https://workersandbox.mturk.com",
        (),
        ("https://workersandbox.mturk.com",),
    ),
    LIVE: Place(
        "live, with real people and money",
        "https://mturk-requester.us-east-1.amazonaws.com",
        "https://www.mturk.com",
        ("https://worker.mturk.com",),
        ("https://worker.mturk.com", "https://www.mturk.com"),
    ),
}
NO_ASSIGNMENT = "ASSIGNMENT_ID_NOT_AVAILABLE"
#: As the service's own model has them.
ID, WORKER = re.compile(r"[A-Z0-9]{1,64}"), re.compile(r"A[A-Z0-9]{1,63}")
APPROVAL_RATE, LOCALE = "000000000000000000L0", "00000000000000000071"
QUESTION = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2006-07-14/ExternalQuestion.xsd"
ANSWERS = "{http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2005-10-01/QuestionFormAnswers.xsd}"
LONGEST_ANSWER = 20_000
#: What Mechanical Turk refuses and people understand, by the end of its code.
REFUSALS = {
    "insufficientfunds": "the account has too little money for this",
    "throttlingexception": "it is asked too often: try again in a minute",
    "requestthrottled": "it is asked too often: try again in a minute",
    "unrecognizedclientexception": "it does not know the account's key: look at MTURK_KEY_ID and MTURK_SECRET_KEY",
    "invalidsignatureexception": "it does not know the account's key: look at MTURK_KEY_ID and MTURK_SECRET_KEY",
    "accessdeniedexception": "the account's key may not do this",
    "invalidassignmentstate": "this was approved or rejected before",
    "assignmentsalreadyreviewed": "this was approved or rejected before",
    "duplicaterequest": "this was done before",
    "hitdoesnotexist": "it has no such HIT",
}


class MTurkForm(RecruiterForm):
    """Where HITs are posted; live only where the installation allows it."""

    place = forms.ChoiceField(initial=SANDBOX, help_text="The sandbox is for trying out. Live spends money.")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        allowed = PLACES if site.MTURK_LIVE else (SANDBOX,)
        self.fields["place"].choices = [(key, PLACES[key].title) for key in allowed]
        self.fields["place"].error_messages["invalid_choice"] = "Live is not allowed here: MTURK_LIVE is off."


class OfferForm(forms.Form):
    """A HIT as workers see it in their list, and what it costs."""

    title = forms.CharField(max_length=128, help_text="As workers read it in their list.")
    description = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))
    keywords = forms.CharField(max_length=1000, required=False, help_text="Comma-separated.")
    reward = forms.DecimalField(
        min_value=Decimal("0.01"), max_value=100, decimal_places=2, help_text="US dollars each; Amazon's fee is added."
    )
    places = forms.IntegerField(
        min_value=1, max_value=5000, help_text="How many different workers. From 10 on, Amazon's fee is higher."
    )
    hours = forms.IntegerField(
        label="Hours on offer", initial=72, min_value=1, max_value=8760, help_text="How long it is offered."
    )
    minutes = forms.IntegerField(
        label="Minutes for each worker",
        initial=60,
        min_value=1,
        max_value=10_080,
        help_text="How long a worker has; be generous, it is no pressure.",
    )
    approve_after_days = forms.IntegerField(
        initial=7, min_value=1, max_value=30, help_text="Whatever nobody has looked at is approved by itself then."
    )
    approval_rate = forms.IntegerField(
        required=False, min_value=1, max_value=100, help_text="Only workers with this percentage approved; empty: all."
    )
    countries = forms.CharField(
        max_length=200,
        required=False,
        validators=[RegexValidator(r"^[A-Z]{2}(, ?[A-Z]{2})*$", "Two capital letters each, comma-separated: US, GB")],
        help_text="Only workers of these, as US, GB; empty: all.",
    )

    def offer(self) -> Offer:
        given = dict(self.cleaned_data)
        given["countries"] = tuple(word.strip() for word in given["countries"].split(",") if word.strip())
        return Offer(**{name: given[name] for name in Offer.__dataclass_fields__})


def connect(at: str) -> Any:
    """A client of Mechanical Turk, with the account of the settings and no other that may lie about."""
    if at == LIVE and not site.MTURK_LIVE:
        raise StudyError("Mechanical Turk's live site is not allowed here: MTURK_LIVE is off")
    if not (site.MTURK_KEY_ID and site.MTURK_SECRET_KEY):
        raise StudyError("there is no account at Mechanical Turk: set MTURK_KEY_ID and MTURK_SECRET_KEY")
    # Loaded where it is needed: participants' pages start without it.
    import boto3
    from botocore.config import Config

    return boto3.client(
        "mturk",
        region_name="us-east-1",
        endpoint_url=PLACES[at].endpoint,
        aws_access_key_id=site.MTURK_KEY_ID,
        aws_secret_access_key=site.MTURK_SECRET_KEY,
        config=Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "max_attempts": 2}),
    )


class MTurkMarket(Market):
    """Its requests.  https://docs.aws.amazon.com/AWSMechTurk/latest/AWSMturkAPI/"""

    offer_form = OfferForm

    def place(self, settings: Mapping[str, Any]) -> str:
        return settings["place"]

    def is_real(self, at: str) -> bool:
        return at != SANDBOX

    def why_not(self, at: str, link: str) -> str:
        if not link.startswith("https://"):
            return "Mechanical Turk shows sites over https alone: set SITE_URL"
        try:
            connect(at)
        except StudyError as error:
            return str(error)
        return ""

    def post(self, at: str, offer: Offer, *, link: str, token: str, qualification: str, visit: int) -> str:
        question = f'<ExternalQuestion xmlns="{QUESTION}"><ExternalURL>{escape(link)}</ExternalURL>'
        asked = {
            "Title": offer.title,
            "Description": offer.description,
            "Reward": f"{offer.reward:.2f}",
            "MaxAssignments": offer.places,
            "LifetimeInSeconds": 3600 * offer.hours,
            "AssignmentDurationInSeconds": 60 * offer.minutes,
            "AutoApprovalDelayInSeconds": 86_400 * offer.approve_after_days,
            # 0: as high as the window.
            "Question": f"{question}<FrameHeight>0</FrameHeight></ExternalQuestion>",
            "UniqueRequestToken": token,
            "QualificationRequirements": _requirements(offer, qualification, visit),
        }
        if offer.keywords:
            asked["Keywords"] = offer.keywords
        with _client(at) as client:
            try:
                return client.create_hit(**asked)["HIT"]["HITId"]
            except client.exceptions.RequestError as error:
                # It was posted before, and the reply did not arrive.
                there = re.search(r"\b[A-Z0-9]{20,64}\b", error.response["Error"]["Message"])
                if there and _code(error.response).endswith("hitalreadyexists"):
                    return there[0]
                raise

    def stop(self, at: str, posting: str) -> None:
        with _client(at) as client:
            # A time that is over: offered to nobody from now on.
            client.update_expiration_for_hit(HITId=posting, ExpireAt=0)

    def how_far(self, at: str, posting: str) -> HowFar:
        with _client(at) as client:
            hit = client.get_hit(HITId=posting)["HIT"]
        return HowFar(
            free=hit["NumberOfAssignmentsAvailable"],
            at_work=hit["NumberOfAssignmentsPending"],
            offered_until=hit.get("Expiration"),
        )

    def handed_in(self, at: str, posting: str) -> list[Handed]:
        with _client(at) as client:
            pages = client.get_paginator("list_assignments_for_hit").paginate(
                HITId=posting,
                AssignmentStatuses=["Submitted", "Approved", "Rejected"],
                PaginationConfig={"PageSize": 100},
            )
            return [
                Handed(
                    submission=found["AssignmentId"],
                    person=found["WorkerId"],
                    code=_code_given(found.get("Answer", "")),
                    state=found["AssignmentStatus"].lower(),
                    at=found.get("SubmitTime"),
                    approved_by_itself_at=found.get("AutoApprovalTime"),
                )
                for page in pages
                for found in page["Assignments"]
            ]

    def approve(self, at: str, submission: str) -> None:
        with _client(at) as client:
            client.approve_assignment(AssignmentId=submission)

    def reject(self, at: str, submission: str, reason: str) -> None:
        with _client(at) as client:
            client.reject_assignment(AssignmentId=submission, RequesterFeedback=reason)

    def bonus(self, at: str, handed: Handed, amount: Decimal, reason: str) -> None:
        told = f"{handed.submission} {amount:.2f} {reason}"
        with _client(at) as client:
            client.send_bonus(
                WorkerId=handed.person,
                AssignmentId=handed.submission,
                BonusAmount=f"{amount:.2f}",
                Reason=reason,
                UniqueRequestToken=hashlib.sha256(told.encode()).hexdigest(),
            )

    def make_qualification(self, at: str, name: str) -> str:
        with _client(at) as client:
            made = client.create_qualification_type(
                Name=name,
                Description="Given to those who took part in a study, so that nobody is paid for the same one twice.",
                QualificationTypeStatus="Active",
            )
            return made["QualificationType"]["QualificationTypeId"]

    def qualify(self, at: str, qualification: str, person: str, visit: int) -> None:
        with _client(at) as client:
            client.associate_qualification_with_worker(
                QualificationTypeId=qualification, WorkerId=person, IntegerValue=visit, SendNotification=visit > 0
            )


def _requirements(offer: Offer, qualification: str, visit: int) -> list[dict[str, Any]]:
    """First visits are for those who have not come before, later ones for those who are due."""
    if visit == 1:
        wanted = [{"QualificationTypeId": qualification, "Comparator": "DoesNotExist"}]
    else:
        wanted = [{"QualificationTypeId": qualification, "Comparator": "EqualTo", "IntegerValues": [visit]}]
    if offer.approval_rate:
        rate = {"Comparator": "GreaterThanOrEqualTo", "IntegerValues": [offer.approval_rate]}
        wanted.append({"QualificationTypeId": APPROVAL_RATE, **rate})
    if offer.countries:
        countries = [{"Country": country} for country in offer.countries]
        wanted.append({"QualificationTypeId": LOCALE, "Comparator": "In", "LocaleValues": countries})
    return [{**one, "ActionsGuarded": "DiscoverPreviewAndAccept"} for one in wanted]


@contextmanager
def _client(at: str) -> Iterator[Any]:
    """What it refuses is one line.  Without what it was asked: ids of people are not for logs."""
    client = connect(at)
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield client
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500:
            raise Unanswered("Mechanical Turk has a fault: look whether it was done before you try again") from None
        raise StudyError(f"Mechanical Turk: {_refusal(error.response)}") from None
    except BotoCoreError as error:
        raise Unanswered(f"Mechanical Turk does not answer ({type(error).__name__})") from None


def _code(response: Mapping[str, Any]) -> str:
    return str(response.get("TurkErrorCode") or response["Error"]["Code"]).lower()


def _refusal(response: Mapping[str, Any]) -> str:
    found = f"{_code(response)} {response['Error']['Code']} {response['Error'].get('Message', '')}".lower()
    for code, says in REFUSALS.items():
        if code in found:
            return says
    return f"it refuses this ({_code(response).rpartition('.')[2]})"


def _code_given(answer: str) -> str:
    """The code in what a worker handed in, which may be anything."""
    if not answer or len(answer) > LONGEST_ANSWER:
        return ""
    parser = lxml.etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = lxml.etree.fromstring(answer.encode(), parser)
    except lxml.etree.XMLSyntaxError:
        return ""
    for given in root.iter(f"{ANSWERS}Answer"):
        if given.findtext(f"{ANSWERS}QuestionIdentifier") == "code":
            code = given.findtext(f"{ANSWERS}FreeText") or ""
            return code if re.fullmatch(r"[A-Z0-9]{1,20}", code) else ""
    return ""


class MTurk(Recruiter):
    key = "mturk"
    title = "Mechanical Turk"
    description = (
        "The study stands in a frame on Amazon Mechanical Turk, and is posted, looked after and paid for from here. A "
        "worker who returns the HIT and accepts it again goes on where they were."
    )
    form_class = MTurkForm
    names_people = True
    market = MTurkMarket()

    def instructions(self, settings: Mapping[str, Any], link: str) -> list[Instruction]:
        return [
            Instruction(
                f"HITs go to {PLACES[settings['place']].title}. Post one under Posted work; it shows this address.",
                link,
            ),
            Instruction("When workers hand in, look at who did, and approve, reject or add a bonus."),
            Instruction("Stop what is still offered before you close the study: who accepts it then finds it ended."),
        ]

    def arrived(self, settings: Mapping[str, Any], query: Mapping[str, Sequence[str]]) -> Arrived | None:
        place = PLACES[settings["place"]]
        names = ("assignmentId", "hitId", "workerId", "turkSubmitTo")
        assignment, hit, worker, submit_to = (one(query, name) for name in names)
        if assignment == NO_ASSIGNMENT:
            return Arrived(preview=True)
        if not (ID.fullmatch(assignment) and ID.fullmatch(hit) and WORKER.fullmatch(worker)):
            raise NotFromHere(_("This study takes people from Mechanical Turk. Please open it from there once more."))
        if submit_to.rstrip("/") != place.submit_to:
            raise NotFromHere(_("This HIT cannot be handed in where it was opened. Please return it."))
        return Arrived(worker, assignment, hit)

    def preview_says(self) -> str:
        return _("You are looking at a preview. Accept the HIT to take part; until then nothing is stored.")

    def way_on(
        self, settings: Mapping[str, Any], outcome: str, *, design: Mapping[str, Any], code: str, submission: str
    ) -> WayOn | None:
        if outcome in (Outcome.NOTHING_LEFT, Outcome.NO_CONSENT):
            return WayOn(_("Please return the HIT, so that it goes to somebody else."))
        if not submission:
            return WayOn(_("Please hand in this code where you found the study."))
        place = PLACES[settings["place"]]
        return WayOn(
            _("Your answers are stored. Hand in the HIT to be paid."),
            _("Hand in the HIT"),
            f"{place.submit_to}/mturk/externalSubmit",
            {"assignmentId": submission, "code": code, "outcome": outcome},
            (place.submit_to, *place.leads_to),
        )

    def ancestors(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return PLACES[settings["place"]].frames

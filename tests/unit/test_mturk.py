"""Every request to Mechanical Turk, and whatever it may refuse, against the service's own model and without network."""

import hashlib
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import lxml.etree
import pytest
from botocore.exceptions import ConnectTimeoutError

from studies import lifecycle, postings
from studies.errors import StudyError
from studies.models import Arrival, Event, Participant, Posting
from studies.recruiting import HowFar, Offer, Unanswered, mturk
from studies.simulation import age
from tests.bench import made_up_study
from tests.factories import make_study, open_study
from tests.recruited import HIT, WORKER, comes, from_mturk, recruits, stubbed

pytestmark = pytest.mark.django_db

OFFER = Offer("Look at pictures", "Twenty pictures", "pictures", Decimal("1.5"), 9, 72, 60, 7, 95, ("US", "GB"))
TOKEN = UUID(int=7)
QUALIFICATION = "3QUALIFICATIONOFTESTS"
#: As CreateHIT answers, cut to what is read.
MADE = {"QualificationType": {"QualificationTypeId": QUALIFICATION}}


@pytest.fixture
def turk(monkeypatch, settings):
    with stubbed(monkeypatch, settings) as stub:
        yield stub


@pytest.fixture
def study():
    return recruits(open_study(2, 3), "mturk")


def expected_hit(study, **changes) -> dict:
    link = f"https://studies.example.org/s/{study.link}/"
    question = f'<ExternalQuestion xmlns="{mturk.QUESTION}"><ExternalURL>{link}</ExternalURL>'
    guarded = {"ActionsGuarded": "DiscoverPreviewAndAccept"}
    return {
        "Title": "Look at pictures",
        "Description": "Twenty pictures",
        "Keywords": "pictures",
        "Reward": "1.50",
        "MaxAssignments": 9,
        "LifetimeInSeconds": 72 * 3600,
        "AssignmentDurationInSeconds": 3600,
        "AutoApprovalDelayInSeconds": 7 * 86400,
        "Question": f"{question}<FrameHeight>0</FrameHeight></ExternalQuestion>",
        "UniqueRequestToken": TOKEN.hex,
        "QualificationRequirements": [
            {"QualificationTypeId": QUALIFICATION, "Comparator": "DoesNotExist", **guarded},
            {
                "QualificationTypeId": "000000000000000000L0",
                "Comparator": "GreaterThanOrEqualTo",
                "IntegerValues": [95],
                **guarded,
            },
            {
                "QualificationTypeId": "00000000000000000071",
                "Comparator": "In",
                "LocaleValues": [{"Country": "US"}, {"Country": "GB"}],
                **guarded,
            },
        ],
    } | changes


def will_qualify(turk, study) -> None:
    named = {
        "Name": f"Took part: {study.slug} {str(study.link)[:8]}",
        "Description": "Given to those who took part in a study, so that nobody is paid for the same one twice.",
        "QualificationTypeStatus": "Active",
    }
    turk.add_response("create_qualification_type", MADE, named)


def posted(turk, study) -> Posting:
    will_qualify(turk, study)
    turk.add_response("create_hit", {"HIT": {"HITId": HIT}}, expected_hit(study))
    return postings.post(study, OFFER, token=TOKEN)


def handed(worker=WORKER, assignment="3ASSIGNMENT1", code="", state="Submitted") -> dict:
    told = f"<Answer><QuestionIdentifier>code</QuestionIdentifier><FreeText>{code}</FreeText></Answer>"
    answer = f'<QuestionFormAnswers xmlns="{mturk.ANSWERS[1:-1]}">{told}</QuestionFormAnswers>'
    return {"AssignmentId": assignment, "WorkerId": worker, "AssignmentStatus": state, "Answer": answer}


def will_list(turk, *found: dict) -> None:
    asked = {"HITId": HIT, "AssignmentStatuses": ["Submitted", "Approved", "Rejected"], "MaxResults": 100}
    turk.add_response("list_assignments_for_hit", {"Assignments": list(found)}, asked)


def will_show(turk, *found: dict) -> None:
    """What the desk's page of a posting asks for."""
    will_list(turk, *found)
    counts = {"NumberOfAssignmentsAvailable": 5, "NumberOfAssignmentsPending": 3}
    turk.add_response("get_hit", {"HIT": counts}, {"HITId": HIT})


# --- posting ----------------------------------------------------------------------------------------------------------


def test_a_hit_is_posted_once_however_often_its_form_is_sent(turk, study):
    one = posted(turk, study)
    again = postings.post(study, OFFER, token=TOKEN)
    assert (one, one.name, again.name, one.place) == (again, HIT, HIT, "sandbox")
    question = lxml.etree.fromstring(expected_hit(study)["Question"])
    assert question.findtext(f"{{{mturk.QUESTION}}}ExternalURL") == f"https://studies.example.org/s/{study.link}/"
    event = Event.objects.get(what="posted")
    assert event.details == {
        "posting": HIT,
        "place": "sandbox",
        "places": 9,
        "reward": "1.50",
        "without_fees": "13.50",
        "visit": 1,
    }


def test_a_reply_that_was_lost_is_found_again(turk, study):
    will_qualify(turk, study)
    turk.add_client_error("create_hit", "ServiceFault", "", http_status_code=500, expected_params=expected_hit(study))
    with pytest.raises(Unanswered, match="look whether it was done"):
        postings.post(study, OFFER, token=TOKEN)
    lost = Posting.objects.get(name="")
    turk.add_client_error(
        "create_hit",
        "RequestError",
        f"The HIT with ID {HIT} already exists.",
        modeled_fields={"TurkErrorCode": "AWS.MechanicalTurk.HITAlreadyExists"},
        expected_params=expected_hit(study),
    )
    assert postings.post_again(lost).name == HIT
    assert Posting.objects.count() == 1


def test_whoever_came_before_is_kept_from_the_next_hit_and_told_of_once(turk, study):
    comes(study, from_mturk()).begin()
    will_qualify(turk, study)
    asked = {"QualificationTypeId": QUALIFICATION, "WorkerId": WORKER, "IntegerValue": 0, "SendNotification": False}
    turk.add_response("associate_qualification_with_worker", {}, asked)
    turk.add_response("create_hit", {"HIT": {"HITId": HIT}}, expected_hit(study))
    postings.post(study, OFFER, token=TOKEN)
    second = UUID(int=8)
    turk.add_response("create_hit", {"HIT": {"HITId": "3SECOND"}}, expected_hit(study, UniqueRequestToken=second.hex))
    postings.post(study, OFFER, token=second)
    assert Arrival.objects.get().may_visit == 0


def test_a_second_visit_is_offered_to_those_who_are_due_alone(turk):
    study = made_up_study("adversarial_trials", {"threshold": 1})
    lifecycle.open_study(study)
    recruits(study, "mturk")
    done = comes(study, from_mturk("AWAITS", "3A1")).begin()
    done.finish()
    age(done.participant, timedelta(days=3))
    comes(study, from_mturk("AWORKS", "3A2")).begin()
    will_qualify(turk, study)
    for worker, visit in (("AWAITS", 2), ("AWORKS", 0)):
        asked = {"QualificationTypeId": QUALIFICATION, "WorkerId": worker, "IntegerValue": visit}
        turk.add_response("associate_qualification_with_worker", {}, asked | {"SendNotification": visit > 0})
    wanted = expected_hit(study)
    wanted["QualificationRequirements"][0] |= {"Comparator": "EqualTo", "IntegerValues": [2]}
    turk.add_response("create_hit", {"HIT": {"HITId": HIT}}, wanted)
    assert postings.post(study, OFFER, token=TOKEN, visit=2).visit == 2


def test_many_who_came_before_are_told_of_in_several_turns(turk, study, monkeypatch):
    monkeypatch.setattr(postings, "AT_ONCE", 1)
    for n in range(2):
        comes(study, from_mturk(f"AWORKER{n}", f"3A{n}")).begin()
    will_qualify(turk, study)
    for n in range(2):
        asked = {"QualificationTypeId": QUALIFICATION, "WorkerId": f"AWORKER{n}", "IntegerValue": 0}
        turk.add_response("associate_qualification_with_worker", {}, asked | {"SendNotification": False})
        if n == 0:
            with pytest.raises(StudyError, match="1 are left"):
                postings.post(study, OFFER, token=TOKEN)
    turk.add_response("create_hit", {"HIT": {"HITId": HIT}}, expected_hit(study))
    assert postings.post(study, OFFER, token=TOKEN).name == HIT


def test_nothing_is_posted_for_a_study_that_is_not_open_or_not_at_a_market_or_over_http(settings):
    with pytest.raises(StudyError, match="is ready: open it first"):
        postings.post(recruits(make_study(1, 1), "mturk"), OFFER, token=TOKEN)
    with pytest.raises(StudyError, match="is not posted at a market"):
        postings.post(recruits(open_study(1, 1), "prolific"), OFFER, token=TOKEN)
    study = recruits(open_study(1, 1), "mturk")
    with pytest.raises(StudyError, match="over https alone"):
        postings.post(study, OFFER, token=TOKEN)
    settings.SITE_URL = "https://studies.example.org"
    with pytest.raises(StudyError, match="set MTURK_KEY_ID and MTURK_SECRET_KEY"):
        postings.post(study, OFFER, token=TOKEN)
    assert not Posting.objects.exists()


def test_live_is_asked_with_the_setting_alone_and_each_place_at_its_own_address(settings):
    settings.MTURK_KEY_ID, settings.MTURK_SECRET_KEY = "x", "x"
    assert "sandbox" in mturk.connect("sandbox").meta.endpoint_url
    with pytest.raises(StudyError, match="MTURK_LIVE is off"):
        mturk.connect("live")
    settings.MTURK_LIVE = True
    assert mturk.connect("live").meta.endpoint_url == "https://mturk-requester.us-east-1.amazonaws.com"


# --- paying -----------------------------------------------------------------------------------------------------------


def test_who_handed_in_is_known_by_the_ids_and_by_the_code_once_these_are_deleted(turk, study):
    comes(study, from_mturk()).begin().finish()
    comes(study, from_mturk("AOTHER", "3ASSIGNMENT2")).begin()
    one, other = Participant.objects.order_by("number")
    Arrival.objects.filter(participant=other).delete()
    posting = posted_with_told(turk, study, WORKER)
    will_list(
        turk,
        handed(code=one.completion_code),
        handed("AOTHER", "3ASSIGNMENT2", code=other.completion_code, state="Approved"),
        # Somebody else's code, whose ids are known.
        handed("ATHIEF", "3ASSIGNMENT3", code=one.completion_code),
        handed("ANOBODY", "3ASSIGNMENT4", code="<&"),
    )
    found = postings.submissions(posting)
    assert [(each.participant, each.answered, each.code_fits, each.waits) for each in found] == [
        (one, 2, True, True),
        (other, 0, True, False),
        (None, 0, False, True),
        (None, 0, False, True),
    ]


def posted_with_told(turk, study, *workers: str) -> Posting:
    will_qualify(turk, study)
    for worker in workers:
        asked = {"QualificationTypeId": QUALIFICATION, "WorkerId": worker, "IntegerValue": 0, "SendNotification": False}
        turk.add_response("associate_qualification_with_worker", {}, asked)
    turk.add_response("create_hit", {"HIT": {"HITId": HIT}}, expected_hit(study))
    return postings.post(study, OFFER, token=TOKEN)


def test_approving_rejecting_and_a_bonus_are_asked_for_and_written_down_by_number(turk, study):
    comes(study, from_mturk()).begin().finish()
    posting = posted_with_told(turk, study, WORKER)
    will_list(turk, handed())
    chosen = postings.submissions(posting)
    turk.add_response("approve_assignment", {}, {"AssignmentId": "3ASSIGNMENT1"})
    assert postings.approve(posting, chosen) == []
    turk.add_response("reject_assignment", {}, {"AssignmentId": "3ASSIGNMENT1", "RequesterFeedback": "All no."})
    assert postings.reject(posting, chosen, reason=" All no. ") == []
    tokens = []
    for amount in ("0.50", "0.50", "0.60"):
        token = hashlib.sha256(f"3ASSIGNMENT1 {amount} Thank you".encode()).hexdigest()
        tokens.append(token)
        asked = {"WorkerId": WORKER, "AssignmentId": "3ASSIGNMENT1", "BonusAmount": amount, "Reason": "Thank you"}
        turk.add_response("send_bonus", {}, asked | {"UniqueRequestToken": token})
        assert postings.pay_bonus(posting, chosen, amount=Decimal(amount), reason="Thank you") == []
    # The same for the same reason is the same request: Mechanical Turk pays it once.
    assert tokens[0] == tokens[1] != tokens[2]
    told = list(Event.objects.filter(what__in=["approved", "rejected", "bonus"]).values_list("what", "details"))
    assert told[:3] == [
        ("approved", {"participant": 1, "posting": HIT}),
        ("rejected", {"participant": 1, "posting": HIT, "reason": "All no."}),
        ("bonus", {"participant": 1, "posting": HIT, "amount": "0.50", "reason": "Thank you"}),
    ]
    assert WORKER not in repr(list(Event.objects.values_list("details")))


@pytest.mark.parametrize(("amount", "reason"), [("0", "x"), ("101", "x"), ("1", " ")])
def test_a_bonus_without_a_reason_or_of_a_strange_amount_is_not_asked_for(turk, study, amount, reason):
    posting = posted(turk, study)
    with pytest.raises(StudyError, match="a bonus"):
        postings.pay_bonus(posting, [], amount=Decimal(amount), reason=reason)
    with pytest.raises(StudyError, match="a rejection needs a reason"):
        postings.reject(posting, [], reason=" ")


def test_a_hit_is_stopped_by_a_time_that_is_over(turk, study):
    posting = posted(turk, study)
    turk.add_response("update_expiration_for_hit", {}, {"HITId": HIT, "ExpireAt": 0})
    postings.stop(posting)
    posting.refresh_from_db()
    assert posting.stopped_at
    assert Event.objects.filter(what="stopped").count() == 1


def test_how_far_a_hit_is_is_asked(turk, study):
    posting = posted(turk, study)
    counts = {"NumberOfAssignmentsAvailable": 5, "NumberOfAssignmentsPending": 3, "NumberOfAssignmentsCompleted": 0}
    turk.add_response("get_hit", {"HIT": counts}, {"HITId": HIT})
    assert postings.how_far(posting) == HowFar(free=5, at_work=3)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "turk_code", "says"),
    [
        ("RequestError", "AWS.MechanicalTurk.InsufficientFunds", "the account has too little money for this"),
        ("ThrottlingException", "", "it is asked too often: try again in a minute"),
        ("UnrecognizedClientException", "", "it does not know the account's key"),
        ("RequestError", "AWS.MechanicalTurk.InvalidAssignmentState", "this was approved or rejected before"),
        ("RequestError", "AWS.MechanicalTurk.DuplicateRequest", "this was done before"),
        ("RequestError", "AWS.MechanicalTurk.SomethingNew", "it refuses this (somethingnew)"),
        ("SomethingElse", "", "it refuses this (somethingelse)"),
    ],
)
def test_what_it_refuses_is_one_clear_line_without_ids(turk, study, code, turk_code, says):
    comes(study, from_mturk()).begin()
    posting = posted_with_told(turk, study, WORKER)
    will_list(turk, handed())
    chosen = postings.submissions(posting)
    fields = {"TurkErrorCode": turk_code} if turk_code else None
    turk.add_client_error("approve_assignment", code, f"No,\n{WORKER} cannot.", modeled_fields=fields)
    (problem,) = postings.approve(posting, chosen)
    assert problem.startswith(f"participant 1: Mechanical Turk: {says}")
    assert WORKER not in problem
    assert "\n" not in problem
    assert not Event.objects.filter(what="approved").exists()


def test_a_hit_that_is_refused_leaves_nothing_behind(turk, study):
    will_qualify(turk, study)
    fields = {"TurkErrorCode": "AWS.MechanicalTurk.InsufficientFunds"}
    turk.add_client_error("create_hit", "RequestError", "Too little.", modeled_fields=fields)
    with pytest.raises(StudyError, match="too little money"):
        postings.post(study, OFFER, token=TOKEN)
    assert not Posting.objects.exists()
    assert not Event.objects.filter(what="posted").exists()


def test_no_connection_is_one_clear_line_too(turk, monkeypatch):
    def away(**_asked):
        raise ConnectTimeoutError(endpoint_url="https://elsewhere")

    monkeypatch.setattr(turk.client, "get_hit", away)
    with pytest.raises(Unanswered, match=r"^Mechanical Turk does not answer \(ConnectTimeoutError\)$"):
        mturk.MTurkMarket().how_far("sandbox", HIT)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "no xml",
        "<a>" * 10_000,
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        f'<QuestionFormAnswers xmlns="{mturk.ANSWERS[1:-1]}"><Answer/></QuestionFormAnswers>',
    ],
)
def test_whatever_a_worker_hands_in_as_answer_is_read_as_no_code(answer):
    assert mturk._code_given(answer) == ""

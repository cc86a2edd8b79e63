"""Studies posted at Prolific by its API, against a stub that follows the published one, faults and all."""

import json
import logging

import pytest
from django.test import Client

from studies import lifecycle, participation
from studies.lib import http_api
from studies.lib.errors import StudyError
from studies.models import Arrival, Event, Posting
from studies.recruiters import prolific_api
from studies.recruitment import arrivals, bonuses, payments, postings
from tests.factories import make_study, open_study
from tests.participant_client import Visitor
from tests.prolific_stub import TOKEN, ProlificStub, serving, use
from tests.recruiters import CODES, recruits

pytestmark = pytest.mark.django_db
REASON = (
    "We saw no answer of yours, neither to the pictures nor to the questions, and the page was open for seconds only."
)
OPTIONS = {"places": 20, "reward": 150, "minutes": 10, "description": "Look at pictures."}


@pytest.fixture
def stub(settings, monkeypatch):
    monkeypatch.setattr(http_api, "pause", lambda seconds: None)
    with serving(ProlificStub()) as service:
        use(service, settings)
        yield service


@pytest.fixture
def queue(monkeypatch) -> list[int]:
    rung: list[int] = []
    monkeypatch.setattr("studies.jobs.queue.enqueue_posting", lambda pk: rung.append(pk) or True)
    return rung


def posted(study=None, **options) -> Posting:
    study = study or recruits(open_study(2, 20, threshold=1), "prolific")
    posting = postings.make_draft(study, **{**OPTIONS, **options})
    postings.publish(posting)
    return posting


def person(n: int) -> str:
    return f"{n:024x}"


def comes(stub, posting, n: int) -> tuple[Visitor, str]:
    submission, address = stub.take(posting.name, person(n))
    visitor = Visitor(posting.study)
    visitor.path = address.partition("//")[2].partition("/")[2].join(["/", ""])
    return visitor.begin(), submission


def finishes(stub, posting, n: int, code: str = CODES["completed"]) -> str:
    visitor, submission = comes(stub, posting, n)
    visitor.finish()
    stub.complete(submission, code)
    return submission


def test_a_study_is_drafted_and_published_with_a_code_for_each_outcome(stub):
    study = recruits(open_study(2, 20, threshold=1, gold=1, gold_rate=0.5), "prolific")
    posting = postings.make_draft(study, **OPTIONS, screened_out_reward=40)
    there = stub.studies[posting.name]
    assert (there["status"], there["reward"], there["total_available_places"]) == ("UNPUBLISHED", 150, 20)
    assert there["external_study_url"].endswith("SESSION_ID={{%SESSION_ID%}}")
    follows = {one["code"]: [action["action"] for action in one["actions"]] for one in there["completion_codes"]}
    assert follows == {
        CODES["completed"]: ["MANUALLY_REVIEW", "ADD_TO_PARTICIPANT_GROUP"],
        CODES["come_back"]: ["MANUALLY_REVIEW", "ADD_TO_PARTICIPANT_GROUP"],
        CODES["screened_out"]: ["FIXED_SCREEN_OUT_PAYMENT", "ADD_TO_PARTICIPANT_GROUP"],
        CODES["nothing_left"]: ["REQUEST_RETURN"],
        CODES["no_consent"]: ["REQUEST_RETURN"],
    }
    postings.publish(posting)
    postings.publish(posting)
    assert stub.studies[posting.name]["status"] == "ACTIVE"
    assert [event.what for event in Event.objects.filter(what__in=("posted", "published")).order_by("pk")] == [
        "posted",
        "published",
    ]
    # Who took part by the first posting is not shown a second one.
    again = postings.make_draft(study, **OPTIONS, screened_out_reward=40)
    assert stub.studies[again.name]["filters"] == [
        {"filter_id": "participant_group_blocklist", "selected_values": [posting.group]}
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"places": 0}, "at least one place"),
        ({"reward": 0}, "a reward above 0"),
        ({"screened_out_reward": 10}, "screens nobody out"),
        ({"visit": 3}, "the visit is 1 or 2"),
        ({"visit": 2}, "nobody is due for a second visit"),
    ],
)
def test_what_cannot_be_posted_is_refused_in_one_line_before_anything_is_asked(stub, changes, message):
    study = recruits(open_study(1, 1), "prolific")
    with pytest.raises(StudyError, match=message):
        postings.make_draft(study, **{**OPTIONS, **changes})
    assert not stub.asked
    assert not Posting.objects.exists()


def test_nothing_is_published_before_the_study_is_open_nor_posted_without_a_token(stub, settings):
    study = recruits(make_study(1, 1), "prolific")
    posting = postings.make_draft(study, **OPTIONS)
    with pytest.raises(StudyError, match="open it first, then publish"):
        postings.publish(posting)
    settings.PROLIFIC_TOKEN = ""
    with pytest.raises(StudyError, match="is posted by hand"):
        postings.make_draft(study, **OPTIONS)


def test_whom_quorum_saw_finish_is_approved_and_a_code_passed_on_earns_nothing(stub):
    posting = posted()
    done = finishes(stub, posting, 1)
    # One types the code in the middle, one never came here at all.
    _visitor, cheat = comes(stub, posting, 2)
    stub.complete(cheat, CODES["completed"])
    stranger, _address = stub.take(posting.name, person(3))
    stub.complete(stranger, CODES["completed"])
    for _ in range(2):
        postings.ask(posting)
    assert stub.paid == [(done, 150)]
    assert [one.why for one in postings.to_decide(posting)] == [postings.Why.NOTHING]
    posting.refresh_from_db()
    assert posting.strangers == 1
    postings.ask(posting, return_strangers="You did not open the study.")
    assert stub.rows[stranger]["return_requested"]


def test_a_submission_is_rejected_with_a_reason_or_given_back(stub):
    posting = posted()
    _visitor, cheat = comes(stub, posting, 1)
    stub.complete(cheat, "WRONG")
    postings.ask(posting)
    (one,) = postings.to_decide(posting)
    for options, message in (({"category": "NO_DATA", "reason": "no"}, "at least 100 letters"), ({}, "is one of TOO_")):
        with pytest.raises(StudyError, match=message):
            postings.decide(posting, one.arrival.pk, "reject", **options)
    postings.decide(posting, one.arrival.pk, "return", reason="You have not finished.")
    assert stub.rows[cheat]["return_requested"]
    postings.decide(posting, one.arrival.pk, "reject", category="NO_DATA", reason=REASON)
    assert stub.rows[cheat]["status"] == "REJECTED"
    with pytest.raises(StudyError, match="does not wait for a decision any more"):
        postings.decide(posting, one.arrival.pk, "approve")
    assert stub.paid == []
    # The log has the number of the person, not their id.
    assert person(1) not in repr(list(Event.objects.values_list("details", flat=True)))


def test_who_withdrew_after_answering_is_paid_and_nothing_leads_to_them(stub):
    posting = posted()
    visitor, submission = comes(stub, posting, 1)
    visitor.send(answer="yes")
    participation.withdraw(visitor.participant)
    stub.complete(submission, CODES["completed"])
    postings.ask(posting)
    assert stub.paid == [(submission, 150)]
    assert not Arrival.objects.exists()


@pytest.mark.parametrize("withdraws", [False, True])
def test_who_comes_with_the_submission_of_a_friend_earns_nothing_for_the_friend(stub, withdraws):
    """The ids of an address are not signed: one who works comes again under their own, with a friend's submission."""
    posting = posted()
    own = finishes(stub, posting, 1)
    friends, address = stub.take(posting.name, person(2))
    visitor = Visitor(posting.study)
    visitor.get("/" + address.split("/", 3)[3].replace(person(2), person(1)))
    stub.complete(friends, CODES["completed"])
    if withdraws:
        participation.withdraw(Arrival.objects.get(submission=friends).participant)
    postings.ask(posting)
    assert stub.paid == [(own, 150)]
    posting.refresh_from_db()
    assert posting.strangers == 1


def test_a_second_submission_of_one_visit_is_not_paid_by_itself(stub):
    posting = posted()
    first = finishes(stub, posting, 1)
    postings.ask(posting)
    # Prolific lets nobody in twice; here its rule fails.
    stub.rows[first]["participant_id"] = person(9)
    submission, address = stub.take(posting.name, person(1))
    visitor = Visitor(posting.study)
    visitor.get("/" + address.split("/", 3)[3])
    stub.complete(submission, CODES["completed"])
    postings.ask(posting)
    assert [one.why for one in postings.to_decide(posting)] == [postings.Why.TWICE]
    assert stub.paid == [(first, 150)]


def test_time_outs_429_pages_duplicates_and_lost_answers_pay_everybody_once(stub, monkeypatch):
    monkeypatch.setattr(http_api, "PAGE", 3)
    stub.repeats_on_pages = True
    stub.faults = {
        r"POST .*/transition/": [429, "lose", 503, "drop"],
        r"GET .*/submissions/": ["drop", 429, 502],
    }
    posting = posted()
    submissions = [finishes(stub, posting, n) for n in range(1, 8)]
    postings.ask(posting)
    postings.ask(posting)
    assert sorted(stub.paid) == sorted((name, 150) for name in submissions)


def test_what_prolific_refuses_is_one_line_without_token_or_ids(stub, settings, caplog):
    posting = posted()
    submission = finishes(stub, posting, 1)
    stub.faults = {r"POST .*/transition/": [500] * 9}
    stub.rows[submission]["status"] = "AWAITING REVIEW"
    with pytest.raises(StudyError, match="Prolific answers 500"):
        postings.ask(posting)
    stub.faults = {}
    settings.PROLIFIC_TOKEN = "another-token"
    with caplog.at_level(logging.DEBUG):
        postings.ask_by_id(posting.pk)
    posting.refresh_from_db()
    assert posting.problem == "Prolific refuses (401): Refused Invalid token"
    for secret in (TOKEN, "another-token", submission, person(1)):
        assert secret not in caplog.text + posting.problem
    settings.PROLIFIC_TOKEN = TOKEN
    postings.ask_by_id(posting.pk)
    posting.refresh_from_db()
    assert (posting.problem, stub.paid) == ("", [(submission, 150)])


def test_a_draft_whose_answer_was_lost_leaves_no_row_and_says_so(stub):
    study = recruits(open_study(1, 1), "prolific")
    stub.faults = {r"POST /api/v1/studies/$": ["lose"]}
    with pytest.raises(StudyError, match="perhaps a draft that nobody sees is there"):
        postings.make_draft(study, **OPTIONS)
    assert not Posting.objects.exists()


def test_signed_messages_ring_once_and_others_are_refused(stub, queue, client, caplog):
    posting = posted()
    submission = finishes(stub, posting, 1)
    good = stub.message(stub.events[-1])
    # A control: a message of another secret, a changed one, and one that is not signed.
    bad = [
        stub.message(stub.events[-1], secret="another"),
        {**good, "data": good["data"].replace(b"AWAITING", b"APPROVED")},
        {**good, "headers": {}},
    ]
    for sent in bad:
        assert client.post("/recruiters/prolific/messages/", **sent).status_code == 403
    assert queue == []
    for _ in range(3):
        assert client.post("/recruiters/prolific/messages/", **good).status_code == 204
    assert queue == [posting.pk]
    assert stub.paid == []
    postings.ask_by_id(posting.pk)
    assert stub.paid == [(submission, 150)]
    assert client.post("/recruiters/prolific/messages/", **good).status_code == 204
    assert queue == [posting.pk] * 2
    assert submission not in caplog.text
    assert client.post("/recruiters/open_link/messages/", **good).status_code == 404
    assert client.get("/recruiters/prolific/messages/").status_code == 405
    huge = {**good, "data": b"x" * 70_000}
    assert client.post("/recruiters/prolific/messages/", **huge).status_code == 413


def test_where_every_message_is_lost_the_sweep_asks_all_the_same(stub, queue):
    posting = posted()
    submission = finishes(stub, posting, 1)
    postings.sweep()
    assert queue == [posting.pk]
    postings.ask_by_id(posting.pk)
    assert stub.paid == [(submission, 150)]
    postings.sweep()
    assert queue == [posting.pk]
    stub.studies[posting.name]["status"] = "COMPLETED"
    assert postings.ask(posting).state == Posting.State.ENDED


def test_ids_are_the_same_with_spaces_around_them_and_in_capitals():
    study = recruits(open_study(2, 2), "prolific")
    plain = {"PROLIFIC_PID": ["ab" * 12], "STUDY_ID": ["cd" * 12], "SESSION_ID": ["ef" * 12]}
    typed = {name: [f" {value.upper()} "] for name, (value,) in plain.items()}
    assert arrivals.identify_arrival(study, plain) == arrivals.identify_arrival(study, typed)


def test_bonuses_of_several_are_paid_in_one_and_nobodys_twice(stub):
    posting = posted()
    submissions = {n: finishes(stub, posting, n) for n in (1, 2, 3)}
    postings.ask(posting)
    payment = bonuses.pay(posting, {1: 50, 2: 125})
    assert (payment.state, payment.people, payment.total) == ("paid", 2, 175)
    assert stub.paid[3:] == [(submissions[1], 50), (submissions[2], 125)]
    with pytest.raises(StudyError, match="participant 2 has a bonus already: nobody is paid"):
        bonuses.pay(posting, {2: 125, 3: 10})
    with pytest.raises(StudyError, match="participant 9 has no approved submission"):
        bonuses.pay(posting, {9: 10})
    assert len(stub.paid) == 5
    rows = {row.number: (payments.money(row.base), payments.money(row.bonus)) for row in payments.table(posting.study)}
    assert rows == {1: ("1.50", "0.50"), 2: ("1.50", "1.25"), 3: ("1.50", "0.00")}


@pytest.mark.parametrize(("fault", "was_paid"), [("lose", True), ("drop", False)])
def test_a_payment_without_an_answer_is_never_asked_for_again_until_somebody_looked(stub, fault, was_paid):
    posting = posted()
    submission = finishes(stub, posting, 1)
    postings.ask(posting)
    stub.faults = {r"POST .*/pay/": [fault]}
    with pytest.raises(StudyError, match="whether these bonuses were paid is not known"):
        bonuses.pay(posting, {1: 50})
    (payment,) = bonuses.unfinished(posting.study)
    bonuses.go_on(payment)
    with pytest.raises(StudyError, match="has a bonus already"):
        bonuses.pay(posting, {1: 50})
    bonuses.settle(payment, paid=was_paid)
    if not was_paid:
        bonuses.pay(posting, {1: 50})
    assert [one for one in stub.paid if one[1] == 50] == [(submission, 50)]
    with pytest.raises(StudyError, match="settled"):
        bonuses.settle(payment, paid=False)


def test_a_payment_that_was_killed_before_it_was_asked_for_goes_on(stub):
    posting = posted()
    submission = finishes(stub, posting, 1)
    postings.ask(posting)
    payment = bonuses._begin(posting, {1: 50})
    bonuses.go_on(payment)
    assert stub.paid[1:] == [(submission, 50)]
    refused = finishes(stub, posting, 2)
    postings.ask(posting)
    stub.faults = {r"POST .*/bonus-payments/": [400]}
    with pytest.raises(StudyError, match="refuses"):
        bonuses.pay(posting, {2: 50})
    bonuses.pay(posting, {2: 60})
    assert stub.paid[-1] == (refused, 60)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("participant,bonus\n1,1.505\n", "line 2: a bonus is an amount"),
        ("participant,bonus\n1,1e3\n", "line 2: a bonus is an amount"),
        ("participant,bonus\n1,0\n", "line 2: a bonus is an amount"),
        ("participant,bonus\n1,900\n", "at most 100"),
        ("participant,bonus\nx,1\n", "is not the number of a participant"),
        ("participant,bonus\n1,1\n1,1\n", "line 3: participant 1 stands there twice"),
        ("participant,bonus\n", "nobody stands in it"),
        ("who,bonus\n1,1\n", "no column participant"),
    ],
)
def test_a_file_of_bonuses_that_is_wrong_is_refused_with_its_line(text, message):
    with pytest.raises(StudyError, match=message):
        bonuses.read_amounts(text.encode(), "bonuses.csv")


def test_amounts_are_exact():
    assert bonuses.read_amounts(b"participant;bonus\n1;0.29\n2;1.5\n3;2\n", "b.csv") == {1: 29, 2: 150, 3: 200}


def test_an_hour_is_paid_by_the_median_of_real_times(stub):
    posting = posted()
    assert payments.per_hour(posting) is None
    for n in (1, 2, 3):
        stub.rows[finishes(stub, posting, n)]["completed_at"] = f"2026-11-01T10:{10 * n:02}:00Z"
    postings.ask(posting)
    assert payments.per_hour(posting) == {"amount": 450, "minutes": 20.0, "n": 3}


def test_messages_are_subscribed_to_and_confirmed(stub, settings):
    prolific_api.make_market().subscribe("https://studies.example.org/recruiters/prolific/messages/")
    events = {one["event_type"]: one["confirmed"] for one in stub.subscriptions.values()}
    assert events == dict.fromkeys(prolific_api.EVENTS, True)
    settings.PROLIFIC_SECRET = ""
    with pytest.raises(StudyError, match="have to be set first"):
        prolific_api.make_market().subscribe("https://x")


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("", 0), ("soon", 0), ("-3", 0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)]
)
def test_how_long_a_service_asks_to_wait(header, seconds):
    assert http_api.retry_after(header) == seconds


def test_no_secret_stands_in_a_table_or_a_page(stub):
    posting = posted()
    rows = [repr(vars(row)) for model in (Posting, Event) for row in model.objects.all()]
    assert TOKEN not in "".join(rows)
    assert json.dumps(stub.studies[posting.name])
    assert Client().get("/recruiters/prolific/messages/").status_code == 405


def test_closing_pays_who_had_answered_something(stub):
    posting = posted()
    visitor, submission = comes(stub, posting, 1)
    visitor.send(answer="yes")
    lifecycle.close_study(posting.study)
    posting.study.refresh_from_db()
    stub.complete(submission, CODES["completed"])
    postings.ask(posting)
    assert stub.paid == [(submission, 150)]

"""Postings and payments at the desk and on the command line: what is shown, who may spend, and what is logged."""

import csv
import io

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from studies.lib import http_api
from studies.models import Event, Posting, Study
from studies.planning.fees import fees, with_fees
from studies.recruitment import postings
from tests.factories import open_study
from tests.logged_in_users import researcher, said, staff, text
from tests.participant_client import Visitor
from tests.prolific_stub import TOKEN, ProlificStub, serving, use
from tests.recruiters import CODES, recruits

pytestmark = pytest.mark.django_db
DRAFT = {"do": "draft", "visit": "1", "places": "10", "reward": "1.50", "minutes": "10", "approves": "on"}
DRAFT |= {"description": "Look at pictures."}


@pytest.fixture
def stub(settings, monkeypatch):
    monkeypatch.setattr(http_api, "pause", lambda seconds: None)
    with serving(ProlificStub()) as service:
        use(service, settings)
        yield service


@pytest.fixture
def study(stub) -> Study:
    return recruits(open_study(1, 5, threshold=1), "prolific")


def at(study: Study, name: str = "posting") -> str:
    return reverse(f"admin:studies_study_{name}", args=[study.pk])


def finishes(stub, posting: Posting, n: int) -> None:
    submission, address = stub.take(posting.name, f"{n:024x}")
    visitor = Visitor(posting.study)
    visitor.path = "/" + address.split("/", 3)[3]
    visitor.begin().finish()
    stub.complete(submission, CODES["completed"])


def test_a_study_is_posted_published_paid_and_its_table_downloaded(stub, study):
    client = researcher()
    assert said(client.post(at(study), DRAFT, follow=True)) == [
        "The draft is made. Nobody sees it before you publish it."
    ]
    posting = Posting.objects.get()
    page = client.get(at(study))
    assert "All places cost 15.00 in all." in text(page)
    assert "With fees: 20.00 (Prolific, academic and non-profit), 21.42 (Prolific, other accounts)" in text(page)
    assert TOKEN not in page.content.decode()
    wrong = client.post(at(study), {"do": "publish", "posting": posting.pk, "total": "1.50"}, follow=True)
    assert said(wrong) == ["Type what all places cost together, as the page says it: nothing is published."]
    client.post(at(study), {"do": "publish", "posting": posting.pk, "total": "15.00"})
    assert stub.studies[posting.name]["status"] == "ACTIVE"
    finishes(stub, posting, 1)
    cheat, _address = stub.take(posting.name, "b" * 24)
    stub.complete(cheat, "X")
    client.post(at(study), {"do": "ask", "posting": posting.pk})
    page = text(client.get(at(study)))
    assert "Approved 1" in page
    assert "Paid per hour 7.50" in page
    assert "Waiting for review, of people who never opened the study here: 1." in page
    client.post(at(study), {"do": "strangers", "posting": posting.pk, "reason": "You never came."})
    assert stub.rows[cheat]["return_requested"]
    paid = {"do": "bonuses", "posting": posting.pk, "amounts": "participant,bonus\r\n1,0.25\r\n"}
    assert said(client.post(at(study), paid, follow=True))[-1:] == ["Bonuses are paid: 1, together 0.25."]
    assert said(client.post(at(study), paid, follow=True)) == ["Participant 1 has a bonus already: nobody is paid."]
    response = client.post(at(study, "payments"))
    (row,) = csv.DictReader(io.StringIO(response.content.decode()))
    assert (row["participant"], row["person"], row["outcome"], row["state"]) == (
        "1",
        f"{1:024x}",
        "completed",
        "approved",
    )
    assert (row["base"], row["bonus"], row["minutes"]) == ("1.50", "0.25", "12.0")
    assert "no-store" in response.headers["Cache-Control"]
    whats = [event.what for event in Event.objects.filter(study=study).order_by("pk")][-6:]
    assert whats[-1] == "named"
    assert {"posted", "published", "approved", "bonus"} <= set(whats)


def test_a_draft_with_mistakes_says_so_beside_its_fields_and_posts_nothing(stub, study):
    page = researcher().post(at(study), DRAFT | {"reward": "1,5", "places": "0"})
    assert "An amount such as 1.50." in text(page)
    assert not stub.asked


def test_whoever_may_only_edit_sees_postings_and_spends_nothing(stub, study):
    editor = staff("view_study", "change_study", sees=study)
    page = editor.get(at(study))
    assert page.status_code == 200
    assert "Only its owner can post the study and pay people." in text(page)
    for data in (DRAFT, {"do": "ask"}, {"do": "bonuses"}):
        assert editor.post(at(study), data).status_code == 403
    assert not stub.asked
    assert editor.get(at(study, "payments")).status_code == 405


def test_without_an_account_the_page_says_how_to_post_by_hand(study, settings):
    settings.PROLIFIC_TOKEN = ""
    assert "post the study there by hand" in text(researcher().get(at(study)))


def test_commands_post_ask_and_pay_and_write_the_table(stub, study, tmp_path, settings):
    out = io.StringIO()
    options = {"places": 3, "reward": "2", "minutes": 5, "description": "Look.", "publish": True}
    call_command("post_study", study.slug, **options, stdout=out)
    posting = Posting.objects.get()
    finishes(stub, posting, 1)
    call_command("ask_recruiter", study.slug, stdout=out)
    (tmp_path / "bonuses.csv").write_text("participant,bonus\n1,1.00\n")
    call_command("pay_bonuses", study.slug, str(tmp_path / "bonuses.csv"), stdout=out)
    call_command("payments", study.slug, file=tmp_path / "payments.csv", stdout=out)
    assert out.getvalue().splitlines() == [
        "Drafted: 3 places at 2.00, 6.00 together.",
        "Published.",
        "Visit 1, published: 0 submissions of people who never came.",
        "Bonuses are paid: 1, together 1.00.",
        f"1 lines in {tmp_path / 'payments.csv'}.",
    ]
    assert (tmp_path / "payments.csv").stat().st_mode & 0o777 == 0o600
    assert [amount for _name, amount in stub.paid] == [200, 100]
    for command, given, message in (
        ("post_study", {**options, "reward": "two"}, "are amounts such as 1.50"),
        ("payments", {"reward": "x"}, "are amounts such as 1.50"),
        ("pay_bonuses", {"file": str(tmp_path / "none.csv")}, "No such file"),
        ("pay_bonuses", {"file": "x", "visit": 2}, "has no posting of visit 2"),
    ):
        with pytest.raises(CommandError, match=message):
            call_command(command, study.slug, *([given.pop("file")] if "file" in given else []), **given)
    settings.HTTPS = False
    with pytest.raises(CommandError, match="SITE_URL must begin with https"):
        call_command("subscribe_recruiter", "prolific")
    with pytest.raises(CommandError, match="no account at open_link"):
        call_command("subscribe_recruiter", "open_link")


def test_behind_an_open_link_people_are_paid_by_their_codes():
    study = open_study(1, 5, threshold=1)
    visitor = Visitor(study).begin()
    visitor.finish()
    Visitor(study).begin()
    out = io.StringIO()
    call_command("payments", study.slug, reward="1.2", stdout=out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [(row["person"], row["outcome"], row["base"]) for row in rows] == [
        (visitor.participant.completion_code, "completed", "1.20"),
        (rows[1]["person"], "begun", "0.00"),
    ]


def test_fees_are_added_and_rounded_up():
    assert {key.partition(":")[0] for key in fees()} == {"connect", "prolific"}
    assert [total for _fee, total in with_fees(1500, "prolific")] == [2000, 2142]
    assert [total for _fee, total in with_fees(1, "connect")] == [2, 2]
    assert with_fees(100, "open_link") == []


def test_planning_takes_a_fee_into_the_cost(study):
    client, form = researcher(), {"stimuli": "20", "participants": "10", "answers": "5", "measure": "accepted"}
    form |= {"replicates": "20", "pay": "1", "seconds": "1"}
    costs = []
    for market in ("", "connect:0"):
        page = client.post(reverse("admin:studies_study_plan"), form | {"market": market})
        costs.append(
            "100.00" in text(page),
        )
        costs.append("125.00" in text(page))
    assert costs == [True, False, False, True]


def test_a_worker_reads_what_a_message_rang_for(stub, study, monkeypatch):
    posting = postings.make_draft(study, places=3, reward=100, minutes=5, description="Look.")
    postings.publish(posting)
    finishes(stub, posting, 1)
    monkeypatch.setattr("studies.jobs.queue.send", lambda task, pk, queue: postings.ask_by_id(pk) or True)
    assert postings.ring("prolific", posting.name) == 1
    assert [amount for _name, amount in stub.paid] == [100]

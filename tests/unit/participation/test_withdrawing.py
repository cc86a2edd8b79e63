"""Somebody withdraws: nothing that leads to them is left anywhere, and their answers stay or go as was agreed."""

import csv
import io
import logging
import re
import subprocess
import sys
import uuid
from copy import copy

import lxml.html
import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from studies import lifecycle, participation
from studies.lib import storage
from studies.lib.errors import StudyError
from studies.models import Event, Participant, Slot, Trial
from studies.operations import logs
from studies.participation import visits
from studies.results import result
from tests.bench import made_up_study
from tests.examples import SESSION
from tests.factories import open_study
from tests.participant_client import MEASURED, Visitor, heading, text

pytestmark = pytest.mark.django_db

ASK = {"questions": SESSION["questions"], "comments": True}
SECRET, COMMENT = "lighthouse keeper", "I know the woman in picture three"


def took_part(study, *, answers: int = 0) -> Visitor:
    """Somebody who has said who they are and given so many answers, or all of them and a comment."""
    visitor = Visitor(study)
    visitor.send()
    visitor.send(question_1="34", question_2="no", question_3=SECRET)
    visitor.send()
    for _ in range(answers):
        visitor.send(answer="yes")
    if not answers:
        visitor.finish()
        visitor.send(comments=COMMENT)
    return visitor


def withdraw(visitor: Visitor):
    """By the link on the page they are at, in two steps."""
    (link,) = lxml.html.fromstring(visitor.get().content).xpath("//footer//a[not(@target)]/@href")
    visitor.path = link
    asked = visitor.post(visitor.form())
    assert heading(asked) == "Do you really want to withdraw?"
    return visitor.post(dict(lxml.html.fromstring(asked.content).forms[0].form_values()))


def known_of(visitor: Visitor) -> dict[str, str]:
    """All that could lead from what is kept to this person."""
    person = visitor.participant
    token = re.search(r"/t/([^/]+)/", visitor.path)[1]
    return {
        "token": token,
        "its hash": participation.token_hash(token),
        "public id": str(person.public_id),
        "the same in SQLite": person.public_id.hex,
        "code": person.completion_code,
        "what they are": SECRET,
        "their comment": COMMENT,
    }


def everything(study, folder) -> str:
    """Every row of every table, every stored file, and an export made now; what was logged is looked at apart."""
    parts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            parts += [repr(row) for row in cursor.fetchall()]
    for top in default_storage.listdir("")[0]:
        parts += [name + storage.read(name).decode("latin-1") for name in storage.names(top)]
    call_command("export_study", study.slug, folder, verbosity=0, stdout=io.StringIO())
    parts += [path.read_bytes().decode("latin-1") for path in sorted(folder.rglob("*")) if path.is_file()]
    return "\n".join(parts)


@pytest.fixture
def written():
    """What the log says, as it is configured."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.TextFormatter())
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("what", ["anonymise", "remove"])
@pytest.mark.parametrize("closed", [False, True])
def test_a_search_of_database_log_files_and_later_exports_finds_nothing_of_somebody_who_has_withdrawn(
    what, closed, tmp_path, written
):
    study = open_study(3, 2, withdrawal=what, **ASK)
    visitor, other = took_part(study), took_part(study)
    if closed:
        lifecycle.close_study(study)
    known, others = known_of(visitor), known_of(other)
    before = everything(study, tmp_path / "before")
    found_before = {name for name, value in known.items() if value in before}
    # Controls: the search finds what is there, and the token itself is kept nowhere at any time.
    assert found_before >= {"its hash", "public id", "code", "what they are", "their comment"}
    assert "token" not in found_before

    assert heading(withdraw(visitor)) == "You have withdrawn"
    Client().get(f"/t/{known['token']}/")
    after = everything(study, tmp_path / "after") + written.getvalue()
    # What both of them said is still there once, of the other one.
    shared = {"what they are", "their comment"}
    assert {name for name, value in known.items() if value in after} == shared
    assert {name for name, value in others.items() if value in after} >= {"its hash", "public id", "code"} | shared
    withdraw(other)
    last = everything(study, tmp_path / "last") + written.getvalue()
    assert {name for name, value in {**known, **others}.items() if value in last} == set()
    assert "/t/…/" in written.getvalue()


def test_anonymised_answers_count_as_before():
    study = open_study(3, 2, withdrawal="anonymise", **ASK)
    visitor = took_part(study)
    columns = ("stimulus", "answer", "counted", "exclusion")
    before = sorted(Trial.objects.values_list(*columns))
    slots = list(Slot.objects.order_by("pk").values_list("filled", "holder__stimulus"))
    withdraw(visitor)
    assert sorted(Trial.objects.values_list(*columns)) == before
    assert list(Slot.objects.order_by("pk").values_list("filled", "holder__stimulus")) == slots
    counts = result.counts(study)
    assert (counts["withdrawn_participants"], counts["finished_participants"]) == (1, 0)
    assert counts["counted_answers"] == 3


def test_removed_answers_are_gone_and_others_are_asked_instead_while_the_study_is_open():
    study = open_study(3, 1, withdrawal="remove", **ASK)
    visitor, late = took_part(study), Visitor(study)
    assert heading(late.get()) == "There is nothing to do right now"
    withdraw(visitor)
    assert set(Trial.objects.values_list("answer", "counted", "exclusion")) == {("", False, "withdrawn")}
    assert not Slot.objects.filter(filled=True).exists()
    took_part(study)
    assert Trial.objects.filter(counted=True).count() == Slot.objects.filter(filled=True).count() == 3
    lifecycle.close_study(study)
    assert result.counts(study)["answers"] == 3


#: What constraints and the flow of the study need of a trial: that, when and in which place something was shown.
SHOWN = {"id", "study", "participant", "stimulus", "family", "role", "visit", "position"}
SHOWN |= {"claimed_at", "presented_at", "released_at", "feedback_seen_at", "washed_out_at", "exclusion"}


def said_in(trials) -> set[str]:
    """The columns in which any of the trials says more than that it was shown."""
    fields = [field for field in Trial._meta.concrete_fields if field.name not in SHOWN]
    return {one.name for trial in trials for one in fields if getattr(trial, one.attname) != one.get_default()}


def test_of_removed_answers_only_that_something_was_shown_is_left_in_whichever_column():
    study = made_up_study("rectified_labeling", {"withdrawal": "remove", "gold": 2, "practice": 1}, n_images=48)
    lifecycle.open_study(study)
    visitor, other = Visitor(study).begin(), Visitor(study).begin()
    for one in (visitor, other):
        one.send(answer="yes")
        one.send()
        one.finish()
    answered = Trial.objects.filter(participant=visitor.participant, answered_at__isnull=False)
    everything = {"answered_at", "answer", "counted", "correct", *MEASURED}
    assert said_in(answered) == everything
    n = answered.count()
    withdraw(visitor)
    left = Trial.objects.filter(participant__withdrawn_at__isnull=False)
    assert left.count() == n
    assert said_in(left) == set()
    assert said_in(Trial.objects.filter(participant=other.participant)) == everything


@pytest.mark.parametrize("what", ["anonymise", "remove"])
def test_why_a_researcher_excluded_somebody_goes_with_them(what):
    study = open_study(3, 2, withdrawal=what, **ASK)
    visitor, other = took_part(study), took_part(study)
    for one in (visitor, other):
        participation.exclude(one.participant, reason=f"{SECRET}: knows the pictures")
    withdraw(visitor)
    reasons = {row.withdrawn_at is None: row.exclusion_reason for row in Participant.objects.all()}
    assert reasons == {False: "", True: f"{SECRET}: knows the pictures"}
    # In the log of the study, too; of the other one it stands there.
    logged = [event.details for event in Event.objects.filter(what="excluded").order_by("pk")]
    assert logged[0] == {"erased": True}
    assert logged[1]["reason"] == f"{SECRET}: knows the pictures"


def test_whoever_withdraws_between_two_visits_is_not_waited_for():
    study = made_up_study("adversarial_trials", n_images=24)
    lifecycle.open_study(study)
    visitor = Visitor(study).begin()
    visitor.finish()
    person = visitor.participant
    assert person.returns_at
    withdraw(visitor)
    left = Participant.objects.get()
    assert left.pk != person.pk
    assert (left.returns_at, left.finished_at is not None) == (None, True)
    assert visits.counts(study) == {"waiting": 0, "due": 0, "returned": 0, "lost": 0}


def test_answers_removed_from_a_closed_study_leave_panels_incomplete():
    study = open_study(3, 2, withdrawal="remove", threshold=1, **ASK)
    visitor, _other = took_part(study), took_part(study)
    lifecycle.close_study(study)
    assert result.counts(study)["panels"]["full"] == 3
    withdraw(visitor)
    study.refresh_from_db()
    assert result.counts(study)["panels"] == {"full": 0, "partly": 3, "empty": 0}
    assert result.counts(study)["answers"] == 3


def test_whoever_withdraws_in_the_middle_gives_their_place_back():
    study = open_study(3, 1, **ASK)
    visitor = took_part(study, answers=1)
    assert Slot.objects.filter(filled=False, holder__isnull=False).exists()
    ready = Trial.objects.get(presented_at=None)
    withdraw(visitor)
    assert not Trial.objects.filter(stimulus=ready.stimulus).exists()
    assert not Slot.objects.filter(filled=False, holder__isnull=False).exists()
    assert Slot.objects.filter(filled=True).count() == 1


def test_what_is_on_its_way_when_somebody_withdraws_is_not_stored():
    study = open_study(3, 1, withdrawal="remove", **ASK)
    visitor = took_part(study, answers=1)
    person, trial = visitor.participant, visitor.trial
    participation.withdraw(visitor.participant)
    with pytest.raises(participation.AnswerRefused):
        participation.answer(person, trial.pk, "yes")
    participation.comment(person, COMMENT)
    person.background = None
    participation.tell_background(person, {"Who": SECRET})
    assert set(Participant.objects.values_list("comments", "background")) == {(None, None)}
    assert not Trial.objects.exclude(answer="").exists()


def test_after_withdrawing_neither_the_page_nor_the_code_works():
    study = open_study(2, 2, **ASK)
    visitor = took_part(study)
    code, page = visitor.participant.completion_code, visitor.path
    done = withdraw(visitor)
    assert done.headers["Cache-Control"] == "no-store"
    assert not done.cookies
    assert visitor.get(page).status_code == 404
    again = visitor.client.post(f"{page}withdraw/", {"withdraw": "anything"})
    assert (again.status_code, "that is done" in text(again)) == (404, True)
    by_code = visitor.client.post(reverse("studies:withdraw_by_code", args=[study.link]), {"code": code})
    assert by_code.status_code == 400


@pytest.mark.parametrize("typed", ["{}", " {} ", "lower"])
def test_the_code_below_the_studys_link_withdraws_too_in_two_steps(typed):
    study = open_study(2, 2, **ASK)
    visitor = took_part(study)
    code = visitor.participant.completion_code
    typed = code.lower() if typed == "lower" else typed.format(f"{code[:5]} - {code[5:]}")
    consent = Client().get(reverse("studies:join", args=[study.link]))
    (path,) = [href for href in lxml.html.fromstring(consent.content).xpath("//a/@href") if "withdraw" in href]
    assert "completion code" in text(Client().get(path))
    asked = Client().post(path, {"code": typed})
    assert heading(asked) == "Do you really want to withdraw?"
    assert not Participant.objects.filter(withdrawn_at__isnull=False).exists()
    sure = dict(lxml.html.fromstring(asked.content).forms[0].form_values())
    done = Client().post(path, sure)
    assert heading(done) == "You have withdrawn"
    assert code in text(done)
    assert Participant.objects.get().completion_code == ""


def test_nobody_withdraws_another_or_by_one_click():
    study = open_study(2, 2, **ASK)
    one, other = took_part(study), took_part(study)
    path = f"{other.path}withdraw/"
    one.path = f"{one.path}withdraw/"
    first = one.form()
    asked = one.post(first)
    sure = dict(lxml.html.fromstring(asked.content).forms[0].form_values())
    for fields in ({}, first, sure, {"withdraw": "withdraw:sure"}, {"withdraw": "x" * 10_000}):
        assert other.client.post(path, fields).status_code == 200
    by_code = reverse("studies:withdraw_by_code", args=[study.link])
    for code in ("", " ", "NOBODY2345", "\x00", "%", "x" * 5000):
        assert other.client.post(by_code, {"code": code, **sure}).status_code == 400
    assert other.client.post(by_code, {"code": other.participant.completion_code, **sure}).status_code == 200
    assert not Participant.objects.filter(withdrawn_at__isnull=False).exists()
    # A code of another study is nobody's here.
    elsewhere = reverse("studies:withdraw_by_code", args=[open_study(1, 1).link])
    assert other.client.post(elsewhere, {"code": other.participant.completion_code}).status_code == 400


def test_the_studys_log_says_that_somebody_withdrew_and_not_who():
    study = open_study(2, 2, withdrawal="remove", **ASK)
    withdraw(took_part(study))
    event = Event.objects.get(what="withdrawn")
    assert (event.study, event.who, event.details) == (study, "participant", {"removed": True})


@pytest.mark.parametrize("language", ["fr", "de"])
@pytest.mark.parametrize("what", ["anonymise", "remove"])
def test_the_pages_are_in_the_studys_language(language, what):
    study = open_study(2, 2, withdrawal=what, language=language)
    visitor = Visitor(study).begin()
    done = withdraw_in(visitor)
    words = " ".join(text(page) for page in done)
    assert not {"withdraw", "answers", "This cannot"} & set(words.split())
    assert lxml.html.fromstring(done[-1].content).get("lang") == language


def withdraw_in(visitor: Visitor) -> list:
    visitor.path += "withdraw/"
    pages = [visitor.get()]
    for _ in range(2):
        pages.append(visitor.post(dict(lxml.html.fromstring(pages[-1].content).forms[0].form_values())))
    return pages


# --- joined with what was there before --------------------------------------------------------------------------------


def table(folder, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def joined(before, after, person: str, *, others: set[str]) -> set[str]:
    """The columns by which rows that stand after the withdrawal join to this person's earlier ones: those with a value
    that was theirs alone, in any row that is not another's; and the places of rows that are the same.
    """
    found = set()
    for name in ("participants.csv", "answers.csv"):
        old, new = table(before, name), table(after, name)
        mine = [row for row in old if row["participant"] == person]
        assert mine
        left = [row for row in new if row["participant"] not in others]
        for column in old[0]:
            alone = {row[column] for row in mine} - {row[column] for row in old if row["participant"] != person} - {""}
            found |= {f"{name}: {column}" for row in left if row[column] in alone}
        places = {n for n, row in enumerate(old) if row["participant"] == person}
        if name == "participants.csv":
            found |= {f"{name}: place {n}" for n, row in enumerate(new) if n in places and row in left}
    return found


def exported(study, folder):
    call_command("export_study", study.slug, folder, verbosity=0, stdout=io.StringIO())
    return folder


@pytest.fixture
def three(tmp_path):
    """A study in which three took part, two of them excluded for reasons of their own, and its export."""
    study = open_study(4, 3, withdrawal="anonymise", **ASK)
    visitors = [took_part(study) for _ in range(3)]
    for n, one in enumerate(visitors):
        Trial.objects.filter(participant=one.participant).update(response_ms=1000 + n, pixel_ratio=1 + n / 10)
    participation.exclude(visitors[0].participant, reason="did not look")
    participation.exclude(visitors[1].participant, reason=f"{SECRET} wrote from ada@example.org")
    return study, visitors, exported(study, tmp_path / "before")


def test_an_earlier_export_joins_with_nothing_after_a_withdrawal(three, tmp_path):
    study, visitors, before = three
    people = [str(one.participant.public_id) for one in visitors]
    code, number = visitors[1].participant.completion_code, visitors[1].participant.number
    withdraw(visitors[1])
    after = exported(study, tmp_path / "after")
    assert joined(before, after, people[1], others={people[0], people[2]}) == set()
    log = io.StringIO()
    call_command("study_log", study.slug, stdout=log)
    assert "ada@example.org" not in log.getvalue()
    assert people[1] not in log.getvalue()
    assert code not in everything(study, tmp_path / "again")
    assert not Participant.objects.filter(number=number).exists()
    # Results are counted as before.
    assert result.counts(study)["counted_answers"] == 4


def test_the_join_finds_who_only_lost_their_id(three, tmp_path):
    """A control: what was removed before there was this test joins by number, times and measurements."""
    study, visitors, before = three
    people = [str(one.participant.public_id) for one in visitors]
    Participant.objects.filter(pk=visitors[1].participant.pk).update(
        public_id=uuid.uuid4(), withdrawn_at=study.opened_at
    )
    found = joined(before, exported(study, tmp_path / "after"), people[1], others={people[0], people[2]})
    wanted = {"number", "consented_at", "started_at", "finished_at", "exclusion_reason", "place 1"}
    assert {f"participants.csv: {name}" for name in wanted} <= found
    assert {f"answers.csv: {name}" for name in ("presented_at", "answered_at", "response_ms", "pixel_ratio")} <= found


def test_the_number_of_somebody_who_withdrew_is_given_to_nobody_else():
    study = open_study(4, 5)
    last = [Visitor(study).begin() for _ in range(3)][-1]
    participation.withdraw(last.participant)
    assert Visitor(study).begin().participant.number == 4


def test_results_and_export_agree_to_the_last_digit_after_a_withdrawal(three, tmp_path):
    study, visitors, _before = three
    withdraw(visitors[0])
    lifecycle.close_study(study)
    folder = exported(study, tmp_path / "after")
    done = subprocess.run([sys.executable, "recompute.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_whatever_another_tab_sends_of_somebody_who_has_withdrawn_ends_in_a_page_and_stores_nothing():
    study = made_up_study("adversarial_trials", n_images=24)
    lifecycle.open_study(study)
    visitor = Visitor(study).begin()
    visitor.finish()
    between, person = visitor.participant, visitor.participant
    assert between.returns_at
    participation.withdraw(person)
    rows = Trial.objects.count()
    assert participation.start(between).person.finished_at
    assert participation.stop_waiting(visitor_of(between)).person.finished_at
    assert participation.current_trial(visitor_of(between)) is None
    participation.withdraw(visitor_of(between))
    with pytest.raises(StudyError, match="has withdrawn"):
        participation.exclude(visitor_of(between), reason="did not look")
    assert Trial.objects.count() == rows
    assert Participant.objects.filter(withdrawn_at__isnull=False).count() == 1


def visitor_of(person: Participant) -> Participant:
    """As a request had read the row before it was gone."""
    row = copy(person)
    row.withdrawn_at = row.finished_at = None
    return row


def test_withdrawing_does_not_cost_the_pay():
    study = open_study(3, 2, **ASK)
    visitor, idle = took_part(study), Visitor(study).begin()
    code = visitor.participant.completion_code
    page = withdraw(visitor)
    assert lxml.html.fromstring(page.content).xpath("string(//*[@id='code'])") == code
    assert participation.was_earned(study, f" {code[:5]}-{code[5:].lower()} ")
    assert not participation.was_earned(open_study(1, 1), code)
    assert not participation.was_earned(study, "NOBODY2345")
    # Who has answered nothing has earned nothing.
    unearned = idle.participant.completion_code
    assert unearned not in text(withdraw(idle))
    assert not participation.was_earned(study, unearned)

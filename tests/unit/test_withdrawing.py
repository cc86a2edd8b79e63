"""Somebody withdraws: nothing that leads to them is left anywhere, and their answers stay or go as was agreed."""

import io
import logging
import re

import lxml.html
import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from studies import lifecycle, logs, participation, storage
from studies.models import Event, Participant, Slot, Trial
from studies.reports import results
from tests.examples import SESSION
from tests.factories import open_study
from tests.visitor import Visitor, heading, text

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
    (link,) = lxml.html.fromstring(visitor.get().content).xpath("//footer//a/@href")
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
    handler.setFormatter(logs.Line())
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
    before = list(Trial.objects.order_by("pk").values_list("answer", "counted", "response_ms", "answered_at"))
    slots = list(Slot.objects.order_by("pk").values_list("filled", "holder"))
    withdraw(visitor)
    assert list(Trial.objects.order_by("pk").values_list("answer", "counted", "response_ms", "answered_at")) == before
    assert list(Slot.objects.order_by("pk").values_list("filled", "holder")) == slots
    counts = results.counts(study)
    assert (counts["withdrawn_participants"], counts["finished_participants"]) == (1, 0)
    assert counts["counted_answers"] == 3


def test_removed_answers_are_gone_and_others_are_asked_instead_while_the_study_is_open():
    study = open_study(3, 1, withdrawal="remove", **ASK)
    visitor, late = took_part(study), Visitor(study)
    assert heading(late.get()) == "There is nothing to do just now"
    withdraw(visitor)
    assert set(Trial.objects.values_list("answer", "counted", "exclusion", "answered_at", "response_ms")) == {
        ("", False, "withdrawn", None, None)
    }
    assert not Slot.objects.filter(filled=True).exists()
    took_part(study)
    assert Trial.objects.filter(counted=True).count() == Slot.objects.filter(filled=True).count() == 3
    lifecycle.close_study(study)
    assert results.counts(study)["answers"] == 3


def test_answers_removed_from_a_closed_study_leave_panels_incomplete():
    study = open_study(3, 2, withdrawal="remove", threshold=1, **ASK)
    visitor, _other = took_part(study), took_part(study)
    lifecycle.close_study(study)
    assert results.counts(study)["panels"]["full"] == 3
    withdraw(visitor)
    study.refresh_from_db()
    assert results.counts(study)["panels"] == {"full": 0, "partly": 3, "empty": 0}
    assert results.counts(study)["answers"] == 3


def test_whoever_withdraws_in_the_middle_gives_their_place_back():
    study = open_study(3, 1, **ASK)
    visitor = took_part(study, answers=1)
    assert Slot.objects.filter(filled=False, holder__isnull=False).exists()
    withdraw(visitor)
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
    assert heading(Client().post(path, sure)) == "You have withdrawn"
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
    assert (event.study, event.who, event.details) == (study, "participant", {"answers": 2, "removed": True})


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

"""What recruiters call people stands in one table, until a date; the key of its hash is not in the database."""

import io
import logging
from datetime import timedelta

import pytest
from django.conf import settings as site
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from config.environment import kept_key
from config.environment import storage as storage_of
from studies import lifecycle, participation, tasks
from studies.models import Arrival, Participant, Trial
from studies.operations import logs
from studies.recruitment import arrivals
from tests.factories import open_study
from tests.recruiters import COMES, WORKER, address, comes, from_framing, recruits
from tests.unit.participation.test_withdrawing import everything, withdraw

pytestmark = pytest.mark.django_db

NAMES = {"worker": WORKER, "assignment": "3ASSIGNMENT1", "task": from_framing()["taskId"]}


@pytest.fixture
def study():
    return recruits(open_study(2, 2), "framing")


@pytest.fixture
def visitor(study):
    visitor = comes(study, from_framing()).begin()
    visitor.finish()
    return visitor


def tables_with(word: str) -> set[str]:
    with connection.cursor() as cursor:
        found = set()
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            if any(word in repr(row) for row in cursor.fetchall()):
                found.add(table)
        return found


def export(study, folder) -> str:
    call_command("export_study", study.slug, folder, verbosity=0, stdout=io.StringIO())
    return "\n".join(path.read_bytes().decode("latin-1") for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_ids_stand_in_one_table_and_in_no_export(study, visitor, tmp_path):
    assert {name: tables_with(word) for name, word in NAMES.items()} == {name: {"studies_arrival"} for name in NAMES}
    lifecycle.close_study(study)
    exported = export(study, tmp_path / "out")
    # A control: what is exported of this person is there.
    assert str(visitor.participant.public_id) in exported
    hidden = {*NAMES.values(), visitor.participant.token_sha256, visitor.participant.completion_code}
    assert [word for word in hidden if word in exported] == []


def test_the_database_alone_does_not_tell_who_somebody_is(study, visitor, settings):
    """The hash of a name depends on the key: with another key, as a thief of the database has, it is another."""
    arrived = arrivals.identify_arrival(study, {name: [value] for name, value in from_framing().items()})
    token = arrivals.participant_token(study, arrived)
    assert participation.find(token) == visitor.participant
    assert len(token) == 22
    assert tables_with(site.RECRUIT_KEY) == tables_with(token) == set()
    settings.RECRUIT_KEY = "another key, of more than 32 letters"
    assert arrivals.participant_token(study, arrived) != token
    assert participation.find(arrivals.participant_token(study, arrived)) is None


def test_a_search_finds_nothing_of_somebody_who_has_withdrawn(study, visitor, tmp_path):
    known = {**NAMES, "hash": visitor.participant.token_sha256, "token": visitor.path.split("/")[2]}
    before = everything(study, tmp_path / "before")
    assert {name for name, word in known.items() if word in before} == set(known) - {"token"}
    withdraw(visitor)
    after = everything(study, tmp_path / "after")
    assert {name for name, word in known.items() if word in after} == set()
    assert not Arrival.objects.exists()


def test_what_comes_in_while_somebody_withdraws_is_not_kept(study, visitor):
    person = visitor.participant
    arrived = arrivals.identify_arrival(
        study, {name: [value] for name, value in from_framing(assignment="3LATER").items()}
    )
    participation.withdraw(person)
    arrivals.record_arrival(person, arrived)
    assert not Arrival.objects.exists()


def test_forgetting_a_study_forgets_the_ids(study, visitor, settings):
    settings.RETENTION_DAYS = 1
    lifecycle.close_study(study)
    type(study).objects.update(closed_at=timezone.now() - timedelta(days=2))
    call_command("forget", stdout=io.StringIO())
    assert not Arrival.objects.exists()
    assert Trial.objects.filter(counted=True).count() == 2


def test_ids_are_deleted_at_their_date_and_the_person_is_still_known_again(study, visitor, settings):
    (one,) = Arrival.objects.all()
    assert one.delete_at - one.came_at == timedelta(days=site.RECRUIT_ID_DAYS) == timedelta(days=90)
    assert arrivals.delete_ids(one.delete_at - timedelta(seconds=1)) == 0
    settings.RETENTION_DAYS = 0
    tasks.forget()
    assert Arrival.objects.count() == 1
    Arrival.objects.update(delete_at=timezone.now())
    tasks.forget()
    assert not Arrival.objects.exists()
    again = Client().get(address(study, from_framing()))
    assert again.headers["Location"] == visitor.path
    assert Participant.objects.count() == 1


def test_the_command_says_how_many_ids_it_deleted(visitor, settings):
    settings.RETENTION_DAYS = 0
    with pytest.raises(CommandError, match="RETENTION_DAYS is not set"):
        call_command("forget")
    Arrival.objects.update(delete_at=timezone.now())
    out = io.StringIO()
    call_command("forget", stdout=out)
    assert out.getvalue() == "1 ids of recruiters deleted\n"


@pytest.mark.django_db(transaction=True)
def test_a_backup_says_that_it_holds_ids_and_not_their_key(settings, tmp_path):
    settings.STORAGES = {**settings.STORAGES, "default": storage_of("", tmp_path / "files")}
    study, out = recruits(open_study(1, 1), "framing"), io.StringIO()
    call_command("backup", tmp_path / "none.zip", stdout=out)
    assert "ids" not in out.getvalue()
    comes(study, from_framing()).begin()
    call_command("backup", tmp_path / "one.zip", stdout=out)
    assert "it holds recruiters' ids of people, of 1 submission: keep it no longer" in out.getvalue()
    assert site.RECRUIT_KEY.encode() not in (tmp_path / "one.zip").read_bytes()


@pytest.mark.parametrize("key", COMES)
def test_no_line_of_the_log_holds_an_id(key, monkeypatch):
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.TextFormatter())
    logging.getLogger().addHandler(handler)
    try:
        study, query = recruits(open_study(1, 1), key), COMES[key]()
        comes(study, query).begin()
        where = address(study, query)
        for line in (f'"GET {where} HTTP/1.1" 303', f"https://site{where}", f"?next={where.replace('/', '%2F')}"):
            logging.getLogger("gunicorn.access").warning(line)
        Client().get(address(study, {**query, "more": "x"}))
        monkeypatch.setattr("studies.participation.find", lambda token: 1 / 0)
        Client(raise_request_exception=False).get(where)
    finally:
        logging.getLogger().removeHandler(handler)
    said = written.getvalue()
    assert "/?…" in said
    assert "ZeroDivisionError" in said
    assert [value for name, value in query.items() if name != "submitTo" and value in said] == []


def test_what_a_bucket_is_asked_is_logged_at_no_level():
    loggers = logs.configuration("text", "DEBUG")["loggers"]
    assert {loggers[name]["level"] for name in ("boto3", "botocore", "urllib3")} == {"WARNING"}


def test_the_key_is_made_once_on_one_machine_and_is_its_owners_alone(tmp_path):
    key = kept_key(tmp_path / "recruit_key")
    assert len(key) > 64
    assert kept_key(tmp_path / "recruit_key") == key
    assert (tmp_path / "recruit_key").stat().st_mode & 0o777 == 0o600
    assert kept_key(tmp_path / "secret_key") != key

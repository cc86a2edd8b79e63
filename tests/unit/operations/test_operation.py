"""What whoever looks after the server asks it, and what people see while something it needs is away."""

import shutil
from pathlib import Path

import lxml.html
import pytest
from django.core.files.storage import default_storage
from django.db import InterfaceError, OperationalError
from django.test import Client
from django.urls import reverse
from prometheus_client.parser import text_string_to_metric_families

from config.environment import storage as storage_of
from studies import participation
from studies.models import Artifact, Study
from studies.operations import health
from tests.factories import make_study, open_study
from tests.participant_client import Visitor, heading, stored, text

pytestmark = pytest.mark.django_db

TOKEN = "a token of more than sixteen characters"
NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path_factory):
    """None that another test has left: a database that names none of them is not ready."""
    settings.STORAGES = {**settings.STORAGES, "default": storage_of("", tmp_path_factory.mktemp("files"))}


def lines(response) -> dict[str, str]:
    return dict(line.split(": ") for line in response.content.decode().splitlines())


# --- lives, and is ready ----------------------------------------------------------------------------------------------


def test_a_server_lives_and_is_ready(client):
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 200)
    assert lines(client.get("/readyz")) == dict.fromkeys(("database", "storage", "queue", "cache"), "there")


def away(*_args, **_options):
    raise OperationalError("connection to server at db.internal, user quorum failed")


@pytest.fixture(params=["database", "storage", "queue", "cache"])
def broken(request, monkeypatch, settings, tmp_path) -> str:
    """One part that is really away, by its name."""
    part = request.param
    if part == "database":
        monkeypatch.setitem(health.PARTS, part, away)
    elif part == "storage":
        settings.DATA_DIR = tmp_path / "unplugged"
    elif part == "queue":
        shutil.rmtree(tmp_path)
        settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path)}
    else:
        backend = "django.core.cache.backends.redis.RedisCache"
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": NOBODY}}
    return part


def test_each_part_that_is_away_is_named_and_the_process_still_lives(broken, client, caplog):
    response = client.get("/readyz")
    assert response.status_code == 503
    assert [part for part, state in lines(response).items() if state == "away"] == [broken]
    assert f"the {broken} cannot be reached" in caplog.text
    assert "Traceback" not in caplog.text
    assert client.get("/healthz").status_code == 200


def test_the_answer_tells_no_address_and_no_reason(client, monkeypatch):
    monkeypatch.setitem(health.PARTS, "database", away)
    assert b"internal" not in client.get("/readyz").content


def test_a_disk_without_room_is_not_ready(client, monkeypatch):
    monkeypatch.setattr(health, "ROOM", 2**62)
    assert lines(client.get("/readyz"))["storage"] == "away"


# --- figures ----------------------------------------------------------------------------------------------------------


def figures(response) -> dict[tuple, float]:
    families = text_string_to_metric_families(response.content.decode())
    return {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}


@pytest.mark.parametrize(
    ("token", "addresses", "sent", "address", "status"),
    [
        ("", [], {}, "127.0.0.1", 404),
        ("", [], {"Authorization": "Bearer "}, "127.0.0.1", 404),
        (TOKEN, [], {}, "127.0.0.1", 404),
        (TOKEN, [], {"Authorization": f"Bearer {TOKEN}x"}, "127.0.0.1", 404),
        (TOKEN, [], {"Authorization": "Bearer tökén"}, "127.0.0.1", 404),
        (TOKEN, [], {"Authorization": f"Bearer {TOKEN}"}, "203.0.113.7", 200),
        ("", ["10.0.0.0/8", "::1"], {}, "10.1.2.3", 200),
        ("", ["10.0.0.0/8"], {}, "203.0.113.7", 404),
        ("", ["10.0.0.0/8"], {"X-Forwarded-For": "10.1.2.3"}, "203.0.113.7", 404),
    ],
)
def test_figures_are_for_those_who_are_named_and_for_others_there_is_nothing(
    settings, token, addresses, sent, address, status
):
    settings.METRICS_TOKEN, settings.METRICS_ADDRESSES = token, addresses
    assert Client(REMOTE_ADDR=address).get("/metrics", headers=sent).status_code == status


def test_figures_are_those_of_the_rows(settings):
    settings.METRICS_TOKEN = TOKEN
    study = open_study(3, 2)
    Visitor(study).begin().finish()
    visitor = Visitor(study).begin()
    visitor.send(answer="yes")
    Artifact.objects.create(digest="1", kind="prediction", recipe={}, state="done", seconds=1.5)
    Artifact.objects.create(digest="2", kind="prediction", recipe={}, state="done", seconds=2)
    attack = Artifact.objects.create(digest="3", kind="attack", recipe={})
    prepared = make_study()
    attack.studies.add(prepared)
    Study.objects.filter(pk=prepared.pk).update(state=Study.State.PREPARING)
    found = figures(Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}))
    held = study.slots.filter(filled=False, holder__isnull=False).count()
    assert held >= 1
    assert found[("quorum_answers_total", study.slug)] == 4
    assert found[("quorum_slots_filled", study.slug)] == 4
    assert found[("quorum_slots", study.slug)] == 6
    assert found[("quorum_leases", study.slug)] == held
    assert found[("quorum_participants_total", study.slug)] == 2
    assert found[("quorum_result_seconds_sum", "prediction")] == 3.5
    assert found[("quorum_result_seconds_count", "prediction")] == 2
    assert found[("quorum_results", "attack", "pending")] == 1
    assert found[("quorum_queue_age_seconds",)] > 0
    # Called off, it waits for nobody.
    Study.objects.filter(pk=prepared.pk).update(state=Study.State.DRAFT)
    found = figures(Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}))
    assert found[("quorum_queue_age_seconds",)] == 0


# --- outages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("server closed the connection unexpectedly\n\tThis probably means"),
        OperationalError("database or disk is full"),
        InterfaceError("connection already closed"),
    ],
)
@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_with_the_database_away_people_are_told_that_their_answer_is_kept(error, language, monkeypatch, caplog):
    visitor = Visitor(open_study(2, 2)).begin()
    form, before = visitor.form(), stored()

    def fails(*_args, **_options):
        raise error

    monkeypatch.setattr(participation, "find", fails)
    headers = {"Accept-Language": language}
    for send in (visitor.client.get, visitor.client.post):
        page = send(visitor.path, form | {"answer": "yes"}, headers=headers)
        assert (page.status_code, page.headers["Retry-After"]) == (503, "10")
        assert (lxml.html.fromstring(page.content).get("lang"), page.headers["Cache-Control"]) == (language, "no-store")
        assert not page.cookies
        if language == "en":
            assert heading(page) == "Please wait a moment"
            assert ("sends it again by itself" in text(page)) is (send == visitor.client.post)
    ours = [record for record in caplog.records if record.name == "studies.operations.outages"]
    assert [record.getMessage().count("\n") for record in ours] == [0, 0]
    assert "the database fails: " in ours[0].getMessage()
    assert not any(record.exc_info for record in ours)
    # Back again, the same form is taken.
    monkeypatch.undo()
    assert stored() == before
    visitor.post(form | {"answer": "yes"})
    assert stored() != before


def test_a_picture_that_cannot_be_read_just_now_is_503_and_one_that_is_not_there_404(client, monkeypatch):
    picture = open_study(1, 1).stimuli.get().shown["picture"]["file"]
    path = reverse("studies:picture", args=[picture])

    def fails(*_args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(default_storage._wrapped.__class__, "_open", fails)
    response = client.get(path)
    assert response.status_code == 503
    assert "immutable" not in response.headers["Cache-Control"]
    monkeypatch.undo()
    Path(default_storage.path(picture)).unlink()
    assert client.get(path).status_code == 404


def test_a_mistake_of_our_own_is_no_outage(monkeypatch):
    visitor = Visitor(open_study(2, 2)).begin()
    monkeypatch.setattr(participation, "find", lambda token: 1 / 0)
    assert Client(raise_request_exception=False).get(visitor.path).status_code == 500


def test_only_where_a_page_may_be_framed_its_outage_may_be_too(settings, monkeypatch, client):
    settings.FRAME_ANCESTORS = ["https://framing.example"]
    visitor = Visitor(open_study(2, 2)).begin()
    monkeypatch.setattr(participation, "find", away)
    framed = visitor.get()
    assert framed.headers["Content-Security-Policy"].endswith("frame-ancestors https://framing.example")
    monkeypatch.setattr("studies.operations.probes.health.faults", away)
    assert client.get("/readyz").headers["X-Frame-Options"] == "DENY"

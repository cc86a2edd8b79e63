"""Prepare, Open, Pause, Close: by POST, for those who may, in the states that allow it; refused in one line."""

import lxml.html
import pytest
from django.urls import reverse

from studies import lifecycle, protocols, tasks
from studies.admin.study.actions import KEYS
from studies.jobs import queue
from studies.models import Artifact, Classifier, Image, Slot, Study
from tests.factories import make_study, open_study
from tests.fake_queue import Workers
from tests.logged_in_users import researcher, said, staff, text
from tests.services.preparing import MARKED, make

pytestmark = pytest.mark.django_db

State = Study.State


def at(study: Study, key: str) -> str:
    return reverse(f"admin:studies_study_{key}", args=[study.pk])


def in_state(state: str) -> Study:
    study = make_study(3)
    if state in (State.OPEN, State.PAUSED, State.CLOSED):
        lifecycle.open_study(study)
    if state == State.PAUSED:
        lifecycle.pause_study(study)
    if state == State.CLOSED:
        lifecycle.close_study(study)
    if state in (State.DRAFT, State.PREPARING):
        Study.objects.filter(pk=study.pk).update(state=state)
    study.refresh_from_db()
    assert study.state == state
    return study


@pytest.fixture
def bell(monkeypatch) -> list:
    """What reaches the queue instead of the queue."""
    rung = []
    monkeypatch.setattr(queue, "enqueue_study", lambda study_id: rung.append(study_id) or True)
    return rung


ALLOWED = {
    "prepare": {State.DRAFT: State.PREPARING, State.PREPARING: State.PREPARING, State.READY: State.PREPARING},
    "cancel": {State.PREPARING: State.DRAFT},
    "open": {State.READY: State.OPEN, State.PAUSED: State.OPEN},
    "pause": {State.OPEN: State.PAUSED},
    "close": {State.OPEN: State.CLOSED, State.PAUSED: State.CLOSED},
    "archive": {State.CLOSED: State.CLOSED},
    "unarchive": {},
}


@pytest.mark.parametrize("state", State.values)
@pytest.mark.parametrize("key", KEYS)
def test_a_step_does_what_it_may_and_is_refused_in_one_line_otherwise(key, state, bell):
    study = in_state(state)
    response = researcher().post(at(study, key), follow=True)
    study.refresh_from_db()
    assert study.state == ALLOWED[key].get(state, state)
    (line,) = said(response)
    if state not in ALLOWED[key]:
        assert line.startswith(f"Study {study.slug} is {state}: ")
        assert "\n" not in line


@pytest.mark.parametrize("state", State.values)
@pytest.mark.parametrize("key", KEYS)
def test_following_a_link_to_a_step_changes_nothing(key, state, bell):
    study = in_state(state)
    before = Study.objects.values().get(pk=study.pk)
    page = researcher().get(at(study, key), follow=True)
    assert page.status_code == 200
    assert Study.objects.values().get(pk=study.pk) == before
    assert bell == []
    assert not Slot.objects.exists() or study.opened_at


@pytest.mark.parametrize("key", KEYS)
def test_a_step_needs_the_permission_to_change_studies(key, bell):
    study = in_state(State.OPEN if key in ("pause", "close") else State.READY)
    before = Study.objects.values().get(pk=study.pk)
    assert staff("view_study", sees=study).post(at(study, key)).status_code == 403
    assert Study.objects.values().get(pk=study.pk) == before


def test_opening_an_unprepared_study_says_what_to_do_first():
    study = in_state(State.DRAFT)
    response = researcher().post(at(study, "open"), follow=True)
    assert said(response) == [f"Study {study.slug} is draft: prepare it first."]
    assert not Slot.objects.exists()


def test_before_opening_the_frozen_design_is_shown_and_what_cannot_be_undone():
    words = text(researcher().get(at(in_state(State.READY), "open")))
    assert "Opening cannot be undone" in words
    assert "3 stimuli with 5 answers each make 15 answers, from 5 people or more" in words
    assert "Answers per stimulus 5" in words


def test_before_closing_the_missing_answers_are_counted():
    words = text(researcher().get(at(in_state(State.OPEN), "close")))
    assert "Closing cannot be undone" in words
    assert "15 of 15 answers are still missing" in words


def test_preparing_rings_the_workers_bell_with_the_id_once_it_is_stored(bell, django_capture_on_commit_callbacks):
    study = in_state(State.DRAFT)
    with django_capture_on_commit_callbacks(execute=False):
        researcher().post(at(study, "prepare"))
        assert bell == []
    with django_capture_on_commit_callbacks(execute=True):
        researcher().post(at(study, "prepare"))
    assert bell == [study.pk]


def test_while_a_worker_prepares_the_page_says_so_and_then_loads_itself_anew(bell):
    study = in_state(State.PREPARING)
    client = researcher()
    page = client.get(at(study, "change"))
    assert "A worker is preparing this study" in text(page)
    assert f'hx-get="{at(study, "preparing")}"' in page.content.decode()
    assert "HX-Refresh" not in client.get(at(study, "preparing"))
    Study.objects.filter(pk=study.pk).update(state=State.READY)
    assert client.get(at(study, "preparing"))["HX-Refresh"] == "true"
    assert at(study, "preparing") not in client.get(at(study, "change")).content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_queue_that_cannot_be_reached_is_told_and_the_study_waits_for_it(monkeypatch):
    monkeypatch.setattr(queue, "enqueue_study", lambda study_id: False)
    study = in_state(State.DRAFT)
    response = researcher().post(at(study, "prepare"), follow=True)
    reason = "the queue of the workers cannot be reached; it begins when the queue is back"
    assert said(response) == [f"Study {study.slug}: {reason}."]
    study.refresh_from_db()
    assert (study.state, study.problem) == (State.PREPARING, reason)


def test_what_went_wrong_in_a_worker_is_shown_with_the_study(monkeypatch):
    study = in_state(State.PREPARING)

    def broken(design, bench):
        raise RuntimeError("the graphics card is gone")

    monkeypatch.setattr(protocols.get(study.protocol), "stimuli", broken)
    with pytest.raises(RuntimeError):
        tasks.prepare(study.pk)
    words = text(researcher().get(at(study, "change")))
    assert "The preparation failed." in words
    assert "It stopped unexpectedly (RuntimeError: the graphics card is gone)" in words
    study.refresh_from_db()
    assert study.state == State.DRAFT


def test_a_step_is_written_down_in_the_history():
    study = in_state(State.READY)
    client = researcher()
    client.post(at(study, "open"))
    assert "Opened" in text(client.get(at(study, "history")))


def test_closing_leads_to_the_results():
    study = open_study(2, 1)
    response = researcher().post(at(study, "close"))
    assert response["Location"] == at(study, "results")


def half_prepared() -> Study:
    """Of ten predictions three are done and one failed; the picture of a photograph could not be explained."""
    study = in_state(State.PREPARING)
    image_set = Classifier.objects.get(name=study.design["classifier"]).image_set
    images = list(image_set.images.order_by("path"))
    states = ["done"] * 3 + ["failed"] + ["pending"] * 6
    rows = [
        Artifact(digest=str(i), kind="prediction", recipe={"image": "no"}, state=s, seconds=90, problem=f"fault {i}")
        for i, s in enumerate(states)
    ]
    rows[3].recipe = {"image": images[1].sha256}
    picture = {"picture": "artifacts/00/a.png"}
    rows += [
        Artifact(digest="p", kind="picture", recipe={"image": images[2].sha256}, state="done", files=picture),
        Artifact(digest="e", kind="explanation", recipe=picture, state="failed", problem="<nothing> speaks for it"),
    ]
    study.artifacts.set(Artifact.objects.bulk_create(rows))
    return study


def test_while_a_study_is_prepared_its_page_counts_what_is_done_and_what_failed(bell):
    words = text(researcher().get(at(half_prepared(), "change")))
    assert "Predictions 3 of 10, 1 failed, 9 minutes of one worker left" in words


def test_while_a_study_is_prepared_what_failed_is_named_with_its_reason(bell):
    study = half_prepared()
    images = list(Image.objects.order_by("path").values_list("path", flat=True))
    client = researcher()
    line = " ".join(lxml.html.fromstring(client.get(at(study, "preparing")).content.decode()).text_content().split())
    for words in (text(client.get(at(study, "change"))), line):
        assert f"{images[1]} fault 3" in words
        assert f"{images[2]} <nothing> speaks for it" in words
        assert "fault 1" not in words


def test_asking_again_while_a_study_is_prepared_tries_anew_what_failed_and_keeps_what_is_done(
    tmp_path, monkeypatch, django_capture_on_commit_callbacks
):
    make(tmp_path, images=40, fault="raising")
    study, workers, client = Study.objects.get(), Workers(monkeypatch), researcher()

    def ask() -> None:
        with django_capture_on_commit_callbacks(execute=True):
            client.post(at(study, "prepare"))

    ask()
    workers.answer()
    while Artifact.objects.filter(state="failed").count() == 0:
        workers.answer()
    done = dict(Artifact.objects.filter(state="done").values_list("digest", "finished_at"))
    words = text(client.get(at(study, "change")))
    assert f"{MARKED} RuntimeError: cannot look at this" in words
    assert "Retries failed results" in words
    ask()
    workers.answer(-1)
    assert list(Artifact.objects.exclude(state="done").values_list("state", "attempts")) == [("pending", 0)]
    assert dict(Artifact.objects.filter(state="done").values_list("digest", "finished_at")) == done
    client.post(at(study, "cancel"))
    workers.work()
    study.refresh_from_db()
    assert study.state == State.DRAFT
    assert Artifact.objects.filter(state="pending").count() == 1

"""The log of a study: what was done to it, by whom, from the desk, the command line and by workers."""

import csv
import io
from contextlib import nullcontext

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.urls import reverse

from studies import audit, lifecycle
from studies import preparation as preparing_
from studies.designs import amendments
from studies.jobs import queue
from studies.lib.errors import StudyError
from studies.models import Event, Study
from studies.preparation import stimuli
from studies.simulation import crowd as simulated_crowd
from tests.factories import answered_study, make_study, open_study
from tests.logged_in_users import researcher, staff, text

pytestmark = pytest.mark.django_db

What = Event.What


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada", is_staff=True, is_superuser=True)


@pytest.fixture(autouse=True)
def bell(monkeypatch):
    monkeypatch.setattr(queue, "enqueue_study", lambda study_id: True)


def at(study: Study, name: str) -> str:
    return reverse(f"admin:studies_study_{name}", args=[study.pk])


def lines(study: Study) -> list[tuple[str, str]]:
    return list(study.events.values_list("what", "who"))


def last(study: Study) -> Event:
    return study.events.last()


def test_a_studys_life_is_written_down_with_who_did_it(ada):
    study = make_study(3)
    for act in (
        lambda: lifecycle.change_texts(study, title="New", consent_text="I agree.", actor=ada),
        lambda: lifecycle.open_study(study, actor=ada),
        lambda: lifecycle.pause_study(study, actor=ada),
        lambda: lifecycle.open_study(study, actor=ada),
        lambda: lifecycle.close_study(study, actor=ada),
        lambda: amendments.amend_study(study, reason="Too strict.", changes={"threshold": 2}, actor=ada),
    ):
        act()
    whats = [What.TEXTS, What.OPENED, What.PAUSED, What.REOPENED, What.CLOSED, What.AMENDED]
    assert lines(study) == [(What.CREATED, audit.COMMAND_LINE), *((what, "ada") for what in whats)]
    assert last(study).details == {"number": 1, "reason": "Too strict.", "changes": {"threshold": 2}}
    assert study.events.get(what=What.OPENED).details["design_sha256"] == study.design_sha256


def test_a_changed_design_is_written_down_with_the_settings_that_differ(ada):
    study = make_study(3, threshold=4)
    lifecycle.change_design(study, study.design | {"threshold": 2, "sample": 7}, actor=ada)
    assert last(study).details == {"changes": {"threshold": [4, 2], "sample": [None, 7]}}
    lifecycle.change_design(study, study.design, actor=ada)
    lifecycle.change_texts(study, title=study.title, consent_text=study.consent_text, actor=ada)
    assert study.events.count() == 2


@pytest.mark.parametrize(
    "act",
    [
        lifecycle.pause_study,
        lifecycle.close_study,
        preparing_.cancel,
        lambda study, actor: lifecycle.change_design(study, {"classifier": "none"}, actor=actor),
        lambda study, actor: amendments.amend_study(study, reason="why", actor=actor),
    ],
)
def test_what_is_refused_is_not_written_down(act, ada):
    study = make_study(3)
    with pytest.raises(StudyError):
        act(study, actor=ada)
    assert lines(study) == [(What.CREATED, audit.COMMAND_LINE)]


def test_what_is_undone_leaves_no_line(ada, monkeypatch):
    """The line is written in the transaction of what it tells."""
    study = make_study(3)
    monkeypatch.setattr(lifecycle, "_make_slots", lambda row: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lifecycle.open_study(study, actor=ada)
    assert What.OPENED not in [what for what, _who in lines(study)]


def test_a_preparation_is_written_down_with_who_asked_and_what_did_it(ada, monkeypatch):
    study = make_study(3)
    preparing_.enqueue_preparation(study, actor=ada)
    preparing_.cancel(study, actor=ada)
    preparing_.enqueue_preparation(study)
    monkeypatch.setattr(stimuli.protocols.get(study.protocol), "stimuli", lambda design, bench: [])
    preparing_.resume_preparation(study.pk)
    assert lines(study)[1:] == [
        (What.REQUESTED, "ada"),
        (What.CANCELLED, "ada"),
        (What.REQUESTED, audit.COMMAND_LINE),
        (What.FAILED, audit.WORKER),
    ]
    assert last(study).details == {"problem": "the design gives no stimuli"}


def test_looks_and_exports_are_written_down(tmp_path, capsys):
    study = answered_study(close=False)
    call_command("analyse", study.slug)
    call_command("export_study", study.slug, tmp_path / "export")
    lifecycle.close_study(study)
    client = researcher()
    for _ in range(3):
        client.get(at(study, "results"))
    client.get(at(study, "export"))
    name = User.objects.get(is_superuser=True).username
    assert lines(study)[2:] == [
        (What.LOOKED, audit.COMMAND_LINE),
        (What.LOOKED, audit.COMMAND_LINE),
        (What.EXPORTED, audit.COMMAND_LINE),
        (What.CLOSED, audit.COMMAND_LINE),
        (What.LOOKED, name),
        (What.EXPORTED, name),
    ]


def test_counts_of_an_open_study_are_no_look_at_outcomes():
    study = open_study(3)
    researcher().get(at(study, "results"))
    assert What.LOOKED not in [what for what, _who in lines(study)]


def test_the_log_outlives_the_study_and_the_account():
    study, client = make_study(3), researcher()
    name = User.objects.get().username
    client.post(at(study, "delete"), {"post": "yes"})
    assert not Study.objects.exists()
    event = Event.objects.get(what=What.DELETED)
    assert (event.study, event.slug, event.who) == (None, study.slug, name)
    User.objects.all().delete()
    event.refresh_from_db()
    assert (event.actor, event.who) == (None, name)


def test_steps_at_the_desk_are_written_down_under_the_account(ada):
    study, client = make_study(3), researcher()
    name = User.objects.latest("pk").username
    for step in ("prepare", "cancel"):
        client.post(at(study, step))
    Study.objects.filter(pk=study.pk).update(state=Study.State.READY)
    for step in ("open", "pause", "open", "close"):
        client.post(at(study, step))
    whats = [What.REQUESTED, What.CANCELLED, What.OPENED, What.PAUSED, What.REOPENED, What.CLOSED]
    assert lines(study)[1:] == [(what, name) for what in whats]


def test_the_page_tells_the_newest_first_and_a_setting_as_its_form_calls_it(ada):
    study = make_study(3, threshold=4)
    lifecycle.change_design(study, study.design | {"threshold": 2}, actor=ada)
    words = text(staff("view_study", sees=study).get(at(study, "history")))
    assert "ada Design changed Threshold 4 → 2" in words
    assert words.index("Design changed") < words.index("Created")


def test_a_long_log_has_pages():
    study = make_study(3)
    for _ in range(150):
        audit.record(study, What.PAUSED, None)
    client = researcher()
    assert "Page 1 of 2" in text(client.get(at(study, "history")))
    assert "Created" in text(client.get(at(study, "history") + "?p=2"))


def test_the_file_has_every_line_and_nothing_a_spreadsheet_would_run(ada, capsys):
    study = make_study(3)
    audit.record(study, What.PAUSED, None, who="=1+1")
    content = researcher().get(at(study, "log")).content.decode()
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [(row["what"], row["who"]) for row in rows] == [("created", audit.COMMAND_LINE), ("paused", "'=1+1")]
    assert rows[0]["study"] == study.slug
    call_command("study_log", study.slug)
    assert capsys.readouterr().out == content
    with pytest.raises(CommandError, match="nothing was ever done to a study called nobody"):
        call_command("study_log", "nobody")


def test_nobody_changes_a_line():
    study, client = make_study(3), researcher()
    event = study.events.get()
    for page in ("change", "delete"):
        address = reverse(f"admin:studies_event_{page}", args=[event.pk])
        assert client.post(address, {"who": "somebody else", "post": "yes"}).status_code == 403
    event.refresh_from_db()
    assert event.who == audit.COMMAND_LINE


def test_a_rehearsal_is_written_down_at_the_study_and_at_its_copy(ada):
    study = make_study(3)
    copy = lifecycle.copy_for_rehearsal(study, actor=ada)
    assert (last(study).what, last(study).details) == (What.REHEARSED, {"rehearsal": copy.slug})
    assert (last(copy).what, last(copy).details) == (What.CREATED, {"rehearsal_of": study.slug})


def test_simulated_participants_are_written_down(monkeypatch):
    study = open_study(1, 1)
    monkeypatch.setattr(simulated_crowd, "_server", lambda url: nullcontext(""))
    monkeypatch.setattr(simulated_crowd._Crowd, "come", lambda crowd, number: None)
    simulated_crowd.simulate(study, participants=2)
    assert (last(study).what, last(study).details) == (What.SIMULATED, {"participants": 0, "answers": 0})

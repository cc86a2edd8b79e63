"""The result of a large study: counted by workers, kept as a row, never worked out while a page waits for it."""

import json
from dataclasses import replace
from datetime import timedelta

import lxml.html
import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse

from studies import lifecycle, participation, protocols, tasks
from studies.designs import amendments
from studies.jobs import leases
from studies.models import Artifact, ResultCache, Study
from studies.protocols.base.session_form import Withdrawal
from studies.results import cache, page_data
from studies.results.result import StudyResult
from tests.factories import answered_study
from tests.fake_queue import Killed, Workers
from tests.logged_in_users import researcher, staff, text

pytestmark = pytest.mark.django_db(transaction=True)

State = ResultCache.State
COUNTED = "of 3 people accept"


@pytest.fixture(autouse=True)
def every_study_is_large(monkeypatch):
    monkeypatch.setattr(cache, "AT_ONCE", 3)


@pytest.fixture
def workers(monkeypatch) -> Workers:
    return Workers(monkeypatch)


@pytest.fixture
def turns(monkeypatch) -> list[str]:
    """The state of the study at each turn of a worker, or of a web process, that counts answers."""
    seen, told = [], page_data.page_data
    monkeypatch.setattr(page_data, "page_data", lambda found: seen.append(found.study.state) or told(found))
    return seen


def at(study: Study) -> str:
    return reverse("admin:studies_study_results", args=[study.pk])


def part(page):
    """What of a page is asked for again."""
    return lxml.html.fromstring(page.content.decode()).xpath("//*[@id='results']")[0]


def closed(**options) -> Study:
    return answered_study(4, 3, 4, **options)


def long_ago(study: Study, **times: timedelta) -> None:
    ResultCache.objects.filter(study=study).update(**{name: Now() - ago for name, ago in times.items()})


def let_the_lease_end() -> None:
    ResultCache.objects.update(leased_until=Now() - timedelta(seconds=1))


# --- asking -----------------------------------------------------------------------------------------------------------


def test_the_page_comes_at_once_counts_nothing_and_rings_once_however_often_it_is_loaded(workers, turns):
    study, client = closed(), researcher()
    ResultCache.objects.all().delete()
    workers.messages.clear()
    for _ in range(3):
        page = client.get(at(study))
        assert part(page).get("hx-trigger") == "every 2s"
        assert "waiting for a worker to count them" in text(page)
        assert "no worker takes it" not in text(page)
    assert workers.messages == [("studies.tasks.count_results", study.result_cache.pk)]
    assert turns == []
    # Nobody has seen an outcome yet.
    assert not study.events.filter(what="looked").exists()


def test_what_a_worker_counted_is_shown_as_if_it_had_been_counted_at_once(workers, turns, monkeypatch):
    study, client = closed(), researcher()
    amendments.amend_study(study, reason="we knew better", changes={"threshold": 1})
    client.get(at(study))
    workers.work()
    page = client.get(at(study))
    assert turns == ["closed"]
    assert part(page).get("hx-trigger") is None
    assert COUNTED in text(page)
    monkeypatch.setattr(cache, "AT_ONCE", 5000)
    at_once = client.get(at(study))
    assert turns == ["closed"] * 2
    assert lxml.html.tostring(part(page)) == lxml.html.tostring(part(at_once))
    assert page.content.count(b"<svg") >= 2
    assert page.content.count(b"Amendment 1: threshold 1") == 1


def test_closing_rings_so_that_the_result_is_there_when_somebody_comes(workers, turns):
    study = closed()
    assert workers.messages == [("studies.tasks.count_results", study.result_cache.pk)]
    workers.work()
    assert COUNTED in text(researcher().get(at(study)))
    assert turns == ["closed"]


def test_closing_a_small_study_rings_for_nobody(workers, monkeypatch):
    monkeypatch.setattr(cache, "AT_ONCE", 12)
    study = closed()
    assert study.trials.count() == 12
    assert COUNTED in text(researcher().get(at(study)))
    assert workers.messages == []
    assert not ResultCache.objects.exists()


def test_what_a_worker_tells_is_json_in_which_nothing_is_trusted(workers):
    study = closed()
    workers.work()
    told = Study.objects.get(pk=study.pk).result_cache.page_data
    assert json.loads(json.dumps(told)) == told
    assert not any(hasattr(figure["svg"], "__html__") for figure in told["figures"])


def test_words_of_a_large_result_are_escaped(workers, monkeypatch):
    study = closed()
    protocol = protocols.get(study.protocol)
    summary, hostile = protocol.summary, "<script>alert(1)</script>"

    def told(*args):
        found = summary(*args)
        tables = [replace(found.tables[0], title=hostile, rows=[[hostile, hostile]])]
        figures = [replace(found.figures[0], title=hostile, note=hostile, x=hostile)]
        return replace(found, headline=hostile, warnings=[hostile], tables=tables, figures=figures)

    monkeypatch.setattr(protocol, "summary", told)
    workers.work()
    content = researcher().get(at(study)).content.decode()
    assert "<script>alert" not in content
    assert content.count("&lt;script&gt;alert(1)") >= 8


# --- what is out of date ----------------------------------------------------------------------------------------------


def test_when_somebody_withdraws_nothing_of_the_old_result_is_shown_or_kept(workers, turns):
    study, client = closed(withdrawal=Withdrawal.REMOVE), researcher()
    workers.work()
    assert "Answers counted 12 of 12" in text(client.get(at(study)))
    participation.withdraw(study.participants.first())
    assert ResultCache.objects.get().page_data == {}
    page = client.get(at(study))
    assert "Answers counted" not in text(page)
    assert "waiting for a worker" in text(page)
    workers.work()
    assert "Answers counted 9 of 12" in text(client.get(at(study)))
    assert turns == ["closed"] * 2


def test_when_somebody_withdraws_while_a_worker_counts_it_is_counted_again(workers, monkeypatch):
    study, told, answers = closed(withdrawal=Withdrawal.REMOVE), page_data.page_data, []

    def withdrawing(found):
        answers.append(found.counts["answers"])
        if len(answers) == 1:
            participation.withdraw(study.participants.first())
        return told(found)

    monkeypatch.setattr(page_data, "page_data", withdrawing)
    workers.answer()
    assert (ResultCache.objects.get().state, ResultCache.objects.get().page_data) == (State.RUNNING, {})
    assert "waiting for a worker" in text(researcher().get(at(study)))
    workers.work()
    assert answers == [12, 9]
    assert ResultCache.objects.get().state == State.DONE


def test_an_amendment_is_counted_before_anything_is_shown(workers):
    study, client = closed(), researcher()
    workers.work()
    amendments.amend_study(study, reason="we knew better", changes={"threshold": 1})
    assert COUNTED not in text(client.get(at(study)))
    workers.work()
    assert "Amendment 1: threshold 1" in text(client.get(at(study)))


def test_with_another_version_of_the_protocol_or_of_what_is_told_it_is_counted_again(workers, monkeypatch):
    study = closed()
    keys = {cache.key_of(study)}
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    keys.add(cache.key_of(study))
    kind = type(protocols.get(study.protocol))
    monkeypatch.setattr(kind, "version", kind.version + 1)
    keys.add(cache.key_of(study))
    assert len(keys) == 3


# --- a study that runs ------------------------------------------------------------------------------------------------


def test_of_an_open_study_the_counts_are_shown_with_their_time_and_renewed_after_a_minute(workers, turns, monkeypatch):
    study, client = closed(close=False), researcher()
    looked = []
    monkeypatch.setattr(protocols.get(study.protocol), "summary", lambda *args: looked.append(args))
    assert part(client.get(at(study))).get("hx-trigger") == "every 2s"
    workers.work()
    first = client.get(at(study))
    assert "Answers counted 12 of 12" in text(first)
    assert "Counted by a worker at" in text(first)
    assert part(first).get("hx-trigger") is None
    participation.exclude(study.participants.first(), reason="too fast")
    long_ago(study, computed_at=timedelta(seconds=50))
    assert "Answers counted 12 of 12" in text(client.get(at(study)))
    assert workers.messages == []
    long_ago(study, computed_at=timedelta(seconds=70))
    # The older ones stay on the page while a worker counts anew.
    for _ in range(2):
        renewed = client.get(at(study))
        assert "Answers counted 12 of 12" in text(renewed)
        assert part(renewed).get("hx-trigger") == "every 2s"
    assert len(workers.messages) == 1
    workers.work()
    assert "Answers counted 9 of 12" in text(client.get(at(study)))
    assert turns == ["open"] * 2
    assert looked == []


def test_counts_of_the_open_study_are_never_shown_once_it_is_closed(workers):
    study, client = closed(close=False), researcher()
    client.get(at(study))
    workers.work()
    lifecycle.close_study(study)
    page = client.get(at(study))
    assert "Answers counted" not in text(page)
    assert len(workers.messages) == 1
    workers.work()
    assert COUNTED in text(client.get(at(study)))


def test_a_study_that_is_closed_while_a_worker_counts_is_counted_again(workers, turns, monkeypatch):
    study, told = closed(close=False), page_data.page_data

    def closing(found):
        if found.study.state == Study.State.OPEN:
            lifecycle.close_study(Study.objects.get(pk=study.pk))
        return told(found)

    monkeypatch.setattr(page_data, "page_data", closing)
    researcher().get(at(study))
    workers.work()
    assert turns == ["open", "closed"]
    assert COUNTED in text(researcher().get(at(study)))


# --- workers, and what becomes of them --------------------------------------------------------------------------------


def test_two_workers_who_are_rung_for_count_once(workers, turns, monkeypatch):
    study, told = closed(), page_data.page_data

    def meanwhile(found):
        cache.count(study.result_cache.pk)
        assert "a worker is counting them" in text(researcher().get(at(study)))
        return told(found)

    monkeypatch.setattr(page_data, "page_data", meanwhile)
    workers.answer(times=2)
    assert turns == ["closed"]
    assert ResultCache.objects.get().state == State.DONE


def test_without_the_claim_they_would_count_twice(workers, turns, monkeypatch):
    """The negative control of the test above."""
    study, told = closed(), page_data.page_data
    monkeypatch.setattr(leases, "claim_all", lambda rows, **_: rows.values_list("worker", flat=True).first())

    def meanwhile(found):
        if not turns:
            turns.append("at it")
            cache.count(study.result_cache.pk)
        return told(found)

    monkeypatch.setattr(page_data, "page_data", meanwhile)
    workers.answer()
    assert turns == ["at it", "closed", "closed"]


def kill(found: StudyResult) -> None:
    raise Killed


def test_after_a_killed_worker_the_sweeper_rings_when_its_lease_is_over(workers, monkeypatch):
    study, told = closed(), page_data.page_data
    monkeypatch.setattr(page_data, "page_data", kill)
    with pytest.raises(Killed):
        workers.answer()
    monkeypatch.setattr(page_data, "page_data", told)
    tasks.sweep()
    assert workers.messages == []
    let_the_lease_end()
    tasks.sweep()
    tasks.sweep()
    assert workers.messages == [("studies.tasks.count_results", study.result_cache.pk)]
    workers.work()
    assert COUNTED in text(researcher().get(at(study)))


def test_what_ends_three_workers_is_given_up_and_can_be_tried_again(workers, monkeypatch):
    study, told, client = closed(), page_data.page_data, researcher()
    monkeypatch.setattr(page_data, "page_data", kill)
    for _ in range(3):
        with pytest.raises(Killed):
            workers.answer()
        let_the_lease_end()
        tasks.sweep()
    assert workers.messages == []
    page = client.get(at(study))
    assert "could not be counted: its worker crashed 3 times (out of memory, hung, or killed)." in text(page)
    assert part(page).get("hx-trigger") is None
    monkeypatch.setattr(page_data, "page_data", told)
    client.post(at(study))
    workers.work()
    assert COUNTED in text(client.get(at(study)))


def test_a_failure_is_one_line_is_not_tried_by_itself_and_can_be_tried_again(workers, monkeypatch):
    study, told = closed(), page_data.page_data
    client = staff("view_study", sees=study)

    def failing(found):
        raise ValueError("no\n  <b>sense</b>")

    monkeypatch.setattr(page_data, "page_data", failing)
    with pytest.raises(ValueError, match="sense"):
        workers.answer()
    for _ in range(2):
        page = client.get(at(study))
        assert (
            "The answers could not be counted: it stopped unexpectedly (ValueError: no <b>sense</b>). Try again"
            in text(page)
        )
    tasks.sweep()
    assert workers.messages == []
    monkeypatch.setattr(page_data, "page_data", told)
    assert client.post(at(study)).status_code == 302
    client.post(at(study))
    assert len(workers.messages) == 1
    workers.work()
    assert COUNTED in text(client.get(at(study)))


def test_an_outage_is_said_and_tried_again(workers, monkeypatch):
    study, told = closed(), page_data.page_data

    def away(found):
        raise OSError("the disk is full")

    monkeypatch.setattr(page_data, "page_data", away)
    with pytest.raises(OSError, match="full"):
        workers.answer()
    assert "Interrupted, and tried again every minute: the disk is full." in text(researcher().get(at(study)))
    monkeypatch.setattr(page_data, "page_data", told)
    tasks.sweep()
    workers.work()
    assert COUNTED in text(researcher().get(at(study)))


def test_while_the_queue_is_away_the_page_says_so_and_the_sweeper_rings_when_it_is_back(workers):
    workers.reachable = False
    study, client = closed(), researcher()
    assert "The queue of the workers cannot be reached; it begins when the queue is back." in text(
        client.get(at(study))
    )
    workers.reachable = True
    tasks.sweep()
    workers.work()
    assert COUNTED in text(client.get(at(study)))


def test_where_no_worker_takes_it_up_for_a_while_the_page_says_so(workers):
    study, client = closed(), researcher()
    long_ago(study, requested_at=timedelta(minutes=4))
    assert "Work is waiting and no worker takes it. Check that a worker is running." in text(client.get(at(study)))
    running = {"state": Artifact.State.RUNNING, "leased_until": Now() + timedelta(minutes=5)}
    Artifact.objects.create(digest="a", kind="prediction", recipe={}, **running)
    assert "The workers are busy." in text(client.get(at(study)))
    ResultCache.objects.update(leased_until=F("requested_at") + timedelta(hours=1))
    words = text(client.get(at(study)))
    assert "a worker is counting them" in words
    assert "busy" not in words

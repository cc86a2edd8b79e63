"""The first page: what needs attention, what the workers do; and nothing of studies somebody does not see."""

from datetime import timedelta

import pytest
from django.utils import timezone

from studies import lifecycle, participation
from studies.admin.study.attention import needs
from studies.admin.study.progress import counted
from studies.models import Artifact, Study, Trial
from studies.preparation import progress
from studies.results.quality import GOLD_FROM
from tests.bench import made_up_study
from tests.factories import answered_study, make_study, open_study
from tests.logged_in_users import researcher, staff, text

pytestmark = pytest.mark.django_db

State = Artifact.State


def told() -> list[str]:
    return [need.what for need in needs(counted(Study.objects.order_by("pk")))]


def artifact(n: int, state: str, **how) -> Artifact:
    return Artifact.objects.create(digest=f"{n:064}", kind="prediction", recipe={}, state=state, **how)


def test_a_study_that_goes_well_needs_nothing():
    study = open_study(4, 2)
    person, _token = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    make_study(2)
    assert told() == []
    assert "What needs attention" not in text(researcher().get("/admin/"))


def test_nothing_happening_for_a_day_is_told():
    study = open_study(4, 2)
    Study.objects.filter(pk=study.pk).update(opened_at=timezone.now() - timedelta(hours=23))
    assert told() == []
    Study.objects.filter(pk=study.pk).update(opened_at=timezone.now() - timedelta(days=2, hours=1))
    assert told() == ["Nothing has happened for 2 days"]
    assert "Nothing has happened for 2 days" in text(researcher().get("/admin/"))


@pytest.mark.parametrize(("right", "expected"), [(0.75, 0), (0.65, 1)])
def test_a_low_gold_rate_is_told_once_there_is_enough_gold(right, expected):
    study = made_up_study("rectified_labeling", {"gold": 5, "trials_per_participant": 5}, n_images=240)
    lifecycle.open_study(study)
    done = 0
    while done < GOLD_FROM:
        person, _token = participation.enrol(study, consent=participation.current_consent(study))
        participation.start(person)
        for _ in range(10):
            trial = participation.current_trial(person)
            participation.answer(person, trial.pk, trial.stimulus.truth.get("expected", "yes"))
        done += 5
        wrong = Trial.objects.filter(role="gold").order_by("pk")[: round(done * (1 - right))]
        Trial.objects.filter(pk__in=list(wrong.values_list("pk", flat=True))).update(correct=False)
        if done < GOLD_FROM:
            assert told() == []
    assert len(told()) == expected
    assert all("below 70%" in line for line in told())


def test_stimuli_without_an_answer_are_told_when_half_of_the_answers_are_there():
    study = answered_study(4, 2, 4, close=False)
    assert told() == ["All 8 answers are there: it can be closed"]
    first = study.stimuli.first()
    study.slots.filter(stimulus=first).update(filled=False, holder=None)
    assert told() == ["1 stimulus has no answer, while 75% of the answers are there"]
    study.slots.update(filled=False, holder=None)
    assert told() == []


def test_what_failed_in_preparing_is_told():
    study = make_study(2)
    Study.objects.filter(pk=study.pk).update(state=Study.State.PREPARING)
    study.artifacts.set([artifact(1, State.FAILED), artifact(2, State.DONE)])
    assert told() == ["1 result failed while it is prepared"]
    Study.objects.filter(pk=study.pk).update(state=Study.State.DRAFT, problem="out of memory")
    assert told() == ["Preparing it went wrong: out of memory"]


def test_what_waits_is_counted_and_whether_nobody_takes_it_up():
    study = make_study(2)
    Study.objects.filter(pk=study.pk).update(state=Study.State.PREPARING)
    now = timezone.now()
    waiting, done, running = (
        artifact(1, State.PENDING),
        artifact(2, State.DONE, finished_at=now),
        artifact(3, State.RUNNING, worker="here:1", leased_until=now + timedelta(minutes=5)),
    )
    artifact(4, State.PENDING)  # Nobody asks for it any more.
    study.artifacts.set([waiting, done, running])
    found = progress.worker_activity()
    assert (found.waiting, found.running, found.workers, found.last) == (1, 1, 1, now)
    assert found.oldest == waiting.created_at
    assert not found.stuck
    long_ago = now - timedelta(minutes=10)
    Artifact.objects.update(created_at=long_ago, finished_at=long_ago, leased_until=long_ago)
    found = progress.worker_activity()
    assert (found.waiting, found.running) == (2, 0)
    assert found.stuck
    assert "no worker takes it" in text(researcher().get("/admin/"))


def test_an_operator_sees_the_workers_and_no_study():
    study = open_study(4, 2)
    Study.objects.filter(pk=study.pk).update(opened_at=timezone.now() - timedelta(days=3))
    words = text(staff("view_artifact").get("/admin/"))
    assert "Last result" in words
    assert study.title not in words
    assert "Nothing has happened" not in text(staff("view_study").get("/admin/"))
    assert "Nothing has happened" in text(staff("view_study", sees=study).get("/admin/"))


def test_an_archived_study_needs_nothing():
    study = open_study(4, 2)
    lifecycle.close_study(study)
    lifecycle.archive_study(study)
    assert "What needs attention" not in text(researcher().get("/admin/"))

"""Whatever goes wrong on the way, a study ends with the same bytes as one that was prepared undisturbed.

docs/explanation/faults.md has the table; tests/services/test_preparation_by_workers.py does the same to real processes.
"""

import errno
import os
import socket
import subprocess
import sys
import time
from datetime import timedelta
from random import Random

import pytest
from django.db import OperationalError
from django.utils import timezone

from explainers.lime import Lime
from studies import lifecycle, storage, workbench
from studies.errors import StudyError
from studies.models import Artifact, Study
from studies.workbench import execution, kinds, patience
from tests.disturbing import N, ask, planned
from tests.services.preparing import fingerprint, make
from tests.workers import Killed

pytestmark = pytest.mark.django_db

State = Artifact.State


def test_workers_leave_what_the_foreground_leaves(study, undisturbed, workers):
    ask(study, workers)
    workers.work()
    assert fingerprint() == undisturbed


@pytest.mark.parametrize("seed", range(6))
def test_lost_repeated_and_late_messages_and_killed_workers_change_nothing(
    study, undisturbed, workers, monkeypatch, seed
):
    dice = Random(seed)
    real = storage.store_all

    def sometimes_killed(folder, files):
        # Before, after, or in the middle of writing the files of a batch.
        where = dice.random()
        if where < 0.1:
            real(folder, files[: len(files) // 2])
            raise Killed
        names = real(folder, files)
        if where > 0.93:
            raise Killed
        return names

    monkeypatch.setattr(storage, "store_all", sometimes_killed)
    monkeypatch.setattr(execution, "_give_back", lambda mark: None)
    monkeypatch.setattr(execution, "MAX_ATTEMPTS", 1000)
    for kind in ("prediction", "picture"):
        monkeypatch.setattr(kinds.get(kind), "batch", dice.choice([4, 16, 64]) if kind == "picture" else 64)
    ask(study, workers)
    workers.struggle(dice, rounds=60)
    monkeypatch.setattr(storage, "store_all", real)
    for _ in range(3):
        workers.let_leases_end()
        workers.work()
        workers.sweep()
    workers.work()
    assert fingerprint() == undisturbed


def test_two_workers_given_the_same_chunk_share_it(study):
    ids = planned(study, "predictions")
    assert execution.claim(ids[:60], "one").pks == set(ids[:60])
    assert execution.claim(ids, "other").pks == set(ids[60:])


def test_a_task_delivered_three_times_computes_each_result_once(study, undisturbed, workers, monkeypatch):
    computed = []
    for name in ("prediction", "picture"):
        kind, real = kinds.get(name), kinds.get(name).compute
        monkeypatch.setattr(kind, "compute", lambda r, x, real=real: (computed.extend(map(str, r)), real(r, x))[1])
    ask(study, workers)
    workers.work(times=3)
    assert fingerprint() == undisturbed
    assert len(computed) == len(set(computed)) == undisturbed["artifacts"]["done"]


def test_a_queue_that_is_down_when_asked_is_rung_when_it_is_back(study, undisturbed, workers):
    workers.reachable = False
    workbench.request(study)
    workers.sweep()
    assert study.state == Study.State.PREPARING
    workers.reachable = True
    workers.sweep()
    workers.work()
    assert fingerprint() == undisturbed


def test_a_queue_that_is_emptied_half_way_is_filled_again(study, undisturbed, workers):
    ask(study, workers)
    workers.answer()
    workers.answer()
    assert workers.messages
    workers.messages.clear()
    workers.sweep()
    workers.work()
    assert fingerprint() == undisturbed


def test_a_sweep_rings_for_nothing_while_messages_wait(study, workers):
    ask(study, workers)
    workers.answer()
    before = list(workers.messages)
    workers.sweep()
    assert workers.messages == before


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_down_for_a_while_is_waited_for(study, undisturbed, workers, monkeypatch):
    failures = iter([True, True, False] * 3)
    real = Artifact.objects.bulk_update

    def sometimes(*args, **kwargs):
        if next(failures, False):
            raise OperationalError("server closed the connection unexpectedly")
        return real(*args, **kwargs)

    monkeypatch.setattr(type(Artifact.objects), "bulk_update", lambda self, *a, **k: sometimes(*a, **k))
    monkeypatch.setattr(patience, "PAUSES", (0, 0, 0))
    ask(study, workers)
    workers.work()
    assert fingerprint() == undisturbed


def test_a_full_disk_is_said_and_costs_no_attempt(study, undisturbed, workers, monkeypatch):
    real, space = os.fsync, [150]

    def fsync(handle):
        space[0] -= 1
        if space[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    ask(study, workers)
    workers.answer()
    with pytest.raises(OSError, match="No space left"):
        workers.work()
    study.refresh_from_db()
    assert "No space left on device" in study.problem
    assert not Artifact.objects.filter(state=State.RUNNING).exists()
    assert not Artifact.objects.exclude(state=State.DONE).filter(attempts__gt=0).exists()
    assert not [name for name in storage.names("artifacts") if ".draft-" in name]
    space[0] = 1_000_000
    workers.sweep()
    workers.work()
    assert fingerprint() == undisturbed


def test_in_the_foreground_a_full_disk_ends_in_one_line_and_loses_nothing(study, undisturbed, monkeypatch):
    real = storage.store_all

    def full(folder, files):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage, "store_all", full)
    with pytest.raises(StudyError, match=r"nothing is lost: .*No space left on device"):
        workbench.prepare(study)
    monkeypatch.setattr(storage, "store_all", real)
    workbench.prepare(study)
    assert fingerprint() == undisturbed


def test_what_a_killed_process_of_this_machine_held_is_rung_for_at_the_next_sweep(study, undisturbed, workers):
    ask(study, workers)
    workers.answer()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ids = list(Artifact.objects.values_list("pk", flat=True))
    assert execution.claim(ids, f"{socket.gethostname()}:{gone.pid}").pks == set(ids)
    workers.messages.clear()
    workers.sweep()
    workers.work()
    assert fingerprint() == undisturbed


def test_called_off_and_begun_again_it_goes_on_where_it_stopped(study, undisturbed, workers):
    ask(study, workers)
    workers.answer()
    workers.answer()
    workbench.cancel(study)
    assert study.problem.startswith("its preparation was called off")
    done = Artifact.objects.filter(state=State.DONE).count()
    assert done > 0
    workers.work()
    study.refresh_from_db()
    assert study.state == Study.State.DRAFT
    assert Artifact.objects.filter(state=State.DONE).count() == done
    ask(study, workers)
    workers.work()
    assert fingerprint() == undisturbed


def test_called_off_within_a_chunk_the_worker_stops_after_its_batch(study, workers, monkeypatch):
    kind, real = kinds.get("prediction"), kinds.get("prediction").compute
    monkeypatch.setattr(kind, "batch", 10)

    def compute(recipes, loaded):
        workbench.cancel(Study.objects.get())
        return real(recipes, loaded)

    ask(study, workers)
    workers.answer()
    monkeypatch.setattr(kind, "compute", compute)
    workers.work()
    assert Artifact.objects.filter(state=State.DONE).count() == 10


def test_a_study_that_is_not_being_prepared_cannot_be_called_off(study):
    with pytest.raises(StudyError, match="is draft: it is not being prepared"):
        workbench.cancel(study)


def test_when_a_methods_version_rises_only_its_results_are_made_anew(study, undisturbed, workers, monkeypatch):
    ask(study, workers)
    workers.work()
    before = dict(Artifact.objects.values_list("digest", "finished_at"))
    monkeypatch.setattr(kinds.get("picture"), "version", 2)
    ask(study, workers)
    workers.work()
    made = Artifact.objects.exclude(digest__in=before)
    assert set(made.values_list("kind", flat=True)) == {"picture"}
    assert made.count() == undisturbed["stimuli"]
    assert all(
        before[d] == at for d, at in Artifact.objects.filter(digest__in=before).values_list("digest", "finished_at")
    )


def test_when_an_explainers_version_rises_only_explanations_are_made_anew(tmp_path, workers, monkeypatch):
    make(tmp_path, images=20)
    # Pictures so small are cut finely, so that an explanation has something to hide.
    cut = {"segmentation": "slic", "slic_segments": 16, "superpixels": 4}
    design = {"classifier": "small", "attack_step": 0.02, "lime_samples": 20, **cut}
    study = lifecycle.create_study(slug="attacked", protocol="adversarial_trials", design=design)
    ask(study, workers)
    workers.work()
    study.refresh_from_db()
    assert study.state == Study.State.READY, study.problem
    before = dict(Artifact.objects.values_list("digest", "finished_at"))
    monkeypatch.setattr(Lime, "version", Lime.version + 1)
    ask(study, workers)
    workers.work()
    made = Artifact.objects.exclude(digest__in=before)
    assert set(made.values_list("kind", flat=True)) == {"explanation"}
    assert made.count() == Artifact.objects.filter(kind="explanation").count() / 2
    assert before.items() <= dict(Artifact.objects.values_list("digest", "finished_at")).items()


def test_a_worker_whose_clock_is_an_hour_ahead_does_not_take_a_sweep_for_long_past(settings):
    """A sweep is dropped by who finds it when it has expired, by the clock of who finds it."""
    sweep = settings.CELERY_BEAT_SCHEDULE["sweep"]
    assert sweep["options"]["expires"] > 3600 + sweep["schedule"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_worker_whose_clock_is_wrong_takes_nothing_that_is_being_computed(study, workers, monkeypatch, hours):
    ask(study, workers)
    workers.answer()
    ids = list(Artifact.objects.values_list("pk", flat=True))
    real_time, real_now = time.time, timezone.now
    monkeypatch.setattr(time, "time", lambda: real_time() + hours * 3600)
    monkeypatch.setattr(timezone, "now", lambda: real_now() + timedelta(hours=hours))
    assert len(execution.claim(ids[:50], "wrong clock").pks) == 50
    monkeypatch.undo()
    assert execution.claim(ids[:50], "right clock").pks == set()


def test_a_lease_that_ran_out_is_taken_over(study, workers):
    ask(study, workers)
    workers.answer()
    ids = list(Artifact.objects.values_list("pk", flat=True))
    execution.claim(ids, "gone")
    workers.let_leases_end()
    assert execution.claim(ids[:1], "other").pks == {ids[0]}
    assert execution.claim(ids, "other").pks == set()


def test_a_chunk_hands_back_what_it_does_not_get_to(study, undisturbed, workers, monkeypatch):
    monkeypatch.setattr("studies.workbench.workers.DEADLINE_SECONDS", -1)
    ask(study, workers)
    workers.answer()
    workers.answer()
    assert not Artifact.objects.filter(state=State.DONE).exists()
    assert workers.messages
    monkeypatch.setattr("studies.workbench.workers.DEADLINE_SECONDS", 90)
    workers.work()
    assert fingerprint() == undisturbed


def test_slow_results_come_in_smaller_batches(study, monkeypatch):
    """So that a worker notices within half a minute or so that it was called off."""
    monkeypatch.setattr(execution, "BATCH_SECONDS", 0.2)
    kind, sizes = kinds.get("picture"), []

    def compute(recipes, loaded):
        sizes.append(len(recipes))
        time.sleep(0.02 * len(recipes))
        return (kinds.Result({}) for _ in recipes)

    monkeypatch.setattr(kind, "least", 4, raising=False)
    monkeypatch.setattr(kind, "batch", 32)
    monkeypatch.setattr(kind, "compute", compute)
    execution.work_off(planned(study, "pictures"))
    # The first two before anything is known, then as many as fit.
    assert sizes[:2] == [4, 4]
    assert all(4 <= size <= 10 for size in sizes[:-1])
    assert sum(sizes) == N


def test_a_bell_that_rings_for_a_study_that_is_ready_or_open_changes_nothing(study, undisturbed, workers):
    ask(study, workers)
    workers.work()
    prepared = Study.objects.values().get()
    workbench.replay(study.pk)
    assert Study.objects.values().get() == prepared
    study.refresh_from_db()
    lifecycle.open_study(study)
    workbench.replay(study.pk)
    workers.sweep()
    assert workers.messages == []
    assert Study.objects.get().state == Study.State.OPEN


def test_two_studies_that_need_the_same_are_both_finished(tmp_path, study, undisturbed, workers):
    other = lifecycle.create_study(slug="other", protocol="rectified_labeling", design={"classifier": "small"})
    ask(study, workers)
    workers.answer()
    ask(other, workers)
    workers.work()
    assert fingerprint() == undisturbed
    assert fingerprint("other")["state"] == "ready"
    assert fingerprint("other")["sha256"] == undisturbed["sha256"]

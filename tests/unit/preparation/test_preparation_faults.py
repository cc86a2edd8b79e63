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

from explainers import computations
from explainers.lime import Lime
from studies import lifecycle, preparation
from studies.jobs import leases
from studies.lib import database, storage
from studies.lib.errors import StudyError
from studies.models import Artifact, Study
from studies.preparation import execution
from studies.protocols.rectified_labeling import RectifiedLabeling
from tests.fake_queue import Killed, Workers
from tests.interrupted_preparation import N, ask, planned
from tests.services.preparing import fingerprint, make

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
    monkeypatch.setattr(leases, "MAX_ATTEMPTS", 1000)
    for kind in ("prediction", "picture"):
        monkeypatch.setattr(computations.get(kind), "batch", dice.choice([4, 16, 64]) if kind == "picture" else 64)
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
        kind, real = computations.get(name), computations.get(name).compute
        monkeypatch.setattr(kind, "compute", lambda r, x, real=real: (computed.extend(map(str, r)), real(r, x))[1])
    ask(study, workers)
    workers.work(times=3)
    assert fingerprint() == undisturbed
    assert len(computed) == len(set(computed)) == undisturbed["artifacts"]["done"]


def test_a_queue_that_is_down_when_asked_is_rung_when_it_is_back(study, undisturbed, workers):
    workers.reachable = False
    preparation.enqueue_preparation(study)
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
    monkeypatch.setattr(database, "PAUSES", (0, 0, 0))
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
        preparation.prepare(study)
    monkeypatch.setattr(storage, "store_all", real)
    preparation.prepare(study)
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
    preparation.cancel(study)
    assert study.problem.startswith("its preparation was cancelled")
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
    kind, real = computations.get("prediction"), computations.get("prediction").compute
    monkeypatch.setattr(kind, "batch", 10)

    def compute(recipes, loaded):
        preparation.cancel(Study.objects.get())
        return real(recipes, loaded)

    ask(study, workers)
    workers.answer()
    monkeypatch.setattr(kind, "compute", compute)
    workers.work()
    assert Artifact.objects.filter(state=State.DONE).count() == 10


def test_a_study_that_is_not_being_prepared_cannot_be_called_off(study):
    with pytest.raises(StudyError, match="is draft: it is not being prepared"):
        preparation.cancel(study)


class Meanwhile:
    """Has something done when a protocol has asked for all it needs, and before its stimuli are written."""

    def __init__(self, monkeypatch):
        self.what, real = None, RectifiedLabeling.stimuli

        def stimuli(protocol, design, bench):
            yield from real(protocol, design, bench)
            what, self.what = self.what, None
            if what:
                what(Study.objects.get())

        monkeypatch.setattr(RectifiedLabeling, "stimuli", stimuli)


def changed(study: Study) -> None:
    preparation.cancel(study)
    lifecycle.change_design(study, {**study.design, "sample": 3})


def asked_for_again(study: Study) -> None:
    changed(study)
    preparation.enqueue_preparation(study)


def prepared_by_another(study: Study) -> None:
    changed(study)
    preparation.prepare(study)


@pytest.mark.parametrize(
    ("meanwhile", "state", "stimuli"),
    [(preparation.cancel, "draft", 0), (changed, "draft", 0), (asked_for_again, "preparing", 0),
     (prepared_by_another, "ready", 3)],
)  # fmt: skip
@pytest.mark.parametrize("by_workers", [False, True])
def test_stimuli_of_a_design_that_was_changed_or_called_off_meanwhile_are_not_written(
    study, workers, monkeypatch, meanwhile, state, stimuli, by_workers
):
    interrupted = Meanwhile(monkeypatch)
    interrupted.what = meanwhile
    if by_workers:
        ask(study, workers)
        while interrupted.what:
            workers.answer()
    else:
        with pytest.raises(StudyError, match="was changed while it was prepared: prepare it again"):
            preparation.prepare(study)
    study.refresh_from_db()
    assert (study.state, study.stimuli.count()) == (state, stimuli)
    # What was asked for meanwhile is what is prepared in the end.
    workers.messages.append(("studies.tasks.prepare", study.pk))
    workers.work()
    assert study.stimuli.count() == (0 if state == "draft" else 3)


def test_two_who_prepare_the_same_design_leave_one_set_of_stimuli(study, undisturbed, monkeypatch):
    before = study.events.filter(what="prepared").count()
    Meanwhile(monkeypatch).what = preparation.prepare
    preparation.prepare(study)
    assert fingerprint() == undisturbed
    assert study.events.filter(what="prepared").count() == before + 1


def test_when_a_methods_version_rises_only_its_results_are_made_anew(study, undisturbed, workers, monkeypatch):
    ask(study, workers)
    workers.work()
    before = dict(Artifact.objects.values_list("digest", "finished_at"))
    monkeypatch.setattr(computations.get("picture"), "version", 2)
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
    assert {one.recipe["explainer"]["version"] for one in made} == {Lime.version}
    # Every attacked picture anew; which clean ones are explained beside them depends on what the explanations show.
    attacked = {one.files["picture"] for one in Artifact.objects.filter(kind="attack")}
    old = Artifact.objects.filter(kind="explanation", digest__in=before)
    explained = [{one.recipe["picture"] for one in rows if one.recipe["picture"] in attacked} for rows in (old, made)]
    assert explained[0] == explained[1] != set()
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


def handed_out(workers: Workers) -> list[int]:
    """The ids in all chunks that wait."""
    return sorted(pk for task, ids in workers.messages if task.endswith("compute") for pk in ids)


def test_a_chunk_hands_back_what_it_does_not_get_to(study, undisturbed, workers, monkeypatch):
    monkeypatch.setattr("studies.preparation.workers.DEADLINE_SECONDS", -1)
    ask(study, workers)
    workers.answer()
    everything = handed_out(workers)
    assert len(everything) == N
    # Whatever chunk it is whose time is over: all of it is handed out again, and nothing of it twice.
    for _ in range(3):
        workers.answer()
        assert handed_out(workers) == everything
    assert not Artifact.objects.filter(state=State.DONE).exists()
    monkeypatch.setattr("studies.preparation.workers.DEADLINE_SECONDS", 90)
    workers.work()
    assert fingerprint() == undisturbed


def test_work_that_is_cut_off_after_some_batches_hands_back_the_others(study, workers, monkeypatch):
    kind, real, clock = computations.get("prediction"), computations.get("prediction").compute, [0.0]
    monkeypatch.setattr(kind, "batch", 16)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def compute(recipes, loaded):
        clock[0] += 10
        return real(recipes, loaded)

    monkeypatch.setattr(kind, "compute", compute)
    ids = planned(study, "predictions")
    rest = execution.compute_pending(ids, until=25)
    done = Artifact.objects.filter(state=State.DONE)
    assert done.count() == 48  # three batches were begun before 25
    assert sorted([*rest, *done.values_list("pk", flat=True)]) == sorted(ids)
    assert not Artifact.objects.filter(state=State.RUNNING).exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, OSError])
def test_a_batch_that_is_interrupted_is_given_back_at_once_and_not_counted(study, monkeypatch, error):
    def interrupted(recipes, loaded):
        raise error

    monkeypatch.setattr(computations.get("prediction"), "compute", interrupted)
    ids = planned(study, "predictions")
    with pytest.raises(error):
        execution.compute_pending(ids)
    left = set(Artifact.objects.filter(pk__in=ids).values_list("state", "attempts", "leased_until"))
    assert left == {(State.PENDING, 0, None)}


def test_slow_results_come_in_smaller_batches(study, monkeypatch):
    """So that a worker notices within half a minute or so that it was cancelled."""
    monkeypatch.setattr(computations, "BATCH_SECONDS", 0.2)
    kind, sizes = computations.get("picture"), []

    def compute(recipes, loaded):
        sizes.append(len(recipes))
        time.sleep(0.02 * len(recipes))
        return (computations.ComputationResult({}) for _ in recipes)

    monkeypatch.setattr(kind, "least", 4, raising=False)
    monkeypatch.setattr(kind, "batch", 32)
    monkeypatch.setattr(kind, "compute", compute)
    execution.compute_pending(planned(study, "pictures"))
    # The first two before anything is known, then as many as fit.
    assert sizes[:2] == [4, 4]
    assert all(4 <= size <= 10 for size in sizes[:-1])
    assert sum(sizes) == N


def test_a_bell_that_rings_for_a_study_that_is_ready_or_open_changes_nothing(study, undisturbed, workers):
    ask(study, workers)
    workers.work()
    prepared = Study.objects.values().get()
    preparation.resume_preparation(study.pk)
    assert Study.objects.values().get() == prepared
    study.refresh_from_db()
    lifecycle.open_study(study, anyway=True)
    preparation.resume_preparation(study.pk)
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

"""An image that cannot be had is named with its reason; all others are kept, whatever they are computed beside."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from explainers import computations
from studies import lifecycle, preparation
from studies.models import Artifact, Image, Study
from studies.preparation import execution
from tests.fake_queue import Killed
from tests.interrupted_preparation import N, ask
from tests.services.preparing import MARKED, fingerprint, forget, make
from tests.small_networks import import_small

pytestmark = pytest.mark.django_db

State = Artifact.State


def test_one_unreadable_image_among_a_thousand_is_named_and_the_others_are_kept(tmp_path, workers):
    make(tmp_path, images=999)
    study = Study.objects.get()
    preparation.prepare(study)
    undisturbed = fingerprint()
    forget(study)
    image = Image.objects.get(path="bell/00003.png")
    file = Path(default_storage.path(image.file))
    whole = file.read_bytes()
    file.write_bytes(whole[:60])
    ask(study, workers)
    workers.work()
    study.refresh_from_db()
    assert study.state == Study.State.DRAFT
    assert study.problem.startswith(f"{image.path}: damaged or cut short")
    assert "more" not in study.problem
    done = dict(Artifact.objects.filter(kind="prediction", state=State.DONE).values_list("digest", "finished_at"))
    assert len(done) == 999
    file.write_bytes(whole)
    ask(study, workers)
    workers.work()
    assert fingerprint() == undisturbed
    assert done.items() <= dict(Artifact.objects.values_list("digest", "finished_at")).items()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("raising", "RuntimeError: cannot look at this"), ("nan", "not finite"), ("hanging", "no result after 2 seconds")],
)
def test_a_method_that_fails_on_one_image_fails_for_that_image_alone(tmp_path, workers, monkeypatch, fault, reason):
    monkeypatch.setattr(execution, "LEASE", timedelta(seconds=2))
    make(tmp_path, images=70, fault=fault)
    study = Study.objects.get()
    ask(study, workers)
    workers.work()
    study.refresh_from_db()
    assert study.state == Study.State.DRAFT
    assert study.problem.startswith(f"{MARKED}: ")
    assert reason in study.problem
    assert "more" not in study.problem
    assert Artifact.objects.filter(kind="prediction", state=State.DONE).count() == 70


def test_an_image_that_kills_its_workers_is_found_by_its_attempts(study, undisturbed, workers, monkeypatch):
    kind, real = computations.get("prediction"), computations.get("prediction").compute
    culprit = Image.objects.get(path=MARKED).sha256
    killed = []

    def compute(recipes, loaded):
        if any(recipe["image"] == culprit for recipe in recipes):
            killed.append(len(recipes))
            raise Killed
        return real(recipes, loaded)

    monkeypatch.setattr(kind, "compute", compute)
    monkeypatch.setattr(execution, "_give_back", lambda mark: None)
    ask(study, workers)
    workers.work_and_be_replaced(kills=3)
    study.refresh_from_db()
    # Together once, and then alone: so it is known which of them it was.
    assert killed == [N - 64, 1, 1]
    assert study.state == Study.State.DRAFT
    assert study.problem.startswith(f"{MARKED}: its worker crashed 3 times")
    assert "more" not in study.problem
    monkeypatch.setattr(kind, "compute", real)
    ask(study, workers)
    workers.work()
    assert fingerprint() == undisturbed


def test_neighbours_of_an_image_that_kills_its_workers_outlive_a_kill_of_their_own(study, workers, monkeypatch):
    """Every neighbour's worker is killed by chance as well, when it is tried alone for the first time."""
    kind, real = computations.get("prediction"), computations.get("prediction").compute
    culprit = Image.objects.get(path=MARKED).sha256
    unlucky = set()

    def compute(recipes, loaded):
        (first, *others) = [recipe["image"] for recipe in recipes]
        if culprit in (first, *others):
            raise Killed
        if not others and first not in unlucky:
            unlucky.add(first)
            raise Killed
        return real(recipes, loaded)

    monkeypatch.setattr(kind, "compute", compute)
    monkeypatch.setattr(execution, "_give_back", lambda mark: None)
    ask(study, workers)
    workers.work_and_be_replaced(kills=N)
    study.refresh_from_db()
    assert len(unlucky) == N - 64 - 1
    assert study.state == Study.State.DRAFT
    failed = Artifact.objects.filter(state=State.FAILED)
    assert [row.recipe["image"] for row in failed] == [culprit]


def test_a_worker_that_read_the_rows_long_ago_takes_no_crowd_of_which_one_may_be_deadly(study, workers):
    ask(study, workers)
    workers.answer()
    ids = list(Artifact.objects.values_list("pk", flat=True))
    for _ in range(5):
        execution.claim(ids[:50], "killed")
        workers.let_leases_end()
    assert execution.fail_exhausted() == 0
    assert set(Artifact.objects.filter(pk__in=ids[:50]).values_list("attempts", flat=True)) == {1}


def test_another_classifiers_results_are_its_own(tmp_path, study, workers):
    import_small("killer", "things", tmp_path, fault="raising")
    other = lifecycle.create_study(slug="other", protocol="rectified_labeling", design={"classifier": "killer"})
    ask(study, workers)
    ask(other, workers)
    workers.work()
    assert Study.objects.get(slug="study").state == Study.State.READY
    assert MARKED in Study.objects.get(slug="other").problem

"""A study's results computed by processes without Django are those that the workbench computes itself."""

import hashlib
import random
import time
from pathlib import Path

import pytest

import toybox
from explainers import computations
from explainers.cluster.work_list import stored_in, written
from studies import lifecycle, preparation
from studies.catalog.classifiers import import_classifier
from studies.catalog.importing.image_folders import import_images
from studies.models import Artifact, Classifier, Image, Study
from studies.preparation import cluster_work as preparing_work
from tests import cluster_work
from tests.services.preparing import fingerprint, forget, make

pytestmark = pytest.mark.django_db

State = Artifact.State
#: How often a process is killed; `python -m benchmarks.killed_shards` does so twenty times.
KILLS = 3
DESIGN = {
    "classifier": "toybox",
    "attack_step": 0.02,
    "lime_samples": 20,
    "segmentation": "slic",
    "slic_segments": 16,
    "superpixels": 4,
}


@pytest.fixture
def attacked(tmp_path) -> Study:
    """Drawn pictures, the network that is trained on them, and a study that needs every kind but selections."""
    toybox.draw(tmp_path / "drawn", images_per_class=2)
    import_images("toybox", tmp_path / "drawn")
    package = Path(toybox.__file__).parent
    import_classifier(
        "toybox",
        image_set="toybox",
        module=f"{package / 'network.py'}:toybox_net",
        checkpoint=package / "toybox.safetensors",
        preprocessing={"mean": list(toybox.MEAN), "std": list(toybox.STD)},
    )
    return lifecycle.create_study(slug="study", protocol="adversarial_trials", design=DESIGN)


def rounds(folder: Path, *, shards: int) -> list[str]:
    """List, compute so many shards and take, until nothing is left; the kinds of each round.  The first two rounds are
    computed by processes side by side, the others in this one."""
    kinds = []
    for number in range(20):
        work, out = folder / f"{number}.jsonl", folder / f"results-{number}"
        said = cluster_work.list_work("study", work)
        if not work.read_text():
            assert "Nothing is left to compute" in said
            return kinds
        assert "another round" in said
        kinds.append(said.partition("(")[2].partition(";")[0])
        parts = [f"{n}/{shards}" for n in range(1, shards + 1)]
        if number < 2:
            processes = [cluster_work.compute_process(work, out, part) for part in parts]
            for process in processes:
                _, errors = process.communicate(timeout=600)
                assert process.returncode == 0, errors
        else:
            assert [cluster_work.compute_here(work, out, part) for part in parts] == [0] * shards
        assert " 0 were here already" in cluster_work.take(out)
    raise AssertionError("it never ends")


def test_from_the_toybox_over_two_shards_to_the_stimuli_of_the_workbench_alone(attacked, tmp_path, monkeypatch):
    preparation.prepare(attacked)
    alone = fingerprint()
    assert alone["state"] == "ready"
    forget(attacked)
    kinds = rounds(tmp_path, shards=2)
    assert "prediction" in kinds[0]
    assert {"attack", "explanation", "picture", "prediction"} <= set(kinds)

    def computed_here(*_):
        raise AssertionError("the workbench computes what was taken")

    for name in computations.NAMES:
        monkeypatch.setattr(computations.get(name), "compute", computed_here)
    preparation.prepare(attacked)
    assert fingerprint() == alone


def test_a_selection_is_made_from_the_results_that_its_list_carries(tmp_path):
    make(tmp_path, images=29)
    bench = preparation.Bench()
    images = list(bench.images("small"))
    pool, method = bench.pool("all", images), {"method": "mmd_critic"}
    expected = bench.selection("small", pool, method, n_prototypes=3, n_criticisms=2)
    row = Artifact.objects.get(kind="selection")
    Artifact.objects.filter(pk=row.pk).update(state=State.PENDING, value=None)
    listed = preparing_work.work_of(Study.objects.get(), [row.pk])
    assert len(listed.known) == len(images)
    work = tmp_path / "work.jsonl"
    work.write_text("".join(f"{line}\n" for line in written(listed)))
    assert cluster_work.compute_here(work, tmp_path / "out") == 0
    assert "1 results taken" in cluster_work.take(tmp_path / "out")
    row.refresh_from_db()
    assert [images[i] for i in row.value["prototypes"]] == list(expected.prototypes)
    assert [images[i] for i in row.value["criticisms"]] == list(expected.criticisms)


def test_a_node_needs_only_the_files_that_were_copied_for_it(tmp_path):
    make(tmp_path, images=5)
    work, files = tmp_path / "work.jsonl", tmp_path / "files"
    cluster_work.list_work("study", work, "--files", str(files))
    copied = {path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file()}
    assert copied == {*Image.objects.values_list("file", flat=True), *stored_in(Classifier.objects.get().source)}
    moved = files.rename(tmp_path / "elsewhere")
    assert cluster_work.compute_here(work, tmp_path / "out") == 1
    assert cluster_work.compute_here(work, tmp_path / "out", "1/1", "--files", str(moved)) == 0
    assert "6 results taken, 0 were here already" in cluster_work.take(tmp_path / "out")


def test_what_needs_no_network_is_computed_here_where_that_is_wanted(tmp_path):
    make(tmp_path, images=5)
    work, out = tmp_path / "work.jsonl", tmp_path / "out"
    cluster_work.list_work("study", work, "--here")
    assert {line["recipe"]["kind"] for line in cluster_work.entries(work) if line["line"] == "recipe"} == {"prediction"}
    assert cluster_work.compute_here(work, out) == 0
    cluster_work.take(out)
    assert "Nothing is left to compute" in cluster_work.list_work("study", work, "--here")
    assert set(Artifact.objects.values_list("kind", "state")) == {("prediction", "done"), ("picture", "done")}


# --- interrupted ------------------------------------------------------------------------------------------------------


def bytes_of(out: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())}


def test_killed_at_random_a_shard_ends_with_the_same_bytes(tmp_path):
    make(tmp_path, images=299, fault="slow")
    work = tmp_path / "work.jsonl"
    cluster_work.list_work("study", work)
    assert cluster_work.compute_here(work, tmp_path / "whole") == 0
    out, dice = tmp_path / "killed", random.Random(0)
    for _ in range(KILLS):
        process = cluster_work.compute_process(work, out)
        index = out / "shard-1-of-1.jsonl"
        before = index.stat().st_size if index.exists() else 0
        until = time.monotonic() + 300
        # Once it is at work, at whatever it is at then.
        while process.poll() is None and time.monotonic() < until:
            if index.exists() and index.stat().st_size > before:
                time.sleep(dice.random() * 0.5)
                process.kill()
            time.sleep(0.01)
        process.communicate()
    assert cluster_work.compute_here(work, out) == 0
    assert bytes_of(out) == bytes_of(tmp_path / "whole")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.999])
def test_a_shard_that_was_cut_anywhere_goes_on_to_the_same_bytes(tmp_path, share):
    make(tmp_path, images=139)
    work, out = tmp_path / "work.jsonl", tmp_path / "out"
    cluster_work.list_work("study", work)
    assert cluster_work.compute_here(work, out) == 0
    whole = bytes_of(out)
    for path in out.iterdir():
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        assert cluster_work.compute_here(work, out) == 0
        assert bytes_of(out) == whole

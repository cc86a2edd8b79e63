"""The bench gives protocols plain values, remembers each of them, and computes nothing twice."""

import os
import socket
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest
import torch
from django.utils import timezone

from explainers.computations import arrays, inputs
from explainers.images import load, to_tensor
from studies.lib import storage
from studies.models import Artifact, Classifier, Image, Study
from studies.preparation import Bench, PreparationFailed, execution
from studies.preparation.values import CandidatePool
from studies.protocols import DesignError
from tests.factories import make_image_set
from tests.small_networks import import_small

pytestmark = pytest.mark.django_db

IFGSM = {"method": "ifgsm", "parameters": {"step": 0.005, "max_steps": 3, "unit": "pixel"}}
LIME = {"method": "lime", "parameters": {"n_samples": 40, "segmentation": "slic", "slic_n_segments": 12}}


@pytest.fixture
def net(tmp_path) -> str:
    return import_small("net", make_image_set("things", n_images=18).name, tmp_path).name


@pytest.fixture
def bench() -> Bench:
    return Bench()


def pools(bench: Bench, net: str) -> list[CandidatePool]:
    return [
        CandidatePool(name, tuple(image for image in bench.images(net) if image.label == label))
        for label, name in enumerate(bench.class_names(net))
    ]


def test_what_was_computed_is_only_looked_up(bench, net):
    first = list(bench.predictions(net, bench.images(net)))
    rows = list(Artifact.objects.values())
    assert list(Bench().predictions(net, bench.images(net))) == first
    assert list(Artifact.objects.values()) == rows


def test_an_attack_says_what_people_see_and_keeps_the_exact_tensor(bench, net):
    attacks = list(bench.attacks(net, bench.images(net), IFGSM))
    assert [a.image for a in attacks] == list(bench.images(net))
    assert {a.fools_as_displayed for a in attacks} == {True, False}
    for attack in attacks:
        picture, exact = load(storage.read(attack.picture.file)), arrays.read(storage.read(attack.exact_file))
        assert (attack.picture.width, attack.picture.height) == (32, 32)
        assert np.abs(picture.transpose(2, 0, 1) / 255 - exact).max() <= 0.5 / 255 + 1e-6
        assert attack.fools_as_displayed == (attack.label != attack.image.label)


def decision(net: str, pixels: torch.Tensor) -> int:
    logits, *_ = inputs.classifier(Classifier.objects.get(name=net).digest).outputs(pixels)
    return int(logits.argmax())


@pytest.mark.parametrize(("fault", "step"), [("none", 0.005), ("between", 0.3 / 255)])
def test_each_verdict_on_an_attack_is_the_classifiers_when_it_is_asked_again(bench, tmp_path, fault, step):
    net = import_small(fault, make_image_set("things", n_images=9).name, tmp_path, fault=fault).name
    ways = set()
    method = {"method": "ifgsm", "parameters": {"step": step, "max_steps": 1, "unit": "pixel"}}
    for attack in bench.attacks(net, bench.images(net), method):
        displayed = decision(net, to_tensor([load(storage.read(attack.picture.file))]))
        exact = decision(net, torch.from_numpy(arrays.read(storage.read(attack.exact_file)))[None])
        assert (attack.label, attack.exact_label) == (displayed, exact)
        fooled = displayed != attack.image.label, exact != attack.image.label
        assert (attack.fools_as_displayed, attack.fools_exactly) == fooled
        ways.add(fooled)
    # What lies between two levels fools exactly and is gone in the display.
    assert ((False, True) in ways) is (fault == "between")


def test_an_explanation_shows_superpixels_of_the_picture_it_explains(bench, net):
    attacks = list(bench.attacks(net, bench.images(net), IFGSM))[:4]
    questions = [(a.picture, a.label) for a in attacks]
    for attack, explanation in zip(attacks, bench.explanations(net, questions, LIME, n_shown=3), strict=True):
        assert (explanation.image, explanation.label) == (attack.image, attack.label)
        picture, shown = load(storage.read(attack.picture.file)), load(storage.read(explanation.picture.file))
        segments = arrays.read(storage.read(explanation.segments_file))
        visible = (shown == picture).all(2)
        assert len(explanation.coefficients) == segments.max() + 1
        assert explanation.n_positive == sum(c > 0 for c in explanation.coefficients)
        kept = {int(s) for s in np.unique(segments) if visible[segments == s].all()}
        assert len(kept) == min(3, explanation.n_positive)


def test_a_difference_shows_what_an_attack_changed(bench, net):
    images = list(bench.images(net))
    pictures, attacks = list(bench.pictures(net, images)), list(bench.attacks(net, images, IFGSM))
    pairs = [(picture, attack.picture) for picture, attack in zip(pictures, attacks, strict=True)]
    for (before, after), drawn in zip(pairs, bench.differences(pairs, times=10), strict=True):
        change = load(storage.read(after.file)).astype(int) - load(storage.read(before.file))
        assert (load(storage.read(drawn.file)) == np.clip(128 + 10 * change, 0, 255)).all()
        assert (drawn.image, drawn.width, drawn.height) == (before.image, 32, 32)
        assert change.any()


def test_explanations_of_one_picture_for_two_labels_are_two(bench, net):
    picture = next(iter(bench.pictures(net, list(bench.images(net))[:1])))
    one, other = bench.explanations(net, [(picture, 0), (picture, 1)], LIME)
    assert one.coefficients != other.coefficients


@pytest.mark.parametrize("method", ["random", "mmd_critic"])
def test_selections_choose_from_each_pool(bench, net, method):
    chosen = list(bench.selections(net, pools(bench, net), {"method": method}, n_prototypes=2, n_criticisms=1))
    for pool, selection in zip(pools(bench, net), chosen, strict=True):
        assert selection.pool == pool
        assert len({*selection.prototypes, *selection.criticisms}) == 3
        assert {*selection.prototypes, *selection.criticisms} <= set(pool.images)


def test_a_selector_by_probability_reads_the_predictions_of_its_pool(bench, net):
    pool = CandidatePool("all", tuple(bench.images(net)))
    known = {p.image: p.true_probability for p in bench.predictions(net, pool.images)}
    middle = sorted(known.values())[9]
    method = {"method": "probability", "parameters": {"above": middle, "below": middle}}
    chosen = bench.selection(net, pool, method, n_prototypes=3, n_criticisms=3)
    assert all(known[image] > middle for image in chosen.prototypes)
    assert all(known[image] < middle for image in chosen.criticisms)
    assert (chosen.prototype_pool, chosen.criticism_pool) == (8, 9)


def test_a_selector_by_resistance_reads_the_attacks_of_its_pool(bench, net):
    pool = CandidatePool("all", tuple(bench.images(net)))
    known = {a.image: a.flip_step for a in bench.attacks(net, pool.images, IFGSM)}
    steps = list(known.values())
    chosen = bench.selection(
        net, pool, {"method": "adversarial"}, n_prototypes=steps.count(-1), n_criticisms=steps.count(1), attack=IFGSM
    )
    assert {known[image] for image in chosen.prototypes} <= {-1}
    assert {known[image] for image in chosen.criticisms} <= {1}
    assert (chosen.prototype_pool, chosen.criticism_pool) == (steps.count(-1), steps.count(1))
    assert -1 in steps
    assert 1 in steps


def test_a_pool_that_is_too_small_is_named_with_its_class_and_size(bench, net):
    with pytest.raises(PreparationFailed, match=r"class '\w+': 7 prototypes are wanted .* there are 6"):
        bench.selection(net, pools(bench, net)[0], {"method": "random"}, n_prototypes=7, n_criticisms=0)


def test_a_selector_that_goes_by_an_attack_needs_one(bench, net):
    with pytest.raises(DesignError, match="goes by an attack"):
        bench.selection(net, pools(bench, net)[0], {"method": "adversarial"}, n_prototypes=1, n_criticisms=0)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"method": "fgsm_typo"}, "no attack is called 'fgsm_typo'"),
        ({"method": "ifgsm", "parameters": {"epsilon": 1}}, "no parameter 'epsilon'"),
        ({"method": "ifgsm", "version": 99, "parameters": {}}, "the recipe wants 99"),
    ],
)
def test_a_method_that_is_not_there_is_refused_in_one_line(bench, net, method, said):
    with pytest.raises(DesignError, match=said):
        list(bench.attacks(net, bench.images(net), method))
    assert not Artifact.objects.exists()


def test_the_bytes_do_not_depend_on_what_is_computed_beside(bench, net):
    """In one go; then each alone, in the opposite order."""

    def everything(images) -> None:
        attacks = list(bench.attacks(net, images, IFGSM))
        list(bench.predictions(net, images))
        list(bench.explanations(net, [(a.picture, a.label) for a in attacks], LIME))
        pictures = bench.pictures(net, images)
        list(bench.differences([(p, a.picture) for p, a in zip(pictures, attacks, strict=True)]))

    everything(list(bench.images(net)))
    fields = ("digest", "value", "files")
    together = sorted(map(repr, Artifact.objects.values_list(*fields)))
    Artifact.objects.all().delete()
    for image in reversed(list(bench.images(net))):
        everything([image])
    assert sorted(map(repr, Artifact.objects.values_list(*fields))) == together


def test_two_who_plan_the_same_at_once_share_its_rows(bench, net, monkeypatch):
    real = type(Artifact.objects).bulk_create

    def another_was_faster(manager, rows, **options):
        monkeypatch.undo()
        real(manager, [Artifact(digest=row.digest, kind=row.kind, recipe=row.recipe) for row in rows[:9]])
        return real(manager, rows, **options)

    monkeypatch.setattr(type(Artifact.objects), "bulk_create", another_was_faster)
    assert len(list(bench.predictions(net, bench.images(net)))) == 18
    assert Artifact.objects.filter(state=Artifact.State.DONE).count() == Artifact.objects.count() == 18


def test_the_first_failures_are_named_in_order_and_the_others_counted(bench, net):
    rows = list(Image.objects.order_by("label", "path"))
    for row in rows[4:11]:
        storage.delete(row.file)
    with pytest.raises(PreparationFailed) as failed:
        list(bench.predictions(net, bench.images(net)))
    lines = [f"{row.path}: its file {row.file} is gone from the storage" for row in rows[4:9]]
    assert failed.value.failures == lines
    assert str(failed.value) == "; ".join(lines) + " (and 2 more)"
    assert Artifact.objects.filter(state=Artifact.State.DONE).count() == 11


def test_a_study_keeps_what_it_asked_for(net):
    study = Study.objects.create(slug="s", protocol="rectified_labeling", protocol_version=1, state="preparing")
    list(Bench(study).predictions(net, Bench().images(net)))
    assert study.artifacts.count() == 18


def test_what_a_killed_process_of_this_machine_held_is_taken_over_at_once(bench, net):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    list(bench.predictions(net, bench.images(net)))
    before = dict(Artifact.objects.values_list("digest", "value"))
    mark = f"{socket.gethostname()}:{process.pid}:1"
    later = timezone.now() + timedelta(hours=1)
    Artifact.objects.update(state=Artifact.State.RUNNING, worker=mark, leased_until=later, attempts=1, value=None)
    assert len(list(bench.predictions(net, bench.images(net)))) == 18
    assert dict(Artifact.objects.values_list("digest", "value")) == before


def test_what_a_living_process_holds_is_left_to_it(bench, net):
    list(bench.predictions(net, bench.images(net)))
    mark, later = f"{socket.gethostname()}:{os.getpid()}:1", timezone.now() + timedelta(hours=1)
    Artifact.objects.update(state=Artifact.State.RUNNING, worker=mark, leased_until=later)
    assert execution.reclaim_from_dead_processes(list(Artifact.objects.values_list("pk", flat=True))) == 0


@pytest.mark.parametrize(
    ("flip_step", "fools_as_displayed", "counted"),
    [(-1, False, -1), (-1, True, 11), (0, True, 0), (1, True, 1), (3, False, 3)],
)
def test_what_only_rounding_flips_is_neither_prototype_nor_criticism(flip_step, fools_as_displayed, counted):
    from explainers.computations.selection import _COLUMNS

    row = Artifact(
        value={"flip_step": flip_step, "fools_as_displayed": fools_as_displayed},
        recipe={"attack": {"parameters": {"max_steps": 10}}},
    )
    assert _COLUMNS["flip_step"][1]([row]).tolist() == [counted]

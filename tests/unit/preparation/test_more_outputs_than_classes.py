"""Twenty of ImageNet's thousand classes, judged by a network of torchvision with weights made here, from end to end."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from django.core.management import call_command
from django.urls import reverse
from torchvision import models

from explainers import images
from explainers.classifiers import ImageClassifier as Network
from explainers.images import encode_png
from studies import lifecycle, preparation
from studies.catalog import evaluation, imagenet
from studies.export import export, recompute
from studies.models import Classifier, Image, ImageSet, Study
from studies.planning import estimates
from studies.results import figures
from tests.factories import simulated_rows
from tests.fake_queue import Workers
from tests.logged_in_users import researcher, text

pytestmark = pytest.mark.django_db(transaction=True)

#: Every fiftieth class; in each, six images that the network gets right and two that it does not.
CLASSES = imagenet.classes()[::50]
RIGHT, WRONG = 6, 2
#: Which output after that of a class is like it.
LIKE = 7
NAMES = {one.wordnet_id for one in CLASSES}


def picture(seed: int) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((8, 8, 1), dtype=np.uint8))


def answer(k: int, i: int) -> int:
    """The output that the network is made to give image i of class k; of the last two one has no class."""
    if i < RIGHT:
        return CLASSES[k].output
    return CLASSES[k].output + 3 if i == RIGHT else CLASSES[k - 1].output


@cache
def weights() -> dict[str, torch.Tensor]:
    """The state of the network, made once."""
    entry = models.get_model_weights("resnet18").IMAGENET1K_V1
    torch.manual_seed(0)
    network = models.resnet18()
    places = [(k, i) for k in range(len(CLASSES)) for i in range(RIGHT + WRONG)]
    fit(network, entry, [picture(100 * k + i) for k, i in places], [answer(*place) for place in places])
    return network.state_dict()


@pytest.fixture
def classifier(tmp_path, monkeypatch) -> Classifier:
    """Imported by its name, from the cache, where its weights lie as torchvision would have left them."""
    for k, one in enumerate(CLASSES):
        for i in range(RIGHT + WRONG):
            path = tmp_path / "val" / one.wordnet_id / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_png(picture(100 * k + i)))
    entry = models.get_model_weights("resnet18").IMAGENET1K_V1
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    cached = tmp_path / "cache" / "hub" / "checkpoints" / Path(entry.url).name
    cached.parent.mkdir(parents=True)
    torch.save(weights(), cached)
    call_command("import_images", "imagenet", tmp_path / "val")
    call_command("import_classifier", "net", images="imagenet", torchvision="resnet18", resize=32, crop=32)
    return Classifier.objects.get()


def fit(network: torch.nn.Module, entry, pictures: list[np.ndarray], answers: list[int]) -> None:
    """Give the last layer the weights with which the random layers below give these pictures these answers."""
    preset = entry.transforms()
    asked = Network(network, mean=preset.mean, std=preset.std)
    _, hidden = asked.predict(images.to_tensor(pictures))
    features = torch.cat([hidden, torch.ones(len(hidden), 1)], dim=1).double()
    wanted = 20 * torch.nn.functional.one_hot(torch.tensor(answers), 1000).double()
    weights = torch.linalg.lstsq(features, wanted, driver="gelsd").solution
    # Beside each class an output that is like it, but for a direction in which the pictures do not differ: attacked, an
    # image is taken for it.
    _, _, directions = torch.linalg.svd(features, full_matrices=True)
    for k, one in enumerate(CLASSES):
        own = weights[:, one.output]
        weights[:, one.output + LIKE] = 0.8 * own + 5 * own.norm() * directions[len(features) + k]
    with torch.no_grad():
        network.fc.weight.copy_(weights[:-1].T)
        network.fc.bias.copy_(weights[-1])


def study(protocol: str, **design) -> Study:
    made = lifecycle.create_study(slug="study", protocol=protocol, design={"classifier": "net", **design})
    preparation.prepare(made)
    return made


def truths(made: Study, name: str) -> list:
    return list(made.stimuli.main().order_by("number").values_list(f"truth__{name}", flat=True))


def test_the_folders_find_their_outputs_and_all_others_have_names(classifier, capsys):
    assert classifier.class_mapping["classes"] == [one.output for one in CLASSES]
    assert classifier.n_outputs == 1000
    bench = preparation.Bench()
    names = bench.class_names("net")
    assert [names[label] for label in bench.class_labels("net")] == [one.wordnet_id for one in CLASSES]
    assert (names[1], bench.class_titles("net")[0]) == ("goldfish", "tench")
    for prediction in bench.predictions("net", bench.images("net")):
        k, i = sorted(NAMES).index(prediction.image.path.split("/")[0]), int(prediction.image.path[-5])
        assert prediction.image.label == CLASSES[k].output
        assert prediction.top[0].label == answer(k, i)
        assert (prediction.true_probability > 0.5) == (i < RIGHT)


def test_a_rectified_study_goes_from_design_to_a_recomputed_export(classifier, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")
    made = study("rectified_labeling", gold=4, practice=2)
    labels = truths(made, "label")
    assert len(labels) == 2 * len(CLASSES)
    without_class = [label for label in labels if label not in NAMES]
    assert sorted(without_class) == sorted(imagenet.classes()[one.output + 3].name for one in CLASSES)
    assert set(truths(made, "true_label")) == NAMES
    asked = {spec.truth["label"]: spec.shown["ask"] for spec in made.stimuli.main()}
    assert asked["tiger shark"] == "tiger shark"
    assert asked["n01440764"] == "tench"
    lifecycle.open_study(made, anyway=True)
    simulated_rows(made)
    export.write(made, tmp_path / "export")
    rows = list(csv.DictReader((tmp_path / "export" / "stimuli.csv").open(encoding="utf-8-sig")))
    assert set(without_class) <= {row["label"] for row in rows}
    assert recompute.main(tmp_path / "export") == 0, capsys.readouterr().out


def test_five_guesses_may_all_be_without_a_class(classifier):
    made = study("rectified_labeling", top_k=5, asking="each_label", gold=2)
    asked = truths(made, "label")
    assert len(asked) == 5 * 2 * len(CLASSES)
    assert len(set(asked) - NAMES) >= len(CLASSES)


def test_attacked_images_are_asked_about_with_whatever_output_they_fool_into(classifier):
    attack = {"attack_step": 0.5, "attack_steps": 3, "classes": sorted(NAMES)[:2]}
    lime = {"lime_samples": 20, "segmentation": "slic", "slic_segments": 12, "superpixels": 3}
    made = study("adversarial_trials", **attack, **lime)
    assert set(truths(made, "label")) - NAMES
    assert set(truths(made, "true_label")) <= set(sorted(NAMES)[:2])
    assert made.preparation["images"] == 2 * (RIGHT + WRONG)


def test_rounds_are_of_the_classes_alone(classifier):
    conditions = ["mmd-prototypes", "random"]
    made = study("class_assignment", rounds=6, conditions=conditions, drawing="confusion", names="classes")
    assert {name for classes in truths(made, "classes") for name in classes} <= NAMES
    titles = {one.name for one in CLASSES}
    assert {group["title"] for one in made.stimuli.main() for group in one.shown["groups"]} <= titles


def test_an_attribute_is_looked_for_in_a_class(classifier):
    made = study("attribute_annotation", class_name=CLASSES[3].wordnet_id, images=2, selection="mmd")
    assert set(truths(made, "label")) == {CLASSES[3].wordnet_id}


def test_the_check_page_names_outputs_without_a_class(classifier, monkeypatch):
    workers = Workers(monkeypatch)
    check = evaluation.request_evaluation(classifier)
    workers.work()
    check.refresh_from_db()
    assert (check.result["right"], check.result["images"]) == (RIGHT * len(CLASSES), 8 * len(CLASSES))
    page = researcher().get(reverse("admin:studies_classifier_check", args=[classifier.pk]))
    assert "taken for" in text(page).casefold()
    taken = {pair["predicted"] for pair in page.context["worst"]}
    assert taken - {one.name for one in CLASSES}
    assert {one["name"] for one in page.context["matrix"]["rows"]} <= {one.name for one in CLASSES}
    assert sum(one["other"] for one in page.context["matrix"]["rows"]) > 0
    known = estimates.known("net", seen=Classifier.objects.all())
    assert known.wrong == dict.fromkeys(NAMES, WRONG)
    words = text(researcher().get(reverse("admin:studies_classifier_change", args=[classifier.pk])))
    assert "980 outputs without a class here may be predicted and asked about" in words
    assert f"{CLASSES[1].output} · {CLASSES[1].name}" in words


def test_one_image_set_serves_networks_with_other_outputs(classifier, tmp_path):
    """The digest covers the mapping, so that results of two mappings are never taken for each other's."""
    outputs = tmp_path / "shifted.csv"
    lines = [f"{one.wordnet_id},{one.output + 1}" for one in CLASSES]
    outputs.write_text("\n".join(["class,index", *lines]))
    options = {"torchvision": "resnet18", "resize": 32, "crop": 32}
    call_command("import_classifier", "shifted", images="imagenet", **options, outputs=str(outputs))
    other = Classifier.objects.get(name="shifted")
    assert other.digest != classifier.digest
    assert other.state_digest == classifier.state_digest
    first = next(iter(preparation.Bench().images("shifted")))
    assert first.label == CLASSES[0].output + 1
    assert (Image.objects.count(), ImageSet.objects.count()) == (160, 1)

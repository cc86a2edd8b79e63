"""Explanations measured by numbers: computed once, remembered, resumed; and what cannot be measured is one line."""

import json

import numpy as np
import pytest
import torch
from django.core.management import CommandError, call_command

from explainers import base, images, measures
from explainers.computations import inputs
from studies import tasks
from studies.catalog.explanations import job
from studies.catalog.explanations.request import GROUPS, MEASURES, MeasurementRequest
from studies.lib import storage
from studies.models import Artifact, Classifier, ExplanationMeasurement, Image, ImageObject
from tests.factories import delete_all_unused, make_image_set
from tests.fake_queue import Workers
from tests.small_networks import import_small, marked_picture

pytestmark = pytest.mark.django_db(transaction=True)

SMOOTH, GRADIENT = "smoothgrad:n_samples=3", "integrated_gradients:n_steps=4"
EXPLAINERS = f"{SMOOTH},{GRADIENT}"


@pytest.fixture
def classifier(tmp_path) -> Classifier:
    """Of twelve images, each with an object of its class, and every second one with another."""
    image_set = make_image_set("things", n_images=12)
    for n, image in enumerate(image_set.images.order_by("path")):
        ImageObject.objects.create(image=image, label=image.label, x0=4, y0=6, x1=24, y1=20)
        if n % 2:
            ImageObject.objects.create(image=image, label=(image.label + 1) % 3, x0=20, y0=2, x1=30, y1=9.5)
    return import_small("net", image_set.name, tmp_path)


@pytest.fixture
def workers(monkeypatch) -> Workers:
    return Workers(monkeypatch)


def measured(tmp_path, *options: str, explainers: str = EXPLAINERS, sample: int = 8) -> dict:
    """The JSON that the command writes."""
    out = tmp_path / "out.json"
    call_command(
        "measure_explanations", "net", f"--explainers={explainers}", f"--sample={sample}", f"--json={out}", *options
    )
    return json.loads(out.read_text())


def refusal(*arguments: str) -> str:
    """The one line a command refuses with, having asked for nothing."""
    with pytest.raises(CommandError) as caught:
        call_command("measure_explanations", *arguments)
    assert not ExplanationMeasurement.objects.exists()
    assert not Artifact.objects.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_measure_of_every_explainer_with_its_interval_and_paired_differences(classifier, tmp_path, capsys):
    result = measured(tmp_path, "--figures", str(tmp_path / "figures"))
    assert set(result["measures"]) == set(MEASURES)
    assert list(result["methods"]) == [SMOOTH, GRADIENT, "centre"]
    for key in MEASURES:
        mean = result["methods"][GRADIENT]["measures"][key]
        assert mean["low"] <= mean["estimate"] <= mean["high"]
        assert mean["n"] == 8
        assert set(result["values"][GRADIENT][key]) <= set(Image.objects.values_list("path", flat=True))
        assert np.mean(list(result["values"][GRADIENT][key].values())) == pytest.approx(mean["estimate"])
    assert "completeness_gap" not in result["methods"][SMOOTH]["measures"]
    assert set(result["methods"]["centre"]["measures"]) == {*GROUPS["pointing"], *GROUPS["localisation"]}
    (difference,) = (
        one
        for one in result["differences"]
        if (one["measure"], one["first"], one["second"]) == ("deletion", SMOOTH, GRADIENT)
    )
    first, second = (result["values"][name]["deletion"] for name in (SMOOTH, GRADIENT))
    assert difference["estimate"] == pytest.approx(np.mean([second[path] - first[path] for path in first]))
    # Only a method that draws at random depends on the seed.
    assert result["methods"][GRADIENT]["measures"]["seed_sensitivity"]["high"] == 0
    assert result["methods"][SMOOTH]["measures"]["seed_sensitivity"]["low"] > 0
    drawn = {file.name for file in (tmp_path / "figures").iterdir()}
    assert drawn == {"pointing.svg", "deletion.svg", "insertion.svg", "rank-correlation.svg", "ssim.svg"}
    printed = capsys.readouterr().out
    assert "Pointing game ↑" in printed
    assert "8 images of things." in printed


def test_the_values_are_those_of_the_functions(classifier, tmp_path):
    """Pointing, boxes and curves of one explainer, computed again from the picture."""
    result = measured(tmp_path, explainers="gradients", sample=4)
    network = inputs.classifier(classifier.digest)
    method = base.get("explainer", "gradients")()
    values = result["values"]["gradients"]
    for path in values["deletion"]:
        image = Image.objects.get(path=path)
        picture = images.to_tensor([images.load(storage.read(image.file))])
        top = network(picture)[0].argsort(descending=True).tolist()
        maps = {label: method.explain(network, picture, torch.tensor([label]), seeds=[0])[0].values for label in top}
        boxes = {label: [one.box for one in image.annotated_objects.filter(label=label)] for label in top}
        hits = [
            measures.pointing_hit(maps[label], boxes[label][0], tolerance=round(0.03 * 32, 2))
            for label in top
            if boxes[label]
        ]
        assert values["pointing_game"][path] == pytest.approx(np.mean(hits))
        overlap = measures.iou(measures.bounding_box(maps[image.label]), boxes[image.label][0])
        assert values["top1_localisation_error"][path] == float(top[0] != image.label or overlap < 0.5)
        assert values["top5_localisation_error"][path] == float(overlap < 0.5)
        grey = torch.full_like(picture[0], 128 / 255)
        curve = measures.curve(network, picture[0], top[0], maps[top[0]], n_steps=32, fill=grey)
        assert values["deletion"][path] == pytest.approx(float(curve.mean()), abs=1e-6)


def test_what_is_remembered_is_not_computed_again(classifier, tmp_path):
    first = measured(tmp_path)
    before = set(Artifact.objects.values_list("pk", "finished_at"))
    delete_all_unused()
    assert measured(tmp_path) == first
    assert set(Artifact.objects.values_list("pk", "finished_at")) == before
    more = measured(tmp_path, sample=9)
    assert before < set(Artifact.objects.values_list("pk", "finished_at"))
    shared = set(first["values"][SMOOTH]["deletion"]) & set(more["values"][SMOOTH]["deletion"])
    assert len(shared) > 4
    for path in shared:
        assert first["values"][SMOOTH]["deletion"][path] == more["values"][SMOOTH]["deletion"][path]


def test_a_worker_whose_turn_ends_goes_on_where_it_stopped(classifier, tmp_path, workers, monkeypatch):
    request = MeasurementRequest(("gradients",), 6, measures=("pointing", "seed"))
    monkeypatch.setattr(job, "TURN_SECONDS", -1)
    measurement = job.request_measurement(classifier, request)
    workers.answer()
    measurement.refresh_from_db()
    assert measurement.state == "running"
    assert workers.messages
    monkeypatch.setattr(job, "TURN_SECONDS", 90)
    workers.work()
    measurement.refresh_from_db()
    assert (measurement.state, measurement.problem) == ("done", "")
    assert measurement.done == measurement.total > 0
    seen = measured(tmp_path, "--measures=pointing,seed", explainers="gradients", sample=6)
    assert seen == measurement.result


def test_a_worker_that_was_killed_is_replaced(classifier, workers):
    job.request_measurement(classifier, MeasurementRequest(("gradients",), 6, measures=("seed",)))
    workers.messages.clear()
    workers.sweep()
    tasks.sweep()
    workers.work()
    assert ExplanationMeasurement.objects.get().state == "done"


def test_an_image_that_cannot_be_explained_is_counted_and_the_others_are_measured(tmp_path, capsys):
    image_set = make_image_set("things", n_images=8)
    first = image_set.images.order_by("path").first()
    # Once it is imported, which tries it on photographs.
    import_small("net", "things", tmp_path, fault="nan")
    file = storage.store("images", marked_picture(), ".png")
    Image.objects.filter(pk=first.pk).update(file=file)
    result = measured(tmp_path, "--measures=seed", explainers="gradients")
    assert result["unpredicted"] == 1
    assert result["methods"]["gradients"]["measures"]["seed_sensitivity"]["n"] == 7
    assert "1 images have no prediction and are left out" in capsys.readouterr().err


def test_an_explainer_that_fails_is_told_with_its_reason_and_the_others_are_measured(classifier, tmp_path, capsys):
    result = measured(tmp_path, "--measures=seed", explainers="gradcam:layer=none,gradients", sample=6)
    assert result["methods"]["gradcam:layer=none"]["failed"] == 6
    assert result["methods"]["gradcam:layer=none"]["measures"] == {}
    assert result["methods"]["gradients"]["measures"]["seed_sensitivity"]["n"] == 6
    assert "gradcam:layer=none: 6 results could not be computed:" in capsys.readouterr().err


def test_without_objects_the_other_measures_can_be_had(tmp_path):
    make_image_set("things", n_images=8)
    import_small("net", "things", tmp_path)
    result = measured(tmp_path, "--measures", "completeness,seconds", explainers=GRADIENT)
    assert set(result["methods"][GRADIENT]["measures"]) == {"completeness_gap", "seconds"}
    assert list(result["methods"]) == [GRADIENT]


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--explainers=saliency", "--sample=4"), "no explainer is called 'saliency'; there are "),
        (("--explainers=,", "--sample=4"), "no explainers are named; there are "),
        (("--explainers=gradients,gradients", "--sample=4"), "gradients is named twice"),
        (("--explainers=gradients:n=3", "--sample=4"), "gradients:n=3: gradients has no parameter 'n'; it has none"),
        (("--explainers=smoothgrad:n_samples", "--sample=4"), "a parameter is written NAME=VALUE, not 'n_samples'"),
        (("--explainers=smoothgrad:n_samples=x", "--sample=4"), "n_samples must be a whole number, not 'x'"),
        (("--explainers=smoothgrad:noise=NaN", "--sample=4"), "noise must be a finite number, not 'NaN'"),
        (("--explainers=smoothgrad:noise=1:noise=2", "--sample=4"), "noise is given twice"),
        (("--explainers=gradients", "--sample=0"), "--sample must be from 1 to 100,000, not 0"),
        (("--explainers=gradients", "--sample=4", "--seeds=1"), "--seeds must be from 2 to 100, not 1"),
        (("--explainers=gradients", "--sample=4", "--stages=0"), "--stages must be from 1 to 1,000, not 0"),
        (("--explainers=gradients", "--sample=4", "--tolerance=-1"), "--tolerance must be a number of pixels from 0"),
        (("--explainers=gradients", "--sample=4", "--tolerance=nan"), "--tolerance must be a number of pixels from 0"),
        (
            ("--explainers=gradients", "--sample=4", "--measures=beauty"),
            "no measure is called 'beauty'; there are poin",
        ),
        (("--explainers=gradients", "--sample=4", "--measures="), "no measures are named: pointing"),
        (
            ("--explainers=gradients", "--sample=4", "--json=/no/such/out.json"),
            "/no/such/out.json: its folder does not",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_line(classifier, options, why):
    assert why in refusal("net", *options)


def test_no_classifier_no_objects_and_no_images_are_one_line(tmp_path):
    asked = ("--explainers=gradients", "--sample=4")
    assert refusal("net", *asked) == "there is no classifier called net"
    image_set = make_image_set("things", n_images=6)
    import_small("net", "things", tmp_path)
    assert refusal("net", *asked) == (
        "the image set things has no annotated objects, which pointing and localisation need: import it with "
        "--objects, or leave these out: --measures faithfulness,seed,sanity,completeness,seconds"
    )
    image_set.images.all().delete()
    assert refusal("net", *asked) == "the image set things has no images"


def test_objects_that_no_image_has_of_its_own_class_are_one_line(tmp_path):
    image = make_image_set("things", n_images=6).images.order_by("path").first()
    ImageObject.objects.create(image=image, label=(image.label + 1) % 3, x0=4, y0=6, x1=24, y1=20)
    import_small("net", "things", tmp_path)
    with pytest.raises(CommandError, match="net: no image has an object of its own class in the classifier's picture"):
        call_command("measure_explanations", "net", "--explainers=gradients", "--sample=4")

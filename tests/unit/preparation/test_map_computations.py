"""The computations that measure explanations: a result follows from its recipe alone, as the functions give it."""

import numpy as np
import pytest
import torch

from explainers import base, computations, images, map_similarity
from explainers.cascade import cascade, layer_names
from explainers.computations import ComputationFailure, inputs
from explainers.computations.randomisation import stages
from studies.lib import storage
from studies.models import Image
from tests.factories import make_image_set
from tests.small_networks import import_small

pytestmark = pytest.mark.django_db

MORE = {
    "localisation": {"boxes": [(4, 6, 24, 20)], "tolerance": 1},
    "faithfulness": {"n_steps": 7},
    "seed_sensitivity": {"n_seeds": 2},
    "randomisation": {"n_stages": 2},
}


@pytest.fixture
def classifier(tmp_path):
    return import_small("net", make_image_set("things", n_images=6).name, tmp_path)


def recipes(kind: str, classifier, method: str = "smoothgrad", **parameters) -> list[dict]:
    explainer = base.get("explainer", method)(**parameters).recipe()
    return [
        computations.get(kind).recipe(image.sha256, number % 3, classifier.digest, explainer, seed=5, **MORE[kind])
        for number, image in enumerate(Image.objects.order_by("path"))
    ]


def computed(kind: str, some: list[dict]) -> list:
    computation = computations.get(kind)
    return list(computation.compute(some, computation.load(some)))


def numbers(value) -> list[float]:
    """Every number of a JSON value, in order."""
    if isinstance(value, dict):
        return [number for name in sorted(value) for number in numbers(value[name])]
    if isinstance(value, list):
        return [number for one in value for number in numbers(one)]
    return [float(value)] if isinstance(value, int | float) else []


@pytest.mark.parametrize("kind", MORE)
def test_a_result_does_not_depend_on_the_others_of_its_batch(classifier, kind):
    asked = recipes(kind, classifier, n_samples=3)
    assert len({computations.get(kind).batch_key(recipe) for recipe in asked}) == 1
    together = computed(kind, asked)
    alone = [computed(kind, [recipe])[0] for recipe in reversed(asked)][::-1]
    for one, other in zip(together, alone, strict=True):
        assert numbers(one.value) == pytest.approx(numbers(other.value), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("kind", MORE)
def test_an_image_that_is_gone_fails_alone(classifier, kind):
    asked = recipes(kind, classifier, "gradients")
    first = Image.objects.order_by("path").first()
    Image.objects.filter(pk=first.pk).delete()
    outcomes = computed(kind, asked)
    assert isinstance(outcomes[0], ComputationFailure)
    assert outcomes[0].reason == "the image is no longer in the catalogue"
    assert not any(isinstance(one, ComputationFailure) for one in outcomes[1:])


def test_other_settings_are_other_batches(classifier):
    for kind, setting in (("faithfulness", "n_steps"), ("seed_sensitivity", "n_seeds"), ("randomisation", "n_stages")):
        asked = recipes(kind, classifier, "gradients")[0]
        other = asked | {setting: asked[setting] + 1}
        assert computations.get(kind).batch_key(asked) != computations.get(kind).batch_key(other)


def test_the_sanity_check_compares_with_the_copies_of_the_cascade(classifier):
    asked = recipes("randomisation", classifier, "gradients")[:1]
    (outcome,) = computed("randomisation", asked)
    network, method = inputs.classifier(classifier.digest), base.get("explainer", "gradients")()
    image = Image.objects.order_by("path").first()
    picture = images.to_tensor([images.load(storage.read(image.file))])

    def map_of(one) -> np.ndarray:
        return method.explain(one, picture, torch.tensor([0]), seeds=[0])[0].values

    assert (
        [stage["layer"] for stage in outcome.value["stages"]]
        == layer_names(network)
        == [
            "network.linear",
            "network.conv",
        ]
    )
    for stage, (_, copy) in zip(outcome.value["stages"], cascade(network, 0), strict=True):
        before, after = map_of(network), map_of(copy)
        assert stage["rank_correlation"] == pytest.approx(map_similarity.rank_correlation(before, after), abs=1e-4)
        assert stage["ssim"] == pytest.approx(map_similarity.structural_similarity(before, after), abs=1e-4)
    assert outcome.value["stages"][-1]["share"] == 1


def test_stages_are_even_and_end_with_the_first_layer():
    assert stages(13, 4) == {4, 7, 10, 13}
    assert stages(3, 8) == {1, 2, 3}
    assert stages(1, 1) == {1}


def test_a_curve_begins_and_ends_with_the_pictures_it_is_between(classifier):
    asked = recipes("faithfulness", classifier, "gradients")
    for recipe, outcome in zip(asked, computed("faithfulness", asked), strict=True):
        network = inputs.classifier(classifier.digest)
        image = Image.objects.get(sha256=recipe["image"])
        picture = images.to_tensor([images.load(storage.read(image.file))])
        whole = float(network(picture).softmax(1)[0, recipe["label"]])
        grey = float(network(torch.full_like(picture, 128 / 255)).softmax(1)[0, recipe["label"]])
        deletion, insertion = outcome.value["deletion"], outcome.value["insertion"]
        assert len(deletion) == len(insertion) == 8
        assert (deletion[0], deletion[-1], insertion[-1]) == pytest.approx((whole, grey, whole), abs=1e-5)

"""What the literature reports of explanations, seen on the toybox's trained network."""

from pathlib import Path

import numpy as np
import pytest
import torch

import toybox
from explainers import images, map_similarity, measures
from explainers.base import get
from explainers.cascade import cascade, layer_names
from explainers.classifiers import from_module
from studies.analysis.image_means import image_mean, paired_difference
from toybox.scenes import scene

PACKAGE = Path(toybox.__file__).parent
#: 3% of the picture's side, as 15 pixels are of PASCAL VOC's 500.
TOLERANCE = 0.03 * 128


@pytest.fixture(scope="module")
def network():
    checkpoint = PACKAGE / "toybox.safetensors"
    return from_module(PACKAGE / "network.py", "toybox_net", checkpoint, mean=toybox.MEAN, std=toybox.STD)


def drawn(per_class: int) -> list:
    """Scenes of the image set, that the network has not learnt from."""
    numbers = [(index, number) for number in range(per_class) for index in range(len(toybox.CLASSES))]
    seeds = [[toybox.EVALUATION_SEED, index, number] for index, number in numbers]
    return [scene(toybox.CLASSES[seed[1]], np.random.default_rng(seed)) for seed in seeds]


def explained(name: str, network, pictures, labels) -> list[np.ndarray]:
    maps = get("explainer", name)().explain(network, pictures, labels, seeds=range(len(labels)))
    return [map_similarity.pixel_values(one) for one in maps]


def test_guided_backpropagation_fails_the_sanity_check_and_gradcam_passes_it(network):
    """Adebayo et al. 2018: guided backpropagation hardly changes as the higher layers become random; Grad-CAM does.

    Half of the layers are randomised, from the logits down. A map fails where the rank correlation stays above
    √½ = 0.71: then more than half of the ranks' variance is still the trained network's map. It passes below ½, where
    that is under a quarter.
    """
    pictures = images.to_tensor([one.picture for one in drawn(1)])
    labels = network(pictures).argmax(1)
    half = len(layer_names(network)) // 2
    *_, (_, randomised) = (one for _, one in zip(range(half), cascade(network, 0), strict=False))
    alike = {}
    for name in ("guided_backprop", "gradients", "gradcam"):
        pairs = zip(*(explained(name, one, pictures, labels) for one in (network, randomised)), strict=True)
        alike[name] = [map_similarity.rank_correlation(before, after) for before, after in pairs]
    assert image_mean(alike["guided_backprop"])["low"] > np.sqrt(0.5)
    assert image_mean(alike["gradcam"])["high"] < 0.5
    for passes in ("gradients", "gradcam"):
        less = paired_difference(dict(enumerate(alike[passes])), dict(enumerate(alike["guided_backprop"])))
        assert less["low"] > 0


def test_gradcam_points_better_than_the_centre_of_the_picture(network):
    """Of every object that can be seen; the interval of the paired difference lies above 0."""
    scenes = drawn(5)
    pictures = images.to_tensor([one.picture for one in scenes])
    asked = [(i, thing) for i, one in enumerate(scenes) for thing in one.things if thing.box]
    rows, labels = [i for i, _ in asked], torch.tensor([toybox.CLASSES.index(thing.name) for _, thing in asked])
    maps = explained("gradcam", network, pictures[rows], labels)
    centre = np.zeros((128, 128))
    centre[64, 64] = 1
    hits: dict[str, dict[int, list[bool]]] = {"gradcam": {}, "centre": {}}
    for (i, thing), values in zip(asked, maps, strict=True):
        hits["gradcam"].setdefault(i, []).append(measures.pointing_hit(values, thing.box, TOLERANCE))
        hits["centre"].setdefault(i, []).append(measures.pointing_hit(centre, thing.box, TOLERANCE))
    shares = {name: {i: float(np.mean(own)) for i, own in found.items()} for name, found in hits.items()}
    assert paired_difference(shares["centre"], shares["gradcam"])["low"] > 0

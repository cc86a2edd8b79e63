"""KernelSHAP on pictures, and which coalitions it asks about. Its axioms are in tests/properties."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from explainers.classifiers import ImageClassifier
from explainers.images import to_tensor
from explainers.kernel_shap import KernelSHAP, shapley_values
from explainers.lime import Lime

PICTURE = np.random.default_rng(0).integers(0, 256, (4, 4, 3)).repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)
SLIC = {"segmentation": "slic", "slic_n_segments": 16, "slic_sigma": 0.0}


class Grid:
    """For a segmenter: so many rows and columns of superpixels, whatever the picture."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns

    def segment(self, pictures, algorithm):
        for picture in pictures:
            height, width, _ = picture.shape
            row, column = np.arange(height) * self.rows // height, np.arange(width) * self.columns // width
            yield row[:, None] * self.columns + column


def classifier():
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(3, 8, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(72, 3))
    nn.init.normal_(network[-1].weight, 0, 2)
    return ImageClassifier(network, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))


def explained(seed=3, grid=(2, 4), picture=PICTURE, **parameters):
    images, label = to_tensor([picture]), torch.tensor([1])
    return KernelSHAP(**parameters).explain(classifier(), images, label, seeds=[seed], segmenter=Grid(*grid))[0]


@pytest.mark.parametrize(("fill", "hidden"), [("mean", None), ("grey", 128 / 255), ("black", 0.0)])
def test_values_are_exact_when_every_coalition_is_asked_about(fill, hidden):
    found, d = explained(grid=(2, 3), n_samples=64, fill=fill), 6
    image = to_tensor([PICTURE])[0]
    segments = torch.from_numpy(found.segments)

    def worth(members):
        composed = image.clone()
        for player in set(range(d)) - set(members):
            inside = segments == player
            composed[:, inside] = image[:, inside].mean(1, keepdim=True) if hidden is None else hidden
        return classifier()(composed[None]).softmax(1)[0, 1].item()

    known = {members: worth(members) for size in range(d + 1) for members in combinations(range(d), size)}
    for player in range(d):
        expected = sum(
            (known[tuple(sorted((*members, player)))] - worth_without) / (d * math.comb(d - 1, len(members)))
            for members, worth_without in known.items()
            if player not in members
        )
        assert found.coefficients[player] == pytest.approx(expected, abs=1e-6)
    assert found.intercept == pytest.approx(known[()], abs=1e-6)
    assert found.facts["efficiency_gap"] < 1e-12
    assert found.n_positive == (found.coefficients > 0).sum()


def test_the_seed_matters_only_where_coalitions_are_drawn():
    assert np.array_equal(explained(1, n_samples=256).coefficients, explained(2, n_samples=256).coefficients)
    assert not np.array_equal(explained(1, n_samples=100).coefficients, explained(2, n_samples=100).coefficients)


def test_estimates_come_close_to_the_exact_values_and_add_up():
    exact = explained(grid=(3, 4), n_samples=4096)
    spread = np.abs(exact.coefficients).max()
    found = {n: explained(grid=(3, 4), n_samples=n) for n in (60, 2000)}
    off = {n: np.abs(each.coefficients - exact.coefficients).max() / spread for n, each in found.items()}
    assert off[2000] < 0.02
    assert off[2000] < off[60] < 0.5
    assert all(each.facts["efficiency_gap"] < 1e-12 for each in found.values())


@pytest.mark.parametrize(("d", "n"), [(12, 200), (12, 201), (11, 1999), (30, 500), (200, 1000), (16, 34), (5, 9)])
def test_coalitions_come_with_their_complements_and_fill_the_small_sizes_first(d, n):
    masks, weights, complete = KernelSHAP(n_samples=n).coalitions(d, 4)
    assert not complete
    assert masks.shape == (n, d)
    assert masks[0].all()
    assert not masks[1].any()
    assert (weights[:2] == 0).all()
    assert (weights[2:] > 0).all()
    sizes = masks.sum(1)[2:]
    assert ((sizes > 0) & (sizes < d)).all()
    rows = {row.tobytes() for row in masks}
    unpaired = sum((~row).tobytes() not in rows for row in masks)
    assert unpaired <= 1
    # Each size weighs as the kernel says: exactly where all its coalitions are there, on average where they are drawn.
    kernel = np.array([1 / (size * (d - size)) for size in range(1, d)])
    share = np.bincount(sizes, weights=weights[2:], minlength=d)[1:]
    assert weights.sum() == pytest.approx(kernel.sum())
    whole = [
        size for size in range(1, d) if len({row.tobytes() for row in masks if row.sum() == size}) == math.comb(d, size)
    ]
    assert share[[size - 1 for size in whole]] == pytest.approx(kernel[[size - 1 for size in whole]], rel=0.5)


def test_of_few_samples_for_many_superpixels_nothing_is_made_up():
    # Each of these superpixels has one colour, so that its mean would hide nothing.
    found = explained(grid=(4, 4), n_samples=10, fill="grey")
    assert found.reason == f"10 samples are too few for {len(found.coefficients)} superpixels"
    assert not found.coefficients.any()
    assert shapley_values(KernelSHAP(n_samples=20).coalitions(40, 0), np.arange(20.0)) is None


def test_one_superpixel_gets_everything():
    found = explained(grid=(1, 1))
    assert len(found.coefficients) == 1
    assert found.coefficients.sum() + found.intercept == pytest.approx(
        classifier()(to_tensor([PICTURE])).softmax(1)[0, 1].item(), abs=1e-6
    )
    assert found.r2 == 1


def test_an_image_that_is_its_own_filling_has_no_explanation():
    found = explained(picture=np.full((32, 32, 3), 128, np.uint8), fill="grey")
    assert "the same whichever superpixels" in found.reason
    assert found.facts == {"efficiency_gap": 0.0}


def test_superpixels_are_limes():
    assert KernelSHAP(**SLIC).superpixels == Lime(**SLIC).superpixels
    assert KernelSHAP(quickshift_ratio=0.4).superpixels == Lime(quickshift_ratio=0.4).superpixels

"""LIME's surrogate against the `lime` package, and explanations of networks whose answer is known."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from explainers.base import MethodError
from explainers.classifiers import ImageClassifier
from explainers.images import to_tensor
from explainers.lime import Lime, fit_surrogate
from explainers.superpixels import Quickshift, Segmenter, Slic

UNIT = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def package_fit(masks, scores, n_features, kernel_width, kernel):
    """The `lime` package on the same masks and scores: coefficients [d], intercept, R²."""
    from lime.lime_base import LimeBase
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import pairwise_distances

    def weigh(distances):
        squares = distances**2 / kernel_width**2
        return np.sqrt(np.exp(-squares)) if kernel == "lime" else np.exp(-squares)

    full = np.ones((1, masks.shape[1]))
    distances = pairwise_distances(masks, full, metric="cosine").ravel()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        intercept, pairs, r2, _ = LimeBase(weigh).explain_instance_with_data(
            masks.astype(float), scores[:, None], distances, 0, n_features, "lasso_path", LinearRegression()
        )
    coefficients = np.zeros(masks.shape[1])
    for superpixel, coefficient in pairs:
        coefficients[superpixel] = coefficient
    return coefficients, intercept, r2


def drawn_masks(n, d, seed):
    masks = np.random.default_rng(seed).integers(0, 2, (n, d))
    masks[0] = 1
    return masks


def network_like_scores(masks, seed, scale=1.0):
    """Probabilities that saturate, with interactions and noise, as a network's do."""
    rng = np.random.default_rng(seed + 1000)
    d = masks.shape[1]
    logits = masks @ rng.normal(0, 1, d) + (masks[:, 0] * masks[:, -1]) * 2 + rng.normal(0, 0.3, len(masks))
    return scale / (1 + np.exp(-logits))


@pytest.mark.parametrize("kernel", ["lime", "paper"])
@pytest.mark.parametrize("kernel_width", [0.25, 1.0])
@pytest.mark.parametrize(
    ("n", "d", "n_features"),
    [
        (1000, 60, 16),
        (1000, 37, 8),
        (1000, 120, 16),
        (300, 25, 25),
        (300, 25, 100),
        (200, 10, 1),
        (50, 2, 1),
        (64, 80, 16),
    ],
)
def test_coefficients_are_those_of_the_lime_package(n, d, n_features, kernel_width, kernel):
    for seed in range(3):
        masks = drawn_masks(n, d, seed)
        scores = network_like_scores(masks, seed)
        ours = fit_surrogate(masks, scores, n_features=n_features, kernel_width=kernel_width, kernel=kernel)
        coefficients, intercept, r2 = package_fit(masks, scores, n_features, kernel_width, kernel)
        assert np.abs(ours.coefficients - coefficients).max() < 1e-10
        assert abs(ours.intercept - intercept) < 1e-10
        assert abs(ours.r2 - r2) < 1e-10
        assert 0 < np.count_nonzero(ours.coefficients) <= n_features


def test_the_two_kernels_differ():
    masks = drawn_masks(500, 20, 0)
    scores = network_like_scores(masks, 0)
    lime, paper = (fit_surrogate(masks, scores, n_features=20, kernel=kernel) for kernel in ("lime", "paper"))
    assert np.abs(lime.coefficients - paper.coefficients).max() > 1e-3


@pytest.mark.parametrize("twin", [lambda column: column, lambda column: 1 - column])
def test_of_superpixels_that_always_come_together_the_first_counts(twin):
    masks = drawn_masks(500, 12, 4)
    scores = network_like_scores(masks, 4)
    everywhere = 1e6  # so wide that every mask weighs the same, however many superpixels there are
    expected = fit_surrogate(masks, scores, n_features=6, kernel_width=everywhere)
    with_twins = np.hstack([masks, twin(masks[:, [2]]), twin(masks[:, [7]])])
    fit = fit_surrogate(with_twins, scores, n_features=6, kernel_width=everywhere)
    assert fit.coefficients == pytest.approx(np.append(expected.coefficients, [0, 0]), abs=1e-9)
    assert fit.r2 == pytest.approx(expected.r2)


def test_repeated_masks_do_not_break_the_fit():
    masks = np.repeat(drawn_masks(40, 9, 5), 10, axis=0)
    scores = network_like_scores(masks, 5)
    coefficients, *_ = package_fit(masks, scores, 4, 0.25, "lime")
    assert np.abs(fit_surrogate(masks, scores, n_features=4).coefficients - coefficients).max() < 1e-10


def as_given(values):
    """The same numbers in every form that they may come in."""
    yield from (values.astype(dtype) for dtype in (np.float64, np.float32, np.float16))
    yield from (torch.tensor(values).to(dtype) for dtype in (torch.float64, torch.float32, torch.bfloat16))
    yield values.tolist()
    yield torch.tensor(values.astype(np.float64), requires_grad=True)
    yield np.asfortranarray(values)[::-1][::-1]


def test_masks_and_scores_may_be_arrays_tensors_or_lists_of_any_type():
    masks = drawn_masks(60, 6, 3)
    scores = np.round(network_like_scores(masks, 3) * 128) / 128  # whole in eight bits of mantissa
    expected = fit_surrogate(masks, scores, n_features=3)
    others = [
        masks.astype(bool),
        masks.astype(np.uint8),
        torch.tensor(masks, dtype=torch.bool),
        torch.tensor(masks).byte(),
    ]
    for given in [*as_given(masks), *others]:
        assert np.array_equal(fit_surrogate(given, scores, n_features=3).coefficients, expected.coefficients)
    for given in as_given(scores):
        assert np.array_equal(fit_surrogate(masks, given, n_features=np.int64(3)).coefficients, expected.coefficients)


def test_one_superpixel_gets_the_difference_it_makes():
    masks = drawn_masks(100, 1, 0)
    fit = fit_surrogate(masks, np.where(masks[:, 0], 0.8, 0.3), n_features=16)
    assert fit.coefficients == pytest.approx([0.5])
    assert fit.intercept == pytest.approx(0.3)
    assert fit.r2 == pytest.approx(1)


def test_a_linear_score_is_recovered_exactly():
    masks = drawn_masks(400, 10, 1)
    truth = np.array([0.3, 0, 0, -0.2, 0, 0.1, 0, 0, 0, 0.05])
    fit = fit_surrogate(masks, 0.2 + masks @ truth, n_features=4)
    assert np.abs(fit.coefficients - truth).max() < 1e-12
    assert fit.intercept == pytest.approx(0.2)
    assert fit.r2 == pytest.approx(1)


@pytest.mark.parametrize(("spread", "said"), [(0.0, "the same"), (1e-9, "hardly changes")])
def test_a_constant_score_gives_no_explanation_and_says_so(spread, said):
    masks = drawn_masks(100, 8, 2)
    scores = 0.7 + spread * np.random.default_rng(0).random(100)
    fit = fit_surrogate(masks, scores, n_features=4)
    assert not fit.coefficients.any()
    assert fit.intercept == pytest.approx(0.7)
    assert fit.r2 == 0
    assert said in fit.reason


def test_where_the_lasso_path_is_empty_the_package_would_use_every_superpixel():
    masks = drawn_masks(100, 8, 2)
    scores = 0.7 + 1e-9 * np.random.default_rng(0).random(100)
    assert np.count_nonzero(package_fit(masks, scores, 4, 0.25, "lime")[0]) == 8
    assert np.count_nonzero(fit_surrogate(masks, scores, n_features=4).coefficients) == 0


GOOD = drawn_masks(20, 4, 0)
SCORES = network_like_scores(GOOD, 0)


@pytest.mark.parametrize(
    ("masks", "scores", "options", "said"),
    [
        (GOOD * 2, SCORES, {}, "of 0 and 1"),
        (np.where(GOOD, np.nan, 0), SCORES, {}, "of 0 and 1"),
        (GOOD[0], SCORES, {}, "of 0 and 1"),
        (np.zeros((20, 0)), SCORES, {}, "at least 1"),
        (np.zeros((0, 4)), SCORES[:0], {}, "at least 1"),
        (GOOD, SCORES[:-1], {}, "20 masks need 20 scores, not [19]"),
        (GOOD, np.where(GOOD[:, 1], np.nan, 0), {}, "finite"),
        (GOOD, np.where(GOOD[:, 1], np.inf, 0), {}, "finite"),
        (GOOD, SCORES + 1j, {}, "scores must be real numbers"),
        (GOOD, ["much"] * 20, {}, "scores must be real numbers"),
        ([[1, 0], [1]], SCORES[:2], {}, "masks must be real numbers"),
        (None, SCORES, {}, "masks must be"),
        (GOOD, SCORES * 1e200, {}, "too large"),
        (GOOD, SCORES, {"n_features": 0}, "n_features"),
        (GOOD, SCORES, {"n_features": 2.5}, "n_features must be a whole number of at least 1, not 2.5"),
        (GOOD, SCORES, {"n_features": "4"}, "n_features must be a whole number of at least 1, not '4'"),
        (GOOD, SCORES, {"kernel_width": "wide"}, "kernel_width"),
        (GOOD, SCORES, {"kernel_width": 0.0}, "kernel_width"),
        (GOOD, SCORES, {"kernel_width": float("nan")}, "kernel_width"),
        (GOOD[1:] * 0, SCORES[1:], {"kernel_width": 1e-3}, "no mask has any weight"),
        (GOOD, SCORES, {"kernel": "Lime"}, "one of lime, paper, not 'Lime'"),
    ],
)
def test_input_that_makes_no_sense_is_refused_in_one_line(masks, scores, options, said):
    with pytest.raises(MethodError, match=said.replace("[", r"\[").replace("]", r"\]")) as caught:
        fit_surrogate(masks, scores, **{"n_features": 4, **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [{"n_samples": 1}, {"n_features": 0}, {"kernel_width": 0}, {"fill": "black"}])
@pytest.mark.parametrize(
    "more", [{}, {"quickshift_ratio": 1.5}, {"slic_sigma": -1}, {"n_samples": 10.5}, {"kernel": 1}]
)
def test_parameters_that_make_no_sense_are_refused(bad, more):
    with pytest.raises(MethodError, match=r"^lime: "):
        Lime(**{**bad, **more})


def test_an_integer_and_the_same_float_are_one_recipe():
    assert Lime(kernel_width=1).recipe() == Lime(kernel_width=1.0).recipe()
    assert type(Lime(kernel_width=1).recipe()["parameters"]["kernel_width"]) is float


def quarters(colours, side=32):
    """Four squares of one colour each: uint8 [side, side, 3]."""
    picture = np.zeros((side, side, 3), np.uint8)
    half = side // 2
    for colour, (y, x) in zip(colours, ((0, 0), (0, half), (half, 0), (half, half)), strict=True):
        picture[y : y + half, x : x + half] = colour
    return picture


class BrightCorner(nn.Module):
    """Two logits: how bright the upper left corner is, and its opposite."""

    def forward(self, x):
        bright = 8 * (x[:, :, :8, :8].mean((1, 2, 3)) - 0.5)
        return torch.stack([bright, -bright], 1)


class Constant(nn.Module):
    def forward(self, x):
        return torch.zeros(len(x), 3)


BRIGHT = quarters([(250, 250, 250), (10, 10, 10), (30, 5, 5), (5, 30, 5)])
FOUR = {"segmentation": "slic", "slic_n_segments": 4, "slic_sigma": 0.0, "fill": "grey", "n_samples": 64}


def explain(method, network, picture, label=0, seed=1, **options):
    images = to_tensor([picture])
    return method.explain(ImageClassifier(network, **UNIT), images, torch.tensor([label]), seeds=[seed], **options)[0]


def test_the_superpixel_that_the_network_looks_at_gets_the_coefficient():
    explanation = explain(Lime(**FOUR), BrightCorner(), BRIGHT)
    assert explanation.segments.max() == 3
    corner = explanation.segments[0, 0]
    assert explanation.coefficients[corner] > 0.3
    assert np.abs(np.delete(explanation.coefficients, corner)).max() < 1e-6
    assert explanation.r2 == pytest.approx(1)
    assert explanation.reason is None
    opposite = explain(Lime(**FOUR), BrightCorner(), BRIGHT, label=1)
    assert opposite.coefficients[corner] == pytest.approx(-explanation.coefficients[corner])
    assert opposite.n_positive == int((opposite.coefficients > 0).sum())


@pytest.mark.parametrize("fill", ["mean", "grey"])
@pytest.mark.parametrize("n_samples", [2, 7, 20])
def test_scores_are_the_networks_on_pictures_composed_one_at_a_time(fill, n_samples):
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(3, 4, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 3))
    classifier = ImageClassifier(network, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    method = Lime(segmentation="slic", slic_n_segments=9, n_samples=n_samples, fill=fill, n_features=50)
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    segments = method.superpixels.segment(picture)
    masks = method.masks(segments.max() + 1, seed=9).numpy()
    image = to_tensor([picture])[0].numpy().astype(np.float64)
    scores = []
    for mask in masks:
        composed = image.copy()
        for superpixel in np.flatnonzero(~mask):
            inside = segments == superpixel
            for channel in composed:
                channel[inside] = channel[inside].mean() if fill == "mean" else 128 / 255
        logits = classifier(torch.from_numpy(composed)[None].float())
        scores.append(logits.softmax(1)[0, 2].item())
    expected = fit_surrogate(masks, scores, n_features=50)
    ours = method.explain(classifier, to_tensor([picture]), torch.tensor([2]), seeds=[9])[0]
    assert ours.coefficients == pytest.approx(expected.coefficients, abs=1e-5)
    assert ours.intercept == pytest.approx(expected.intercept, abs=1e-5)


class BranchesOnItsInput(nn.Module):
    """To torch.fx's stand-in for a tensor it shows another network, one that sees the opposite corner."""

    def forward(self, x):
        corner = x[:, :, :8, :8] if isinstance(x, torch.Tensor) else x[:, :, -8:, -8:]
        return torch.stack([4 * corner.mean((1, 2, 3)), 0 * corner.mean((1, 2, 3))], dim=1)


def test_a_network_is_explained_as_it_runs_not_as_it_is_traced():
    explanation = explain(Lime(**FOUR), BranchesOnItsInput(), BRIGHT)
    assert explanation.coefficients[explanation.segments[0, 0]] > 0.05


def test_a_network_that_does_not_care_is_not_explained():
    explanation = explain(Lime(**FOUR), Constant(), BRIGHT)
    assert not explanation.coefficients.any()
    assert explanation.n_positive == 0
    assert "the same whichever" in explanation.reason


@pytest.mark.parametrize("segmentation", ["quickshift", "slic"])
def test_an_image_of_one_colour_is_not_explained(segmentation):
    picture = np.full((16, 16, 3), 90, np.uint8)
    explanation = explain(Lime(segmentation=segmentation, n_samples=16), BrightCorner(), picture)
    assert explanation.reason is not None


class Broken(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return torch.full((len(x), 2), self.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_network_whose_output_is_not_finite_is_named_with_the_image(value):
    with pytest.raises(MethodError, match="image 0 of the batch: the scores must be finite"):
        explain(Lime(**FOUR), Broken(value), BRIGHT)


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_without_an_output_is_refused(label):
    with pytest.raises(MethodError, match=f"label {label} is none"):
        explain(Lime(**FOUR), BrightCorner(), BRIGHT, label=label)


def test_scoring_does_not_wait_for_the_device():
    """On the "meta" device there are shapes and no values: whatever looks at one, or fetches one, raises."""
    seen = []

    class Watched(nn.Module):
        def forward(self, x):
            seen.append((x.device.type, x.dtype, tuple(x.shape), x.is_contiguous(memory_format=torch.channels_last)))
            return x.mean((2, 3)) @ torch.ones(3, 5, device=x.device, dtype=x.dtype)

    method = Lime(precision="bfloat16")
    pictures = [np.random.default_rng(number).integers(0, 256, (224, 224, 3), dtype=np.uint8) for number in (0, 1)]
    here = to_tensor(pictures)
    segments = [np.arange(224)[:, None] // 32 * 7 + np.arange(224) // 32] * 2
    classifier = ImageClassifier(Watched(), **UNIT).to("meta")
    found = list(method._score_each(classifier, here.to("meta"), here, [(2, 7), (3, 8)], iter(segments)))
    assert [scored.scores().shape for scored in found] == [(1000,), (1000,)]
    assert seen == [("meta", torch.bfloat16, (250, 3, 224, 224), True)] * 8


def test_masks_start_with_the_whole_image_and_are_fair():
    masks = Lime(n_samples=1000).masks(50, seed=3)
    assert masks[0].all()
    assert abs(masks[1:].double().mean() - 0.5) < 0.01
    assert torch.equal(masks, Lime(n_samples=1000).masks(50, seed=3))
    assert not torch.equal(masks, Lime(n_samples=1000).masks(50, seed=4))


def test_bfloat16_gives_nearly_the_same_coefficients():
    full = explain(Lime(**FOUR), BrightCorner(), BRIGHT)
    fast = explain(Lime(**FOUR, precision="bfloat16"), BrightCorner(), BRIGHT)
    assert fast.coefficients == pytest.approx(full.coefficients, abs=0.01)
    assert not np.array_equal(fast.coefficients, full.coefficients)


@pytest.mark.parametrize("algorithm", [Quickshift(), Slic(n_segments=20)])
def test_worker_processes_and_the_cache_change_nothing(algorithm):
    rng = np.random.default_rng(0)
    pictures = [np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((5, 5, 1))).astype(np.uint8) for _ in range(5)]
    expected = [algorithm.segment(picture) for picture in pictures]
    cache = {}
    with Segmenter(workers=1, cache=cache) as segmenter:
        first = list(segmenter.segment(pictures, algorithm))
    assert len(cache) == 5
    second = list(Segmenter(cache=cache).segment(pictures, algorithm))
    for one, two, right in zip(first, second, expected, strict=True):
        assert np.array_equal(one, right)
        assert two is one
        assert sorted(np.unique(right)) == list(range(right.max() + 1))


def test_the_cache_tells_parameters_and_pictures_apart():
    cache = {}
    segmenter = Segmenter(cache=cache)
    for picture in (BRIGHT, BRIGHT[:, ::-1], BRIGHT.reshape(16, 64, 3)):
        for algorithm in (Slic(n_segments=4), Slic(n_segments=5), Quickshift(), Quickshift(ratio=0.3)):
            list(segmenter.segment([picture], algorithm))
    assert len(cache) == 12


class Asking(nn.Module):
    """A network that goes another way where it is given no tensor, as torch.fx gives it none."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(48, 3)

    def forward(self, x):
        if isinstance(x, torch.Tensor):
            x = x * 3 - 1
        return self.linear(nn.functional.adaptive_avg_pool2d(x.relu(), 4).flatten(1))


def test_the_explained_function_is_the_one_that_was_written():
    torch.manual_seed(0)
    network = Asking()
    nn.init.normal_(network.linear.weight)
    with torch.random.fork_rng():
        images = torch.rand(2, 3, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3).mul(255).round().div(255)
    method, labels = Lime(n_samples=50, segmentation="slic", slic_n_segments=12), torch.tensor([0, 1])

    def scored(network):
        classifier = ImageClassifier(network, mean=(0, 0, 0), std=(1, 1, 1))
        return [one.intercept for one in method.explain(classifier, images, labels, seeds=[1, 2])]

    class Plain(Asking):
        def forward(self, x):
            return self.linear(nn.functional.adaptive_avg_pool2d((x * 3 - 1).relu(), 4).flatten(1))

    plain = Plain()
    plain.load_state_dict(network.state_dict())
    assert scored(network) == pytest.approx(scored(plain), rel=1e-3)
    misread = torch.fx.symbolic_trace(network)  # the control: what fx takes it for is another function
    assert scored(misread) != pytest.approx(scored(plain), rel=1e-2)

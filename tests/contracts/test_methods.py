"""What every registered explainer, attack and selector promises, with its default parameters.

Adding a file to `explainers/` puts it under these tests; nothing here names a method. What explainers by examples
promise beside that is in `test_example_explainers.py`.
"""

import ast
import inspect
import json
from dataclasses import FrozenInstanceError, asdict

import numpy as np
import pytest
import torch
from torch import nn

from explainers import base
from explainers.base import Explanation, HeatMap, MethodError, Pool
from explainers.classifiers import ImageClassifier
from explainers.images import to_pixels, to_tensor
from tests.reproducibility import Untouched, same

# Of an attack with sign steps: share of pixel values that may differ with the batch, see explainers/ifgsm.py.
SHARE_THAT_MAY_DIFFER = 0.01

METHODS = [(kind, name) for kind in base.kinds() for name in base.available(kind)]
each_method = pytest.mark.parametrize(("kind", "name"), METHODS)
each_explainer = pytest.mark.parametrize("name", base.available("explainer"))
each_attack = pytest.mark.parametrize("name", base.available("attack"))
each_selector = pytest.mark.parametrize("name", base.available("selector"))
on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

N, SIDE, CLASSES = 4, 32, 5


@pytest.fixture
def classifier():
    """A small convolutional network whose decisions differ from image to image and are easily changed."""
    torch.manual_seed(7)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(48, CLASSES),
    )
    network[1].running_mean.normal_(0, 0.1)
    network[1].running_var.uniform_(0.5, 2)
    nn.init.normal_(network[-1].weight, 0, 1.5)
    return ImageClassifier(network, mean=(0.45, 0.5, 0.55), std=(0.2, 0.25, 0.3))


@pytest.fixture
def images():
    """Photographs of coloured patches: float32 [N, 3, SIDE, SIDE] on the 8-bit grid."""
    rng = np.random.default_rng(3)
    patches = rng.integers(0, 256, (N, 4, 4, 3)).repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)
    noise = rng.integers(-9, 10, patches.shape)
    return to_tensor(list((patches + noise).clip(0, 255).astype(np.uint8)))


@pytest.fixture
def labels(classifier, images):
    return classifier(images).argmax(1)


@pytest.fixture
def pool():
    """A class of 60: features in clusters, sure and unsure images, some that flip at once and some that survive."""
    rng = np.random.default_rng(5)
    return Pool(
        name="zebra",
        size=60,
        features=(rng.normal(0, 1, (60, 8)) + 4 * rng.integers(0, 3, (60, 1))).astype(np.float32),
        probabilities=np.concatenate([np.linspace(0.91, 1, 25), np.linspace(0, 0.09, 15), np.linspace(0.2, 0.8, 20)]),
        flip_step=np.concatenate([np.full(20, -1), np.full(20, 1), np.arange(20) % 10]),
    )


@each_method
def test_a_method_is_its_recipe(kind, name):
    method = base.get(kind, name)()
    recipe = method.recipe()
    assert recipe["method"] == name
    assert recipe["version"] >= 1
    assert recipe["parameters"] == asdict(method) == method.parameters()
    again = base.from_recipe(kind, json.loads(json.dumps(recipe, allow_nan=False)))
    assert again == method
    assert hash(again) == hash(method)
    assert again.recipe() == recipe


@each_method
def test_a_method_cannot_be_changed(kind, name):
    method = base.get(kind, name)()
    for field in (*method.parameters(), "name"):
        with pytest.raises(FrozenInstanceError):
            setattr(method, field, 1)


@each_method
def test_parameters_are_documented_and_of_the_type_they_say(kind, name):
    method = base.get(kind, name)
    assert method.title
    for parameter in method.parameters():
        assert parameter in (method.__doc__ or ""), parameter
        with pytest.raises(MethodError):
            method(**{parameter: object()})


@each_method
def test_a_methods_file_reads_and_writes_nothing(kind, name):
    tree = ast.parse(inspect.getsource(inspect.getmodule(base.get(kind, name))))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    outside = {"os", "io", "pathlib", "tempfile", "shutil", "socket", "urllib", "requests", "httpx", "random", "time"}
    assert not {module.split(".")[0] for module in imported} & outside
    called = {
        getattr(node.func, "id", getattr(node.func, "attr", ""))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    assert not called & {"open", "print", "load_state_dict_from_url", "manual_seed_all", "seed"}


def zero(explanation):
    """Whether a result says nothing, as every one with a reason has to."""
    if isinstance(explanation, HeatMap):
        return not explanation.values.any() and (explanation.channels is None or not explanation.channels.any())
    return not explanation.coefficients.any() and explanation.n_positive == 0 and explanation.r2 == 0


def near(one, other, tolerance):
    """Whether two results are equal to a share of the largest value."""
    if isinstance(one, Explanation):
        return np.allclose(one.coefficients, other.coefficients, rtol=0, atol=tolerance)
    return all(
        (values is None and values_of_other is None)
        or np.abs(values - values_of_other).max() <= tolerance * np.abs(values).max()
        for values, values_of_other in ((one.values, other.values), (one.channels, other.channels))
    )


@each_explainer
def test_explanations_are_complete(name, classifier, images, labels):
    explanations = base.get("explainer", name)().explain(classifier, images, labels, seeds=range(N))
    assert len(explanations) == N
    assert len({type(explanation) for explanation in explanations}) == 1
    for number, explanation in enumerate(explanations):
        assert explanation.label == labels[number]
        assert explanation.seed == number
        assert explanation.reason is None
        assert not zero(explanation)
        json.dumps(explanation.facts, allow_nan=False)
        assert all(type(fact) is float for fact in explanation.facts.values())
        if isinstance(explanation, HeatMap):
            for values, shape in ((explanation.values, (SIDE, SIDE)), (explanation.channels, (3, SIDE, SIDE))):
                if values is not None:
                    assert type(values) is np.ndarray
                    assert values.dtype == np.float32
                    assert values.shape == shape
                    assert np.isfinite(values).all()
            assert explanation.values is not None
            continue
        d = len(explanation.coefficients)
        assert explanation.segments.shape == (SIDE, SIDE)
        assert explanation.segments.dtype == np.int64
        assert np.unique(explanation.segments).tolist() == list(range(d))
        assert explanation.coefficients.dtype == np.float64
        assert explanation.coefficients.shape == (d,)
        assert np.isfinite(explanation.coefficients).all()
        assert np.isfinite(explanation.intercept)
        assert explanation.r2 <= 1
        assert explanation.n_positive == (explanation.coefficients > 0).sum()


@each_explainer
def test_the_channels_of_a_map_are_what_its_values_are_made_of(name, classifier, images, labels):
    for map_ in base.get("explainer", name)().explain(classifier, images, labels, seeds=range(N)):
        if isinstance(map_, HeatMap) and map_.channels is not None:
            largest, total = np.abs(map_.channels).max(0), map_.channels.sum(0)
            signed = not np.array_equal(map_.values, largest)
            assert np.allclose(map_.values, total, atol=1e-5 * largest.max()) if signed else map_.values.min() >= 0


@each_explainer
def test_the_sign_of_an_explanation_follows_the_sign_of_what_it_explains(name, classifier, images):
    """Of two classes that a network tells apart by one number, what speaks for one speaks against the other."""
    last = classifier.network[-1]
    with torch.no_grad():
        last.weight[1], last.bias[1] = -last.weight[0], -last.bias[0]
        last.weight[2:], last.bias[2:] = 0, -50
    method = base.get("explainer", name)()
    one, other = (method.explain(classifier, images, torch.full((N,), label), seeds=range(N)) for label in (0, 1))
    maps = [explanation for explanation in one + other if isinstance(explanation, HeatMap)]
    signed = any(explanation.values.min() < 0 for explanation in maps)
    for for_it, against_it in zip(one, other, strict=True):
        if isinstance(for_it, Explanation):
            assert np.allclose(for_it.coefficients, -against_it.coefficients, atol=1e-4)
        elif signed:
            assert np.allclose(for_it.values, -against_it.values, atol=1e-4 * np.abs(for_it.values).max())
        else:
            assert min(for_it.values.min(), against_it.values.min()) >= 0


@each_explainer
def test_the_same_seed_gives_the_same_bytes_and_nothing_else_is_touched(name, classifier, images, labels):
    method = base.get("explainer", name)()
    before = Untouched(classifier, images, labels)
    first = method.explain(classifier, images, labels, seeds=[11, 12, 13, 14])
    torch.manual_seed(99)
    before.world = Untouched._world()
    second = method.explain(classifier, images, labels, seeds=[11, 12, 13, 14])
    assert all(same(one, two) for one, two in zip(first, second, strict=True))
    assert before.holds()


@each_explainer
def test_explanations_do_not_depend_on_the_batch(name, classifier, images, labels):
    """To the last bit, or for heat maps by a backward pass to 1e-4 of the largest value."""
    method = base.get("explainer", name)()

    def equal(one, other):
        return same(one, other) or (differentiates(method, classifier, images, labels) and near(one, other, 1e-4))

    together = method.explain(classifier, images, labels, seeds=[5, 6, 7, 8])
    for i in range(N):
        (alone,) = method.explain(classifier, images[i : i + 1], labels[i : i + 1], seeds=[5 + i])
        assert equal(alone, together[i])
    order = [2, 0, 3]
    mixed = method.explain(classifier, images[order], labels[order], seeds=[7, 5, 8])
    assert all(equal(one, together[i]) for one, i in zip(mixed, order, strict=True))


class WithoutGradients(nn.Module):
    """The same network, through which no gradient comes back."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.detach())


def differentiates(method, classifier, images, labels):
    """Whether a method needs gradients: else it explains a network that has none."""
    blind = ImageClassifier(WithoutGradients(classifier.network), mean=(0.45, 0.5, 0.55), std=(0.2, 0.25, 0.3))
    try:
        method.explain(blind, images[:1], labels[:1], seeds=[1])
    except MethodError:
        return True
    return False


@each_explainer
def test_a_network_without_gradients_is_explained_or_refused_in_one_line(name, classifier, images, labels):
    blind = ImageClassifier(WithoutGradients(classifier.network), mean=(0.45, 0.5, 0.55), std=(0.2, 0.25, 0.3))
    method = base.get("explainer", name)()
    if differentiates(method, classifier, images, labels):
        with pytest.raises(MethodError, match="no gradient") as caught:
            method.explain(blind, images, labels, seeds=range(N))
        assert "\n" not in str(caught.value)
    else:
        usual = method.explain(classifier, images, labels, seeds=range(N))
        found = method.explain(blind, images, labels, seeds=range(N))
        assert all(near(one, other, 1e-4) for one, other in zip(found, usual, strict=True))


@each_explainer
def test_a_network_in_training_is_explained_in_evaluation_and_left_as_it_was(name, classifier, images, labels):
    network = nn.Sequential(nn.Dropout2d(0.5), classifier.network).requires_grad_(True).train()
    usual = base.get("explainer", name)().explain(classifier.network, images, labels, seeds=range(N))
    before = Untouched(network, images, labels)
    found = base.get("explainer", name)().explain(network, images, labels, seeds=range(N))
    assert before.holds()
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(near(one, other, 1e-4) for one, other in zip(found, usual, strict=True))


@each_explainer
def test_no_images_have_no_explanations(name, classifier, images, labels):
    assert base.get("explainer", name)().explain(classifier, images[:0], labels[:0], seeds=[]) == []


@each_explainer
def test_a_classifier_that_does_not_look_is_not_explained(name, classifier, images, labels):
    nn.init.zeros_(classifier.network[-1].weight)
    for explanation in base.get("explainer", name)().explain(classifier, images, labels, seeds=range(N)):
        assert explanation.reason
        assert "\n" not in explanation.reason
        assert zero(explanation)


def one_class_only(classifier):
    """The same classifier with its first output alone."""
    last = classifier.network[-1]
    classifier.network[-1] = nn.Linear(last.in_features, 1)
    return classifier.requires_grad_(False)


@each_explainer
def test_where_there_is_one_class_there_is_nothing_to_explain(name, classifier, images, labels):
    for explanation in base.get("explainer", name)().explain(
        one_class_only(classifier), images, torch.zeros_like(labels), seeds=range(N)
    ):
        assert explanation.reason
        assert zero(explanation)


def bad_batches(images, labels):
    """Images and labels that no method accepts."""
    for value in (float("nan"), float("inf"), -0.1, 1.1):
        spoilt = images.clone()
        spoilt[1, 0, 3, 3] = value
        yield spoilt, labels
    yield images[0], labels
    yield images[:, :, 0], labels
    yield (images * 255).byte(), labels
    yield images, labels[1:]
    yield images, labels + CLASSES
    yield images, labels - CLASSES


@each_explainer
def test_an_explainer_refuses_what_it_cannot_explain_in_one_line(name, classifier, images, labels):
    method = base.get("explainer", name)()
    for bad_images, bad_labels in bad_batches(images, labels):
        with pytest.raises(ValueError) as caught:
            method.explain(classifier, bad_images, bad_labels, seeds=range(N))
        assert str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(MethodError):
        method.explain(classifier, images, labels, seeds=[1])


@on_a_gpu
@each_explainer
def test_a_gpu_gives_the_explanation_of_a_cpu(name, classifier, images, labels):
    method = base.get("explainer", name)()
    here = method.explain(classifier, images, labels, seeds=range(N))
    there = method.explain(classifier.cuda(), images.cuda(), labels.cuda(), seeds=range(N))
    for one, two in zip(here, there, strict=True):
        if isinstance(one, Explanation):
            assert np.array_equal(one.segments, two.segments)
        assert near(one, two, 1e-3)


@each_attack
def test_attacks_are_complete_and_stay_in_range(name, classifier, images, labels):
    labels = labels.clone()
    labels[0] = (labels[0] + 1) % CLASSES  # one image is wrong from the start
    method = base.get("attack", name)()
    result = method.attack(classifier, images, labels)
    assert result.images.shape == images.shape
    assert result.images.dtype == images.dtype
    assert result.images.min() >= 0
    assert result.images.max() <= 1
    assert np.array_equal(result.pictures, to_pixels(result.images))
    for values in (result.flip_step, result.predictions, result.displayed_predictions):
        assert values.shape == (N,)
        assert values.dtype == torch.int64
    assert result.flip_step[0] == 0
    assert (result.flip_step[1:] != 0).all()
    assert (result.flip_step >= -1).all()
    assert torch.equal(result.predictions, classifier(result.images).argmax(1))
    assert torch.equal(result.displayed_predictions, classifier(to_tensor(list(result.pictures))).argmax(1))
    assert torch.equal(result.fooled_exact, result.predictions != labels)
    assert torch.equal(result.fooled_displayed, result.displayed_predictions != labels)
    assert not result.images.requires_grad


@each_attack
def test_an_attack_has_the_same_bytes_every_time_and_touches_nothing(name, classifier, images, labels):
    method = base.get("attack", name)()
    before = Untouched(classifier, images, labels)
    first = method.attack(classifier, images, labels)
    assert before.holds()
    assert same(first, method.attack(classifier, images, labels))
    assert all(parameter.grad is None for parameter in classifier.parameters())


@each_attack
def test_attacks_do_not_depend_on_the_batch_beyond_the_stated_tolerance(name, classifier, images, labels):
    method = base.get("attack", name)()
    together = method.attack(classifier, images, labels)
    for rows in ([0], [1], [2], [3], [3, 1, 2]):
        other = method.attack(classifier, images[rows], labels[rows])
        differing = (other.images != together.images[rows]).double().mean()
        assert differing <= SHARE_THAT_MAY_DIFFER
        assert torch.equal(other.flip_step, together.flip_step[rows])


@each_attack
def test_where_there_is_one_class_no_attack_succeeds(name, classifier, images, labels):
    result = base.get("attack", name)().attack(one_class_only(classifier), images, torch.zeros_like(labels))
    assert result.flip_step.tolist() == [-1] * N
    assert not result.fooled_exact.any()
    assert result.survival_rate is None


@each_attack
def test_an_attack_on_nothing_gives_nothing(name, classifier, images, labels):
    result = base.get("attack", name)().attack(classifier, images[:0], labels[:0])
    assert len(result.images) == len(result.pictures) == len(result.flip_step) == 0
    assert result.survival_rate is None


@each_attack
def test_an_attack_refuses_what_it_cannot_attack_in_one_line(name, classifier, images, labels):
    method = base.get("attack", name)()
    for bad_images, bad_labels in bad_batches(images, labels):
        with pytest.raises(ValueError) as caught:
            method.attack(classifier, bad_images, bad_labels)
        assert "\n" not in str(caught.value)


@on_a_gpu
@each_attack
def test_a_gpu_attacks_as_a_cpu_does(name, classifier, images, labels):
    method = base.get("attack", name)()
    here = method.attack(classifier, images, labels)
    there = method.attack(classifier.cuda(), images.cuda(), labels.cuda())
    assert torch.equal(there.flip_step.cpu(), here.flip_step)
    assert (there.images.cpu() - here.images).abs().gt(1e-6).double().mean() <= SHARE_THAT_MAY_DIFFER


@each_selector
@pytest.mark.parametrize(("n_prototypes", "n_criticisms"), [(6, 0), (3, 3), (1, 1), (10, 5)])
def test_selections_are_what_was_asked_for(name, pool, n_prototypes, n_criticisms):
    selection = base.get("selector", name)().select(pool, n_prototypes, n_criticisms, seed=1)
    chosen = selection.prototypes + selection.criticisms
    assert len(selection.prototypes) == n_prototypes
    assert len(selection.criticisms) == n_criticisms
    assert len(set(chosen)) == len(chosen)
    assert all(type(index) is int and 0 <= index < pool.size for index in chosen)
    assert n_prototypes <= selection.prototype_pool <= pool.size
    assert n_criticisms <= selection.criticism_pool <= pool.size
    json.dumps(selection.facts, allow_nan=False)


@each_selector
def test_a_selection_is_the_same_for_the_same_seed_and_touches_nothing(name, pool):
    method = base.get("selector", name)()
    before = Untouched(pool)
    first = method.select(pool, 5, 4, seed=21)
    assert before.holds()
    assert same(first, method.select(pool, 5, 4, seed=21))


@each_selector
def test_a_selector_works_with_what_it_says_it_needs(name, pool):
    method = base.get("selector", name)()
    bare = Pool(name=pool.name, size=pool.size)
    needed = {need: getattr(pool, need) for need in method.needs}
    assert same(
        method.select(Pool(name=pool.name, size=pool.size, **needed), 3, 3, seed=2), method.select(pool, 3, 3, seed=2)
    )
    if method.needs:
        with pytest.raises(MethodError, match=f"'zebra'.*{method.needs[0]}"):
            method.select(bare, 3, 3, seed=2)


@each_selector
@pytest.mark.parametrize("counts", [(61, 0), (0, 61), (40, 40)])
def test_a_pool_that_is_too_small_is_named_with_its_size(name, pool, counts):
    with pytest.raises(MethodError, match="'zebra'") as caught:
        base.get("selector", name)().select(pool, *counts, seed=0)
    assert any(character.isdigit() for character in str(caught.value))
    assert "\n" not in str(caught.value)


@each_selector
def test_an_empty_pool_is_refused(name):
    empty = Pool("zebra", 0, np.zeros((0, 4), np.float32), np.zeros(0), np.zeros(0, np.int64))
    with pytest.raises(MethodError, match="'zebra'"):
        base.get("selector", name)().select(empty, 1, 0, seed=0)


@each_selector
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(name, pool, value):
    method = base.get("selector", name)()
    for need in method.needs:
        values = np.array(getattr(pool, need), dtype=np.float64)
        values[7] = value
        with pytest.raises(MethodError, match="'zebra'"):
            method.select(Pool(**{**vars(pool), need: values}), 3, 3, seed=0)

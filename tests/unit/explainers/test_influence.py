"""Influence against what it approximates: learning again without the image."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from explainers import influence
from explainers.base import ExamplePool, MethodError
from explainers.influence import Influence, influence_on_loss

L2 = 0.01


def learnt(features, labels, classes, start=None, without=None, l2=L2):
    """The weights [f + 1, c] at the exact minimum of the objective, by Newton's method; `without` one image, whose
    share of the mean is gone and nothing else."""
    points = torch.cat([torch.as_tensor(features).double(), torch.ones(len(features), 1, dtype=torch.float64)], 1)
    target = functional.one_hot(torch.as_tensor(labels).long(), classes).double()
    share = torch.full((len(points),), 1 / len(points), dtype=torch.float64)
    if without is not None:
        share[without] = 0
    theta = torch.zeros(points.shape[1], classes, dtype=torch.float64) if start is None else start.clone()
    for _ in range(60):
        probabilities = (points @ theta).softmax(1)
        gradient = points.T @ (share[:, None] * (probabilities - target)) + l2 * theta
        if float(gradient.norm()) < 1e-12:
            return theta
        curvature = torch.diag_embed(probabilities) - probabilities[:, :, None] * probabilities[:, None]
        hessian = torch.einsum("n,nf,ng,nab->fagb", share, points, points, curvature).reshape(theta.numel(), -1)
        hessian += l2 * torch.eye(len(hessian), dtype=torch.float64)
        theta = theta - torch.linalg.solve(hessian, gradient.reshape(-1)).view(theta.shape)
    raise AssertionError("not learnt")


def loss(theta, features, labels):
    points = torch.cat([torch.as_tensor(features).double(), torch.ones(len(features), 1, dtype=torch.float64)], 1)
    return functional.cross_entropy(points @ theta, torch.as_tensor(labels).long(), reduction="none")


@pytest.fixture(scope="module")
def digits():
    """Features of 240 digits, eight of each, learnt; and six more that were not."""
    images, labels = load_digits(return_X_y=True)
    basis = np.linalg.svd(images - images.mean(0), full_matrices=False)[2][:8]
    features = (images - images.mean(0)) @ basis.T / 10
    chosen = np.random.default_rng(0).permutation(len(labels))
    learn, ask = chosen[:240], chosen[240:246]
    theta = learnt(features[learn], labels[learn], 10)
    return features[learn], labels[learn], features[ask], labels[ask], theta


def test_influence_is_what_learning_again_without_the_image_does(digits):
    """Exact leave-one-out retraining: the measure of Koh & Liang."""
    features, labels, query_features, query_labels, theta = digits
    found = influence_on_loss(features, labels, query_features, query_labels, weights=theta, l2=L2)
    assert found.shape == (6, 240)
    before = loss(theta, query_features, query_labels)
    removed = np.random.default_rng(1).choice(240, 60, replace=False)
    again = torch.stack(
        [loss(learnt(features, labels, 10, theta, i), query_features, query_labels) - before for i in removed], 1
    )
    estimated = found[:, removed]
    assert np.corrcoef(estimated.ravel(), again.ravel())[0, 1] > 0.99
    for one, other in zip(estimated, again, strict=True):
        assert np.corrcoef(one, other)[0, 1] > 0.99
    # Not only in order. To first order an image is missed less than it is: of 240 images each still counts.
    assert 1 < float((estimated * again).sum() / (estimated**2).sum()) < 1.3


def test_to_remove_an_image_raises_its_own_loss(digits):
    features, labels, _, _, theta = digits
    own = influence_on_loss(features, labels, features, labels, weights=theta, l2=L2).diagonal()
    assert float(own.min()) > 0


def test_the_hessian_is_the_second_derivative():
    rng = np.random.default_rng(3)
    points = torch.tensor(rng.normal(size=(12, 4)))
    labels, theta = torch.tensor(rng.integers(0, 3, 12)), torch.tensor(rng.normal(size=(4, 3)))

    def objective(flat):
        values = flat.view(4, 3)
        return functional.cross_entropy(points @ values, labels) + 0.3 / 2 * (values**2).sum()

    expected = torch.autograd.functional.hessian(objective, theta.flatten())
    found = influence._hessian(points, (points @ theta).softmax(1), 0.3)
    assert torch.allclose(found, expected, atol=1e-12)


def test_with_two_classes_it_is_logistic_regression():
    """Half the difference of the weights is what logistic regression learns."""
    rng = np.random.default_rng(4)
    features, labels = rng.normal(size=(40, 2)), rng.integers(0, 2, 40)
    theta = learnt(features, labels, 2)
    found = influence_on_loss(features, labels, features[:3], labels[:3], weights=theta, l2=L2).numpy()
    x = np.concatenate([features, np.ones((40, 1))], 1)
    p = 1 / (1 + np.exp(-x @ (theta[:, 1] - theta[:, 0]).numpy()))
    hessian = (x * (p * (1 - p))[:, None]).T @ x / 40 + L2 / 2 * np.eye(3)
    gradients = x * (p - labels)[:, None]
    assert found == pytest.approx(gradients[:3] @ np.linalg.solve(hessian, gradients.T) / 40, abs=1e-10)


def test_a_large_layer_is_solved_by_conjugate_gradients_to_the_same_values(digits, monkeypatch):
    features, labels, query_features, query_labels, theta = digits
    held = influence_on_loss(features, labels, query_features, query_labels, weights=theta, l2=L2)
    monkeypatch.setattr(influence, "_MOST_HELD", 10)
    solved = influence_on_loss(features, labels, query_features, query_labels, weights=theta, l2=L2)
    assert torch.allclose(held, solved, rtol=0, atol=1e-8 * float(held.abs().max()))


@pytest.mark.parametrize("most_held", [10, 6000])
def test_without_a_penalty_the_hessian_is_singular_and_said_so(digits, monkeypatch, most_held):
    monkeypatch.setattr(influence, "_MOST_HELD", most_held)
    features, labels, query_features, query_labels, theta = digits
    for l2 in (0, 1e-18):
        with pytest.raises(MethodError, match="Hessian of the last layer is singular") as caught:
            influence_on_loss(features, labels, query_features, query_labels, weights=theta, l2=l2)
        assert "\n" not in str(caught.value)


def test_features_that_are_all_alike_are_singular_too():
    same = np.ones((6, 3))
    with pytest.raises(MethodError, match="singular with l2 = 0: give a larger l2"):
        influence_on_loss(same, [0, 1] * 3, same[:1], [0], weights=np.zeros((4, 2)), l2=0)
    assert influence_on_loss(same, [0, 1] * 3, same[:1], [0], weights=np.zeros((4, 2)), l2=0.1).isfinite().all()


# --- under an explainer by examples -----------------------------------------------------------------------------------


def pools(digits):
    features, labels, query_features, query_labels, theta = digits
    head = theta[:-1].T.numpy(), theta[-1].numpy()
    return ExamplePool("digits", 240, features, labels, head=head), ExamplePool("new", 6, query_features, query_labels)


@pytest.mark.parametrize("loss_of", ["prediction", "label"])
def test_the_examples_are_those_of_largest_influence(digits, loss_of):
    features, labels, query_features, query_labels, theta = digits
    query_labels = (query_labels + 1) % 10  # not what is predicted
    pool, queries = pools(digits)
    object.__setattr__(queries, "labels", query_labels)
    points = torch.cat([torch.tensor(query_features), torch.ones(6, 1)], 1)
    wanted = (points @ theta).argmax(1) if loss_of == "prediction" else torch.tensor(query_labels)
    changes = influence_on_loss(features, labels, query_features, wanted, weights=theta, l2=L2)
    for order, sign in (("for", 1), ("against", -1)):
        explained = Influence(l2=L2, loss_of=loss_of, order=order).explain(pool, queries, 5, seed=0)
        for examples, of_query, now in zip(explained, changes, loss(theta, query_features, wanted), strict=True):
            assert list(examples.indices) == (sign * of_query).argsort(descending=True)[:5].tolist()
            assert examples.scores == pytest.approx((sign * of_query)[list(examples.indices)].tolist())
            assert examples.facts["loss"] == pytest.approx(float(now))
            assert examples.facts["gradient_norm"] < 1e-9


def test_what_speaks_most_for_a_prediction_is_of_its_class(digits):
    pool, queries = pools(digits)
    _, labels, query_features, _, theta = digits
    predicted = (torch.cat([torch.tensor(query_features), torch.ones(6, 1)], 1) @ theta).argmax(1)
    found = [labels[list(examples.indices)] for examples in Influence().explain(pool, queries, 3, seed=0)]
    assert (np.stack(found) == predicted.numpy()[:, None]).mean() > 0.7  # of all images a tenth is


def test_a_head_that_has_not_learnt_is_told_by_the_gradient(digits):
    pool, queries = pools(digits)
    weight, bias = pool.head
    object.__setattr__(pool, "head", (weight * 0.5, bias))
    assert Influence().explain(pool, queries, 1, seed=0)[0].facts["gradient_norm"] > 0.01


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"features": np.full((4, 2), np.nan)}, "row 0 of the features holds NaN or infinity"),
        ({"features": np.zeros(4)}, "features must have two dimensions"),
        ({"features": np.zeros((0, 2)), "labels": []}, "nothing was learnt from"),
        ({"query_features": np.zeros((1, 3))}, r"weights of 2 features and a bias do not fit query_features \[1, 3\]"),
        ({"weights": np.zeros((4, 3))}, r"weights of 3 features and a bias do not fit features \[4, 2\]"),
        ({"weights": np.full((3, 3), np.inf)}, "row 0 of the weights holds NaN or infinity"),
        ({"labels": [0, 1, 2]}, r"labels must be \[4\]"),
        ({"labels": [0, 1, 2, 3]}, r"labels must be whole and in 0\.\.2, but one is 3"),
        ({"labels": [0, 1, 2, 0.5]}, "but one is 0.5"),
        ({"labels": [0, 1, 2, -1]}, "but one is -1"),
        ({"labels": [0, 1, 2, float("nan")]}, "but one is nan"),
        ({"labels": "0120"}, "labels must be real numbers"),
        ({"query_labels": [3]}, r"query_labels must be whole and in 0\.\.2, but one is 3"),
        ({"l2": -1}, "l2 must be a number of at least 0, not -1"),
        ({"l2": float("nan")}, "l2 must be a number"),
        ({"l2": None}, "l2 must be a number"),
        ({"l2": True}, "l2 must be a number"),
    ],
)
def test_bad_input_is_refused_in_one_line(changes, told):
    usual = {
        "features": np.random.default_rng(0).normal(size=(4, 2)),
        "labels": [0, 1, 2, 0],
        "query_features": np.zeros((1, 2)),
        "query_labels": [1],
        "weights": np.zeros((3, 3)),
        "l2": 0.1,
    }
    assert influence_on_loss(**usual).shape == (1, 4)
    with pytest.raises(MethodError, match=told) as caught:
        influence_on_loss(**{**usual, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("l2", [0, -1, float("inf")])
def test_an_explainer_without_a_penalty_is_refused(l2):
    with pytest.raises(MethodError, match="l2 must be"):
        Influence(l2=l2)

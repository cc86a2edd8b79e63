"""Influence: how a prediction's loss would change if one image had not been learnt from.

Koh & Liang, *Understanding Black-box Predictions via Influence Functions* (ICML 2017), on the last layer, a softmax
regression on the hidden representations, whose Hessian is computed exactly. With θ the weights and the bias, x̃ the
features and a 1, p the probabilities and y the label as a vector:

    objective   1/n Σ_i loss_i(θ) + l2/2 ‖θ‖²
    gradient    g_i = x̃_i ⊗ (p_i − y_i)
    Hessian     H = 1/n Σ_i x̃_i x̃_iᵀ ⊗ (diag(p_i) − p_i p_iᵀ) + l2 · I
    removal     θ moves by 1/n H⁻¹ g_i, so the query's loss changes by 1/n g_qᵀ H⁻¹ g_i

Above 0, the loss would rise without the image: it speaks for the prediction. Softmax does not change when one number is
added to all logits, so without l2 the Hessian is singular.

Up to 6000 weights H is held and factored; of larger layers it is only multiplied with, by conjugate gradients to a
residual of 1e-10.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from .base import ExampleExplainer, ExamplePool, Examples, MethodError, as_numbers
from .example_checks import best_first, checked_count, checked_features, checked_matrix

_MOST_HELD = 6000  # weights whose Hessian is factored: 290 MB
_RESIDUAL, _MOST_STEPS = 1e-10, 5000


@dataclass(frozen=True)
class Influence(ExampleExplainer):
    """The images without which the classifier would lose most of its certainty, had it not learnt from them.

    l2: of the objective's penalty, above 0. loss_of: the query's "prediction", which is thereby explained, or its
    "label". order: "for" gives the images whose removal raises the loss most, "against" those whose removal lowers it
    most, with the change of the loss, or its negative, as score. The pool is what the classifier learnt from. Nothing
    is random: the seed changes nothing. facts: loss, of the query now, and gradient_norm, the length of the objective's
    gradient: 0 where the last layer is at its minimum, as the theory wants.
    """

    name: ClassVar[str] = "influence"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Influence on the loss"
    needs: ClassVar[tuple[str, ...]] = ("features", "labels", "head")

    l2: float = 0.01
    loss_of: Literal["prediction", "label"] = "prediction"
    order: Literal["for", "against"] = "for"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.l2 <= 0:
            raise MethodError(f"{self.name}: l2 must be above 0, not {self.l2}: without it the Hessian is singular")

    def explain(self, pool: ExamplePool, queries: ExamplePool, n: int, *, seed: int) -> list[Examples]:
        """See `ExampleExplainer.explain`. The pool's head is read; of the queries only features, or labels too."""
        features, asked = checked_features(pool, queries)
        labels, n = pool.tensor("labels"), checked_count(n)
        if pool.size < n:
            raise MethodError(f"pool {pool.name!r}: {n} images of influence are wanted from {pool.size}")
        weights = _weights_of(pool)
        if len(weights) != features.shape[1] + 1:
            raise MethodError(
                f"pool {pool.name!r}: a head for {len(weights) - 1} features does not fit {features.shape[1]} features"
            )
        # One by one, so that none depends on the others.
        logits = torch.cat([weights[:0], *(point[None] @ weights for point in _extended(asked))])
        wanted = logits.argmax(1) if self.loss_of == "prediction" else queries.tensor("labels")
        scores = influence_on_loss(features, labels, asked, wanted, weights=weights, l2=self.l2)
        losses = functional.cross_entropy(logits, wanted, reduction="none").tolist()
        residuals = _residuals(_extended(features) @ weights, labels)
        gradient = _extended(features).T @ residuals / pool.size + self.l2 * weights
        norm, everything = float(gradient.norm()), torch.arange(pool.size)
        sign = 1 if self.order == "for" else -1
        return [
            best_first(sign * of_query, n, everything, {"loss": loss, "gradient_norm": norm})
            for of_query, loss in zip(scores, losses, strict=True)
        ]


def influence_on_loss(
    features: Any, labels: Any, query_features: Any, query_labels: Any, *, weights: Any, l2: float
) -> Tensor:
    """The change of each query's loss on removal of each image from what was learnt: float64 [q, n].

    features [n, f] and labels [n], what softmax regression learnt from; query_features [q, f] and query_labels [q];
    weights [f + 1, c], the bias last: arrays, tensors or lists of finite numbers, labels whole and in 0..c−1. l2: of
    the objective in the module's text, which also penalises the bias.

    Above 0: without the image the loss would be larger. Raises MethodError of one line for anything else, and where
    the Hessian is singular.
    """
    theta = checked_matrix("weights", weights)
    learnt, asked = checked_matrix("features", features), checked_matrix("query_features", query_features)
    for what, points in (("features", learnt), ("query_features", asked)):
        if points.shape[1] + 1 != len(theta):
            raise MethodError(f"weights of {len(theta) - 1} features and a bias do not fit {what} {list(points.shape)}")
    if not len(learnt):
        raise MethodError("nothing was learnt from: features are empty")
    given = _checked_labels("labels", labels, len(learnt), theta.shape[1])
    wanted = _checked_labels("query_labels", query_labels, len(asked), theta.shape[1])
    if isinstance(l2, bool) or not isinstance(l2, Real) or not (math.isfinite(l2) and l2 >= 0):
        raise MethodError(f"l2 must be a number of at least 0, not {l2!r}")
    learnt = _extended(learnt)
    logits = learnt @ theta
    residuals = _residuals(logits, given)
    solved = _solver(learnt, logits.softmax(1), float(l2))
    changes = learnt.new_empty(len(asked), len(learnt))
    for query, point in enumerate(_extended(asked)):  # one by one, so that none depends on the others
        gradient = point[:, None] @ _residuals(point[None] @ theta, wanted[query : query + 1])
        changes[query] = ((learnt @ solved(gradient)) * residuals).sum(1) / len(learnt)
    return changes


def _solver(points: Tensor, probabilities: Tensor, l2: float) -> Callable[[Tensor], Tensor]:
    """From a gradient [f + 1, c] to H⁻¹ times it."""
    size = points.shape[1] * probabilities.shape[1]
    if size > _MOST_HELD:
        return _by_conjugate_gradients(points, probabilities, l2)
    hessian = _hessian(points, probabilities, l2)
    factor, failed = torch.linalg.cholesky_ex(hessian)
    # What rounding leaves of a pivot that is 0.
    floor = 10 * size * torch.finfo(torch.float64).eps * float(hessian.diagonal().max())
    if int(failed) or float(factor.diagonal().min()) ** 2 <= floor:
        raise _singular(l2)
    return lambda gradient: torch.cholesky_solve(gradient.reshape(-1, 1), factor).view(gradient.shape)


def _singular(l2: float) -> MethodError:
    return MethodError(f"the Hessian of the last layer is singular with l2 = {l2:g}: give a larger l2")


def _hessian(points: Tensor, probabilities: Tensor, l2: float) -> Tensor:
    """[size, size], its rows and columns by feature first, then by class."""
    n, width = points.shape
    classes = probabilities.shape[1]
    hessian = points.new_zeros(width, classes, width, classes)
    for a in range(classes):
        for b in range(a + 1):
            weight = probabilities[:, a] * ((1.0 if a == b else 0.0) - probabilities[:, b])
            block = points.T @ (points * (weight / n)[:, None])
            hessian[:, a, :, b] = block
            hessian[:, b, :, a] = block
    whole = hessian.view(width * classes, width * classes)
    whole.diagonal().add_(l2)
    return whole


def _by_conjugate_gradients(points: Tensor, probabilities: Tensor, l2: float) -> Callable[[Tensor], Tensor]:
    n = len(points)
    if l2 <= 10 * torch.finfo(torch.float64).eps * float(points.square().sum(1).mean()):
        raise _singular(l2)

    def multiplied(vector: Tensor) -> Tensor:
        moved = points @ vector
        moved = probabilities * (moved - (probabilities * moved).sum(1, keepdim=True))
        return points.T @ moved / n + l2 * vector

    diagonal = points.square().T @ (probabilities * (1 - probabilities)) / n + l2
    return lambda gradient: _conjugate_gradients(multiplied, gradient, diagonal)


def _conjugate_gradients(multiplied: Callable[[Tensor], Tensor], target: Tensor, diagonal: Tensor) -> Tensor:
    """Preconditioned by the diagonal."""
    found, residual = torch.zeros_like(target), target.clone()
    goal = _RESIDUAL * float(target.norm())
    direction = residual / diagonal
    product = float((residual * direction).sum())
    for _ in range(_MOST_STEPS):
        if float(residual.norm()) <= goal:
            return found
        moved = multiplied(direction)
        step = product / float((direction * moved).sum())
        found += step * direction
        residual -= step * moved
        scaled = residual / diagonal
        before, product = product, float((residual * scaled).sum())
        direction = scaled + product / before * direction
    raise MethodError(f"the Hessian of the last layer is not solved in {_MOST_STEPS} steps: give a larger l2")


def _extended(points: Tensor) -> Tensor:
    """With a 1 for the bias."""
    return torch.cat([points, points.new_ones(len(points), 1)], 1)


def _residuals(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.softmax(1) - functional.one_hot(labels, logits.shape[1])


def _weights_of(pool: ExamplePool) -> Tensor:
    if pool.head is None:
        raise MethodError(f"pool {pool.name!r}: the pool has no head")
    weight = checked_matrix("head's weight", pool.head[0])
    bias = checked_matrix("head's bias", as_numbers("head's bias", pool.head[1]).reshape(1, -1))
    if bias.shape[1] != len(weight):
        raise MethodError(
            f"pool {pool.name!r}: the head has weights for {len(weight)} classes, a bias for {bias.shape[1]}"
        )
    return torch.cat([weight.T, bias])


def _checked_labels(what: str, values: Any, n: int, classes: int) -> Tensor:
    numbers = torch.tensor(as_numbers(what, values).tolist(), dtype=torch.float64)
    if numbers.shape != (n,):
        raise MethodError(f"{what} must be [{n}], one for each row of features, not {list(numbers.shape)}")
    wrong = ~((numbers >= 0) & (numbers < classes) & (numbers == numbers.floor()))
    if bool(wrong.any()):
        raise MethodError(f"{what} must be whole and in 0..{classes - 1}, but one is {float(numbers[wrong][0]):g}")
    return numbers.long()

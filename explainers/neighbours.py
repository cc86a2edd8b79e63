"""Nearest neighbours of features: the images that a classifier sees as most alike.

`nearest` with every image of the query's own class excluded gives the nearest contrast, a counterfactual by example:
the most similar image that the classifier decides otherwise.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from .base import ExamplePool, Examples, MethodError
from .example_checks import checked_count, checked_features, checked_matrix

Metric = Literal["euclidean", "cosine"]

_PAIRS = 4_000_000  # distances held at a time
# Cosine distances are equal to this many decimals: vectors of one direction differ by rounding.
_DECIMALS = 12


def nearest(features: Any, queries: Any, n: int, *, metric: Metric = "euclidean", exclude: Any = None) -> Tensor:
    """The n nearest of `features` [pool, f] for each of `queries` [q, f]: int64 [q, n], nearest first, ties to the
    lower index.

    features, queries: arrays, tensors or lists of finite numbers. n: at least 1. metric: "euclidean", or "cosine", one
    less the cosine of the angle, for which no vector may be 0. exclude: bool [q, pool], True where an image may not be
    a query's neighbour.

    Raises MethodError of one line for anything else, and where fewer than n images are left for a query.
    """
    points, asked = checked_matrix("features", features), checked_matrix("queries", queries)
    if points.shape[1] != asked.shape[1]:
        raise MethodError(f"features have {points.shape[1]} values each, queries {asked.shape[1]}")
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise MethodError(f"n must be a whole number of at least 1, not {n!r}")
    excluded = _checked_exclusions(exclude, len(asked), len(points))
    left = torch.full((len(asked),), len(points)) if excluded is None else (~excluded).sum(1)
    if len(left) and int(left.min()) < n:
        query = int(left.argmin())
        raise MethodError(f"query {query}: {n} neighbours are wanted, but {int(left[query])} images may be one")
    points, asked = _prepared("features", points, metric), _prepared("queries", asked, metric)
    found = [torch.empty(0, int(n), dtype=torch.int64)]
    for rows in torch.arange(len(asked)).split(max(1, _PAIRS // max(1, len(points)))):
        distances = _distances(asked[rows], points, metric)
        if excluded is not None:
            distances[excluded[rows]] = torch.inf
        found.append(distances.argsort(dim=1, stable=True)[:, : int(n)])
    return torch.cat(found)


def nearest_examples(
    pool: ExamplePool, queries: ExamplePool, n: int, metric: Metric, exclude: Tensor | None = None
) -> list[Examples]:
    """`nearest` as explanations: the score is the distance with a minus, or the cosine."""
    features, asked = checked_features(pool, queries)
    n = checked_count(n)
    if pool.size < n:
        raise MethodError(f"pool {pool.name!r}: {n} neighbours are wanted from {pool.size} images")
    chosen = nearest(features, asked, n, metric=metric, exclude=exclude)
    features, asked = _prepared("features", features, metric), _prepared("queries", asked, metric)
    explained = []
    for query, indices in zip(asked, chosen, strict=True):
        distances = _distances(query[None], features[indices], metric)[0]
        scores = 0 - distances if metric == "euclidean" else 1 - distances
        explained.append(Examples(tuple(indices.tolist()), tuple(scores.tolist())))
    return explained


def _distances(queries: Tensor, points: Tensor, metric: Metric) -> Tensor:
    """[q, n]. From differences rather than products, so that what is equal is at a distance of exactly 0."""
    lengths = torch.cdist(queries, points, compute_mode="donot_use_mm_for_euclid_dist")
    return lengths if metric == "euclidean" else (lengths.square() / 2).round(decimals=_DECIMALS)


def _prepared(what: str, points: Tensor, metric: str) -> Tensor:
    """Of length 1 where only the angle counts."""
    if metric not in get_args(Metric):
        raise MethodError(f"metric must be one of {', '.join(get_args(Metric))}, not {metric!r}")
    if metric == "euclidean":
        return points
    zero = ~points.any(1)
    if bool(zero.any()):
        raise MethodError(f"row {int(zero.nonzero()[0])} of the {what} is 0 and has no angle: take metric euclidean")
    return functional.normalize(points / points.abs().amax(1, keepdim=True), dim=1)


def _checked_exclusions(exclude: Any, n_queries: int, n_points: int) -> Tensor | None:
    if exclude is None:
        return None
    try:
        excluded = torch.as_tensor(exclude).cpu()
    except (TypeError, ValueError, RuntimeError):
        raise MethodError(f"exclude must be bool [{n_queries}, {n_points}]") from None
    if excluded.dtype != torch.bool or excluded.shape != (n_queries, n_points):
        raise MethodError(
            f"exclude must be bool [{n_queries}, {n_points}], not {excluded.dtype} {list(excluded.shape)}"
        )
    return excluded

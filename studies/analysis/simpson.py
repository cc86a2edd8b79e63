"""Pooled against stratified rates, with a warning when they reverse: Simpson (1951)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .answers import AnswersError


def pooled_and_stratified(values: ArrayLike, second: ArrayLike, stratum: ArrayLike) -> dict[str, Any]:
    """Compare two conditions over all answers and within strata (a class, say), over (A,) zeros and ones or ratings.

    ``second`` is true for answers of the second condition. Returns, JSON-ready, ``pooled`` {first, second,
    difference}, ``strata`` (a list of the same with ``stratum`` and the numbers of answers), ``stratified`` (the mean
    of the strata's differences, weighted by their answers in both conditions), ``reversed`` and ``warning``.
    ``reversed`` is true when the stratified and the pooled difference have opposite signs; null when no stratum has
    both conditions. Strata with one condition only have null differences and no weight.
    """
    numbers, groups = np.asarray(values, dtype=np.float64), np.asarray(second).astype(np.int64)
    codes, names = pd.factorize(np.asarray(stratum), sort=True)
    if not len(numbers) or not numbers.shape == groups.shape == codes.shape:
        raise AnswersError("values, conditions and strata must be columns of one length, not empty")
    if not np.isin(groups, (0, 1)).all() or codes.min() < 0:
        raise AnswersError("every answer needs a stratum and a condition that is true or false")
    shape = (len(names), 2)
    cell = codes * 2 + groups
    total = np.bincount(cell, minlength=2 * len(names)).reshape(shape)
    summed = np.bincount(cell, numbers, minlength=2 * len(names)).reshape(shape)
    pooled = _rates(summed.sum(axis=0), total.sum(axis=0))
    strata = [
        {"stratum": str(name), "answers_first": int(n[0]), "answers_second": int(n[1]), **_rates(s, n)}
        for name, s, n in zip(names, summed, total, strict=True)
    ]
    both = total.min(axis=1) > 0
    stratified = None
    if both.any():
        means = summed[both] / total[both]
        stratified = float(np.average(means[:, 1] - means[:, 0], weights=total[both].sum(axis=1)))
    turned = None if stratified is None or pooled["difference"] is None else stratified * pooled["difference"] < 0
    return {
        "pooled": pooled,
        "strata": strata,
        "stratified": stratified,
        "reversed": turned,
        "warning": "the pooled difference and the difference within strata have opposite signs" if turned else None,
    }


def _rates(summed: NDArray[Any], total: NDArray[Any]) -> dict[str, float | None]:
    first, second = (float(s / n) if n else None for s, n in zip(summed, total, strict=True))
    difference = None if first is None or second is None else second - first
    return {"first": first, "second": second, "difference": difference}

"""Interim looks that were registered: how much of alpha each may spend, and the boundary that follows, exactly.

Lan & DeMets (1983), *Discrete Sequential Boundaries for Clinical Trials*, Biometrika 70(3). A test that is looked at
several times rejects a true null too often. A spending function a(t), registered before the first answer, says how much
of alpha has been spent by the share t of the answers; the boundary of each look then follows from the looks before it,
at whatever shares they were really taken. Two-sided and symmetric, alpha / 2 a side:

    O'Brien-Fleming's kind   a(t) = 4 (1 - Phi(z / sqrt(t))), z the normal quantile of 1 - alpha / 4
    Pocock's kind            a(t) = alpha log(1 + (e - 1) t)

Under the null the statistic at the shares t is Brownian motion over sqrt(t), so boundaries are found by recursive
integration over the paths that went on (Armitage, McPherson & Rowe 1969, *Repeated Significance Tests on Accumulating
Data*, Journal of the Royal Statistical Society A 132(2)), here by Gauss and Legendre's quadrature. Tests with few
degrees of freedom are held to the boundary by their p value: ``level`` is what a look's p value must be below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from .answers import AnswersError

Floats = NDArray[np.float64]
Spending = Literal["obrien_fleming", "pocock"]
SPENDING: tuple[Spending, ...] = get_args(Spending)
#: Of the quadrature, and how many standard deviations a path is followed.
NODES, FARTHEST = 400, 9.0


@dataclass(frozen=True)
class Look:
    """A look's share of the answers, what it may spend and has spent with those before it, and its boundary.

    ``boundary`` is of the absolute normal statistic, infinite where nothing can be spent yet; ``level`` is the
    two-sided p value that lies on it.
    """

    share: float
    spends: float
    spent: float
    boundary: float
    level: float


def spent(spending: Spending, share: float, alpha: float = 0.05) -> float:
    """How much of ``alpha`` may have been spent by a ``share`` of the answers, from 0 to 1.

    Raises AnswersError for a function that is not one of ``SPENDING``, a share outside [0, 1] or an alpha outside
    (0, 1).
    """
    if spending not in SPENDING:
        raise AnswersError(f"spending functions are {', '.join(SPENDING)}, not {spending!r}")
    if not 0 <= share <= 1:
        raise AnswersError(f"a share of the answers lies between 0 and 1, not {share}")
    if not 0 < alpha < 1:
        raise AnswersError(f"alpha must lie between 0 and 1, not {alpha}")
    if share == 0:
        return 0.0
    if spending == "pocock":
        return alpha * math.log1p((math.e - 1) * share)
    return float(4 * ndtr(ndtri(alpha / 4) / math.sqrt(share)))


def looks_at(shares: Sequence[float], spending: Spending, alpha: float = 0.05) -> list[Look]:
    """The looks at ``shares`` of the answers, which rise; the last may be below 1.

    Raises AnswersError where they do not rise from above 0 to at most 1, and as :func:`spent` does.
    """
    if not shares:
        return []
    if shares[0] <= 0 or any(later <= earlier for earlier, later in pairwise(shares)):
        raise AnswersError(f"looks rise from above 0 to at most 1, not {', '.join(f'{share:g}' for share in shares)}")
    found: list[Look] = []
    before, at, paths = 0.0, 0.0, None
    for share in shares:
        total = spent(spending, share, alpha)
        spends = total - before
        leaves = _exits(paths, share - at)
        edge = _edge(leaves, spends, math.sqrt(share))
        boundary = edge / math.sqrt(share)
        level = 0.0 if math.isinf(boundary) else float(2 * ndtr(-boundary))
        found.append(Look(share, spends, total, boundary, level))
        paths = _paths(paths, share - at, min(edge, FARTHEST * math.sqrt(share)))
        before, at = total, share
    return found


def _exits(paths: tuple[Floats, Floats] | None, step: float) -> Callable[[float], float]:
    """The chance that a path which went on is beyond an edge, on either side, a ``step`` of time later."""
    scale = math.sqrt(step)
    if paths is None:
        return lambda edge: float(2 * ndtr(-edge / scale))
    places, weights = paths
    return lambda edge: float(weights @ (ndtr((places - edge) / scale) + ndtr((-edge - places) / scale)))


def _edge(leaves: Callable[[float], float], spends: float, scale: float) -> float:
    """Where just ``spends`` of the paths leave; infinite where that is less than can be told from nothing."""
    farthest = FARTHEST * scale
    if spends <= leaves(farthest):
        return math.inf
    return float(brentq(lambda edge: leaves(edge) - spends, 0.0, farthest, xtol=1e-13, rtol=1e-14))


def _paths(paths: tuple[Floats, Floats] | None, step: float, edge: float) -> tuple[Floats, Floats]:
    """Places within the edges, and the chance of the paths that go on there."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    places, scale = edge * nodes, math.sqrt(step)
    if paths is None:
        density = np.exp(-0.5 * (places / scale) ** 2)
    else:
        density = np.exp(-0.5 * ((places[:, None] - paths[0][None, :]) / scale) ** 2) @ paths[1]
    return places, weights * edge * density / (scale * math.sqrt(2 * math.pi))

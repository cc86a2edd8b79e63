"""Several studies of one question: how they differ, and what they say together, from their two-way intervals.

Each study gives an estimate x_i with its two-way standard error s_i and degrees of freedom d_i (`two_way_clustering`).
The fixed-effect estimate weighs by w_i = 1 / s_i^2 (Hedges & Olkin 1985, chapter 6): sum w_i x_i / sum w_i, with the
variance 1 / sum w_i, and degrees of freedom after Satterthwaite (1946) for the sum of a_i^2 s_i^2, a_i = w_i / sum w_i.
Heterogeneity is Cochran's Q (1954) with its p-value, I^2 (Higgins & Thompson 2002), and tau^2 (DerSimonian & Laird
1986).  Studies are taken as independent: no participant and no stimulus in two of them.  Where stimuli are shared,
`shared` has the interval for fully dependent estimates, sum a_i s_i, which is the widest there can be.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2, t

from .answers import AnswersError

LEVEL = 0.95


@dataclass(frozen=True)
class StudyEstimate:
    """One study's estimate of a measure, with its two-way standard error and degrees of freedom."""

    study: str
    estimate: float
    standard_error: float
    degrees_of_freedom: float

    def __post_init__(self) -> None:
        for name in ("estimate", "standard_error", "degrees_of_freedom"):
            value = getattr(self, name)
            if not math.isfinite(value) or (name != "estimate" and value <= 0):
                raise AnswersError(f"{self.study}: the {name.replace('_', ' ')} {value} cannot be pooled")


def pool(studies: Sequence[StudyEstimate], *, shared: bool = False) -> dict[str, Any]:
    """The fixed-effect estimate of several studies, JSON-ready, with its heterogeneity.

    shared: whether studies have stimuli in common; then `shared` holds the widest interval.  Raises AnswersError for
    fewer than two studies.
    """
    if len(studies) < 2:
        raise AnswersError(f"pooling needs two studies or more, not {len(studies)}")
    x, s, d = _arrays(studies)
    weights = 1 / s**2
    shares = weights / weights.sum()
    estimate = float(shares @ x)
    error, freedom = _combined(shares, s, d)
    q = float(weights @ (x - estimate) ** 2)
    k = len(studies) - 1
    scaled = float(weights.sum() - (weights**2).sum() / weights.sum())
    return {
        "estimate": estimate,
        **_interval(estimate, error, freedom),
        "method": "fixed effect, inverse two-way variance (Hedges & Olkin 1985; Satterthwaite 1946)",
        "studies": [{**asdict(one), "weight": float(share)} for one, share in zip(studies, shares, strict=True)],
        "heterogeneity": {
            "q": q,
            "degrees_of_freedom": k,
            "p_value": float(chi2.sf(q, k)),
            "i2": max(0.0, (q - k) / q) if q > 0 else 0.0,
            "tau2": max(0.0, (q - k) / scaled),
        },
        "shared": _interval(estimate, float(shares @ s), freedom) if shared else None,
    }


def difference(first: StudyEstimate, second: StudyEstimate) -> dict[str, Any]:
    """The second study's estimate less the first's, JSON-ready, with its interval and two-sided test against 0.

    With shared stimuli the interval is too wide rather than too narrow, as these raise both estimates alike.
    """
    x, s, d = _arrays((first, second))
    estimate = float(x[1] - x[0])
    error, freedom = _combined(np.array([1.0, 1.0]), s, d)
    return {
        "estimate": estimate,
        **_interval(estimate, error, freedom),
        "p_value": float(2 * t.sf(abs(estimate) / error, freedom)),
    }


def _arrays(studies: Sequence[StudyEstimate]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    columns = zip(*((one.estimate, one.standard_error, one.degrees_of_freedom) for one in studies), strict=True)
    x, s, d = (np.array(column, dtype=float) for column in columns)
    return x, s, d


def _combined(coefficients: np.ndarray, s: np.ndarray, d: np.ndarray) -> tuple[float, float]:
    """Standard error and degrees of freedom of a sum of independent estimates times these coefficients."""
    parts = (coefficients * s) ** 2
    return math.sqrt(parts.sum()), float(parts.sum() ** 2 / (parts**2 / d).sum())


def _interval(estimate: float, error: float, freedom: float) -> dict[str, Any]:
    half = float(t.ppf((1 + LEVEL) / 2, freedom)) * error
    return {
        "standard_error": error,
        "degrees_of_freedom": freedom,
        "low": estimate - half,
        "high": estimate + half,
        "level": LEVEL,
    }

"""Equivalence and non-inferiority within a margin that was fixed before: two one-sided tests (Schuirmann 1987).

A test of no difference that does not reject says nothing about how small a difference is. Two one-sided tests do: at
level alpha a difference lies within the margin when it is tested to be above -margin and below +margin, which is when
the interval of level 1 - 2 alpha lies within them. Source: Schuirmann, *A Comparison of the Two One-Sided Tests
Procedure and the Power Approach*, Journal of Pharmacokinetics and Biopharmaceutics 15(6).
"""

from __future__ import annotations

from typing import Any

from scipy.special import stdtr

from .answers import AnswersError
from .intervals import student


def check_margin(margin: float) -> None:
    """Raise AnswersError unless a margin, as a share, lies strictly between 0 and 1."""
    if not 0 < margin < 1:
        raise AnswersError(f"a margin lies between 0 and 1, not at {margin}")


def within_margin(
    estimate: float | None,
    standard_error: float | None,
    degrees_of_freedom: float | None,
    margin: float,
    *,
    alpha: float = 0.05,
    reason: str | None = None,
) -> dict[str, Any]:
    """Both one-sided tests of a difference of shares against a ``margin``, JSON-ready.

    Returns ``margin``, ``low`` and ``high`` of the interval of ``level`` 1 - 2 alpha, ``p_noninferior`` (that it is not
    above -margin), ``p_nonsuperior`` (that it is not below +margin), ``p_equivalent`` (the larger of them) and whether
    it is ``noninferior`` and ``equivalent``; all null with the ``reason`` where there is no standard error.
    """
    check_margin(margin)
    found: dict[str, Any] = {"margin": margin, "alpha": alpha, "level": 1 - 2 * alpha}
    if estimate is None or not standard_error or degrees_of_freedom is None:
        names = ("low", "high", "p_noninferior", "p_nonsuperior", "p_equivalent", "noninferior", "equivalent")
        return found | dict.fromkeys(names) | {"reason": reason or "there is no interval"}
    half = student(1 - 2 * alpha, degrees_of_freedom) * standard_error
    above, below = ((estimate + margin) / standard_error, (margin - estimate) / standard_error)
    noninferior, nonsuperior = (float(stdtr(degrees_of_freedom, -t)) for t in (above, below))
    return found | {
        "low": estimate - half,
        "high": estimate + half,
        "p_noninferior": noninferior,
        "p_nonsuperior": nonsuperior,
        "p_equivalent": max(noninferior, nonsuperior),
        "noninferior": noninferior < alpha,
        "equivalent": max(noninferior, nonsuperior) < alpha,
        "reason": None,
    }

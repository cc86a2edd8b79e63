"""Response times: skewed, so summarised by quantiles and the geometric mean, whole and by condition."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .answers import AnswersError

QUANTILES = {"shortest": 0.0, "p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "longest": 1.0}


def response_times(
    seconds: ArrayLike, *, window: tuple[float, float] | None = None, condition: ArrayLike | None = None
) -> dict[str, Any]:
    """Summary of (A,) response times in seconds; NaN stands for a time that was not recorded.

    Returns ``all`` and, with ``condition`` (A,), ``conditions`` by name, each with ``answers``, ``missing``, the
    quantiles of ``QUANTILES``, ``mean``, ``geometric_mean`` and, with a ``window`` (both ends included), ``below``,
    ``within`` and ``above``; null where no time was recorded, the geometric mean also where one is 0. Raises
    AnswersError for a negative time.
    """
    times = np.asarray(seconds, dtype=np.float64)
    if (times < 0).any():
        raise AnswersError(f"row {int((times < 0).argmax())}: a response time cannot be negative")
    if window is not None and not 0 <= window[0] <= window[1]:
        raise AnswersError(f"a window from {window[0]} to {window[1]} seconds is none")
    summary: dict[str, Any] = {"all": _summary(times, window), "window": None if window is None else list(window)}
    if condition is not None:
        groups = np.asarray(condition)
        if groups.shape != times.shape:
            raise AnswersError("the condition must be given for every answer")
        summary["conditions"] = {str(name): _summary(times[groups == name], window) for name in np.unique(groups)}
    return summary


def histogram(seconds: ArrayLike, *, bins: int = 40) -> dict[str, list[float]]:
    """Counts of recorded positive times in ``bins`` bins of equal ratio, for a figure with a logarithmic axis.

    Returns ``edges`` (bins + 1, seconds) and ``counts`` (bins), both empty without times.
    """
    times = np.asarray(seconds, dtype=np.float64)
    times = times[times > 0]
    if not len(times):
        return {"edges": [], "counts": []}
    edges = np.geomspace(times.min(), max(times.max(), times.min() * 1.01), bins + 1)
    # Rounding must not push the extremes out.
    counts, _ = np.histogram(np.clip(times, edges[0], edges[-1]), edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _summary(times: NDArray[np.float64], window: tuple[float, float] | None) -> dict[str, Any]:
    recorded = times[np.isfinite(times)]
    summary: dict[str, Any] = {"answers": len(times), "missing": len(times) - len(recorded)}
    summary |= dict.fromkeys((*QUANTILES, "mean", "geometric_mean"))
    if len(recorded):
        summary |= dict(zip(QUANTILES, np.quantile(recorded, list(QUANTILES.values())).tolist(), strict=True))
        summary["mean"] = float(recorded.mean())
        if recorded.min() > 0:
            summary["geometric_mean"] = float(np.exp(np.log(recorded).mean()))
    if window is not None:
        below, above = (int(np.count_nonzero(side)) for side in (recorded < window[0], recorded > window[1]))
        summary |= {"below": below, "within": len(recorded) - below - above, "above": above}
    return summary

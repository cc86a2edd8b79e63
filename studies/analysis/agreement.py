"""Agreement within panels: raw, Fleiss' kappa, Krippendorff's alpha (nominal), Gwet's AC1, with two intervals.

All four depend on a panel only through its *answer pattern*, how many gave each answer. So the panels are reduced to
distinct patterns and their frequencies, and a bootstrap over stimuli is a multinomial draw of those frequencies: its
cost does not grow with the number of answers. But it takes the participants for granted: other people drawn from the
same crowd would agree more, or less, and where some answer carelessly its 95% intervals were seen to cover 64 to
85%. So for yes and no answers the default interval is the two-way one of ``crossed`` (derived for this project; no
published reference), by linearising each statistic, and the bootstrap stands beside it.

Sources: Fleiss (1971), *Psychological Bulletin* 76(5); Krippendorff (2011), *Computing Krippendorff's Alpha-
Reliability*; Gwet (2008), *British Journal of Mathematical and Statistical Psychology* 61(1).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .answers import AnswersError
from .crossed_panels import CrossedPanels, Score
from .intervals import check_level, effective_participants, student, why_no_interval

STATISTICS = ("raw", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1")
BOOTSTRAP = "percentile bootstrap over stimuli, drawn as a multinomial over answer patterns; ignores participants"
TWO_WAY = (
    "two-way variance of the linearised statistic, Student's t with W_eff - 1 degrees of freedom "
    "(derived for this project; no published reference)"
)

Floats = NDArray[np.float64]


def patterns_of(counts: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct rows of a (stimuli, categories) table of counts, and how many stimuli show each.

    Stimuli with fewer than two answers say nothing about agreement and are left out. Returns (P, C) and (P,).
    """
    table = np.asarray(counts)
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.integer) or (table.size and table.min() < 0):
        raise AnswersError("counts must be a table of stimuli by categories, whole numbers from 0 up")
    patterns, frequency = np.unique(table[table.sum(axis=1) >= 2], axis=0, return_counts=True)
    return patterns, frequency


def panel_agreement(crossed: CrossedPanels, *, draws: int = 2000, seed: int = 0, level: float = 0.95) -> dict[str, Any]:
    """The four statistics of yes and no panels, JSON-ready, with two-way intervals and the bootstrap beside them.

    Returns what :func:`agreement` does and ``intervals`` {name: {low, high, standard_error}}, ``method``, ``level``,
    ``effective_participants``, and in ``interval_reason`` why there are no intervals, under the conditions of
    ``intervals.pivotal_interval``. Panels of one answer are left out.
    """
    crossed = crossed.with_pairs()
    patterns = np.column_stack([crossed.size - crossed.yes, crossed.yes])
    result = agreement(patterns, crossed.frequency, draws=draws, seed=seed, level=level)
    effective = effective_participants(crossed.answers_each)
    intervals: dict[str, Any] = {name: dict.fromkeys(("low", "high", "standard_error")) for name in STATISTICS}
    reason = why_no_interval(crossed.n_items, effective)
    if reason is None:
        critical = student(level, effective - 1)
        for name, score in _linearised(crossed, result).items():
            error = math.sqrt(crossed.parts(score).variance)
            value = result[name]
            # A variance of zero (all panels alike) says nothing.
            if value is not None and error > 0:
                low, high = max(-1.0, value - critical * error), min(1.0, value + critical * error)
                intervals[name] = {"low": low, "high": high, "standard_error": error}
    return result | {
        "intervals": intervals,
        "interval_reason": reason,
        "method": TWO_WAY,
        "level": level,
        "effective_participants": effective,
    }


def agreement(
    patterns: ArrayLike, frequency: ArrayLike, *, draws: int = 2000, seed: int = 0, level: float = 0.95
) -> dict[str, Any]:
    """The four statistics, for any number of categories, with bootstrap intervals.

    Args:
        patterns: (P, C) answers by category, each row a pattern of at least two answers.
        frequency: (P,) stimuli showing each pattern.
        draws: bootstrap replicates; 0 for none.
        seed: of the generator; the same seed gives the same interval.

    Returns, JSON-ready, the four values by name, ``reasons`` {name: why it is null}, ``stimuli``, and ``bootstrap``
    with {low, high, standard_error, undefined_draws} by name and its ``method``, ``draws``, ``seed`` and ``level``. A
    statistic is null where its denominator is zero (every answer alike leaves nothing to agree about beyond chance);
    Fleiss' kappa also on unequal panels. Draws in which a statistic is undefined are left out of its interval and
    counted. Raises AnswersError for patterns of fewer than two answers.
    """
    check_level(level)
    rows, times = np.asarray(patterns, dtype=np.int64), np.asarray(frequency, dtype=np.int64)
    if len(rows) != len(times) or (len(rows) and rows.sum(axis=1).min() < 2):
        raise AnswersError("each pattern needs its frequency and at least two answers")
    stimuli = int(times.sum())
    result: dict[str, Any] = dict.fromkeys(STATISTICS)
    bootstrap: dict[str, Any] = {name: _bounds(np.empty(0), 0, level) for name in STATISTICS}
    bootstrap |= {"method": BOOTSTRAP, "draws": draws, "seed": seed, "level": level}
    result |= {"reasons": {}, "stimuli": stimuli, "bootstrap": bootstrap}
    if not stimuli:
        result["reasons"] = dict.fromkeys(STATISTICS, "no panel has two answers")
        return result
    point = _statistics(rows, times[None, :].astype(np.float64))
    resampled = np.random.default_rng(seed).multinomial(stimuli, times / stimuli, size=draws).astype(np.float64)
    replicates = _statistics(rows, resampled)
    equal = len(np.unique(rows.sum(axis=1))) == 1
    for name in STATISTICS:
        if name == "fleiss_kappa" and not equal:
            result["reasons"][name] = "Fleiss' kappa is defined for panels of one size only"
        elif not np.isfinite(point[name][0]):
            result["reasons"][name] = "every answer is the same, so agreement beyond chance is undefined"
        else:
            result[name] = float(point[name][0])
            bootstrap[name] = _bounds(replicates[name], draws, level)
    return result


def _bounds(replicates: Floats, draws: int, level: float) -> dict[str, Any]:
    defined = replicates[np.isfinite(replicates)]
    bounds: dict[str, Any] = dict.fromkeys(("low", "high", "standard_error"))
    if len(defined) > 1:
        low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
        bounds = {"low": float(low), "high": float(high), "standard_error": float(defined.std(ddof=1))}
    return bounds | {"undefined_draws": draws - len(defined)}


def _linearised(crossed: CrossedPanels, known: dict[str, Any]) -> dict[str, Score]:
    """For each defined statistic a score of a panel whose mean moves as the statistic does (the delta method).

    With A the agreement and q = 2 p (1 - p) the disagreement by chance, kappa and alpha are 1 - (1 - A) / q and AC1 is
    1 - (1 - A) / (1 - q). Alpha weighs panels by their size.
    """
    if known["raw"] is None:
        return {}
    raw, frequency = known["raw"], crossed.frequency
    size_mean = float(frequency @ crossed.size) / crossed.n_panels
    by_panel = float(frequency @ (crossed.yes / crossed.size)) / crossed.n_panels
    by_answer = float(frequency @ crossed.yes) / (crossed.n_panels * size_mean)
    by_size = float(frequency @ (crossed.size * _pairs(crossed.size, crossed.yes))) / (crossed.n_panels * size_mean)

    def kappa(agree: float, p: float) -> tuple[float, float]:
        q = 2 * p * (1 - p)
        return 1 / q, (1 - agree) / q**2 * (2 - 4 * p)

    def ac1(agree: float, p: float) -> tuple[float, float]:
        q = 2 * p * (1 - p)
        return 1 / (1 - q), -(1 - agree) / (1 - q) ** 2 * (2 - 4 * p)

    def score(slopes: tuple[float, float]) -> Score:
        return lambda size, yes: slopes[0] * _pairs(size, yes) + slopes[1] * (yes / size)

    def weighted(slopes: tuple[float, float]) -> Score:
        return lambda size, yes: (
            (slopes[0] * size * (_pairs(size, yes) - by_size) + slopes[1] * (yes - by_answer * size)) / size_mean
        )

    scores = {"raw": score((1.0, 0.0)), "gwet_ac1": score(ac1(raw, by_panel))}
    if 0 < by_panel < 1:
        scores |= {
            "fleiss_kappa": score(kappa(raw, by_panel)),
            "krippendorff_alpha": weighted(kappa(by_size, by_answer)),
        }
    return scores


def _pairs(size: NDArray[np.int64], yes: NDArray[np.int64]) -> Floats:
    """Share of pairs of answers in a panel that agree; a panel of one has none."""
    no = size - yes
    return (yes * (yes - 1) + no * (no - 1)) / np.maximum(size * (size - 1), 1)


def _statistics(patterns: NDArray[np.int64], frequency: Floats) -> dict[str, Floats]:
    """The statistics of B weighted sets of patterns: (P, C) and (B, P) give (B,) each, NaN where undefined."""
    size = patterns.sum(axis=1)
    pairs = (patterns * (patterns - 1)).sum(axis=1) / (size * (size - 1))
    stimuli = frequency.sum(axis=1)
    raw = frequency @ pairs / stimuli
    # Two notions of how often a category is used: averaged over stimuli (Gwet; Fleiss, where sizes are equal) ...
    shares = frequency @ (patterns / size[:, None]) / stimuli[:, None]
    # ... and over answers (Krippendorff), whose pairs are weighted by 1 / (size - 1).
    answers = frequency @ size
    values = frequency @ patterns
    alike = frequency @ (pairs * size)
    categories = patterns.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = (shares**2).sum(axis=1)
        chance_alpha = (values * (values - 1)).sum(axis=1) / (answers * (answers - 1))
        chance_ac1 = (shares * (1 - shares)).sum(axis=1) / (categories - 1)
        return {
            "raw": raw,
            "fleiss_kappa": _beyond(raw, chance),
            "krippendorff_alpha": _beyond(alike / answers, chance_alpha),
            "gwet_ac1": _beyond(raw, chance_ac1),
        }


def _beyond(observed: Floats, chance: Floats) -> Floats:
    """(observed - chance) / (1 - chance), NaN where chance is 1 up to rounding."""
    room = 1 - chance
    return np.where(room > 1e-12, (observed - chance) / np.where(room > 1e-12, room, 1), np.nan)

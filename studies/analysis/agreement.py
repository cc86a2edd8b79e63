"""Agreement within panels: raw, Fleiss' kappa, Krippendorff's alpha (nominal), Gwet's AC1; bootstrapped over stimuli.

All four depend on a panel only through its *answer pattern*, how many gave each answer. So the panels are reduced to
distinct patterns and their frequencies, and a bootstrap over stimuli is a multinomial draw of those frequencies: its
cost does not grow with the number of answers.

Sources: Fleiss (1971), *Psychological Bulletin* 76(5); Krippendorff (2011), *Computing Krippendorff's Alpha-
Reliability*; Gwet (2008), *British Journal of Mathematical and Statistical Psychology* 61(1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .intervals import check_level
from .panels import Panels
from .tables import AnswersError

STATISTICS = ("raw", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1")
METHOD = "percentile bootstrap over stimuli, drawn as a multinomial over answer patterns"

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


def panel_patterns(panels: Panels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The patterns (no, yes) of the counted panels, and their frequencies."""
    if panels.rule != "proportion":
        yes = np.arange(panels.panel + 1)
        patterns, frequency = np.column_stack([panels.panel - yes, yes]), panels.histogram
    else:
        width = int(panels.size.max()) + 1
        codes = (panels.size * width + panels.yes)[panels.counted]
        frequency = np.bincount(codes)
        size, yes = np.divmod(np.arange(len(frequency)), width)
        patterns = np.column_stack([size - yes, yes])
    seen = (frequency > 0) & (patterns.sum(axis=1) >= 2)
    return patterns[seen], frequency[seen]


def agreement(
    patterns: ArrayLike, frequency: ArrayLike, *, draws: int = 2000, seed: int = 0, level: float = 0.95
) -> dict[str, Any]:
    """The four statistics with bootstrap intervals.

    Args:
        patterns: (P, C) answers by category, each row a pattern of at least two answers.
        frequency: (P,) stimuli showing each pattern.
        draws: bootstrap replicates; 0 for none.
        seed: of the generator; the same seed gives the same interval.

    Returns the four values by name, ``intervals`` {name: {low, high, standard_error}}, ``reasons`` {name: why it is
    null}, ``stimuli``, ``method``, ``draws``, ``seed`` and ``level``. A statistic is null where its denominator is
    zero (every answer alike leaves nothing to agree about by more than chance); Fleiss' kappa also on unequal panels.
    Replicates in which a statistic is undefined are left out of its interval and counted in ``undefined_draws``.
    """
    check_level(level)
    rows, times = np.asarray(patterns, dtype=np.int64), np.asarray(frequency, dtype=np.int64)
    if len(rows) != len(times) or (len(rows) and rows.sum(axis=1).min() < 2):
        raise AnswersError("each pattern needs its frequency and at least two answers")
    stimuli = int(times.sum())
    result: dict[str, Any] = dict.fromkeys(STATISTICS)
    result |= {
        "intervals": {name: dict.fromkeys(("low", "high", "standard_error")) for name in STATISTICS},
        "undefined_draws": dict.fromkeys(STATISTICS, 0),
        "reasons": {},
        "stimuli": stimuli,
        "method": METHOD,
        "draws": draws,
        "seed": seed,
        "level": level,
    }
    if not stimuli:
        result["reasons"] = dict.fromkeys(STATISTICS, "no panel has two answers")
        return result
    point = _statistics(rows, times[None, :].astype(np.float64))
    resampled = np.random.default_rng(seed).multinomial(stimuli, times / stimuli, size=draws).astype(np.float64)
    replicates = _statistics(rows, resampled)
    equal = len(np.unique(rows.sum(axis=1))) == 1
    for name in STATISTICS:
        value = point[name][0]
        if name == "fleiss_kappa" and not equal:
            result["reasons"][name] = "Fleiss' kappa is defined for panels of one size only"
        elif not np.isfinite(value):
            result["reasons"][name] = "every answer is the same, so agreement beyond chance is undefined"
        else:
            result[name] = float(value)
            defined = replicates[name][np.isfinite(replicates[name])]
            result["undefined_draws"][name] = draws - len(defined)
            if len(defined) > 1:
                low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
                result["intervals"][name] = {
                    "low": float(low),
                    "high": float(high),
                    "standard_error": float(defined.std(ddof=1)),
                }
    return result


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

"""Which of two models looks more reasonable, on a scale from -2 to 2 (Selvaraju et al. 2017, section 5.2).

Sides are drawn for each trial, so ratings are turned to the second model *before* they are averaged. The estimand is
the mean preference for it, by condition (a visualisation, say), two-way by participant and item, against 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .answers import AnswersError, RowError
from .cell_means import CellMeans
from .choices import compared, item_role, refuse_repeats, sizes, told
from .two_way_clustering import mean_of

RATINGS = (-2, -1, 0, 1, 2)


def preference(
    table: pd.DataFrame, *, second: str, contrasts: Sequence[tuple[str, str]] = (), level: float = 0.95
) -> dict[str, Any]:
    """Mean preference for one of two models by condition, and contrasts of conditions.

    Args:
        table: rows with ``participant, stimulus, condition, left, right`` (names of models) and ``rating``, a whole
            number from -2 to 2, positive where the right one is preferred; optionally ``item``.
        second: the model that positive means stand for.
        contrasts: pairs (B, A) of conditions, each compared as B less A.

    Returns, JSON-ready, ``answers, participants, stimuli, items, second, conditions`` (by name the interval of the mean
    with ``distribution``, answers by turned rating, and ``prefers``, the shares that prefer each model or neither),
    ``contrasts`` and ``favours_right``, the mean of the ratings as they were given. Raises RowError for another rating,
    for a trial without ``second`` or with a third model, and for a second answer of one participant to one stimulus in
    one condition.
    """
    counted = sizes(table)
    refuse_repeats(table, ("participant", "stimulus", "condition"))
    left, right = (table[role].to_numpy(dtype=object) for role in ("left", "right"))
    rating = pd.to_numeric(table["rating"], errors="coerce").to_numpy(dtype=np.float64)
    if (odd := ~np.isin(rating, RATINGS)).any():
        row = int(odd.argmax())
        raise RowError(row, f"the rating is {table['rating'].iloc[row]!r}, not a whole number from -2 to 2")
    other = _other_model(left, right, second)
    turned = np.where(right == second, rating, -rating)
    people, items = (table[role].to_numpy(dtype=object) for role in ("participant", item_role(table)))
    cells = CellMeans.of(turned, table["condition"].astype(str), people, items)
    conditions = {}
    for name in cells.names:
        here = turned[cells.cell == cells.names.index(name)]
        conditions[name] = {
            **told(mean_of(cells.only([name]), 0.0, level)),
            "distribution": {str(value): int(np.count_nonzero(here == value)) for value in RATINGS},
            "prefers": {
                other: float((here < 0).mean()),
                "neither": float((here == 0).mean()),
                second: float((here > 0).mean()),
            },
        }
    everything = CellMeans.of(rating, np.zeros(len(table), dtype=np.int64), people, items)
    return {
        **counted,
        "second": second,
        "conditions": conditions,
        "contrasts": compared(cells, contrasts, level, scale="mean"),
        "favours_right": told(mean_of(everything, 0.0, level)),
    }


def _other_model(left: Any, right: Any, second: str) -> str:
    if not ((left == second) | (right == second)).any():
        raise AnswersError(f"no trial shows the model {second!r}")
    if (lacking := (left != second) & (right != second)).any():
        row = int(lacking.argmax())
        raise RowError(row, f"neither model is {second!r}, but {left[row]!r} and {right[row]!r}")
    others = np.where(left == second, right, left)
    if (odd := (others == second) | (others != others[0])).any():
        row = int(odd.argmax())
        raise RowError(row, f"the models are {left[row]!r} and {right[row]!r}, not {others[0]!r} and {second!r}")
    return str(others[0])

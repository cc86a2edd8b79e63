"""What participants learned of a model: how well they predict it before and after sessions with its decisions.

Sources: Hase & Bansal 2020, *Evaluating Explainable AI: Which Algorithmic Explanations Help Users Predict Model
Behavior?*; Colin, Fel, Cadène & Serre 2022, arXiv 2112.04417. An answer is right where it is *the model's* output,
whatever the truth.

The gain is the accuracy after less that before, and the effect the gain with explanations less that without: a
difference of differences. The utility K of a session is the accuracy with explanations divided by that without,
tested on the logarithm (the delta method); the slope is the change of accuracy from one session to the next, least
squares over the sessions' accuracies. All intervals are two-way by participant and item, and account for participants
who are in one condition only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from .answers import AnswersError, RowError
from .cell_means import CellMeans
from .choices import item_role, refuse_repeats, sizes, told
from .two_way_clustering import Clustered, holm, linear

ON_LOG = "on the log scale (delta method)"


def simulatability(
    table: pd.DataFrame,
    *,
    reference: str = "none",
    explained: str | None = None,
    pre: str = "pre",
    post: str = "post",
    sessions: Sequence[str] | None = None,
    choices: Sequence[str] = (),
    level: float = 0.95,
) -> dict[str, Any]:
    """Accuracy at predicting the model, by condition and phase, and what explanations add to it.

    Args:
        table: rows with ``participant, stimulus, condition, phase, answer, model_output`` and optionally ``item``.
        reference: the condition without explanations.
        explained: the condition compared with it; needed where there is more than one other.
        pre, post: the phases of the gain.
        sessions: the phases of utility and slope, in their order; all phases but ``pre`` and ``post`` when None, in
            the order of their names with numbers as numbers.
        choices: answers that are allowed although the model never gives them.

    Returns, JSON-ready, ``answers, participants, stimuli, items, reference, explained, sessions, cells`` {condition:
    {phase: share}}, ``gain`` (an interval by condition), ``effect`` and ``post_difference`` (intervals), ``utility``
    {by_session, mean}: intervals of K, the mean being the geometric one; ``slope`` (an interval by condition),
    ``slope_difference`` and ``holm`` {effect, utility, slope_difference}: p-values adjusted over these. What a design
    has no answers for is null, with its reason. Raises RowError for an answer that the model never gives, and for a
    second answer of one participant to one stimulus in one condition and phase; AnswersError for an unknown condition.
    """
    counted = sizes(table)
    refuse_repeats(table, ("participant", "stimulus", "condition", "phase"))
    answer, output = (table[role].to_numpy(dtype=object) for role in ("answer", "model_output"))
    allowed = set(output) | set(choices)
    if (odd := np.array([each not in allowed for each in answer])).any():
        row = int(odd.argmax())
        raise RowError(row, f"the answer is {answer[row]!r}, which the model never gives")
    learned = Learned(table, (answer == output).astype(np.float64), level)
    with_ = _explained(learned.conditions, reference, explained)
    between = [phase for phase in sorted(learned.phases, key=_natural) if phase not in (pre, post)]
    wanted = between if sessions is None else list(sessions)
    if unknown := [phase for phase in wanted if phase not in learned.phases]:
        raise AnswersError(f"no phase {unknown[0]!r}; there are {', '.join(learned.phases)}")

    effect = learned.difference({(with_, post): 1, (with_, pre): -1, (reference, post): -1, (reference, pre): 1})
    by_session = [learned.ratio([(with_, phase)], [(reference, phase)]) for phase in wanted]
    mean = learned.ratio([(with_, phase) for phase in wanted], [(reference, phase) for phase in wanted])
    slopes = _slope_weights(len(wanted))
    slope_difference = learned.difference(
        {(with_, phase): w for phase, w in zip(wanted, slopes, strict=True)}
        | {(reference, phase): -w for phase, w in zip(wanted, slopes, strict=True)}
    )
    tested = {"effect": effect, "utility": mean, "slope_difference": slope_difference}
    return {
        **counted,
        "reference": reference,
        "explained": with_,
        "sessions": wanted,
        "cells": learned.shares(),
        "gain": {name: told(learned.difference({(name, post): 1, (name, pre): -1})) for name in learned.conditions},
        "effect": told(effect),
        "post_difference": told(learned.difference({(with_, post): 1, (reference, post): -1})),
        "utility": {
            "by_session": [{"session": phase, **told(found)} for phase, found in zip(wanted, by_session, strict=True)],
            "mean": told(mean),
        },
        "slope": {
            name: told(learned.difference({(name, p): w for p, w in zip(wanted, slopes, strict=True)}))
            for name in learned.conditions
        },
        "slope_difference": told(slope_difference),
        "holm": dict(zip(tested, holm([found.p_value for found in tested.values()]), strict=True)),
    }


class Learned:
    """Right answers by condition and phase, and estimates over these cells."""

    def __init__(self, table: pd.DataFrame, right: np.ndarray, level: float) -> None:
        self.level = level
        condition, self.conditions = _sorted_codes(table["condition"])
        phase, self.phases = _sorted_codes(table["phase"])
        cell = np.array([f"{c}/{p}" for c, p in zip(condition.tolist(), phase.tolist(), strict=True)])
        people, items = (table[role].to_numpy(dtype=object) for role in ("participant", item_role(table)))
        self.cells = CellMeans.of(right, cell, people, items)

    def _name(self, condition: str, phase: str) -> str | None:
        if condition not in self.conditions or phase not in self.phases:
            return None
        name = f"{self.conditions.index(condition)}/{self.phases.index(phase)}"
        return name if name in self.cells.names else None

    def shares(self) -> dict[str, dict[str, float]]:
        """The accuracy of each cell that has answers."""
        return {
            condition: {
                phase: self.cells.mean(name)
                for phase in sorted(self.phases, key=_natural)
                if (name := self._name(condition, phase)) is not None
            }
            for condition in self.conditions
        }

    def difference(self, weights: Mapping[tuple[str, str], float]) -> Clustered:
        """A weighted sum of accuracies, against 0."""
        names = self._used(weights)
        if isinstance(names, Clustered):
            return names
        cells = self.cells.only(list(names))
        gradient = np.array([names[name] for name in cells.names])
        return linear(cells, gradient, float(gradient @ cells.means), 0.0, self.level)

    def ratio(self, above: Sequence[tuple[str, str]], below: Sequence[tuple[str, str]]) -> Clustered:
        """The geometric mean of the ratios of accuracies, against 1, by the delta method on its logarithm."""
        share = 1 / max(len(above), 1)
        names = self._used(dict.fromkeys(above, share) | dict.fromkeys(below, -share))
        if isinstance(names, Clustered):
            return replace(names, null=1.0)
        cells = self.cells.only(list(names))
        if (cells.means == 0).any():
            return Clustered(None, null=1.0, level=self.level, reason="no answer is right in one of the cells")
        weights = np.array([names[name] for name in cells.names])
        found = linear(cells, weights / cells.means, float(weights @ np.log(cells.means)), 0.0, self.level)
        return _exponential(found)

    def _used(self, weights: Mapping[tuple[str, str], float]) -> dict[str, float] | Clustered:
        if not any(weights.values()):
            return Clustered(None, level=self.level, reason="there are not enough sessions")
        named = {}
        for (condition, phase), weight in weights.items():
            if (name := self._name(condition, phase)) is None:
                reason = f"no answers in condition {condition!r}, phase {phase!r}"
                return Clustered(None, level=self.level, reason=reason)
            named[name] = float(weight)
        return named


def _exponential(found: Clustered) -> Clustered:
    """An estimate on the log scale, taken back; its standard error by the delta method."""
    ratio = math.exp(found.estimate or 0.0)

    def back(bounds: Mapping[str, float | None] | None) -> dict[str, float | None] | None:
        if bounds is None or bounds["standard_error"] is None or bounds["low"] is None or bounds["high"] is None:
            return None if bounds is None else dict(bounds)
        ends = {name: math.exp(float(bounds[name] or 0.0)) for name in ("low", "high")}
        return {"standard_error": ratio * bounds["standard_error"], **ends}

    here = back({name: getattr(found, name) for name in ("standard_error", "low", "high")}) or {}
    return replace(
        found,
        **here,  # type: ignore[arg-type]
        estimate=ratio,
        null=1.0,
        method=f"{found.method}, {ON_LOG}",
        naive=back(found.naive),
        jackknife=back(found.jackknife),
    )


def _explained(conditions: Sequence[str], reference: str, explained: str | None) -> str:
    if reference not in conditions:
        raise AnswersError(f"no condition {reference!r} to compare with; there are {', '.join(conditions)}")
    others = [name for name in conditions if name != reference]
    if explained is not None:
        if explained not in others:
            raise AnswersError(f"no condition {explained!r} to compare; there are {', '.join(others)}")
        return explained
    if len(others) != 1:
        raise AnswersError(f"name the condition to compare with {reference!r}, one of {', '.join(others) or 'none'}")
    return others[0]


def _slope_weights(n: int) -> list[float]:
    """What least squares over n sessions, numbered from 1, gives each session's accuracy in the slope."""
    if n < 2:
        return [0.0] * n
    place = np.arange(n) - (n - 1) / 2
    return [float(weight) for weight in place / (place @ place)]


def _sorted_codes(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    codes, names = pd.factorize(column.astype(str), sort=True)
    return codes, [str(name) for name in names]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Numbers within a name count as numbers: 2 comes before 10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]

"""The complete report on one table of yes and no answers: the public contract of ``manage.py reanalyse``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .agreement import panel_agreement
from .answers import Answers, AnswersError, as_answers
from .condition_report import by_condition, condition_contrasts
from .crossed_panels import CrossedPanels
from .estimands import Estimand
from .exclusions import Exclusions
from .intervals import Estimate, pivotal_interval
from .panels import Rule, count_panels, default_threshold, threshold_curve
from .pivotal import PanelAnswers
from .rectified import rectified_error

#: The rectified error where the size of the image set is not told.
UNKNOWN: dict[str, Any] = {
    "estimand": None,
    "estimands": None,
    **Estimate(None, reason="it needs the number of images and of errors among them").as_dict(),
    "curve": None,
}


def reanalysis(
    table: pd.DataFrame | Answers,
    *,
    threshold: int | None = None,
    population: int | None = None,
    errors: int | None = None,
    panel: int | None = None,
    rule: Rule = "drop",
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    estimand: Estimand = "this image set",
    item: NDArray[Any] | None = None,
    right: NDArray[np.bool_] | None = None,
    contrasts: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Everything the answers alone can tell, JSON-ready.

    Args:
        table: columns ``participant, stimulus, answer`` and optionally ``condition, seconds``, or an Answers. With
            conditions a panel is the answers to one stimulus in one condition.
        threshold: k; by default the smallest k above three quarters of the panel, which is four of five.
        population, errors: for the rectified error, as in :func:`studies.analysis.rectified.rectified_error`; the
            answered stimuli are taken to be the images shown. Both or neither.
        panel: n; the most frequent number of answers to a stimulus by default.
        rule: what becomes of panels of another size (``panels.RULES``).
        draws, seed: of the bootstrap of the agreement statistics.
        estimand: what the rectified error is about.
        item: (N,) by stimulus code what stimuli have in common, such as their image; they are then one item.
        right: (A,) which answers are right, where that is known.
        contrasts: pairs (B, A) of conditions to compare, B less A.

    Returns the keys ``answers, participants, stimuli, panel, histogram`` (panels by number of yes, 0..n),
    ``threshold_curve`` (share with at least k yes, k = 0..n+1), ``yes_share, accepted_share, agreement,
    rectified_error``; with conditions or ``right`` also ``conditions`` and ``contrasts``
    (:mod:`studies.analysis.condition_report`). Raises AnswersError in one line for wrong input.
    """
    answers = as_answers(table)
    if not len(answers):
        raise AnswersError("there are no answers")
    if (population is None) != (errors is None):
        raise AnswersError("the rectified error needs both the population and the errors")
    panels = count_panels(answers, panel=panel, rule=rule)
    k = default_threshold(panels.panel) if threshold is None else threshold
    shared = _items(answers, item, len(panels.size))
    crossed = CrossedPanels.of(answers, panels, item=shared)
    counted = PanelAnswers.of(answers, panels, item=shared)
    accepted = pivotal_interval(answers, k, panels=panels, counted=counted, level=level)
    rectified = dict(UNKNOWN)
    if population is not None and errors is not None:
        rectified = rectified_error(
            answers,
            population=population,
            errors=errors,
            threshold=k,
            level=level,
            estimand=estimand,
            panels=panels,
            counted=counted,
        )
    found = {
        "answers": panels.n_answers,
        "participants": panels.n_participants,
        "stimuli": panels.n_stimuli,
        "panel": panels.panel,
        "histogram": panels.histogram.tolist(),
        "threshold_curve": threshold_curve(panels),
        "yes_share": int(panels.yes.sum()) / panels.n_answers,
        "accepted_share": {**accepted.as_dict(), "threshold": k, "panels": panels.as_dict()},
        "agreement": panel_agreement(crossed, draws=draws, seed=seed, level=level),
        "rectified_error": rectified,
    }
    if answers.condition is None and right is None and not contrasts:
        return found
    settings: dict[str, Any] = {"item": item, "right": right, "level": level}
    return found | {
        "conditions": by_condition(answers, k, panels.panel, rule, **settings),
        "contrasts": condition_contrasts(answers, contrasts, k, panels.panel, rule, **settings),
    }


def _items(answers: Answers, item: NDArray[Any] | None, length: int) -> NDArray[np.int64] | None:
    """(P,) the item of each panel code; None where every panel is one of its own."""
    if item is None and answers.condition is None:
        return None
    shared = np.full(length, -1, dtype=np.int64)
    shared[answers.panel_codes()] = answers.stimulus if item is None else pd.factorize(item)[0][answers.stimulus]
    return shared


def before_and_after(answers: Answers, exclusions: Exclusions, *, panel: int, **settings: Any) -> dict[str, Any]:
    """The report on all answers and on those the rules left, with the flow between them, JSON-ready.

    ``panel`` is the one designed, for both; ``settings`` are those of :func:`reanalysis`. ``after`` is null, with the
    ``reason``, when no answer is left.
    """
    left = answers.select(exclusions.keep)
    return {
        "flow": exclusions.flow,
        "before": reanalysis(answers, panel=panel, **settings),
        "after": reanalysis(left, panel=panel, **settings) if len(left) else None,
        "reason": None if len(left) else "the rules leave no answer",
    }

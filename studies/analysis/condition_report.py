"""Yes and no answers by condition: what each accepts, says and gets right, and how conditions differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .answers import Answers, AnswersError
from .cell_means import CellMeans
from .choices import ALL, by_participant, compared, told
from .dawid_skene import dawid_skene
from .differences import pivotal_difference
from .intervals import pivotal_interval, wilson
from .panels import Rule, count_panels
from .pivotal import PanelAnswers
from .two_way_clustering import share_of

Codes = NDArray[Any]


def by_condition(
    answers: Answers,
    threshold: int,
    panel: int,
    rule: Rule,
    *,
    item: Codes | None = None,
    right: NDArray[np.bool_] | None = None,
    level: float = 0.95,
) -> dict[str, dict[str, Any]]:
    """By condition its ``answers, participants, stimuli`` and, each with an interval, its ``accepted_share``,
    ``yes_share`` and, where it is known which answers are ``right`` (A,), its ``accuracy``.

    ``item`` (N,) says what stimuli have in common. A table without conditions has the one called "all".
    """
    found = {}
    for name, arm, here in _arms(answers):
        panels = count_panels(arm, panel=panel, rule=rule)
        shared = None if item is None else item[: len(panels.size)]
        counted = PanelAnswers.of(arm, panels, item=shared)
        accepted = pivotal_interval(arm, threshold, panels=panels, counted=counted, level=level)
        found[name] = {
            "answers": panels.n_answers,
            "participants": panels.n_participants,
            "stimuli": panels.n_stimuli,
            "histogram": panels.histogram.tolist(),
            "accepted_share": {**accepted.as_dict(), "threshold": threshold, "panels": panels.as_dict()},
            "yes_share": _share(arm, arm.answer, item, level),
        }
        if right is not None:
            found[name]["accuracy"] = _share(arm, right[here], item, level)
            found[name]["by_participant"] = by_participant(arm.participant, right[here])
    return found


def condition_contrasts(
    answers: Answers,
    pairs: Sequence[tuple[str, str]],
    threshold: int,
    panel: int,
    rule: Rule,
    *,
    item: Codes | None = None,
    right: NDArray[np.bool_] | None = None,
    level: float = 0.95,
) -> list[dict[str, Any]]:
    """Pairs (B, A) of conditions compared as B less A, with Holm over all of them.

    What is compared are the right answers where they are known, else those of yes, as ``of`` says: as a log odds ratio
    and as the ``difference`` in shares. ``accepted_difference`` compares the accepted shares.
    """
    if not pairs:
        return []
    if answers.condition is None:
        raise AnswersError("there is no column of conditions to compare")
    values = answers.answer if right is None else right
    names = np.asarray(answers.condition_names, dtype=object)[answers.condition]
    items = answers.stimulus if item is None else item[answers.stimulus]
    cells = CellMeans.of(values, names, answers.participant, items)
    arms = {name: arm for name, arm, _ in _arms(answers)}
    found = compared(cells, pairs, level)
    for (later, earlier), contrast in zip(pairs, found, strict=True):
        contrast["of"] = "yes_share" if right is None else "accuracy"
        contrast["accepted_difference"] = pivotal_difference(
            arms[earlier], arms[later], threshold, panel=panel, rule=rule, level=level
        )
    return found


def against_truth(answers: Answers, truth: NDArray[np.int8], model: Mapping[str, Any]) -> dict[str, Any]:
    """How often the majority of a panel, and Dawid and Skene's model, take a stimulus for what it is not.

    ``truth`` (A,) is 1 where the stimulus is truly yes. Each has ``errors`` of so many ``stimuli``, the ``error`` and
    its ``wilson`` interval, which takes stimuli as independent and participants as given. Of a tie the majority says
    no. The model's is null where ``model`` (:func:`.dawid_skene.positive_share`) was withheld. Raises AnswersError for
    a stimulus that has two truths.
    """
    codes = answers.panel_codes()
    answered, first = np.unique(codes, return_index=True)
    true = truth[first]
    if (np.bincount(codes, truth)[answered] != true * np.bincount(codes)[answered]).any():
        raise AnswersError("a stimulus is truly yes in one row and truly no in another")
    yes = np.bincount(codes, answers.answer)[answered] * 2 > np.bincount(codes)[answered]
    found: dict[str, Any] = {"majority": _wrong(yes, true)}
    if model["estimate"] is None:
        return found | {"dawid_skene": {"errors": None, "error": None, "reason": model["reason"]}}
    fitted = dawid_skene(answers.participant, codes, answers.answer)
    return found | {"dawid_skene": _wrong(fitted.posterior[answered, 1] > 0.5 + 1e-9, true)}


def _wrong(said: NDArray[Any], true: NDArray[Any]) -> dict[str, Any]:
    errors, total = int(np.count_nonzero(said != (true == 1))), len(true)
    low, high = wilson(errors, total) or (None, None)
    return {"errors": errors, "stimuli": total, "error": errors / total, "wilson": {"low": low, "high": high}}


def _share(arm: Answers, values: NDArray[Any], item: Codes | None, level: float) -> dict[str, Any]:
    items = arm.stimulus if item is None else item[arm.stimulus]
    cells = CellMeans.of(values, np.zeros(len(arm), dtype=np.int64), arm.participant, items)
    return {**told(share_of(cells, None, level)), "numerator": int(np.sum(values)), "denominator": len(arm)}


def _arms(answers: Answers) -> list[tuple[str, Answers, NDArray[np.bool_]]]:
    if answers.condition is None:
        return [(ALL, answers, np.ones(len(answers), dtype=bool))]
    places = {name: answers.condition == code for code, name in enumerate(answers.condition_names)}
    return [(name, arm, places[name]) for name, arm in answers.by_condition() if len(arm)]

"""One row a participant: how much, how fast and how alike they answered. Oddities are flagged, never excluded here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .answers import Answers
from .panels import count_panels

UNLIKELY = 1e-3


def participant_summary(answers: Answers, *, unlikely: float = UNLIKELY) -> pd.DataFrame:
    """A table with one row for each participant with an answer, indexed by participant code.

    Columns: ``name`` (where there are names), ``answers``, ``yes``, ``yes_share``, ``agreement`` (mean share of the
    other answers of each panel that agree with theirs; missing when nobody else answered), ``longest_run`` of one
    answer in the order of the table, ``run_chance`` (an upper bound on the chance of a run of that answer as long:
    (m - run + 1) * p^run over m answers, p the answer's share among all answers), ``straight_lining`` (run_chance
    under ``unlikely``) and, with times, ``median_seconds``. The order of rows matters for the run alone: it should be
    that in which the answers were given.
    """
    people = answers.participant
    each = np.bincount(people)
    yes = np.bincount(people, answers.answer, minlength=len(each))
    agreement = _agreement(answers)
    run, run_answer = _longest_runs(people, answers.answer, len(each))
    p_yes = float(answers.answer.mean())
    p = np.where(run_answer == 1, p_yes, 1 - p_yes)
    seen = each > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        table = pd.DataFrame(
            {
                "answers": each,
                "yes": yes.astype(np.int64),
                "yes_share": yes / each,
                "agreement": agreement,
                "longest_run": run,
                "run_chance": np.minimum(1.0, (each - run + 1) * p**run),
            }
        )
    table["straight_lining"] = table["run_chance"] < unlikely
    if answers.seconds is not None:
        table["median_seconds"] = pd.Series(answers.seconds).groupby(people).median().reindex(table.index)
    if answers.participant_names is not None:
        table.insert(0, "name", answers.participant_names[: len(table)])
    return table[seen].rename_axis("participant")


def run_chances(participant: NDArray[np.int64], answer: NDArray[np.int64]) -> NDArray[np.float64]:
    """(W,) for each participant code the bound ``run_chance`` of :func:`participant_summary`, of answers of any kind.

    ``participant`` and ``answer`` are (A,) codes from 0, in the order in which the answers were given. NaN for a
    participant without an answer.
    """
    each = np.bincount(participant)
    run, run_answer = _longest_runs(participant, answer, len(each))
    p = np.bincount(answer, minlength=1)[run_answer] / len(answer)
    chance = np.minimum(1.0, (each - run + 1) * p**run)
    return np.where(each > 0, chance, np.nan)


def longest_runs(participant: NDArray[np.int64], answer: NDArray[np.int64]) -> NDArray[np.int64]:
    """(W,) the longest run of one answer of each participant code, in the order given; 0 without an answer."""
    return _longest_runs(participant, answer, int(participant.max()) + 1)[0]


def agreement_with_others(
    participant: NDArray[np.int64], stimulus: NDArray[np.int64], answer: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(W,) mean share of the other answers to the same stimuli that are the participant's own, of any kind of answer.

    (A,) codes each. NaN for a participant whose stimuli nobody else answered.
    """
    _, items = np.unique(stimulus, return_inverse=True)
    _, same = np.unique(items * (int(answer.max()) + 1) + answer, return_inverse=True)
    others = np.bincount(items)[items] - 1
    alike = np.bincount(same)[same] - 1
    met = others > 0
    with np.errstate(invalid="ignore"):
        length = int(participant.max()) + 1
        summed = np.bincount(participant[met], alike[met] / others[met], minlength=length)
        return summed / np.bincount(participant[met], minlength=length)


def _agreement(answers: Answers) -> NDArray[np.float64]:
    """(W,) mean share of the other answers of each panel that agree with a participant's; NaN without others."""
    panels = count_panels(answers, rule="proportion")
    # By panel first, then looked up by answer: there are fewer panels.
    others = np.maximum(panels.size - 1, 0)[:, None]
    alike = np.stack([panels.size - panels.yes - 1, panels.yes - 1], axis=1)
    share = np.divide(alike, others, out=np.zeros(alike.shape), where=others > 0)
    people, codes = answers.participant, answers.panel_codes()
    agreed = np.bincount(people, share[codes, answers.answer])
    with np.errstate(invalid="ignore"):
        return agreed / np.bincount(people, panels.size[codes] > 1)


def _longest_runs(
    people: NDArray[np.int64], said: NDArray[np.integer[Any]], length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(W,) the longest run of one answer of each participant, and that answer; of two as long, the earlier one's."""
    order = np.argsort(people, kind="stable")
    person, answer = people[order], said[order]
    starts = np.flatnonzero(np.r_[True, (person[1:] != person[:-1]) | (answer[1:] != answer[:-1])])
    runs = np.diff(np.r_[starts, len(order)])
    # Ascending by length, later runs first among equals: the last written for a participant is the one wanted.
    by_length = np.lexsort((-starts, runs))
    longest, answer_of = np.zeros(length, dtype=np.int64), np.zeros(length, dtype=np.int64)
    longest[person[starts[by_length]]] = runs[by_length]
    answer_of[person[starts[by_length]]] = answer[starts[by_length]]
    return longest, answer_of

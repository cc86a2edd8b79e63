"""Exclusions: rules applied in their order, and the flow of participants, answers and stimuli through them.

A rule is registered before the study opens; it says which answers it takes out and never looks at the outcome. Each
answer is charged to the first rule that takes it, so the counts of the flow add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .answers import Answers, AnswersError

Booleans = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ExclusionRule:
    """A rule by name, with ``takes`` (A,): true for the answers it excludes. Make them with the functions below."""

    name: str
    takes: Booleans


@dataclass(frozen=True, eq=False)
class Exclusions:
    """What the rules left.

    Attributes:
        keep: (A,) answers that no rule takes.
        rule: (A,) index of the first rule that takes each answer, -1 for those kept.
        flow: JSON-ready steps, from all answers down to those counted.
    """

    keep: Booleans
    rule: NDArray[np.int64]
    flow: list[dict[str, Any]]


def apply_rules(answers: Answers, rules: Sequence[ExclusionRule]) -> Exclusions:
    """Apply the rules in order.

    The flow has one step a rule, after a first one for all answers: ``rule``, what it ``excluded`` and what
    ``remains``, each as {participants, answers, stimuli}; a participant or stimulus is excluded by a rule when it takes
    their last remaining answer. Raises AnswersError for a rule of another length or two of one name.
    """
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise AnswersError("two exclusion rules have one name")
    taken_by = np.full(len(answers), -1, dtype=np.int64)
    remains = _counts(answers, taken_by < 0)
    flow: list[dict[str, Any]] = [{"rule": None, "excluded": dict.fromkeys(remains, 0), "remains": remains}]
    for place, rule in enumerate(rules):
        takes = np.asarray(rule.takes)
        if takes.shape != (len(answers),) or takes.dtype != np.bool_:
            raise AnswersError(f"rule {rule.name!r} must say true or false for each of {len(answers)} answers")
        taken_by[takes & (taken_by < 0)] = place
        left = _counts(answers, taken_by < 0)
        flow.append({"rule": rule.name, "excluded": {key: remains[key] - left[key] for key in left}, "remains": left})
        remains = left
    return Exclusions(taken_by < 0, taken_by, flow)


def outside_window(name: str, seconds: ArrayLike, shortest: float, longest: float) -> ExclusionRule:
    """Answers given outside [shortest, longest] seconds, both included; those without a time are taken too."""
    if not 0 <= shortest <= longest:
        raise AnswersError(f"a window from {shortest} to {longest} seconds is none")
    times = np.asarray(seconds, dtype=np.float64)
    return ExclusionRule(name, ~((times >= shortest) & (times <= longest)))


def of_participants(name: str, answers: Answers, excluded: ArrayLike) -> ExclusionRule:
    """All answers of the participants whose codes are marked in ``excluded`` (W,)."""
    marked = np.asarray(excluded, dtype=np.bool_)
    if len(answers) and len(marked) <= int(answers.participant.max()):
        raise AnswersError(f"rule {name!r} must say true or false for every participant")
    return ExclusionRule(name, marked[answers.participant])


def failing_gold(
    name: str, answers: Answers, gold_participant: ArrayLike, gold_correct: ArrayLike, *, least_share: float
) -> ExclusionRule:
    """All answers of participants with a smaller share than ``least_share`` of their gold trials right.

    ``gold_participant`` (G,) are participant codes and ``gold_correct`` (G,) whether each gold trial was right.
    Participants who met no gold trial are kept.
    """
    people = np.asarray(gold_participant, dtype=np.int64)
    length = 1 + max(int(people.max(initial=-1)), int(answers.participant.max(initial=-1)))
    met = np.bincount(people, minlength=length)
    right = np.bincount(people[np.asarray(gold_correct, dtype=np.bool_)], minlength=length)
    return of_participants(name, answers, right < least_share * met)


def counts_of(participant: NDArray[Any] | None, stimulus: NDArray[Any] | None, answers: int) -> dict[str, int]:
    """How many distinct participants and stimuli, and how many answers; 0 where nobody is told apart."""
    return {
        "participants": 0 if participant is None else len(pd.unique(participant)),
        "answers": answers,
        "stimuli": 0 if stimulus is None else len(pd.unique(stimulus)),
    }


def _counts(answers: Answers, keep: Booleans) -> dict[str, int]:
    return counts_of(answers.participant[keep], answers.panel_codes()[keep], int(np.count_nonzero(keep)))

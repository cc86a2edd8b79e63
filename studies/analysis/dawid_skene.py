"""Dawid & Skene (1979): the true class of each stimulus and each participant's confusion, by EM.

*Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm*, Applied Statistics 28(1). A robustness
column beside the accepted share: it follows the (weighted) majority, not the rule of four in five, so the two answer
different questions and need not agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .answers import Answers, AnswersError

METHOD = "Dawid & Skene (1979) by EM; follows the majority, not the threshold"

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class DawidSkene:
    """The fitted model.

    Attributes:
        posterior: (N, K) probability of each class for each stimulus code; rows without answers are the prevalence.
        confusion: (W, K, K) for each participant code, by true class, the probability of each answer.
        prevalence: (K,) share of each class.
        log_likelihood: of the answers, with no term for the smoothing.
        iterations: EM steps taken.
        converged: whether the log-likelihood had settled.
    """

    posterior: Floats
    confusion: Floats
    prevalence: Floats
    log_likelihood: float
    iterations: int
    converged: bool


def dawid_skene(
    participant: ArrayLike,
    stimulus: ArrayLike,
    answer: ArrayLike,
    *,
    classes: int = 2,
    smoothing: float = 0.01,
    tolerance: float = 1e-7,
    max_iterations: int = 500,
) -> DawidSkene:
    """Fit by EM from the shares of answers, over (A,) integer codes; answers lie in [0, classes).

    ``smoothing`` is added to every count of a confusion matrix, so that a participant with few answers never makes one
    impossible; 0 gives plain maximum likelihood. EM stops when the log-likelihood changes by less than ``tolerance``
    an answer. Raises AnswersError for no answers, codes out of range or a negative smoothing.
    """
    people, items, said = (np.asarray(column) for column in (participant, stimulus, answer))
    if not len(said) or not people.shape == items.shape == said.shape:
        raise AnswersError("Dawid and Skene's model needs answers: three columns of one length, not empty")
    if said.min() < 0 or said.max() >= classes or people.min() < 0 or items.min() < 0:
        raise AnswersError(f"answers must be codes from 0 to {classes - 1}, participants and stimuli from 0 up")
    if smoothing < 0:
        raise AnswersError(f"smoothing cannot be negative, but is {smoothing}")
    n_items, n_people = int(items.max()) + 1, int(people.max()) + 1
    # As small as it fits: with a million answers temporaries are what takes the memory.
    cell = people.astype(np.int32 if n_people * classes < 2**31 else np.int64) * classes + said
    votes = np.column_stack([np.bincount(items[said == each], minlength=n_items) for each in range(classes)])
    answered = votes.sum(axis=1) > 0
    posterior: Floats = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    before, converged = -np.inf, False
    for iteration in range(1, max_iterations + 1):  # noqa: B007
        prevalence = posterior[answered].mean(axis=0)
        confusion = _confusion(posterior, items, cell, n_people, classes, smoothing)
        joint = _log_joint(confusion, prevalence, items, cell, n_items)
        peak = joint.max(axis=1, keepdims=True)
        scaled = np.exp(joint - peak)
        total = scaled.sum(axis=1, keepdims=True)
        posterior = scaled / total
        likelihood = float((np.log(total) + peak)[answered].sum())
        if abs(likelihood - before) < tolerance * len(said):
            converged = True
            break
        before = likelihood
    return DawidSkene(posterior, confusion, prevalence, likelihood, iteration, converged)


def positive_share(answers: Answers, agreement: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Share of stimuli that the model holds for positive, JSON-ready: the robustness column of the report.

    Without agreement beyond chance the model is not identified. So it is withheld, with the reason, where ``agreement``
    (:func:`.agreement.panel_agreement`) has a two-way interval of kappa, or of alpha for unequal panels, that includes
    0. Returns ``estimate``, ``numerator``, ``denominator`` (stimuli with answers), ``prevalence`` of positives,
    ``iterations``, ``converged``, ``method`` and ``reason``.
    """
    codes = answers.panel_codes()
    answered = np.bincount(codes) > 0
    total = int(np.count_nonzero(answered))
    if (reason := unidentified(agreement)) is not None:
        withheld = dict.fromkeys(("estimate", "numerator", "prevalence", "iterations", "converged"))
        return withheld | {"denominator": total, "method": METHOD, "reason": reason}
    fitted = dawid_skene(answers.participant, codes, answers.answer)
    # A tie is not positive, and is one whatever the order of rows makes of its last digits.
    positive = int(np.count_nonzero(fitted.posterior[answered, 1] > 0.5 + 1e-9))
    return {
        "estimate": positive / total,
        "numerator": positive,
        "denominator": total,
        # EM settles to its tolerance; further digits would depend on the order of rows.
        "prevalence": round(float(fitted.prevalence[1]), 6),
        "iterations": fitted.iterations,
        "converged": fitted.converged,
        "method": METHOD,
        "reason": None,
    }


def unidentified(agreement: Mapping[str, Any] | None) -> str | None:
    """Why the model is withheld, or None where agreement beyond chance was found, or could not be told."""
    if agreement is None:
        return None
    for name, said in (("fleiss_kappa", "kappa"), ("krippendorff_alpha", "alpha")):
        low, high = (agreement["intervals"][name][end] for end in ("low", "high"))
        if low is not None and high is not None:
            if not low <= 0:
                return None
            return f"withheld: {said}'s interval, {low:.3f} to {high:.3f}, includes no agreement beyond chance"
    return None


def _confusion(
    posterior: Floats, items: Integers, cell: Integers, n_people: int, classes: int, smoothing: float
) -> Floats:
    counts = np.empty((n_people, classes, classes))
    for true in range(classes):
        counted = np.zeros(n_people * classes)
        for part in _parts(len(cell)):
            counted += np.bincount(cell[part], posterior[items[part], true], minlength=n_people * classes)
        counts[:, true] = counted.reshape(n_people, classes)
    counts += smoothing
    total = counts.sum(axis=2, keepdims=True)
    # A participant who met no stimulus of a class says nothing about it.
    return np.divide(counts, total, out=np.full_like(counts, 1 / classes), where=total > 0)


def _log_joint(confusion: Floats, prevalence: Floats, items: Integers, cell: Integers, n_items: int) -> Floats:
    n_people, classes, _ = confusion.shape
    joint = np.empty((n_items, classes))
    with np.errstate(divide="ignore"):
        log_prevalence, log_confusion = np.log(prevalence), np.log(confusion)
    # -inf times a zero weight would be NaN: the least finite number stands for it.
    floor = -1e300
    for true in range(classes):
        each = np.maximum(log_confusion[:, true], floor).reshape(n_people * classes)
        joint[:, true] = np.maximum(log_prevalence[true], floor)
        for part in _parts(len(cell)):
            joint[:, true] += np.bincount(items[part], each[cell[part]], minlength=n_items)
    return joint


def _parts(length: int, size: int = 200_000) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, length, size))

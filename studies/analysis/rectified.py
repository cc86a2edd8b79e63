"""Rectified errors of Stock & Cissé (2018), *ConvNets and ImageNet Beyond Accuracy*.

An error that people accept is no error. Images the classifier gets right are never shown and always count as right.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pandas as pd

from .answers import Answers, AnswersError, as_answers
from .estimands import Estimand, Line, both_estimands, check_estimand
from .intervals import Estimate, pivotal_interval
from .panels import Panels, Rule, count_panels, threshold_curve
from .pivotal import AcceptedParts, PanelAnswers

KNOWN = "a count over the whole image set; its part in the interval depends on the estimand"


def rectified_error(
    answers: pd.DataFrame | Answers,
    *,
    population: int,
    errors: int,
    shown: int | None = None,
    threshold: int,
    panel: int | None = None,
    rule: Rule = "drop",
    level: float = 0.95,
    estimand: Estimand = "this image set",
    panels: Panels | None = None,
    counted: PanelAnswers | None = None,
) -> dict[str, Any]:
    """R(k) = E (1 - s(k)): the error left when accepted predictions no longer count as errors.

    Args:
        answers: columns ``participant, stimulus, answer``, or an Answers.
        population: images in the set the error is taken over.
        errors: images of that set from which those shown were taken, in a rectified top-1 study the misclassified
            ones; E = errors / population.
        shown: images that were shown, at most ``errors``; the answered ones when None.
        threshold: k, yes answers a panel needs to be accepted.
        panel: n, answers to each stimulus; the most frequent size when None.
        rule: what becomes of panels of another size.
        estimand: which of ``estimands.ESTIMANDS`` the result is about.
        panels, counted: the answers counted, where they are at hand; ``panel`` and ``rule`` are then theirs.

    Returns a JSON-ready dict: ``estimate`` R(k) with its interval under ``estimand``, ``estimands`` with both,
    ``terms`` E and s with named numerators and denominators, ``curve`` [R(0) = 0, ..., R(n + 1) = E], and ``notes``.
    Without any answer the estimate is null. Raises AnswersError unless answered <= shown <= errors <= population.
    """
    answers = as_answers(answers)
    panels = panels or count_panels(answers, panel=panel, rule=rule)
    shown = panels.n_stimuli if shown is None else shown
    _check_counts(("answered", panels.n_stimuli), ("shown", shown), ("errors", errors), ("population", population))
    counted = counted or PanelAnswers.of(answers, panels)
    share = pivotal_interval(answers, threshold, panels=panels, counted=counted, level=level)
    error = errors / population
    line = Line(error, error, (population, population), errors)
    return {
        **rectified_by(line, share, parts_of(counted, share, threshold), estimand),
        "threshold": threshold,
        "panel": panels.panel,
        "formula": "R(k) = E * (1 - s(k))",
        "terms": {
            "E": _known("images counted as errors", errors, "images in the set", population),
            "s": _estimated("accepted panels", "shown images with a counted panel", share),
        },
        "curve": [None if s is None else error * (1 - s) for s in threshold_curve(panels)],
        "panels": panels.as_dict(),
        "notes": _notes(panels, shown, "shown images")
        + ([f"a sample: {shown} of {errors} errors were shown"] if shown < errors else []),
    }


def adversarial_rectified_error(
    answers: pd.DataFrame | Answers,
    *,
    adversarial_errors: int,
    adversarial_population: int,
    flipped: int,
    flipped_population: int,
    threshold: int,
    shown: int | None = None,
    panel: int | None = None,
    rule: Rule = "drop",
    level: float = 0.95,
    estimand: Estimand = "this image set",
) -> dict[str, Any]:
    """R = S - f p: the adversarial error left when accepted adversarial labels no longer count as errors.

    Only images that were right and were flipped by the attack are shown, so only their share f can be taken back:
    not S (1 - p), which would also forgive images that were wrong to begin with.

    Args:
        adversarial_errors, adversarial_population: S, the error under attack over all images.
        flipped, flipped_population: f, the share of images that were right and that the attack turned.
        answers: one condition's answers about flipped images; p(k) is their accepted share.
        shown: flipped images that were shown; the answered ones when None.
        estimand: which of ``estimands.ESTIMANDS`` the result is about.

    Returns as :func:`rectified_error`, with terms S, f and p. A note says when S and f have different denominators.
    Raises AnswersError for counts out of order.
    """
    answers = as_answers(answers)
    panels = count_panels(answers, panel=panel, rule=rule)
    shown = panels.n_stimuli if shown is None else shown
    _check_counts(
        ("answered", panels.n_stimuli), ("shown", shown), ("flipped", flipped), ("population", flipped_population)
    )
    _check_counts(("adversarial errors", adversarial_errors), ("population", adversarial_population))
    counted = PanelAnswers.of(answers, panels)
    accepted = pivotal_interval(answers, threshold, panels=panels, counted=counted, level=level)
    standard, turned = adversarial_errors / adversarial_population, flipped / flipped_population
    notes = _notes(panels, shown, "shown images")
    if shown < flipped:
        notes.append(f"a sample: {shown} of {flipped} flipped images were shown")
    if adversarial_population != flipped_population:
        notes.append(f"S is over {adversarial_population} images and f over {flipped_population}: not the same images")
    line = Line(standard, turned, (adversarial_population, flipped_population), flipped)
    return {
        **rectified_by(line, accepted, parts_of(counted, accepted, threshold), estimand),
        "threshold": threshold,
        "panel": panels.panel,
        "formula": "R(k) = S - f * p(k)",
        "terms": {
            "S": _known("images wrong under attack", adversarial_errors, "images in the set", adversarial_population),
            "f": _known("right images turned by the attack", flipped, "images attacked", flipped_population),
            "p": _estimated("accepted panels", "shown flipped images with a counted panel", accepted),
        },
        "curve": [None if p is None else standard - turned * p for p in threshold_curve(panels)],
        "panels": panels.as_dict(),
        "notes": notes,
    }


def rectified_by(
    line: Line, share: Estimate, parts: AcceptedParts | None, estimand: Estimand = "this image set"
) -> dict[str, Any]:
    """R under the registered estimand, both estimands, and Wilson's interval of the share turned over, JSON-ready."""
    check_estimand(estimand)
    found = both_estimands(line, share, parts)
    low, high = share.wilson or (None, None)
    turned = {
        "low": None if high is None else line.at(high),
        "high": None if low is None else line.at(low),
    }
    return {**found[estimand], "estimands": dict(found), "wilson": turned}


def parts_of(counted: PanelAnswers, share: Estimate, threshold: int) -> AcceptedParts | None:
    """What the share's variance is made of; None where it has no interval."""
    return None if share.low is None else counted.parts(threshold)


def _known(numerator_name: str, numerator: int, denominator_name: str, denominator: int) -> dict[str, Any]:
    return {
        "estimate": numerator / denominator,
        "numerator": numerator,
        "numerator_name": numerator_name,
        "denominator": denominator,
        "denominator_name": denominator_name,
        "interval": KNOWN,
    }


def _estimated(numerator_name: str, denominator_name: str, share: Estimate) -> dict[str, Any]:
    return {**share.as_dict(), "numerator_name": numerator_name, "denominator_name": denominator_name}


def _notes(panels: Panels, shown: int, what: str) -> list[str]:
    notes = [f"{shown - panels.n_stimuli} {what} have no answer"] if shown > panels.n_stimuli else []
    if panels.short or panels.long:
        notes.append(
            f"{panels.short} panels have fewer and {panels.long} more than {panels.panel} answers; "
            f"rule {panels.rule}: {panels.as_dict()['rule_meaning']}"
        )
    return notes


def _check_counts(*rising: tuple[str, int]) -> None:
    for (small_name, small), (large_name, large) in pairwise(rising):
        if not 0 <= small <= large:
            raise AnswersError(f"{small} {small_name} cannot be more than {large} {large_name}, nor less than none")
    name, whole = rising[-1]
    if not whole:
        raise AnswersError(f"the {name} is empty")

"""Panels: the answers to each stimulus, counted; and the share accepted at every threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .answers import Answers, AnswersError

Rule = Literal["top_up", "drop", "proportion"]

RULES: dict[Rule, str] = {
    "top_up": "incomplete panels wait for more answers; until they are complete there is no accepted share",
    "drop": "panels of another size are left out, and counted",
    "proportion": "a panel of another size is accepted at the same share of yes, k of n",
}


@dataclass(frozen=True, eq=False)
class Panels:
    """The counted panels of a study. N panels are counted, each of n answers (of any size under ``proportion``).

    Attributes:
        panel: n, the answers wanted for each stimulus.
        rule: what is done with panels of another size, a key of ``RULES``.
        size: (P,) answers to each panel code, 0 where there are none.
        yes: (P,) yes among them.
        counted: (P,) whether the panel enters the accepted share under the rule.
        n_stimuli: panels with at least one answer.
        n_participants: participants with at least one answer.
        n_answers: all answers.
        short, long: panels with fewer, and with more, than n answers.
        histogram: (n + 1,) panels of exactly n answers by their number of yes.
    """

    panel: int
    rule: Rule
    size: NDArray[np.int64]
    yes: NDArray[np.int64]
    counted: NDArray[np.bool_]
    n_stimuli: int
    n_participants: int
    n_answers: int
    short: int
    long: int
    histogram: NDArray[np.int64]

    @property
    def n_counted(self) -> int:
        """N, the denominator of the accepted share."""
        return int(np.count_nonzero(self.counted))

    @property
    def waiting(self) -> bool:
        """Whether the rule is to top up and some panels still lack answers."""
        return self.rule == "top_up" and self.short > 0

    def acceptance(self, threshold: int) -> Callable[[Any, Any], NDArray[np.bool_]]:
        """Whether panels of ``size`` answers, ``yes`` of them yes, are accepted: at least k of n, or that share.

        In whole numbers, so that no rounding decides: yes / size >= k / n.
        """
        return lambda size, yes: yes * self.panel >= threshold * size

    def accepted(self, threshold: int) -> int:
        """How many counted panels have at least ``threshold`` of n yes."""
        if self.rule != "proportion":
            return int(self.histogram[max(threshold, 0) :].sum())
        return int(np.count_nonzero(self.acceptance(threshold)(self.size, self.yes) & self.counted))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready account of the panels and of what was done with those of another size."""
        return {
            "panel": self.panel,
            "counted": self.n_counted,
            "short": self.short,
            "long": self.long,
            "rule": self.rule,
            "rule_meaning": RULES[self.rule],
        }


def count_panels(answers: Answers, *, panel: int | None = None, rule: Rule = "drop", at_least: int = 0) -> Panels:
    """Count each stimulus's answers.

    ``panel`` is n; without it the most frequent size is taken, the larger of two as frequent. ``at_least`` is how many
    panel codes there are, where the last ones may have no answer. Raises AnswersError for
    a panel under 1, an unknown rule, or no answers to take the size from.
    """
    if rule not in get_args(Rule):
        raise AnswersError(f"rule {rule!r} is not one of {', '.join(get_args(Rule))}")
    if panel is None and not len(answers):
        raise AnswersError("there are no answers")
    codes = answers.panel_codes()
    size = np.bincount(codes, minlength=at_least)
    yes = np.bincount(codes[answers.answer == 1], minlength=len(size))
    sizes = np.bincount(size, minlength=1)
    sizes[0] = 0
    if panel is None:
        panel = len(sizes) - 1 - int(np.argmax(sizes[::-1]))
    elif panel < 1:
        raise AnswersError(f"a panel has at least one answer, not {panel}")
    whole = size == panel
    return Panels(
        panel=panel,
        rule=rule,
        size=size,
        yes=yes,
        counted=size > 0 if rule == "proportion" else whole,
        n_stimuli=int(sizes.sum()),
        n_participants=int(np.count_nonzero(np.bincount(answers.participant))),
        n_answers=len(answers),
        short=int(sizes[:panel].sum()),
        long=int(sizes[panel + 1 :].sum()),
        histogram=np.bincount(yes[whole], minlength=panel + 1),
    )


def default_threshold(panel: int) -> int:
    """The smallest k above three quarters of the panel: four of five, as in Stock & Cissé (2018)."""
    return 3 * panel // 4 + 1


def check_threshold(threshold: int, panel: int) -> None:
    """Raise AnswersError unless 1 <= threshold <= panel."""
    if not 1 <= threshold <= panel:
        raise AnswersError(f"the threshold must lie between 1 and the panel of {panel}, not {threshold}")


def threshold_curve(panels: Panels) -> list[float | None]:
    """Share of counted panels with at least k yes, for k = 0..n+1: from 1 down to 0.

    Nulls when none is counted, or while panels wait to be topped up.
    """
    if panels.waiting or not panels.n_counted:
        return [None] * (panels.panel + 2)
    return [panels.accepted(k) / panels.n_counted for k in range(panels.panel + 2)]

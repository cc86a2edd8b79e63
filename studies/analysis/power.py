"""Planning by simulation: interval widths and power over a grid of stimuli, participants and answers a stimulus.

Formulas for two independent proportions know nothing of crossed answers, so studies are simulated under assumptions
and put through the default intervals and tests themselves. More images cannot replace more participants: with N images,
SE^2 is about theta (1 - theta) / N + (c sigma_w)^2 / W_eff, and the second part stays; :func:`habit_constant` has c.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import expit
from scipy.stats import binom

from .answers import Answers, AnswersError
from .differences import pivotal_difference
from .equivalence import check_margin, within_margin
from .intervals import pivotal_interval, wilson
from .panels import check_threshold, count_panels, default_threshold
from .simulation_model import Scenario, simulate_answers, truth
from .two_way_clustering import two_way_difference, two_way_share

ENOUGH_PARTICIPANTS = 25
Measure = Literal["accepted", "share"]
#: What `simulate.truth` calls them.
TRUTH: dict[Measure, str] = {"accepted": "accepted_share", "share": "yes_share"}


@dataclass(frozen=True)
class Assumptions:
    """What a plan assumes beside the grid.

    Attributes:
        scenario: how answers come about; its ``stimuli``, ``participants`` and ``panel`` are overridden by the grid.
            With ``effect`` or ``effect_sd`` (or ``separate_groups``) power is for the difference of two conditions.
        threshold: k for each panel size n; by default the smallest above three quarters.
        measure: "accepted", the share of panels at k of n, by the two-way pivotal interval and difference; or "share",
            that of answers, right or yes, by the two-way cluster jackknife.
        pay: for one answer, in any currency.
        seconds: for one answer.
        margin: of equivalence and non-inferiority, in shares; None where neither is to be shown.
    """

    scenario: Scenario
    threshold: dict[int, int] | None = None
    measure: Measure = "accepted"
    pay: float = 0.0
    seconds: float = 0.0
    margin: float | None = None


def plan(
    assumptions: Assumptions,
    *,
    stimuli: Sequence[int],
    participants: Sequence[int],
    panels: Sequence[int] = (5,),
    conditions: int = 1,
    replicates: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> list[dict[str, Any]]:
    """Simulate every combination of the grid, each with its own stream of random numbers.

    Returns one JSON-ready row each: ``stimuli, participants, panel, threshold, conditions, answers, effective_
    participants`` (mean), ``truth`` (the measure, or the difference of the second condition from the first),
    ``width`` (median width of the default interval over replicates that have one), ``width_p90``, ``undefined`` (share
    of replicates without an interval), ``power`` (share of all replicates whose test rejects no difference at
    1 - level, with its Wilson interval in ``power_low`` and ``power_high``; null with one condition), ``cost``,
    ``hours`` and ``cap`` (see :func:`suggested_cap`). With a margin and two conditions also ``power_equivalent`` and
    ``power_noninferior``, the shares of replicates that show either. A combination with fewer participants than a panel
    needs has null results and a ``reason``.
    """
    if conditions not in (1, 2):
        raise AnswersError(f"a plan is for one condition or two, not {conditions}")
    if assumptions.measure not in get_args(Measure):
        raise AnswersError(f"a plan is for {' or '.join(get_args(Measure))}, not {assumptions.measure}")
    if assumptions.margin is not None:
        check_margin(assumptions.margin)
    if replicates < 1 or not (stimuli and participants and panels):
        raise AnswersError("a plan needs at least one replicate and a grid that is not empty")
    grid = [(n, w, m) for n in stimuli for w in participants for m in panels]
    streams = np.random.default_rng(seed).spawn(len(grid))
    return [
        _cell(assumptions, n, w, m, conditions, replicates, rng, level)
        for (n, w, m), rng in zip(grid, streams, strict=True)
    ]


def from_pilot(answers: Answers, *, name: str = "pilot") -> Scenario:
    """A scenario that matches a pilot in three moments: yes share, alikeness within stimuli and within participants.

    They are the share of yes; the share of pairs of answers to one stimulus that are both yes; and the covariance of
    what one participant says, to different stimuli, beyond the other answers of each panel. Uneven activity is the SD
    of log answers each, less what chance makes of even activity. A rough start: look at the plan under other values
    as well. Raises AnswersError when all answers are the same or no panel has two.
    """
    panels = count_panels(answers, rule="proportion")
    share = float(panels.yes.sum()) / panels.n_answers
    pairs = panels.size * (panels.size - 1)
    if share in (0.0, 1.0) or not pairs.any():
        raise AnswersError("a pilot needs yes and no answers, and panels of two or more")
    both_yes = float((panels.yes * (panels.yes - 1)).sum() / pairs.sum())
    codes = answers.panel_codes()
    size = panels.size[codes]
    others = (panels.yes[codes] - answers.answer) / np.maximum(size - 1, 1)
    beyond = np.where(size > 1, answers.answer - others, 0.0)
    each = np.bincount(answers.participant)
    summed = np.bincount(answers.participant, beyond)
    twice = float((each * (each - 1.0)).sum())
    habit = max((float(summed @ summed) - float(beyond @ beyond)) / twice, 0.0) if twice else 0.0
    active = each[each > 0]
    mean, stimulus_sd, participant_sd = _solve(share, both_yes, habit)
    return Scenario(
        stimuli=panels.n_stimuli,
        participants=panels.n_participants,
        panel=min(panels.panel, panels.n_participants),
        mean=mean,
        stimulus_sd=stimulus_sd,
        participant_sd=participant_sd,
        activity_sd=math.sqrt(max(float(np.log(active).var() - (1 / active).mean()), 0.0)),
        name=name,
    )


def habit_constant(scenario: Scenario, threshold: int, nodes: int = 80) -> float:
    """c, so that participants add (c sigma)^2 / W_eff to the variance of an accepted share, sigma their SD in log-odds.

    It is n times the SD over participants of the chance that a panel is accepted when one of them sits in it, by
    sigma: what one participant changes in the panels they are in, n of W_eff of all. Near 0.16 for four of five at SD 2
    between stimuli, 1 between participants and mean 0; no constant. Raises AnswersError where participants are alike.
    """
    if not scenario.participant_sd:
        raise AnswersError("participants who are all alike add nothing")
    check_threshold(threshold, scenario.panel)
    z, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = weight / weight.sum()
    stimulus = scenario.mean + scenario.stimulus_sd * z
    alone = expit(stimulus[:, None] + scenario.participant_sd * z[None, :])
    others = alone @ weight
    # A member's yes tips the panel where exactly k - 1 of the others say yes.
    tips = binom.pmf(threshold - 1, scenario.panel - 1, others)
    given = weight @ (binom.sf(threshold - 1, scenario.panel - 1, others)[:, None] + tips[:, None] * alone)
    mean = float(given @ weight)
    return scenario.panel * math.sqrt(float((given - mean) ** 2 @ weight)) / scenario.participant_sd


def suggested_cap(answers: int, *, enough: float = ENOUGH_PARTICIPANTS) -> int:
    """The most answers one participant may give if ``answers`` in all are to come from ``enough`` effective ones.

    With at most c answers m each, sum m^2 <= c sum m, so W_eff = (sum m)^2 / sum m^2 >= answers / c whatever the
    activity: c = answers / enough, rounded down, keeps the promise.
    """
    if answers < enough:
        raise AnswersError(f"{answers} answers cannot come from {enough:g} participants")
    return int(answers // enough)


def _cell(
    assumptions: Assumptions,
    stimuli: int,
    participants: int,
    panel: int,
    conditions: int,
    replicates: int,
    rng: np.random.Generator,
    level: float,
) -> dict[str, Any]:
    threshold = (assumptions.threshold or {}).get(panel, default_threshold(panel))
    check_threshold(threshold, panel)
    answers = stimuli * panel * conditions
    row: dict[str, Any] = {
        "stimuli": stimuli,
        "participants": participants,
        "panel": panel,
        "threshold": threshold,
        "conditions": conditions,
        "answers": answers,
        "cost": answers * assumptions.pay,
        "hours": answers * assumptions.seconds / 3600,
        "cap": suggested_cap(answers) if answers >= ENOUGH_PARTICIPANTS else None,
    }
    row |= dict.fromkeys(
        ("effective_participants", "truth", "width", "width_p90", "undefined", "power", "power_low", "power_high")
    )
    if participants < panel:
        return row | {"reason": f"{participants} participants cannot fill panels of {panel}"}
    scenario = replace(assumptions.scenario, stimuli=stimuli, participants=participants, panel=panel)
    widths, effective, rejections, shown = [], [], 0, []
    for _ in range(replicates):
        table = simulate_answers(scenario, rng, conditions=conditions)
        found = FOUND[assumptions.measure, conditions](table, threshold, level)
        rejections += found.get("p_value") is not None and found["p_value"] < 1 - level
        effective.append(found["effective_participants"] or 0.0)
        if assumptions.margin is not None and conditions == 2:
            tested = (found["estimate"], found["standard_error"], found["degrees_of_freedom"])
            shown.append(within_margin(*tested, assumptions.margin, alpha=1 - level))
        if found["low"] is not None:
            widths.append(found["high"] - found["low"])
    name = TRUTH[assumptions.measure]
    value = truth(scenario, threshold, condition="only" if conditions == 1 else "first")[name]
    if conditions == 2:
        value = truth(scenario, threshold, condition="later")[name] - value
        low, high = wilson(rejections, replicates) or (None, None)
        row |= {"power": rejections / replicates, "power_low": low, "power_high": high}
    row |= {
        "effective_participants": float(np.mean(effective)),
        "truth": value,
        "undefined": 1 - len(widths) / replicates,
    }
    if shown:
        for name in ("equivalent", "noninferior"):
            row[f"power_{name}"] = sum(bool(each[name]) for each in shown) / replicates
    if widths:
        row |= {"width": float(np.median(widths)), "width_p90": float(np.quantile(widths, 0.9))}
    return row | {
        "reason": None if widths else "no replicate had an interval: too few participants, or all panels alike"
    }


def _accepted_difference(table: Answers, threshold: int, level: float) -> dict[str, Any]:
    (_, first), (_, second) = table.by_condition()
    return pivotal_difference(first, second, threshold, level=level)


def _share(table: Answers, level: float) -> dict[str, Any]:
    columns = table.answer, table.participant, table.stimulus
    return two_way_share(*columns, level=level, estimator="jackknife", floor="larger").as_dict()


def _share_difference(table: Answers, level: float) -> dict[str, Any]:
    second = np.asarray(table.condition) == 1
    columns = table.answer, second, table.participant, table.stimulus
    return two_way_difference(*columns, level=level, estimator="jackknife").as_dict()


#: By measure and number of conditions: the default interval, or that of the difference, of one simulated study.
FOUND: dict[tuple[Measure, int], Callable[[Answers, int, float], dict[str, Any]]] = {
    ("accepted", 1): lambda table, k, level: pivotal_interval(table, k, level=level).as_dict(),
    ("accepted", 2): _accepted_difference,
    ("share", 1): lambda table, k, level: _share(table, level),
    ("share", 2): lambda table, k, level: _share_difference(table, level),
}


def _solve(share: float, both_yes: float, habit: float, nodes: int = 40) -> tuple[float, float, float]:
    """Mean log-odds and both SDs whose moments, by Gauss-Hermite quadrature, come nearest to those given."""
    z, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = weight / weight.sum()

    def misfit(values: NDArray[np.float64]) -> NDArray[np.float64]:
        mean, stimulus_sd, participant_sd = values
        chance = expit(mean + stimulus_sd * z[:, None] + participant_sd * z[None, :])
        by_stimulus, by_participant = chance @ weight, weight @ chance
        yes = by_stimulus @ weight
        found = np.array([yes, by_stimulus**2 @ weight, by_participant**2 @ weight - yes**2])
        return found - (share, both_yes, habit)

    start = (math.log(share / (1 - share)), 1.0, 0.5)
    fitted = least_squares(misfit, start, bounds=((-20, 0, 0), (20, 20, 20)), xtol=1e-12, ftol=1e-12, gtol=1e-12)
    mean, stimulus_sd, participant_sd = map(float, fitted.x)
    return mean, stimulus_sd, participant_sd

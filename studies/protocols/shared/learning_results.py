"""What people learned of a classifier: gain, effect, utility and slope, and who stayed to the end, as a result."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studies.protocols.base.fields import condition_of
from studies.protocols.base.results import Figure, Summary, Table, p_value, percent, points, span

from . import right_answers
from .two_way_results import TWO_WAY, ratio

if TYPE_CHECKING:
    import pandas as pd

#: The measures of a study without answers in every arm.
NOTHING: Mapping[str, Any] = {
    "cells": {},
    "gain": {},
    "effect": None,
    "post_difference": None,
    "utility": {"by_session": [], "mean": None},
    "slope": {},
    "slope_difference": None,
    "comparisons": {},
    "after_training": {},
    "drop_out": {},
}


def arms_of(design: Mapping[str, Any]) -> list[str]:
    """The groups, in the order of the design."""
    return [condition_of(one) for one in design["arms"]]


def summary(design: Mapping[str, Any], table: "pd.DataFrame", *, reference: str, pre: str, post: str) -> Summary:
    """The result of answers with participant, stimulus, condition, phase, answer, model_output and item.

    The first explainer of the design is compared with no explanation at the top level, as `reanalyse` does it; further
    ones under `comparisons`, each with its own adjustment.
    """
    from studies.analysis.simulatability import simulatability

    arms = arms_of(design)
    drop_out = _drop_out(table, arms, design["trials_per_participant"])
    there = [arm for arm in arms if (table["condition"] == arm).any()]
    explained = [arm for arm in there if arm != reference]
    if reference not in there or not explained:
        missing = next(arm for arm in arms if arm not in there)
        measures = {**NOTHING, "drop_out": drop_out}
        return Summary(f"No answer of the group {missing} counts yet.", measures, [_drop_out_table(drop_out)])
    phases = set(table["phase"])
    sessions = [name for n in range(design["sessions"]) if (name := f"session-{n + 1}") in phases]
    settings = {"reference": reference, "pre": pre, "post": post, "sessions": sessions, "choices": design["classes"]}
    each = {arm: simulatability(table, explained=arm, **settings) for arm in explained}
    measures = dict(each[explained[0]])
    measures["comparisons"] = {arm: _compared(each[arm]) for arm in explained[1:]}
    measures["drop_out"] = drop_out
    after = table[table["phase"] == post]
    right = after.assign(correct=after["answer"] == after["model_output"]).drop(columns="answer")
    measures["after_training"] = right_answers.of_conditions(right, arms)
    tables = [_cells_table(measures, arms, table), _gain_table(measures)]
    note = "Share of the classifier’s answers that people predict in the last test."
    tables += right_answers.table_of("Predicted after training", measures["after_training"], note)
    for arm in explained:
        tables += _comparison_tables(each[arm], arm)
    tables.append(_drop_out_table(drop_out))
    return Summary(_headline(measures, explained[0]), measures, tables, _figures(measures, arms))


def _compared(found: Mapping[str, Any]) -> dict[str, Any]:
    names = ("effect", "post_difference", "utility", "slope_difference", "holm")
    return {name: found[name] for name in names}


def _drop_out(table: "pd.DataFrame", arms: list[str], trials: int) -> dict[str, dict[str, int]]:
    """By group how many people gave answers that count, and how many of them all of a visit's."""
    each = table.groupby(["condition", "participant"]).size()
    found = {}
    for arm in arms:
        sizes = each[each.index.get_level_values("condition") == arm]
        found[arm] = {"participants": len(sizes), "completed": int((sizes >= trials).sum())}
    return found


def _drop_out_table(found: Mapping[str, Any]) -> Table:
    rows = [[arm, one["participants"], one["completed"]] for arm, one in found.items()]
    note = "All are analysed in the group that they were put into. A group that loses more people differs in who stays."
    return Table("People by group", ["", "with answers that count", "with all of them"], rows, note)


def _cells_table(measures: Mapping[str, Any], arms: list[str], table: "pd.DataFrame") -> Table:
    cells = {arm: measures["cells"][arm] for arm in arms if arm in measures["cells"]}
    phases = list(dict.fromkeys(phase for one in cells.values() for phase in one))
    order = [phase for phase in ("pre", *measures["sessions"], "post") if phase in phases]
    answers = table.groupby(["condition", "phase"], observed=True).size().to_dict()
    rows = [
        [arm, *(percent(one.get(phase), answers.get((arm, phase))) for phase in order)] for arm, one in cells.items()
    ]
    note = "Share of the classifier’s answers that people predict."
    return Table("Predicted, by group and phase", ["", *order], rows, note)


def _gain_table(measures: Mapping[str, Any]) -> Table:
    rows = [
        [f"{what}, {arm}", points(one["estimate"]), span(one, points), p_value(one["p_value"])]
        for what, key in (("Gain from before to after", "gain"), ("Slope over the sessions", "slope"))
        for arm, one in measures[key].items()
    ]
    return Table("What each group learned", ["", "difference", "uncertainty", "p"], rows, TWO_WAY)


def _comparison_tables(found: Mapping[str, Any], arm: str) -> list[Table]:
    against = f"{arm} against {found['reference']}"
    adjusted = found["holm"]
    rows = [
        [what, points(one["estimate"]), span(one, points), p_value(one["p_value"]), p_value(adjusted.get(key))]
        for what, key, one in (
            ("Effect: gain less gain", "effect", found["effect"]),
            ("After training", "", found["post_difference"]),
            ("Slope less slope", "slope_difference", found["slope_difference"]),
        )
    ]
    utility = [("Mean", found["utility"]["mean"], p_value(adjusted["utility"]))]
    utility += [(one["session"], one, None) for one in found["utility"]["by_session"]]
    ratios = [[what, _times(one), span(one, _hundredths), p_value(one["p_value"]), holm] for what, one, holm in utility]
    note = "Fixed by the design. p adjusted by Holm over effect, mean utility and slope."
    kept = "The share predicted with the explanation divided by that without, times 100; 100 is no difference."
    return [
        Table(f"Differences, {against}", ["", "difference", "uncertainty", "p", "p by Holm"], rows, note),
        Table(f"Utility, {against}", ["", "ratio", "uncertainty", "p, against 100", "p by Holm"], ratios, kept),
    ]


def _hundredths(value: float | None) -> str:
    return "–" if value is None else ratio(100 * value)


def _times(found: Mapping[str, Any]) -> str:
    return _hundredths(found["estimate"])


def _figures(measures: Mapping[str, Any], arms: list[str]) -> list[Figure]:
    """The share predicted over the phases, one line a group."""
    order = ["pre", *measures["sessions"], "post"]
    series = []
    for arm in arms:
        cells = measures["cells"].get(arm, {})
        shown = [phase for phase in order if phase in cells]
        places = [order.index(phase) for phase in shown]
        series.append({"name": arm, "x": places, "y": [cells[phase] for phase in shown]})
    note = f"Share of the classifier’s answers that people predict: 0 before training, {len(order) - 1} after it."
    return [Figure("learning", "steps", "Predicted, by phase", "phase", "predicted in %", series, note)]


def _headline(measures: Mapping[str, Any], arm: str) -> str:
    effect, mean = measures["effect"], measures["utility"]["mean"]
    said = f"Training with {arm} adds {points(effect['estimate'])} to the gain without it ({span(effect, points)})"
    return f"{said}; the mean utility, in hundredths, is {_times(mean)} ({span(mean, _hundredths)})."

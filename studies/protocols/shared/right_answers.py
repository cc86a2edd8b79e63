"""Shares of right answers by condition, and where the classifier is right or wrong: measures, tables, registered rules.

Used by protocols about what people make of a classifier's decisions, which can be wrong.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.protocols.base.protocol import DesignError
from studies.protocols.base.results import Table, percent

from . import two_way_results

if TYPE_CHECKING:
    import pandas as pd

Found = Mapping[str, Any]
RIGHT, WRONG = MODEL = ("right", "wrong")


def balanced(predictions: Sequence[Any], n: int, random: np.random.Generator) -> list[Any]:
    """At random `n` predictions, half of them right and half wrong as far as there are so many, in their old order.

    Of each photograph at most one.  DesignError where none is right, or none wrong.
    """
    each = list({one.image.sha256: one for one in predictions}.values())
    right = [one for one in each if one.top[0].label == one.image.label]
    wrong = [one for one in each if one.top[0].label != one.image.label]
    if not right or not wrong:
        what = "wrong" if right else "right"
        raise DesignError(
            [f"the classifier is {what} about none of the {len(each)} images: right and wrong decisions are needed"]
        )
    of_wrong = min(n // 2, len(wrong))
    of_right = min(n - of_wrong, len(right))
    of_wrong = min(n - of_right, len(wrong))
    drawn = {
        some[i].image.sha256
        for some, wanted in ((right, of_right), (wrong, of_wrong))
        for i in random.permutation(len(some))[:wanted]
    }
    return [one for one in each if one.image.sha256 in drawn]


def shares(
    table: "pd.DataFrame",
    conditions: Sequence[str],
    *,
    chance: float | None = None,
    pairs: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """What `accuracy` of the analysis says of a table with `correct`, conditions in the order of the design."""
    from studies.analysis.choices import accuracy

    there = set(table["condition"])
    found = accuracy(table, chance=chance, contrasts=[pair for pair in pairs if set(pair) <= there])
    plain = {
        name: {
            key: value for key, value in found["conditions"][name].items() if key not in ("accuracy", "by_participant")
        }
        for name in conditions
        if name in there
    }
    return {**found, "conditions": plain}


def of_conditions(table: "pd.DataFrame", conditions: Sequence[str]) -> dict[str, Any]:
    """The shares alone; empty where nothing is left of the table."""
    return shares(table, conditions)["conditions"] if len(table) else {}


def by_model(table: "pd.DataFrame", conditions: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The shares by condition where the classifier is right, and where it is wrong, by the column model_right."""
    where = table["model_right"].astype(bool)
    return {RIGHT: of_conditions(table[where], conditions), WRONG: of_conditions(table[~where], conditions)}


def table_of(title: str, found: Found, note: str) -> list[Table]:
    """The shares of `found` as a table; none where there are none."""
    if not found:
        return []
    if all(one["null"] is None for one in found.values()):
        shown = two_way_results.shares_table(title, found, note)
        column = shown.columns.index("p, against chance")
        rows = [[cell for at, cell in enumerate(row) if at != column] for row in shown.rows]
        return [Table(title, [c for at, c in enumerate(shown.columns) if at != column], rows, shown.note)]
    return [two_way_results.shares_table(title, found, note)]


def model_tables(found: Mapping[str, Found], what: str) -> list[Table]:
    """One table for decisions that are right, and one for those that are wrong."""
    return [
        table
        for key in MODEL
        for table in table_of(f"{what}, the classifier is {key}", found[key], f"Where the classifier is {key}.")
    ]


def headline(found: Found, what: str, chance: float | None) -> str:
    """How often `what` holds in each condition, in a sentence; and the chance to guess it, where there is one."""
    said = [f"{percent(one['estimate'], one['denominator'])} with {name}" for name, one in found.items()]
    return f"{what}: {'; '.join(said)}." + ("" if chance is None else f" Chance is {percent(chance)}.")

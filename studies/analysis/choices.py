"""Right and wrong answers by condition: which of two names is right, and right or wrong against a truth.

*Which class is depicted* (Selvaraju et al. 2017, Grad-CAM, section 5.1): a visualisation of one of two classes that an
image has; participants say which. The estimand is the chance that a new participant names the visualised class of a new
image, for each visualisation. The intervals are cluster-robust on the logit scale, by participant and *item*: the two
classes of one image are one item. Contrasts are tested as log odds ratios, adjusted by Holm, and told in shares too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .answers import AnswersError, RowError
from .cell_means import CellMeans
from .effect_sizes import odds_ratio
from .two_way_clustering import Clustered, Contrast, contrast_of, share_of, with_holm

#: What becomes of a second answer of one participant to one stimulus.
Repeats = Literal["refuse", "keep", "first"]
#: The condition of a file that has none.
ALL = "all"


def two_choice(
    table: pd.DataFrame, *, chance: float = 0.5, contrasts: Sequence[tuple[str, str]] = (), level: float = 0.95
) -> dict[str, Any]:
    """Shares of right choices between two names, by condition, against ``chance``, and their contrasts.

    Args:
        table: (A,) rows with ``participant, stimulus, condition, first, second, answer, truth`` and optionally
            ``item``, what the stimuli of one image have in common; the stimulus where it is not given.
        chance: that a guess is right.
        contrasts: pairs (B, A) of conditions, each compared as B less A.

    Returns, JSON-ready, ``answers, participants, stimuli, items, chance, conditions`` (by name an interval with
    ``numerator, denominator, naive, jackknife``), ``contrasts`` (log odds ratios with ``p_holm`` and the ``difference``
    in shares) and ``chose_first``, the share of answers that name the first of the two, against one half. Raises
    RowError where the two names are one, or an answer or a truth is neither, and for a second answer of one participant
    to one stimulus in one condition.
    """
    names = {role: table[role].to_numpy(dtype=object) for role in ("first", "second", "answer", "truth")}
    if (same := names["first"] == names["second"]).any():
        row = int(same.argmax())
        raise RowError(row, f"the two choices are both {names['first'][row]!r}")
    for role in ("answer", "truth"):
        if (odd := (names[role] != names["first"]) & (names[role] != names["second"])).any():
            row = int(odd.argmax())
            choices = f"{names['first'][row]!r} nor {names['second'][row]!r}"
            raise RowError(row, f"the {role} is {names[role][row]!r}, neither {choices}")
    right = names["answer"] == names["truth"]
    first = (names["answer"] == names["first"]).astype(np.float64)
    shown = _shares(table, right, chance=chance, contrasts=contrasts, level=level)
    people, items = (table[role].to_numpy(dtype=object) for role in ("participant", item_role(table)))
    favoured = share_of(CellMeans.of(first, np.zeros(len(table), dtype=np.int64), people, items), 0.5, level)
    return {**shown, "chose_first": {**told(favoured), **_counts(first)}}


def accuracy(
    table: pd.DataFrame,
    *,
    chance: float | None = None,
    contrasts: Sequence[tuple[str, str]] = (),
    repeats: Repeats = "refuse",
    level: float = 0.95,
) -> dict[str, Any]:
    """Shares of right answers by condition, and their contrasts.

    Args:
        table: rows with ``participant, stimulus`` and either ``correct`` (booleans) or ``answer`` and ``truth``, right
            where they are the same; optionally ``condition`` and ``item``.
        chance: what the shares are tested against; None for no test.
        repeats: what becomes of further answers of one participant to one stimulus in a condition: they are refused,
            or count, or the first alone counts.

    Returns as :func:`two_choice`, less ``chose_first``; each condition has its interval as ``accuracy`` too, and
    ``by_participant``: the mean over participants of their shares, its SD and twice its standard error, as many papers
    print them.
    """
    if "correct" in table.columns:
        right = table["correct"].to_numpy(dtype=np.bool_)
    else:
        right = table["answer"].to_numpy(dtype=object) == table["truth"].to_numpy(dtype=object)
    if repeats not in get_args(Repeats):
        raise AnswersError(f"repeats are {', '.join(get_args(Repeats))}, not {repeats!r}")
    if repeats == "first":
        roles = [role for role in ("participant", "stimulus", "condition") if role in table.columns]
        first = ~table.duplicated(roles).to_numpy()
        table, right = table[first], right[first]
    shown = _shares(table, right, chance=chance, contrasts=contrasts, repeats=repeats == "keep", level=level)
    where = _conditions(table)
    for name, condition in shown["conditions"].items():
        condition["accuracy"] = condition.copy()
        here = where == name
        condition["by_participant"] = by_participant(table["participant"].to_numpy(dtype=object)[here], right[here])
    return shown


def by_participant(participant: NDArray[Any], right: NDArray[np.bool_]) -> dict[str, Any]:
    """The mean over participants of each one's share right, {participants, mean, sd, two_standard_errors}.

    The SD is over participants with n - 1; null for a single one. It says how much participants differ, and takes no
    account of the items.
    """
    each = pd.Series(right.astype(np.float64)).groupby(pd.factorize(participant)[0]).mean()
    spread = float(each.std(ddof=1)) if len(each) > 1 else None
    return {
        "participants": len(each),
        "mean": float(each.mean()),
        "sd": spread,
        "two_standard_errors": None if spread is None else 2 * spread / math.sqrt(len(each)),
    }


def compared(
    cells: CellMeans, contrasts: Sequence[tuple[str, str]], level: float, *, scale: str = "logit"
) -> list[dict[str, Any]]:
    """The contrasts B less A, with Holm over all of them; those on the logit scale with the difference in shares."""
    asked = [Contrast(f"{later} - {earlier}", {later: 1.0, earlier: -1.0}) for later, earlier in contrasts]
    for (later, earlier), contrast in zip(contrasts, asked, strict=True):
        if later == earlier:
            raise AnswersError(f"contrast {contrast.name!r} compares a condition with itself")
    if scale == "mean":
        return [_told(each) for each in with_holm(asked, [contrast_of(cells, c, "mean", level) for c in asked], "mean")]
    found = with_holm(asked, [contrast_of(cells, c, "logit", level) for c in asked], "logit")
    return [
        _told(each) | {"difference": told(contrast_of(cells, contrast, "mean", level)), "odds_ratio": odds_ratio(each)}
        for each, contrast in zip(found, asked, strict=True)
    ]


def told(found: Clustered) -> dict[str, Any]:
    """An interval as the contract of ``reanalyse`` has it, JSON-ready."""
    return _told(found.as_dict())


def _told(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "robust"}


def item_role(table: pd.DataFrame) -> str:
    """The column that says which answers are about one image."""
    return "item" if "item" in table.columns else "stimulus"


def refuse_repeats(table: pd.DataFrame, roles: Sequence[str]) -> None:
    """Raise RowError for the first row in which all these columns are as in an earlier one."""
    roles = [role for role in roles if role in table.columns]
    if (again := table.duplicated(roles).to_numpy()).any():
        row = int(again.argmax())
        where = "".join(f" in {role} {table[role].iloc[row]!r}" for role in roles[2:])
        who, what = (table[role].iloc[row] for role in roles[:2])
        raise RowError(row, f"participant {who!r} answers stimulus {what!r}{where} a second time")


def sizes(table: pd.DataFrame) -> dict[str, int]:
    """How many answers, participants, stimuli and items there are."""
    if not len(table):
        raise AnswersError("there are no answers")
    roles = {"participants": "participant", "stimuli": "stimulus", "items": item_role(table)}
    return {"answers": len(table), **{name: int(table[role].nunique()) for name, role in roles.items()}}


def _shares(
    table: pd.DataFrame,
    right: NDArray[np.bool_],
    *,
    chance: float | None,
    contrasts: Sequence[tuple[str, str]],
    level: float,
    repeats: bool = False,
) -> dict[str, Any]:
    counted = sizes(table)
    if not repeats:
        refuse_repeats(table, ("participant", "stimulus", "condition"))
    values = right.astype(np.float64)
    where = _conditions(table)
    people, items = (table[role].to_numpy(dtype=object) for role in ("participant", item_role(table)))
    cells = CellMeans.of(values, where, people, items)
    return {
        **counted,
        "chance": chance,
        "conditions": {
            name: {**told(share_of(cells.only([name]), chance, level)), **_counts(values[where == name])}
            for name in cells.names
        },
        "contrasts": compared(cells, contrasts, level),
    }


def _conditions(table: pd.DataFrame) -> NDArray[Any]:
    if "condition" in table.columns:
        return table["condition"].astype(str).to_numpy(dtype=object)
    return np.full(len(table), ALL, dtype=object)


def _counts(values: NDArray[np.float64]) -> dict[str, int]:
    return {"numerator": int(values.sum()), "denominator": len(values)}

"""Interim looks beside what the design registered: the boundary of each, and whether the result is exploratory.

A look is registered when it comes at a registered share of the answers, within ``TOLERANCE``. Looks at the same answers
are one look. Boundaries follow from the shares at which registered looks were really taken; the last is that of the
answers there are now. A look that was not registered may have stopped the study where it pleased: nothing that is
computed afterwards can undo that, so the result is then exploratory.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from studies.protocols import Table
from studies.protocols.base.preregistration import ALPHA

#: How far from its registered share of the answers a look may come.
TOLERANCE = 0.05
IN_WORDS = {"obrien_fleming": "O’Brien and Fleming’s", "pocock": "Pocock’s"}


def sequential(
    plan: Mapping[str, Any] | None, looks: Sequence[int], answers: int, wanted: int, *, closed: bool
) -> dict[str, Any] | None:
    """What the looks come to, JSON-ready; None where none was registered and none was taken.

    Args:
        plan: the registered ``{spending, shares}``, or None.
        looks: how many answers counted at each look, in their order.
        answers, wanted: how many count now, and how many the design asks for.
        closed: whether this is the end; otherwise the last look is the present one.

    Returns ``spending``, ``registered`` shares, ``looks`` [{answers, share, registered, boundary, level}], ``final``
    {answers, share, boundary, level} and ``unregistered``, how many looks were not. A boundary at which nothing can be
    spent is null.
    """
    from studies.analysis.spending import looks_at

    if not plan and not looks:
        return None
    # Looks at the answers of the end, or when all were there, are the end; those at answers that went since are not.
    taken = sorted({seen for seen in looks if not closed or (seen != answers and seen < wanted)})
    shares = list(plan["shares"]) if plan else []
    left, told = list(shares), []
    for seen in taken:
        share = seen / wanted if wanted else 0.0
        near = next((one for one in left if abs(one - share) <= TOLERANCE), None)
        if near is not None:
            left = left[left.index(near) + 1 :]
        told.append({"answers": seen, "share": share, "registered": near is not None, "boundary": None, "level": None})
    final: dict[str, Any] = {"answers": answers, "share": min(answers / wanted, 1.0) if wanted else 0.0}
    final |= {"boundary": None, "level": None}
    if plan:
        rows = [one for one in told if one["registered"] and one["share"] > 0]
        if closed and final["share"] > (rows[-1]["share"] if rows else 0):
            rows.append(final)
        for row, look in zip(rows, looks_at([row["share"] for row in rows], plan["spending"], ALPHA), strict=True):
            row["boundary"] = None if math.isinf(look.boundary) else look.boundary
            row["level"] = look.level
        if closed and rows and rows[-1] is not final:
            # Answers went after the last look: nothing more can be spent than was.
            final |= {name: rows[-1][name] for name in ("boundary", "level")}
    return {
        "spending": plan["spending"] if plan else None,
        "registered": shares,
        "looks": told,
        "final": final if closed else None,
        "unregistered": sum(not one["registered"] for one in told),
    }


def prefix(found: Mapping[str, Any] | None) -> str:
    """What a headline begins with where a look was not registered; empty otherwise."""
    n = found["unregistered"] if found else 0
    return f"Exploratory ({n} interim look{'s' * (n != 1)} not registered). " if n else ""


def warnings_of(found: Mapping[str, Any] | None) -> list[str]:
    """That the result is exploratory, or to what its tests are held."""
    if not found:
        return []
    if n := found["unregistered"]:
        return [
            f"Interim looks: {n} look{'s' * (n != 1)} at outcomes {'were' if n != 1 else 'was'} not registered. A "
            "study that is looked at can be stopped when it pleases, so intervals and p values promise too much."
        ]
    last = found["final"] or (found["looks"][-1] if found["looks"] else None)
    if last is None or last["level"] is None:
        return []
    return [
        f"Interim looks: with the registered looks the tests at this one are held to a p below {last['level']:.4f}, "
        f"by {IN_WORDS[found['spending']]} spending function."
    ]


def tables(found: Mapping[str, Any] | None, contrasts: Sequence[Mapping[str, Any]]) -> list[Table]:
    """The looks with their boundaries; and the registered contrasts held to the last one."""
    if not found or not found["spending"]:
        return []
    rows = [
        [
            "Interim look" if one is not found["final"] else "End of the study",
            one["answers"],
            f"{100 * one['share']:.2f}%",
            None if one["boundary"] is None else f"{one['boundary']:.4f}",
            None if one["level"] is None else f"{one['level']:.4f}",
        ]
        for one in [*found["looks"], *([found["final"]] if found["final"] else [])]
    ]
    note = (
        f"Alpha is spent by {IN_WORDS[found['spending']]} function (Lan and DeMets 1983), at the shares of the answers "
        "at which looks were taken. A test rejects at a look when its p lies below the level there. A look without a "
        "boundary was not registered, or came too early to spend anything."
    )
    told = [Table("Interim looks and their boundaries", ["", "answers", "share", "boundary", "level"], rows, note)]
    last = found["final"] or (found["looks"][-1] if found["looks"] else None)
    tested = [one for one in contrasts if one.get("p_holm") is not None]
    if tested and last and last["level"] is not None:
        held = [
            [one["name"], f"{one['p_holm']:.4f}", "differs" if one["p_holm"] < last["level"] else "not shown to differ"]
            for one in tested
        ]
        why = f"Holm’s p of each registered contrast against the level of this look, {last['level']:.4f}."
        told.append(Table("Registered contrasts at the boundary", ["", "p by Holm", "at this look"], held, why))
    return told

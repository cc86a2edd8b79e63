"""A margin within which a difference counts as none: the design's setting, and both one-sided tests in a table."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms

from studies.protocols.base.field_help import FieldHelp
from studies.protocols.base.results import Table, p_value, points, span

Found = Mapping[str, Any]


class MarginForm(forms.Form):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "margin": FieldHelp(
            "people",
            "With a margin every registered difference is also tested for equivalence and for non-inferiority. The "
            "smaller the margin, the more people are needed to show either.",
            "percentage points",
            "Schuirmann 1987: two one-sided tests.",
        ),
    }
    margin = forms.FloatField(
        required=False,
        min_value=0.1,
        max_value=99,
        help_text="Largest difference that counts as none, in percentage points; empty for no such test.",
    )


def of_design(design: Mapping[str, Any]) -> float | None:
    """The margin as a share, or None."""
    margin = design.get("margin")
    return None if margin is None else margin / 100


def table(contrasts: Mapping[str, Found]) -> list[Table]:
    """Each registered difference against the margin; none where there is no margin."""
    tested = {name: one["equivalence"] for name, one in contrasts.items() if one.get("equivalence")}
    if not tested:
        return []
    rows = []
    for name, found in tested.items():
        verdict = "–" if found["low"] is None else _verdict(found)
        tests = (p_value(found[test]) for test in ("p_noninferior", "p_equivalent"))
        rows.append([name, span(found, points), *tests, verdict])
    margin = 100 * next(iter(tested.values()))["margin"]
    note = (
        f"The margin of ±{margin:g} points was fixed by the design. Two one-sided tests (Schuirmann 1987) at 5% each, "
        "so that the interval beside them is of 90%: a difference is equivalent when it lies within the margin, and "
        "not inferior when it lies above its lower end."
    )
    columns = ["", "interval", "p, non-inferiority", "p, equivalence", "shown"]
    return [Table("Differences against the margin", columns, rows, note)]


def _verdict(found: Found) -> str:
    if found["equivalent"]:
        return "equivalent"
    return "not inferior" if found["noninferior"] else "neither"

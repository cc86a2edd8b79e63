"""A plan in tables and figures; its assumptions from a design or from a pilot."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies import protocols
from studies.lib import database
from studies.models import Study
from studies.protocols import Figure, Table
from studies.protocols.base.results import percent

if TYPE_CHECKING:
    from studies.analysis.answers import Answers

Row = Mapping[str, Any]


def of_design(study: Study) -> dict[str, Any]:
    """What a design says of a plan: panel, threshold, conditions, measure, and how many stimuli there are if any."""
    design, groups = study.design, protocols.get(study.protocol).arms(study.design)
    conditions = study.conditions.count()
    per_condition = study.stimuli.main().count() // conditions if conditions else 0
    return {
        "answers": design["answers_per_stimulus"],
        "threshold": design.get("threshold"),
        "measure": "accepted" if "threshold" in design else "share",
        "conditions": min(conditions, 2) or 1,
        "stimuli": per_condition or None,
        "separate_groups": groups is not None and groups.visits == 1,
        "margin": design.get("margin"),
    }


def pilot_of(study: Study, *, most: int | None = None) -> "Answers":
    """The counted answers, at most so many, of a closed study with yes and no answers; PilotError for other studies."""
    from studies.analysis.answers import Answers
    from studies.analysis.plan_on_request import PilotError
    from studies.results import frames

    if study.state != Study.State.CLOSED:
        raise PilotError(f"study {study.slug} is {study.state}: only a closed study can be a pilot")
    if most is not None and (n := study.trials.filter(counted=True).count()) > most:
        raise PilotError(f"study {study.slug} has {n:,} answers, too many for a page; use manage.py plan_study")
    with database.one_moment():
        answers = frames.counted_answers(study)
    if answers.empty:
        raise PilotError(f"study {study.slug} has no answers")
    return Answers.from_frame(answers.astype({"answer": str}))


def width_table(rows: Sequence[Row]) -> Table:
    """One row a combination of the grid."""
    columns = ["stimuli", "participants", "answers each", "answers", "width", "9 of 10 below"]
    with_power = any(row["power"] is not None for row in rows)
    shown = {"equivalent": "shows equivalence", "noninferior": "shows non-inferiority"}
    with_margin = [name for name in shown if any(f"power_{name}" in row for row in rows)]
    with_costs = [name for name in ("cost", "hours") if any(row[name] for row in rows)]
    remarks = [row["reason"] or _remark(row) for row in rows]
    columns += (
        ["power"] * with_power
        + [shown[name] for name in with_margin]
        + with_costs
        + ["cap"]
        + ["remark"] * any(remarks)
    )
    cells = []
    for row, remark in zip(rows, remarks, strict=True):
        sizes = [row["stimuli"], row["participants"], row["panel"], row["answers"]]
        found = [_percent(row["width"]), _percent(row["width_p90"])] + [_percent(row["power"])] * with_power
        found += [_percent(row.get(f"power_{name}")) for name in with_margin]
        spent = [f"{row[name]:,.{2 if name == 'cost' else 1}f}" for name in with_costs]
        cells.append([*sizes, *found, *spent, row["cap"], *[remark] * any(remarks)])
    note = (
        "Width: of the 95% interval, from its lower to its upper end, the median over simulated studies. Cap: the "
        "most answers one person should give, so that there are 25 effective participants at least."
    )
    return Table("Interval widths, and what they cost", columns, cells, note)


def heat_maps(rows: Sequence[Row]) -> list[Figure]:
    """Width, and power where there is one, over stimuli and participants; a map for each number of answers."""
    maps = []
    for panel in dict.fromkeys(row["panel"] for row in rows):
        here = [row for row in rows if row["panel"] == panel]
        for value, title in (("width", "Width of the 95% interval"), ("power", "Power at 5%")):
            if any(row[value] is not None for row in here):
                series = {"name": title, "x": [row["participants"] for row in here]}
                series |= {"y": [row["stimuli"] for row in here], "value": [row[value] for row in here]}
                maps.append(
                    Figure(
                        name=f"plan_{value}_{panel}",
                        kind="heatmap",
                        title=f"{title}, {panel} answers to each stimulus",
                        x="participants",
                        y="stimuli",
                        series=[series],
                        note="In percent. Where more stimuli change little, more participants are what is missing.",
                    )
                )
    return maps


def _remark(row: Row) -> str | None:
    return f"{_percent(row['undefined'])} of studies without an interval" if row["undefined"] else None


def _percent(share: float | None) -> str | None:
    return None if share is None else percent(share)

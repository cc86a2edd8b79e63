"""Plans as pages ask for them: plain values in, JSON-ready values out, so that they can be computed elsewhere."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any

from .answer_files import read_answers
from .answers import Answers, AnswersError
from .power import Assumptions, from_pilot, plan
from .simulation_model import Scenario


def width_of_design(asked: Mapping[str, Any], assumed: Mapping[str, Any]) -> tuple[float | None, str]:
    """Width of the default interval of one design, as a share; or None, and why there is none.

    ``asked``: stimuli, participants, panel, threshold (None for shares of answers), conditions, separate_groups and
    replicates. ``assumed``: further fields of the scenario.
    """
    panel, threshold = asked["panel"], asked["threshold"]
    scenario = Scenario(stimuli=1, participants=panel, panel=panel, separate_groups=asked["separate_groups"], **assumed)
    try:
        (row,) = plan(
            Assumptions(scenario, {panel: threshold} if threshold else None, "accepted" if threshold else "share"),
            stimuli=[asked["stimuli"]],
            participants=[asked["participants"]],
            panels=[panel],
            conditions=asked["conditions"],
            replicates=asked["replicates"],
        )
    except AnswersError as error:
        return None, str(error)
    width = row["width"]
    return (None, row["reason"] or "") if width is None or math.isnan(width) else (width, "")


def planned(
    asked: Mapping[str, Any], assumed: Mapping[str, Any], pilot: Answers | tuple[str, bytes] | None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of a plan, and what was assumed: from the pilot where there is one.

    ``asked``: stimuli, participants and answers (lists), threshold, measure, conditions (1 or 2), effect,
    separate_groups, margin (points, or None), pay, seconds, replicates and seed. ``pilot``: answers, or name and
    content of a CSV file. Raises PilotError for a pilot that cannot be used, AnswersError for a plan that cannot.
    """
    assumed = dict(assumed)
    if pilot is not None:
        try:
            found = from_pilot(pilot if isinstance(pilot, Answers) else read_answers(_file(*pilot)))
        except AnswersError as error:
            raise PilotError(str(error)) from None
        assumed = {name: getattr(found, name) for name in assumed}
    two, largest = asked["conditions"] == 2, max(asked["answers"])
    more: dict[str, Any] = {"effect": asked["effect"], "separate_groups": asked["separate_groups"]} if two else {}
    rows = plan(
        Assumptions(
            Scenario(stimuli=1, participants=largest, panel=largest, **assumed, **more),
            dict.fromkeys(asked["answers"], asked["threshold"]) if asked["threshold"] else None,
            asked["measure"],
            pay=asked["pay"],
            seconds=asked["seconds"],
            margin=asked["margin"] / 100 if asked.get("margin") else None,
        ),
        stimuli=asked["stimuli"],
        participants=asked["participants"],
        panels=asked["answers"],
        conditions=asked["conditions"],
        replicates=asked["replicates"],
        seed=asked["seed"],
    )
    return rows, assumed


def _file(name: str, content: bytes) -> io.BytesIO:
    file = io.BytesIO(content)
    file.name = name
    return file


class PilotError(AnswersError):
    """The pilot cannot be read, or says too little."""

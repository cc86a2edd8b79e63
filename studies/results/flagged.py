"""Participants who show signs of a program: how many, the result with and without them, and the words for a paper."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studies.analysis import automation
from studies.models import Study
from studies.protocols import Table
from studies.protocols.base.protocol import Protocol

from .sensitivity import LARGER_PANELS, cells_of, quantities_of

if TYPE_CHECKING:
    import pandas as pd

#: A panel that lacks an answer is accepted at the same share of yes, too.
OTHER_PANELS = LARGER_PANELS


def flagged_people(study: Study) -> dict[int, list[str]]:
    """The signals of each participant of whom evidence was recorded, by row id."""
    people = study.participants.filter(evidence__isnull=False, simulated=False)
    return dict(people.values_list("pk", "flags"))


def flagged(
    study: Study,
    protocol: Protocol,
    stimuli: "pd.DataFrame",
    answers: "pd.DataFrame",
    ids: Mapping[int, int],
    registered: Mapping[str, Any],
) -> tuple[dict[str, Any], list[Table]]:
    """What the evidence comes to; nothing where the design has none recorded.

    Args:
        ids: by row id of a participant their code in `answers`.
        registered: the measures of the registered result.
    """
    if not study.design.get("evidence"):
        return {}, []
    people = flagged_people(study)
    signals: Counter[str] = Counter(name for flags in people.values() for name in flags)
    with_any = {pk for pk, flags in people.items() if flags}
    rule = study.design.get("flagging", "")
    counts = {name: signals[name] for name in automation.SIGNALS}
    told: dict[str, Any] = {
        "version": automation.VERSION,
        "rule": rule,
        "participants": len(people),
        "flagged": len(with_any),
        "signals": counts,
    }
    methods = automation.methods(
        {**counts, "flagged": len(with_any)},
        people=len(people),
        rule=rule,
        instructed=bool(study.design.get("by_yourself")),
        hidden_field=bool(study.design.get("hidden_field")),
    )
    rows: list[list[Any]] = [[says.capitalize(), counts[name]] for name, says in automation.SIGNALS.items()]
    rows.append(["Any of them", len(with_any)])
    tables = [Table("Signs of programs", ["", "participants"], rows, f"For a methods section: {methods}")]
    codes = [ids[pk] for pk in with_any if pk in ids]
    left = answers[~answers["participant"].isin(codes)]
    if codes and len(left) < len(answers) and len(left):
        settings = {name: value for name, value in OTHER_PANELS.items() if name in study.design}
        without = protocol.summary({**study.design, **settings}, study.preparation, stimuli, left).measures
        told["without"] = {"answers": len(left), "quantities": quantities_of(protocol, without)}
        tables.append(_beside(quantities_of(protocol, registered), len(answers), told["without"]))
    return {"flagged": told}, tables


def _beside(registered: Mapping[str, Any], answers: int, without: Mapping[str, Any]) -> Table:
    names = list(registered)
    rows = [
        ["registered: with them", answers, *cells_of(names, registered)],
        ["without them", without["answers"], *cells_of(names, without["quantities"])],
    ]
    note = "Without them a panel can lack answers; it is then accepted at the same share of yes."
    return Table(
        "With and without participants with signs of a program", ["", "answers", *names], rows, note, exploratory=True
    )

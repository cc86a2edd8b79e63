"""Whether a result hangs on the exclusions: its main measures before any of them, and after each in turn."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studies.protocols import Table
from studies.protocols.base.protocol import Protocol
from studies.protocols.base.results import percent, points, span

if TYPE_CHECKING:
    import pandas as pd

#: A panel that got more answers than were wanted is accepted at the same share of yes.
LARGER_PANELS = {"unequal_panels": "proportion"}


def sensitivity(
    protocol: Protocol,
    design: Mapping[str, Any],
    preparation: Mapping[str, Any],
    stimuli: "pd.DataFrame",
    answers: "pd.DataFrame",
    excluded: "pd.DataFrame",
    registered: Mapping[str, Any],
) -> tuple[dict[str, Any], list[Table]]:
    """The measures `protocol.recovered` names, after each exclusion, and the flow of answers through them.

    `registered` are the measures of the registered result, which stands first. Exclusions are applied in the order of
    their names; an answer is charged to the one that took it. Nothing where no answer was excluded.
    """
    excluded = excluded[excluded["exclusion"] != ""]
    if excluded.empty:
        return {}, []
    import pandas as pd

    from studies.analysis.answers import Answers
    from studies.analysis.exclusions import ExclusionRule, apply_rules

    columns = [name for name in answers.columns if name in excluded.columns]
    everything = pd.concat(
        [answers[columns].astype({"answer": str, "condition": str}).assign(exclusion=""), excluded], ignore_index=True
    )
    why = everything["exclusion"].to_numpy(dtype=object)
    rules = sorted(set(why) - {""})
    table = Answers(everything["participant"].to_numpy(), everything["stimulus"].to_numpy(), (why == "").astype("int8"))
    flow = apply_rules(table, [ExclusionRule(rule, why == rule) for rule in rules]).flow
    steps = [_step("registered", flow[-1], quantities_of(protocol, registered))]
    for place, step in enumerate(flow[:-1]):
        left = everything[~pd.Series(why).isin(rules[:place]).to_numpy()]
        settings = {name: value for name, value in LARGER_PANELS.items() if name in design}
        measures = protocol.summary({**design, **settings}, preparation, stimuli, left[columns]).measures
        steps.append(_step(step["rule"], step, quantities_of(protocol, measures)))
    return {"sensitivity": {"flow": flow, "steps": steps}}, [_table(steps)]


def quantities_of(protocol: Protocol, measures: Mapping[str, Any]) -> dict[str, Any]:
    """The main measures by name, each with its interval."""
    return {
        name: {end: found.get(end) for end in ("estimate", "low", "high", "level", "reason")}
        for name, found in protocol.rehearsal_measures(measures).items()
    }


def cells_of(names: list[str], quantities: Mapping[str, Any]) -> list[str]:
    """The cells of a row with these measures."""
    return [_cell(name, quantities.get(name)) for name in names]


def _step(after: str | None, step: Mapping[str, Any], quantities: Mapping[str, Any]) -> dict[str, Any]:
    return {"after": after, **step["remains"], "quantities": quantities}


def _table(steps: list[dict[str, Any]]) -> Table:
    names = list(steps[0]["quantities"])
    rows = []
    for step in steps:
        rows.append([_named(step["after"]), step["answers"], *cells_of(names, step["quantities"])])
    note = (
        "The registered result first, then without any exclusion and after each in turn, in the order of their names. "
        "Before the last of them a panel can have more answers than were wanted; it is then accepted at the same share "
        "of yes."
    )
    return Table("Before and after exclusions", ["", "answers", *names], rows, note, exploratory=True)


def _named(after: str | None) -> str:
    if after == "registered":
        return "registered: after all exclusions"
    return "before any exclusion" if after is None else f"after “{after}”"


def _cell(name: str, found: Mapping[str, Any] | None) -> str:
    if found is None or found["estimate"] is None:
        return "–"
    form = points if "difference" in name else percent
    if found["low"] is None:
        return form(found["estimate"])
    return f"{form(found['estimate'])} ({span(found, form)})"

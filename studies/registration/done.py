"""What was registered against what was done, difference by difference."""

from collections.abc import Iterator, Mapping
from typing import Any

from studies.designs import amendments
from studies.models import Study
from studies.protocols import Table

AS_REGISTERED, OTHERWISE = "as registered", "differs"


def registered_against_done(study: Study, counts: Mapping[str, Any]) -> Table:
    """A row for each thing that was registered, with what was done; of an opened study.

    counts: of `studies.results.result.counts`.
    """
    rows = list(_rows(study, counts))
    differ = sum(row[-1] == OTHERWISE for row in rows)
    note = "Everything was done as it was registered." if not differ else f"{differ} of {len(rows)} differ."
    if study.state != Study.State.CLOSED:
        note += f" The study is {study.state}: answers may still come."
    return Table("Registered and done", ["", "registered", "done", ""], rows, note)


def _rows(study: Study, counts: Mapping[str, Any]) -> Iterator[list[Any]]:
    frozen = study.frozen or {}
    plan = frozen["analysis"]
    target, design = plan["target"], frozen["design"]
    yield _row("Stimuli", f"{target['stimuli']:,}", f"{counts['stimuli']:,}")
    yield _row("Answers that count", f"{target['answers']:,}", f"{counts['counted_answers']:,}")
    yield _row("Complete panels", f"{target['stimuli']:,}", f"{counts['panels']['full']:,}")
    looks = plan.get("looks")
    planned = [f"at {100 * share:g}%" for share in looks["shares"]] if looks else []
    taken = [
        f"at {100 * n / target['answers']:.0f}%" if target["answers"] else "at 0%"
        for n in study.looks.order_by("looked_at").values_list("answers", flat=True)
    ]
    yield [
        "Interim looks",
        ", ".join(planned) or "none",
        ", ".join(taken) or "none",
        AS_REGISTERED if not taken or _looks_fit(looks, study, target["answers"]) else OTHERWISE,
    ]
    rules = [rule for rule, n in counts["exclusions"].items() if n]
    told = "; ".join(f"{rule}: {counts['exclusions'][rule]:,} answers" for rule in rules)
    by_hand = counts["excluded_participants"]
    yield [
        "Exclusions by rule",
        "; ".join(plan["exclusions"]),
        told or "no answer excluded",
        AS_REGISTERED,
    ]
    yield _row("Participants excluded by researchers", "0", f"{by_hand:,}")
    changed = amendments.amended_design(study)
    for name in sorted(design):
        if changed.get(name) != design[name]:
            yield [f"Setting {name}", str(design[name]), str(changed.get(name)), OTHERWISE]
    yield _row("Amendments", "0", f"{study.amendments.count():,}")
    yield _row("Simulated participants", "0", f"{counts['simulated_participants']:,}")


def _row(name: str, registered: str, done: str) -> list[Any]:
    return [name, registered, done, AS_REGISTERED if registered == done else OTHERWISE]


def _looks_fit(looks: Mapping[str, Any] | None, study: Study, answers: int) -> bool:
    """Whether each look that was taken is one that was registered: at most 5 points from its share, each once."""
    left = list(looks["shares"]) if looks else []
    for n in study.looks.order_by("looked_at").values_list("answers", flat=True):
        near = next((share for share in left if answers and abs(n / answers - share) <= 0.05), None)
        if near is None:
            return False
        left.remove(near)
    return True

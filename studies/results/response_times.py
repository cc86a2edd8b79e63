"""What every study tells of its answers, whatever its protocol: what became of them, and how long they took."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from studies.protocols import Figure, Table

if TYPE_CHECKING:
    import pandas as pd

CLOCKS = {"page": "from the picture painted to the answer", "server": "from the page sent to the answer received"}
BINS = 30


def response_times(answers: "pd.DataFrame") -> dict[str, Any]:
    """Quantiles of the counted answers' times in seconds, by both clocks; a time that was not measured is missing."""
    from studies.analysis import response_times as times

    return {
        "page": times.response_times(answers["response_ms"].to_numpy() / 1000)["all"],
        "server": times.response_times(answers["server_ms"].to_numpy() / 1000)["all"],
    }


def times_table(measured: Mapping[str, Any]) -> Table:
    columns = {"answers": "answers", "p05": "5%", "p25": "25%", "median": "median", "p75": "75%", "p95": "95%"}
    rows = []
    for clock, meaning in CLOCKS.items():
        found = measured[clock] | {"answers": measured[clock]["answers"] - measured[clock]["missing"]}
        cells = [found[name] for name in columns]
        rows.append([meaning, *(f"{cell:.2f}" if isinstance(cell, float) else cell for cell in cells)])
    note = "Counted answers. The first clock is the participant's browser, where it runs JavaScript."
    return Table("Response times in seconds", ["", *columns.values()], rows, note)


def times_figures(answers: "pd.DataFrame", measured: Mapping[str, Any]) -> list[Figure]:
    """The distribution of the times, by the page's clock where it measured at least half of them; none without any."""
    from studies.analysis import response_times as times

    page = measured["page"]
    clock, column = ("page", "response_ms") if 2 * page["missing"] <= page["answers"] else ("server", "server_ms")
    seconds = answers[column].to_numpy() / 1000
    found = times.histogram(seconds, bins=BINS)
    if not found["counts"]:
        return []
    edges, middle = found["edges"], measured[clock]["median"]
    spans = [f"{low:.2f} to {high:.2f}" for low, high in pairwise(edges)]
    return [
        Figure(
            name="response_times",
            kind="histogram",
            title="Response times",
            x="seconds, logarithmic scale",
            y="answers",
            series=[
                {
                    "name": "answers",
                    "x": spans,
                    "y": found["counts"],
                    "edges": edges,
                    "marked": middle,
                    "marked_as": f"median {middle:.2f} s",
                }
            ],
            note=f"Time of the counted answers {CLOCKS[clock]}. The dashed line is the median.",
        )
    ]


def flow_table(counts: Mapping[str, Any]) -> Table:
    """From the stimuli shown to the answers counted, one step a row."""
    excluded = sorted(counts["exclusions"].items())
    rows = [
        ["People who agreed to take part", counts["participants"]],
        ["… of these finished", counts["finished_participants"] - counts["screened_out_participants"]],
        *([["… of these screened out", n]] if (n := counts["screened_out_participants"]) else []),
        *([["… of these excluded by the researcher", n]] if (n := counts["excluded_participants"]) else []),
        *([["… of these withdrawn", n]] if (n := counts["withdrawn_participants"]) else []),
        ["Stimuli shown to them", counts["shown"]],
        ["… of these answered", counts["answers"]],
        *([f"… of these not counted: {reason}", n] for reason, n in excluded),
        ["Answers counted", counts["counted_answers"]],
        ["Answers wanted", counts["wanted_answers"]],
        ["Panels complete", counts["panels"]["full"]],
        ["Panels begun", counts["panels"]["partly"]],
        ["Panels without an answer", counts["panels"]["empty"]],
    ]
    notes = [
        f"{rule.capitalize()}: answers of {one['participants']} people to {one['stimuli']} stimuli."
        for rule, one in counts["excluded_by_rule"].items()
    ]
    if gold := counts["checks"].get("gold"):
        notes.append(f"Gold trials, which are not among these: {gold['right']} of {gold['answers']} answered right.")
    if counts["simulated_participants"]:
        notes.append(f"{counts['simulated_participants']} people are simulated.")
    return Table("What became of the answers", ["", "number"], rows, " ".join(notes))

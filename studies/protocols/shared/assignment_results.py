"""What came of a class assignment: answers marked, in a sentence, and before and after the window of time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies.protocols.base.preregistration import ALPHA
from studies.protocols.base.results import Table, p_value, percent, points, share_or_counts

from .assignment_groups import LETTERS, WORDS
from .assignment_rounds import CLASSES

if TYPE_CHECKING:
    import pandas as pd

CHANCE = 1 / CLASSES
TOO_FAST, TOO_SLOW = "too fast", "too slow"


def marked_right(stimuli: "pd.DataFrame", answers: "pd.DataFrame") -> "pd.DataFrame":
    """The answers with their round, and 1 where the right class was chosen, else 0."""
    places = (classes.index(label) for classes, label in zip(stimuli["classes"], stimuli["label"], strict=True))
    keys = stimuli[["stimulus", "round", "label"]].assign(letter=[LETTERS[place] for place in places])
    said = answers.merge(keys, on="stimulus", how="left", validate="many_to_one")
    return said.assign(right=(said["answer"].astype(str) == said["letter"]).astype(int))


def headline(
    shares: Mapping[str, Mapping[str, Any]], contrasts: Sequence[Mapping[str, Any]], about: str = "these classes"
) -> str:
    """The registered contrasts first, each that differs by Holm's p; then how often each condition is right.

    Never the largest share alone: the largest of seven is large by chance too.
    """
    tested = [one for one in contrasts if one["p_holm"] is not None]
    differing = [one for one in tested if one["p_holm"] < ALPHA]
    said = ""
    if tested:
        said = f"Of {len(tested)} registered contrasts {len(differing) or 'none'} differ{'s' * (len(differing) < 2)}"
        said += f" at {round(100 * ALPHA)}% by Holm’s p"
        said += ": " * bool(differing) + "; ".join(map(_in_words, differing)) + ". "
    elif contrasts:
        said = f"None of the registered contrasts can be tested: {contrasts[0]['reason']}. "
    right = (f"{share_or_counts(one, 'answers')} with “{WORDS[key]}”" for key, one in shares.items())
    return f"{said}For {about}, the right class is chosen in {'; '.join(right)}. Chance is {percent(CHANCE)}."


def _in_words(contrast: Mapping[str, Any]) -> str:
    return f"{contrast['name']} {points(contrast['difference']['estimate'])} (p {p_value(contrast['p_holm'])})"


def window(
    design: Mapping[str, Any], stimuli: "pd.DataFrame", answers: "pd.DataFrame", excluded: "pd.DataFrame"
) -> tuple[dict[str, Any], list[Table]]:
    """Right answers by condition before and after those outside the window were left out."""
    import pandas as pd

    outside = excluded[excluded["exclusion"].isin([TOO_FAST, TOO_SLOW])]
    said = marked_right(stimuli, pd.concat([answers.assign(exclusion=""), outside]))
    found = {}
    for key in design["conditions"]:
        arm = said[said["condition"] == key]
        within = arm[arm["exclusion"] == ""]
        found[key] = {
            "before": {"answers": len(arm), "right": _mean(arm["right"])},
            "after": {"answers": len(within), "right": _mean(within["right"])},
            **{why.replace(" ", "_"): int((arm["exclusion"] == why).sum()) for why in (TOO_FAST, TOO_SLOW)},
        }
    return {"window": found}, [_window_table(design, found)]


def _mean(values: "pd.Series") -> float | None:
    return float(values.mean()) if len(values) else None


def _window_table(design: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for key, one in found.items():
        before, after = one["before"], one["after"]
        cells = [before["answers"], percent(before["right"], before["answers"]), one["too_fast"], one["too_slow"]]
        rows.append([WORDS[key], *cells, after["answers"], percent(after["right"], after["answers"])])
    columns = ["", "answers before", "right", TOO_FAST, TOO_SLOW, "answers after", "right"]
    window = f"{design['min_seconds']} s to {design['max_seconds']} s, both included, by the server’s clock"
    note = f"The window is {window}. Answers outside it are kept and do not count; another person was asked instead."
    return Table("Answers before and after the window", columns, rows, note)

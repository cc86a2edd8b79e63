"""What came of adversarial trials: in a sentence, in tables and in figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from studies.protocols.base.results import Figure, Table, p_value, percent, points, span

from . import condition_comparison, panels
from .acceptance_increase import EXPLANATION, WHOLE
from .panels import DERIVED, IGNORES

DIFFERENCE = "Explanations less whole images"
SEEN = {WHOLE: "images shown whole", EXPLANATION: "explanations shown"}
AS_DISPLAYED = "R = S − f·p. S and f are counted on the pictures as displayed."
DIFFERENCE_NOTE = (
    "Differences are paired by image, and by participant where the same people met both conditions. The test of the "
    "study is the pivotal one on the accepted shares, which the rectified error rests on. The shares of yes answers "
    "and McNemar's exact test are beside it for comparison."
)


def headline(measures: Mapping[str, Any]) -> str:
    """The result in a sentence or two."""
    standard = percent(measures["adversarial_error"]["estimate"])
    parts = []
    for name, found in measures["conditions"].items():
        rectified = found["rectified_error"]
        if rectified["estimate"] is None:
            return f"The adversarial error is {standard}; it cannot be rectified yet: {rectified['reason']} ({name})."
        parts.append(
            f"{percent(rectified['estimate'])} ({SEEN[name]}; {panels.about(rectified, measures.get('classes', ()))})"
        )
    rule = f"at least {measures['threshold']} of {measures['panel']} people"
    return f"With labels that {rule} accept, the adversarial error of {standard} becomes {' and '.join(parts)}."


def robustness(measures: Mapping[str, Any], by_threshold: Mapping[str, Sequence[Any]]) -> Iterator[Table]:
    """By condition, the rectified error by every threshold and by Dawid and Skene’s model."""
    standard, flipped = measures["adversarial_error"]["estimate"], measures["flipped_share"]["estimate"]
    for name, found in by_threshold.items():
        model = measures["conditions"][name]["dawid_skene"]
        table = panels.robustness_table(found, model, lambda share: standard - flipped * share)
        yield replace(table, title=f"{table.title}, {name}")


def rectified_table(measures: Mapping[str, Any]) -> Table:
    """The adversarial error before and after people judged it, by condition."""
    known = [measures["adversarial_error"], measures["flipped_share"]]
    rows: list[list[Any]] = [
        [name, percent(fact["estimate"]), "known", panels.counted(fact)]
        for name, fact in zip(("Standard adversarial error, S", "Flipped share, f"), known, strict=True)
    ]
    notes = []
    for name, found in measures["conditions"].items():
        rectified, share = found["rectified_error"], found["accepted_share"]
        terms = "S − f × p"
        if share["estimate"] is not None:
            numbers = [percent(value) for value in (known[0]["estimate"], known[1]["estimate"], share["estimate"])]
            terms = f"{numbers[0]} − {numbers[1]} × {numbers[2]}"
        accepted, of_shown = percent(share["estimate"]), panels.counted(share)
        rows += [
            [f"Accepted share of flipped images, p ({name})", accepted, span(share), of_shown],
            [f"p by the jackknife ({name})", accepted, span(panels.beside(share)), of_shown],
            *panels.estimand_rows(f"Rectified adversarial error, R ({name})", rectified, terms),
        ]
        notes += [f"{name}: {note}" for note in rectified["notes"]]
    note = " ".join([AS_DISPLAYED, DERIVED, *(f"{text}." for text in notes)])
    return Table("Standard and rectified adversarial error", ["", "estimate", "uncertainty", "from"], rows, note)


def difference_table(measures: Mapping[str, Any]) -> Table:
    """The explanation less the whole image: accepted shares, yes answers and McNemar’s test."""
    accepted, yes, mcnemar = (measures[name] for name in ("accepted_difference", "yes_difference", "mcnemar"))
    rows = [
        [
            "Accepted share",
            points(accepted["estimate"]),
            span(accepted, points),
            condition_comparison.ratio(accepted) if "odds_ratio" in accepted else None,
            p_value(accepted["p_value"]),
            "two-way pivotal, registered",
        ],
        [
            "Share of yes answers",
            points(yes["estimate"]),
            span(yes, points),
            condition_comparison.ratio(yes) if "odds_ratio" in yes else None,
            p_value(yes["p_value"]),
            "two-way jackknife t, exploratory",
        ],
    ]
    if mcnemar:
        counts = f"{mcnemar['only_second']} accepted as explanations only, {mcnemar['only_first']} whole only"
        rows.append(["Accepted images, McNemar", counts, "", None, p_value(mcnemar["p_value"]), IGNORES])
    return Table(
        DIFFERENCE, ["", "difference", "interval", "odds ratio, 95% interval", "p", "method"], rows, DIFFERENCE_NOTE
    )


def figures(measures: Mapping[str, Any], by_threshold: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Figure]:
    """Positive answers, threshold curves and the differences, drawn."""
    panel, histograms = measures["panel"], {name: one["histogram"] for name, one in measures["conditions"].items()}
    shown, error = "flipped image", "adversarial error"
    return [
        panels.positive_answers(panel, histograms, by="condition"),
        panels.threshold_curves(panel, measures["threshold"], error, shown, by_threshold),
        *condition_comparison.forest(
            {
                "Accepted share": measures["accepted_difference"],
                "Share of yes answers": measures["yes_difference"],
            },
            "difference in points",
            title=DIFFERENCE,
            margin=(measures["accepted_difference"].get("equivalence") or {}).get("margin"),
        ),
    ]

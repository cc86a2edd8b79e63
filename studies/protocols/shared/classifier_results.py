"""What came of the errors of several classifiers, judged by the same panels: Table 1 of Stock & Cissé (2018)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from studies.protocols.base.preregistration import computed
from studies.protocols.base.results import Figure, Summary, Table, p_value, percent, points, span

from . import condition_comparison, rectified_results
from . import panels as panel_rules
from .classifier_union import NAMED, asked_of, of_one
from .panels import OTHER, nothing_counts
from .rectified_results import JudgedErrors, guesses_of

if TYPE_CHECKING:
    import pandas as pd

Found = Mapping[str, Any]


def summary(design: Found, preparation: Found, stimuli: "pd.DataFrame", answers: "pd.DataFrame") -> Summary:
    """Every classifier's own result from its part of the panels, and how they differ."""
    names = design[NAMED]
    asked = {name: asked_of(stimuli, name) for name in names}
    each = {}
    for name in names:
        own = stimuli[asked[name]]
        given = answers[answers["stimulus"].isin(own["stimulus"])]
        each[name] = rectified_results.judged(of_one(design, name), preparation["by_classifier"][name], own, given)
    measures = {
        "threshold": design["threshold"],
        "panel": design["answers_per_stimulus"],
        "classes": design["classes"],
        "questions": questions_asked(preparation),
        "answers": len(answers),
        "participants": int(answers["participant"].nunique()),
        "classifiers": {name: found.measures for name, found in each.items()},
        "differences": nothing_compared(names),
    }
    if answers.empty:
        return Summary("No answer counts yet.", measures)
    measures["differences"] = _differences(design, preparation, stimuli, answers, asked, measures["classifiers"])
    people = condition_comparison.people_figure(answers.assign(yes=(answers["answer"] == "yes").astype("int8")), "yes")
    curves = {name: found.by_threshold for name, found in each.items() if found.by_threshold}
    figures = [_histograms(measures)]
    if curves:
        figures.append(panel_rules.threshold_curves(measures["panel"], measures["threshold"], "error", "error", curves))
    tables = [errors_table(measures), *_differences_tables(measures), saved_table(preparation, names)]
    tables += [table for name, found in each.items() for table in _own_tables(name, found, preparation)]
    return Summary(headline(measures), measures, tables, [*figures, *_forest(measures), people])


def questions_asked(preparation: Found) -> dict[str, Any]:
    """How many questions were asked, and how many studies of one classifier each would have asked."""
    asked, separate = preparation["questions"], preparation["separate_questions"]
    return {"asked": asked, "separate": separate, "saved": separate - asked, "saved_share": 1 - asked / separate}


def nothing_compared(names: Sequence[str]) -> list[dict[str, Any]]:
    """The differences of a study whose first answer is still to come."""
    return [{"name": f"{b} - {a}", "first": a, "second": b, **nothing_counts()} for a, b in combinations(names, 2)]


def _differences(
    design: Found,
    preparation: Found,
    stimuli: "pd.DataFrame",
    answers: "pd.DataFrame",
    asked: Mapping[str, Any],
    measures: Found,
) -> list[dict[str, Any]]:
    import numpy as np

    from studies.analysis.answers import Answers
    from studies.analysis.panels import count_panels
    from studies.analysis.rectified_differences import Rectified, SharedPanels, rectified_differences

    place = {number: at for at, number in enumerate(stimuli["stimulus"].tolist())}
    said = Answers(
        participant=answers["participant"].to_numpy(),
        stimulus=np.array([place[number] for number in answers["stimulus"].tolist()], dtype=np.int64),
        answer=(answers["answer"] == "yes").to_numpy(dtype="int8"),
    )
    panel, rule = design["answers_per_stimulus"], design["unequal_panels"]
    panels = count_panels(said, panel=panel, rule=rule, at_least=len(place))
    shared = SharedPanels(said, panels, stimuli["image"].factorize()[0].astype(np.int64), asked)
    counts = preparation["by_classifier"]
    errors = {name: counts[name]["errors"] / counts[name]["images"] for name in design[NAMED]}
    return rectified_differences(
        shared,
        {name: Rectified(error, measures[name]["rectified_error"]) for name, error in errors.items()},
        design["threshold"],
        population=preparation["images"],
        either={(first, second): n for first, second, n in preparation["either_wrong"]},
        estimand=panel_rules.of_design(design),  # type: ignore[arg-type]
    )


def how_computed(design: Found, preparation: Found) -> dict[str, Any]:
    """How the export's program follows."""
    names, each = design[NAMED], preparation["by_classifier"]
    own = {name: rectified_results.how_computed(design, each[name]) for name in names}
    quantities = {
        f"{quantity}, {name}": [NAMED, name, *path]
        for name, how in own.items()
        for quantity, path in how["quantities"].items()
    }
    quantities |= {
        f"difference, {b} - {a}": ["differences", place] for place, (a, b) in enumerate(combinations(names, 2))
    }
    nothing = {
        "answers": 0,
        "participants": 0,
        NAMED: {name: how["nothing"] for name, how in own.items()},
        "differences": nothing_compared(names),
    }
    return computed(
        "classifiers",
        "image",
        each=own,
        order=list(names),
        images=preparation["images"],
        either=preparation["either_wrong"],
        settings=panel_rules.SETTINGS,
        nothing=nothing,
        quantities=quantities,
    )


def rehearsal_measures(measures: Found) -> dict[str, Found]:
    """The accepted share and the rectified error of each classifier, and the differences, by name."""
    found = {}
    for name, one in measures[NAMED].items():
        found |= {
            f"accepted share, {name}": one["accepted_share"],
            f"rectified error, {name}": one["rectified_error"],
        }
    return found | {f"difference, {one['name']}": one for one in measures["differences"]}


# --- in words, tables and figures -------------------------------------------------------------------------------------


def headline(measures: Found) -> str:
    """The errors of all classifiers before and after people judged them."""
    each = measures[NAMED]
    guesses = guesses_of(next(iter(each.values())))
    parts = []
    for name, one in each.items():
        rectified, error = one["rectified_error"], _error_of(one)
        if rectified["estimate"] is None:
            return f"The {guesses} errors cannot be rectified yet: {rectified['reason']} ({name})."
        parts.append(f"{name} {percent(error['estimate'])} → {percent(rectified['estimate'])}")
    rule = f"{rectified_results.rule_in_words(measures)} a label"
    asked = measures["questions"]
    return (
        f"{guesses.capitalize()} errors before and after people judged them: {'; '.join(parts)}. {rule}; "
        f"{asked['asked']:,} questions were asked once instead of {asked['separate']:,}."
    )


def _error_of(one: Found) -> Found:
    """E, the share of all images that count as errors by the design's selection."""
    found: Found = one["top1_error"] if "top1_error" in one else one["selected_error"]
    return found


def errors_table(measures: Found) -> Table:
    """Table 1 of the paper: one row a classifier."""
    each = measures[NAMED]
    guesses = guesses_of(next(iter(each.values())))
    rows = []
    for name, one in each.items():
        error, share, rectified = _error_of(one), one["accepted_share"], one["rectified_error"]
        row = [name, percent(error["estimate"]), panel_rules.counted(error)]
        if share["estimate"] is None:
            rows.append([*row, None, None, None, rectified["reason"]])
            continue
        of = f"{share['numerator']} of {share['denominator']}"
        rows.append([*row, percent(share["estimate"]), of, percent(rectified["estimate"]), span(rectified)])
    registered = next(iter(each.values()))["rectified_error"].get("estimand", "")
    note = (
        f"As Table 1 of Stock and Cissé (2018). Intervals are for {registered}. All classifiers were judged by the "
        f"same panels. {panel_rules.DERIVED}"
    )
    columns = ["", "standard error, E", "from", "accepted share, s", "of panels", "rectified error, R", "uncertainty"]
    return Table(f"{guesses.capitalize()} errors of the classifiers", columns, rows, note)


def _differences_tables(measures: Found) -> list[Table]:
    """Each pair, for the registered estimand with its test, and for the other one."""
    found = [one for one in measures["differences"] if one["estimate"] is not None]
    if not found:
        return []
    registered = found[0]["estimand"]
    rows = [
        [
            one["name"],
            points(one["error_difference"]),
            points(one["estimate"]),
            span(one, points),
            p_value(one["p_value"]),
            p_value(one["p_holm"]),
            one["questions"]["shared"],
        ]
        for one in found
    ]
    note = (
        f"For {registered}. Rectified errors are compared image by image; a question that two classifiers share moves "
        "both. p adjusted by Holm over all pairs; intervals are not adjusted. The two-way variance was derived for "
        "Quorum and has no published reference."
    )
    columns = ["", "difference of E", "difference of R", "uncertainty", "p", "p by Holm", "shared questions"]
    other = [one["estimands"][OTHER[registered]] for one in found]
    beside = [
        [one["name"], points(new["estimate"]), span(new, points), p_value(new["p_value"]), p_value(new["p_holm"])]
        for one, new in zip(found, other, strict=True)
    ]
    return [
        Table("Differences between classifiers", columns, rows, note),
        Table(
            f"Differences between classifiers, for {OTHER[registered]}",
            ["", "difference of R", "uncertainty", "p", "p by Holm"],
            beside,
            f"{other[0]['meaning'][0].upper()}{other[0]['meaning'][1:]}.",
            exploratory=True,
        ),
    ]


def saved_table(preparation: Found, names: Sequence[str]) -> Table:
    """What asking every question once saved."""
    asked = questions_asked(preparation)
    rows: list[list[Any]] = [
        [f"Questions about the errors of {name}", preparation["by_classifier"][name]["questions"]] for name in names
    ]
    rows += [
        ["All of them, in studies of one classifier each", asked["separate"]],
        ["Asked here, each once", asked["asked"]],
        ["Saved", asked["saved"]],
        ["Saved share", percent(asked["saved_share"])],
    ]
    return Table("Questions that classifiers share", ["", "number"], rows)


def _own_tables(name: str, found: JudgedErrors, preparation: Found) -> list[Table]:
    tables = rectified_results.tables(found, preparation["by_classifier"][name])
    return [replace(table, title=f"{table.title}, {name}") for table in tables]


def _histograms(measures: Found) -> Figure:
    each = {name: one.get("labels", one) for name, one in measures[NAMED].items()}
    histograms = {name: one["histogram"] for name, one in each.items() if "histogram" in one}
    together = all("labels" not in one for one in measures[NAMED].values())
    by, of = ("image", "images") if together else ("label", "labels")
    return panel_rules.positive_answers(measures["panel"], histograms, by=by, of=of)


def _forest(measures: Found) -> list[Figure]:
    return condition_comparison.forest(
        {one["name"]: {"null": 0.0, **one} for one in measures["differences"]},
        "difference of R in points",
        title="Differences between classifiers",
    )


def preparation_tables(preparation: Found) -> list[Table]:
    """What preparing found, before the first answer."""
    each = preparation["by_classifier"]
    rows = [[name, one["errors"], one["shown"], one["questions"]] for name, one in sorted(each.items())]
    columns = ["", "errors", "images shown", "questions"]
    return [Table("Errors of the classifiers", columns, rows), saved_table(preparation, sorted(each))]

"""What came of rectified labelling: of one classifier the measures, in a sentence, in tables and in figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studies.protocols.base.preregistration import computed, fact
from studies.protocols.base.results import Figure, Table, percent, share_or_counts, span

from . import panels as panel_rules
from . import top5_guesses as top5
from .panels import known_share, nothing_counts
from .top5_guesses import EACH_LABEL, ONE_QUESTION, TOP1_ERRORS, TOP5_ERRORS

if TYPE_CHECKING:
    import pandas as pd

SELECTED = {TOP1_ERRORS: "images missed by the best guess", TOP5_ERRORS: "images missed by all five guesses"}
ASKED = {ONE_QUESTION: "asked in one question", EACH_LABEL: "asked one by one"}


@dataclass(frozen=True)
class JudgedErrors:
    """One classifier's errors after people judged them.

    by_threshold: the rectified error at k = 1 … n.  rectified: R at an accepted share, for the model beside it.
    """

    measures: dict[str, Any]
    by_threshold: Sequence[Mapping[str, Any]] = ()
    rectified: Callable[[float], float] | None = None


def judged(
    design: Mapping[str, Any], preparation: Mapping[str, Any], stimuli: "pd.DataFrame", answers: "pd.DataFrame"
) -> JudgedErrors:
    """The measures of one classifier, from the stimuli that are its errors and the counted answers to them."""
    panel, k, rule = (design[name] for name in ("answers_per_stimulus", "threshold", "unequal_panels"))
    measures = known(design, preparation) | {"threshold": k, "panel": panel, "classes": design["classes"]}
    if answers.empty:
        nothing = nothing_counts()
        return JudgedErrors(measures | {"accepted_share": nothing, "rectified_error": nothing})
    # Loaded here, so that web processes, which only ask, start fast.
    from studies.analysis.answers import Answers
    from studies.analysis.dawid_skene import positive_share
    from studies.analysis.panels import count_panels
    from studies.analysis.participant_quality import participant_summary
    from studies.analysis.pivotal import PanelAnswers
    from studies.analysis.reanalysis import reanalysis
    from studies.analysis.rectified import rectified_error

    said = Answers(
        participant=answers["participant"].to_numpy(),
        stimulus=answers["stimulus"].to_numpy(),
        answer=(answers["answer"] == "yes").to_numpy(dtype="int8"),
    )
    settings = {"threshold": k, "panel": panel, "rule": rule, "seed": design["seed"]}
    estimand = panel_rules.of_design(design)
    if design["asking"] == EACH_LABEL:
        measures["labels"] = top5.each_label(stimuli, said, settings)
        found, by_threshold = top5.any_of_five(stimuli, answers, panel, k, rule, preparation, estimand)
        return JudgedErrors(measures | found, by_threshold)
    panels = count_panels(said, panel=panel, rule=rule)
    counted = {"panels": panels, "counted": PanelAnswers.of(said, panels), "estimand": estimand}
    counts = {"population": preparation["images"]} | {name: preparation[name] for name in ("errors", "shown")}
    measures |= reanalysis(said, **settings)
    by_threshold = [rectified_error(said, threshold=t, **counts, **counted) for t in range(1, panel + 1)]
    measures["rectified_error"] = by_threshold[k - 1]
    measures["straight_lining_participants"] = int(participant_summary(said)["straight_lining"].sum())
    measures["dawid_skene"] = positive_share(said, measures["agreement"])
    error = measures["top1_error" if design["top_k"] == 1 else "selected_error"]["estimate"]
    return JudgedErrors(measures, by_threshold, lambda share: error * (1 - share))


def known(design: Mapping[str, Any], preparation: Mapping[str, Any]) -> dict[str, Any]:
    """The error as the classifier leaves it; with five guesses also that of the selection, and how people are asked."""
    images, errors = preparation["images"], preparation["errors"]
    if design["top_k"] == 1:
        return {"top1_error": known_share(errors, "misclassified images", images, "images")}
    return {
        "top5_error": known_share(preparation["top5_errors"], SELECTED[TOP5_ERRORS], images, "images"),
        "selected_error": known_share(errors, SELECTED[design["selection"]], images, "images"),
        "selection": design["selection"],
        "asking": design["asking"],
    }


def how_computed(design: Mapping[str, Any], preparation: Mapping[str, Any]) -> dict[str, Any]:
    """How the export's program follows."""
    together = design["asking"] == ONE_QUESTION
    how: dict[str, Any] = {
        "formula": "E * (1 - s)",
        "share": "s",
        "known": {"E": [preparation["errors"], preparation["images"]]},
        "settings": panel_rules.SETTINGS,
        "nothing": dict.fromkeys(("accepted_share", "rectified_error"), panel_rules.NOTHING),
        "quantities": {"accepted share": ["accepted_share"], "rectified error": ["rectified_error"]},
    }
    if design["top_k"] == 1:
        how["facts"] = {"top1_error": fact("errors", "images")}
    else:
        how["facts"] = {"top5_error": fact("top5_errors", "images"), "selected_error": fact("errors", "images")}
    return computed("panels" if together else "any_panel", "stimulus" if together else "image", **how)


# --- in words ---------------------------------------------------------------------------------------------------------


def guesses_of(measures: Mapping[str, Any]) -> str:
    """ "top-1" or "top-5"."""
    return "top-1" if "top1_error" in measures else "top-5"


def rule_in_words(measures: Mapping[str, Any]) -> str:
    """The rule by which a label is accepted, as the beginning of a sentence."""
    return f"At least {measures['threshold']} of {measures['panel']} people accept"


def headline(measures: Mapping[str, Any]) -> str:
    """The result of one classifier in a sentence or two."""
    accepted, rectified = measures["accepted_share"], measures["rectified_error"]
    guesses = guesses_of(measures)
    error = percent(measures[f"{guesses.replace('-', '')}_error"]["estimate"])
    if rectified["estimate"] is None:
        return f"The {guesses} error is {error}; it cannot be rectified yet: {rectified['reason']}."
    share, new = share_or_counts(accepted, "the errors"), percent(rectified["estimate"])
    about = panel_rules.about(rectified, measures["classes"])
    rule = f"{rule_in_words(measures)} {share}"
    if guesses == "top-5":
        rule += f" shown ({SELECTED[measures['selection']]}; guesses {ASKED[measures['asking']]})"
    if measures.get("selection") == TOP1_ERRORS:
        # Another basis than the top-5 error, which can be smaller or larger: neither becomes the other.
        selected = percent(measures["selected_error"]["estimate"])
        return (
            f"{rule}: {selected} of all images are top-1 errors, and {new} are top-1 errors of whose five guesses none "
            f"is accepted ({about}). By the labels the top-5 error is {error}."
        )
    return f"{rule}: the {guesses} error of {error} becomes {new} ({about})."


# --- in tables and figures --------------------------------------------------------------------------------------------


def tables(found: JudgedErrors, preparation: Mapping[str, Any]) -> list[Table]:
    """The result, what it rests on, agreement, and the result by other rules."""
    measures = found.measures
    if "labels" in measures:
        return [result_table(measures), panel_rules.agreement_table(measures["labels"]["agreement"])]
    return [
        result_table(measures),
        basis_table(measures, preparation),
        panel_rules.agreement_table(measures["agreement"]),
        *robustness(found),
    ]


def robustness(found: JudgedErrors) -> list[Table]:
    """By other thresholds and by a model; none where there is no model."""
    if found.rectified is None:
        return []
    return [panel_rules.robustness_table(found.by_threshold, found.measures["dawid_skene"], found.rectified)]


def figures(found: JudgedErrors) -> list[Figure]:
    """Positive answers, and the error by threshold."""
    measures = found.measures
    panel, k = measures["panel"], measures["threshold"]
    if "labels" in measures:
        yes = panel_rules.positive_answers(panel, {"labels": measures["labels"]["histogram"]}, by="label", of="labels")
    else:
        yes = panel_rules.positive_answers(panel, {"images": measures["histogram"]})
    return [yes, panel_rules.threshold_curves(panel, k, "error", "error", {"R(k)": found.by_threshold})]


def result_table(measures: Mapping[str, Any]) -> Table:
    """The error before and after people judged it, under both estimands."""
    accepted, rectified = measures["accepted_share"], measures["rectified_error"]
    guesses = guesses_of(measures)
    if guesses == "top-1":
        error, judged = measures["top1_error"], "panels"
        rows = [["Standard top-1 error, E", percent(error["estimate"]), "known", panel_rules.counted(error)]]
    else:
        error, judged = measures["selected_error"], f"images, {ASKED[measures['asking']]}"
        standard = measures["top5_error"]
        rows = [
            ["Standard top-5 error", percent(standard["estimate"]), "known", panel_rules.counted(standard)],
            [f"E, {error['numerator_name']}", percent(error["estimate"]), "known", panel_rules.counted(error)],
        ]
    name = f"Rectified {guesses} error, R"
    note = [panel_rules.DERIVED]
    if accepted["estimate"] is None:
        rows.append([name, None, None, accepted["reason"]])
    else:
        panels = f"{accepted['numerator']} of {accepted['denominator']} {judged}"
        rows += [
            ["Accepted share, s", percent(accepted["estimate"]), span(accepted), panels],
            ["s by the jackknife", percent(accepted["estimate"]), span(panel_rules.beside(accepted)), panels],
            *panel_rules.estimand_rows(name, rectified, panel_rules.product(error["estimate"], accepted["estimate"])),
        ]
        note += [f"{text[0].upper()}{text[1:]}." for text in rectified["notes"]]
    title = f"{guesses.capitalize()} error before and after people judged it"
    return Table(title, ["", "estimate", "uncertainty", "from"], rows, " ".join(note))


SHORT = {"drop": "left out", "proportion": "accepted at the same share", "top_up": "waited for"}


def basis_table(measures: Mapping[str, Any], preparation: Mapping[str, Any]) -> Table:
    """Images, panels, answers and participants that the result rests on."""
    effective, panels = measures["accepted_share"]["effective_participants"], measures["accepted_share"]["panels"]
    rows = [
        ["Images", preparation["images"]],
        ["Misclassified images", preparation["errors"]],
        ["Stimuli shown", preparation["shown"]],
        [f"Panels with {measures['panel']} answers", panels["counted"]],
        [f"Panels with fewer, {SHORT[panels['rule']]}", panels["short"]],
        ["Answers counted", measures["answers"]],
        ["Participants", measures["participants"]],
        ["Effective participants", None if effective is None else f"{effective:.1f}"],
        ["Participants flagged for straight-lining, kept", measures["straight_lining_participants"]],
    ]
    note = (
        "Effective participants: the number of equally active people who would carry as much information. "
        "Straight-lining: a run of one answer that is most unlikely by chance."
    )
    return Table("What the result rests on", ["", "number"], rows, note)

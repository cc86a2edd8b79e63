"""Shares of images that panels decide, by attribute and condition: the registered result of studies about attributes.

A panel of n people decides that an image shows an attribute where at least k of them say yes.  The share of such images
has the two-way pivotal interval; the share of answers stands beside it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies.protocols.base.preregistration import contrast
from studies.protocols.base.results import Figure, Table, p_value, percent, points, span

from . import condition_comparison, margins

if TYPE_CHECKING:
    import pandas as pd

Found = Mapping[str, Any]
#: What of a panel's account is told.
ACCOUNT = ("panel", "counted", "short", "long")


def registered(
    attributes: Sequence[str], conditions: Sequence[str], pairs: Sequence[tuple[str, str]], words: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The differences of accepted shares that are tested, of each attribute those between these pairs of conditions."""
    found = []
    for attribute in attributes:
        of = f"{attribute}: " if len(attributes) > 1 else ""
        for one, other in pairs:
            if {one, other} <= set(conditions):
                name = f"{of}{words[one]} less {words[other].lower()}"
                found.append(contrast(name, {one: 1, other: -1}, scale="accepted") | {"attribute": attribute})
    return found


def measures(
    rows: "pd.DataFrame", design: Mapping[str, Any], attributes: Sequence[str], wanted: Sequence[Found]
) -> dict[str, Any]:
    """`{images, answers, contrasts}` of rows with the columns attribute, condition, participant, image and yes.

    `wanted` is what `registered` gives; p values are adjusted by Holm over all of them that can be tested.
    """
    from studies.analysis.answers import Answers
    from studies.analysis.differences import pivotal_difference
    from studies.analysis.intervals import pivotal_interval
    from studies.analysis.panels import count_panels, threshold_curve
    from studies.analysis.two_way_clustering import holm

    panel, k, rule = (design[name] for name in ("answers_per_stimulus", "threshold", "unequal_panels"))
    images: dict[str, dict[str, Any]] = {}
    answers: dict[str, dict[str, Any]] = {}
    contrasts: list[dict[str, Any]] = []
    for attribute in attributes:
        own = rows[rows["attribute"] == attribute]
        if own.empty:
            continue
        said = Answers.from_frame(own, stimulus="image", answer="yes", condition="condition")
        arms = {name: arm for name, arm in said.by_condition() if len(arm)}
        conditions = list(arms)
        answers[attribute] = condition_comparison.shares(own, "yes", "image", conditions)
        images[attribute] = {}
        for name in conditions:
            panels = count_panels(arms[name], panel=panel, rule=rule)
            share = pivotal_interval(arms[name], k, panels=panels).as_dict()
            account = {key: value for key, value in panels.as_dict().items() if key in ACCOUNT}
            images[attribute][name] = share | {"panels": account, "curve": threshold_curve(panels)}
        for one in (each for each in wanted if each["attribute"] == attribute):
            later, earlier = sorted(one["weights"], key=lambda name: -one["weights"][name])
            if later in arms and earlier in arms:
                found = pivotal_difference(
                    arms[earlier], arms[later], k, panel=panel, rule=rule, margin=margins.of_design(design)
                )
                found.pop("mcnemar")
                contrasts.append({"name": one["name"], "attribute": attribute, "weights": one["weights"]} | found)
    adjusted = holm([one["p_value"] for one in contrasts])
    family = sum(p is not None for p in adjusted)
    contrasts = [one | {"p_holm": p, "family": family} for one, p in zip(contrasts, adjusted, strict=True)]
    return {"images": images, "answers": answers, "contrasts": contrasts}


def tables(found: Found, design: Mapping[str, Any], words: Mapping[str, str]) -> list[Table]:
    """Shares of images, the registered differences, shares of answers, and shares at other thresholds."""
    k, n = design["threshold"], design["answers_per_stimulus"]
    several = len(found["images"]) > 1

    def named(attribute: str, condition: str) -> str:
        return f"{attribute}, {words[condition].lower()}" if several else words[condition]

    of_images, of_answers, by_threshold = [], [], []
    for attribute, conditions in found["images"].items():
        for condition, share in conditions.items():
            name, said = named(attribute, condition), found["answers"][attribute][condition]
            counted = f"{share['numerator']} of {share['denominator']}"
            of_images.append([name, counted, percent(share["estimate"]), span(share)])
            answered = f"{said['numerator']} of {said['denominator']}"
            std = f"{100 * said['naive']['standard_error']:.2f}"
            of_answers.append([name, said["items"], answered, percent(said["estimate"]), std, span(said)])
            by_threshold.append([name, *(percent(one, share["denominator"]) for one in share["curve"][1 : n + 1])])
    by_panels = f"An image shows the attribute where at least {k} of {n} people say so."
    two_way = "The interval is two-way: it accounts for images and for participants."
    between = [
        [one["name"], points(one["estimate"]), span(one, points), p_value(one["p_value"]), p_value(one["p_holm"])]
        for one in found["contrasts"]
    ]
    std_note = (
        "Std is √(p(1 − p)/n) in percentage points, which takes answers as independent; the interval is the two-way "
        "jackknife, which accounts for participants and for images."
    )
    return [
        Table(
            "Images that show the attribute",
            ["", "images", "share of images", "uncertainty"],
            of_images,
            f"{by_panels} {two_way}",
        ),
        Table(
            "Registered differences",
            ["", "difference in images", "uncertainty", "p", "p by Holm"],
            between,
            f"Of shares of images, fixed by the design before any answer was given. {two_way} p adjusted by Holm over "
            "all that could be tested, of every attribute; intervals not adjusted.",
        ),
        *margins.table({one["name"]: one for one in found["contrasts"]}),
        Table(
            "Answers that see the attribute",
            ["", "images", "answers", "share of answers", "Std", "uncertainty"],
            of_answers,
            std_note,
        ),
        Table(
            "Share of images by threshold",
            ["", *(f"{one} of {n} yes" for one in range(1, n + 1))],
            by_threshold,
            "What the share of images would be by other rules; the design registers one.",
            exploratory=True,
        ),
    ]


def figures(found: Found, rows: "pd.DataFrame", words: Mapping[str, str], margin: float | None) -> list[Figure]:
    """Shares of images by condition, a colour an attribute; the registered differences; people."""
    conditions = [one for one in words if any(one in shares for shares in found["images"].values())]
    series = [
        {
            "name": attribute,
            "x": [words[one] for one in conditions],
            **{
                axis: [shares[one][key] if one in shares else None for one in conditions]
                for axis, key in (("y", "estimate"), ("low", "low"), ("high", "high"))
            },
        }
        for attribute, shares in found["images"].items()
    ]
    drawn = []
    if any(y is not None for one in series for y in one["y"]):
        drawn.append(
            Figure(
                "shares",
                "intervals",
                "Images that show the attribute, by kind of image",
                "condition",
                "images in %",
                series,
                "Shares of images, as panels decide, with their two-way 95% intervals.",
            )
        )
    return [
        *drawn,
        *condition_comparison.forest(
            {one["name"]: one for one in found["contrasts"]}, "difference in points", margin=margin
        ),
        condition_comparison.people_figure(rows, "yes"),
    ]

"""Panels that accept a label at k yes answers of n: the design's settings, and the result in tables and figures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from django import forms
from django.utils.translation import gettext_lazy as _

from studies.protocols.base.field_help import PAPER, FieldHelp
from studies.protocols.base.fields import NameListField
from studies.protocols.base.preregistration import Preregistration
from studies.protocols.base.protocol import Choice, DesignForm
from studies.protocols.base.results import Figure, Table, percent, span

from . import margins

Found = Mapping[str, Any]

YES_OR_NO = Choice("yes", _("Yes"), "y"), Choice("no", _("No"), "n")
IGNORES = "ignores participants"
IMAGE_SET, NEW_IMAGES = ESTIMANDS = ("this image set", "new images")
OTHER = {IMAGE_SET: NEW_IMAGES, NEW_IMAGES: IMAGE_SET}
DERIVED = (
    "The default interval is two-way: it accounts for images and for participants. Its pivotal variance was derived "
    "for Quorum and has no published reference; the jackknife beside it is MacKinnon, Nielsen and Webb’s. The plain "
    "Wilson interval treats the panels as independent."
)


class ThresholdForm(DesignForm):
    """Panels that decide at k of n."""

    about: ClassVar[Mapping[str, FieldHelp]] = {
        "threshold": FieldHelp(
            "people",
            "A higher threshold accepts fewer labels, so the rectified error is larger. "
            "The result is reported for every threshold; this one is registered.",
            "yes answers of a panel",
            f"{PAPER}: four of five.",
        ),
        "unequal_panels": FieldHelp(
            "people", "Decides which panels count when the study is closed early.", "", "Quorum’s default."
        ),
    }
    threshold = forms.IntegerField(
        initial=4,
        required=False,
        min_value=1,
        help_text="Threshold k: minimum number of yes answers in a panel to accept a label.",
    )
    unequal_panels = forms.ChoiceField(
        initial="drop",
        required=False,
        choices=[
            ("drop", "left out"),
            ("proportion", "accepted at the same share of yes, k of n"),
            ("top_up", "no result until every panel is complete"),
        ],
        help_text="Treatment of panels with missing answers when the study closes.",
    )

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        panel, threshold = design.get("answers_per_stimulus"), design.get("threshold")
        if panel and threshold and threshold > panel:
            self.add_error("threshold", f"Must not be above answers_per_stimulus, which is {panel}.")
        return design


class PanelForm(ThresholdForm):
    """Panels that rectify an error."""

    about: ClassVar[Mapping[str, FieldHelp]] = {
        "estimand": FieldHelp(
            "people",
            "Both are reported; this one is registered and leads. On this image set only other participants would "
            "answer; on new images everything is drawn again, so that the interval is wider.",
            "",
            "Quorum’s own: this image set, since the error of a benchmark is about its images.",
        ),
        "classes": FieldHelp(
            "pictures",
            "Fewer classes mean fewer images and stimuli. The error is then that of these classes only.",
            "one per line",
        ),
    }
    estimand = forms.ChoiceField(
        initial=IMAGE_SET,
        required=False,
        choices=[
            (IMAGE_SET, "this image set, judged by other participants"),
            (NEW_IMAGES, "new images from the same source, judged by other participants"),
        ],
        help_text="Estimand of the rectified error: new images from the same source, or this image set.",
    )
    classes = NameListField(
        required=False,
        initial=[],
        help_text="Restriction to images of these true classes, by name. Leave empty for all.",
    )


def simulated(rate: float, random: np.random.Generator) -> tuple[str, float]:
    """Yes with the chance `rate`, after a couple of seconds."""
    answer = "yes" if random.random() < rate else "no"
    return answer, float(random.lognormal(0.6, 0.4))


# --- shares -----------------------------------------------------------------------------------------------------------


def nothing_counts(**more: Any) -> dict[str, Any]:
    """A quantity of a study whose first answer is still to come."""
    return {"estimate": None, "low": None, "high": None, **more, "reason": "no answer counts yet"}


def known_share(numerator: int, numerator_name: str, denominator: int, denominator_name: str) -> dict[str, Any]:
    """A share that preparing found, with what it counts; None where there is nothing to count."""
    return {
        "estimate": numerator / denominator if denominator else None,
        "numerator": numerator,
        "numerator_name": numerator_name,
        "denominator": denominator,
        "denominator_name": denominator_name,
    }


def counted(share: Found) -> str:
    """What a share counts, as in "31 of 720 images"."""
    return f"{share['numerator']} of {share['denominator']} {share['denominator_name']}"


def plain(rectified: Found) -> dict[str, Any]:
    """The Wilson interval that stands beside the two-way one."""
    return {**rectified["wilson"], "level": rectified["level"], "reason": rectified["reason"]}


def beside(quantity: Found, name: str = "jackknife") -> dict[str, Any]:
    """Another two-way interval of a quantity, with its own reason for being none."""
    bounds = quantity.get(name) or {"low": None, "high": None}
    return {**bounds, "level": quantity["level"], "reason": bounds.get("reason") or quantity["reason"]}


def about(rectified: Found, classes: Sequence[str] = ()) -> str:
    """The interval of a rectified error, with what it is about; `classes` are those a design is restricted to."""
    return f"{span(rectified)}, for {rectified['estimand']}" + " and these classes" * bool(classes)


def estimand_rows(name: str, rectified: Found, product: str) -> list[list[Any]]:
    """A rectified error under the registered estimand, under the other, and with a plain Wilson interval."""
    new, registered = percent(rectified["estimate"]), rectified["estimand"]
    other = rectified["estimands"][OTHER[registered]]
    return [
        [f"{name}, for {registered}", new, span(rectified), product],
        [f"{name}, for {other['estimand']}", new, span(other), other["meaning"]],
        [f"{name} with a plain Wilson interval", new, span(plain(rectified)), IGNORES],
    ]


def of_design(design: Mapping[str, Any]) -> str:
    """The estimand that a design registers."""
    return design.get("estimand") or IMAGE_SET


def preregistered_panels(
    design: Mapping[str, Any], estimand: str, computation: Mapping[str, Any], contrasts: Sequence[Found] = ()
) -> Preregistration:
    """The registered analysis of panels that accept at k of n."""
    return Preregistration(
        estimand=f"{estimand}; for {of_design(design)}",
        about=of_design(design),
        computations=[computation],
        threshold=design["threshold"],
        unequal_panels=design["unequal_panels"],
        margin=margins.of_design(design),
        contrasts=contrasts,
    )


#: What the program of the export needs to know of panels beside their own numbers.
SETTINGS = {"threshold": "threshold", "panel": "answers_per_stimulus"}
NOTHING = nothing_counts()


# --- tables -----------------------------------------------------------------------------------------------------------

AGREEMENT = {
    "raw": "Raw agreement",
    "fleiss_kappa": "Fleiss’ kappa",
    "krippendorff_alpha": "Krippendorff’s alpha",
    "gwet_ac1": "Gwet’s AC1",
}


def agreement_table(agreement: Found, title: str = "Agreement within panels") -> Table:
    """Each coefficient with its two-way interval and the usual bootstrap over stimuli."""

    def between(bounds: Found) -> str | None:
        return None if bounds["low"] is None else f"{bounds['low']:.3f} to {bounds['high']:.3f}"

    rows = []
    for key, name in AGREEMENT.items():
        value, bootstrap = agreement[key], agreement["bootstrap"][key]
        shown = agreement["reasons"].get(key) if value is None else f"{value:.3f}"
        rows.append([name, shown, between(agreement["intervals"][key]), between(bootstrap)])
    level = round(100 * agreement["level"])
    note = (
        "The two-way interval accounts for images and for participants; like the pivotal variance it was derived for "
        "Quorum. The bootstrap over stimuli is the usual one and takes the participants for granted."
    )
    if agreement["interval_reason"]:
        note += f" No two-way interval: {agreement['interval_reason']}."
    columns = ["", "value", f"{level}% two-way interval", f"{level}% bootstrap interval"]
    return Table(title, columns, rows, note)


def robustness_table(
    by_threshold: Sequence[Found], model: Found, rectified: Callable[[float], float], name: str = "R"
) -> Table:
    """The rectified error by every rule, and by a model of careless people that has no threshold."""
    n = len(by_threshold)
    rows = []
    for k, found in enumerate(by_threshold, start=1):
        share = found["terms"].get("s") or found["terms"]["p"]
        if share["estimate"] is not None:
            accepted = percent(share["estimate"], share.get("denominator"))
            rows.append([f"{k} of {n} yes", accepted, percent(found["estimate"]), span(found)])
    if model["estimate"] is None:
        rows.append(["Dawid–Skene", None, None, model["reason"]])
    else:
        positive = percent(model["estimate"]), percent(rectified(model["estimate"]))
        rows.append(["Dawid–Skene", *positive, "no interval: a model of the majority, for comparison"])
    note = (
        "Does the result hang on the rule? Dawid and Skene’s model weighs people by how well they agree with the "
        "others; it follows the weighted majority and knows no threshold."
    )
    return Table("By other rules", ["", "accepted share", name, "uncertainty"], rows, note, exploratory=True)


# --- figures ----------------------------------------------------------------------------------------------------------


def positive_answers(
    panel: int, histograms: Mapping[str, Sequence[int]], *, by: str = "image", of: str = "images"
) -> Figure:
    """How many images (or what else is judged) got so many yes, 0 to n; one row of bars a name."""
    return Figure(
        name="positive_answers",
        kind="bars",
        title=f"Positive answers by {by}",
        x=f"yes answers of {panel}",
        y=of,
        series=[{"name": name, "x": list(range(panel + 1)), "y": list(y)} for name, y in histograms.items()],
        note=f"How many of the {of} with {panel} answers got so many yes.",
    )


def threshold_curves(
    panel: int, threshold: int, error: str, shown: str, by_threshold: Mapping[str, Sequence[Found]]
) -> Figure:
    """R(k) for k = 0 … n+1, with the intervals of k = 1 … n; `by_threshold`: a name's rectified errors at these k."""
    series = [
        {
            "name": name,
            "x": list(range(panel + 2)),
            "y": found[0]["curve"],
            "low": [None, *(one["low"] for one in found), None],
            "high": [None, *(one["high"] for one in found), None],
            "marked": threshold,
        }
        for name, found in by_threshold.items()
    ]
    return Figure(
        name="threshold_curve",
        kind="steps",
        title=f"Rectified {error} by threshold",
        x="threshold k: yes answers that make a label relevant",
        y="R(k) in %",
        series=series,
        note=(
            f"At k = 0 every {shown} is accepted; above the panel's size none is, and R is the standard {error}. "
            "Vertical lines are 95% intervals. The design's threshold is marked."
        ),
    )


def product(whole: float | None, factor: float | None) -> str:
    """E × (1 − s) with its numbers."""
    return f"{percent(whole)} × (1 − {percent(factor)})"

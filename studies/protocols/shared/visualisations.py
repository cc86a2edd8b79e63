"""Visualisations of a classifier's decisions by any explainers: settings of designs, and what a bench is asked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django import forms

from studies.protocols.base.field_help import FieldHelp
from studies.protocols.base.fields import MethodListField, NameListField, condition_of, method_of
from studies.protocols.base.preregistration import contrast

#: What a person answers well at once without more than looking: a share of people, for planning and simulation.
GRADCAM_PAPER = "Selvaraju et al. 2017"
GUIDED, GUIDED_GRADCAM = "guided_backprop", {"method": "gradcam", "parameters": {"fine": "guided"}}
DECONVOLUTION, DECONVOLUTION_GRADCAM = "deconvolution", {"method": "gradcam", "parameters": {"fine": "deconvolution"}}


class ExplainersForm(forms.Form):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "explainers": FieldHelp(
            "explanation",
            "Each is a condition: stimuli, answers and people grow in proportion. Parameters are given as in "
            '{"method": "gradcam", "parameters": {"fine": "guided"}}.',
            "one per line",
        ),
        "contrasts": FieldHelp(
            "people",
            "Each is tested; p values are adjusted by Holm over all of them.",
            "one per line, as B:A",
        ),
        "drawing": FieldHelp(
            "explanation", "Over the picture, participants can also go by what the picture shows beneath the map."
        ),
        "superpixels": FieldHelp(
            "explanation", "Only for explainers by superpixels. Fewer show less of the image.", "superpixels"
        ),
    }
    explainers = MethodListField(
        required=False,
        initial=[GUIDED, GUIDED_GRADCAM, DECONVOLUTION, DECONVOLUTION_GRADCAM],
        help_text="Explainers whose visualisations are compared, by name or with parameters.",
    )
    contrasts = NameListField(
        required=False,
        initial=[],
        help_text="Comparisons B:A of two conditions, B less A. Leave empty to compare each with the first.",
    )
    drawing = forms.ChoiceField(
        initial="auto",
        required=False,
        choices=[
            ("auto", "in the gradient’s colours where there are any, else over the picture in grey"),
            ("overlay", "over the picture in grey"),
            ("map", "the map alone"),
        ],
        help_text="Drawing of heat maps.",
    )
    superpixels = forms.IntegerField(
        initial=8,
        required=False,
        min_value=1,
        max_value=1000,
        help_text="Maximum number of superpixels shown, those that speak most for the class.",
    )

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        named = [condition_of(one) for one in design.get("explainers") or []]
        if "explainers" not in self.errors and "contrasts" not in self.errors:
            for text in design.get("contrasts") or []:
                later, colon, earlier = text.partition(":")
                known = named or conditions({"explainers": self.fields["explainers"].initial})
                unknown = next((one for one in (later, earlier) if one not in known), "")
                if not colon or unknown or later == earlier:
                    why = f"there are the conditions {', '.join(known)}"
                    self.add_error("contrasts", f"{text!r} is not a comparison B:A of two conditions ({why}).")
        return design


def conditions(design: Mapping[str, Any]) -> list[str]:
    """The conditions in the order of the design."""
    return [condition_of(one) for one in design["explainers"]]


def compared_pairs(design: Mapping[str, Any], among: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """The registered contrasts as pairs (B, A); with `among` those of these conditions alone."""
    named = conditions(design)
    pairs = [(later, named[0]) for later in named[1:]]
    if design["contrasts"]:
        pairs = [(later, earlier) for later, _colon, earlier in (one.partition(":") for one in design["contrasts"])]
    allowed = set(named if among is None else among)
    return [pair for pair in pairs if set(pair) <= allowed]


def registered(design: Mapping[str, Any], scale: str) -> list[dict[str, Any]]:
    """The same as a design freezes them."""
    return [
        contrast(f"{later} - {earlier}", {later: 1, earlier: -1}, scale=scale)
        for later, earlier in compared_pairs(design)
    ]


def visualise(
    bench: Any, design: Mapping[str, Any], classifier: str, questions: Sequence[tuple[Any, int]], explainer: Any
) -> list[Any]:
    """Pictures of why the classifier gives each picture the label beside it, as the design has them drawn."""
    found = bench.visualisations(
        classifier,
        questions,
        method_of(explainer),
        drawing=design["drawing"],
        n_shown=design["superpixels"],
        seed=design["seed"],
    )
    return list(found)

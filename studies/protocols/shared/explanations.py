"""Explaining the labels that images are given: the design's settings, and how steady explanations are."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import mean, median
from typing import Any, ClassVar

from django import forms

from studies.lib.method_parameters import parse_parameters
from studies.protocols.base.field_help import PAPER, FieldHelp
from studies.protocols.base.protocol import sample

#: On how many images, and under how many seeds, it is measured whether explanations stay the same.
STABILITY_IMAGES, STABILITY_SEEDS = 10, 3


#: The explainer with settings of its own in the form.
OWN_SETTINGS = "lime"


class ExplanationForm(forms.Form):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "explainer": FieldHelp(
            "explanation",
            "Explainers without superpixels show the pixels that speak most for the label. The settings of LIME "
            "below count for lime alone.",
            "",
            f"{PAPER}: LIME; any other is Quorum’s own.",
        ),
        "explainer_parameters": FieldHelp(
            "explanation", "Parameters left out have their defaults; the page on methods has both.", "", ""
        ),
        "share_shown": FieldHelp(
            "explanation",
            "A smaller share shows less of the image.",
            "a share, above 0 to 1",
            "Quorum’s own: the share of the maximum at which boxes are drawn is 15%, too.",
        ),
        "lime_samples": FieldHelp(
            "explanation",
            "More masks make steadier explanations; preparation takes longer in proportion.",
            "masks per image",
            f"{PAPER}: n = 1000; Ribeiro et al. 2016.",
        ),
        "lime_features": FieldHelp(
            "explanation",
            "With too few there are not enough that speak for the label: of 8 selected often only 5 do.",
            "superpixels",
            "Quorum’s own: twice those that are shown.",
        ),
        "segmentation": FieldHelp(
            "explanation", "The pieces that are shown or hidden as a whole.", "", "The lime package: quick shift."
        ),
        "quickshift_kernel_size": FieldHelp(
            "explanation", "More and smaller pieces the smaller it is.", "pixels", "The lime package: 4."
        ),
        "quickshift_max_dist": FieldHelp(
            "explanation", "More and smaller pieces the smaller it is.", "pixels", "The lime package: 200."
        ),
        "slic_segments": FieldHelp("explanation", "Larger values give more and smaller superpixels.", "superpixels"),
        "superpixels": FieldHelp(
            "explanation",
            "Fewer superpixels show less of the image.",
            "superpixels",
            f"{PAPER}: the 8 with the strongest support for the label.",
        ),
        "lime_r2_floor": FieldHelp(
            "explanation",
            "Higher shows explanations whose linear model fits, of fewer images; how many are left out is reported.",
            "a share, from 0 to 1",
            "Quorum’s own.",
        ),
        "fill": FieldHelp(
            "explanation", "Grey shows plainly that something is hidden; the mean colour keeps a hint of it."
        ),
    }
    explainer = forms.ChoiceField(
        initial=OWN_SETTINGS,
        required=False,
        choices=[(OWN_SETTINGS, f"{OWN_SETTINGS}, with the settings below")],
        help_text="Explainer of the adversarial label.",
    )
    explainer_parameters = forms.CharField(
        initial="",
        required=False,
        max_length=500,
        help_text="Parameters of another explainer than lime: NAME=VALUE, several with commas.",
    )
    share_shown = forms.FloatField(
        initial=0.15,
        required=False,
        min_value=0.001,
        max_value=1,
        help_text="Share of an image's pixels shown, where the explainer has no superpixels.",
    )
    lime_samples = forms.IntegerField(
        initial=1000, required=False, min_value=10, max_value=100_000, help_text="Number of LIME masks per image."
    )
    lime_features = forms.IntegerField(
        initial=16,
        required=False,
        min_value=1,
        max_value=1000,
        help_text="Maximum number K of superpixels that LIME selects.",
    )
    segmentation = forms.ChoiceField(
        initial="quickshift",
        required=False,
        choices=[
            ("quickshift", "quick shift, the default of the lime package: good for pictures of some 200 pixels a side"),
            ("slic", "SLIC: about as many as wanted, also of small pictures"),
        ],
        help_text="Algorithm that cuts an image into superpixels.",
    )
    quickshift_kernel_size = forms.FloatField(
        initial=4.0,
        required=False,
        min_value=0.1,
        max_value=100,
        help_text="Kernel size of quick shift. Smaller values give more superpixels.",
    )
    quickshift_max_dist = forms.FloatField(
        initial=200.0,
        required=False,
        min_value=0.1,
        max_value=10_000,
        help_text="Maximum distance of quick shift. Smaller values give more superpixels.",
    )
    slic_segments = forms.IntegerField(
        initial=50,
        required=False,
        min_value=2,
        max_value=10_000,
        help_text="Approximate number of superpixels for SLIC.",
    )
    superpixels = forms.IntegerField(
        initial=8,
        required=False,
        min_value=1,
        max_value=1000,
        help_text=(
            "Number of superpixels shown: the strongest support for the adversarial label. "
            "Fewer are shown where fewer support it."
        ),
    )
    lime_r2_floor = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        help_text="Minimum R² of a LIME explanation that is shown. Leave empty for none.",
    )
    fill = forms.ChoiceField(
        initial="grey",
        required=False,
        choices=[("grey", "grey"), ("mean", "their mean colour")],
        help_text="Fill for the hidden superpixels.",
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        others = [name for name in self.catalogue.explainers or () if name != OWN_SETTINGS]
        field = self.fields["explainer"]
        field.choices = [*field.choices, *((name, name) for name in others)]
        names = ", ".join((OWN_SETTINGS, *others))
        field.error_messages["invalid_choice"] = f"Must be one of {names}, not %(value)s."

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        text = design.get("explainer_parameters") or ""
        if text and design.get("explainer") in (None, "", OWN_SETTINGS):
            self.add_error("explainer_parameters", f"{OWN_SETTINGS} has settings of its own: leave this empty.")
        try:
            parse_parameters(text, ",")
        except ValueError as error:
            self.add_error("explainer_parameters", f"{str(error)[:1].upper()}{str(error)[1:]}.")
        return design


def explainer_recipe(design: Mapping[str, Any]) -> dict[str, Any]:
    """What `bench.explanations` is told; a design of an earlier version names no explainer: it was LIME."""
    if _is_another(design):
        return {"method": design["explainer"], "parameters": parse_parameters(design["explainer_parameters"], ",")}
    return {
        "method": OWN_SETTINGS,
        "parameters": {
            "n_samples": design["lime_samples"],
            "n_features": design["lime_features"],
            "segmentation": design["segmentation"],
            "quickshift_kernel_size": design["quickshift_kernel_size"],
            "quickshift_max_dist": design["quickshift_max_dist"],
            "slic_n_segments": design["slic_segments"],
        },
    }


def _is_another(design: Mapping[str, Any]) -> bool:
    """Whether the design names an explainer without settings of its own in the form."""
    return design.get("explainer", OWN_SETTINGS) != OWN_SETTINGS


def fits(design: Mapping[str, Any], explanation: Any) -> bool:
    """Whether the explanation's R² reaches the design's floor, which is for LIME alone."""
    return _is_another(design) or explanation.r2 >= (design.get("lime_r2_floor") or 0)


def explain(bench: Any, design: Mapping[str, Any], attacks: Sequence[Any], *, seed: int) -> list[Any]:
    """Why the classifier gives each attacked picture its adversarial label, as the design asks."""
    return explain_pictures(bench, design, [(attack.picture, attack.label) for attack in attacks], seed=seed)


def explain_pictures(
    bench: Any, design: Mapping[str, Any], questions: Sequence[tuple[Any, int]], *, seed: int
) -> list[Any]:
    """Why the classifier gives each picture the label beside it, as the design asks."""
    explanations = bench.explanations(
        design["classifier"],
        questions,
        explainer_recipe(design),
        n_shown=design["superpixels"],
        fill=design["fill"],
        seed=seed,
        **({"share": design["share_shown"]} if _is_another(design) else {}),
    )
    return list(explanations)


def stability(bench: Any, design: Mapping[str, Any], attacks: Sequence[Any]) -> dict[str, Any]:
    """How far the shown superpixels, or pixels, are the same from other draws: on a sample of the images, under three
    seeds.

    The Jaccard index of two sets is what they share over what either has; its mean over the pairs of seeds, and the
    spread of that over images.  Images of which nothing is shown under any seed do not count.
    """
    sampled = sample(attacks, STABILITY_IMAGES, design["seed"])
    shown = [
        [_shown_parts(bench, design, one) for one in explain(bench, design, sampled, seed=seed)]
        for seed in range(design["seed"], design["seed"] + STABILITY_SEEDS)
    ]
    indices = []
    for of_image in zip(*shown, strict=True):
        pairs = [(a, b) for a, b in combinations(of_image, 2) if a | b]
        if pairs:
            indices.append(mean(len(a & b) / len(a | b) for a, b in pairs))
    return {"images": len(indices), "seeds": STABILITY_SEEDS, **(spread(indices) if indices else {})}


def _shown_parts(bench: Any, design: Mapping[str, Any], explanation: Any) -> set[int]:
    """What an explanation shows: superpixels, or pixels in reading order."""
    if explanation.values_file:
        return set(bench.shown_pixels(explanation))
    return top_superpixels(explanation.coefficients, design["superpixels"])


def top_superpixels(coefficients: Sequence[float], n_shown: int) -> set[int]:
    """The superpixels that an explanation shows: those that speak most for the label, at most so many."""
    order = sorted(range(len(coefficients)), key=lambda i: (-coefficients[i], i))
    return {i for i in order[:n_shown] if coefficients[i] > 0}


def spread(values: Sequence[float]) -> dict[str, float]:
    """The lowest, the median and the highest of some values."""
    return {"lowest": min(values), "median": median(values), "highest": max(values)}

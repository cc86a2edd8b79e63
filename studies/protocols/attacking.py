"""Attacking images and explaining the labels they are given: the design's settings, and what preparing reports.

Shares are counted on the pictures as displayed, which people judge; those of the exact tensors stand beside them.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from django import forms

from .accepting import counted, known_share
from .results import Table, percent


class AttackForm(forms.Form):
    attack_step = forms.FloatField(
        initial=0.001, required=False, min_value=1e-9, help_text="IFGSM's ε, the size of a step, in the unit below."
    )
    attack_unit = forms.ChoiceField(
        initial="normalised",
        required=False,
        choices=[
            ("normalised", "of the classifier's normalised input (ε times a channel's standard deviation in pixels)"),
            ("pixel", "of pixels in [0, 1]"),
        ],
        help_text="What the step is measured in.",
    )
    attack_steps = forms.IntegerField(
        initial=10, required=False, min_value=1, max_value=1000, help_text="M, how many steps are taken."
    )
    attack_norm = forms.ChoiceField(
        initial="linf",
        required=False,
        choices=[("linf", "L∞: the sign of the gradient"), ("l2", "L2: the gradient over its length")],
        help_text="The direction of a step.",
    )
    attack_grid = forms.ChoiceField(
        initial="exact",
        required=False,
        choices=[("exact", "exact values, rounded for display at the end"), ("eight_bits", "rounded at every step")],
        help_text="Rounded at every step, what fools the classifier always survives display; needs a step of 1/255.",
    )
    lime_samples = forms.IntegerField(
        initial=1000, required=False, min_value=10, max_value=100_000, help_text="LIME's masks for each image."
    )
    lime_features = forms.IntegerField(
        initial=16, required=False, min_value=1, max_value=1000, help_text="K, superpixels LIME may select."
    )
    superpixels = forms.IntegerField(
        initial=8,
        required=False,
        min_value=1,
        max_value=1000,
        help_text="Superpixels shown: those that speak most for the adversarial label. Fewer where fewer speak for it.",
    )
    fill = forms.ChoiceField(
        initial="grey",
        required=False,
        choices=[("grey", "grey"), ("mean", "their mean colour")],
        help_text="What hides the other superpixels.",
    )

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        on_grid, step = design.get("attack_grid") == "eight_bits", design.get("attack_step")
        if on_grid and design.get("attack_unit") == "pixel" and step and step < 1 / 255:
            self.add_error("attack_step", "Must be at least 1/255 (0.00392157) where every step is rounded.")
        return design


def attack_recipe(design: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "method": "ifgsm",
        "parameters": {
            "step": design["attack_step"],
            "max_steps": design["attack_steps"],
            "norm": design["attack_norm"],
            "unit": design["attack_unit"],
            "on_grid": design["attack_grid"] == "eight_bits",
        },
    }


def explainer_recipe(design: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "method": "lime",
        "parameters": {"n_samples": design["lime_samples"], "n_features": design["lime_features"]},
    }


# --- what preparing found ---------------------------------------------------------------------------------------------


def report(
    images: int, attacks: Sequence[Any], flipped: Sequence[Any], drawn: Sequence[Any], explanations: Sequence[Any]
) -> dict[str, Any]:
    """What flips is counted on the pictures as displayed, which people judge; the exact tensors stand beside."""
    wrong, exactly = images - len(attacks), [a for a in attacks if a.fools_exactly]
    return {
        "images": images,
        "errors": wrong,
        "attacked": len(attacks),
        "flipped": len(flipped),
        "flipped_exactly": len(exactly),
        "surviving_display": sum(a.fools_as_displayed for a in exactly),
        "adversarial_errors": wrong + len(flipped),
        "drawn": len(drawn),
        "without_explanation": len(drawn) - len(explanations),
        "shown": len(explanations),
        "clean_accuracy": len(attacks) / images,
        "adversarial_accuracy": (len(attacks) - len(flipped)) / images,
        "flipped_share": len(flipped) / images,
        "r2": _spread([e.r2 for e in explanations]),
        "positive_superpixels": _spread([e.n_positive for e in explanations]),
    }


def known(preparation: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the preparation as the result names them, each share with its own denominator."""
    images, correct, flipped = (preparation[name] for name in ("images", "attacked", "flipped"))
    exactly, wrong = preparation["flipped_exactly"], preparation["errors"]
    wrong_exactly = {"exact": (wrong + exactly) / images}
    return {
        "clean_accuracy": known_share(correct, "images given their true class", images, "images"),
        "adversarial_accuracy": known_share(correct - flipped, "images still right, as displayed", images, "images")
        | {"exact": (correct - exactly) / images},
        "adversarial_error": known_share(wrong + flipped, "images wrong before or after the attack", images, "images")
        | wrong_exactly,
        "flipped_share": known_share(flipped, "images flipped by the attack, as displayed", images, "images")
        | {"exact": exactly / images, "of_attacked": flipped / correct},
        "display_survival": known_share(
            preparation["surviving_display"],
            "images that still fool the classifier as displayed",
            exactly,
            "images whose exact tensor fools it",
        ),
        **{name: preparation[name] for name in ("shown", "without_explanation", "r2", "positive_superpixels")},
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"lowest": min(values), "median": median(values), "highest": max(values)}


def preparation_table(measures: Mapping[str, Any]) -> Table:
    names = {
        "clean_accuracy": "Accuracy on clean images",
        "adversarial_accuracy": "Accuracy under attack, as displayed",
        "flipped_share": "Flipped by the attack, as displayed",
        "display_survival": "Surviving display",
    }
    rows = [[title, percent(measures[name]["estimate"]), counted(measures[name])] for name, title in names.items()]
    explanations = f"{measures['shown']} explanations"
    if measures["without_explanation"]:
        explanations += f"; {measures['without_explanation']} images have none and are not shown"
    for name, title, form in (
        ("r2", "R² of the explanations", "{:.2f}"),
        ("positive_superpixels", "Superpixels that speak for the label", "{:g}"),
    ):
        found = measures[name]
        range_ = f"from {form.format(found['lowest'])} to {form.format(found['highest'])}, {explanations}"
        rows.append([title, f"median {form.format(found['median'])}", range_])
    return Table("The attack and the explanations", ["", "", "from"], rows)

"""The ways of choosing images of a class that the protocols about prototypes and criticisms compare."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django import forms

from .attacking import AttackForm, attack_recipe
from .explained import PAPER, Setting

#: By the word for it in designs (Stock & Cissé 2018, section 3.4).
TITLES = {"adversarial": "Adversarial", "mmd": "MMD-critic", "probability": "Probability", "random": "Random"}
WAYS = ("adversarial", "mmd", "probability")


class SelectionForm(AttackForm):
    """The rules of the selections; the paper's by default, under which a class needs enough images of each kind."""

    about: ClassVar[Mapping[str, Setting]] = {
        "probability_above": Setting(
            "choosing",
            "Lower finds prototypes in more classes, less typical ones.",
            "a probability",
            f"{PAPER}: 0.9 (section 3.4).",
        ),
        "probability_below": Setting(
            "choosing",
            "Higher finds criticisms in more classes, less unusual ones.",
            "a probability",
            f"{PAPER}: 0.1 (section 3.4).",
        ),
    }

    probability_above = forms.FloatField(
        initial=0.9,
        required=False,
        min_value=0,
        max_value=1,
        help_text="By probability: prototypes are given their own class with more than this.",
    )
    probability_below = forms.FloatField(
        initial=0.1,
        required=False,
        min_value=0,
        max_value=1,
        help_text="By probability: criticisms are given their own class with less than this.",
    )

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        above, below = design.get("probability_above"), design.get("probability_below")
        if above is not None and below is not None and below > above:
            self.add_error("probability_below", f"Must not be above probability_above, which is {above:g}.")
        return design


def _by_attack(design: Mapping[str, Any]) -> dict[str, Any]:
    return {"method": {"method": "adversarial"}, "attack": attack_recipe(design)}


def _by_probability(design: Mapping[str, Any]) -> dict[str, Any]:
    bounds = {"above": design["probability_above"], "below": design["probability_below"]}
    return {"method": {"method": "probability", "parameters": bounds}}


RULES: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "adversarial": _by_attack,
    "mmd": lambda design: {"method": {"method": "mmd_critic"}},
    "probability": _by_probability,
    "random": lambda design: {"method": {"method": "random"}},
}


def rule(way: str, design: Mapping[str, Any]) -> dict[str, Any]:
    """What `bench.selections` is told for a way of choosing images."""
    return RULES[way](design)

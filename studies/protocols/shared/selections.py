"""The ways of choosing images of a class that the protocols about prototypes and criticisms compare."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django import forms

from studies.protocols.base.field_help import PAPER, FieldHelp

from .attacks import AttackForm, attack_recipe

#: By the word for it in designs (Stock & Cissé 2018, section 3.3).
TITLES = {"adversarial": "Adversarial", "mmd": "MMD-critic", "probability": "Probability", "random": "Random"}
WAYS = ("adversarial", "mmd", "probability")


class SelectionForm(AttackForm):
    """The rules of the selections; the paper's by default, under which a class needs enough images of each kind."""

    about: ClassVar[Mapping[str, FieldHelp]] = {
        "probability_above": FieldHelp(
            "choosing",
            "A lower bound finds prototypes in more classes, but less typical ones.",
            "a probability",
            f"{PAPER}: 0.9 (section 3.3).",
        ),
        "probability_below": FieldHelp(
            "choosing",
            "A higher bound finds criticisms in more classes, but less unusual ones.",
            "a probability",
            f"{PAPER}: 0.1 (section 3.3).",
        ),
    }

    probability_above = forms.FloatField(
        initial=0.9,
        required=False,
        min_value=0,
        max_value=1,
        help_text="Minimum probability of the true class for a prototype (selection by probability).",
    )
    probability_below = forms.FloatField(
        initial=0.1,
        required=False,
        min_value=0,
        max_value=1,
        help_text="Maximum probability of the true class for a criticism (selection by probability).",
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


#: Ways that go by an attack.
BY_ATTACK = ("adversarial",)
#: Ways without a draw: the same images in, the same images out.
ALWAYS_ALIKE = ("mmd",)

#: What a classifier must have for a way of choosing images; the others take any.
NEEDS = {"adversarial": "gradients", "mmd": "hidden"}


def rule(way: str, design: Mapping[str, Any]) -> dict[str, Any]:
    """What `bench.selections` is told for a way of choosing images."""
    return RULES[way](design)

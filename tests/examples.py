"""An example of each protocol, by its key: what the contract test needs to know of a protocol and cannot guess.

A protocol without an example here fails the contract test.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy.stats import binom

ATTACK = {
    "attack_step": 0.004,
    "attack_unit": "pixel",
    "attack_steps": 5,
    "attack_norm": "l2",
    "attack_grid": "eight_bits",
}
RULES = {**ATTACK, "probability_above": 0.6, "probability_below": 0.3}

#: The settings every design has for what comes around the trials, each differing from its default.
SESSION = {
    "language": "de",
    "questions": "How old are you? | number\nDo you wear glasses? | yes | no\nWhat do you work as?",
    "example": True,
    "practice": 2,
    "gold": 2,
    "gold_rate": 0.5,
    "reopen_screened": False,
    "comments": True,
    "withdrawal": "remove",
    "debrief": "We wanted to know what people see.",
    "completion_url": "https://recruiter.example/done?code={code}&outcome={outcome}",
}
#: A design that differs from the default where it can; `classifier` is filled in by the test.
EXAMPLES: dict[str, dict[str, Any]] = {
    "adversarial_trials": {
        "answers_per_stimulus": 7,
        "threshold": 6,
        "unequal_panels": "proportion",
        "trials_per_participant": 20,
        "meeting": "separate_groups",
        "washout_days": 7.5,
        "classes": ["accordion", "grand_piano"],
        "sample": 9,
        **ATTACK,
        "lime_samples": 500,
        "lime_features": 12,
        "segmentation": "slic",
        "quickshift_kernel_size": 2.5,
        "quickshift_max_dist": 100,
        "slic_segments": 30,
        "superpixels": 5,
        "fill": "mean",
        "seed": 3,
    },
    "attribute_annotation": {
        "class_name": "grand_piano",
        "attribute": "a hand",
        "selection": "adversarial",
        "images": 2,
        **RULES,
        "answers_per_stimulus": 7,
        "trials_per_participant": 20,
        "seed": 3,
    },
    "class_assignment": {
        "classes": ["accordion", "bassoon", "celesta", "euphonium", "grand_piano", "harmonica"],
        "rounds": 9,
        "conditions": ["mmd-prototypes", "mmd-prototypes-criticisms", "random"],
        "drawing": "confusion",
        "names": "classes",
        "roles": "marked",
        **RULES,
        "min_seconds": 5,
        "max_seconds": 90,
        "answers_per_stimulus": 7,
        "trials_per_participant": 8,
        "seed": 3,
    },
    "rectified_labeling": {
        "answers_per_stimulus": 7,
        "threshold": 6,
        "unequal_panels": "proportion",
        "trials_per_participant": 20,
        "top_k": 5,
        "selection": "top5_errors",
        "asking": "each_label",
        "classes": ["accordion", "grand_piano"],
        "sample": 9,
        "seed": 3,
    },
}


@dataclass(frozen=True)
class Planted:
    """An effect put into simulated answers, and where the result must find it again.

    rate: what the protocol's `simulated_answer` is given for a stimulus, by its truth.  expected: the true value, from
    the notes of the preparation.  found: the measure with `low` and `high`.
    """

    rate: Callable[[Mapping[str, Any]], float | None]
    expected: Callable[[Mapping[str, Any]], float]
    found: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    design: dict[str, Any] = field(default_factory=dict)


def accepted(rate: float, k: int = 4, n: int = 5) -> float:
    """The share of panels accepted when everybody says yes at this rate."""
    return float(binom.sf(k - 1, n, rate))


#: Several where a protocol can be asked in several ways.
PLANTED: dict[str, list[Planted]] = {
    "adversarial_trials": [
        Planted(
            rate=lambda truth: 0.8 if truth["condition"] == "explanation" else 0.6,
            expected=lambda notes: 0.2,
            found=lambda measures: measures["yes_difference"],
        ),
        Planted(
            rate=lambda truth: 0.8 if truth["condition"] == "explanation" else 0.6,
            expected=lambda notes: accepted(0.8) - accepted(0.6),
            found=lambda measures: measures["accepted_difference"],
        ),
        Planted(
            rate=lambda truth: 0.8,
            expected=lambda notes: (notes["adversarial_errors"] - notes["flipped"] * accepted(0.8)) / notes["images"],
            found=lambda measures: measures["conditions"]["whole"]["rectified_error"],
            design={"meeting": "separate_groups"},
        ),
    ],
    "attribute_annotation": [
        Planted(
            rate=lambda truth: 0.3,
            expected=lambda notes: 0.3,
            found=lambda measures: measures["shares"]["criticisms"],
            design={"images": 30},
        )
    ],
    "class_assignment": [
        Planted(
            rate=lambda truth: 0.55,
            expected=lambda notes: 0.55 + 0.45 / 6,
            found=lambda measures: measures["conditions"]["random"],
            design={"rounds": 160},
        )
    ],
    "rectified_labeling": [
        Planted(
            rate=lambda truth: 0.7,
            expected=lambda notes: notes["errors"] / notes["images"] * (1 - accepted(0.7)),
            found=lambda measures: measures["rectified_error"],
            design=design,
        )
        for design in ({}, {"top_k": 5}, {"top_k": 5, "selection": "top5_errors"})
    ],
}

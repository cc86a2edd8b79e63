"""Designs and effects of our own protocols that are known by hand, by key; the contract itself needs none of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy.stats import binom

from studies import protocols
from studies.protocol_contract import made_up_images

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
    "min_answer_ms": 300,
    "spending": "pocock",
    "interim_looks": "50",
    "reopen_screened": False,
    "record_display": True,
    "one_per_browser": True,
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
        "estimand": "new images",
        "trials_per_participant": 20,
        "meeting": "separate_groups",
        "margin": 7.5,
        "washout_days": 7.5,
        "classes": ["accordion", "grand_piano"],
        "sample": 9,
        **ATTACK,
        "explainer": "smoothgrad",
        "explainer_parameters": "n_samples=5,noise=0.2",
        "share_shown": 0.3,
        "lime_samples": 500,
        "lime_features": 12,
        "lime_r2_floor": 0.05,
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
        "attributes": ["a hand", "a chair"],
        "asking": "page_each",
        "threshold": 6,
        "unequal_panels": "proportion",
        "class_table": "image,a hand\nharp/1.png,yes",
        "checks": ["harp/2.png | a hand: yes | a chair: no"],
        "margin": 7.5,
        "selection": "mmd",
        "images": 2,
        **RULES,
        "answers_per_stimulus": 7,
        "trials_per_participant": 20,
        "seed": 3,
    },
    "class_assignment": {
        "classes": ["accordion", "bassoon", "celesta", "euphonium", "grand_piano", "harmonica"],
        "classes_are": "sample",
        "rounds": 9,
        "conditions": ["mmd-prototypes", "mmd-prototypes-criticisms", "random"],
        "drawing": "confusion",
        "selection_sets": "one_set",
        "names": "classes",
        "margin": 7.5,
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
        "estimand": "new images",
        "trials_per_participant": 20,
        "top_k": 5,
        "selection": "top5_errors",
        "asking": "each_label",
        "classes": ["accordion", "grand_piano"],
        "sample": 9,
        "seed": 3,
    },
}


EXAMPLES["two_choice"] = {
    "explainers": ["gradients", {"method": "occlusion", "parameters": {"window": 8}}],
    "contrasts": ["gradients:occlusion window=8"],
    "drawing": "overlay",
    "superpixels": 5,
    "images": 7,
    "answers_per_stimulus": 7,
    "trials_per_participant": 20,
    "seed": 3,
}


EXAMPLES["preference"] = {
    "explainers": ["gradients", {"method": "occlusion", "parameters": {"window": 8}}],
    "contrasts": ["gradients:occlusion window=8"],
    "drawing": "overlay",
    "superpixels": 5,
    "images": 7,
    "answers_per_stimulus": 7,
    "trials_per_participant": 20,
    "seed": 3,
}


EXAMPLES["advice"] = {
    **EXAMPLES["two_choice"],
    "mode": "two_step",
    "options": 3,
    "show_confidence": False,
    "meeting": "separate_groups",
}
EXAMPLES["simulatability"] = {
    "arms": ["none", "gradients", {"method": "occlusion", "parameters": {"window": 8}}],
    "classes": ["accordion", "bassoon", "grand_piano"],
    "drawing": "auto",
    "superpixels": 5,
    "sessions": 2,
    "training_per_session": 1,
    "test_per_session": 2,
    "participants_per_arm": 8,
    "seed": 3,
}
EXAMPLES["distinction"] = {**EXAMPLES["two_choice"], "options": 3}

#: What a design needs so that the 24 images of most tests suffice.
SMALL: dict[str, dict[str, Any]] = {
    "simulatability": {"training_per_session": 2, "test_per_session": 2, "participants_per_arm": 10},
}


def about(key: str, classifier: str) -> dict[str, Any]:
    """What a design says of classifiers: the one, or of protocols that compare two also one that is made beside it."""
    return made_up_images.about(protocols.get(key), classifier)


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
    #: What the interval is to be narrower than; and what figures are multiplied by where they are written.
    width: float = 0.2
    #: How many images the classifier has, which that takes.
    n_images: int = 480
    written: int = 100


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
            n_images=720,
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
            expected=lambda notes: float(binom.sf(2, 5, 0.3)),
            found=lambda measures: measures["images"]["a person"]["criticisms"],
            design={"images": 60},
            width=0.35,
            n_images=960,
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

PLANTED["two_choice"] = [
    Planted(
        rate=lambda truth: 0.7,
        expected=lambda notes: 0.7,
        found=lambda measures: measures["conditions"]["gradients"],
        design={"explainers": ["gradients", "occlusion"], "images": 80},
    )
]
PLANTED["preference"] = [
    Planted(
        rate=lambda truth: 0.6,
        expected=lambda notes: 0.6,
        found=lambda measures: measures["conditions"]["gradients"],
        design={"explainers": ["gradients", "occlusion"], "images": 80},
        width=0.4,
        written=1,
    )
]
PLANTED["distinction"] = [
    Planted(
        rate=lambda truth: 0.6,
        expected=lambda notes: 0.6,
        found=lambda measures: measures["conditions"]["gradients"],
        design={"explainers": ["gradients", "occlusion"], "images": 80},
    )
]
PLANTED["advice"] = [
    Planted(
        rate=lambda truth: 0.8,
        expected=lambda notes, expected=expected: expected,
        found=found,
        design={"explainers": ["none", "occlusion"], "images": 120, **design},
        width=0.25,
    )
    for design, expected, found in (
        ({}, 0.8, lambda measures: measures["conditions"]["none"]),
        ({"mode": "two_step"}, 0.8, lambda measures: measures["conditions"]["occlusion"]),
        # Those who are wrong about what the classifier gets wrong accept it.
        ({}, 0.2, lambda measures: measures["over_reliance"]["none"]),
    )
]
PLANTED["simulatability"] = [
    Planted(
        # Training with explanations adds 10 points to a gain of 10.
        rate=lambda truth: 0.5 if truth["phase"] == "pre" else 0.6,
        expected=lambda notes: 0.1,
        found=lambda measures: measures["gain"]["none"],
        design={
            "arms": ["none", "gradients"],
            "test_per_session": 20,
            "training_per_session": 2,
            "participants_per_arm": 50,
        },
        width=0.25,
    )
]

"""How many images of each class fulfil the rules of a selection, before anything expensive is computed.

Rules about probabilities are counted in full, from predictions.  Rules about an attack are tried on a sample of each
class.  A hint for the step of the attack tries five of them: the share of images that are still right in the end.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from studies.protocols.base.protocol import sample
from studies.protocols.base.results import Table

from .attacks import attack_recipe
from .selections import BY_ATTACK, TITLES

#: How the step of the design is multiplied, for the hint.
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
#: Apart from every other draw of the same seed.
STREAM = 4093
#: So many images of all classes together for the hint.
HINT_IMAGES = 60


def tables(
    design: Mapping[str, Any],
    bench: Any,
    classes: Sequence[str],
    ways: Mapping[str, tuple[int, int]],
    sampled: int,
) -> list[Table]:
    """The counts by class, and the hint where an attack chooses.

    classes: their names; all where none is named.  ways: for each way of choosing, how many prototypes and criticisms a
    selection has.  sampled: how many images of a class are attacked.
    """
    classifier = design["classifier"]
    names = bench.class_names(classifier)
    images = list(bench.images(classifier, classes=list(classes)))
    by_class: dict[int, list[Any]] = {}
    for prediction in bench.predictions(classifier, images):
        by_class.setdefault(prediction.image.label, []).append(prediction)
    attacked = any(way in BY_ATTACK for way in ways)
    flips = _flips(design, bench, by_class, sampled) if attacked else {}
    columns, rows, lacking = ["class", "images"], [], []
    for way in ways:
        columns += [f"{TITLES[way]}: prototypes", f"{TITLES[way]}: criticisms"] if way in RULED else []
    for label, predictions in by_class.items():
        row: list[Any] = [names[label], len(predictions)]
        for way, wanted in ways.items():
            found = RULED.get(way, _any)(design, predictions, flips.get(label, []))
            row += [_in_words(one, len(predictions)) for one in found] if way in RULED else []
            if any(_expected(one, len(predictions)) < least for one, least in zip(found, wanted, strict=True)):
                lacking.append(f"{names[label]} ({TITLES[way]})")
        rows.append(row)
    note = "Counted from predictions. "
    if flips:
        note += f"Of the attack, in at most {sampled} images of each class, multiplied to all of it. "
    needs = "; ".join(f"{TITLES[way]} {n} and {m}" for way, (n, m) in ways.items())
    note += f"Prototypes and criticisms wanted: {needs}. "
    note += f"Too few, as far as is known: {', '.join(lacking)}." if lacking else "Every class has enough."
    found_tables = [Table("Images that fulfil the rules", columns, rows, note)]
    return found_tables + ([_hint(design, bench, by_class)] if attacked else [])


#: How many are known to fulfil a rule, of how many.
Counted = tuple[int, int]


def _flips(
    design: Mapping[str, Any], bench: Any, by_class: Mapping[int, Sequence[Any]], sampled: int
) -> dict[int, list[int]]:
    """The steps at which attacks flip a sample of each class; 0 where the classifier is wrong from the start."""
    drawn = {
        label: sample([one.image for one in predictions], sampled, design["seed"] + STREAM + label)
        for label, predictions in by_class.items()
    }
    found: dict[int, list[int]] = {label: [] for label in by_class}
    everything = [image for images in drawn.values() for image in images]
    for attack in bench.attacks(design["classifier"], everything, attack_recipe(design)):
        # What rounding for display turns is neither kind, as selections have it.
        lost = attack.flip_step == -1 and attack.fools_as_displayed
        found[attack.image.label].append(design["attack_steps"] + 1 if lost else attack.flip_step)
    return found


def _by_attack(design: Mapping[str, Any], predictions: Sequence[Any], flips: Sequence[int]) -> list[Counted]:
    return [(sum(one == step for one in flips), len(flips)) for step in (-1, 1)]


def _by_probability(design: Mapping[str, Any], predictions: Sequence[Any], flips: Sequence[int]) -> list[Counted]:
    given, n = np.array([one.true_probability for one in predictions]), len(predictions)
    above, below = design["probability_above"], design["probability_below"]
    return [(int((given > above).sum()), n), (int((given < below).sum()), n)]


def _any(design: Mapping[str, Any], predictions: Sequence[Any], flips: Sequence[int]) -> list[Counted]:
    return [(len(predictions), len(predictions))] * 2


#: Ways with a rule that not every image fulfils: how many prototypes and criticisms there are.
RULED: Mapping[str, Callable[..., list[Counted]]] = {"adversarial": _by_attack, "probability": _by_probability}


def _expected(counted: Counted, images: int) -> float:
    number, of = counted
    return number / of * images if of else 0.0


def _in_words(counted: Counted, images: int) -> str:
    number, of = counted
    if of == images:
        return str(number)
    return f"about {round(_expected(counted, images))} ({number} of {of})"


def _hint(design: Mapping[str, Any], bench: Any, by_class: Mapping[int, Sequence[Any]]) -> Table:
    """The share of images that are right before the attack and after it, by its step."""
    right = [one.image for some in by_class.values() for one in some if one.top[0].label == one.image.label]
    drawn = sample(right, HINT_IMAGES, design["seed"] + STREAM)
    rows = []
    for factor in FACTORS:
        step = float(f"{design['attack_step'] * factor:.3g}")
        attacks = list(bench.attacks(design["classifier"], drawn, attack_recipe({**design, "attack_step": step})))
        still = sum(not one.fools_as_displayed and one.flip_step == -1 for one in attacks)
        at_once = sum(one.flip_step == 1 for one in attacks)
        share = f"{100 * still / len(drawn):.1f}%" if drawn else None
        named = f"{step:g}, the design’s" if factor == 1 else f"{step:g}"
        rows.append([named, share, f"{still} of {len(drawn)}", f"{at_once} of {len(drawn)}"])
    note = (
        "Of images that the classifier gets right, drawn from all classes. Prototypes survive "
        f"{design['attack_steps']} steps and criticisms flip at the first: a step that leaves nearly all, or nearly "
        "none, gives too few of either."
    )
    columns = [
        "attack_step",
        f"still right after {design['attack_steps']} steps",
        "images",
        "flipped at the first step",
    ]
    return Table("A hint for the step of the attack", columns, rows, note)

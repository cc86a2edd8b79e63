"""Attacking images and explaining the labels they are given: the design's settings, and what preparing reports.

Shares are counted on the pictures as displayed, which people judge; those of the exact tensors stand beside them.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, ClassVar

from django import forms

from .accepting import counted, known_share
from .explained import PAPER, Setting
from .results import Gallery, Table, percent

#: Attacked images with the explanations of their adversarial labels (studies.workbench.values).
Pairs = Sequence[tuple[Any, Any]]

#: How often a difference is magnified for the gallery, as in the paper's figures, and how many images it shows.
MAGNIFIED, IN_GALLERY = 20, 8


class AttackForm(forms.Form):
    about: ClassVar[Mapping[str, Setting]] = {
        "attack_step": Setting(
            "attack",
            "Larger steps flip more images, and change more of what people see.",
            "in the unit below",
            f"{PAPER}: 0.001, in a unit it does not name.",
        ),
        "attack_unit": Setting(
            "attack",
            "In pixels a step is some four times as large, and ten of them leave almost nothing right. What flips "
            "early is lost again where the picture is rounded to 8 bits.",
            "",
            "Quorum’s reading: only with the normalised input are the paper’s accuracies plausible.",
        ),
        "attack_steps": Setting("attack", "More steps flip more images.", "steps", f"{PAPER}: M = 10."),
        "attack_norm": Setting(
            "attack",
            "L∞ changes every pixel equally; L2 changes most where the gradient is largest.",
            "",
            f"{PAPER}: both.",
        ),
        "attack_grid": Setting(
            "attack",
            "Exact: some images no longer fool the classifier as displayed, and are not shown; how many is reported.",
            "",
            "Quorum’s own: the paper does not say how pictures were displayed.",
        ),
    }
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

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        on_grid, step = design.get("attack_grid") == "eight_bits", design.get("attack_step")
        if on_grid and design.get("attack_unit") == "pixel" and step and step < 1 / 255:
            self.add_error("attack_step", "Must be at least 1/255 (0.00392157) where every step is rounded.")
        return design


class ExplanationForm(forms.Form):
    about: ClassVar[Mapping[str, Setting]] = {
        "lime_samples": Setting(
            "explanation",
            "More masks make steadier explanations, and preparing takes longer in proportion.",
            "masks for each image",
            f"{PAPER}: n = 1000; Ribeiro et al. 2016.",
        ),
        "lime_features": Setting(
            "explanation",
            "With too few there are not enough that speak for the label: of 8 selected often only 5 do.",
            "superpixels",
            "Quorum’s own: twice those that are shown.",
        ),
        "segmentation": Setting(
            "explanation", "The pieces that are shown or hidden as a whole.", "", "The lime package: quick shift."
        ),
        "quickshift_kernel_size": Setting(
            "explanation", "More and smaller pieces the smaller it is.", "pixels", "The lime package: 4."
        ),
        "quickshift_max_dist": Setting(
            "explanation", "More and smaller pieces the smaller it is.", "pixels", "The lime package: 200."
        ),
        "slic_segments": Setting("explanation", "More and smaller pieces the larger it is.", "superpixels"),
        "superpixels": Setting(
            "explanation",
            "The fewer, the less people see of the image.",
            "superpixels",
            f"{PAPER}: the 8 that speak most for the label.",
        ),
        "fill": Setting("explanation", "Grey says plainly that something is hidden; the mean colour hints at it."),
    }
    lime_samples = forms.IntegerField(
        initial=1000, required=False, min_value=10, max_value=100_000, help_text="LIME's masks for each image."
    )
    lime_features = forms.IntegerField(
        initial=16, required=False, min_value=1, max_value=1000, help_text="K, superpixels LIME may select."
    )
    segmentation = forms.ChoiceField(
        initial="quickshift",
        required=False,
        choices=[
            ("quickshift", "quick shift, as in the paper: good for pictures of some 200 pixels a side"),
            ("slic", "SLIC: about as many as wanted, also of small pictures"),
        ],
        help_text="How an image is cut into superpixels.",
    )
    quickshift_kernel_size = forms.FloatField(
        initial=4.0, required=False, min_value=0.1, max_value=100, help_text="Quick shift: smaller gives more of them."
    )
    quickshift_max_dist = forms.FloatField(
        initial=200.0, required=False, min_value=0.1, max_value=10_000, help_text="Quick shift: smaller gives more."
    )
    slic_segments = forms.IntegerField(
        initial=50, required=False, min_value=2, max_value=10_000, help_text="SLIC: how many superpixels to aim at."
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
        "parameters": {
            "n_samples": design["lime_samples"],
            "n_features": design["lime_features"],
            "segmentation": design["segmentation"],
            "quickshift_kernel_size": design["quickshift_kernel_size"],
            "quickshift_max_dist": design["quickshift_max_dist"],
            "slic_n_segments": design["slic_segments"],
        },
    }


# --- what preparing found ---------------------------------------------------------------------------------------------


def report(images: int, attacks: Sequence[Any], flipped: Sequence[Any], pairs: Pairs, shown: Pairs) -> dict[str, Any]:
    """What flips is counted on the pictures as displayed, which people judge; the exact tensors stand beside.

    pairs: the flipped images that were drawn, with their explanations.  shown: those of them that people see.
    """
    wrong, exactly = images - len(attacks), [a for a in attacks if a.fools_exactly]
    return {
        "images": images,
        "errors": wrong,
        "attacked": len(attacks),
        "flipped": len(flipped),
        "flipped_exactly": len(exactly),
        "surviving_display": sum(a.fools_as_displayed for a in exactly),
        "adversarial_errors": wrong + len(flipped),
        "drawn": len(pairs),
        "without_explanation": sum(not explanation.n_positive for _, explanation in pairs),
        "nothing_hidden": sum(hides_nothing(attack, explanation) for attack, explanation in pairs),
        "shown": len(shown),
        "clean_accuracy": len(attacks) / images,
        "adversarial_accuracy": (len(attacks) - len(flipped)) / images,
        "flipped_share": len(flipped) / images,
        "r2": _spread([explanation.r2 for _, explanation in shown]),
        "superpixels": _spread([len(explanation.coefficients) for _, explanation in pairs]),
        "positive_superpixels": _spread([explanation.n_positive for _, explanation in shown]),
    }


def hides_nothing(attack: Any, explanation: Any) -> bool:
    """Whether the explanation is the whole picture again; a picture's name is the digest of its content."""
    return explanation.picture.file == attack.picture.file


def none_shown(pairs: Pairs) -> str:
    """Why no explanation can be shown."""
    hiding = sum(hides_nothing(attack, explanation) for attack, explanation in pairs)
    if not hiding:
        return f"none of the {len(pairs)} adversarial images has a superpixel that speaks for its adversarial label"
    return (
        f"the explanations of {hiding} of {len(pairs)} adversarial images hide nothing, and the others have none: cut "
        "images into more superpixels (segmentation slic, or a smaller quickshift_kernel_size), or show fewer of them"
    )


def compared(bench: Any, classifier: str, pairs: Pairs, names: Sequence[str]) -> list[dict[str, Any]]:
    """Each image before and after the attack, with what the attack changed and the explanation, for the gallery."""
    originals = list(bench.pictures(classifier, [attack.image for attack, _ in pairs]))
    changed = list(zip(originals, (attack.picture for attack, _ in pairs), strict=True))
    differences = bench.differences(changed, times=MAGNIFIED)
    return [
        {
            "image": attack.image.path,
            "label": names[attack.label],
            "true_label": names[attack.image.label],
            "r2": explanation.r2,
            "n_positive": explanation.n_positive,
            "pictures": [p.as_json() for p in (original, attack.picture, difference, explanation.picture)],
        }
        for (attack, explanation), original, difference in zip(pairs, originals, differences, strict=True)
    ]


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
        **{name: preparation[name] for name in ("shown", "without_explanation", "nothing_hidden")},
        **{name: preparation[name] for name in ("r2", "superpixels", "positive_superpixels")},
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
    exact = measures["flipped_share"]
    rows.insert(3, ["Flipped by the attack, before rounding", percent(exact["exact"]), "the exact tensors"])
    for name, title, form in (
        ("r2", "R² of the explanations", "{:.2f}"),
        ("superpixels", "Superpixels of an image", "{:g}"),
        ("positive_superpixels", "Superpixels that speak for the label", "{:g}"),
    ):
        found = measures[name]
        range_ = f"from {form.format(found['lowest'])} to {form.format(found['highest'])}"
        rows.append([title, f"median {form.format(found['median'])}", range_])
    left_out = [("without_explanation", "no superpixel speaks for it"), ("nothing_hidden", "nothing would be hidden")]
    said = [f"{measures[name]:,} left out: {why}" for name, why in left_out if measures[name]]
    shown = f"{measures['shown']:,}"
    rows.append(["Images shown, whole and explained", shown, "; ".join(said) or "all that were drawn"])
    return Table("The attack and the explanations", ["", "", "from"], rows)


def gallery(rows: Sequence[Mapping[str, Any]]) -> Gallery:
    """Of the rows of `compared`."""
    columns = ["original", "adversarial", f"difference × {MAGNIFIED}", "explanation"]
    return Gallery(
        "Some of the adversarial images",
        columns,
        [
            (
                f"{row['image']}: {row['true_label']}, taken for {row['label']}. R² {row['r2']:.2f}, "
                f"{row['n_positive']} superpixel{'s' * (row['n_positive'] != 1)} for it",
                row["pictures"],
            )
            for row in rows
        ],
        "Drawn at random. A difference is of the pictures as displayed; where nothing changed it is grey.",
    )

"""Attacking images: the design's settings, and what preparing reports of attacks and explanations.

Shares are counted on the pictures as displayed, which people judge; those of the exact tensors stand beside them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms

from studies.protocols.base.field_help import PAPER, FieldHelp
from studies.protocols.base.preregistration import fact
from studies.protocols.base.results import Gallery, Table, percent

from .explanations import explain_pictures, fits, spread
from .panels import counted, known_share

#: Attacked images with the explanations of their adversarial labels (studies.preparation.values).
Pairs = Sequence[tuple[Any, Any]]

#: How often a difference is magnified for the gallery, and how many images it shows.
MAGNIFIED, IN_GALLERY = 20, 8


class AttackForm(forms.Form):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "attack_step": FieldHelp(
            "attack",
            "Larger steps flip more images, and change more of what people see.",
            "in the unit below",
            f"{PAPER}: 0.001, in a unit it does not name.",
        ),
        "attack_unit": FieldHelp(
            "attack",
            "In pixels a step is some four times as large, and ten of them leave almost nothing right. What flips "
            "early is lost again where the picture is rounded to 8 bits.",
            "",
            "Quorum’s reading: only with the normalised input are the paper’s accuracies plausible.",
        ),
        "attack_steps": FieldHelp("attack", "More steps flip more images.", "steps", f"{PAPER}: M = 10."),
        "attack_norm": FieldHelp(
            "attack",
            "L∞ changes every pixel equally; L2 changes most where the gradient is largest.",
            "",
            f"{PAPER}: defines both, and does not say which the study used.",
        ),
        "attack_grid": FieldHelp(
            "attack",
            "Exact: some images no longer fool the classifier as displayed, and are not shown; how many is reported.",
            "",
            "Quorum’s own: the paper does not say how pictures were displayed.",
        ),
    }
    attack_step = forms.FloatField(
        initial=0.001, required=False, min_value=1e-9, help_text="Step size ε of IFGSM, in the unit below."
    )
    attack_unit = forms.ChoiceField(
        initial="normalised",
        required=False,
        choices=[
            ("normalised", "of the classifier's normalised input (ε times a channel's standard deviation in pixels)"),
            ("pixel", "of pixels in [0, 1]"),
        ],
        help_text="Unit of the step size.",
    )
    attack_steps = forms.IntegerField(
        initial=10, required=False, min_value=1, max_value=1000, help_text="Number of steps M."
    )
    attack_norm = forms.ChoiceField(
        initial="linf",
        required=False,
        choices=[("linf", "L∞: the sign of the gradient"), ("l2", "L2: the gradient over its length")],
        help_text="Norm of a step: its direction.",
    )
    attack_grid = forms.ChoiceField(
        initial="exact",
        required=False,
        choices=[("exact", "exact values, rounded for display at the end"), ("eight_bits", "rounded at every step")],
        help_text=(
            "Rounding of the attacked image. Rounded at every step, a fooling image always "
            "survives display; needs steps of at least 1/255."
        ),
    )

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        on_grid, step = design.get("attack_grid") == "eight_bits", design.get("attack_step")
        if on_grid and design.get("attack_unit") == "pixel" and step and step < 1 / 255:
            self.add_error("attack_step", "Must be at least 1/255 (0.00392157) where every step is rounded.")
        return design


def attack_recipe(design: Mapping[str, Any]) -> dict[str, Any]:
    """What `bench.attacks` is told by the design."""
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


# --- what preparing found ---------------------------------------------------------------------------------------------


def report(
    design: Mapping[str, Any],
    images: int,
    attacks: Sequence[Any],
    flipped: Sequence[Any],
    pairs: Pairs,
    shown: Pairs,
) -> dict[str, Any]:
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
        "flipped_by_display": sum(a.fools_as_displayed and not a.fools_exactly for a in attacks),
        "surviving_display": sum(a.fools_as_displayed for a in exactly),
        "adversarial_errors": wrong + len(flipped),
        "drawn": len(pairs),
        "without_explanation": sum(not explanation.n_positive for _, explanation in pairs),
        "nothing_hidden": sum(hides_nothing(attack, explanation) for attack, explanation in pairs),
        "below_r2_floor": sum(bool(e.n_positive) and not hides_nothing(a, e) and not fits(design, e) for a, e in pairs),
        "shown": len(shown),
        "clean_accuracy": len(attacks) / images,
        "adversarial_accuracy": (len(attacks) - len(flipped)) / images,
        "adversarial_accuracy_exactly": (len(attacks) - len(exactly)) / images,
        "flipped_share": len(flipped) / images,
        **_explanation_facts(pairs, shown),
    }


def _explanation_facts(pairs: Pairs, shown: Pairs) -> dict[str, Any]:
    """What explanations are like: of heat maps how many pixels speak for the label, else fit and superpixels."""
    positive = spread([explanation.n_positive for _, explanation in shown])
    if any(explanation.values_file for _, explanation in shown):
        return {"positive_pixels": positive}
    return {
        "r2": spread([explanation.r2 for _, explanation in shown]),
        "superpixels": spread([len(explanation.coefficients) for _, explanation in pairs]),
        "positive_superpixels": positive,
    }


def can_be_shown(design: Mapping[str, Any], attack: Any, explanation: Any) -> bool:
    """Whether there are two pictures to compare: something speaks for the label, something is hidden, and the linear
    model fits as well as the design wants."""
    return bool(explanation.n_positive) and not hides_nothing(attack, explanation) and fits(design, explanation)


def hides_nothing(attack: Any, explanation: Any) -> bool:
    """Whether the explanation is the whole picture again; a picture's name is the digest of its content."""
    return explanation.picture.file == attack.picture.file


def none_shown(design: Mapping[str, Any], pairs: Pairs) -> str:
    """Why no explanation can be shown."""
    if below := sum(not fits(design, explanation) for _, explanation in pairs):
        return f"the R² of {below} of {len(pairs)} explanations is below lime_r2_floor, and nothing else can be shown"
    hiding = sum(hides_nothing(attack, explanation) for attack, explanation in pairs)
    pixels = any(explanation.values_file for _, explanation in pairs)
    if not hiding:
        part = "pixel" if pixels else "superpixel"
        return f"none of the {len(pairs)} adversarial images has a {part} that speaks for its adversarial label"
    if pixels:
        return (
            f"the explanations of {hiding} of {len(pairs)} adversarial images hide nothing, and the others have none: "
            "show a smaller share of their pixels (share_shown)"
        )
    return (
        f"the explanations of {hiding} of {len(pairs)} adversarial images hide nothing, and the others have none: cut "
        "images into more superpixels (segmentation slic, or a smaller quickshift_kernel_size), or show fewer of them"
    )


def compared(bench: Any, design: Mapping[str, Any], pairs: Pairs, names: Sequence[str]) -> list[dict[str, Any]]:
    """Each image before and after the attack, with what the attack changed, and why the classifier gives either its
    label, for the gallery."""
    originals = list(bench.pictures(design["classifier"], [attack.image for attack, _ in pairs]))
    before = explain_pictures(
        bench, design, [(picture, picture.image.label) for picture in originals], seed=design["seed"]
    )
    changed = list(zip(originals, (attack.picture for attack, _ in pairs), strict=True))
    differences = bench.differences(changed, times=MAGNIFIED)
    return [
        {
            "image": attack.image.path,
            "label": names[attack.label],
            "true_label": names[attack.image.label],
            "r2": explanation.r2,
            "n_positive": explanation.n_positive,
            **({"parts": "pixel"} if explanation.values_file else {}),
            "pictures": [p.as_json() for p in (original, attack.picture, difference, explanation.picture)],
            "clean_explanation": clean.picture.as_json(),
        }
        for (attack, explanation), original, difference, clean in zip(
            pairs, originals, differences, before, strict=True
        )
    ]


#: What `known` holds, for the export's program.
FACTS = {
    "clean_accuracy": fact("attacked", "images"),
    "adversarial_accuracy": fact(
        ["attacked", "-flipped"], "images", exact=[["attacked", "-flipped_exactly"], ["images"]]
    ),
    "adversarial_error": fact(["errors", "flipped"], "images", exact=[["errors", "flipped_exactly"], ["images"]]),
    "flipped_share": fact(
        "flipped", "images", exact=[["flipped_exactly"], ["images"]], of_attacked=[["flipped"], ["attacked"]]
    ),
    "display_survival": fact("surviving_display", "flipped_exactly"),
}
COPIED = ["shown", "without_explanation", "nothing_hidden"]
#: What explanations are like: of superpixels, and of heat maps.
OF_EXPLANATIONS = ("r2", "superpixels", "positive_superpixels", "positive_pixels")
#: Copied too where the preparation has them.
NEWER = (*OF_EXPLANATIONS, "flipped_by_display", "below_r2_floor", "stability")


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
        **{name: preparation.get(name, 0) for name in ("flipped_by_display", "below_r2_floor")},
        **({"stability": preparation["stability"]} if "stability" in preparation else {}),
        **{name: preparation[name] for name in OF_EXPLANATIONS if name in preparation},
    }


def preparation_table(measures: Mapping[str, Any]) -> Table:
    """The facts of `known` in a table for the researcher."""
    names = {
        "clean_accuracy": "Accuracy on clean images",
        "adversarial_accuracy": "Accuracy under attack",
        "flipped_share": "Flipped by the attack",
        "display_survival": "Surviving display",
    }
    rows = [
        [title, percent(fact["estimate"]), percent(fact["exact"]) if "exact" in fact else "", counted(fact)]
        for title, fact in ((title, measures[name]) for name, title in names.items())
    ]
    by_display = f"{measures.get('flipped_by_display', 0):,} of {measures['flipped_share']['denominator']:,} images"
    rows.append(["Flipped by rounding for display only", "", "", f"{by_display}, not by their exact tensors"])
    for name, title, form in (
        ("r2", "R² of the explanations", "{:.2f}"),
        ("superpixels", "Superpixels of an image", "{:g}"),
        ("positive_superpixels", "Superpixels that speak for the label", "{:g}"),
        ("positive_pixels", "Pixels that speak for the label", "{:g}"),
    ):
        if name not in measures:
            continue
        found = measures[name]
        range_ = f"from {form.format(found['lowest'])} to {form.format(found['highest'])}"
        rows.append([title, "", "", f"median {form.format(found['median'])}, {range_}"])
    if stable := measures.get("stability", {}).get("images"):
        found = measures["stability"]
        range_ = f"from {found['lowest']:.2f} to {found['highest']:.2f}, {stable} images under {found['seeds']} seeds"
        rows.append(
            [
                f"Shown {_parts(measures)}s that stay the same (Jaccard)",
                "",
                "",
                f"median {found['median']:.2f}, {range_}",
            ]
        )
    left_out = [
        ("without_explanation", f"no {_parts(measures)} speaks for it"),
        ("nothing_hidden", "nothing would be hidden"),
        ("below_r2_floor", "their R² is below the floor"),
    ]
    said = [f"{measures[name]:,} left out: {why}" for name, why in left_out if measures[name]]
    shown = f"{measures['shown']:,}"
    rows.append(["Images shown, whole and explained", "", "", f"{shown}: {'; '.join(said) or 'all that were drawn'}"])
    return Table("The attack and the explanations", ["", "as displayed", "exact tensors", "from"], rows)


def clean_and_adversarial(rows: Sequence[Mapping[str, Any]]) -> list[Gallery]:
    """Figure 5 of the paper, of the rows of `compared`; none of a study prepared before clean images were explained."""
    pictures = [
        (
            f"{row['image']}: {row['true_label']}, taken for {row['label']}",
            [row["pictures"][0], row["clean_explanation"], row["pictures"][1], row["pictures"][3]],
        )
        for row in rows
        if "clean_explanation" in row
    ]
    columns = ["original", "its explanation", "adversarial", "its explanation"]
    note = "Each explanation is of the label that the classifier gives the picture to its left. Drawn at random."
    return [Gallery("Clean and adversarial images, each with its explanation", columns, pictures, note)] * bool(
        pictures
    )


def gallery(rows: Sequence[Mapping[str, Any]]) -> Gallery:
    """Of the rows of `compared`."""
    columns = ["original", "adversarial", f"difference × {MAGNIFIED}", "explanation"]
    return Gallery(
        "Some of the adversarial images",
        columns,
        [
            (
                f"{row['image']}: {row['true_label']}, taken for {row['label']}. {_said_of(row)}",
                row["pictures"],
            )
            for row in rows
        ],
        "Drawn at random. A difference is of the pictures as displayed; where nothing changed it is grey.",
    )


def _said_of(row: Mapping[str, Any]) -> str:
    """What is said of an explanation in the gallery."""
    fit = "" if row["r2"] is None else f"R² {row['r2']:.2f}, "
    return f"{fit}{row['n_positive']:,} {row.get('parts', 'superpixel')}{'s' * (row['n_positive'] != 1)} for it"


def _parts(measures: Mapping[str, Any]) -> str:
    """What explanations show."""
    return "pixel" if "positive_pixels" in measures else "superpixel"

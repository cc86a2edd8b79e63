"""A stimulus's provenance, as a study keeps it of each explanation it shows: what makes the same picture again.

A recipe is {"kind": "explanation", "picture": name, "label": n, "classifier": digest, "explainer": method's recipe,
"shown": {"superpixels": n, "fill": name}, "seed": n}; the picture's name ends in the SHA-256 of its bytes. Of a heat
map "shown" is {"share": x, "fill": name}.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from . import base


def method_of(recipe: dict[str, Any], method_class: type[base.Method]) -> Any:
    """The method with its parameters. Raises MethodError for a recipe of something else, or of another method."""
    wanted = {"explainer", "picture", "label", "seed", "shown"}
    if recipe.get("kind") != "explanation" or not wanted <= set(recipe):
        raise base.MethodError('--recipe must be the provenance of an explanation, {"kind": "explanation", …}')
    if recipe["explainer"].get("method") != method_class.name:
        raise base.MethodError(f"--recipe is of {recipe['explainer'].get('method')}, not of {method_class.name}")
    return base.from_recipe("explainer", recipe["explainer"])


def settings_of(recipe: dict[str, Any], digest: str) -> dict[str, Any]:
    """label, seed, how many superpixels or which share of the pixels to show, and what hides the rest. digest: SHA-256
    of the picture's file, hex.

    The seed is the picture's and the method's, not the label's: all labels of a picture are explained from the same
    masks. Raises MethodError for another picture than the recipe's.
    """
    stem = PurePosixPath(recipe["picture"]).stem
    if digest != stem:
        raise base.MethodError(f"the picture is another one than the recipe's, {recipe['picture']}")
    shown = recipe["shown"]
    # A stimulus of a heat map shows its pixels; without a recipe the whole map is drawn.
    how = {"show_share": shown["share"], "draw": "top"} if "share" in shown else {"show": int(shown["superpixels"])}
    return {"label": int(recipe["label"]), "seed": seed_of(recipe), **how, "hide": shown["fill"]}


def seed_of(recipe: dict[str, Any]) -> int:
    """What the randomness of an explanation comes from."""
    return base.seed_from(PurePosixPath(recipe["picture"]).stem, recipe["explainer"], recipe["seed"])

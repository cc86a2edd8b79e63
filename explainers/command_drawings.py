"""What the command line draws of an explanation, and the options that say how."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import numpy as np

from . import rendering
from .base import Explanation, HeatMap, MethodError
from .heat_map_rendering import Style, drawn, top_pixels


def add_options(parser: argparse.ArgumentParser) -> None:
    """--draw with what it may be, and an option for each setting of a `Style`."""
    parser.add_argument(
        "--draw",
        choices=sorted({*_OF_SUPERPIXELS, *_OF_PIXELS}),
        help="top: superpixels or pixels that speak most for the label; heat: the map; colours: its three channels; "
        "path: one superpixel more in each picture; beside: the image and both. Default: top or heat",
    )
    parser.add_argument("--show", type=int, default=8, metavar="N", help="superpixels shown at most; default: 8")
    parser.add_argument("--hide", choices=["grey", "mean"], default="grey", help="what hides the rest; default: grey")
    parser.add_argument("--show-share", type=float, default=0.15, help="share of pixels shown by top; default: 0.15")
    group = parser.add_argument_group("how a map is drawn")
    types = get_type_hints(Style)
    for setting in fields(Style):
        if setting.name == "channels":
            continue
        wanted, options = types[setting.name], f"--map-{setting.name}"
        if wanted is bool:
            action = argparse.BooleanOptionalAction
            group.add_argument(options, dest=f"style_{setting.name}", action=action, default=setting.default)
        elif wanted is float or float in get_args(wanted):
            group.add_argument(
                options, dest=f"style_{setting.name}", type=float, default=setting.default, metavar="NUMBER"
            )
        else:
            group.add_argument(options, dest=f"style_{setting.name}", choices=get_args(wanted), default=setting.default)


def facts_of(result: Explanation | HeatMap) -> dict[str, Any]:
    """What is told of a result beside its label and seed."""
    if isinstance(result, HeatMap):
        return {"lowest": float(result.values.min()), "highest": float(result.values.max()), **result.facts}
    return {
        "superpixels": len(result.coefficients),
        "positive": result.n_positive,
        "r2": result.r2,
        **result.facts,
    }


def draw(picture: np.ndarray, result: Explanation | HeatMap, options: argparse.Namespace) -> np.ndarray:
    """The picture that was asked for: uint8. Raises MethodError where the result has no such picture."""
    if isinstance(result, HeatMap):
        choice = options.draw or "heat"
        if choice not in _OF_PIXELS:
            raise MethodError(f"--draw {choice} needs superpixels; this method gives a map")
        return _OF_PIXELS[choice](picture, result, options)
    choice = options.draw or "top"
    if choice not in _OF_SUPERPIXELS:
        raise MethodError(f"--draw {choice} needs a map with channels; this method gives superpixels")
    return _OF_SUPERPIXELS[choice](picture, result, options)


def _style(options: argparse.Namespace, **more: Any) -> Style:
    given = {name.removeprefix("style_"): value for name, value in vars(options).items() if name.startswith("style_")}
    return Style(**given, **more)


def _heat(picture: np.ndarray, result: Any, options: argparse.Namespace) -> np.ndarray:
    return drawn(picture, result, _style(options))


def _colours(picture: np.ndarray, result: Any, options: argparse.Namespace) -> np.ndarray:
    return drawn(picture, result, _style(options, channels=True))


def _top_superpixels(picture: np.ndarray, result: Any, options: argparse.Namespace) -> np.ndarray:
    return rendering.top_superpixels(picture, result, n_shown=options.show, fill=options.hide)


def _top_pixels(picture: np.ndarray, result: Any, options: argparse.Namespace) -> np.ndarray:
    return top_pixels(picture, result, share=options.show_share, fill=options.hide)


def _path(picture: np.ndarray, result: Any, options: argparse.Namespace) -> np.ndarray:
    steps = rendering.explanation_path(picture, result, n_steps=options.show)
    if not steps:
        raise MethodError("no superpixel is positive: there is no path")
    return rendering.side_by_side(steps)


def _beside(top: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def beside(picture: np.ndarray, result: Any, options: argparse.Namespace) -> np.ndarray:
        return rendering.side_by_side([picture, top(picture, result, options), _heat(picture, result, options)])

    return beside


_OF_SUPERPIXELS: dict[str, Callable[..., np.ndarray]] = {
    "top": _top_superpixels,
    "heat": _heat,
    "path": _path,
    "beside": _beside(_top_superpixels),
}
_OF_PIXELS: dict[str, Callable[..., np.ndarray]] = {
    "top": _top_pixels,
    "heat": _heat,
    "colours": _colours,
    "beside": _beside(_top_pixels),
}

"""Why a classifier gives a picture a label: the superpixels with their weights, or a heat map, and the picture that
shows the best of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from explainers import base, images, stimulus_recipes
from explainers.canonical_json import digest

from . import ComputationFailure, ComputationResult, File, Outcome, arrays, inputs, superpixels


class ExplanationKind:
    name, version, queue = "explanation", 2, "gpu"
    batch, least = 8, 1

    def recipe(
        self,
        picture: str,
        label: int,
        classifier: str,
        method: dict[str, Any],
        *,
        n_shown: int | None = None,
        share: float | None = None,
        fill: str,
        seed: int,
    ) -> dict[str, Any]:
        """`picture` is a stored picture, whose name is the digest of its content.

        n_shown: superpixels, of an explainer that gives such; share: of the pixels, of one that gives heat maps.
        """
        shown = {"superpixels": n_shown} if share is None else {"share": float(share)}
        return {
            "kind": self.name,
            "version": self.version,
            "picture": picture,
            "label": label,
            "classifier": classifier,
            "explainer": method,
            "shown": {**shown, "fill": fill},
            "seed": seed,
        }

    def gives_superpixels(self, method: dict[str, Any]) -> bool:
        """Whether the explainer of this recipe weighs superpixels, instead of pixels."""
        # An explainer that goes by superpixels says which algorithm cuts them.
        return hasattr(base.from_recipe("explainer", method), "superpixels")

    def batch_key(self, recipe: dict[str, Any]) -> str:
        # Gradients are the same in a batch only to rounding, and one pixel more or less would be another picture.
        alone = [recipe["picture"], recipe["label"]] if "share" in recipe["shown"] else []
        return digest([recipe["classifier"], recipe["explainer"], *alone])

    def warm_up(self, recipe: dict[str, Any]) -> None:
        inputs.classifier(recipe["classifier"])
        base.from_recipe("explainer", recipe["explainer"])

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[inputs.Loading]:
        method = base.from_recipe("explainer", recipes[0]["explainer"])

        def cut_ahead(picture: np.ndarray) -> None:
            # An explainer that goes by superpixels says which algorithm cuts them.
            if algorithm := getattr(method, "superpixels", None):
                superpixels.ahead().begin(picture, algorithm)

        return inputs.load_pictures((recipe["picture"] for recipe in recipes), then=cut_ahead)

    def compute(self, recipes: Sequence[dict[str, Any]], loaded: Sequence[inputs.Loading]) -> Iterator[Outcome]:
        import torch

        classifier = inputs.classifier(recipes[0]["classifier"])
        method = base.from_recipe("explainer", recipes[0]["explainer"])
        readable, failures = inputs.arrived(loaded)
        outcomes: dict[int, Outcome] = dict(failures)
        if readable:
            explanations = method.explain(
                classifier,
                images.to_tensor(list(readable.values())).to(classifier.mean.device),
                torch.tensor([recipes[i]["label"] for i in readable], device=classifier.mean.device),
                seeds=[stimulus_recipes.seed_of(recipes[i]) for i in readable],
                segmenter=superpixels.segmenter(),
            )
            for i, explanation in zip(readable, explanations, strict=True):
                outcomes[i] = _result(readable[i], explanation, recipes[i]["shown"])
        yield from (outcomes[i] for i in range(len(recipes)))


def _result(pixels: np.ndarray, explanation: base.Explanation | base.HeatMap, shown: dict[str, Any]) -> Outcome:
    from explainers import rendering

    if isinstance(explanation, base.HeatMap):
        return _heat_map(pixels, explanation, shown)
    if not np.isfinite(explanation.coefficients).all():
        return ComputationFailure("the explainer gives coefficients that are not finite")
    picture = rendering.top_superpixels(pixels, explanation, n_shown=shown["superpixels"], fill=shown["fill"])
    height, width, _ = picture.shape
    value = {
        "label": explanation.label,
        "coefficients": [float(coefficient) for coefficient in explanation.coefficients],
        "intercept": float(explanation.intercept),
        "r2": float(explanation.r2),
        "n_positive": int(explanation.n_positive),
        "reason": explanation.reason,
        "seed": explanation.seed,
        "width": width,
        "height": height,
    }
    segments = arrays.file(explanation.segments.astype("<u2"))
    return ComputationResult(value, {"picture": File(images.encode_png(picture), ".png"), "segments": segments})


def _heat_map(
    pixels: np.ndarray, heat_map: base.HeatMap, shown: dict[str, Any]
) -> ComputationResult | ComputationFailure:
    from explainers.heat_map_rendering import top_pixels

    if not np.isfinite(heat_map.values).all():
        return ComputationFailure("the explainer gives values that are not finite")
    picture = top_pixels(pixels, heat_map, share=shown["share"], fill=shown["fill"])
    height, width, _ = picture.shape
    value = {
        "label": heat_map.label,
        "n_positive": int((heat_map.values > 0).sum()),
        "reason": heat_map.reason,
        "seed": heat_map.seed,
        "facts": dict(heat_map.facts),
        "width": width,
        "height": height,
    }
    values = arrays.file(heat_map.values.astype("<f4"))
    return ComputationResult(value, {"picture": File(images.encode_png(picture), ".png"), "values": values})


kind = ExplanationKind()

"""Why a classifier gives a picture a label, drawn for people: a heat map or superpixels, by whatever explainer."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from explainers import base, images, stimulus_recipes
from explainers.canonical_json import digest

from . import ComputationFailure, ComputationResult, File, Outcome, inputs, superpixels


class VisualisationKind:
    name, version, queue = "visualisation", 1, "gpu"
    batch, least = 8, 1

    def recipe(
        self, picture: str, label: int, classifier: str, method: dict[str, Any], drawn: dict[str, Any], seed: int
    ) -> dict[str, Any]:
        """`picture` is a stored picture, whose name is the digest of its content; `drawn`: drawing and n_shown."""
        return {
            "kind": self.name,
            "version": self.version,
            "picture": picture,
            "label": label,
            "classifier": classifier,
            "explainer": method,
            "drawn": drawn,
            "seed": seed,
        }

    def batch_key(self, recipe: dict[str, Any]) -> str:
        return digest([recipe["classifier"], recipe["explainer"]])

    def warm_up(self, recipe: dict[str, Any]) -> None:
        inputs.classifier(recipe["classifier"])
        base.from_recipe("explainer", recipe["explainer"])

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[inputs.Loading]:
        return inputs.load_pictures(recipe["picture"] for recipe in recipes)

    def compute(self, recipes: Sequence[dict[str, Any]], loaded: Sequence[inputs.Loading]) -> Iterator[Outcome]:
        import torch

        classifier = inputs.classifier(recipes[0]["classifier"])
        method = base.from_recipe("explainer", recipes[0]["explainer"])
        readable, failures = inputs.arrived(loaded)
        outcomes: dict[int, Outcome] = dict(failures)
        # Alone, so that a method that takes gradients gives one picture the same values in whatever batch it comes.
        for i, pixels in readable.items():
            try:
                (found,) = method.explain(
                    classifier,
                    images.to_tensor([pixels]).to(classifier.mean.device),
                    torch.tensor([recipes[i]["label"]], device=classifier.mean.device),
                    seeds=[stimulus_recipes.seed_of(recipes[i])],
                    segmenter=superpixels.segmenter(),
                )
                outcomes[i] = _result(pixels, found, recipes[i]["drawn"])
            except base.MethodError as error:
                outcomes[i] = ComputationFailure(str(error))
        yield from (outcomes[i] for i in range(len(recipes)))


def _result(pixels: np.ndarray, found: base.Explanation | base.HeatMap, drawn: dict[str, Any]) -> ComputationResult:
    from explainers import heat_map_rendering, rendering

    if isinstance(found, base.Explanation):
        if not np.isfinite(found.coefficients).all():
            raise base.MethodError("the explainer gives coefficients that are not finite")
        picture = rendering.top_superpixels(pixels, found, n_shown=drawn["n_shown"])
    else:
        channels = drawn["drawing"] == "auto" and found.channels is not None
        over: Literal["nothing", "grey"] = "nothing" if drawn["drawing"] == "map" else "grey"
        picture = heat_map_rendering.drawn(pixels, found, heat_map_rendering.Style(over=over, channels=channels))
    height, width, _ = picture.shape
    value = {"label": found.label, "reason": found.reason, "seed": found.seed, "width": width, "height": height}
    return ComputationResult(value, {"picture": File(images.encode_png(picture), ".png")})


kind = VisualisationKind()

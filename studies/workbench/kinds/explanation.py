"""Why a classifier gives a picture a label: the superpixels with their weights, and the picture that shows the best."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from explainers import base, images
from studies.workbench import arrays, sources, superpixels
from studies.workbench.recipes import digest

from . import Failure, File, Result


class ExplanationKind:
    name, version, queue = "explanation", 1, "gpu"
    batch, least = 8, 1

    def recipe(
        self,
        picture: str,
        label: int,
        classifier: str,
        method: dict[str, Any],
        *,
        n_shown: int,
        fill: str,
        seed: int,
    ) -> dict[str, Any]:
        """`picture` is a stored picture, whose name is the digest of its content."""
        return {
            "kind": self.name,
            "version": self.version,
            "picture": picture,
            "label": label,
            "classifier": classifier,
            "explainer": method,
            "shown": {"superpixels": n_shown, "fill": fill},
            "seed": seed,
        }

    def together(self, recipe: dict[str, Any]) -> str:
        return digest([recipe["classifier"], recipe["explainer"]])

    def get_ready(self, recipe: dict[str, Any]) -> None:
        sources.classifier(recipe["classifier"])
        base.from_recipe("explainer", recipe["explainer"])

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[sources.Loading]:
        method = base.from_recipe("explainer", recipes[0]["explainer"])

        def cut_ahead(picture: np.ndarray) -> None:
            # An explainer that goes by superpixels says which algorithm cuts them.
            if algorithm := getattr(method, "superpixels", None):
                superpixels.ahead().begin(picture, algorithm)

        return sources.load_pictures((recipe["picture"] for recipe in recipes), then=cut_ahead)

    def compute(
        self, recipes: Sequence[dict[str, Any]], loaded: Sequence[sources.Loading]
    ) -> Iterator[Result | Failure]:
        import torch

        classifier = sources.classifier(recipes[0]["classifier"])
        method = base.from_recipe("explainer", recipes[0]["explainer"])
        pixels = [loading.result() for loading in loaded]
        readable = [i for i, p in enumerate(pixels) if not isinstance(p, Failure)]
        outcomes: dict[int, Result | Failure] = {i: p for i, p in enumerate(pixels) if isinstance(p, Failure)}
        if readable:
            explanations = method.explain(
                classifier,
                images.to_tensor([pixels[i] for i in readable]).to(classifier.mean.device),
                torch.tensor([recipes[i]["label"] for i in readable], device=classifier.mean.device),
                seeds=[_seed(recipes[i]) for i in readable],
                segmenter=superpixels.segmenter(),
            )
            for i, explanation in zip(readable, explanations, strict=True):
                outcomes[i] = _result(pixels[i], explanation, recipes[i]["shown"])
        yield from (outcomes[i] for i in range(len(recipes)))


def _seed(recipe: dict[str, Any]) -> int:
    """Of the picture and the method, not of the label: all labels of a picture are explained from the same masks."""
    return base.seed_from(PurePosixPath(recipe["picture"]).stem, recipe["explainer"], recipe["seed"])


def _result(pixels: np.ndarray, explanation: base.Explanation, shown: dict[str, Any]) -> Result | Failure:
    from explainers import rendering

    if not np.isfinite(explanation.coefficients).all():
        return Failure("the explainer gives coefficients that are not finite")
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
    return Result(value, {"picture": File(images.encode_png(picture), ".png"), "segments": segments})


kind = ExplanationKind()

"""What a classifier would say of an image that was prepared in another way: its decision.

No study asks for these; they judge the preprocessing a classifier was imported with.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from explainers.canonical_json import digest

from . import ComputationFailure, ComputationResult, Outcome, inputs


class TrialKind:
    name, version, batch, queue = "trial", 1, 64, "gpu"

    def recipe(self, image: str, classifier: str, way: Mapping[str, Any]) -> dict[str, Any]:
        """`way`: resize and crop in pixels or None, mean and std of pixels in [0, 1], flipped: blue channel first."""
        wanted = {name: way[name] for name in ("resize", "crop", "mean", "std", "flipped")}
        return {"kind": self.name, "version": self.version, "image": image, "classifier": classifier, "way": wanted}

    def batch_key(self, recipe: dict[str, Any]) -> str:
        return digest([recipe["classifier"], recipe["way"]])

    def warm_up(self, recipe: dict[str, Any]) -> None:
        inputs.classifier(recipe["classifier"])

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[inputs.Loading]:
        return inputs.load_photographs(recipes, recipes[0]["way"])

    def compute(self, recipes: Sequence[dict[str, Any]], loaded: Sequence[inputs.Loading]) -> Iterator[Outcome]:
        from explainers import images
        from explainers.preprocessings import Preprocessing, predictions

        classifier, asked = inputs.classifier(recipes[0]["classifier"]), recipes[0]["way"]
        way = Preprocessing("", "", tuple(asked["mean"]), tuple(asked["std"]), asked["flipped"])
        pixels = [loading.result() for loading in loaded]
        readable = [one for one in pixels if not isinstance(one, ComputationFailure)]
        decisions: Iterator[int] = iter(())
        if readable:
            # Of one shape, whatever was readable.
            filled = images.to_tensor(readable + readable[:1] * (self.batch - len(readable)))
            decisions = iter(predictions(classifier, filled.to(classifier.mean.device), way).tolist())
        for one in pixels:
            yield one if isinstance(one, ComputationFailure) else ComputationResult({"predicted": next(decisions)})


kind = TrialKind()

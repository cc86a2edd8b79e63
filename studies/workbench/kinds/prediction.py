"""What a classifier says of an image: the five best labels, the true label's probability, the last hidden values."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from studies.workbench import arrays, sources

from . import Failure, Result

BEST = 5


class PredictionKind:
    name, version, batch, queue = "prediction", 1, 64, "gpu"

    def recipe(self, image: str, label: int, classifier: str) -> dict[str, Any]:
        return {"kind": self.name, "version": self.version, "image": image, "label": label, "classifier": classifier}

    def together(self, recipe: dict[str, Any]) -> str:
        return recipe["classifier"]

    def get_ready(self, recipe: dict[str, Any]) -> None:
        sources.classifier(recipe["classifier"])

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[sources.Loading]:
        return sources.load_photographs(recipes, sources.preprocessing(recipes[0]["classifier"]))

    def compute(
        self, recipes: Sequence[dict[str, Any]], loaded: Sequence[sources.Loading]
    ) -> Iterator[Result | Failure]:
        classifier = sources.classifier(recipes[0]["classifier"])
        pixels = [loading.result() for loading in loaded]
        readable = [p for p in pixels if not isinstance(p, Failure)]
        answers = iter(_predict(classifier, readable, self.batch))
        for recipe, given in zip(recipes, pixels, strict=True):
            yield given if isinstance(given, Failure) else _result(*next(answers), recipe["label"])


def _predict(classifier: Any, pixels: list[np.ndarray], size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Probabilities and hidden values of each image, from batches of one shape.

    A network's last bits may depend on the shape of its batch, so the last one is filled up with its first image:
    then an image's result is the same in whatever batch it is computed.
    """
    import torch

    from explainers import images

    for start in range(0, len(pixels), size):
        batch = pixels[start : start + size]
        filled = images.to_tensor(batch + batch[:1] * (size - len(batch)))
        logits, hidden = classifier.predict(filled.to(classifier.mean.device))
        probabilities = torch.softmax(logits.double(), dim=1)
        yield from zip(probabilities[: len(batch)].cpu().numpy(), hidden[: len(batch)].cpu().numpy(), strict=True)


def _result(probabilities: np.ndarray, hidden: np.ndarray, label: int) -> Result | Failure:
    if not np.isfinite(probabilities).all() or not np.isfinite(hidden).all():
        return Failure("the classifier gives values that are not finite")
    best = np.argsort(-probabilities, kind="stable")[:BEST]
    value = {
        "top": [[int(i), float(probabilities[i])] for i in best],
        "true_probability": float(probabilities[label]),
    }
    return Result(value, {"hidden": arrays.file(hidden.astype("<f4"))})


kind = PredictionKind()

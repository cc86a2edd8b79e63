"""What a classifier says of an image: the five best labels, the true label's probability, and the last hidden values
where it has such."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import ComputationFailure, ComputationResult, Outcome, arrays, inputs

BEST = 5


class PredictionKind:
    name, version, batch, queue = "prediction", 2, 64, "gpu"

    def recipe(self, image: str, label: int, classifier: str) -> dict[str, Any]:
        return {"kind": self.name, "version": self.version, "image": image, "label": label, "classifier": classifier}

    def batch_key(self, recipe: dict[str, Any]) -> str:
        return recipe["classifier"]

    def warm_up(self, recipe: dict[str, Any]) -> None:
        inputs.classifier(recipe["classifier"])

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[inputs.Loading]:
        return inputs.load_photographs(recipes, inputs.preprocessing(recipes[0]["classifier"]))

    def compute(self, recipes: Sequence[dict[str, Any]], loaded: Sequence[inputs.Loading]) -> Iterator[Outcome]:
        classifier = inputs.classifier(recipes[0]["classifier"])
        pixels = [loading.result() for loading in loaded]
        readable = [p for p in pixels if not isinstance(p, ComputationFailure)]
        answers = iter(_predict(classifier, readable, self.batch))
        for recipe, given in zip(recipes, pixels, strict=True):
            yield given if isinstance(given, ComputationFailure) else _result(*next(answers), recipe["label"])


def _predict(classifier: Any, pixels: list[np.ndarray], size: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Probabilities and hidden values, or None, of each image, from batches of one shape.

    A network's last bits may depend on the shape of its batch, so the last one is filled up with its first image:
    then an image's result is the same in whatever batch it is computed.
    """
    import torch

    from explainers import images

    for start in range(0, len(pixels), size):
        batch = pixels[start : start + size]
        filled = images.to_tensor(batch + batch[:1] * (size - len(batch)))
        logits, hidden, _ = classifier.outputs(filled.to(classifier.mean.device))
        probabilities = torch.softmax(logits.double(), dim=1).cpu().numpy()
        values = [None] * size if hidden is None else hidden.cpu().numpy()
        yield from zip(probabilities[: len(batch)], values[: len(batch)], strict=True)


def _result(probabilities: np.ndarray, hidden: np.ndarray | None, label: int) -> Outcome:
    if not np.isfinite(probabilities).all() or not (hidden is None or np.isfinite(hidden).all()):
        return ComputationFailure("the classifier gives values that are not finite")
    best = np.argsort(-probabilities, kind="stable")[:BEST]
    value = {
        "top": [[int(i), float(probabilities[i])] for i in best],
        "true_probability": float(probabilities[label]),
    }
    return ComputationResult(value, {} if hidden is None else {"hidden": arrays.file(hidden.astype("<f4"))})


kind = PredictionKind()

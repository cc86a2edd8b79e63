"""How long explaining one photograph takes, alone and warmed up: measured, so that each machine has its own."""

import time
from collections.abc import Sequence
from typing import Any

from .maps import MapComputation, explained

#: What was explained once in this process, and need not be warmed up again.
_warm: set[str] = set()


class DurationKind(MapComputation):
    name = "duration"
    batch = 1

    def recipe(
        self, image: str, label: int, classifier: str, explainer: dict[str, Any], *, seed: int
    ) -> dict[str, Any]:
        return self.question(image, label, classifier, explainer, seed=seed)

    def measure(
        self, classifier: Any, method: Any, pictures: Any, recipes: Sequence[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        if (key := self.batch_key(recipes[0])) not in _warm:
            explained(classifier, method, pictures[:1], recipes[:1])
            _warm.add(key)
        found = []
        for i, recipe in enumerate(recipes):
            _wait(pictures)
            before = time.perf_counter()
            explained(classifier, method, pictures[i : i + 1], [recipe])
            _wait(pictures)
            found.append({"seconds": time.perf_counter() - before, "device": pictures.device.type})
        return found


def _wait(pictures: Any) -> None:
    """What a GPU was asked for is done."""
    import torch

    if pictures.is_cuda:
        torch.cuda.synchronize(pictures.device)


kind = DurationKind()

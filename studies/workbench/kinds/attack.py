"""An image after an attack: the exact tensor as the record, the picture people see, and the verdicts on both."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from explainers import base, images
from studies.workbench import arrays, sources
from studies.workbench.recipes import digest

from . import Failure, File, Result


class AttackKind:
    name, version, queue = "attack", 1, "gpu"
    batch, least = 64, 8

    def recipe(self, image: str, label: int, classifier: str, method: dict[str, Any]) -> dict[str, Any]:
        """`label` is what the attack leads away from."""
        return {
            "kind": self.name,
            "version": self.version,
            "image": image,
            "label": label,
            "classifier": classifier,
            "attack": method,
        }

    def together(self, recipe: dict[str, Any]) -> str:
        return digest([recipe["classifier"], recipe["attack"]])

    def get_ready(self, recipe: dict[str, Any]) -> None:
        sources.classifier(recipe["classifier"])
        base.from_recipe("attack", recipe["attack"])

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[sources.Loading]:
        return sources.load_photographs(recipes, sources.preprocessing(recipes[0]["classifier"]))

    def compute(
        self, recipes: Sequence[dict[str, Any]], loaded: Sequence[sources.Loading]
    ) -> Iterator[Result | Failure]:
        import torch

        classifier = sources.classifier(recipes[0]["classifier"])
        method = base.from_recipe("attack", recipes[0]["attack"])
        pixels = [loading.result() for loading in loaded]
        readable = [i for i, p in enumerate(pixels) if not isinstance(p, Failure)]
        outcomes: dict[int, Result | Failure] = {i: p for i, p in enumerate(pixels) if isinstance(p, Failure)}
        if readable:
            device = classifier.mean.device
            batch = images.to_tensor([pixels[i] for i in readable]).to(device)
            labels = torch.tensor([recipes[i]["label"] for i in readable], device=device)
            attacked = method.attack(classifier, batch, labels)
            outcomes |= {i: _result(attacked, place) for place, i in enumerate(readable)}
        yield from (outcomes[i] for i in range(len(recipes)))


def _result(attacked: base.Attacked, place: int) -> Result | Failure:
    exact = attacked.images[place].cpu().numpy().astype("<f4")
    if not np.isfinite(exact).all():
        return Failure("the attack gives values that are not finite")
    picture = attacked.pictures[place]
    height, width, _ = picture.shape
    value = {
        "flip_step": int(attacked.flip_step[place]),
        "label": int(attacked.displayed_predictions[place]),
        "exact_label": int(attacked.predictions[place]),
        "fools_as_displayed": bool(attacked.fooled_displayed[place]),
        "fools_exactly": bool(attacked.fooled_exact[place]),
        "width": width,
        "height": height,
    }
    return Result(value, {"picture": File(images.encode_png(picture), ".png"), "exact": arrays.file(exact)})


kind = AttackKind()

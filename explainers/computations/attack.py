"""An image after an attack: the exact tensor as the record, the picture people see, and the verdicts on both."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from explainers import base, images
from explainers.canonical_json import digest

from . import ComputationFailure, ComputationResult, File, Outcome, arrays, inputs


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

    def batch_key(self, recipe: dict[str, Any]) -> str:
        return digest([recipe["classifier"], recipe["attack"]])

    def warm_up(self, recipe: dict[str, Any]) -> None:
        inputs.classifier(recipe["classifier"])
        base.from_recipe("attack", recipe["attack"])

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[inputs.Loading]:
        return inputs.load_photographs(recipes, inputs.preprocessing(recipes[0]["classifier"]))

    def compute(self, recipes: Sequence[dict[str, Any]], loaded: Sequence[inputs.Loading]) -> Iterator[Outcome]:
        import torch

        classifier = inputs.classifier(recipes[0]["classifier"])
        method = base.from_recipe("attack", recipes[0]["attack"])
        readable, failures = inputs.arrived(loaded)
        outcomes: dict[int, Outcome] = dict(failures)
        if readable:
            device = classifier.mean.device
            # An image alone is given twice: attacks may compute one in another shape, which rounds otherwise.
            places = list(readable) if len(readable) > 1 else list(readable) * 2
            batch = images.to_tensor([readable[i] for i in places]).to(device)
            labels = torch.tensor([recipes[i]["label"] for i in places], device=device)
            attacked = method.attack(classifier, batch, labels)
            outcomes |= {i: _result(attacked, place) for place, i in enumerate(readable)}
        yield from (outcomes[i] for i in range(len(recipes)))


def _result(attacked: base.Attacked, place: int) -> Outcome:
    exact = attacked.images[place].cpu().numpy().astype("<f4")
    if not np.isfinite(exact).all():
        return ComputationFailure("the attack gives values that are not finite")
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
    return ComputationResult(value, {"picture": File(images.encode_png(picture), ".png"), "exact": arrays.file(exact)})


kind = AttackKind()

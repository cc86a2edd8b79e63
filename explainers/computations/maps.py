"""What the computations that measure explanations share: a photograph, a label and an explainer, in batches."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from explainers import base
from explainers.canonical_json import digest

from . import ComputationResult, Outcome, inputs, superpixels

if TYPE_CHECKING:
    import torch

    from explainers.classifiers import ImageClassifier as Network


class MapComputation(ABC):
    """One measure of the explanations of photographs, each of which is in its recipe with its label."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "gpu"
    batch: ClassVar[int] = 8
    least: ClassVar[int] = 1

    def question(
        self, image: str, label: int, classifier: str, explainer: Mapping[str, Any], *, seed: int, **more: Any
    ) -> dict[str, Any]:
        """A recipe: image is a photograph's SHA-256, label an output, explainer a method's recipe."""
        recipe = {"kind": self.name, "version": self.version, "image": image, "label": label}
        return recipe | {"classifier": classifier, "explainer": dict(explainer), "seed": seed, **more}

    def shared(self, recipe: dict[str, Any]) -> list[Any]:
        """What else recipes must have in common to be computed at once."""
        return []

    @abstractmethod
    def measure(
        self, classifier: "Network", method: Any, pictures: "torch.Tensor", recipes: Sequence[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The value of each recipe; pictures are [n, 3, h, w] on the classifier's device."""

    def batch_key(self, recipe: dict[str, Any]) -> str:
        return digest([recipe["classifier"], recipe["explainer"], *self.shared(recipe)])

    def warm_up(self, recipe: dict[str, Any]) -> None:
        inputs.classifier(recipe["classifier"])
        base.from_recipe("explainer", recipe["explainer"])

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[inputs.Loading]:
        return inputs.load_photographs(recipes, inputs.preprocessing(recipes[0]["classifier"]))

    def compute(self, recipes: Sequence[dict[str, Any]], loaded: Sequence[inputs.Loading]) -> Iterator[Outcome]:
        from explainers import images

        classifier = inputs.classifier(recipes[0]["classifier"])
        method = base.from_recipe("explainer", recipes[0]["explainer"])
        readable, failures = inputs.arrived(loaded)
        outcomes: dict[int, Outcome] = dict(failures)
        if readable:
            pictures = images.to_tensor(list(readable.values())).to(classifier.mean.device)
            values = self.measure(classifier, method, pictures, [recipes[i] for i in readable])
            outcomes |= {i: ComputationResult(value) for i, value in zip(readable, values, strict=True)}
        yield from (outcomes[i] for i in range(len(recipes)))


def explained(
    classifier: Any,
    method: Any,
    pictures: "torch.Tensor",
    recipes: Sequence[dict[str, Any]],
    *,
    seeds: Sequence[int] | None = None,
) -> list[base.Explanation | base.HeatMap]:
    """The explanation of each recipe's label.  seeds: instead of the recipes' own; the photograph and the method make a
    generator's seed of each."""
    import torch

    seeds = seeds or [recipe["seed"] for recipe in recipes]
    return method.explain(
        classifier,
        pictures,
        torch.tensor([recipe["label"] for recipe in recipes], device=pictures.device),
        seeds=[base.seed_from(one["image"], one["explainer"], seed) for one, seed in zip(recipes, seeds, strict=True)],
        segmenter=superpixels.segmenter(),
    )


def values_of(result: base.Explanation | base.HeatMap) -> np.ndarray:
    """A value for each pixel, float64 [h, w]; MethodError where one is not finite."""
    from explainers.map_similarity import pixel_values

    values = pixel_values(result)
    if not np.isfinite(values).all():
        raise base.MethodError("the explainer gives values that are not finite")
    return values

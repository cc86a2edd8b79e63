"""The sanity check (Adebayo et al. 2018): how alike an explanation stays as the classifier's layers are randomised."""

import math
from collections.abc import Sequence
from typing import Any

from .maps import MapComputation, explained, values_of


class RandomisationKind(MapComputation):
    name = "randomisation"

    def recipe(
        self,
        image: str,
        label: int,
        classifier: str,
        explainer: dict[str, Any],
        *,
        seed: int,
        weights_seed: int = 0,
        n_stages: int = 8,
    ) -> dict[str, Any]:
        """weights_seed: of the random weights.  n_stages: how often the maps are compared on the way from the last
        layer to the first; as often as there are layers where they are fewer."""
        more = {"weights_seed": weights_seed, "n_stages": n_stages}
        return self.question(image, label, classifier, explainer, seed=seed, **more)

    def shared(self, recipe: dict[str, Any]) -> list[Any]:
        return [recipe["weights_seed"], recipe["n_stages"]]

    def measure(
        self, classifier: Any, method: Any, pictures: Any, recipes: Sequence[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """stages: by stage the share of layers randomised, the last of them, and how alike the maps are."""
        from explainers import map_similarity as similarity
        from explainers.cascade import cascade, layer_names

        n = len(layer_names(classifier))
        wanted = stages(n, recipes[0]["n_stages"])
        original = [values_of(one) for one in explained(classifier, method, pictures, recipes)]
        found: list[list[dict[str, Any]]] = [[] for _ in recipes]
        for count, (layer, randomised) in enumerate(cascade(classifier, recipes[0]["weights_seed"]), start=1):
            if count not in wanted:
                continue
            results = explained(randomised, method, pictures, recipes)
            for stage, before, after in zip(found, original, map(values_of, results), strict=True):
                stage.append(
                    {
                        "share": count / n,
                        "layer": layer,
                        "rank_correlation": similarity.rank_correlation(before, after),
                        "signed_rank_correlation": similarity.rank_correlation(before, after, absolute=False),
                        "ssim": similarity.structural_similarity(before, after),
                    }
                )
        return [{"stages": stage} for stage in found]


def stages(n_layers: int, n_stages: int) -> set[int]:
    """After how many layers maps are compared: evenly, and after the last one in any case."""
    return {math.ceil(n_layers * i / n_stages) for i in range(1, n_stages + 1)}


kind = RandomisationKind()

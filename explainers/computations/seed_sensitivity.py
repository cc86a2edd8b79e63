"""How far an explanation depends on its seed: the mean distance of the maps under several."""

from collections.abc import Sequence
from itertools import combinations
from statistics import mean
from typing import Any

from .maps import MapComputation, explained, values_of


class SeedSensitivityKind(MapComputation):
    name = "seed_sensitivity"

    def recipe(
        self, image: str, label: int, classifier: str, explainer: dict[str, Any], *, seed: int, n_seeds: int = 3
    ) -> dict[str, Any]:
        """n_seeds: seeds from `seed` on, at least 2."""
        return self.question(image, label, classifier, explainer, seed=seed, n_seeds=n_seeds)

    def shared(self, recipe: dict[str, Any]) -> list[Any]:
        return [recipe["n_seeds"]]

    def measure(
        self, classifier: Any, method: Any, pictures: Any, recipes: Sequence[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        from explainers import map_similarity as similarity

        by_seed = [
            explained(classifier, method, pictures, recipes, seeds=[recipe["seed"] + i for recipe in recipes])
            for i in range(recipes[0]["n_seeds"])
        ]
        found = []
        for results in zip(*by_seed, strict=True):
            pairs = list(combinations([values_of(result) for result in results], 2))
            distance = mean(similarity.relative_distance(a, b) for a, b in pairs)
            correlation = mean(similarity.rank_correlation(a, b, absolute=False) for a, b in pairs)
            found.append({"distance": distance, "rank_correlation": correlation})
        return found


kind = SeedSensitivityKind()

"""What becomes of the label's probability as an explanation's best pixels go, or come (Petsiuk et al. 2018)."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from .maps import MapComputation, explained, values_of

#: Standard deviation of the blur that hides pixels before they come, as a share of the shorter side: 5 pixels of 224.
BLUR = 5 / 224


class FaithfulnessKind(MapComputation):
    name = "faithfulness"

    def recipe(
        self, image: str, label: int, classifier: str, explainer: dict[str, Any], *, seed: int, n_steps: int = 32
    ) -> dict[str, Any]:
        """n_steps: equal steps from the whole picture to none of it."""
        return self.question(image, label, classifier, explainer, seed=seed, n_steps=n_steps)

    def shared(self, recipe: dict[str, Any]) -> list[Any]:
        return [recipe["n_steps"]]

    def measure(
        self, classifier: Any, method: Any, pictures: Any, recipes: Sequence[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """deletion: probabilities as pixels turn grey; insertion: as they come into a blurred picture."""
        from explainers import measures

        ways: tuple[tuple[Literal["deletion", "insertion"], Callable[[Any], Any]], ...]
        ways = (("deletion", _grey), ("insertion", _blurred))
        found = []
        results = explained(classifier, method, pictures, recipes)
        for picture, recipe, result in zip(pictures, recipes, results, strict=True):
            values = values_of(result)
            n_steps = min(recipe["n_steps"], values.size)
            curves: dict[str, Any] = {
                way: measures.curve(
                    classifier, picture, recipe["label"], values, kind=way, n_steps=n_steps, fill=hide(picture)
                ).tolist()
                for way, hide in ways
            }
            found.append(curves)
        return found


def _grey(picture: Any) -> Any:
    import torch

    from explainers.images import GREY

    return torch.full_like(picture, GREY / 255)


def _blurred(picture: Any) -> Any:
    import torch
    from scipy.ndimage import gaussian_filter

    deviation = BLUR * min(picture.shape[1:])
    blurred = gaussian_filter(picture.double().cpu().numpy(), (0, deviation, deviation), mode="nearest")
    return torch.from_numpy(blurred).to(picture).clamp_(0, 1)


kind = FaithfulnessKind()

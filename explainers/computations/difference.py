"""What one picture has more or less than another, magnified so that it can be seen."""

from collections.abc import Iterator, Sequence
from typing import Any

from explainers import images

from . import ComputationResult, File, Outcome, inputs


class DifferenceKind:
    name, version, batch, queue = "difference", 1, 64, "default"

    def recipe(self, before: str, after: str, times: int) -> dict[str, Any]:
        """`before` and `after` are stored pictures, whose names are the digests of their content."""
        return {"kind": self.name, "version": self.version, "before": before, "after": after, "times": times}

    def batch_key(self, recipe: dict[str, Any]) -> str:
        return ""

    def warm_up(self, recipe: dict[str, Any]) -> None:
        pass

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[tuple[inputs.Loading, inputs.Loading]]:
        before, after = (inputs.load_pictures(recipe[one] for recipe in recipes) for one in ("before", "after"))
        return list(zip(before, after, strict=True))

    def compute(
        self, recipes: Sequence[dict[str, Any]], loaded: Sequence[tuple[inputs.Loading, inputs.Loading]]
    ) -> Iterator[Outcome]:
        from explainers import rendering

        for recipe, loading in zip(recipes, loaded, strict=True):
            pictures, failures = inputs.arrived(loading)
            if failures:
                yield next(iter(failures.values()))
                continue
            picture = rendering.difference(pictures[0], pictures[1], times=recipe["times"])
            height, width, _ = picture.shape
            yield ComputationResult(
                {"width": width, "height": height}, {"picture": File(images.encode_png(picture), ".png")}
            )


kind = DifferenceKind()

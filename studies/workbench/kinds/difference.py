"""What one picture has more or less than another, magnified so that it can be seen."""

from collections.abc import Iterator, Sequence
from typing import Any

from explainers import images
from studies.workbench import sources

from . import Failure, File, Result


class DifferenceKind:
    name, version, batch, queue = "difference", 1, 64, "default"

    def recipe(self, before: str, after: str, times: int) -> dict[str, Any]:
        """`before` and `after` are stored pictures, whose names are the digests of their content."""
        return {"kind": self.name, "version": self.version, "before": before, "after": after, "times": times}

    def together(self, recipe: dict[str, Any]) -> str:
        return ""

    def get_ready(self, recipe: dict[str, Any]) -> None:
        pass

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[tuple[sources.Loading, sources.Loading]]:
        before, after = (sources.load_pictures(recipe[one] for recipe in recipes) for one in ("before", "after"))
        return list(zip(before, after, strict=True))

    def compute(
        self, recipes: Sequence[dict[str, Any]], loaded: Sequence[tuple[sources.Loading, sources.Loading]]
    ) -> Iterator[Result | Failure]:
        from explainers import rendering

        for recipe, loading in zip(recipes, loaded, strict=True):
            before, after = (one.result() for one in loading)
            if failure := next((one for one in (before, after) if isinstance(one, Failure)), None):
                yield failure
                continue
            picture = rendering.difference(before, after, times=recipe["times"])
            height, width, _ = picture.shape
            yield Result({"width": width, "height": height}, {"picture": File(images.encode_png(picture), ".png")})


kind = DifferenceKind()

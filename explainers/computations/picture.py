"""The image as people see it: the photograph resized and cropped like the classifier's input, lossless, no metadata."""

from collections.abc import Iterator, Sequence
from typing import Any

from explainers import images

from . import ComputationFailure, ComputationResult, File, Outcome, inputs


class PictureKind:
    name, version, batch, queue = "picture", 1, 64, "default"

    def recipe(self, image: str, preprocessing: dict[str, Any]) -> dict[str, Any]:
        crop = {side: preprocessing[side] for side in ("resize", "crop")}
        return {"kind": self.name, "version": self.version, "image": image, **crop}

    def batch_key(self, recipe: dict[str, Any]) -> str:
        return ""

    def warm_up(self, recipe: dict[str, Any]) -> None:
        pass

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[inputs.Loading]:
        return inputs.load_photographs(recipes, None)

    def compute(self, recipes: Sequence[dict[str, Any]], loaded: Sequence[inputs.Loading]) -> Iterator[Outcome]:
        for pixels in (loading.result() for loading in loaded):
            if isinstance(pixels, ComputationFailure):
                yield pixels
            else:
                height, width, _ = pixels.shape
                picture = File(images.encode_png(pixels), ".png")
                yield ComputationResult({"width": width, "height": height}, {"picture": picture})


kind = PictureKind()

"""The image as people see it: the photograph resized and cropped like the classifier's input, lossless, no metadata."""

from collections.abc import Iterator, Sequence
from typing import Any

from explainers import images
from studies.workbench import sources

from . import Failure, Result


class PictureKind:
    name, version, chunk = "picture", 1, 64

    def recipe(self, image: str, preprocessing: dict[str, Any]) -> dict[str, Any]:
        crop = {side: preprocessing[side] for side in ("resize", "crop")}
        return {"kind": self.name, "version": self.version, "image": image, **crop}

    def compute(self, recipes: Sequence[dict[str, Any]]) -> Iterator[Result | Failure]:
        files = sources.image_files(recipe["image"] for recipe in recipes)
        for recipe in recipes:
            pixels = sources.pixels(files.get(recipe["image"]), recipe)
            if isinstance(pixels, Failure):
                yield pixels
            else:
                height, width, _ = pixels.shape
                yield Result({"width": width, "height": height}, images.encode_png(pixels), ".png")


kind = PictureKind()

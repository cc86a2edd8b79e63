"""Nearest neighbours as an explanation: the images that the classifier sees as most like this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from .base import ExampleExplainer, ExamplePool, Examples
from .neighbours import nearest_examples


@dataclass(frozen=True)
class NearestNeighbours(ExampleExplainer):
    """The images with the nearest hidden representations.

    metric: "euclidean", with the distance and a minus as score, or "cosine", with the cosine of the angle. Nothing is
    random: the seed changes nothing.
    """

    name: ClassVar[str] = "nearest_neighbours"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Nearest neighbours"
    needs: ClassVar[tuple[str, ...]] = ("features",)

    metric: Literal["euclidean", "cosine"] = "euclidean"

    def explain(self, pool: ExamplePool, queries: ExamplePool, n: int, *, seed: int) -> list[Examples]:
        """See `ExampleExplainer.explain`."""
        return nearest_examples(pool, queries, n, self.metric)

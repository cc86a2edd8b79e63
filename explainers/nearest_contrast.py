"""The nearest contrast: the image most like this one that the classifier decides otherwise.

A counterfactual by example: what an image might look like for the decision to be another one, shown by an image that
exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from .base import ExampleExplainer, ExamplePool, Examples, MethodError
from .example_checks import checked_count
from .neighbours import nearest_examples


@dataclass(frozen=True)
class NearestContrast(ExampleExplainer):
    """The images with the nearest hidden representations among those that are given another class.

    The classifier's decisions count, of the query and of the pool, not the true classes. metric: "euclidean", with the
    distance and a minus as score, or "cosine", with the cosine of the angle. Nothing is random: the seed changes
    nothing.
    """

    name: ClassVar[str] = "nearest_contrast"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Nearest contrast"
    needs: ClassVar[tuple[str, ...]] = ("features", "predictions")

    metric: Literal["euclidean", "cosine"] = "euclidean"

    def explain(self, pool: ExamplePool, queries: ExamplePool, n: int, *, seed: int) -> list[Examples]:
        """See `ExampleExplainer.explain`."""
        n = checked_count(n)
        ours, theirs = pool.tensor("predictions"), queries.tensor("predictions")
        own_class = theirs[:, None] == ours[None]
        for query, others in enumerate((~own_class).sum(1).tolist()):
            if others < n:
                raise MethodError(
                    f"pool {pool.name!r}: {n} images with another prediction than {int(theirs[query])} are wanted, but"
                    f" there are {others} among {pool.size}"
                )
        return nearest_examples(pool, queries, n, self.metric, own_class)

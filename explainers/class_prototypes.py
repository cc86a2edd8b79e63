"""Prototypes and criticisms as an explanation of one prediction: because the class looks like these.

MMD-critic (Kim, Khanna & Koyejo 2016) chooses images that stand for the predicted class in the pool, and images that it
represents badly. Of these the ones are shown that the classifier sees as most like the query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from .base import ExampleExplainer, ExamplePool, Examples, MethodError, Pool, get
from .example_checks import best_first, checked_count, checked_features


@dataclass(frozen=True)
class ClassPrototypes(ExampleExplainer):
    """The prototypes, or the criticisms, of the predicted class that are most like the query.

    show: "prototypes" or "criticisms". candidates: so many of them are chosen for the class, or as many as are shown
    where that is more, or as many as the class has. regularizer: MMD-critic's λ, which orders criticisms. The class is
    the query's prediction; the pool's images belong to their labels. score: the kernel exp(−γ·distance²) between an
    example and the query, γ as MMD-critic sets it for the class. Nothing is random: the seed changes nothing. facts:
    gamma, and candidates, how many were chosen.
    """

    name: ClassVar[str] = "class_prototypes"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Prototypes and criticisms"
    needs: ClassVar[tuple[str, ...]] = ("features", "labels", "predictions")

    show: Literal["prototypes", "criticisms"] = "prototypes"
    candidates: int = 12
    regularizer: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.candidates < 1:
            raise MethodError(f"{self.name}: candidates must be at least 1, not {self.candidates}")
        if self.regularizer < 0:
            raise MethodError(f"{self.name}: regularizer must be at least 0, not {self.regularizer}")

    def explain(self, pool: ExamplePool, queries: ExamplePool, n: int, *, seed: int) -> list[Examples]:
        """See `ExampleExplainer.explain`."""
        features, asked = checked_features(pool, queries)
        labels, predictions = pool.tensor("labels"), queries.tensor("predictions")
        n = checked_count(n)
        of_class: dict[int, tuple[Tensor, float]] = {}
        explained = []
        for query, prediction in zip(asked, predictions.tolist(), strict=True):
            if prediction not in of_class:
                members = (labels == prediction).nonzero().flatten()
                of_class[prediction] = self._candidates(pool.name, features, members, prediction, n, seed)
            chosen, gamma = of_class[prediction]
            scores = (-gamma * (features[chosen] - query).square().sum(1)).exp()
            explained.append(best_first(scores, n, chosen, {"gamma": gamma, "candidates": float(len(chosen))}))
        return explained

    def _candidates(
        self, pool_name: str, features: Tensor, members: Tensor, label: int, n: int, seed: int
    ) -> tuple[Tensor, float]:
        """The images that may be shown for a class, in the pool's order, and γ."""
        wanted = max(n, self.candidates)
        # Criticisms are what prototypes represent badly: there are prototypes first, as many.
        prototypes = min(wanted, len(members) if self.show == "prototypes" else (len(members) + 1) // 2)
        criticisms = 0 if self.show == "prototypes" else min(wanted, len(members) - prototypes)
        shown = prototypes if self.show == "prototypes" else criticisms
        if shown < n:
            raise MethodError(
                f"pool {pool_name!r}: {n} {self.show} of class {label} are wanted, but its {len(members)} images give"
                f" {shown}"
            )
        critic = get("selector", "mmd_critic")(regularizer=self.regularizer)
        one_class = Pool(f"{pool_name}, class {label}", len(members), features=features[members].numpy())
        selection = critic.select(one_class, prototypes, criticisms, seed=seed)
        chosen = selection.prototypes if self.show == "prototypes" else selection.criticisms
        return members[torch.tensor(chosen).sort().values], selection.facts["gamma"]

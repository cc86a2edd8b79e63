"""The images of a pool that represent a class, and those that it represents badly."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from explainers import base
from studies import storage
from studies.models import Artifact
from studies.workbench import arrays
from studies.workbench.recipes import canonical, digest

from . import Failure, Result
from .attack import kind as attack
from .prediction import kind as prediction


class SelectionKind:
    name, version, batch, queue = "selection", 1, 1, "default"

    def recipe(
        self,
        pool: str,
        class_name: str,
        classifier: str,
        method: dict[str, Any],
        attack_method: dict[str, Any] | None,
        *,
        n_prototypes: int,
        n_criticisms: int,
        seed: int,
    ) -> dict[str, Any]:
        """`pool` is a stored list of images (see `pool_file`), whose name is the digest of its content."""
        return {
            "kind": self.name,
            "version": self.version,
            "inputs": {"prediction": prediction.version, "attack": attack_method, "attack_version": attack.version},
            "pool": pool,
            "class": class_name,
            "classifier": classifier,
            "selector": method,
            "n_prototypes": n_prototypes,
            "n_criticisms": n_criticisms,
            "seed": seed,
        }

    def pool_file(self, images: Sequence[tuple[str, int]]) -> str:
        """Store the pool, pairs of image digest and label, and return its name."""
        return storage.store("pools", canonical([list(image) for image in images]), ".json")

    def together(self, recipe: dict[str, Any]) -> str:
        return digest(recipe)

    def get_ready(self, recipe: dict[str, Any]) -> None:
        base.from_recipe("selector", recipe["selector"])

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[None]:
        return [None] * len(recipes)

    def compute(self, recipes: Sequence[dict[str, Any]], loaded: Sequence[None]) -> Iterator[Result | Failure]:
        for recipe in recipes:
            try:
                yield _select(recipe)
            except base.MethodError as error:
                yield Failure(str(error))


def _select(recipe: dict[str, Any]) -> Result | Failure:
    method = base.from_recipe("selector", recipe["selector"])
    images = json.loads(storage.read(recipe["pool"]))
    known: dict[str, list[Artifact]] = {}
    for kind, wanted in _inputs(recipe, images, method.needs).items():
        rows = Artifact.objects.filter(state=Artifact.State.DONE).in_bulk(wanted, field_name="digest")
        if len(rows) < len(set(wanted)):
            return Failure(f"some {kind}s of its pool are missing")
        known[kind] = [rows[one] for one in wanted]
    columns = {name: _COLUMNS[name][1](known[_COLUMNS[name][0]]) for name in method.needs}
    chosen = method.select(
        base.Pool(recipe["class"], len(images), **columns),
        recipe["n_prototypes"],
        recipe["n_criticisms"],
        seed=base.seed_from(recipe["class"], recipe["selector"], recipe["seed"]),
    )
    return Result(
        {
            "prototypes": list(chosen.prototypes),
            "criticisms": list(chosen.criticisms),
            "prototype_pool": chosen.prototype_pool,
            "criticism_pool": chosen.criticism_pool,
            "facts": dict(chosen.facts),
        }
    )


def _inputs(recipe: dict[str, Any], images: list[list[Any]], needs: Sequence[str]) -> dict[str, list[str]]:
    """The digests of the artifacts a pool's arrays are read from, in the order of the pool, by kind."""
    classifier, method = recipe["classifier"], recipe["inputs"]["attack"]
    inputs = {}
    if any(_COLUMNS[name][0] == prediction.name for name in needs):
        inputs[prediction.name] = [digest(prediction.recipe(sha, label, classifier)) for sha, label in images]
    if any(_COLUMNS[name][0] == attack.name for name in needs):
        inputs[attack.name] = [digest(attack.recipe(sha, label, classifier, method)) for sha, label in images]
    return inputs


#: Each array of a pool: the kind of artifact it comes from, and how.
_COLUMNS = {
    "features": (prediction.name, lambda rows: np.stack([arrays.read(row.files["hidden"]) for row in rows])),
    "probabilities": (prediction.name, lambda rows: np.array([row.value["true_probability"] for row in rows])),
    "flip_step": (attack.name, lambda rows: np.array([row.value["flip_step"] for row in rows])),
}


def needs(method: dict[str, Any]) -> set[str]:
    """The kinds of artifacts that a selector reads of each image of its pool."""
    return {_COLUMNS[name][0] for name in base.get("selector", method["method"]).needs}


kind = SelectionKind()

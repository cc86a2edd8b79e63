"""The images of a pool that represent a class, and those that it represents badly."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from explainers import base
from explainers.canonical_json import canonical, digest

from . import ComputationFailure, ComputationResult, Outcome, arrays, inputs
from .attack import kind as attack
from .prediction import kind as prediction


class SelectionKind:
    name, version, batch, queue = "selection", 2, 1, "default"

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
        """`pool` is a stored list of images (see `pool_content`), whose name is the digest of its content."""
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

    def pool_content(self, images: Sequence[tuple[str, int]]) -> bytes:
        """The file that lists a pool, pairs of image digest and label."""
        return canonical([list(image) for image in images])

    def batch_key(self, recipe: dict[str, Any]) -> str:
        return digest(recipe)

    def warm_up(self, recipe: dict[str, Any]) -> None:
        base.from_recipe("selector", recipe["selector"])

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[None]:
        return [None] * len(recipes)

    def compute(self, recipes: Sequence[dict[str, Any]], loaded: Sequence[None]) -> Iterator[Outcome]:
        for recipe in recipes:
            try:
                yield _select(recipe)
            except base.MethodError as error:
                yield ComputationFailure(str(error))


def _select(recipe: dict[str, Any]) -> Outcome:
    method = base.from_recipe("selector", recipe["selector"])
    images = json.loads(inputs.connected().read(recipe["pool"]))
    known: dict[str, list[inputs.KnownResult]] = {}
    for kind, wanted in read_by(recipe, images).items():
        rows = inputs.connected().results(wanted)
        if len(rows) < len(set(wanted)):
            return ComputationFailure(f"some {kind}s of its pool are missing")
        known[kind] = [rows[one] for one in wanted]
    if "features" in method.needs and not all("hidden" in row.files for row in known[prediction.name]):
        return ComputationFailure(f"{method.name} goes by hidden values, and the classifier has none")
    columns = {name: _COLUMNS[name][1](known[_COLUMNS[name][0]]) for name in method.needs}
    chosen = method.select(
        base.Pool(recipe["class"], len(images), **columns),
        recipe["n_prototypes"],
        recipe["n_criticisms"],
        seed=base.seed_from(recipe["class"], recipe["selector"], recipe["seed"]),
    )
    return ComputationResult(
        {
            "prototypes": list(chosen.prototypes),
            "criticisms": list(chosen.criticisms),
            "prototype_pool": chosen.prototype_pool,
            "criticism_pool": chosen.criticism_pool,
            "facts": dict(chosen.facts),
        }
    )


def read_by(recipe: dict[str, Any], images: list[list[Any]]) -> dict[str, list[str]]:
    """The digests of the artifacts a pool's arrays are read from, in the order of the pool, by kind."""
    classifier, method = recipe["classifier"], recipe["inputs"]["attack"]
    needed, wanted = needs(recipe["selector"]), {}
    if prediction.name in needed:
        wanted[prediction.name] = [digest(prediction.recipe(sha, label, classifier)) for sha, label in images]
    if attack.name in needed:
        wanted[attack.name] = [digest(attack.recipe(sha, label, classifier, method)) for sha, label in images]
    return wanted


def _flip_step(row: inputs.KnownResult) -> int:
    """When the attack turned the image: 0 wrong from the start, -1 never.

    What only rounding for display turned is turned after the last step: it survived the exact steps, and yet it is no
    image that the attack does not turn.  So it is neither a prototype nor a criticism.
    """
    if row.value["flip_step"] == -1 and row.value["fools_as_displayed"]:
        return int(row.recipe["attack"]["parameters"]["max_steps"]) + 1
    return int(row.value["flip_step"])


def _stacked(names: Sequence[str]) -> np.ndarray:
    """The stored arrays of these names, one a row."""
    return np.stack([arrays.read(inputs.connected().read(name)) for name in names])


#: Each array of a pool: the kind of artifact it comes from, and how.
_COLUMNS: dict[str, tuple[str, Callable[[Sequence[inputs.KnownResult]], np.ndarray]]] = {
    "features": (prediction.name, lambda rows: _stacked([row.files["hidden"] for row in rows])),
    "probabilities": (prediction.name, lambda rows: np.array([row.value["true_probability"] for row in rows])),
    "flip_step": (attack.name, lambda rows: np.array([_flip_step(row) for row in rows])),
}


def needs(method: dict[str, Any]) -> set[str]:
    """The kinds of artifacts that a selector reads of each image of its pool."""
    return {_COLUMNS[name][0] for name in base.get("selector", method["method"]).needs}


kind = SelectionKind()

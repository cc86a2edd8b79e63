"""What every method is, and where methods are found.

A method is one file in this package with one frozen dataclass: its fields are the method's parameters, its class
attributes `name` and `version` say which method it is, and its base class below says of which kind. Adding a method is
adding such a file; nothing outside it names it.

    available("explainer")        the names of that kind, without importing torch or any method
    get("explainer", name)        the class
    method.recipe()               {"method": name, "version": n, "parameters": {field: value}}, plain JSON
    from_recipe(kind, recipe)     the method of a recipe; refuses a version that is no longer computed

Shared conventions: images are float32 [n, 3, h, w] in [0, 1] on the 8-bit grid; a classifier maps them to logits
[n, c] with its normalisation inside; labels are int64 [n]. Randomness comes only from the seeds passed in. Device and
dtype follow the input; the input is never changed. A method does no input or output and downloads nothing. An image's
result does not depend on which other images are in the batch (sign steps: to the tolerance stated by the attack).

Wrong input raises MethodError with one line.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args, get_type_hints

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from .superpixels import Segmenter

_FOLDER = Path(__file__).parent


class MethodError(ValueError):
    """A method cannot do what is asked: a bad parameter, bad input, or a pool too small. One line."""


@dataclass(frozen=True)
class Method(ABC):
    """Common to all kinds.

    A field is an int, a float, a bool or a `Literal` of strings, or one of these or None, with a default.
    `__post_init__` checks that much; extend it, calling this one first, to raise MethodError for values that make no
    sense.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    version: ClassVar[int]
    title: ClassVar[str]

    def __post_init__(self) -> None:
        types = get_type_hints(type(self))
        for field in fields(self):
            value = _checked(f"{self.name}: {field.name}", getattr(self, field.name), types[field.name])
            object.__setattr__(self, field.name, value)

    def recipe(self) -> dict[str, Any]:
        """Everything about the method that its result depends on, as plain JSON."""
        return {"method": self.name, "version": self.version, "parameters": asdict(self)}

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """The parameters' names and defaults, in the order of the file."""
        return {field.name: field.default for field in fields(cls)}

    @classmethod
    def from_parameters(cls, parameters: dict[str, Any]) -> Self:
        """Raises MethodError for a name that is no parameter of this method, or for a value it refuses."""
        known = cls.parameters()
        if unknown := sorted(set(parameters) - set(known)):
            raise MethodError(f"{cls.name} has no parameter {unknown[0]!r}; it has {', '.join(known) or 'none'}")
        return cls(**parameters)


def _checked(what: str, value: Any, wanted: Any) -> Any:
    """`value` if it is of the wanted type; an int becomes a float where one is wanted, so that 1 and 1.0 are one
    recipe."""
    if type(None) in get_args(wanted):
        if value is None:
            return value
        (wanted,) = (one for one in get_args(wanted) if one is not type(None))
    if choices := get_args(wanted):
        if value not in choices:
            raise MethodError(f"{what} must be one of {', '.join(choices)}, not {value!r}")
        return value
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted or (wanted is float and not math.isfinite(value)):
        called = {int: "a whole number", float: "a finite number", bool: "true or false"}
        raise MethodError(f"{what} must be {called[wanted]}, not {value!r}")
    return value


@dataclass(frozen=True)
class Explanation:
    """Why a classifier gives one image one label. Signed, not normalised; rendering is elsewhere.

    segments: int64 [h, w], labels 0..d-1. coefficients: float64 [d], the weight of each segment, 0 where it was not
    selected. intercept; r2: weighted share of variance explained by the fit. n_positive: number of positive
    coefficients. label: the explained label. seed: what the randomness came from. reason: None, or one line that says
    why there is no explanation (all coefficients are then 0 and r2 is 0).
    """

    segments: np.ndarray
    coefficients: np.ndarray
    intercept: float
    r2: float
    n_positive: int
    label: int
    seed: int
    reason: str | None = None


@dataclass(frozen=True)
class Attacked:
    """A batch after an attack; all with the batch's n.

    images: float32 [n, 3, h, w], exact: the record. pictures: uint8 [n, h, w, 3], what a person sees. flip_step:
    int64 [n], the step at which the decision first differed from the label: 0 wrong from the start, -1 never.
    predictions: int64 [n], the classifier's decision on `images`; displayed_predictions: the same, asked again on
    `pictures`. fooled_exact, fooled_displayed: bool [n], whether those decisions differ from the label. A stimulus may
    use only images that fool the classifier as displayed.
    """

    images: torch.Tensor
    pictures: np.ndarray
    flip_step: torch.Tensor
    predictions: torch.Tensor
    displayed_predictions: torch.Tensor
    fooled_exact: torch.Tensor
    fooled_displayed: torch.Tensor

    @property
    def survival_rate(self) -> float | None:
        """Of the images that the attack made fool the classifier, the share that still does as displayed; None where
        there are none. Images that were wrong from the start are no work of the attack and do not count."""
        made = self.fooled_exact & (self.flip_step != 0)
        return int((made & self.fooled_displayed).sum()) / int(made.sum()) if bool(made.any()) else None


@dataclass(frozen=True)
class Pool:
    """The images of one class that a selector may choose from, in a fixed order; all arrays have that length n.

    A selector reads what it needs (`Selector.needs`) with `tensor`. features: float [n, f], the last
    hidden representations. probabilities: float [n], of the class itself. flip_step: int [n] as in Attacked, or of the
    attack that the study registered. name: the class, for error messages.
    """

    name: str
    size: int
    features: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    flip_step: np.ndarray | None = None

    def tensor(self, name: str) -> torch.Tensor:
        """One of the arrays as a tensor. Raises MethodError, naming the class, where the pool lacks it, where its
        length is not the pool's, and where it holds NaN or infinity."""
        import torch

        values = getattr(self, name)
        if values is None:
            raise MethodError(f"class {self.name!r}: the pool has no {name}")
        values = torch.as_tensor(values)
        if values.shape[:1] != (self.size,):
            raise MethodError(f"class {self.name!r}: {name} has shape {list(values.shape)} for {self.size} images")
        broken = (~values.isfinite()).nonzero()
        if len(broken):
            raise MethodError(f"class {self.name!r}: NaN or infinity in the {name} of image {int(broken[0, 0])}")
        return values


@dataclass(frozen=True)
class Selection:
    """Which images of a pool were chosen: indices into it, in order of selection.

    prototype_pool, criticism_pool: how many images each was drawn from. facts: what else belongs in the record, such
    as the bandwidth that was used; plain JSON.
    """

    prototypes: tuple[int, ...]
    criticisms: tuple[int, ...]
    prototype_pool: int
    criticism_pool: int
    facts: dict[str, float]


def seed_from(*parts: Any) -> int:
    """A seed in [0, 2**63) that depends on all of `parts` and nothing else: plain JSON values, such as an image's
    SHA-256 and a recipe. Equal parts give equal seeds on every machine and in every version of Python."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def as_numbers(name: str, values: Any) -> np.ndarray:
    """`values`, an array, nested lists or a tensor on any device, in float64; not copied where that is what it is.
    Raises MethodError, calling it `name`, for anything else than real numbers in one shape."""
    import numpy as np
    import torch

    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = values.numpy() if values.is_complex() else values.to_dense().double().numpy()
    try:
        array = np.asarray(values)
        if array.dtype.kind in "biufO":
            return array.astype(np.float64, copy=False)
    except (TypeError, ValueError):  # words, nothing at all, or rows of several lengths
        pass
    raise MethodError(f"the {name} must be real numbers in one shape")


class Explainer(Method):
    """Explains images."""

    kind: ClassVar[str] = "explainer"

    @abstractmethod
    def explain(
        self,
        classifier: nn.Module,
        images: torch.Tensor,
        labels: torch.Tensor,
        *,
        seeds: Sequence[int],
        segmenter: Segmenter | None = None,
    ) -> list[Explanation]:
        """Explain `labels` [n] for `images` [n, 3, h, w] under `classifier`.

        seeds: one for each image; take them from `seed_from(image digest, recipe)`. segmenter: worker processes and a
        cache for superpixels, which change the time and never the result; None segments here, one image after another.

        Returns n explanations in order. Each depends on its own image, label and seed alone.
        """


class Attack(Method):
    """Changes images until the classifier changes its mind."""

    kind: ClassVar[str] = "attack"

    @abstractmethod
    def attack(self, classifier: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Attacked:
        """Attack `images` [n, 3, h, w], untargeted: away from `labels` [n]."""


class Selector(Method):
    """Chooses the images that represent one class, and those that it represents badly."""

    kind: ClassVar[str] = "selector"
    needs: ClassVar[tuple[str, ...]] = ()  # names of Pool's arrays

    @abstractmethod
    def select(self, pool: Pool, n_prototypes: int, n_criticisms: int, *, seed: int) -> Selection:
        """Choose from `pool`; the two choices never overlap.

        Raises MethodError naming the class, the rule and the size where the pool is too small.
        """


_KINDS: dict[str, type[Method]] = {"explainer": Explainer, "attack": Attack, "selector": Selector}


def kinds() -> list[str]:
    """The kinds of method there are."""
    return list(_KINDS)


def available(kind: str) -> list[str]:
    """The names of the methods of a kind, sorted, read from the files' syntax trees: nothing is imported."""
    _check_kind(kind)
    return sorted(name for method_kind, name in _found() if method_kind == kind)


def get(kind: str, name: str) -> type[Any]:
    """The class of a method, importing its file. Raises MethodError, with the names there are, for another name."""
    _check_kind(kind)
    if (kind, name) not in _found():
        raise MethodError(f"no {kind} is called {name!r}; there are {', '.join(available(kind)) or 'none'}")
    module, class_name = _found()[kind, name]
    return getattr(importlib.import_module(f"{__package__}.{module}"), class_name)


def from_recipe(kind: str, recipe: dict[str, Any]) -> Any:
    """The method that a recipe describes.

    Raises MethodError for an unknown method or parameter, and for another version than the one that is computed here:
    a result under an old version can be read, not made again.
    """
    method = get(kind, recipe["method"])
    if recipe["version"] != method.version:
        raise MethodError(f"{method.name} is at version {method.version}; the recipe wants {recipe['version']}")
    return method.from_parameters(recipe["parameters"])


def _check_kind(kind: str) -> None:
    if kind not in _KINDS:
        raise MethodError(f"no kind of method is called {kind!r}; there are {', '.join(_KINDS)}")


@cache
def _found() -> dict[tuple[str, str], tuple[str, str]]:
    """(kind, name) of every method to (module, class name)."""
    kind_of_base = {base.__name__: kind for kind, base in _KINDS.items()}
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for file in sorted(_FOLDER.glob("*.py")):
        if file.stem in ("base", "__init__", "__main__"):
            continue
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                for kind in {kind_of_base[name] for name in _base_names(node) if name in kind_of_base}:
                    key = kind, _name_in(node)
                    if key in found:
                        raise TypeError(f"{file.name} and {found[key][0]}.py are both the {kind} {key[1]!r}")
                    found[key] = file.stem, node.name
    return found


def _base_names(node: ast.ClassDef) -> Iterator[str]:
    for base in node.bases:
        yield base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")


def _name_in(node: ast.ClassDef) -> str:
    """The literal assigned to `name` in a class body."""
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="name")], value=ast.Constant(value=str(name))):
                return name
            case ast.AnnAssign(target=ast.Name(id="name"), value=ast.Constant(value=str(name))):
                return name
    raise TypeError(f"the method {node.name} has no literal `name`")

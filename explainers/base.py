"""What every method is, and where methods are found.

A method is one file in this package with one frozen dataclass: its fields are the method's parameters, its class
attributes `name` and `version` say which method it is, and its base class below says of which kind. Adding a method is
adding such a file; nothing outside it names it. A package of others adds one by an entry point of the group
`quorum.methods`, whose value is the module with the dataclass.

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
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args, get_type_hints

from .results import Attacked, Examples, Explanation, HeatMap, Selection

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from .superpixels import Segmenter

ENTRY_POINTS = "quorum.methods"
_FOLDER = Path(__file__).parent
_packages: tuple[str, ...] = ()


class MethodError(ValueError):
    """A method cannot do what is asked: a bad parameter, bad input, or a pool too small. One line."""


@dataclass(frozen=True)
class Method(ABC):
    """Common to all kinds.

    A field is an int, a float, a bool, a str or a `Literal` of strings, or one of these or None, with a default.
    `__post_init__` checks that much; extend it, calling this one first, to raise MethodError for values that make no
    sense.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    version: ClassVar[int]
    title: ClassVar[str]

    def __post_init__(self) -> None:
        types = get_type_hints(type(self))
        for parameter in fields(self):
            name = parameter.name
            object.__setattr__(self, name, checked_value(f"{self.name}: {name}", getattr(self, name), types[name]))

    def recipe(self) -> dict[str, Any]:
        """Everything about the method that its result depends on, as plain JSON."""
        return {"method": self.name, "version": self.version, "parameters": asdict(self)}

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """The parameters' names and defaults, in the order of the file."""
        return {parameter.name: parameter.default for parameter in fields(cls)}

    @classmethod
    def from_parameters(cls, parameters: dict[str, Any]) -> Self:
        """Raises MethodError for a name that is no parameter of this method, or for a value it refuses."""
        known = cls.parameters()
        if unknown := sorted(set(parameters) - set(known)):
            raise MethodError(f"{cls.name} has no parameter {unknown[0]!r}; it has {', '.join(known) or 'none'}")
        return cls(**parameters)


def checked_value(what: str, value: Any, wanted: Any) -> Any:
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
        called = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}
        raise MethodError(f"{what} must be {called[wanted]}, not {value!r}")
    return value


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
        return _tensor_of(self, name, f"class {self.name!r}")


@dataclass(frozen=True)
class ExamplePool:
    """Images with what a classifier makes of them, in a fixed order: those that examples are taken from, or those that
    are explained by them.

    A method reads what it needs (`ExampleExplainer.needs`) with `tensor`. features: float [n, f], the last hidden
    representations. labels: int [n], the true classes. predictions: int [n], the classifier's decisions. head: the
    classifier's last layer, weight [c, f] and bias [c]. name: for error messages.
    """

    name: str
    size: int
    features: np.ndarray | None = None
    labels: np.ndarray | None = None
    predictions: np.ndarray | None = None
    head: tuple[np.ndarray, np.ndarray] | None = None

    def tensor(self, name: str) -> torch.Tensor:
        """features as float64 [n, f], labels or predictions as int64 [n]. Raises MethodError, naming the pool, where it
        lacks them and where they are not such numbers, one row for each image, finite, classes not negative."""
        import torch

        values = _tensor_of(self, name, f"pool {self.name!r}")
        if values.ndim != (2 if name == "features" else 1) or values.is_complex():
            raise MethodError(f"pool {self.name!r}: {name} cannot be {values.dtype} {list(values.shape)}")
        if name == "features":
            return values.double()
        if values.is_floating_point() or values.dtype == torch.bool:
            raise MethodError(f"pool {self.name!r}: {name} must be whole numbers, not {values.dtype}")
        if self.size and int(values.min()) < 0:
            raise MethodError(f"pool {self.name!r}: the {name} of image {int(values.argmin())} is negative")
        return values.long()


def _tensor_of(pool: Pool | ExamplePool, name: str, called: str) -> torch.Tensor:
    import torch

    values = getattr(pool, name)
    if values is None:
        raise MethodError(f"{called}: the pool has no {name}")
    values = torch.as_tensor(values)
    if values.shape[:1] != (pool.size,):
        raise MethodError(f"{called}: {name} has shape {list(values.shape)} for {pool.size} images")
    broken = (~values.isfinite()).nonzero()
    if len(broken):
        raise MethodError(f"{called}: NaN or infinity in the {name} of image {int(broken[0, 0])}")
    return values


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
    ) -> list[Explanation] | list[HeatMap]:
        """Explain `labels` [n] for `images` [n, 3, h, w] under `classifier`.

        seeds: one for each image; take them from `seed_from(image digest, recipe)`. segmenter: worker processes and a
        cache for superpixels, which change the time and never the result; None segments here, one image after another.

        Returns n explanations in order, superpixels or heat maps. Each depends on its own image, label and seed alone:
        to the last bit where the classifier is only asked, to 1e-4 of the largest value where gradients are taken.
        """


class Attack(Method):
    """Changes images until the classifier changes its mind, or, where `flips` is false, something else about it."""

    kind: ClassVar[str] = "attack"
    flips: ClassVar[bool] = True  # whether other decisions are what it is for

    @abstractmethod
    def attack(self, classifier: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Attacked:
        """Attack `images` [n, 3, h, w], untargeted: away from `labels` [n], or from what explains them."""


class Selector(Method):
    """Chooses the images that represent one class, and those that it represents badly."""

    kind: ClassVar[str] = "selector"
    needs: ClassVar[tuple[str, ...]] = ()  # names of Pool's arrays

    @abstractmethod
    def select(self, pool: Pool, n_prototypes: int, n_criticisms: int, *, seed: int) -> Selection:
        """Choose from `pool`; the two choices never overlap.

        Raises MethodError naming the class, the rule and the size where the pool is too small.
        """


class ExampleExplainer(Method):
    """Explains images by other images: because of these."""

    kind: ClassVar[str] = "example_explainer"
    needs: ClassVar[tuple[str, ...]] = ()  # names of ExamplePool's values that are read, of the pool or of the queries

    @abstractmethod
    def explain(self, pool: ExamplePool, queries: ExamplePool, n: int, *, seed: int) -> list[Examples]:
        """For each of `queries` the n images of `pool` that explain it best, best first, ties to the lower index.

        An image of the pool that is also a query is an example as any other: leave it out of the pool. Each result
        depends on its own query alone. Raises MethodError naming the pool, the rule and the size where it is too small.
        """


_KINDS: dict[str, type[Method]] = {
    "explainer": Explainer,
    "attack": Attack,
    "selector": Selector,
    "example_explainer": ExampleExplainer,
}


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
    return getattr(importlib.import_module(module), class_name)


def version_of(kind: str, name: str) -> int | None:
    """The version of a method, read from its file's syntax tree; None where it is no literal."""
    _check_kind(kind)
    module, class_name = _found()[kind, name]
    source = next(text for file, text in _sources() if file == module)
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for statement in node.body:
                match statement:
                    case ast.Assign(targets=[ast.Name(id="version")], value=ast.Constant(value=int(version))):
                        return version
                    case ast.AnnAssign(target=ast.Name(id="version"), value=ast.Constant(value=int(version))):
                        return version
    return None


def look_into(packages: Sequence[str]) -> None:
    """Find methods in the modules of these packages too, in place of those that were named before."""
    global _packages
    _packages = tuple(packages)
    _found.cache_clear()


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
    """(kind, name) of every method to (module, class name). Raises MethodError where two have one name."""
    kind_of_base = {base.__name__: kind for kind, base in _KINDS.items()}
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for module, source in _sources():
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef):
                for kind in {kind_of_base[name] for name in _base_names(node) if name in kind_of_base}:
                    key = kind, _name_in(module, node)
                    if key in found:
                        raise MethodError(f"{module} and {found[key][0]} are both the {kind} {key[1]!r}")
                    found[key] = module, node.name
    return found


def _sources() -> Iterator[tuple[str, str]]:
    """The modules that may hold a method, each with its source text: the files here, of packages, of entry points."""
    for file in sorted(_FOLDER.glob("*.py")):
        if file.stem not in ("base", "__init__", "__main__"):
            yield f"{__package__}.{file.stem}", file.read_text(encoding="utf-8")
    for package in _packages:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise MethodError(f"there is no package {package} to look for methods in")
        yield package, Path(spec.origin).read_text(encoding="utf-8")
        for folder in spec.submodule_search_locations or ():
            for file in sorted(Path(folder).glob("*.py")):
                if file.stem != "__init__":
                    yield f"{package}.{file.stem}", file.read_text(encoding="utf-8")
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: (entry.module, entry.name)):
        try:
            spec = find_spec(entry.module)  # imports the packages around the module, not the module
        except ImportError:
            spec = None
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            raise MethodError(f"the entry point {entry.name!r} of {ENTRY_POINTS} names {entry.module}, not a module")
        yield entry.module, Path(spec.origin).read_text(encoding="utf-8")


def _base_names(node: ast.ClassDef) -> Iterator[str]:
    for base in node.bases:
        yield base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")


def _name_in(module: str, node: ast.ClassDef) -> str:
    """The literal assigned to `name` in a class body."""
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="name")], value=ast.Constant(value=str(name))):
                return name
            case ast.AnnAssign(target=ast.Name(id="name"), value=ast.Constant(value=str(name))):
                return name
    raise MethodError(f"the method {module}.{node.name} has no literal `name`")

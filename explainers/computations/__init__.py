"""The kinds of artifacts; each is one file in this folder, and none of them knows a database.

A kind turns recipes into results, several at a time.  Its `version` is part of each recipe: when it rises, only the
artifacts of this kind are computed again.  What recipes name, photographs, networks and earlier results, comes from the
source that is connected to `inputs`: the catalogue of a workbench, or a folder on a machine without a database.
"""

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

from explainers.canonical_json import canonical

from .time_limit import TooSlow

log = logging.getLogger(__name__)

#: A batch is about so long where the results are slow: between two batches they are written down.
BATCH_SECONDS = 30


class InputError(ValueError):
    """What computations start from cannot be had: a network, or a file that is not what its name says.  One line."""


class File(NamedTuple):
    content: bytes
    suffix: str


@dataclass(frozen=True)
class ComputationResult:
    """What a computation gives: a small JSON value, and files by what they are, where there are any."""

    value: dict[str, Any]
    files: Mapping[str, File] = field(default_factory=dict)


@dataclass(frozen=True)
class ComputationFailure:
    """Why one recipe of several gives no result: one line, without the image's name."""

    reason: str


Outcome = ComputationResult | ComputationFailure


class Computation(Protocol):
    """A result must depend on its recipe alone: not on the other recipes of a batch, nor on how many they are.

    A kind may say how few make a batch where they are slow, as `least`; else a batch is always `batch`, as far as there
    are so many.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    #: How many recipes are computed at once at most, before the results are written down.
    batch: ClassVar[int]
    #: Which workers compute it: those that have the device for networks ("gpu"), or any ("default").
    queue: ClassVar[str]

    def warm_up(self, recipe: dict[str, Any]) -> None:
        """Import and load what every recipe of such a batch needs, before its time begins to count."""

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[Any]:
        """Begin to read what each recipe needs, in threads, while the batch before is computed."""

    def compute(self, recipes: Sequence[dict[str, Any]], loaded: Sequence[Any]) -> Iterator[Outcome]:
        """One outcome for each recipe, in order.  All recipes of one call agree in `batch_key`."""

    def batch_key(self, recipe: dict[str, Any]) -> str:
        """What recipes must have in common to be computed at once: the classifier, for instance."""


#: The kinds that a study asks for, and the one that judges a classifier.
NAMES = ("prediction", "picture", "attack", "explanation", "difference", "selection", "trial")


def get(name: str) -> Any:
    """The kind of artifact that is called so, a `Computation` with a `recipe` of its own parameters."""
    return importlib.import_module(f"{__name__}.{name}").kind


def batch_size(kind: Computation, seconds: float | None) -> int:
    """How many recipes make a batch of about BATCH_SECONDS.  seconds: of one result; None where that is not known."""
    fitting = int(BATCH_SECONDS / seconds) if seconds else 0
    return min(max(fitting, getattr(kind, "least", kind.batch)), kind.batch)


def outcomes(
    kind: Computation,
    recipes: Sequence[dict[str, Any]],
    loaded: Sequence[Any] | None,
    *,
    outages: tuple[type[BaseException], ...],
    limit: Callable[[], AbstractContextManager[None]] = nullcontext,
    before_one_alone: Callable[[int], None] = lambda place: None,
) -> list[Outcome]:
    """One outcome for each recipe; where the batch as a whole fails, each is computed alone to find which one it is.

    loaded: what `kind.load` gave, or None.  limit: entered around each call.  before_one_alone: told the place of each
    recipe that is computed alone.  Raises InputError, and outages: what is no recipe's fault.
    """
    try:
        with limit():
            return [_checked(outcome) for outcome in kind.compute(recipes, loaded or kind.load(recipes))]
    except InputError:
        raise
    except outages:
        raise
    except Exception as error:
        if len(recipes) == 1:
            log.warning("a %s fails", kind.name, exc_info=True)
            return [ComputationFailure(_one_line(error))]
    found: list[Outcome] = []
    for place, recipe in enumerate(recipes):
        before_one_alone(place)
        found += outcomes(kind, [recipe], None, outages=outages, limit=limit)
    return found


def _checked(outcome: Outcome) -> Outcome:
    if isinstance(outcome, ComputationResult):
        try:
            canonical(outcome.value)
        except ValueError:
            return ComputationFailure("its values are not finite")
    return outcome


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, ValueError | TooSlow) and text else f"{type(error).__name__}: {text}"

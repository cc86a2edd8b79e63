"""The kinds of artifacts; each is one file in this folder.

A kind turns recipes into results, several at a time.  Its `version` is part of each recipe: when it rises, only the
artifacts of this kind are made anew.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol


class File(NamedTuple):
    content: bytes
    suffix: str


@dataclass(frozen=True)
class Result:
    """What a computation gives: a small JSON value, and files by what they are, where there are any."""

    value: dict[str, Any]
    files: Mapping[str, File] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """Why one recipe of several gives no result: one line, without the image's name."""

    reason: str


class Kind(Protocol):
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

    def get_ready(self, recipe: dict[str, Any]) -> None:
        """Import and load what every recipe of such a batch needs, before its time begins to count."""

    def load(self, recipes: Sequence[dict[str, Any]]) -> list[Any]:
        """Begin to read what each recipe needs, in threads, while the batch before is computed."""

    def compute(self, recipes: Sequence[dict[str, Any]], loaded: Sequence[Any]) -> Iterator[Result | Failure]:
        """One outcome for each recipe, in order.  All recipes of one call agree in `together`."""

    def together(self, recipe: dict[str, Any]) -> str:
        """What recipes must have in common to be computed at once: the classifier, for instance."""


def get(name: str) -> Kind:
    return importlib.import_module(f"{__name__}.{name}").kind

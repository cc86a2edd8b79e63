"""The kinds of artifacts; each is one file in this folder.

A kind turns recipes into results, several at a time.  Its `version` is part of each recipe: when it rises, only the
artifacts of this kind are made anew.
"""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True)
class Result:
    """What a computation gives: a small JSON value, and bytes for a file where there are any."""

    value: dict[str, Any]
    content: bytes = b""
    suffix: str = ""


@dataclass(frozen=True)
class Failure:
    """Why one recipe of several gives no result: one line, without the image's name."""

    reason: str


class Kind(Protocol):
    name: ClassVar[str]
    version: ClassVar[int]
    #: How many recipes are computed before the results are written down.
    chunk: ClassVar[int]

    def compute(self, recipes: Sequence[dict[str, Any]]) -> Iterator[Result | Failure]:
        """One outcome for each recipe, in order."""


def get(name: str) -> Kind:
    return importlib.import_module(f"{__name__}.{name}").kind

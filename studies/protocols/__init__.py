"""The kinds of study.  Each is one file in this folder and one template; nothing outside them knows their names.

A protocol is found the way Django finds management commands: by being here.  It turns values into values and touches
no model, task or view (the import contracts in pyproject.toml hold it to that).
"""

import importlib
import pkgutil
from functools import cache

from .base import Arms, Catalogue, Choice, DesignError, DesignForm, Protocol, StimulusSpec
from .expected import Expected, Known
from .explained import AsInPaper
from .registered import Registered
from .results import Figure, Gallery, Summary, Table

__all__ = [
    "Arms",
    "AsInPaper",
    "Catalogue",
    "Choice",
    "DesignError",
    "DesignForm",
    "Expected",
    "Figure",
    "Gallery",
    "Known",
    "Protocol",
    "Registered",
    "StimulusSpec",
    "Summary",
    "Table",
    "available",
    "get",
]


@cache
def available() -> dict[str, Protocol]:
    """Every protocol by its key, in alphabetical order."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name == "base":
            continue
        sibling = importlib.import_module(f"{__name__}.{module.name}")
        for thing in vars(sibling).values():
            if isinstance(thing, type) and issubclass(thing, Protocol) and thing.__module__ == sibling.__name__:
                found[thing.key] = thing()
    return dict(sorted(found.items()))


def get(key: str) -> Protocol:
    """The protocol called `key`; DesignError, naming those there are, for any other."""
    try:
        return available()[key]
    except KeyError:
        raise DesignError([f"there is no protocol {key!r}; there are: {', '.join(available())}"]) from None

"""The kinds of study.  Each is one file in this folder and one template; nothing outside them knows their names.

A protocol is found the way Django's admin finds `admin.py`: by being here, or in `protocols` of any other installed
app, which brings its templates, static files and translations with it.  It turns values into values and touches no
model, task or view (the import contracts in pyproject.toml hold ours to that).
"""

from functools import cache

from studies.lib import plugins

from .base.answer_parts import AnswerPart, PartError
from .base.field_help import PublishedDesign
from .base.preregistration import Preregistration
from .base.protocol import (
    Arms,
    Catalogue,
    Choice,
    DesignError,
    DesignForm,
    Phase,
    Protocol,
    StimulusSpec,
    block_of,
    classifiers_of,
)
from .base.results import Figure, Gallery, Summary, Table
from .base.sample_size import ImageCounts, SampleSize, Union

__all__ = [
    "AnswerPart",
    "Arms",
    "Catalogue",
    "Choice",
    "DesignError",
    "DesignForm",
    "Figure",
    "Gallery",
    "ImageCounts",
    "PartError",
    "Phase",
    "Preregistration",
    "Protocol",
    "PublishedDesign",
    "SampleSize",
    "StimulusSpec",
    "Summary",
    "Table",
    "Union",
    "available",
    "block_of",
    "classifiers_of",
    "get",
]


@cache
def available() -> dict[str, Protocol]:
    """Every protocol by its key, in alphabetical order; ImproperlyConfigured where two have one key."""
    return dict(sorted(plugins.find("protocols", Protocol).items()))


def get(key: str) -> Protocol:
    """The protocol called `key`; DesignError, naming those there are, for any other."""
    try:
        return available()[key]
    except KeyError:
        raise DesignError([f"there is no protocol {key!r}; there are: {', '.join(available())}"]) from None

"""The parts of an answer beside the decision: what the page asks, what is accepted, what is stored and exported.

Each part is one control of the page's form, which works by keyboard and without a script.  Its value is plain JSON; a
part that may be left out is None then.  Names of parts are names of columns of answers.csv.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

#: What the names of a page's fields begin with.
PREFIX = "part_"
#: How many rows and columns of places there can be on a picture; styles have these.
GRIDS = (4, 8, 16)


class PartError(ValueError):
    """What was sent for a part is not accepted; the message is for the participant."""


@dataclass(frozen=True)
class AnswerPart:
    """What every part has.

    name: of its column and its field.  label: what the page asks, and a screen reader says.  meaning: of its column.
    required: whether it must be answered.
    """

    name: str
    label: Any
    meaning: str
    required: bool = True
    #: Of the column; and what the template draws.
    column: ClassVar[Literal["text", "integer", "number"]] = "text"
    control: ClassVar[str]

    @property
    def field(self) -> str:
        return PREFIX + self.name

    def read(self, sent: Sequence[str]) -> Any:
        """The value of what a form sent for it; None for nothing.  Raises PartError, a line for the participant."""
        given = [one.replace("\x00", "").strip() for one in sent]
        given = [one for one in given if one]
        if not given:
            if self.required:
                raise PartError(_("Please answer this too: %(question)s") % {"question": self.label})
            return None
        value = self.accepted(given)
        if value is None:
            raise PartError(
                _("This answer is not one of those that can be given: %(question)s") % {"question": self.label}
            )
        return value

    def accepted(self, given: list[str]) -> Any:
        """The value of these texts, of which there is one at least; None where it cannot be given."""
        raise NotImplementedError

    def cell(self, value: Any) -> Any:
        """The value as the export has it."""
        return value

    def simulated(self, random: np.random.Generator) -> list[str]:
        """What a simulated participant sends."""
        raise NotImplementedError


@dataclass(frozen=True)
class OneOf(AnswerPart):
    """One of several answers: values with their labels, in the order of the page."""

    options: tuple[tuple[str, Any], ...] = ()
    control = "one_of"

    def accepted(self, given: list[str]) -> str | None:
        return given[0] if len(given) == 1 and given[0] in dict(self.options) else None

    def simulated(self, random: np.random.Generator) -> list[str]:
        return [str(random.choice([value for value, _label in self.options]))]


@dataclass(frozen=True)
class SomeOf(OneOf):
    """Any number of several answers, to be ticked; stored in the order of the page."""

    control = "some_of"

    def accepted(self, given: list[str]) -> list[str] | None:  # type: ignore[override]
        values = [value for value, _label in self.options]
        return [value for value in values if value in given] if set(given) <= set(values) else None

    def cell(self, value: Any) -> Any:
        return None if value is None else "; ".join(value)

    def simulated(self, random: np.random.Generator) -> list[str]:
        values = [value for value, _label in self.options]
        return [value for value in values if random.random() < 0.5] or values[:1]


@dataclass(frozen=True)
class Rating(AnswerPart):
    """A whole number from `low` to `high`, each a place on a scale whose ends have words."""

    low: int = 1
    high: int = 5
    ends: tuple[Any, Any] = ("", "")
    column = "integer"
    control = "rating"

    @property
    def steps(self) -> list[int]:
        return list(range(self.low, self.high + 1))

    def accepted(self, given: list[str]) -> int | None:
        return next((step for step in self.steps if [str(step)] == given), None)

    def simulated(self, random: np.random.Generator) -> list[str]:
        return [str(random.choice(self.steps))]


@dataclass(frozen=True)
class Number(AnswerPart):
    """A number from `low` to `high`, in steps."""

    low: float = 0
    high: float = 100
    step: float = 1
    column = "number"
    control = "number"

    def accepted(self, given: list[str]) -> float | None:
        try:
            value = float(given[0].replace(",", "."))
        except ValueError:
            return None
        inside = len(given) == 1 and math.isfinite(value) and self.low <= value <= self.high
        steps = (value - self.low) / self.step
        return value if inside and abs(steps - round(steps)) < 1e-6 else None

    def simulated(self, random: np.random.Generator) -> list[str]:
        return [f"{self.low + self.step * int(random.integers(int((self.high - self.low) / self.step) + 1)):g}"]


@dataclass(frozen=True)
class Text(AnswerPart):
    """A line of text."""

    longest: int = 200
    control = "text"

    def accepted(self, given: list[str]) -> str | None:
        line = " ".join(given[0].split())
        return line if len(given) == 1 and len(line) <= self.longest else None

    def simulated(self, random: np.random.Generator) -> list[str]:
        return ["" if not self.required else "simulated"]


@dataclass(frozen=True)
class Point(AnswerPart):
    """A place on a picture, by a grid of `cells` × `cells` places: the middle of one of them.

    picture: what is shown beneath the grid, as `shown` has pictures.  Stored as [x, y], shares of its width and height.
    """

    picture: Mapping[str, Any] | None = None
    cells: int = 8
    control = "point"

    def __post_init__(self) -> None:
        if self.cells not in GRIDS:
            raise ValueError(f"a grid of places has {', '.join(map(str, GRIDS))} rows, not {self.cells}")

    @property
    def places(self) -> list[tuple[str, int, int]]:
        """The values of the grid in reading order, each with its row and column from 1."""
        return [(f"{column},{row}", row + 1, column + 1) for row in range(self.cells) for column in range(self.cells)]

    def accepted(self, given: list[str]) -> list[float] | None:
        if len(given) != 1 or given[0] not in {value for value, _row, _column in self.places}:
            return None
        return [(int(place) + 0.5) / self.cells for place in given[0].split(",")]

    def cell(self, value: Any) -> Any:
        return None if value is None else f"{value[0]:g}; {value[1]:g}"

    def simulated(self, random: np.random.Generator) -> list[str]:
        return [",".join(str(int(place)) for place in random.integers(self.cells, size=2))]


#: How sure somebody is of the decision; of every protocol, where a design asks for it.
CONFIDENCE = Rating(
    "confidence",
    gettext_lazy("How sure are you?"),
    "How sure they are of the decision, from 1 (not at all) to 5 (completely).",
    ends=(gettext_lazy("not at all"), gettext_lazy("completely")),
)

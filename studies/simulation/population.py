"""What simulated people are like: each of them is drawn from a population."""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from studies.lib.errors import StudyError


@dataclass(frozen=True)
class Spread:
    """How something is spread over people: its mean, and its standard deviation, 0 where all are alike."""

    mean: float
    deviation: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Spread":
        """`MEAN` or `MEAN:DEVIATION`; ValueError for anything else."""
        mean, _colon, deviation = text.partition(":")
        return cls(float(mean), float(deviation or 0))

    def chance(self, random: np.random.Generator) -> float:
        """A chance, from the beta distribution with these moments."""
        if not self.deviation:
            return self.mean
        size = self.mean * (1 - self.mean) / self.deviation**2 - 1
        return float(random.beta(self.mean * size, (1 - self.mean) * size))

    def factor(self, random: np.random.Generator) -> float:
        """A positive factor, from the log-normal distribution with these moments."""
        variance = math.log1p((self.deviation / self.mean) ** 2)
        return float(random.lognormal(math.log(self.mean) - variance / 2, math.sqrt(variance)))

    def check_chance(self, name: str) -> None:
        """StudyError unless chances can be spread like this."""
        inside = 0 <= self.mean <= 1 and math.isfinite(self.deviation) and self.deviation >= 0
        if not inside or (self.deviation and self.deviation**2 >= self.mean * (1 - self.mean)):
            raise StudyError(
                f"the {name} must be a number from 0 to 1, with a standard deviation that it can have, not {self}"
            )

    def check_factor(self, name: str) -> None:
        """StudyError unless factors can be spread like this."""
        if not (0 < self.mean < math.inf and 0 <= self.deviation < math.inf):
            raise StudyError(f"the {name} must be above 0, not {self}")

    def __str__(self) -> str:
        return f"{self.mean:g}" + (f":{self.deviation:g}" if self.deviation else "")


@dataclass(frozen=True)
class Model:
    """What one simulated person is like."""

    #: The chance to know a right answer; None: as the protocol has it.
    skill: float | None
    #: The chance, at each page, to answer at random whatever is shown.
    careless: float
    #: So many times the protocol's seconds.
    pace: float
    #: The chances, at each page, to leave for good; to send its form twice; to load it again first.
    leaving: float
    double: float
    reload: float


@dataclass(frozen=True)
class Population:
    """How people are spread; by default all are attentive, stay, and use their mouse with care."""

    skill: Spread | None = None
    careless: Spread = Spread(0)
    pace: Spread = Spread(1)
    leaving: Spread = Spread(0)
    double: Spread = Spread(0)
    reload: Spread = Spread(0)

    def check(self) -> None:
        """StudyError with what nobody can be like."""
        for name, spread in self._spreads().items():
            if name == "pace":
                spread.check_factor(name)
            else:
                spread.check_chance(name)

    def draw(self, random: np.random.Generator) -> Model:
        """One person."""
        values: dict[str, Any] = {"skill": None}
        for name, spread in self._spreads().items():
            values[name] = spread.factor(random) if name == "pace" else spread.chance(random)
        return Model(**values)

    def _spreads(self) -> dict[str, Spread]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: spread for name, spread in values.items() if spread is not None}

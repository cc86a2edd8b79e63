"""The analysis that a design fixes before any answer is given; whatever is outside it is exploratory."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

#: Of every test; intervals are of level 1 − ALPHA.
ALPHA = 0.05
CORRECTION = "Holm"
#: True of every study, whatever its protocol.
LATE = "an answer that comes after its place was given to somebody else does not count (late)"


@dataclass(frozen=True)
class Registered:
    """JSON values only.

    Attributes:
        estimand: what is estimated, in one sentence with its numerator and denominator.
        computation: how the headline follows from the export's files, for its program (`reports/recompute.py` has the
            kinds); None where that program cannot follow.
        threshold, unequal_panels: k of n, and what becomes of panels of another size; None where there are no panels.
        exclusions: which answers do not count.
        contrasts: `name`, `weights` by condition, `null` and `scale` of each comparison that is tested.
    """

    estimand: str
    computation: Mapping[str, Any] | None = None
    threshold: int | None = None
    unequal_panels: str | None = None
    exclusions: Sequence[str] = (LATE,)
    contrasts: Sequence[Mapping[str, Any]] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "exclusions": list(self.exclusions),
            "contrasts": [dict(contrast) for contrast in self.contrasts],
            "correction": CORRECTION,
            "alpha": ALPHA,
        }


def contrast(name: str, weights: Mapping[str, float], *, null: float = 0.0, scale: str = "mean") -> dict[str, Any]:
    """A comparison of conditions: their weighted sum against `null`, as means or as log odds."""
    return {"name": name, "weights": dict(weights), "null": null, "scale": scale}

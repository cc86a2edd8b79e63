"""The analysis that a design fixes before any answer is given; whatever is outside it is exploratory."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

#: Of every test; intervals are of level 1 − ALPHA.
ALPHA = 0.05
CORRECTION = "Holm"
#: True of every study, whatever its protocol.
LATE = "an answer that comes after its place was given to another person does not count (late)"


@dataclass(frozen=True)
class Preregistration:
    """JSON values only.

    Attributes:
        estimand: what is estimated, in one sentence with its numerator and denominator.
        about: what a rectified error is about, "this image set" or "new images"; None where there is none.
        computations: how figures of the result follow from the export's files, each for its program
            (`studies/export/recompute.py` has the kinds); none where that program cannot follow.
        threshold, unequal_panels: k of n, and what becomes of panels of another size; None where there are no panels.
        margin: within which a difference counts as none, in shares; None where nothing is tested against one.
        exclusions: which answers do not count.
        contrasts: `name`, `weights` by condition, `null` and `scale` of each comparison that is tested.
    """

    estimand: str
    about: str | None = None
    computations: Sequence[Mapping[str, Any]] = ()
    threshold: int | None = None
    unequal_panels: str | None = None
    margin: float | None = None
    exclusions: Sequence[str] = (LATE,)
    contrasts: Sequence[Mapping[str, Any]] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "computations": [dict(computation) for computation in self.computations],
            "exclusions": list(self.exclusions),
            "contrasts": [dict(contrast) for contrast in self.contrasts],
            "correction": CORRECTION,
            "alpha": ALPHA,
        }


def computed(kind: str, item: str, **how: Any) -> dict[str, Any]:
    """How the export's program computes every measure of a study, JSON values only.

    `kind` is one of `export/recompute.py`, and `item` what answers are about. Further, each empty unless given:
    `facts`, shares that preparing found, as sums of its counts; `copied`, its numbers that are measures as they are;
    `settings`, measures that are settings of the design; `constants`; `nothing`, the measures without an answer;
    `quantities`, by name the path to each measure that `rehearsal_measures` names.
    """
    return {
        "kind": kind,
        "item": item,
        "facts": {},
        "copied": [],
        "settings": {},
        "constants": {},
        "nothing": {},
        "quantities": {},
        **how,
    }


def fact(numerator: str | Sequence[str], denominator: str | Sequence[str], **also: Any) -> dict[str, Any]:
    """A share of the preparation's counts by name; a name that begins with a minus is taken away."""
    above, below = ([names] if isinstance(names, str) else list(names) for names in (numerator, denominator))
    return {"numerator": above, "denominator": below} | ({"also": also} if also else {})


def contrast(name: str, weights: Mapping[str, float], *, null: float = 0.0, scale: str = "mean") -> dict[str, Any]:
    """A comparison of conditions: their weighted sum against `null`, as means, as log odds or as accepted shares."""
    return {"name": name, "weights": dict(weights), "null": null, "scale": scale}

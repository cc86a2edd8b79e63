"""What a rectified error is about: this image set, or new images from the same source.

Both are R = a - b x, with x the accepted share and a, b counts over the whole image set: E (1 - s), or S - f p. They
differ in what another study would have again. On *this image set* a and b are known and the images stay the same; only
other participants would judge them:

    V = b^2 (V_worker + (1 - n / M) V_images)

with n of M images shown; the second part is that of a sample of them. On *new images* everything is drawn again, and
R(1 - R) / (N - 1) is what images contribute, N of them in the set:

    V = R (1 - R) / (N - 1) + b^2 (max(V_worker - V_x, 0) + (1 - n / M) V_item)

Intervals have Wilson's form, the first on x and the second on R itself, and Student's t with W_eff - 1 degrees of
freedom. Taking E as known and the images as drawn, as is often done, is neither.

Where all pivotal answers agree, V_worker is zero, which says nothing; half an answer of either kind is then added to
them, as in a continuity correction, so that the interval is not empty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from .answers import AnswersError
from .intervals import Estimate, student, wilson_form
from .pivotal import AcceptedParts

Estimand = Literal["this image set", "new images"]
ESTIMANDS: tuple[Estimand, ...] = get_args(Estimand)

MEANING: dict[Estimand, str] = {
    "this image set": "the error on these images, by any judges",
    "new images": "the error on new images from the same source, judged by new participants",
}
DERIVED = "(derived for this project; no published reference)"
METHOD: dict[Estimand, str] = {
    "this image set": "participants' part of the two-way pivotal variance, Wilson form on the accepted share, "
    f"Student's t with W_eff - 1 degrees of freedom {DERIVED}",
    "new images": "binomial part of all images and participants' part of the two-way pivotal variance, Wilson form, "
    f"Student's t with W_eff - 1 degrees of freedom {DERIVED}",
}
NOBODY = "no single answer decided about an image, so the variance between participants is zero and says nothing"
FIXED = "the jackknife leaves images out, so it has no form for an image set that stays the same"


@dataclass(frozen=True)
class Line:
    """R = ``start`` - ``slope`` * x.

    Attributes:
        start, slope: E and E, or S and f.
        populations: over how many images each of them is counted.
        pool: M, how many images x could be about; n of them were judged.
    """

    start: float
    slope: float
    populations: tuple[int, int]
    pool: int

    def at(self, share: float) -> float:
        """R at an accepted share; as E (1 - s), so that nothing is left of E where everything is accepted."""
        return self.slope * (1 - share) if self.start == self.slope else self.start - self.slope * share


def check_estimand(estimand: str) -> None:
    """Raise AnswersError unless it is one of ``ESTIMANDS``."""
    if estimand not in ESTIMANDS:
        raise AnswersError(f"{estimand!r} is not an estimand; there are {', '.join(map(repr, ESTIMANDS))}")


def both_estimands(line: Line, share: Estimate, parts: AcceptedParts | None) -> dict[Estimand, dict[str, Any]]:
    """R with its interval under each estimand, JSON-ready; ``parts`` is None where the share has no estimate."""
    return {
        "this image set": _this_set(line, share, parts),
        "new images": _new_images(line, share, parts),
    }


def _this_set(line: Line, share: Estimate, parts: AcceptedParts | None) -> dict[str, Any]:
    found = _empty("this image set", line, share)
    if share.bound is not None:
        found["bound"] = _turned(line, share.bound)
    if share.low is None or share.estimate is None or share.degrees_of_freedom is None or parts is None:
        return found
    x = share.estimate
    variance = (parts.v_worker or parts.v_corrected) + _unseen(line, parts) * parts.v_images
    if variance == 0:
        return found | {"reason": NOBODY}
    low, high = wilson_form(x, x * (1 - x) / variance, student(share.level, share.degrees_of_freedom))
    return found | {
        "low": line.at(high),
        "high": line.at(low),
        "standard_error": line.slope * math.sqrt(variance),
        "jackknife": dict.fromkeys(("standard_error", "low", "high")) | {"reason": FIXED},
    }


def _new_images(line: Line, share: Estimate, parts: AcceptedParts | None) -> dict[str, Any]:
    found = _empty("new images", line, share)
    if share.low is None or share.estimate is None or share.degrees_of_freedom is None or parts is None:
        return found
    rectified, critical = line.at(share.estimate), student(share.level, share.degrees_of_freedom)
    if not 0 < rectified < 1:
        return found | {"reason": "nothing is left of the error, so the variance is zero and says nothing"}

    def bounds(habits: float | None) -> dict[str, Any]:
        if habits is None:
            return dict.fromkeys(("standard_error", "low", "high"))
        variance = _binomial(line, share.estimate or 0.0)
        variance += line.slope**2 * (habits + _unseen(line, parts) * parts.v_item)
        low, high = wilson_form(rectified, rectified * (1 - rectified) / variance, critical)
        return {"standard_error": math.sqrt(variance), "low": low, "high": high}

    beside = bounds(parts.v_habits_by_jackknife)
    reason = None if beside["low"] is not None else (share.jackknife or {}).get("reason")
    return found | bounds(parts.v_habits) | {"jackknife": beside | {"reason": reason}}


def _unseen(line: Line, parts: AcceptedParts) -> float:
    """The share of the images in question that were not judged."""
    return max(1 - parts.units / line.pool, 0.0) if line.pool else 0.0


def _binomial(line: Line, share: float) -> float:
    """What another draw of all images would change; two separate draws where a and b are over other images."""
    first, second = line.populations
    if first == second:
        rectified = line.at(share)
        return rectified * (1 - rectified) / max(first - 1, 1)
    given_back = line.slope * share
    return line.start * (1 - line.start) / max(first - 1, 1) + given_back * (1 - given_back) / max(second - 1, 1)


def _empty(estimand: Estimand, line: Line, share: Estimate) -> dict[str, Any]:
    return {
        "estimand": estimand,
        "meaning": MEANING[estimand],
        "estimate": None if share.estimate is None else line.at(share.estimate),
        "low": None,
        "high": None,
        "standard_error": None,
        "effective_participants": share.effective_participants,
        "degrees_of_freedom": share.degrees_of_freedom,
        "method": METHOD[estimand],
        "level": share.level,
        "jackknife": None,
        "bound": None,
        "reason": share.reason,
    }


def _turned(line: Line, bound: Mapping[str, Any]) -> dict[str, Any]:
    side = "high" if bound["side"] == "low" else "low"
    return {**bound, "side": side, "value": line.at(bound["value"])}

"""Compute the headline of this export again, from its CSV files and its frozen design alone.

    python recompute.py [FOLDER]

Needs NumPy, SciPy and pandas and nothing of Quorum.  Prints what it finds; ends with status 1 when a figure differs
from analysis.json.  Sums are taken in the same order as there, so that on the same libraries they agree to the last
digit; a difference beyond the twelfth digit, which another processor may make, is named and not held against them.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

LEVEL = 0.95
FEWEST_PARTICIPANTS = 10


def recompute(answers: pd.DataFrame, frozen: dict) -> dict:
    """The figures by the names they have in analysis.json; n answers make a panel, k yes of them accept its label."""
    n, k = frozen["design"]["answers_per_stimulus"], frozen["design"]["threshold"]
    counted = answers[answers["counted"] == 1]
    if not len(counted):
        return {"accepted_share": {"estimate": None}, "rectified_error": {"estimate": None}}
    participant, names = pd.factorize(counted["participant"])
    stimulus, _ = pd.factorize(counted["stimulus"])
    said = (counted["answer"] == "yes").to_numpy(dtype=np.int64)
    if pd.Series(stimulus * len(names) + participant).duplicated().any():
        sys.exit("one participant's answer to one stimulus counts twice")
    size = np.bincount(stimulus)
    yes = np.bincount(stimulus[said == 1], minlength=len(size))
    histogram = np.bincount(yes[size == n], minlength=n + 1)
    total = int(histogram.sum())
    curve = [int(histogram[t:].sum()) / total if total else None for t in range(n + 2)]
    whole = size[stimulus] == n
    share = accepted_share(histogram, participant[whole], said[whole], yes[stimulus[whole]], k)
    error = frozen["preparation"]["errors"] / frozen["preparation"]["images"]
    return {
        "answers": len(counted),
        "participants": len(names),
        "stimuli": len(size),
        "yes_share": int(yes.sum()) / len(counted),
        "histogram": histogram.tolist(),
        "threshold_curve": curve,
        "accepted_share": share,
        "rectified_error": rectified(share, error) | {"curve": [None if s is None else error * (1 - s) for s in curve]},
    }


def accepted_share(histogram: np.ndarray, participant: np.ndarray, said: np.ndarray, yes: np.ndarray, k: int) -> dict:
    """The share of panels with at least k yes, and its two-way pivotal interval in Wilson's form.

    For each answer to a complete panel: participant code, answer (0 or 1), and the number of yes in its panel.  An
    answer is pivotal when the other n - 1 answers of its panel hold exactly k - 1 yes.  pi is the share of yes among
    pivotal answers and d = answer - pi for them, else 0; the variance is the largest of its two parts and
    V_item + V_participant - V_answer.
    """
    n, total, accepted = len(histogram) - 1, int(histogram.sum()), int(histogram[k:].sum())
    found = dict.fromkeys(("estimate", "low", "high", "standard_error", "effective_participants", "wilson"))
    found |= {"numerator": accepted, "denominator": total, "wilson": {"low": None, "high": None}}
    if not total:
        return found
    share = accepted / total
    low, high = wilson_form(share, total, float(ndtri(0.5 + LEVEL / 2)))
    each = np.bincount(participant).astype(float)
    effective = float(each.sum()) ** 2 / float(each @ each)
    found |= {"estimate": share, "effective_participants": effective, "wilson": {"low": low, "high": high}}
    if effective < FEWEST_PARTICIPANTS or total < 2 or accepted in (0, total):
        return found
    # The answers to panels of one number of yes, by number and answer: pivotal are the no at k - 1 and the yes at k.
    seen = np.flatnonzero(histogram)
    here = (seen >= k).astype(float)
    mean = float(histogram[seen] @ here) / total
    item = float(histogram[seen] @ (here - mean) ** 2) / (total * (total - 1))
    pivotal_yes, pivotal_no = k * int(histogram[k]), (n - k + 1) * int(histogram[k - 1])
    pi = pivotal_yes / (pivotal_yes + pivotal_no) if pivotal_yes + pivotal_no else 0.0
    influence = np.zeros(2 * (n + 1))
    influence[2 * (k - 1)], influence[2 * k + 1] = -pi / total, (1 - pi) / total
    cell = 2 * yes + said
    by_participant = np.zeros(len(each))
    for pivotal in (2 * (k - 1), 2 * k + 1):
        by_participant += np.bincount(participant[cell == pivotal], minlength=len(each)) * influence[pivotal]
    active = int(np.count_nonzero(each))
    of_people = active / (active - 1) * float(np.sort(by_participant**2).sum())
    cells = np.column_stack([2 * seen, 2 * seen + 1]).ravel()
    answer = float(np.bincount(cell, minlength=2 * (n + 1))[cells].astype(float) @ influence[cells] ** 2)
    variance = max(item + of_people - answer, item, of_people)
    freedom = effective - 1
    low, high = wilson_form(share, share * (1 - share) / variance, float(stdtrit(freedom, 0.5 + LEVEL / 2)))
    return found | {"low": low, "high": high, "standard_error": math.sqrt(variance), "degrees_of_freedom": freedom}


def wilson_form(share: float, n: float, critical: float) -> tuple[float, float]:
    shrink = 1 + critical**2 / n
    centre = (share + critical**2 / (2 * n)) / shrink
    half = critical / shrink * math.sqrt(share * (1 - share) / n + critical**2 / (4 * n**2))
    return (0.0 if share == 0 else max(0.0, centre - half)), (1.0 if share == 1 else min(1.0, centre + half))


def rectified(share: dict, error: float) -> dict:
    """R = E (1 - s): the interval turned over and scaled."""

    def through(value):
        return None if value is None else error * (1 - value)

    return {
        "estimate": through(share["estimate"]),
        "low": through(share["high"]),
        "high": through(share["low"]),
        "standard_error": None if share["standard_error"] is None else error * share["standard_error"],
        "wilson": {"low": through(share["wilson"]["high"]), "high": through(share["wilson"]["low"])},
    }


def compare(found, reported, name: str) -> tuple[int, int]:
    """Print every figure; how many differ, and how many do so in their last digits only."""
    if isinstance(found, dict):
        counts = [
            compare(value, (reported or {}).get(key), f"{name}.{key}".lstrip(".")) for key, value in found.items()
        ]
        return sum(wrong for wrong, _ in counts), sum(rounded for _, rounded in counts)
    same = found == reported
    rounded = not same and close(found, reported)
    wrong = not same and not rounded
    remark = f"  DIFFERS from {reported}" if wrong else f"  in its last digits not {reported}" if rounded else ""
    print(f"{name}: {found}{remark}")
    return int(wrong), int(rounded)


def close(found, reported) -> bool:
    if isinstance(found, list) and isinstance(reported, list) and len(found) == len(reported):
        return all(a == b or close(a, b) for a, b in zip(found, reported, strict=True))
    return isinstance(found, float) and isinstance(reported, float) and math.isclose(found, reported, rel_tol=1e-12)


def main(folder: Path) -> int:
    answers = pd.read_csv(folder / "answers.csv", dtype={"answer": str, "participant": str}, keep_default_na=False)
    frozen = json.loads((folder / "design.json").read_text(encoding="utf-8"))["frozen"]
    reported = json.loads((folder / "analysis.json").read_text(encoding="utf-8"))
    wrong, rounded = compare(recompute(answers, frozen), reported, "")
    if wrong:
        print(f"{wrong} figures differ from analysis.json")
    else:
        print("agrees with analysis.json" + (" up to rounding" if rounded else " to the last digit"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))

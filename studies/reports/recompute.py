"""Compute the headline of this export again, from its CSV and JSON files alone.

    python recompute.py [FOLDER]

Needs NumPy, SciPy and pandas and nothing of Quorum.  Prints what it finds; ends with status 1 when a figure differs
from analysis.json.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit

LEVEL = 0.95
FEWEST_PARTICIPANTS = 10


def panels(answers: pd.DataFrame, n: int) -> pd.DataFrame:
    """The counted answers of complete panels: participant and stimulus as codes from 0, answer 0 or 1."""
    counted = answers[answers["counted"] == 1]
    size = counted.groupby("stimulus")["answer"].transform("size")
    complete = counted[size == n]
    return pd.DataFrame(
        {
            "participant": pd.factorize(complete["participant"], sort=True)[0],
            "stimulus": pd.factorize(complete["stimulus"], sort=True)[0],
            "answer": (complete["answer"] == "yes").to_numpy(dtype=np.int64),
        }
    )


def accepted_share(table: pd.DataFrame, n: int, k: int) -> dict:
    """The share of panels with at least k yes, and its two-way pivotal interval in Wilson's form.

    An answer is pivotal when the other n - 1 answers of its panel hold exactly k - 1 yes.  pi is the share of yes among
    pivotal answers and d = answer - pi for them, else 0; the variance is the larger of its parts and
    V_item + V_participant - V_answer.
    """
    yes = table.groupby("stimulus")["answer"].sum().to_numpy()
    n_panels = len(yes)
    if not n_panels:
        return {"estimate": None, "low": None, "high": None}
    accepted = int((yes >= k).sum())
    share = accepted / n_panels
    answers_each = np.bincount(table["participant"]).astype(float)
    effective = answers_each.sum() ** 2 / (answers_each**2).sum()
    if effective < FEWEST_PARTICIPANTS or n_panels < 2 or accepted in (0, n_panels):
        return {"estimate": share, "low": None, "high": None}
    said = table["answer"].to_numpy()
    pivotal = yes[table["stimulus"]] - said == k - 1
    deviation = np.where(pivotal, said - said[pivotal].mean(), 0.0)
    by_participant = np.bincount(table["participant"], weights=deviation)
    people = len(by_participant)
    item = share * (1 - share) / (n_panels - 1)
    participant = people / (people - 1) * (by_participant**2).sum() / n_panels**2
    answer = (deviation**2).sum() / n_panels**2
    variance = max(item + participant - answer, item, participant)
    critical = stdtrit(effective - 1, 0.5 + LEVEL / 2)
    n_effective = share * (1 - share) / variance
    shrink = 1 + critical**2 / n_effective
    centre = (share + critical**2 / (2 * n_effective)) / shrink
    half = critical * math.sqrt(share * (1 - share) / n_effective + critical**2 / (4 * n_effective**2)) / shrink
    return {"estimate": share, "low": centre - half, "high": centre + half}


def main(folder: Path) -> int:
    answers = pd.read_csv(folder / "answers.csv", dtype={"answer": str, "participant": str}, keep_default_na=False)
    frozen = json.loads((folder / "design.json").read_text(encoding="utf-8"))["frozen"]
    reported = json.loads((folder / "analysis.json").read_text(encoding="utf-8"))
    n, k = frozen["design"]["answers_per_stimulus"], frozen["design"]["threshold"]
    share = accepted_share(panels(answers, n), n, k)
    error = frozen["preparation"]["errors"] / frozen["preparation"]["images"]
    turned = {"estimate": "estimate", "low": "high", "high": "low"}
    rectified = {ours: None if share[s] is None else error * (1 - share[s]) for ours, s in turned.items()}
    wrong = 0
    for name, found in (("accepted_share", share), ("rectified_error", rectified)):
        for part, value in found.items():
            said = reported[name][part]
            same = value == said or (
                value is not None and said is not None and math.isclose(value, said, rel_tol=1e-12)
            )
            wrong += not same
            print(f"{name}.{part}: {value}" + ("" if same else f"  DIFFERS from {said}"))
    print("agrees with analysis.json" if not wrong else f"{wrong} figures differ from analysis.json")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))

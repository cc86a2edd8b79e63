"""Compute the headline of this export again, from its CSV files and its frozen design alone.

    python recompute.py [FOLDER]

Needs NumPy, SciPy and pandas and nothing of Quorum.  Prints what it finds; ends with status 1 when a figure differs
from analysis.json.  Sums are taken in the same order as there, so that on the same libraries they agree to the last
digit; a difference beyond the twelfth digit, which another processor may make, is named and not held against them.

What is computed, and how, is what the design registered before the first answer: design.json, frozen.analysis.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit, ndtri, stdtr, stdtrit

FEWEST_PARTICIPANTS = 10


def recompute(answers: pd.DataFrame, stimuli: pd.DataFrame, frozen: dict) -> dict:
    """The figures by the names they have in analysis.json."""
    plan = frozen["analysis"]
    how, level = plan["computation"], 1 - plan["alpha"]
    counted = answers[answers["counted"] == 1].copy()
    stimuli = stimuli[stimuli["role"] == "main"]
    truths = [json.loads(truth) for truth in stimuli["truth"]]
    counted["item"] = counted["stimulus"]
    if how["item"] != "stimulus":
        item = {number: truth[how["item"]] for number, truth in zip(stimuli["stimulus"], truths, strict=True)}
        counted["item"] = counted["stimulus"].map(item)
    if counted.duplicated(["participant", "stimulus"]).any():
        sys.exit("one participant's answer to one stimulus counts twice")
    if not len(counted):
        return {}
    return KINDS[how["kind"]](counted, stimuli, truths, frozen, plan, how, level)


# --- panels -----------------------------------------------------------------------------------------------------------


def panels(counted, stimuli, truths, frozen, plan, how, level):
    """n answers make a panel, k yes of them accept its label; the rectified error follows from the accepted share."""
    counted["value"] = (counted["answer"] == "yes").astype(float)
    rule = frozen["design"]["answers_per_stimulus"], plan["threshold"], plan["unequal_panels"]
    if "conditions" not in how:
        return panels_of(counted, *rule, how, level)
    found = {}
    for name in how["conditions"]:
        arm = counted[counted["condition"] == name]
        if len(arm):
            one = panels_of(arm, *rule, how, level)
            found[name] = {key: one[key] for key in one if key not in ("stimuli", "threshold_curve")}
    compared = {name: {"estimate": None} for name in how["contrasts"]}
    if len(found) == len(how["conditions"]):
        compared = dict(zip(how["contrasts"], contrasts(counted, plan, level), strict=True))
        for one in compared.values():
            del one["p_holm"]
    return {"conditions": found, **compared}


def panels_of(counted, n, k, rule, how, level):
    participant, _ = pd.factorize(counted["participant"])
    item, _ = pd.factorize(counted["item"])
    said = counted["value"].to_numpy(dtype=np.int64)
    size = np.bincount(item)
    yes = np.bincount(item[said == 1], minlength=len(size))
    taken = np.ones(len(size), dtype=bool) if rule == "proportion" else size == n
    if rule == "top_up" and (size < n).any():
        taken[:] = False
    whole, total = taken[item], int(taken.sum())

    def accepts(threshold):
        # At least k of n, or that share of a panel of another size; in whole numbers.
        return lambda size, yes: yes * n >= threshold * size

    curve = [int(np.sum(accepts(t)(size, yes) & taken)) / total if total else None for t in range(n + 2)]
    share = accepted_share(participant[whole], item[whole], said[whole], size, yes, taken, accepts(k), level)
    through, scale = FORMULAS[how["formula"]](**{name: a / b for name, (a, b) in how["known"].items()})
    return {
        "answers": len(counted),
        "participants": len(np.unique(participant)),
        "stimuli": len(size),
        "yes_share": int(yes.sum()) / len(counted),
        "histogram": np.bincount(yes[size == n], minlength=n + 1).tolist(),
        "threshold_curve": curve,
        "accepted_share": share,
        "rectified_error": rectified(share, through, scale) | {"curve": [through(s) for s in curve]},
    }


def accepted_share(participant, item, said, size, yes, taken, accepts, level) -> dict:
    """The share of accepted panels, and its two-way pivotal interval in Wilson's form.

    Beside an answer stand the others of its panel.  It is pivotal when the panel is accepted with a yes in its place
    and not with a no.  pi is the share of yes among the answers that stand beside as many others, as many of them yes,
    and d = answer - pi for pivotal ones, else 0; the variance is the largest of its two parts and
    V_item + V_participant - V_answer.
    """
    total, accepted = int(taken.sum()), int(np.sum(accepts(size, yes) & taken))
    found = dict.fromkeys(("estimate", "low", "high", "standard_error", "effective_participants"))
    found |= {"wilson": {"low": None, "high": None}}
    if not total:
        return found
    share = accepted / total
    low, high = wilson_form(share, total, float(ndtri(0.5 + level / 2)))
    each = np.bincount(participant).astype(float)
    effective = float(each.sum()) ** 2 / float(each @ each)
    found |= {"estimate": share, "effective_participants": effective, "wilson": {"low": low, "high": high}}
    found |= {"numerator": accepted, "denominator": total}
    if effective < FEWEST_PARTICIPANTS or total < 2 or accepted in (0, total):
        return found
    # Panels by their pattern, size and yes, in ascending order; answers by pattern and answer.
    width = int(size.max()) + 1
    seen, pattern, frequency = np.unique((size * width + yes)[taken], return_inverse=True, return_counts=True)
    sizes, yeses = seen // width, seen % width
    often = dict(zip(zip(sizes.tolist(), yeses.tolist(), strict=True), frequency.tolist(), strict=True))
    here = accepts(sizes, yeses).astype(float)
    mean = float(frequency @ here) / total
    of_items = float(frequency @ (here - mean) ** 2) / (total * (total - 1))

    def share_beside(others):
        saying_yes = np.array([(o + 1) * often.get((s, o + 1), 0) for s, o in zip(sizes.tolist(), others, strict=True)])
        saying_no = np.array([(s - o) * often.get((s, o), 0) for s, o in zip(sizes.tolist(), others, strict=True)])
        both = saying_yes + saying_no
        return np.divide(saying_yes, both, out=np.zeros(len(both)), where=both > 0)

    up, down = accepts(sizes, yeses + 1) - here, here - accepts(sizes, yeses - 1)
    no, one = share_beside(yeses.tolist()), share_beside((yeses - 1).tolist())
    influence = np.column_stack([-up * no, down * (1 - one)]).ravel() / total
    place = np.zeros(len(size), dtype=np.int64)
    place[taken] = pattern
    cell = 2 * place[item] + said
    by_participant = np.zeros(len(each))
    for pivotal in np.flatnonzero(influence):
        by_participant += np.bincount(participant[cell == pivotal], minlength=len(each)) * influence[pivotal]
    active = int(np.count_nonzero(each))
    of_people = active / (active - 1) * sum_of_squares(by_participant)
    of_answers = float(np.bincount(cell, minlength=len(influence)).astype(float) @ influence**2)
    variance = max(of_items + of_people - of_answers, of_items, of_people)
    freedom = effective - 1
    low, high = wilson_form(share, share * (1 - share) / variance, float(stdtrit(freedom, 0.5 + level / 2)))
    return found | {"low": low, "high": high, "standard_error": math.sqrt(variance), "degrees_of_freedom": freedom}


def any_panel(counted, stimuli, truths, frozen, plan, how, level):
    """An item is accepted through any of its panels, and counts when all of them do; with a plain Wilson interval."""
    n, k, rule = frozen["design"]["answers_per_stimulus"], plan["threshold"], plan["unequal_panels"]
    size = counted.groupby("stimulus").size().reindex(stimuli["stimulus"], fill_value=0).to_numpy()
    said_yes = counted[counted["answer"] == "yes"].groupby("stimulus").size()
    yes = said_yes.reindex(stimuli["stimulus"], fill_value=0).to_numpy()
    taken, accepted = {}, {}
    for s, y, truth in zip(size.tolist(), yes.tolist(), truths, strict=True):
        name = truth[how["item"]]
        taken[name] = taken.get(name, True) and (s > 0 if rule == "proportion" else s == n)
        accepted[name] = accepted.get(name, False) or y * n >= k * s > 0
    total = 0 if rule == "top_up" and not all(taken.values()) else sum(taken.values())
    found = sum(accepted[name] for name in taken if taken[name]) if total else 0
    low, high = wilson_form(found / total, total, float(ndtri(0.5 + level / 2))) if total else (None, None)
    share = dict.fromkeys(("low", "high", "standard_error"))
    share |= {"estimate": found / total if total else None, "wilson": {"low": low, "high": high}}
    through, scale = FORMULAS[how["formula"]](**{name: a / b for name, (a, b) in how["known"].items()})
    error = rectified(share, through, scale)
    return {
        "answers": len(counted),
        "accepted_share": {**{key: share[key] for key in ("estimate", "wilson")}, "numerator": found},
        "rectified_error": {key: error[key] for key in ("estimate", "wilson")},
    }


FORMULAS = {
    "E * (1 - s)": lambda E: (lambda s: None if s is None else E * (1 - s), E),
    "S - f * p": lambda S, f: (lambda p: None if p is None else S - f * p, f),
}


def rectified(share: dict, through, scale: float) -> dict:
    """The interval of the share turned over and scaled."""
    return {
        "estimate": through(share["estimate"]),
        "low": through(share["high"]),
        "high": through(share["low"]),
        "standard_error": None if share["standard_error"] is None else scale * share["standard_error"],
        "wilson": {"low": through(share["wilson"]["high"]), "high": through(share["wilson"]["low"])},
    }


def wilson_form(share: float, n: float, critical: float) -> tuple[float, float]:
    shrink = 1 + critical**2 / n
    centre = (share + critical**2 / (2 * n)) / shrink
    half = critical / shrink * math.sqrt(share * (1 - share) / n + critical**2 / (4 * n**2))
    return (0.0 if share == 0 else max(0.0, centre - half)), (1.0 if share == 1 else min(1.0, centre + half))


# --- shares of answers ------------------------------------------------------------------------------------------------


def shares(counted, stimuli, truths, frozen, plan, how, level):
    """Shares of right answers by condition, two-way cluster-robust on the logit scale, and the registered contrasts."""
    right = how["right"]
    if "answer" in right:
        counted["value"] = (counted["answer"] == right["answer"]).astype(float)
    else:
        letters = [right["letters"][truth[right["among"]].index(truth[right["of"]])] for truth in truths]
        expected = dict(zip(stimuli["stimulus"], letters, strict=True))
        counted["value"] = (counted["answer"] == counted["stimulus"].map(expected)).astype(float)
    found = {}
    for name in how["conditions"]:
        arm = counted[counted["condition"] == name]
        if len(arm):
            found[name] = two_way_share(arm, level)
    return {how["under"]: found, "contrasts": contrasts(counted, plan, level)}


def two_way_share(arm, level):
    values, n = arm["value"].to_numpy(), len(arm)
    total = float(values.sum())
    share = total / n
    low, high = wilson_form(share, n, float(ndtri(0.5 + level / 2)))
    found = dict.fromkeys(("low", "high", "standard_error"))
    found |= {"estimate": share, "numerator": int(total), "denominator": n}
    found |= {"naive": {"low": low, "high": high, "standard_error": math.sqrt(share * (1 - share) / n)}}
    if share in (0.0, 1.0):
        return found
    slope = share * (1 - share)
    of_logit = interval(float(logit(share)), arm, (values - share) / (n * slope), None, level)
    if of_logit["low"] is None:
        return found
    return found | {
        "low": float(expit(of_logit["low"])),
        "high": float(expit(of_logit["high"])),
        "standard_error": slope * of_logit["standard_error"],
        "degrees_of_freedom": of_logit["degrees_of_freedom"],
    }


def contrasts(counted, plan, level):
    """Weighted sums over conditions, of means or of log odds; p values adjusted by Holm over those that have one."""
    groups, names = pd.factorize(counted["condition"])
    values = counted["value"].to_numpy()
    counts = np.bincount(groups).astype(float)
    means = np.bincount(groups, values) / counts
    influence = (values - means[groups]) / counts[groups]
    found = []
    for one in plan["contrasts"]:
        if not set(one["weights"]) <= set(names):
            continue
        weights = np.array([float(one["weights"].get(name, 0)) for name in names])
        used, null = weights != 0, one["null"]
        if one["scale"] == "logit":
            null = float(weights.sum()) * float(logit(null)) if used.sum() == 1 else null
            if ((means[used] == 0) | (means[used] == 1)).any():
                found.append({"estimate": None, "p_value": None})
                continue
            slopes = np.where(used, means * (1 - means), 1.0)
            estimate, carried = float(weights[used] @ logit(means[used])), influence * (weights / slopes)[groups]
        else:
            estimate, carried = float(weights @ means), influence * weights[groups]
        part = used[groups]
        found.append(interval(estimate, counted[part], carried[part], null, level))
    for one, p in zip(found, holm([one["p_value"] for one in found]), strict=True):
        one["p_holm"] = p
    return found


def interval(estimate, rows, influence, null, level):
    """Two-way cluster-robust by participant and item (Cameron, Gelbach & Miller 2011)."""
    people, items = (pd.factorize(rows[name])[0] for name in ("participant", "item"))
    cells = pd.factorize(people * (items.max() + 1) + items)[0]
    effective = [float(m.sum()) ** 2 / float(m @ m) for m in (np.bincount(c).astype(float) for c in (people, items))]
    found = dict.fromkeys(("low", "high", "standard_error", "p_value"))
    found["estimate"] = estimate
    if items.max() < 1 or effective[0] < FEWEST_PARTICIPANTS:
        return found
    of_people, of_items, of_cells = (one_way(codes, influence) for codes in (people, items, cells))
    error = math.sqrt(max(of_people + of_items - of_cells, min(of_people, of_items)))
    if error == 0:
        return found
    freedom = min(effective) - 1
    half = float(stdtrit(freedom, 0.5 + level / 2)) * error
    t = None if null is None else (estimate - null) / error
    return found | {
        "low": estimate - half,
        "high": estimate + half,
        "standard_error": error,
        "degrees_of_freedom": freedom,
        "p_value": None if t is None else 2 * float(stdtr(freedom, -abs(t))),
    }


def one_way(codes, influence):
    sums = np.bincount(codes, influence)
    return len(sums) / (len(sums) - 1) * sum_of_squares(sums) if len(sums) > 1 else 0.0


def holm(p_values):
    given = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted, so_far = [None] * len(p_values), 0.0
    for rank, (p, place) in enumerate(given):
        so_far = max(so_far, p * (len(given) - rank))
        adjusted[place] = min(so_far, 1.0)
    return adjusted


def sum_of_squares(values: np.ndarray) -> float:
    return float(np.sort(values**2).sum())


KINDS = {"panels": panels, "any_panel": any_panel, "shares": shares}

# --- comparing --------------------------------------------------------------------------------------------------------


def compare(found, reported, name: str) -> tuple[int, int]:
    """Print every figure; how many differ, and how many do so in their last digits only."""
    parts = None
    if isinstance(found, dict):
        parts = [(key, value, (reported or {}).get(key, "nothing")) for key, value in found.items()]
    elif isinstance(found, list) and found and isinstance(found[0], dict):
        others = [*(reported or []), *["nothing"] * len(found)]
        parts = [(place, value, other) for place, (value, other) in enumerate(zip(found, others, strict=False))]
    if parts is not None:
        counts = [compare(one, other, f"{name}.{key}".lstrip(".")) for key, one, other in parts]
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
    text = {"answer": str, "participant": str, "condition": str}
    used = ["stimulus", "condition", "participant", "answer", "counted"]
    answers = pd.read_csv(folder / "answers.csv", usecols=used, dtype=text, keep_default_na=False)
    stimuli = pd.read_csv(folder / "stimuli.csv", usecols=["stimulus", "role", "truth"], keep_default_na=False)
    frozen = json.loads((folder / "design.json").read_text(encoding="utf-8"))["frozen"]
    reported = json.loads((folder / "analysis.json").read_text(encoding="utf-8"))
    if frozen["analysis"]["computation"] is None:
        print("this kind of study registers no computation that this program knows")
        return 0
    wrong, rounded = compare(recompute(answers, stimuli, frozen), reported, "")
    if wrong:
        print(f"{wrong} figures differ from analysis.json")
    else:
        print("agrees with analysis.json" + (" up to rounding" if rounded else " to the last digit"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))

"""Compute every number of this export's analysis.json again, from its tables and its frozen design alone.

    python recompute.py [FOLDER]

Needs NumPy, SciPy and pandas and nothing of Quorum.  Prints every figure and "N of N figures agree"; names the figures
that differ and those it could not check, and ends with status 1 when there are any.  Sums are taken in the same order
as there, so that on the same libraries they agree to the last digit; a difference beyond the twelfth digit, which
another processor may make, is named and not held against them.

What is computed, and how, is what the design registered before the first answer: design.json, frozen.analysis.
Each figure is compared by its place in analysis.json and in flow.json.  Numbers in the headline and in tables/ must be
figures too, in one of the ways they are written; two that were exchanged there are not noticed, so the last line of
"agrees" says what was not checked.  It is one file, so that it can be read and run alone; its parts are marked.
"""

import csv
import hashlib
import json
import math
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr, ndtri, stdtr, stdtrit
from scipy.stats import binom

FEWEST_PARTICIPANTS, FEWEST_ITEMS = 10, 6
ESTIMANDS = ("this image set", "new images")
#: How far from its registered share of the answers a look may come.
LOOK_TOLERANCE = 0.05
#: What warns of answers: gold below this where the design has no rate, clocks so far apart, medians faster than seeing.
GOLD_RATE, CLOCK_SLACK_MS, SEEN_MS, MEDIAN_FROM = 0.7, 1000, 300, 5


#: A text that begins so stands behind an apostrophe in CSV, so that no spreadsheet runs it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def unguarded(table):
    """A table of a CSV file with its texts as they were."""
    guarded = {
        name: [
            text[1:] if isinstance(text, str) and text[:1] == "'" and text.lstrip("'").startswith(FORMULA) else text
            for text in column
        ]
        for name, column in table.items()
        if not pd.api.types.is_numeric_dtype(column) and column.astype(str).str.startswith("'").any()
    }
    return table.assign(**guarded)


class Tables:
    """The exported tables, and what the design fixed."""

    def __init__(self, folder: Path) -> None:
        # Those after answered_at are in the exports of some kinds of study only.
        texts = ("answer", "participant", "condition", "exclusion", "role", "answered_at", "first", "second", "truth")
        text = dict.fromkeys((*texts, "taken_over", "item", "left", "right", "phase", "model_output"), str)
        numbers = dict.fromkeys(("response_ms", "server_ms", "correct"), "")
        empty = {"keep_default_na": False, "na_values": numbers}
        self.answers = unguarded(pd.read_csv(folder / "answers.csv", dtype=text, **empty))
        stimuli = unguarded(pd.read_csv(folder / "stimuli.csv", keep_default_na=False))
        self.every_digest, self.every_stimulus = stimuli["digest"].tolist(), stimuli
        self.stimuli = stimuli[stimuli["role"] == "main"]
        truths = [json.loads(truth) for truth in self.stimuli["truth"]]
        self.truth = dict(zip(self.stimuli["stimulus"].tolist(), truths, strict=True))
        self.people = pd.read_csv(folder / "participants.csv", dtype=str, keep_default_na=False)
        self.looks_at = pd.read_csv(folder / "looks.csv")["counted_answers"].tolist()
        self.looks = len(self.looks_at)
        self.design = json.loads((folder / "design.json").read_text(encoding="utf-8"))
        self.frozen = self.design["frozen"]
        main = self.answers[(self.answers["role"] == "main") & (self.answers["answer"] != "")]
        self.counted = main[main["counted"] == 1].copy()
        self.excluded = main[(main["counted"] == 0) & (main["exclusion"] != "")].copy()
        #: What was registered, each in the way that `KINDS` has for it.
        self.computations = self.frozen["analysis"]["computations"]

    def by_item(self, rows, how):
        """The rows with a column `item`: what a registered computation takes an answer to be about."""
        item = rows["stimulus"]
        if (name := how.get("item", "stimulus")) != "stimulus":
            item = [self.truth[number][name] for number in rows["stimulus"].tolist()]
        return rows.assign(item=item)


def recompute(tables: Tables, state: str = "closed") -> dict:
    """The figures by the names they have in analysis.json."""
    found = common(tables, state)
    if not tables.computations:
        return found
    if tables.counted.duplicated(["participant", "stimulus"]).any():
        sys.exit("one participant's answer to one stimulus counts twice")
    design = dict(tables.frozen["design"])
    found |= measures(tables, design, tables.counted)
    if len(tables.counted):
        found |= sensitivity(tables, design, found)
        found |= flagged(tables, design)
        for how in tables.computations:
            found |= window(tables, how)
    found["exploratory"] = []
    for amendment in tables.design["amendments"]:
        design |= amendment["changes"]
        if amendment["changes"]:
            one = {"amendment": amendment["number"], "changes": amendment["changes"]}
            found["exploratory"].append(one | measures(tables, design, tables.counted))
    return found


def measures(tables: Tables, design: dict, counted: pd.DataFrame) -> dict:
    """What a protocol's summary measures of the counted answers."""
    found = {}
    for how in tables.computations:
        if how["kind"] not in KINDS:
            sys.exit(f"no kind of computation is called {how['kind']!r}; there are {', '.join(KINDS)}")
        one = computed(tables, design, counted, how)
        if twice := sorted(set(one) & set(found)):
            sys.exit(f"two registered computations give {twice[0]}")
        found |= one
    return found


def computed(tables: Tables, design: dict, counted: pd.DataFrame, how: dict, preparation=None) -> dict:
    """What one registered computation gives; `preparation`: what preparing counted, where it is of a part."""
    preparation = preparation or tables.frozen["preparation"] or {}
    found = {name: fact(preparation, one) for name, one in how.get("facts", {}).items()}
    found |= {name: preparation[name] for name in how.get("copied", ())}
    found |= {name: design[setting] for name, setting in how.get("settings", {}).items()} | how.get("constants", {})
    if not len(counted):
        return found | how.get("nothing", {})
    level = 1 - tables.frozen["analysis"]["alpha"]
    return found | KINDS[how["kind"]](tables, design, tables.by_item(counted, how), how, level)


def fact(preparation: dict, one: dict) -> dict:
    """A share that preparing found: sums of named counts, each with its sign."""

    def total(names):
        return sum(-preparation[name[1:]] if name.startswith("-") else preparation[name] for name in names)

    above, below = total(one["numerator"]), total(one["denominator"])
    found = {"estimate": above / below if below else None, "numerator": above, "denominator": below}
    return found | {name: total(up) / total(down) for name, (up, down) in one.get("also", {}).items()}


# --- kinds of study ---------------------------------------------------------------------------------------------------


def panels(tables, design, counted, how, level):
    """n answers make a panel, k yes of them accept its label; the rectified error follows from the accepted share."""
    counted = counted.assign(value=(counted["answer"] == "yes").astype(float))
    if "conditions" not in how:
        found = report(counted, design, level)
        found |= rectified_part(counted, design, tables, how, level)
        straight = {"straight_lining_participants": straight_liners(counted)}
        return found | straight | {"dawid_skene": dawid_skene(counted, found["agreement"])}
    found = {"conditions": {}}
    for name in how["conditions"]:
        arm = counted[counted["condition"] == name]
        if len(arm):
            one = report(arm, design, level)
            kept = {key: one[key] for key in ("answers", "participants", "yes_share", "histogram", "agreement")}
            kept |= rectified_part(arm, design, tables, how, level)
            share = {key: value for key, value in kept["accepted_share"].items() if key not in ("threshold", "panels")}
            found["conditions"][name] = kept | {
                "accepted_share": share,
                "dawid_skene": dawid_skene(arm, one["agreement"]),
            }
    if len(found["conditions"]) < len(how["conditions"]):
        found |= how["nothing_compared"]
    else:
        found |= compared(counted, design, how, level)
    truth = [tables.truth[number] for number in counted["stimulus"].tolist()]
    strata = [one[how["strata"]["by"]] for one in truth]
    found["strata"] = stratified(counted, strata, how["strata"]["pair"])
    found["straight_lining_participants"] = straight_liners(counted)
    return found | {"risen": risen(tables, design, counted, how["conditions"])}


def any_panel(tables, design, counted, how, level):
    """An item is accepted through any of its panels, and counts when all of them do."""
    counted = counted.assign(value=(counted["answer"] == "yes").astype(float))
    asked = own_questions(tables, how.get("classifier"))
    units = {n: tables.truth[n][how["item"]] for n in tables.stimuli["stimulus"].tolist() if n in asked}
    judged = Judged(counted, design, units=units)
    labels = report(counted, design, level, clustered=True)
    labels["rectified_error"] = {"level": level}
    share = accepted_share(judged, design["threshold"], level)
    waiting = design["unequal_panels"] == "top_up" and not judged.complete
    if waiting:
        share = NOTHING | {"numerator": 0, "denominator": 0, "level": level, "effective_participants": None}
        share["effective_participants"] = judged.effective
    known = how["known"]
    parts = None if share["low"] is None else judged.parts(design["threshold"])
    error = rectified(share, parts, known, how["formula"], design.get("estimand"), level)
    error |= {"threshold": design["threshold"], "panel": design["answers_per_stimulus"]}
    through = FORMULAS[how["formula"]](**{name: a / b for name, (a, b) in known.items()})[0]
    curve = [None] * (judged.n + 2) if waiting or not judged.units else judged.curve_of_units()
    error["curve"] = [None if s is None else through(s) for s in curve]
    return {"answers": len(counted), "labels": labels, "accepted_share": share, "rectified_error": error}


def shares(tables, design, counted, how, level):
    """Shares of right answers by condition, by the two-way jackknife on the logit scale, and registered contrasts."""
    counted = counted.assign(value=right_answers(tables, counted, how["right"]))
    found = {}
    for name in how["conditions"]:
        arm = counted[counted["condition"] == name]
        if len(arm):
            found[name] = two_way_share(arm, level) | {"items": int(arm["item"].nunique())}
    plan, there = tables.frozen["analysis"], set(found)
    own = how.get("tests", [one["name"] for one in plan["contrasts"]])
    wanted = [one for one in plan["contrasts"] if one["name"] in own and set(one["weights"]) <= there]
    result = {how["under"]: found}
    if wanted:
        result["contrasts"] = contrasts(counted, wanted, level, plan["margin"])
    if "strata" in how:
        names = {one["name"] for one in wanted}
        truth = [tables.truth[number] for number in counted["stimulus"].tolist()]
        result["strata"] = {
            name: stratified(counted, [t[one["by"]] for t in truth], one["pair"])
            for name, one in how["strata"].items()
            if name in names
        }
    return result


def image_shares(tables, design, counted, how, level):
    """Shares of images that show an attribute as panels decide, by attribute and condition; differences of these, and
    shares of answers beside."""
    asked = [tables.truth[number]["attribute"].split("; ") for number in counted["stimulus"].tolist()]
    images, answers, differences = {}, {}, []
    for attribute, column in how["attributes"].items():
        own = counted[[attribute in some for some in asked]]
        own = own[own[column] != ""]
        if not len(own):
            continue
        own = own.assign(value=(own[column] == "yes").astype(float))
        images[attribute], answers[attribute] = {}, {}
        arms = {name: own[own["condition"] == name] for name in how["conditions"]}
        arms = {name: arm for name, arm in arms.items() if len(arm)}
        for name, arm in arms.items():
            judged = Judged(arm, design)
            share = accepted_share(judged, design["threshold"], level)
            counts = {"panel": judged.n, "counted": int(judged.taken.sum())}
            account = counts | {"short": judged.short, "long": judged.long}
            images[attribute][name] = share | {"panels": account, "curve": judged.curve()}
            answers[attribute][name] = two_way_share(arm, level) | {"items": int(arm["item"].nunique())}
        for one in tables.frozen["analysis"]["contrasts"]:
            later, earlier = sorted(one["weights"], key=lambda name: -one["weights"][name])
            if one["attribute"] != attribute or not {later, earlier} <= set(arms):
                continue
            found = pivotal_difference(own, arms[earlier], arms[later], design, level)
            if design.get("margin") is not None:
                found["equivalence"] = within(found, design["margin"] / 100)
            differences.append(found | {name: one[name] for name in ("name", "attribute", "weights")})
    adjusted = holm([one["p_value"] for one in differences])
    family = sum(p is not None for p in adjusted)
    told = [one | {"p_holm": p, "family": family} for one, p in zip(differences, adjusted, strict=True)]
    return {"images": images, "answers": answers, "contrasts": told}


def choices(tables, design, counted, how, level):
    """Shares of right choices by condition, against chance, and contrasts; of all, where the classifier is right and
    wrong, of parts of them that have a name, and of first names."""
    counted = counted.assign(value=right_answers(tables, counted, how["right"]))
    found = sizes(counted) | {"conditions": robust_shares(counted, how["conditions"], how["chance"], level)}
    found["contrasts"] = robust_contrasts(tables, counted, set(found["conditions"]), level)
    if how.get("first"):
        first = counted.assign(value=(counted["answer"] == counted["first"]).astype(float), condition="all")
        found["chose_first"] = robust_share(first, 0.5, level)
    if "by_model" in how:
        truths = [tables.truth[number] for number in counted["stimulus"].tolist()]
        right = np.array([truth[how["by_model"]] for truth in truths], dtype=bool)
        sides = {"right": counted[right], "wrong": counted[~right]}
        found["by_model"] = {name: robust_shares(rows, how["conditions"], None, level) for name, rows in sides.items()}
    if "followed" in how:
        # Wrong decisions of the classifier that are followed, and right ones that are not.
        followed = right_answers(tables, counted, how["followed"])
        over, under = counted.assign(value=followed)[~right], counted.assign(value=1 - followed)[right]
        found["over_reliance"] = robust_shares(over, how["conditions"], None, level)
        found["under_reliance"] = robust_shares(under, how["conditions"], None, level)
    return found


def preference(tables, design, counted, how, level):
    """Mean ratings for the second of two models by condition, turned before they are averaged, and their contrasts."""
    first, second = how["models"]
    counted = counted.assign(given=counted["answer"].map(how["ratings"]).astype(float))
    counted["value"] = np.where(counted["right"] == second, counted["given"], -counted["given"])
    right = {name: one["right"] for name, one in how["accuracy"].items()}
    found = sizes(counted) | {"conditions": {}, "accuracy": how["accuracy"]}
    for name in how["conditions"]:
        arm = counted[counted["condition"] == name]
        if len(arm):
            one = robust_mean(arm, level)
            one["distribution"] = {str(value): int((arm["value"] == value).sum()) for value in how["ratings"].values()}
            shares = ((arm["value"] < 0), (arm["value"] == 0), (arm["value"] > 0))
            one["prefers"] = {side: float(x.mean()) for side, x in zip((first, "neither", second), shares, strict=True)}
            found["conditions"][name] = one
    found["contrasts"] = robust_contrasts(tables, counted, set(found["conditions"]), level)
    better = max(right, key=right.get) if len(set(right.values())) > 1 else None
    found |= {"second": second, "more_accurate": better}
    return found | {"favours_right": robust_mean(counted.assign(value=counted["given"], condition="all"), level)}


def learning(tables, design, counted, how, level):
    """What people learned of a classifier: gain, effect, utility and slope, by the influence of each answer."""
    phases = {number: truth.get("phase") for number, truth in tables.truth.items()}
    output = {number: truth["label"] for number, truth in tables.truth.items()}
    numbers = counted["stimulus"].tolist()
    counted = counted.assign(
        phase=[phases[number] for number in numbers],
        value=(counted["answer"].to_numpy() == np.array([output[n] for n in numbers], dtype=object)).astype(float),
    )
    sizes_by = counted.groupby(["condition", "participant"]).size()
    drop_out = {}
    for arm in how["arms"]:
        own = sizes_by[sizes_by.index.get_level_values("condition") == arm]
        drop_out[arm] = {"participants": len(own), "completed": int((own >= how["trials"]).sum())}
    there = [arm for arm in how["arms"] if (counted["condition"] == arm).any()]
    explained = [arm for arm in there if arm != how["reference"]]
    if how["reference"] not in there or not explained:
        return how["nothing"] | {"drop_out": drop_out}
    each = {arm: learned(counted, how, arm, level) for arm in explained}
    found = sizes(counted) | each[explained[0]] | {"drop_out": drop_out}
    found |= {"reference": how["reference"], "explained": explained[0]}
    seen = set(counted["phase"].astype(str))
    found["sessions"] = [phase for phase in how["sessions"] if phase in seen]
    names = ("effect", "post_difference", "utility", "slope_difference", "holm")
    found["after_training"] = robust_shares(counted[counted["phase"] == how["post"]], how["arms"], None, level)
    found["comparisons"] = {arm: {name: each[arm][name] for name in names} for arm in explained[1:]}
    return found


def learned(counted, how, explained, level):
    arms, phases = (sorted(set(counted[name].astype(str))) for name in ("condition", "phase"))
    pre, post, none = how["pre"], how["post"], how["reference"]
    sessions = [phase for phase in how["sessions"] if phase in phases]
    cell = [f"{arms.index(a)}/{phases.index(p)}" for a, p in zip(counted["condition"], counted["phase"], strict=True)]
    rows = counted.assign(condition=cell)
    known = set(cell)

    def name_of(arm, phase):
        name = f"{arms.index(arm)}/{phases.index(phase)}" if arm in arms and phase in phases else None
        return name if name in known else None

    def cells_of(weights):
        names = {name_of(*where): float(weight) for where, weight in weights.items()}
        return None if None in names or not any(weights.values()) else (Cells(rows, list(names)), names)

    def blank(null):
        names = ("estimate", "low", "high", "standard_error", "statistic", "p_value", "degrees_of_freedom")
        names += ("effective_participants", "effective_items", "naive", "jackknife", "bound")
        return dict.fromkeys(names) | {"null": null, "level": level, "answers": 0}

    def difference(weights):
        if (used := cells_of(weights)) is None:
            return blank(None)
        cells, names = used
        gradient = np.array([names[name] for name in cells.names])
        return robust(cells, gradient, float(gradient @ cells.means), 0.0, level)

    def utility(above, below):
        share = 1 / max(len(above), 1)
        used = cells_of(dict.fromkeys(above, share) | dict.fromkeys(below, -share))
        if used is None or (used[0].means == 0).any():
            return blank(1.0)
        cells, names = used
        weights = np.array([names[name] for name in cells.names])
        on_log = robust(cells, weights / cells.means, float(weights @ np.log(cells.means)), 0.0, level)
        ratio_of = math.exp(on_log["estimate"] or 0.0)

        def back(bounds):
            if bounds["standard_error"] is None or bounds["low"] is None:
                return dict(bounds)
            limits = {end: math.exp(bounds[end]) for end in ("low", "high")}
            return {"standard_error": ratio_of * bounds["standard_error"], **limits}

        here = back({end: on_log[end] for end in ("standard_error", "low", "high")})
        beside = {name: back(on_log[name]) for name in ("naive", "jackknife")}
        return on_log | here | {"estimate": ratio_of, "null": 1.0} | beside

    place = np.arange(len(sessions)) - (len(sessions) - 1) / 2
    slopes = [float(w) for w in place / (place @ place)] if len(sessions) > 1 else [0.0] * len(sessions)
    weighted = list(zip(sessions, slopes, strict=True))
    effect = difference({(explained, post): 1, (explained, pre): -1, (none, post): -1, (none, pre): 1})
    mean = utility([(explained, p) for p in sessions], [(none, p) for p in sessions])
    bent = difference({(explained, p): w for p, w in weighted} | {(none, p): -w for p, w in weighted})
    means = {name: float(rows.loc[rows["condition"] == name, "value"].mean()) for name in known}
    adjusted = holm([one["p_value"] for one in (effect, mean, bent)])
    return {
        "cells": {a: {p: means[n] for p in phases if (n := name_of(a, p))} for a in arms},
        "gain": {arm: difference({(arm, post): 1, (arm, pre): -1}) for arm in arms},
        "effect": effect,
        "post_difference": difference({(explained, post): 1, (none, post): -1}),
        "utility": {
            "by_session": [utility([(explained, p)], [(none, p)]) | {"session": p} for p in sessions],
            "mean": mean,
        },
        "slope": {arm: difference({(arm, p): w for p, w in weighted}) for arm in arms},
        "slope_difference": bent,
        "holm": dict(zip(("effect", "utility", "slope_difference"), adjusted, strict=True)),
    }


def classifiers(tables, design, counted, how, level):
    """Each classifier by the panels about its errors, and every pair of them compared."""
    asked = {name: own_questions(tables, name) for name in how["order"]}
    own = {name: counted[counted["stimulus"].isin(asked[name])] for name in how["order"]}
    found = {"answers": len(counted), "participants": int(counted["participant"].nunique()), "classifiers": {}}
    for name in how["order"]:
        of_one = how["each"][name] | {"classifier": name}
        counts = tables.frozen["preparation"]["by_classifier"][name]
        found["classifiers"][name] = computed(tables, design, own[name], of_one, counts)
    separate, together = sum(map(len, asked.values())), len(set().union(*asked.values()))
    found["questions"] = {"asked": together, "separate": separate, "saved": separate - together}
    found["questions"]["saved_share"] = 1 - together / separate
    either = {(first, second): n for first, second, n in how["either"]}
    results = {name: one["rectified_error"] for name, one in found["classifiers"].items()}
    found["differences"] = paired(tables, design, counted, asked, results, how, either, level)
    return found


def own_questions(tables, name):
    """The numbers of the stimuli that are errors of this classifier; of all where none is named."""
    return {number for number, truth in tables.truth.items() if name is None or truth["classifiers"][name] == "wrong"}


KINDS = {
    "panels": panels,
    "any_panel": any_panel,
    "classifiers": classifiers,
    "shares": shares,
    "image_shares": image_shares,
    "choices": choices,
    "preference": preference,
    "learning": learning,
}


def right_answers(tables, rows, right):
    if "answer" in right:
        return (rows["answer"] == right["answer"]).astype(float)
    if "column" in right:
        return (rows["answer"] == rows[right["column"]]).astype(float)
    if "truth" in right:
        expected = [tables.truth[number][right["truth"]] for number in rows["stimulus"].tolist()]
        return (rows["answer"].to_numpy() == np.array(expected, dtype=object)).astype(float)
    truth = (tables.truth[number] for number in rows["stimulus"].tolist())
    letters = [right["letters"][one[right["among"]].index(one[right["of"]])] for one in truth]
    return (rows["answer"].to_numpy() == np.array(letters, dtype=object)).astype(float)


def sensitivity(tables, design, registered):
    """The main measures before any exclusion and after each, in the order of their names."""
    if not len(tables.excluded):
        return {}
    everything = pd.concat([tables.counted.assign(exclusion=""), tables.excluded], ignore_index=True)
    rules = sorted(set(everything["exclusion"]) - {""})
    flow, steps = [], []
    for place in range(len(rules) + 1):
        left = everything[~everything["exclusion"].isin(rules[:place])]
        remains = {"participants": left["participant"].nunique(), "answers": len(left)}
        remains["stimuli"] = left["stimulus"].nunique()
        before = flow[-1]["remains"] if flow else remains
        rule = rules[place - 1] if place else None
        flow.append(
            {"rule": rule, "excluded": {key: before[key] - remains[key] for key in remains}, "remains": remains}
        )
        if place < len(rules):
            larger = {"unequal_panels": "proportion"} if "unequal_panels" in design else {}
            steps.append(
                remains | {"after": rule, "quantities": quantities(tables, measures(tables, design | larger, left))}
            )
    first = flow[-1]["remains"] | {"after": "registered", "quantities": quantities(tables, registered)}
    return {"sensitivity": {"flow": flow, "steps": [first, *steps]}}


def flagged(tables, design):
    """Participants with signs of a program, and the main measures without them."""
    if not design.get("evidence"):
        return {}
    known = tables.people[(tables.people["evidence"] != "") & (tables.people["simulated"] != "1")]
    flags = {one: json.loads(text) for one, text in zip(known["participant"], known["flags"], strict=True)}
    names = ("automated_browser", "scripted_answers", "hidden_field")
    told = {
        "rule": design.get("flagging", ""),
        "participants": len(flags),
        "flagged": sum(bool(found) for found in flags.values()),
        "signals": {name: sum(name in found for found in flags.values()) for name in names},
    }
    left = tables.counted[~tables.counted["participant"].isin([one for one, found in flags.items() if found])]
    if 0 < len(left) < len(tables.counted):
        larger = {"unequal_panels": "proportion"} if "unequal_panels" in design else {}
        without = quantities(tables, measures(tables, design | larger, left))
        told["without"] = {"answers": len(left), "quantities": without}
    return {"flagged": told}


def quantities(tables, found):
    told = {}
    for name, path in (each for how in tables.computations for each in how.get("quantities", {}).items()):
        one = found
        for key in path:
            if isinstance(one, list):
                one = one[key] if isinstance(key, int) and key < len(one) else None
            else:
                one = one.get(key) if isinstance(one, dict) else None
        if one is not None:
            told[name] = {end: one.get(end) for end in ("estimate", "low", "high", "level")}
    return told


def window(tables, how):
    """Right answers by condition with and without those outside of the window of time."""
    if "window" not in how:
        return {}
    both = pd.concat([tables.counted.assign(exclusion=""), tables.excluded])
    both = both[both["exclusion"].isin(["", *how["window"].values()])]
    both["value"] = right_answers(tables, both, how["right"])
    found = {}
    for name in how["conditions"]:
        arm = both[both["condition"] == name]
        sides = {"before": arm, "after": arm[arm["exclusion"] == ""]}
        found[name] = {
            side: {"answers": len(rows), "right": float(rows["value"].mean()) if len(rows) else None}
            for side, rows in sides.items()
        }
        found[name] |= {key: int((arm["exclusion"] == rule).sum()) for key, rule in how["window"].items()}
    return {"window": found}


# --- panels -----------------------------------------------------------------------------------------------------------


class Judged:
    """Answers in panels, and the units that panels accept: each panel one, or an image with a panel for each label."""

    def __init__(self, counted, design, *, units=None, clustered=False) -> None:
        self.n, self.rule = design["answers_per_stimulus"], design["unequal_panels"]
        names = list(units) if units else pd.unique(counted["item" if not clustered else "stimulus"]).tolist()
        place = {name: at for at, name in enumerate(names)}
        column = "stimulus" if units or clustered else "item"
        panel = np.array([place[name] for name in counted[column].tolist()], dtype=np.int64)
        self.size = np.bincount(panel, minlength=len(names))
        said = counted["value"].to_numpy(dtype=np.int64)
        self.yes = np.bincount(panel[said == 1], minlength=len(names))
        self.taken = self.size > 0 if self.rule == "proportion" else self.size == self.n
        self.complete = bool(self.taken.all())
        self.short = int(np.count_nonzero((self.size > 0) & (self.size < self.n)))
        self.long = int(np.count_nonzero(self.size > self.n))
        self.waiting = self.rule == "top_up" and self.short > 0
        people = pd.factorize(counted["participant"])[0]
        label = pd.factorize(np.array(list(units.values()), dtype=object))[0] if units else np.arange(len(names))
        whole = np.ones(int(label.max()) + 1, dtype=bool)
        whole[label[~self.taken]] = False
        of = self.taken & whole[label]
        kept, first, at = np.unique(label[of], return_index=True, return_inverse=True)
        self.unit = np.full(len(names), -1)
        self.unit[of] = at
        shared = self.unit if units or not clustered else self._items(counted, names)
        self.item = np.unique(shared[of][first], return_inverse=True)[1]
        self.panel_item = shared
        keep = self.unit[panel] >= 0
        self.participant, self.panel, self.said = people[keep], panel[keep], said[keep]
        self.each = np.bincount(self.participant)
        self.effective = effective(self.each)
        self.units = len(kept)

    @staticmethod
    def _items(counted, names):
        of = dict(zip(counted["stimulus"].tolist(), counted["item"].tolist(), strict=True))
        return pd.factorize(np.array([of[name] for name in names], dtype=object))[0]

    def accepts(self, threshold):
        # At least k of n, or that share of a panel of another size; in whole numbers.
        return lambda size, yes: yes * self.n >= threshold * size

    def curve(self):
        """The share accepted at k = 0 ... n + 1."""
        total = int(self.taken.sum())
        if self.waiting or not total:
            return [None] * (self.n + 2)
        counts = (int(np.sum(self.accepts(t)(self.size, self.yes) & self.taken)) for t in range(self.n + 2))
        return [count / total for count in counts]

    def curve_of_units(self):
        """The same, where a unit has several panels and is accepted through any."""
        found = []
        for t in range(self.n + 2):
            ok = self.accepts(t)(self.size, self.yes) & (self.unit >= 0)
            found.append(int(np.count_nonzero(np.bincount(self.unit[ok], minlength=self.units))) / self.units)
        return found

    def parts(self, threshold):
        """The accepted share's pivotal variance in parts, and the jackknife's.

        An answer is pivotal when its unit is accepted with a yes in its place and not with a no.  pi is the share of
        yes among pivotal answers that stand beside as many others, as many of them yes, and d = (answer - pi) / N.  A
        participant's sum is divided by the share of answers that are not theirs.
        """
        n, accepts = self.units, self.accepts(threshold)
        ok = accepts(self.size, self.yes) & (self.unit >= 0)
        through = np.bincount(self.unit[ok], minlength=n)
        accepted = through > 0
        share = float(np.count_nonzero(accepted)) / n
        of_items = np.bincount(self.item)
        summed, items = np.bincount(self.item, accepted) - share * of_items, len(of_items)
        found = {"share": share, "units": n, "items": items, "worker": 0.0, "crossed": 0.0, "corrected": 0.0}
        found["item"] = items / (items - 1) * sum_of_squares(summed) / n**2 if items > 1 else 0.0
        people = int(np.count_nonzero(self.each))
        size, others = self.size[self.panel], self.yes[self.panel] - self.said
        alone = through[self.unit[self.panel]] - accepts(size, others + self.said) == 0
        pivotal = np.flatnonzero(accepts(size, others + 1) & ~accepts(size, others) & alone)
        if people > 1 and len(pivotal):
            said, who = self.said[pivotal], self.participant[pivotal]
            alike = np.unique(size[pivotal] * (int(size.max()) + 1) + others[pivotal], return_inverse=True)[1]
            yes, of = np.bincount(alike, said), np.bincount(alike)

            def deviations(codes, length):
                total = np.zeros(length)
                for pattern, pi in enumerate((yes / of).tolist()):
                    here = alike == pattern
                    summed = np.bincount(codes[here], said[here], minlength=length)
                    total += (summed - pi * np.bincount(codes[here], minlength=length)) / n
                return total

            left = 1 - self.each / self.each.sum()
            scaled = np.divide(deviations(who, len(self.each)), left, out=np.zeros(len(self.each)), where=left > 0)
            cells = who * (int(self.item.max()) + 1) + self.item[self.unit[self.panel[pivotal]]]
            at = np.unique(cells, return_inverse=True)[1]
            smooth = (yes + 0.5) / (of + 1)
            found["worker"] = people / (people - 1) * sum_of_squares(scaled)
            found["crossed"] = sum_of_squares(deviations(at, int(at.max()) + 1))
            found["corrected"] = float(of @ (smooth * (1 - smooth))) / n**2
        found["variance"] = max(found["item"] + found["worker"] - found["crossed"], found["item"], found["worker"])
        found["jackknife"] = None
        if items > 1:
            found["jackknife"] = self._jackknife(accepted, share, summed / (n - of_items), people)
        return found

    def _jackknife(self, accepted, share, without_item, people):
        """Without each participant and all units they sat in, without each item, less what both share."""
        n = self.units
        pairs = np.unique(self.participant * n + self.unit[self.panel])
        person, unit = np.divmod(pairs, n)
        cell = np.unique(person * (int(self.item.max()) + 1) + self.item[unit], return_inverse=True)[1]
        sat, among = np.bincount(person), accepted[unit]
        if people < 2 or sat.max() == n:
            return None
        lost = np.bincount(person, among) - share * sat
        of_people = (people - 1) / people * sum_of_squares(lost / (n - sat))
        of_items = (len(without_item) - 1) / len(without_item) * sum_of_squares(without_item)
        both = sum_of_squares(np.bincount(cell, among) - share * np.bincount(cell)) / n**2
        return max(of_people + of_items - both, of_items)


NOTHING = dict.fromkeys(("estimate", "low", "high", "standard_error", "degrees_of_freedom", "numerator")) | {
    "wilson": {"low": None, "high": None},
    "jackknife": None,
    "bound": None,
}


def accepted_share(judged, threshold, level):
    """The share of accepted units, and its two-way pivotal interval in Wilson's form; the jackknife's beside it."""
    total = judged.units
    found = NOTHING | {"denominator": total, "level": level, "effective_participants": None}
    if judged.waiting:
        return found
    if not total:
        return found | {"numerator": 0}
    parts = judged.parts(threshold)
    share, eff = parts["share"], judged.effective
    accepted = round(share * total)
    found |= {"estimate": share, "numerator": accepted, "effective_participants": eff}
    found["wilson"] = ends(wilson_form(share, total, float(ndtri(0.5 + level / 2))))
    if accepted in (0, total) and total > 1 and eff >= FEWEST_PARTICIPANTS:
        if parts["items"] >= FEWEST_ITEMS:
            found["bound"] = bound(share, min(eff, parts["items"]), level)
        return found
    if eff < FEWEST_PARTICIPANTS or parts["items"] < FEWEST_ITEMS:
        return found
    critical = float(stdtrit(eff - 1, 0.5 + level / 2))

    def by(variance):
        if not variance:
            return {"standard_error": None, "low": None, "high": None}
        limits = ends(wilson_form(share, share * (1 - share) / variance, critical))
        return {"standard_error": math.sqrt(variance), **limits}

    return found | by(parts["variance"]) | {"degrees_of_freedom": eff - 1, "jackknife": by(parts["jackknife"])}


def report(counted, design, level, clustered=False):
    """What panels tell by themselves: counts, thresholds, the accepted share, agreement."""
    judged, k = Judged(counted, design, clustered=clustered), design["threshold"]
    histogram = np.bincount(judged.yes[judged.size == judged.n], minlength=judged.n + 1)
    account = {"panel": judged.n, "counted": int(judged.taken.sum()), "short": judged.short, "long": judged.long}
    return {
        "answers": len(counted),
        "participants": int(counted["participant"].nunique()),
        "stimuli": int(np.count_nonzero(judged.size)),
        "panel": judged.n,
        "histogram": histogram.tolist(),
        "threshold_curve": judged.curve(),
        "yes_share": int(judged.yes.sum()) / len(counted),
        "accepted_share": accepted_share(judged, k, level) | {"threshold": k, "panels": account},
        "agreement": agreement(judged, design["seed"], level),
    }


FORMULAS = {
    "E * (1 - s)": lambda E: (lambda s: E * (1 - s), E),
    "S - f * p": lambda S, f: (lambda p: S - f * p, f),
}


def rectified_part(counted, design, tables, how, level):
    """The rectified error with all it is made of."""
    judged, k = Judged(counted, design), design["threshold"]
    share = accepted_share(judged, k, level)
    parts = None if share["low"] is None else judged.parts(k)
    error = rectified(share, parts, how["known"], how["formula"], design.get("estimand"), level)
    through = FORMULAS[how["formula"]](**{name: a / b for name, (a, b) in how["known"].items()})[0]
    account = {"panel": judged.n, "counted": int(judged.taken.sum()), "short": judged.short, "long": judged.long}
    known = {name: {"estimate": a / b, "numerator": a, "denominator": b} for name, (a, b) in how["known"].items()}
    error |= {"threshold": k, "panel": judged.n, "panels": account, "terms": known | {how["share"]: share}}
    error["curve"] = [None if s is None else through(s) for s in judged.curve()]
    return {"rectified_error": error, "accepted_share": share | {"threshold": k, "panels": account}}


def rectified(share, parts, known, formula, registered, level):
    """R under both estimands: on this image set only participants are drawn again, on new images everything is.

    The slope is what R loses for a whole accepted share; the pool is how many images the share could be about.
    """
    through, slope = FORMULAS[formula](**{name: a / b for name, (a, b) in known.items()})
    first, *others = known.values()
    populations = (first[1], others[0][1] if others else first[1])
    pool, start = (others[0] if others else first)[0], first[0] / first[1]
    bare = {"estimate": None if share["estimate"] is None else through(share["estimate"])}
    bare |= dict.fromkeys(("low", "high", "standard_error", "jackknife", "bound"))
    bare |= {"level": level, **{key: share[key] for key in ("effective_participants", "degrees_of_freedom")}}
    these, new = dict(bare), dict(bare)
    if share["bound"]:
        turned = "high" if share["bound"]["side"] == "low" else "low"
        these["bound"] = share["bound"] | {"side": turned, "value": through(share["bound"]["value"])}
    if parts is not None:
        x, critical = share["estimate"], float(stdtrit(share["degrees_of_freedom"], 0.5 + level / 2))
        unseen = max(1 - parts["units"] / pool, 0.0) if pool else 0.0
        variance = (parts["worker"] or parts["corrected"]) + unseen * max(parts["item"] - parts["crossed"], 0.0)
        if variance:
            low, high = wilson_form(x, x * (1 - x) / variance, critical)
            these |= {"low": through(high), "high": through(low), "standard_error": slope * math.sqrt(variance)}
            these["jackknife"] = dict.fromkeys(("standard_error", "low", "high"))
        r = through(x)
        if 0 < r < 1:
            given = slope * x
            drawn = start * (1 - start) / max(populations[0] - 1, 1) + given * (1 - given) / max(populations[1] - 1, 1)
            if populations[0] == populations[1]:
                drawn = r * (1 - r) / max(populations[0] - 1, 1)

            def by(habits):
                if habits is None:
                    return dict.fromkeys(("standard_error", "low", "high"))
                total = drawn
                total += slope**2 * (habits + unseen * parts["item"])
                limits = ends(wilson_form(r, r * (1 - r) / total, critical))
                return {"standard_error": math.sqrt(total), **limits}

            jackknife = None if parts["jackknife"] is None else max(parts["jackknife"] - parts["item"], 0.0)
            new |= by(max(parts["worker"] - parts["crossed"], 0.0)) | {"jackknife": by(jackknife)}
    both = {name: one | {"estimand": name} for name, one in zip(ESTIMANDS, (these, new), strict=True)}
    low, high = share["wilson"]["high"], share["wilson"]["low"]
    turned = {"low": None if low is None else through(low), "high": None if high is None else through(high)}
    return {**both[registered or ESTIMANDS[0]], "estimands": both, "wilson": turned}


# --- several classifiers ----------------------------------------------------------------------------------------------


class Side:
    """One classifier of a pair: which panels are about its errors, and which of its images count and are accepted."""

    def __init__(self, both, asked, error, threshold):
        self.asked, image = asked, both["image"]
        length = int(image.max()) + 1
        self.shown = np.bincount(image[asked], minlength=length) > 0
        self.counts = self.shown & (np.bincount(image[asked & ~both["taken"]], minlength=length) == 0)
        self.panel = asked & self.counts[image]
        accepted = self.panel & (both["yes"] * both["n"] >= threshold * both["size"])
        self.through = np.bincount(image[accepted], minlength=length)
        self.accepted, n = self.through > 0, int(self.counts.sum())
        self.weight = error / n if n else 0.0
        self.share = int(self.accepted.sum()) / n if n else 0.0


def paired(tables, design, counted, asked, results, how, either, level):
    """R of the later classifier less that of the earlier one, for every pair, under both estimands."""
    numbers = tables.stimuli["stimulus"].tolist()
    place = {number: at for at, number in enumerate(numbers)}
    panel = np.array([place[number] for number in counted["stimulus"].tolist()], dtype=np.int64)
    said = (counted["answer"] == "yes").to_numpy(dtype=np.int64)
    n, rule = design["answers_per_stimulus"], design["unequal_panels"]
    size = np.bincount(panel, minlength=len(numbers))
    both = {
        "n": n,
        "panel": panel,
        "said": said,
        "people": pd.factorize(counted["participant"])[0],
        "size": size,
        "yes": np.bincount(panel[said == 1], minlength=len(numbers)),
        "taken": size > 0 if rule == "proportion" else size == n,
        "image": pd.factorize(np.array([tables.truth[number]["image"] for number in numbers], dtype=object))[0],
    }
    known = {name: one["known"]["E"] for name, one in how["each"].items()}
    k, names = design["threshold"], how["order"]
    sides = {}
    for name in names:
        about = np.array([number in asked[name] for number in numbers])
        sides[name] = Side(both, about, known[name][0] / known[name][1], k)
    found = []
    for at, first in enumerate(names):
        for second in names[at + 1 :]:
            one = {"error_difference": known[second][0] / known[second][1] - known[first][0] / known[first][1]}
            a, b = sides[first].asked, sides[second].asked
            one["questions"] = {
                "shared": int((a & b).sum()),
                "only_first": int((a & ~b).sum()),
                "only_second": int((b & ~a).sum()),
            }
            pair = [sides[first], sides[second]]
            ends_of = [results[name]["estimate"] for name in (first, second)]
            one |= pair_difference(both, pair, ends_of, k, how["images"], either[first, second], level)
            found.append(one)
    for name in ESTIMANDS:
        tested = [one["estimands"][name] for one in found]
        for one, p in zip(tested, holm([one["p_value"] for one in tested]), strict=True):
            one["p_holm"] = p
    return [one | one["estimands"][design.get("estimand") or ESTIMANDS[0]] for one in found]


def pair_difference(both, sides, rectified_errors, k, images, either, level):
    names = ("low", "high", "standard_error", "statistic", "p_value", "degrees_of_freedom", "effective_participants")
    blank = {"estimate": None, "level": level, **dict.fromkeys(names)}
    if None in rectified_errors:
        return {"naive": None, "estimands": {name: dict(blank) for name in ESTIMANDS}}
    difference = rectified_errors[1] - rectified_errors[0]
    one, other = sides
    judged = one.counts | other.counts
    whole = judged & ~((one.shown & ~one.counts) | (other.shown & ~other.counts))
    left = [side.counts & ~side.accepted for side in sides]
    moment = int(((left[0] != left[1]) & whole).sum()) / int(whole.sum()) if whole.any() else 0.0
    drawn = max(moment * either / images - difference**2, 0.0) / max(images - 1, 1)
    residual = other.weight * np.where(other.counts, other.accepted - other.share, 0.0)
    residual -= one.weight * np.where(one.counts, one.accepted - one.share, 0.0)
    n = int(judged.sum())
    item = n / (n - 1) * sum_of_squares(residual) if n > 1 else 0.0
    unseen = max(1 - n / either, 0.0) if either else 0.0
    deciding = one.panel != other.panel
    eff = effective(np.bincount(both["people"][deciding[both["panel"]]]))
    worker, crossed, corrected = by_people(both, sides, k)
    blank |= {"estimate": difference, "effective_participants": eff}
    found = {"naive": None, "estimands": {name: dict(blank) for name in ESTIMANDS}}
    if drawn:
        error = math.sqrt(drawn)
        half = float(ndtri(0.5 + level / 2)) * error
        found["naive"] = {"low": max(-1.0, difference - half), "high": min(1.0, difference + half)}
        found["naive"] |= {"standard_error": error, "p_value": 2 * float(ndtr(-abs(difference) / error))}
    few = len(np.unique(both["image"][deciding])) < FEWEST_ITEMS or eff < FEWEST_PARTICIPANTS
    if not deciding.any() or few:
        return found
    variances = {
        ESTIMANDS[0]: (worker or corrected) + unseen * max(item - crossed, 0.0),
        ESTIMANDS[1]: drawn + max(worker - crossed, 0.0) + unseen * item,
    }
    for name, variance in variances.items():
        if variance:
            error = math.sqrt(variance)
            half = float(stdtrit(eff - 1, 0.5 + level / 2)) * error
            tested = {"low": max(-1.0, difference - half), "high": min(1.0, difference + half)}
            tested |= {"standard_error": error, "statistic": difference / error, "degrees_of_freedom": eff - 1}
            tested["p_value"] = 2 * float(stdtr(eff - 1, -abs(difference) / error))
            found["estimands"][name] |= tested
    return found


def by_people(both, sides, k):
    """Participants' part of the variance of a difference, what they share with images, and that with a correction."""
    here = (sides[0].panel | sides[1].panel)[both["panel"]]
    panel, said, people = (both[name][here] for name in ("panel", "said", "people"))
    size, image, others = both["size"][panel], both["image"][panel], both["yes"][panel] - said

    def accepts(yes):
        return yes * both["n"] >= k * size

    close = accepts(others + 1) & ~accepts(others)
    alone = [side.panel[panel] & (side.through[image] - accepts(others + said) == 0) for side in sides]
    pivotal = [close & each for each in alone]
    each, at = np.bincount(people), np.flatnonzero(pivotal[0] | pivotal[1])
    active = int(np.count_nonzero(each))
    if active < 2 or not len(at):
        return 0.0, 0.0, 0.0
    weights = (-sides[0].weight, sides[1].weight, sides[1].weight - sides[0].weight)
    kind = pivotal[0][at] + 2 * pivotal[1][at] - 1
    alike = np.unique(size[at] * (int(size.max()) + 1) + others[at], return_inverse=True)[1]
    yes, of = np.bincount(alike, said[at]), np.bincount(alike)
    smooth = (yes + 0.5) / (of + 1)
    rows = [
        (pi, weight, np.flatnonzero((alike == pattern) & (kind == which)))
        for pattern, pi in enumerate((yes / of).tolist())
        for which, weight in enumerate(weights)
    ]

    def deviations(codes, length):
        total = np.zeros(length)
        for pi, weight, which in rows:
            answered = np.bincount(codes[which], minlength=length)
            total += weight * (np.bincount(codes[which], said[at][which], minlength=length) - pi * answered)
        return total

    left = 1 - each / each.sum()
    scaled = np.divide(deviations(people[at], len(each)), left, out=np.zeros(len(each)), where=left > 0)
    cell = np.unique(people[at] * (int(image.max()) + 1) + image[at], return_inverse=True)[1]
    often = np.array([len(which) for _, _, which in rows]).reshape(-1, len(weights))
    corrected = float((smooth * (1 - smooth)) @ (often @ np.array(weights) ** 2))
    crossed = sum_of_squares(deviations(cell, int(cell.max()) + 1))
    return active / (active - 1) * sum_of_squares(scaled), crossed, corrected


def patterns_of(judged):
    """Counted panels by their pattern, size and yes, in ascending order; and the pattern of each panel."""
    width = int(judged.size.max()) + 1
    seen, at, often = np.unique(
        (judged.yes + width * judged.size)[judged.taken], return_inverse=True, return_counts=True
    )
    pattern = np.full(len(judged.size), -1)
    pattern[judged.taken] = at
    return seen // width, seen % width, often, pattern


def agreement(judged, seed, level, draws=2000):
    """Raw agreement, kappa, alpha and AC1 with two-way intervals by linearising, and a bootstrap over stimuli."""
    names = ("raw", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1")
    size, yes, often, pattern = patterns_of(judged)
    keep = size >= 2
    place = np.where(keep, np.cumsum(keep) - 1, -1)
    size, yes, often = size[keep], yes[keep], often[keep]
    if len(place):
        pattern = np.where(pattern >= 0, place[pattern], -1)
    rows, stimuli = np.column_stack([size - yes, yes]), int(often.sum())
    blank = {"low": None, "high": None, "standard_error": None}
    boot = {name: blank | {"undefined_draws": 0} for name in names} | {"draws": draws, "seed": seed, "level": level}
    found = dict.fromkeys(names) | {"stimuli": stimuli, "bootstrap": boot, "level": level}
    inside = pattern[judged.panel] >= 0
    # Of all answers to counted panels, whether or not their unit counts.
    each = np.bincount(judged.participant[inside])
    found |= {"effective_participants": effective(each), "intervals": {name: dict(blank) for name in names}}
    if not stimuli:
        return found
    point = statistics_of(rows, often[None, :].astype(np.float64))
    resampled = np.random.default_rng(seed).multinomial(stimuli, often / stimuli, size=draws).astype(np.float64)
    replicates = statistics_of(rows, resampled)
    for name in names:
        if (name != "fleiss_kappa" or len(np.unique(size)) == 1) and np.isfinite(point[name][0]):
            found[name] = float(point[name][0])
            defined = replicates[name][np.isfinite(replicates[name])]
            bounds = dict(blank)
            if len(defined) > 1:
                low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
                bounds = {"low": float(low), "high": float(high), "standard_error": float(defined.std(ddof=1))}
            boot[name] = bounds | {"undefined_draws": draws - len(defined)}
        else:
            boot[name] = blank | {"undefined_draws": 0}
    items = judged.panel_item[pattern >= 0]
    if found["effective_participants"] < FEWEST_PARTICIPANTS or len(np.unique(items)) < FEWEST_ITEMS:
        return found
    cell = 2 * pattern[judged.panel[inside]] + judged.said[inside]
    people = judged.participant[inside]
    critical = float(stdtrit(found["effective_participants"] - 1, 0.5 + level / 2))
    for name, score in linearised(size, yes, often, found).items():
        error = math.sqrt(score_variance(score, size, yes, often, cell, people, each, items, pattern[pattern >= 0]))
        if found[name] is not None and error > 0:
            low, high = max(-1.0, found[name] - critical * error), min(1.0, found[name] + critical * error)
            found["intervals"][name] = {"low": low, "high": high, "standard_error": error}
    return found


def statistics_of(patterns, frequency):
    size = patterns.sum(axis=1)
    pairs = (patterns * (patterns - 1)).sum(axis=1) / (size * (size - 1))
    stimuli = frequency.sum(axis=1)
    raw = frequency @ pairs / stimuli
    used = frequency @ (patterns / size[:, None]) / stimuli[:, None]
    answers, values, alike = frequency @ size, frequency @ patterns, frequency @ (pairs * size)
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = (used**2).sum(axis=1)
        chance_alpha = (values * (values - 1)).sum(axis=1) / (answers * (answers - 1))
        chance_ac1 = (used * (1 - used)).sum(axis=1)
        return {
            "raw": raw,
            "fleiss_kappa": beyond(raw, chance),
            "krippendorff_alpha": beyond(alike / answers, chance_alpha),
            "gwet_ac1": beyond(raw, chance_ac1),
        }


def beyond(observed, chance):
    room = 1 - chance
    return np.where(room > 1e-12, (observed - chance) / np.where(room > 1e-12, room, 1), np.nan)


def linearised(size, yes, often, found):
    """A score of a panel for each coefficient whose mean moves as it does (the delta method)."""
    raw, stimuli = found["raw"], int(often.sum())
    if raw is None:
        return {}
    size_mean = float(often @ size) / stimuli
    by_panel = float(often @ (yes / size)) / stimuli
    by_answer = float(often @ yes) / (stimuli * size_mean)

    def alike(s, y):
        return (y * (y - 1) + (s - y) * (s - y - 1)) / np.maximum(s * (s - 1), 1)

    by_size = float(often @ (size * alike(size, yes))) / (stimuli * size_mean)

    def kappa(agree, p):
        q = 2 * p * (1 - p)
        return 1 / q, (1 - agree) / q**2 * (2 - 4 * p)

    q = 2 * by_panel * (1 - by_panel)
    one, other = 1 / (1 - q), -(1 - raw) / (1 - q) ** 2 * (2 - 4 * by_panel)
    scores = {"raw": lambda s, y: 1.0 * alike(s, y) + 0.0 * (y / s)}
    scores["gwet_ac1"] = lambda s, y: one * alike(s, y) + other * (y / s)
    if 0 < by_panel < 1:
        a, b = kappa(raw, by_panel)
        c, d = kappa(by_size, by_answer)
        scores["fleiss_kappa"] = lambda s, y: a * alike(s, y) + b * (y / s)
        scores["krippendorff_alpha"] = lambda s, y: (
            (c * s * (alike(s, y) - by_size) + d * (y - by_answer * s)) / size_mean
        )
    return scores


def score_variance(score, size, yes, often, cell, people, each, items, pattern):
    """The two-way variance of the mean score of panels: by items, by participants, less by answers."""
    stimuli = int(often.sum())
    here = np.asarray(score(size, yes), dtype=np.float64)
    mean = float(often @ here) / stimuli
    shared = len(np.unique(items))
    spread = float(often @ (here - mean) ** 2)
    if shared < stimuli:
        # Panels of one item, by pattern, in the order of items.
        rows, many = np.unique(np.unique(items, return_inverse=True)[1] * len(size) + pattern, return_counts=True)
        item, of = np.divmod(rows, len(size))
        spread = sum_of_squares(np.bincount(item, many * (here - mean)[of]).astype(np.float64))
    of_items = shared / (shared - 1) * spread / stimuli**2
    known = dict(zip(zip(size.tolist(), yes.tolist(), strict=True), often.tolist(), strict=True))

    def share_beside(others):
        pairs = list(zip(size.tolist(), others.tolist(), strict=True))
        says_yes = np.array([(o + 1) * known.get((s, o + 1), 0) if o >= -1 else 0 for s, o in pairs])
        says_no = np.array([(s - o) * known.get((s, o), 0) if o >= 0 else 0 for s, o in pairs])
        both = says_yes + says_no
        return np.divide(says_yes, both, out=np.zeros(len(both)), where=both > 0)

    up = np.asarray(score(size, yes + 1), dtype=np.float64) - here
    down = here - np.asarray(score(size, yes - 1), dtype=np.float64)
    influence = np.column_stack([-up * share_beside(yes), down * (1 - share_beside(yes - 1))]).ravel() / stimuli
    summed = np.zeros(len(each))
    for one in range(len(influence)):
        counts = np.bincount(people[cell == one], minlength=len(each))
        summed += counts * influence[one]
    left = 1 - each / max(int(each.sum()), 1)
    summed = np.divide(summed, left, out=np.zeros(len(each)), where=left > 0)
    active = int(np.count_nonzero(each))
    of_people = active / (active - 1) * sum_of_squares(summed)
    of_answers = float(np.bincount(cell, minlength=len(influence)).astype(float) @ influence**2)
    return max(of_items + of_people - of_answers, of_items, of_people)


def dawid_skene(counted, found, smoothing=0.01, tolerance=1e-7, most=500):
    """Dawid & Skene's model by EM; withheld where kappa, or alpha, is not beyond chance."""
    codes = pd.factorize(counted["item"])[0]
    total = int(codes.max()) + 1
    blank = dict.fromkeys(("estimate", "numerator", "prevalence", "iterations", "converged"))
    for name in ("fleiss_kappa", "krippendorff_alpha"):
        bounds = found["intervals"][name]
        if bounds["low"] is not None:
            if bounds["low"] <= 0:
                return blank | {"denominator": total}
            break
    people, said = pd.factorize(counted["participant"])[0], counted["value"].to_numpy(dtype=np.int64)
    votes = np.column_stack([np.bincount(codes[said == each], minlength=total) for each in (0, 1)])
    posterior = votes / votes.sum(axis=1, keepdims=True)
    before, converged, width = -np.inf, False, 2 * (int(people.max()) + 1)
    cell = people * 2 + said
    for iteration in range(1, most + 1):  # noqa: B007
        prevalence = posterior.mean(axis=0)
        confusion = np.empty((width // 2, 2, 2))
        for true in (0, 1):
            confusion[:, true] = np.bincount(cell, posterior[codes, true], minlength=width).reshape(-1, 2)
        confusion += smoothing
        confusion /= confusion.sum(axis=2, keepdims=True)
        with np.errstate(divide="ignore"):
            logs, prior = np.maximum(np.log(confusion), -1e300), np.maximum(np.log(prevalence), -1e300)
        said_so = [np.bincount(codes, logs[:, true].reshape(width)[cell], minlength=total) for true in (0, 1)]
        joint = np.column_stack(said_so) + prior
        peak = joint.max(axis=1, keepdims=True)
        scaled = np.exp(joint - peak)
        summed = scaled.sum(axis=1, keepdims=True)
        posterior, likelihood = scaled / summed, float((np.log(summed) + peak).sum())
        if abs(likelihood - before) < tolerance * len(said):
            converged = True
            break
        before = likelihood
    positive = int(np.count_nonzero(posterior[:, 1] > 0.5 + 1e-9))
    found = {"estimate": positive / total, "numerator": positive, "denominator": total}
    return found | {"prevalence": round(float(prevalence[1]), 6), "iterations": iteration, "converged": converged}


def straight_liners(counted, unlikely=1e-3):
    """Participants with a run of one answer, in the order given, that is most unlikely by chance."""
    said = counted["value"].to_numpy(dtype=np.int64)
    shares, found = np.bincount(said) / len(said), 0
    for own in (said[places] for places in counted.groupby("participant").indices.values()):
        starts = np.flatnonzero(np.r_[True, own[1:] != own[:-1]])
        runs = np.diff(np.r_[starts, len(own)])
        longest = int(runs.argmax())
        p = shares[own[starts[longest]]]
        found += min(1.0, (len(own) - runs[longest] + 1) * p ** runs[longest]) < unlikely
    return int(found)


def risen(tables, design, counted, conditions):
    """Images with complete panels in both conditions, those first whose yes answers rose most."""
    n, names = design["answers_per_stimulus"], pd.unique(counted["item"])
    label = {truth["image"]: truth["label"] for truth in tables.truth.values()}
    by = counted.groupby(["condition", "item"])["value"].agg(["size", "sum"])
    rows = []
    for image in names.tolist():
        if all((c, image) in by.index and by.loc[(c, image), "size"] == n for c in conditions):
            yes = {c: int(by.loc[(c, image), "sum"]) for c in conditions}
            rows.append({"image": image, "label": label[image], **yes})
    return sorted(rows, key=lambda row: (row[conditions[0]] - row[conditions[1]], row["image"]))


# --- comparisons ------------------------------------------------------------------------------------------------------


def compared(counted, design, how, level):
    """Two conditions: accepted shares by the pivotal difference, yes shares by the jackknife, McNemar."""
    first, second = (counted[counted["condition"] == name] for name in how["conditions"])
    margin = None if design.get("margin") is None else design["margin"] / 100
    accepted = pivotal_difference(counted, first, second, design, level)
    if margin is not None:
        accepted["equivalence"] = within(accepted, margin)
    yes = Cells(counted, how["conditions"])
    sides = {how["conditions"][0]: -1.0, how["conditions"][1]: 1.0}
    difference = yes.contrast(sides, "mean", 0.0, level)
    odds = yes.contrast(sides, "logit", 0.0, level)
    difference["odds_ratio"] = ratio(odds, 0.0)
    return {"accepted_difference": accepted, "yes_difference": difference, "mcnemar": mcnemar(first, second, design)}


def pivotal_difference(counted, first, second, design, level):
    """Accepted share of the second condition less that of the first, paired by item and by participant."""
    items, people = ({name: at for at, name in enumerate(pd.unique(counted[c]))} for c in ("item", "participant"))
    sides, k = [Arm(rows, items, people, design) for rows in (first, second)], design["threshold"]
    found = dict.fromkeys(("estimate", "low", "high", "standard_error", "statistic", "p_value", "degrees_of_freedom"))
    found |= {"effective_participants": None, "level": level, "threshold": k, "naive": None}
    found["odds_ratio"] = dict.fromkeys(("estimate", "low", "high"))
    for name, side in zip(("first", "second"), sides, strict=True):
        total, accepted = int(side.taken.sum()), int(side.accepted.sum())
        share = {"estimate": accepted / total if total else None, "numerator": accepted, "denominator": total}
        account = {"panel": side.n, "counted": total, "short": side.short, "long": side.long}
        found[name] = share | account
    found["paired_stimuli"] = int(np.count_nonzero(sides[0].taken & sides[1].taken))
    if any(side.waiting for side in sides) or not all(side.taken.any() for side in sides):
        return found
    difference = sides[1].mean - sides[0].mean
    eff = min(side.effective for side in sides)
    found |= {"estimate": difference, "effective_participants": eff}
    if eff < FEWEST_PARTICIPANTS or min(int(side.taken.sum()) for side in sides) < FEWEST_ITEMS:
        return found

    def variances(weights):
        signed = (-weights[0], weights[1])
        of_items, of_people = np.zeros(len(items)), np.zeros(len(people))
        for weight, side in zip(signed, sides, strict=True):
            n, w = int(side.taken.sum()), side.people
            of_items += weight * math.sqrt(n / (n - 1)) * np.where(side.taken, side.accepted - side.mean, 0.0) / n
            of_people += weight * math.sqrt(w / (w - 1)) * side.worker
        crossed = sum(weight**2 * side.crossed for weight, side in zip(weights, sides, strict=True))
        crossed -= 2 * weights[0] * weights[1] * shared(sides)
        item = sum_of_squares(of_items)
        return item, math.sqrt(item + max(sum_of_squares(of_people) - crossed, 0.0))

    item, error = variances((1.0, 1.0))
    if item == 0:
        return found
    critical = float(stdtrit(eff - 1, 0.5 + level / 2))
    half, naive = critical * error, float(stdtrit(math.inf, 0.5 + level / 2)) * math.sqrt(item)
    if all(0 < side.mean < 1 for side in sides):
        _, of_odds = variances([1 / (side.mean * (1 - side.mean)) for side in sides])
        odds = [math.log(side.mean / (1 - side.mean)) for side in sides]
        log = {"estimate": odds[1] - odds[0]}
        log |= {"low": log["estimate"] - critical * of_odds, "high": log["estimate"] + critical * of_odds}
        found["odds_ratio"] = {name: math.exp(value) for name, value in log.items()}
    return found | {
        "low": max(-1.0, difference - half),
        "high": min(1.0, difference + half),
        "standard_error": error,
        "statistic": difference / error,
        "p_value": 2 * float(stdtr(eff - 1, -abs(difference) / error)),
        "degrees_of_freedom": eff - 1,
        "naive": {
            "low": difference - naive,
            "high": difference + naive,
            "standard_error": math.sqrt(item),
            "p_value": 2 * float(ndtr(-abs(difference) / math.sqrt(item))),
        },
    }


class Arm:
    """One condition's panels by items and people of both, with what its pivotal answers carry."""

    def __init__(self, rows, items, people, design) -> None:
        self.n, self.rule, k = design["answers_per_stimulus"], design["unequal_panels"], design["threshold"]
        item = np.array([items[name] for name in rows["item"].tolist()], dtype=np.int64)
        who = np.array([people[name] for name in rows["participant"].tolist()], dtype=np.int64)
        said = rows["value"].to_numpy(dtype=np.int64)
        size = np.bincount(item, minlength=len(items))
        yes = np.bincount(item[said == 1], minlength=len(items))
        self.taken = size > 0 if self.rule == "proportion" else size == self.n
        self.short = int(np.count_nonzero((size > 0) & (size < self.n)))
        self.long = int(np.count_nonzero(size > self.n))
        self.waiting = self.rule == "top_up" and self.short > 0
        self.accepted = self.taken & (yes * self.n >= k * size)
        total = int(self.taken.sum())
        keep = self.taken[item]
        item, who, said = item[keep], who[keep], said[keep]
        each = np.bincount(who, minlength=len(people))
        self.effective, self.people = effective(each), int(np.count_nonzero(each))
        if not total:
            return
        # The mean over patterns, as the share itself would be rounded otherwise.
        width = int(size.max()) + 1
        seen, often = np.unique((yes + width * size)[self.taken], return_counts=True)
        here = (seen % width * self.n >= k * (seen // width)).astype(float)
        self.mean = float(often @ here) / total
        others, of = yes[item] - said, size[item]
        pivotal = ((others + 1) * self.n >= k * of) & ~(others * self.n >= k * of)
        alike = np.unique(of[pivotal] * width + others[pivotal], return_inverse=True)[1]
        counts = np.bincount(alike)
        pi = np.bincount(alike, said[pivotal]) / counts
        worker, crossed = np.zeros(len(people)), 0.0
        # By panel pattern and answer in ascending order, as the sums there are.
        pattern = np.searchsorted(seen, (yes + width * size)[item])
        value = np.zeros(len(item))
        value[pivotal] = (said[pivotal] - pi[alike]) / total
        cells, influence = 2 * pattern + said, np.zeros(2 * len(seen))
        influence[cells[pivotal]] = value[pivotal]
        for one in np.flatnonzero(influence).tolist():
            worker += np.bincount(who[cells == one], minlength=len(people)) * influence[one]
        crossed = float(np.bincount(cells, minlength=len(influence)).astype(float) @ influence**2)
        left = 1 - each / max(int(each.sum()), 1)
        self.worker = np.divide(worker, left, out=np.zeros(len(people)), where=left > 0)
        self.crossed = crossed
        keys = item[pivotal] * len(people) + who[pivotal]
        self.pivotal = dict(zip(keys.tolist(), value[pivotal].tolist(), strict=True))


def shared(sides):
    """Sum of d_1 d_2 over participants who met one item in both conditions."""
    both = sorted(set(sides[0].pivotal) & set(sides[1].pivotal))
    one, other = (np.array([side.pivotal[key] for key in both], dtype=float) for side in sides)
    return float(one @ other)


def mcnemar(first, second, design):
    n, k, rule = design["answers_per_stimulus"], design["threshold"], design["unequal_panels"]
    by = [rows.groupby("item")["value"].agg(["size", "sum"]) for rows in (first, second)]
    by = [one if rule == "proportion" else one[one["size"] == n] for one in by]
    both = by[0].join(by[1], lsuffix="_1", rsuffix="_2", how="inner")
    one, other = (both[f"sum_{at}"] * n >= k * both[f"size_{at}"] for at in (1, 2))
    lost, gained = int((one & ~other).sum()), int((~one & other).sum())
    p = None
    if lost + gained:
        p = float(min(binom.cdf(min(lost, gained), lost + gained, 0.5) * 2, 1.0))
    return {"p_value": p, "only_first": lost, "only_second": gained, "stimuli": len(both)}


def within(found, margin, alpha=0.05):
    """Two one-sided tests of a difference against a margin (Schuirmann 1987)."""
    told = {"margin": margin, "alpha": alpha, "level": 1 - 2 * alpha}
    names = ("low", "high", "p_noninferior", "p_nonsuperior", "p_equivalent", "noninferior", "equivalent")
    estimate, error, freedom = (found[name] for name in ("estimate", "standard_error", "degrees_of_freedom"))
    if estimate is None or not error or freedom is None:
        return told | dict.fromkeys(names)
    half = float(stdtrit(freedom, 0.5 + (1 - 2 * alpha) / 2)) * error
    above, below = ((estimate + margin) / error, (margin - estimate) / error)
    one, other = (float(stdtr(freedom, -t)) for t in (above, below))
    values = (estimate - half, estimate + half, one, other, max(one, other), one < alpha, max(one, other) < alpha)
    return told | dict(zip(names, values, strict=True))


def ratio(log_odds, null):
    return {n: None if log_odds[n] is None else math.exp(log_odds[n] - null) for n in ("estimate", "low", "high")}


def stratified(counted, strata, pair):
    """The second condition of the pair less the first, over all answers and within strata."""
    rows = counted.assign(stratum=strata)
    rows = rows[rows["condition"].isin(pair)]
    if rows["condition"].nunique() < 2:
        return None
    codes, names = pd.factorize(rows["stratum"], sort=True)
    cell = codes * 2 + (rows["condition"] == pair[1]).to_numpy().astype(np.int64)
    shape = (len(names), 2)
    total = np.bincount(cell, minlength=2 * len(names)).reshape(shape)
    summed = np.bincount(cell, rows["value"].to_numpy(), minlength=2 * len(names)).reshape(shape)

    def rates(sums, n):
        first, second = (float(s / m) if m else None for s, m in zip(sums, n, strict=True))
        return {"first": first, "second": second, "difference": None if None in (first, second) else second - first}

    pooled = rates(summed.sum(axis=0), total.sum(axis=0))
    each = [
        {"stratum": str(name), "answers_first": int(n[0]), "answers_second": int(n[1]), **rates(s, n)}
        for name, s, n in zip(names, summed, total, strict=True)
    ]
    both, within_them = total.min(axis=1) > 0, None
    if both.any():
        means = summed[both] / total[both]
        within_them = float(np.average(means[:, 1] - means[:, 0], weights=total[both].sum(axis=1)))
    turned = None if None in (within_them, pooled["difference"]) else within_them * pooled["difference"] < 0
    return {"pooled": pooled, "strata": each, "stratified": within_them, "reversed": turned}


# --- shares of answers ------------------------------------------------------------------------------------------------


class Cells:
    """Means of answers by condition, and both two-way variances of what is computed from them."""

    def __init__(self, rows, names) -> None:
        self.names = sorted(names)
        rows = rows[rows["condition"].isin(self.names)]
        place = {name: at for at, name in enumerate(self.names)}
        self.cell = np.array([place[name] for name in rows["condition"].tolist()], dtype=np.int64)
        self.values = rows["value"].to_numpy()
        self.counts = np.bincount(self.cell).astype(float)
        self.means = np.bincount(self.cell, self.values) / self.counts
        people, items = (pd.factorize(rows[name])[0] for name in ("participant", "item"))
        self.items = int(items.max()) + 1
        self.effective = effective(np.bincount(people)), effective(np.bincount(items))
        self.clusters = [self._summed(codes) for codes in (people, items, people * self.items + items)]

    def _summed(self, codes):
        pairs, at = np.unique(codes * len(self.means) + self.cell, return_inverse=True)
        which, cell = np.divmod(pairs, len(self.means))
        answers = np.bincount(at).astype(float)
        residual = np.bincount(at, self.values) - self.means[cell] * answers
        dense = np.unique(which, return_inverse=True)[1]
        return dense, cell, answers, residual, int(dense.max()) + 1

    def variances(self, gradient):
        """Cluster-robust (Cameron, Gelbach & Miller 2011), and by the jackknife (MacKinnon, Nielsen & Webb)."""
        robust, jackknife = [], []
        for cluster, cell, answers, residual, n in self.clusters:
            by = np.bincount(cluster, gradient[cell] * residual / self.counts[cell], minlength=n)
            robust.append(n / (n - 1) * sum_of_squares(by) if n > 1 else 0.0)
            left = self.counts[cell] - answers
            if n < 2 or (left == 0).any():
                jackknife.append(None)
            else:
                change = np.bincount(cluster, gradient[cell] * residual / left, minlength=n)
                jackknife.append((n - 1) / n * sum_of_squares(change))
        return robust, None if None in jackknife else jackknife

    def interval(self, gradient, estimate, null, level, single):
        """The jackknife's interval and test; the cluster-robust one and the naive one beside it."""
        found = dict.fromkeys(("low", "high", "standard_error", "statistic", "p_value", "degrees_of_freedom"))
        found |= {"estimate": estimate, "null": null, "level": level, "answers": len(self.values)}
        found |= dict(zip(("effective_participants", "effective_items"), self.effective, strict=True))
        found |= {"bound": None, "jackknife": None}
        spread = self.means * (1 - self.means) / self.counts
        naive = math.sqrt(float((gradient**2 * spread).sum()))
        found["naive"] = wald(estimate, naive, math.inf, level)
        found["robust"] = dict.fromkeys(("standard_error", "low", "high"))
        if self.effective[0] < FEWEST_PARTICIPANTS or self.items < FEWEST_ITEMS:
            return found
        robust, jackknife = self.variances(gradient)
        floor, freedom = max if single else min, min(self.effective) - 1
        beside = math.sqrt(max(robust[0] + robust[1] - robust[2], (max if single == "share" else min)(robust[:2])))
        found["robust"] = wald(estimate, beside or None, freedom, level)
        if jackknife is None:
            return found
        error = math.sqrt(max(jackknife[0] + jackknife[1] - jackknife[2], floor(jackknife[:2])))
        if error == 0:
            return found
        t = None if null is None else (estimate - null) / error
        return found | {
            **wald(estimate, error, freedom, level),
            "degrees_of_freedom": freedom,
            "statistic": t,
            "p_value": None if t is None else 2 * float(stdtr(freedom, -abs(t))),
        }

    def contrast(self, weights, scale, null, level):
        gradient = np.array([float(weights[name]) for name in self.names])
        single = "contrast" if len(self.names) == 1 else None
        if scale == "mean":
            return self.interval(gradient, float(gradient @ self.means), null, level, single)
        null = float(gradient.sum()) * float(logit(null)) if single else null
        if ((self.means == 0) | (self.means == 1)).any():
            blank = dict.fromkeys(("estimate", "low", "high", "standard_error", "statistic", "p_value", "robust"))
            blank |= dict.fromkeys(("degrees_of_freedom", "effective_participants", "effective_items", "naive"))
            return blank | {"null": null, "level": level, "answers": 0, "jackknife": None, "bound": None}
        estimate = float(gradient @ logit(self.means))
        return self.interval(gradient / (self.means * (1 - self.means)), estimate, null, level, single)


def two_way_share(arm, level):
    cells = Cells(arm, [arm["condition"].iloc[0]])
    share, n = float(cells.means[0]), len(arm)
    naive = ends(wilson_form(share, n, float(ndtri(0.5 + level / 2))))
    naive["standard_error"] = math.sqrt(share * (1 - share) / n)
    counts = {"numerator": round(share * n), "denominator": n}
    if share in (0.0, 1.0):
        found = dict.fromkeys(("low", "high", "standard_error", "statistic", "p_value", "degrees_of_freedom", "null"))
        found |= dict(zip(("effective_participants", "effective_items"), cells.effective, strict=True))
        enough = cells.effective[0] >= FEWEST_PARTICIPANTS and cells.items >= FEWEST_ITEMS
        found["bound"] = bound(share, min(cells.effective), level) if enough else None
        found |= {"robust": None, "jackknife": None, "estimate": share, "level": level, "answers": n}
        return found | counts | {"naive": naive}
    slope = share * (1 - share)
    found = cells.interval(np.array([1 / slope]), float(logit(share)), None, level, "share")

    def back(bounds):
        if bounds["low"] is None:
            return bounds
        limits = {end: float(expit(bounds[end])) for end in ("low", "high")}
        return limits | {"standard_error": slope * bounds["standard_error"]}

    here = back({name: found[name] for name in ("low", "high", "standard_error")})
    return found | here | counts | {"estimate": share, "naive": naive, "robust": back(found["robust"])}


def contrasts(counted, wanted, level, margin):
    """The registered contrasts with their size on both scales; p values adjusted by Holm over those that have one."""
    found = []
    for one in wanted:
        weights = {name: weight for name, weight in one["weights"].items() if weight}
        cells, null = Cells(counted, list(weights)), one["null"]
        points = cells.contrast(weights, "mean", null, level)
        odds = cells.contrast(weights, "logit", null, level)
        told = dict(points if one["scale"] == "mean" else odds)
        moved = {name: points[name] for name in ("standard_error", "degrees_of_freedom")}
        away = null if len(weights) == 1 else 0.0
        moved |= {n: None if points[n] is None else points[n] - away for n in ("estimate", "low", "high")}
        told |= {
            "name": one["name"],
            "weights": one["weights"],
            "difference": moved,
            "odds_ratio": ratio(odds, odds["null"] or 0.0),
        }
        if margin is not None and len(weights) > 1:
            told["equivalence"] = within(points, margin)
        found.append(told)
    adjusted = holm([one["p_value"] for one in found])
    family = sum(p is not None for p in adjusted)
    return [one | {"p_holm": p, "family": family} for one, p in zip(found, adjusted, strict=True)]


# --- cluster-robust ---------------------------------------------------------------------------------------------------


def sizes(rows):
    """How many answers there are, of whom, to what, about what."""
    names = {"participants": "participant", "stimuli": "stimulus", "items": "item"}
    return {"answers": len(rows)} | {name: int(rows[column].nunique()) for name, column in names.items()}


def robust(cells, gradient, estimate, null, level):
    """The two-way cluster-robust interval and test of an estimate with this gradient; the jackknife's beside it."""
    found = dict.fromkeys(("low", "high", "standard_error", "statistic", "p_value", "degrees_of_freedom"))
    found |= {"estimate": estimate, "null": null, "level": level, "answers": len(cells.values), "bound": None}
    found |= dict(zip(("effective_participants", "effective_items"), cells.effective, strict=True))
    found["naive"] = wald(estimate, independent(cells, gradient), math.inf, level)
    found["jackknife"] = wald(estimate, None, math.inf, level)
    if cells.effective[0] < FEWEST_PARTICIPANTS or cells.items < FEWEST_ITEMS:
        return found
    parts, jackknife = cells.variances(gradient)
    freedom = min(cells.effective) - 1
    if jackknife is not None:
        floor = max if len(cells.means) == 1 else min
        beside = math.sqrt(max(jackknife[0] + jackknife[1] - jackknife[2], floor(jackknife[:2])))
        found["jackknife"] = wald(estimate, beside or None, freedom, level)
    error = math.sqrt(max(parts[0] + parts[1] - parts[2], min(parts[:2])))
    if error == 0:
        return found
    t = None if null is None else (estimate - null) / error
    p = None if t is None else 2 * float(stdtr(freedom, -abs(t)))
    found |= wald(estimate, error, freedom, level)
    return found | {"degrees_of_freedom": freedom, "statistic": t, "p_value": p}


def independent(cells, gradient):
    """The standard error were answers independent."""
    if np.isin(cells.values, (0, 1)).all():
        spread = cells.means * (1 - cells.means) / cells.counts
    elif cells.counts.min() < 2:
        return None
    else:
        squares = np.bincount(cells.cell, (cells.values - cells.means[cells.cell]) ** 2, minlength=len(cells.counts))
        spread = squares / np.maximum(cells.counts - 1, 1) / cells.counts
    return math.sqrt(float((gradient**2 * spread).sum()))


def robust_shares(rows, names, chance, level):
    """The share of ones of each condition that has answers."""
    arms = {name: rows[rows["condition"] == name] for name in names}
    return {name: robust_share(arm, chance, level) for name, arm in arms.items() if len(arm)}


def robust_share(arm, chance, level):
    """The share of ones of one condition, on the logit scale."""
    null = None if chance is None else float(logit(chance))
    cells, n = Cells(arm, [arm["condition"].iloc[0]]), len(arm)
    share = float(cells.means[0])
    naive = ends(wilson_form(share, n, float(ndtri(0.5 + level / 2))))
    naive["standard_error"] = math.sqrt(share * (1 - share) / n)
    counts = {"numerator": int(arm["value"].sum()), "denominator": n}
    if share in (0.0, 1.0):
        found = dict.fromkeys(("low", "high", "standard_error", "statistic", "p_value", "degrees_of_freedom"))
        found |= dict(zip(("effective_participants", "effective_items"), cells.effective, strict=True))
        enough = cells.effective[0] >= FEWEST_PARTICIPANTS and cells.items >= FEWEST_ITEMS
        found["bound"] = bound(share, min(cells.effective), level) if enough else None
        return (
            found
            | counts
            | {"estimate": share, "null": chance, "level": level, "answers": n, "naive": naive, "jackknife": None}
        )
    slope = share * (1 - share)
    found = robust(cells, np.array([1 / slope]), float(logit(share)), null, level)

    def back(bounds):
        if bounds["low"] is None:
            return bounds
        limits = {end: float(expit(bounds[end])) for end in ("low", "high")}
        return limits | {"standard_error": slope * bounds["standard_error"]}

    here = back({name: found[name] for name in ("low", "high", "standard_error")})
    found |= here | counts | {"estimate": share, "null": chance, "naive": naive}
    return found | {"jackknife": back(found["jackknife"])}


def robust_mean(arm, level):
    """The mean of one condition, against 0."""
    cells = Cells(arm, [arm["condition"].iloc[0]])
    return robust(cells, np.ones(1), float(cells.means[0]), 0.0, level)


def robust_contrasts(tables, counted, there, level):
    """The registered contrasts of conditions with answers; on the logit scale with the difference beside."""
    found = []
    for one in tables.frozen["analysis"]["contrasts"]:
        if not set(one["weights"]) <= there:
            continue
        cells = Cells(counted, list(one["weights"]))
        weights = np.array([float(one["weights"][name]) for name in cells.names])
        difference = robust(cells, weights, float(weights @ cells.means), 0.0, level)
        told = difference
        if one["scale"] == "logit":
            if ((cells.means == 0) | (cells.means == 1)).any():
                told = dict.fromkeys(difference) | {"null": 0.0, "level": level, "answers": 0}
            else:
                slopes = weights / (cells.means * (1 - cells.means))
                told = robust(cells, slopes, float(weights @ logit(cells.means)), 0.0, level)
            told = told | {"difference": difference, "odds_ratio": ratio(told, 0.0)}
        found.append(told | {"weights": one["weights"], "name": one["name"]})
    adjusted = holm([one["p_value"] for one in found])
    family = sum(p is not None for p in adjusted)
    return [one | {"p_holm": p, "family": family} for one, p in zip(found, adjusted, strict=True)]


def holm(p_values):
    given = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted, so_far = [None] * len(p_values), 0.0
    for rank, (p, place) in enumerate(given):
        so_far = max(so_far, p * (len(given) - rank))
        adjusted[place] = min(so_far, 1.0)
    return adjusted


def wald(estimate, error, freedom, level):
    if error is None:
        return {"standard_error": None, "low": None, "high": None}
    half = float(stdtrit(freedom, 0.5 + level / 2)) * error
    return {"standard_error": error, "low": estimate - half, "high": estimate + half}


def wilson_form(share: float, n: float, critical: float) -> tuple[float, float]:
    shrink = 1 + critical**2 / n
    centre = (share + critical**2 / (2 * n)) / shrink
    half = critical / shrink * math.sqrt(share * (1 - share) / n + critical**2 / (4 * n**2))
    return (0.0 if share == 0 else max(0.0, centre - half)), (1.0 if share == 1 else min(1.0, centre + half))


def ends(limits):
    return dict(zip(("low", "high"), limits, strict=True))


def bound(share, clusters, level):
    """The exact one-sided bound of a share that was seen as 0 or 1."""
    reach = (1 - level) ** (1 / clusters)
    value = {"side": "low" if share else "high", "value": reach if share else 1 - reach}
    return value | {"level": level, "clusters": clusters}


def effective(counts):
    """(sum m)^2 / sum m^2."""
    counts = counts.astype(np.float64)
    squares = float(counts @ counts)
    return float(counts.sum()) ** 2 / squares if squares else 0.0


def sum_of_squares(values: np.ndarray) -> float:
    squares = values**2
    return float(np.sort(squares[squares > 0]).sum())


# --- what every study tells -------------------------------------------------------------------------------------------

QUANTILES = {"shortest": 0.0, "p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "longest": 1.0}


def common(tables: Tables, state: str) -> dict:
    """Counts, times and hashes."""
    frozen = tables.frozen
    clocks = {"page": "response_ms", "server": "server_ms"}
    return {
        "study": frozen["study"],
        "title": frozen["title"],
        "protocol": frozen["protocol"],
        "design_sha256": digest(frozen),
        "stimuli_sha256": digest(tables.every_digest),
        "consent_sha256": frozen["consent_sha256"],
        "amendments_sha256": amended(tables.design),
        "protocol_version": frozen["protocol_version"],
        "seed": frozen["design"]["seed"],
        "looks": tables.looks,
        "response_times": {name: times(tables.counted[column]) for name, column in clocks.items()},
        "counts": counts(tables, state),
        "quality": quality(tables),
        **interim_looks(tables, state),
        **extension(tables),
        "interim": state != "closed",
    }


def extension(tables: Tables) -> dict:
    """What was taken over from the study that this one extends, and how long before its own first answer."""
    rows = tables.counted
    if "taken_over" not in rows or not len(rows):
        return {}
    old = rows["taken_over"] != ""
    at = pd.to_datetime(rows["answered_at"], utc=True, format="ISO8601")
    between = (at[~old].min() - at[old].max()).total_seconds() if old.any() and (~old).any() else None
    full = rows[old].groupby("stimulus").size() >= tables.frozen["design"]["answers_per_stimulus"]
    found = {"of": rows["taken_over"][old].iloc[0] if old.any() else MISSING, "panels": int(full.sum())}
    found |= {"answers": int(old.sum()), "new_answers": int((~old).sum()), "seconds_between": between}
    return {"extension": found}


def interim_looks(tables: Tables, state: str) -> dict:
    """The looks that were taken beside those that were registered, with the boundary of each."""
    plan, closed = tables.frozen["analysis"].get("looks"), state == "closed"
    if not plan and not tables.looks_at:
        return {}
    now, wanted = len(tables.counted), len(tables.stimuli) * tables.frozen["design"]["answers_per_stimulus"]
    left, told = list(plan["shares"]) if plan else [], []
    for seen in sorted({seen for seen in tables.looks_at if not closed or (seen != now and seen < wanted)}):
        share = seen / wanted
        near = next((one for one in left if abs(one - share) <= LOOK_TOLERANCE), None)
        left = left if near is None else left[left.index(near) + 1 :]
        told.append({"answers": seen, "share": share, "registered": near is not None})
    final = {"answers": now, "share": min(now / wanted, 1.0)}
    if plan:
        rows = [one for one in told if one["registered"] and one["share"] > 0]
        rows += [final] if closed and final["share"] > (rows[-1]["share"] if rows else 0) else []
        alpha = tables.frozen["analysis"]["alpha"]
        for row, found in zip(rows, boundaries([row["share"] for row in rows], plan["spending"], alpha), strict=True):
            row |= found
        if closed and rows and rows[-1] is not final:
            final |= {name: rows[-1][name] for name in ("boundary", "level")}
    found = {"registered": plan["shares"] if plan else [], "looks": told, "final": final if closed else None}
    return {"interim_looks": found | {"unregistered": sum(not one["registered"] for one in told)}}


def boundaries(shares: list, spending: str, alpha: float, nodes: int = 400, farthest: float = 9.0) -> list:
    """Lan and DeMets' boundaries, by integrating over the paths that went on at each look."""
    found, at, before, places, weights = [], 0.0, 0.0, np.zeros(1), np.ones(1)
    grid, measure = np.polynomial.legendre.leggauss(nodes)
    for share in shares:
        spent = alpha * math.log1p((math.e - 1) * share)
        if spending == "obrien_fleming":
            spent = float(4 * ndtr(ndtri(alpha / 4) / math.sqrt(share)))
        scale, root = math.sqrt(share - at), math.sqrt(share)

        def leaving(edge):
            beyond = ndtr((places - edge) / scale) + ndtr((-edge - places) / scale)  # noqa: B023
            return float(weights @ beyond)  # noqa: B023

        edge, spends = farthest * root, spent - before
        reached = spends > leaving(edge)
        if reached:
            edge = float(brentq(lambda one: leaving(one) - spends, 0.0, edge, xtol=1e-13, rtol=1e-14))  # noqa: B023
        boundary = edge / root if reached else None
        found.append({"boundary": boundary, "level": float(2 * ndtr(-boundary)) if reached else 0.0})
        steps = (edge * grid[:, None] - places[None, :]) / scale
        density = np.exp(-0.5 * steps**2) @ weights
        places, weights = edge * grid, measure * edge * density / (scale * math.sqrt(2 * math.pi))
        at, before = share, spent
    return found


def digest(value) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def amended(design: dict):
    """The digest of the last amendment, which is over all of it and the one before; None without any."""
    previous = design["sha256"]
    for one in design["amendments"]:
        told = {name: one[name] for name in ("number", "made_at", "reason", "changes")}
        previous = digest({"previous": previous, **told})
    return previous if design["amendments"] else None


def times(column: pd.Series) -> dict:
    seconds = (column.to_numpy(dtype=np.float32) / 1000).astype(np.float64)
    recorded = seconds[np.isfinite(seconds)]
    found = {"answers": len(seconds), "missing": len(seconds) - len(recorded)}
    found |= dict.fromkeys((*QUANTILES, "mean", "geometric_mean"))
    if len(recorded):
        found |= dict(zip(QUANTILES, np.quantile(recorded, list(QUANTILES.values())).tolist(), strict=True))
        found["mean"] = float(recorded.mean())
        if recorded.min() > 0:
            found["geometric_mean"] = float(np.exp(np.log(recorded).mean()))
    return found


def counts(tables: Tables, state: str) -> dict:
    rows, people, design = tables.answers, tables.people, tables.frozen["design"]
    main = rows[rows["role"] == "main"]
    answered = main[main["answered_at"] != ""]
    panel = design["answers_per_stimulus"]
    filled = main[main["counted"] == 1].groupby("stimulus").size().reindex(tables.stimuli["stimulus"], fill_value=0)
    out = answered[answered["exclusion"] != ""]
    by_rule = {
        rule: {
            "answers": len(own),
            "participants": int(own["participant"].nunique()),
            "stimuli": int(own["stimulus"].nunique()),
        }
        for rule, own in out.groupby("exclusion")
    }
    checks = rows[(rows["role"] != "main") & rows["correct"].notna()]
    ms = answered[answered["counted"] == 1]["response_ms"].dropna().to_numpy().astype(np.int32)
    there = (people["withdrawn"] == "0") & (people["excluded_at"] == "")
    return {
        "stimuli": len(tables.stimuli),
        "panel": panel,
        "wanted_answers": len(tables.stimuli) * panel,
        "counted_answers": int((main["counted"] == 1).sum()),
        "answers": len(answered),
        "shown": len(main),
        "participants": len(people),
        "finished_participants": int((there & (people["finished_at"] != "")).sum()),
        "simulated_participants": int((people["simulated"] == "1").sum()),
        "screened_out_participants": int((there & (people["screened_out_at"] != "")).sum()),
        "excluded_participants": int(((people["withdrawn"] == "0") & (people["excluded_at"] != "")).sum()),
        "withdrawn_participants": int((people["withdrawn"] == "1").sum()),
        "checks": {
            role: {"answers": len(own), "right": int((own["correct"] == 1).sum())}
            for role, own in checks.groupby("role")
        },
        "panels": {
            "full": int((filled >= panel).sum()),
            "partly": int(((filled > 0) & (filled < panel)).sum()),
            "empty": int((filled == 0).sum()),
        },
        "exclusions": {rule: own["answers"] for rule, own in by_rule.items()},
        "excluded_by_rule": by_rule,
        "median_response_ms": float(np.median(ms)) if len(ms) else None,
        "visits": visits(tables, state),
        "state": state,
    }


def quality(tables: Tables) -> dict:
    """What the warnings rest on: gold, the two clocks, answers faster than seeing, and runs of one answer."""
    design, counted = tables.frozen["design"], tables.counted
    gold = tables.answers[(tables.answers["role"] == "gold") & tables.answers["correct"].notna()]
    rate = design.get("gold_rate")
    least = max(SEEN_MS, design.get("min_answer_ms") or 0)
    own = [times.dropna().to_numpy() for _, times in counted.groupby("participant")["response_ms"]]
    medians = [float(np.median(times)) for times in own if len(times) >= MEDIAN_FROM]
    both = counted.dropna(subset=["response_ms"])
    gaps = both["server_ms"].to_numpy(dtype=float) - both["response_ms"].to_numpy(dtype=float)
    return {
        "gold": {
            "answers": len(gold),
            "right": int((gold["correct"] == 1).sum()),
            "least": GOLD_RATE if rate is None else rate,
        },
        "clocks": {
            "answers": len(gaps),
            "page_longer": int((gaps < -CLOCK_SLACK_MS).sum()),
            "median_gap_ms": float(np.median(gaps)) if len(gaps) else None,
        },
        "fast": {"participants": sum(m < least for m in medians), "of": len(medians), "least_ms": least},
        "straight_lining": {
            "participants": straight_liners(counted.assign(value=pd.factorize(counted["answer"], sort=True)[0]))
            if len(counted)
            else 0,
            "of": int(counted["participant"].nunique()),
        },
    }


def visits(tables: Tables, state: str):
    """How many are to come back, where somebody has to; of an open study as of the export."""
    people, settings = tables.people, tables.frozen["design"]
    how = next((one for one in tables.computations if one.get("visits")), None)
    if how is None or settings[how["visits"]["setting"]] != how["visits"]["value"]:
        return None
    between = (people["returns_at"] != "") & (people["finished_at"] == "")
    found = {"returned": int((pd.to_numeric(people["visits"]) > 1).sum())}
    if state == "closed":
        return {"waiting": 0, "due": 0, **found, "lost": int(between.sum())}
    due = pd.to_datetime(people["returns_at"].where(between), utc=True, errors="coerce")
    now, washout = tables.moment, timedelta(days=settings[how["visits"]["washout"]])
    lost = between & (due < now - washout)
    waiting = between & ~lost & (due > now)
    return {
        "waiting": int(waiting.sum()),
        "due": int((between & ~lost & ~waiting).sum()),
        **found,
        "lost": int(lost.sum()),
    }


# --- comparing --------------------------------------------------------------------------------------------------------

#: Numbers that no table of an export can tell.
ELSEWHERE = ("versions",)


class Comparison:
    """Every figure of analysis.json beside what was found: which agree, which differ, which were not checked."""

    def __init__(self) -> None:
        self.agree, self.rounded, self.differ, self.unchecked = 0, [], [], []
        #: Words that follow from no table: methods, notes, titles.
        self.texts = []
        self.lines = []

    def of(self, found, reported, name: str) -> None:
        kinds = [kind for kind in (dict, list) if isinstance(found, kind) or isinstance(reported, kind)]
        if not kinds:
            self._leaf(found, reported, name)
        elif len(kinds) == 2 or not all(one is MISSING or isinstance(one, kinds[0]) for one in (found, reported)):
            self.differs(name, found, reported)
        elif found is MISSING and not reported:
            self._leaf(found, reported, name)
        elif reported is MISSING:
            # A part that was taken out is no fewer claims, but another result.
            self.differs(name, "a part", reported)
        elif kinds == [dict]:
            extra = found if isinstance(found, dict) else {}
            for key in [*reported, *(key for key in extra if key not in reported)]:
                at = f"{name}.{key}".lstrip(".")
                self.of(extra.get(key, MISSING), reported.get(key, MISSING), at)
        else:
            others = found if isinstance(found, list) else []
            if found is not MISSING and len(others) != len(reported):
                self.differs(f"{name} (how many)", len(others), len(reported))
            for place, one in enumerate(reported):
                self.of(others[place] if place < len(others) else MISSING, one, f"{name}.{place}")

    def _not_checked(self, name):
        self.unchecked.append(name)
        self.lines.append(f"{name}: not checked")

    def _leaf(self, found, reported, name):
        if found is MISSING and is_figure(reported):
            self._not_checked(name)
        elif found is MISSING:
            self.texts.append(name)
            self.lines.append(f"{name}: a text, not checked")
        elif found == reported and isinstance(found, bool) == isinstance(reported, bool):
            self.agree += is_figure(found) or isinstance(found, str)
            self.lines.append(f"{name}: {found}")
        elif isinstance(found, float) and isinstance(reported, float) and math.isclose(found, reported, rel_tol=1e-12):
            self.rounded.append(name)
            self.lines.append(f"{name}: {found}  in its last digits not {reported}")
        else:
            self.differs(name, found, reported)

    def differs(self, name, found, reported):
        self.differ.append(name)
        self.lines.append(f"{name}: {found}  DIFFERS from {'nothing' if reported is MISSING else reported}")

    @property
    def figures(self) -> int:
        return self.agree + len(self.rounded) + len(self.differ) + len(self.unchecked)


MISSING = object()


def is_figure(value) -> bool:
    return isinstance(value, int | float | bool)


#: A number as the headline and the tables write it.
WRITTEN = re.compile(r"(?<![\w.])[+−-]?\d[\d,]*(?:\.\d+)?")
#: A share of few, with its count beside it.
COUNTED = re.compile(r"(\d+\.\d\d)% \((\d+) of (\d+)\)")


def texts(folder: Path, reported: dict):
    """The headline, the warnings, and every cell of tables/, with a name for each."""
    yield "headline", reported["headline"]
    for place, warning in enumerate(reported["warnings"]):
        yield f"warnings.{place}", warning
    for path in sorted((folder / "tables").glob("*.csv")):
        if not path.name.startswith("figure-"):
            with path.open(encoding="utf-8-sig", newline="") as file:
                for row, cells in enumerate(list(csv.reader(file))[1:], start=1):
                    for column, cell in enumerate(cells[1:], start=1):
                        yield f"tables/{path.name} row {row} column {column}", cell


def ways(value) -> set[str]:
    """How a figure may be written: as it is, in percent, in points, as a ratio of odds, rounded."""
    if isinstance(value, bool):
        return set()
    if isinstance(value, int):
        return {str(value), f"{value:,}"}
    scaled = {100 * value, value, 100 * (1 - value)}
    if abs(value) < 50:
        scaled.add(math.exp(value))
    written = {f"{one:.{digits}f}" for one in scaled for digits in range(5)} | {f"{one:g}" for one in scaled}
    return {text.lstrip("-") for text in written}


def figures_in(value):
    if isinstance(value, dict):
        for one in value.values():
            yield from figures_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from figures_in(one)
    elif is_figure(value):
        yield value


def check_texts(folder: Path, reported: dict, found: dict, known: list, names: list, seen: Comparison) -> None:
    """Numbers in words: each has to be a figure that was found, in one of the ways they are written.

    Those within the names of conditions and classifiers are no figures.
    """
    allowed = {text for value in [*figures_in(found), *known] for text in ways(value)}
    for name, text in texts(folder, reported):
        for one in sorted(names, key=len, reverse=True):
            text = text.replace(one, " ")
        text = COUNTED.sub(lambda told: _without_count(told, allowed), text)
        for written in WRITTEN.findall(text):
            bare = written.lstrip("+−-").rstrip(",")
            if bare in allowed or bare.replace(",", "") in allowed:
                seen.agree += 1
            else:
                seen.differs(name, "no figure", written)


def _without_count(told: re.Match, allowed: set) -> str:
    """The share alone, where the count beside it is that share of a number that was found; else all as it stands."""
    share, count, of = told.groups()
    fits = of in allowed and int(of) and f"{100 * int(count) / int(of):.2f}" == share
    return f"{share}%" if fits else told[0]


def check_files(folder: Path, tables: Tables, reported: dict, found: dict, seen: Comparison) -> None:
    """The files beside analysis.json that tell its hashes and figures once more, each by its place."""
    frozen = tables.frozen
    seen.of(digest(frozen), tables.design["sha256"], "design.json sha256")
    seen.of(digest(tables.every_digest), frozen["stimuli_sha256"], "design.json stimuli_sha256")
    for row in tables.every_stimulus.itertuples():
        content = {"condition": str(row.condition), "shown": json.loads(row.shown), "truth": json.loads(row.truth)}
        content |= {} if row.role == "main" else {"role": row.role}
        phase, rotation = content["truth"].get("phase"), content["truth"].get("rotation")
        if row.digest in (digest(content), digest(content | {"block": f"{rotation}.{phase}"})):
            seen.agree += 1
        elif rotation is None and "phase" in tables.answers:
            # In which block it was shown is part of its digest, and this kind of study tells it nowhere.
            seen.texts.append("stimuli.csv")
        else:
            seen.differs(f"stimuli.csv stimulus {row.stimulus}", "another digest", row.digest)
    there = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "texts").glob("consent-v*.txt")}
    for sha256 in {frozen["consent_sha256"], *frozen["consent_sha256_by_language"].values()} - there:
        seen.differs("texts/ consent", "no text with this SHA-256", sha256)
    if (reported["closed_at"] is None) is (reported["state"] == "closed"):
        seen.differs("state", "another", reported["state"])
    told = json.loads((folder / "flow.json").read_text(encoding="utf-8"))
    seen.of(flow(found["counts"]), told, "flow.json")
    if reported["headline"] not in (folder / "README.md").read_text(encoding="utf-8"):
        seen.differs("README.md headline", "another", reported["headline"])


def flow(counts: dict) -> dict:
    """What flow.json tells of the counts."""
    people = ("finished", "simulated", "screened_out", "excluded", "withdrawn")
    answers = {"shown": "shown", "answered": "answers", "excluded": "exclusions"}
    answers |= {"counted": "counted_answers", "wanted": "wanted_answers"}
    return {
        "participants": {"agreed": counts["participants"]} | {one: counts[f"{one}_participants"] for one in people},
        "answers": {name: counts[key] for name, key in answers.items()},
        "by_rule": counts["excluded_by_rule"],
        "checks": counts["checks"],
        "stimuli": {"all": counts["stimuli"], **counts["panels"]},
    }


def not_checked(seen: Comparison) -> str:
    """What a reader of “agrees” has to know: which parts of an export this program says nothing of."""
    parts = sorted({re.split(r"[.]", name)[0] for name in seen.texts} - {"headline", "warnings"})
    return (
        "; not checked: in the headline, warnings and tables/ the words and whether each number stands in its place; "
        f"{len(seen.texts)} texts of analysis.json (in {', '.join(parts) or 'none'}) and whether one was taken out; "
        "versions; figures/ and their tables; paper/; index.html; the times of opening and closing"
    )


def main(folder: Path) -> int:
    tables = Tables(folder)
    reported = json.loads((folder / "analysis.json").read_text(encoding="utf-8"))
    described = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))
    tables.moment = datetime.fromisoformat(described["dateCreated"])
    found, seen = recompute(tables, reported["state"]), Comparison()
    seen.of(found, {name: value for name, value in reported.items() if name not in ELSEWHERE}, "")
    check_files(folder, tables, reported, found, seen)
    if tables.computations:
        names = [
            name
            for how in tables.computations
            for name in (
                *how.get("conditions", ()),
                *how.get("attributes", ()),
                *how.get("models", ()),
                *how.get("arms", ()),
                *how.get("sessions", ()),
                *how.get("order", ()),
            )
        ]
        check_texts(folder, reported, found, written_beside(tables, found), names, seen)
    print("\n".join(seen.lines))
    if not tables.computations:
        print("this kind of study registers no computation that this program knows")
        for name in seen.unchecked:
            print(f"not checked: {name}")
        return 1 if seen.differ else 0
    for name in seen.unchecked:
        print(f"not checked: {name}")
    for name in seen.differ:
        print(f"differs: {name}")
    right = seen.agree + len(seen.rounded)
    print(f"{right} of {seen.figures} figures agree")
    if seen.differ or seen.unchecked:
        print(f"{len(seen.differ)} figures differ from analysis.json, {len(seen.unchecked)} were not checked")
        return 1
    print(
        "agrees with analysis.json" + (" up to rounding" if seen.rounded else " to the last digit") + not_checked(seen)
    )
    return 0


def modelled(found: dict) -> list:
    """The shares that Dawid and Skene's model accepts."""
    places = [found, *found.get("conditions", {}).values(), *found.get("classifiers", {}).values()]
    shares = (place.get("dawid_skene", {}).get("estimate") for place in places)
    return [share for share in shares if share is not None]


def written_beside(tables: Tables, found: dict) -> list:
    """Figures that tables write and analysis.json does not hold: settings, and the rectified error by other rules."""
    frozen, design = tables.frozen, tables.frozen["design"]
    alpha = frozen["analysis"]["alpha"]
    numbers = [*figures_in(design), *figures_in(frozen["preparation"] or {}), 0.0001, 1 - alpha, alpha]
    # Of the contrasts how many are tested, and how many differ; a median between the clocks in seconds.
    tested = [one["p_holm"] for one in found.get("contrasts", []) if one["p_holm"] is not None]
    numbers += [len(tested), sum(p < alpha for p in tested)]
    numbers.append((found["quality"]["clocks"]["median_gap_ms"] or 0) / 1000)
    parts = [(how, tables.counted) for how in tables.computations]
    for how in tables.computations:
        for name, own in how.get("each", {}).items():
            asked = own_questions(tables, name)
            parts.append((own, tables.counted[tables.counted["stimulus"].isin(asked)]))
    for how, rows in parts:
        numbers += figures_in(how)
        if how["kind"] != "panels":
            continue
        counted = tables.by_item(rows, how)
        values = counted.assign(value=(counted["answer"] == "yes").astype(float))
        arms = [values[values["condition"] == name] for name in how.get("conditions", ())] or [values]
        for k in range(design["answers_per_stimulus"] + 1):
            rule = design | {"threshold": max(k, 1)}
            others = [rectified_part(arm, rule, tables, how, 1 - alpha) for arm in arms if len(arm)]
            numbers += [k, *figures_in(others)]
        through = FORMULAS[how["formula"]](**{name: a / b for name, (a, b) in how["known"].items()})[0]
        numbers += [through(share) for share in modelled(found)]
    if days := (found.get("extension") or {}).get("seconds_between"):
        numbers.append(days / 86_400)
    numbers += [one["error_difference"] for one in found.get("differences", [])]
    return numbers


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))

"""Answers of other people's studies by protocol: the contract of METHODS section 10, against loops of its own."""

import json
import math
import random
from itertools import pairwise

import pytest
from django.core.management import CommandError, call_command
from scipy import stats

LEVEL = 0.95
INTERVAL = {
    "estimate", "low", "high", "standard_error", "degrees_of_freedom", "effective_participants", "effective_items",
    "statistic", "p_value", "method", "level", "reason",
}  # fmt: skip
CLOSE = {"rel": 1e-9, "abs": 1e-12}


# --- loops that share no code with the implementation -----------------------------------------------------------------


def influences(rows, weights):
    """Per answer (participant, item, cell, influence); `weights` is the gradient in the means of the cells."""
    values = {}
    for row in rows:
        values.setdefault(row["cell"], []).append(row["y"])
    means = {cell: sum(found) / len(found) for cell, found in values.items()}
    return [
        (
            r["participant"],
            r["item"],
            r["cell"],
            weights[r["cell"]] * (r["y"] - means[r["cell"]]) / len(values[r["cell"]]),
        )
        for r in rows
        if r["cell"] in weights
    ]


def clustered(parts, key):
    sums = {}
    for part in parts:
        sums[key(part)] = sums.get(key(part), 0.0) + part[3]
    return len(sums) / (len(sums) - 1) * sum(total**2 for total in sums.values())


def left_out(rows, weights, key):
    """(G - 1) / G times the squared changes of the weighted means, leaving out one cluster at a time."""
    rows = [row for row in rows if row["cell"] in weights]

    def value(some):
        total = 0.0
        for cell, weight in weights.items():
            found = [row["y"] for row in some if row["cell"] == cell]
            total += weight * sum(found) / len(found)
        return total

    whole, clusters = value(rows), {key(row) for row in rows}
    changes = [(value([row for row in rows if key(row) != cluster]) - whole) ** 2 for cluster in clusters]
    return (len(clusters) - 1) / len(clusters) * sum(changes)


def effective(parts, key):
    counts = {}
    for part in parts:
        counts[key(part)] = counts.get(key(part), 0) + 1
    return len(parts) ** 2 / sum(count**2 for count in counts.values())


def expected(rows, weights, estimate, null=None):
    parts = influences(rows, weights)
    people, items, both = (clustered(parts, key) for key in (_person, _item, lambda part: (part[0], part[1])))
    error = math.sqrt(max(people + items - both, min(people, items)))
    w, i = effective(parts, _person), effective(parts, _item)
    t = stats.t.ppf(0.975, min(w, i) - 1)
    found = {
        "estimate": estimate,
        "low": estimate - t * error,
        "high": estimate + t * error,
        "standard_error": error,
        "degrees_of_freedom": min(w, i) - 1,
        "effective_participants": w,
        "effective_items": i,
    }
    if null is not None:
        found["statistic"] = (estimate - null) / error
        found["p_value"] = 2 * stats.t.sf(abs(found["statistic"]), min(w, i) - 1)
    return found


def _person(part):
    return part[0]


def _item(part):
    return part[1]


def mean(rows, cell):
    found = [row["y"] for row in rows if row["cell"] == cell]
    return sum(found) / len(found)


def through(found, back, slope):
    return found | {
        "estimate": back(found["estimate"]),
        "low": back(found["low"]),
        "high": back(found["high"]),
        "standard_error": slope * found["standard_error"],
    }


def logit(p):
    return math.log(p / (1 - p))


def expit(x):
    return 1 / (1 + math.exp(-x))


def holm(p_values):
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, so_far = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = so_far
    return adjusted


def agrees(found, wanted):
    assert set(found) >= INTERVAL
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, **CLOSE), name


# --- files ------------------------------------------------------------------------------------------------------------


def written(path, rows, columns):
    lines = [",".join(columns), *(",".join(str(row[column]) for column in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def reanalysed(path, protocol, **options):
    target = path.parent / "found.json"
    call_command("reanalyse", str(path), protocol=protocol, json=target, **options)
    return json.loads(target.read_text())


def crossed(seed, conditions, people=26, stimuli=40):
    """Uneven activity, two stimuli an item; a participant meets a stimulus once in a condition."""
    draw = random.Random(seed)
    habit = [draw.gauss(0, 0.8) for _ in range(people)]
    images = [draw.gauss(0, 0.8) for _ in range(stimuli)]
    for p in range(people):
        for s in draw.sample(range(stimuli), draw.randint(6, 24)):
            for c in draw.sample(conditions, draw.randint(1, len(conditions))):
                shift = 0.4 * conditions.index(c) + habit[p] + images[s]
                yield {"participant": f"p{p}", "stimulus": f"s{s}", "item": f"i{s // 2}", "condition": c}, shift, draw


CHOICE = ["participant", "stimulus", "item", "condition", "first", "second", "answer", "truth"]


def choices(seed=1):
    rows = []
    for row, shift, draw in crossed(seed, ["grad", "guided", "deconv"]):
        first, second = draw.sample(["cat", "dog"], 2)
        right = draw.random() < expit(0.3 + shift)
        truth = draw.choice(["cat", "dog"])
        answer = truth if right else ({"cat", "dog"} - {truth}).pop()
        row |= {"first": first, "second": second, "answer": answer, "truth": truth}
        rows.append(row | {"y": float(right), "cell": row["condition"]})
    return rows


@pytest.mark.parametrize("item", [True, False])
@pytest.mark.parametrize("chance", [None, 0.6])
def test_two_choices_are_as_the_contract_says(tmp_path, item, chance):
    rows = choices()
    columns = CHOICE if item else [name for name in CHOICE if name != "item"]
    if not item:
        rows = [row | {"item": row["stimulus"]} for row in rows]
    path = written(tmp_path / "answers.csv", rows, columns)
    found = reanalysed(path, "two_choice", contrast=["guided:grad", "deconv:grad"], chance=chance)
    assert (found["answers"], found["participants"], found["stimuli"]) == (len(rows), 26, 40)
    assert (found["items"], found["chance"]) == (20 if item else 40, chance or 0.5)
    for name, condition in found["conditions"].items():
        arm = [row for row in rows if row["condition"] == name]
        p, n = mean(arm, name), len(arm)
        on_logit = expected(arm, {name: 1 / (p * (1 - p))}, logit(p), logit(chance or 0.5))
        agrees(condition, through(on_logit, expit, p * (1 - p)))
        assert (condition["numerator"], condition["denominator"]) == (round(p * n), n)
        assert condition["naive"]["standard_error"] == pytest.approx(math.sqrt(p * (1 - p) / n), **CLOSE)
        low, high = stats.binomtest(round(p * n), n).proportion_ci(method="wilson")
        assert (condition["naive"]["low"], condition["naive"]["high"]) == pytest.approx((low, high), **CLOSE)
        parts = [
            left_out(arm, {name: 1.0}, key)
            for key in (lambda r: r["participant"], lambda r: r["item"], lambda r: (r["participant"], r["item"]))
        ]
        jackknife = math.sqrt(max(parts[0] + parts[1] - parts[2], parts[0], parts[1]))
        assert condition["jackknife"]["standard_error"] == pytest.approx(jackknife, **CLOSE)
        t = stats.t.ppf(0.975, condition["degrees_of_freedom"])
        assert condition["jackknife"]["low"] == pytest.approx(expit(logit(p) - t * jackknife / (p * (1 - p))), **CLOSE)
    tests = []
    for contrast, later in zip(found["contrasts"], ("guided", "deconv"), strict=True):
        assert (contrast["name"], contrast["scale"]) == (f"{later} - grad", "logit")
        a, b = mean(rows, "grad"), mean(rows, later)
        wanted = expected(rows, {later: 1 / (b * (1 - b)), "grad": -1 / (a * (1 - a))}, logit(b) - logit(a), 0.0)
        agrees(contrast, wanted)
        agrees(contrast["difference"], expected(rows, {later: 1.0, "grad": -1.0}, b - a, 0.0))
        tests.append(wanted["p_value"])
    assert [contrast["p_holm"] for contrast in found["contrasts"]] == pytest.approx(holm(tests), **CLOSE)
    sides = [row | {"y": float(row["answer"] == row["first"]), "cell": ""} for row in rows]
    p = mean(sides, "")
    agrees(found["chose_first"], through(expected(sides, {"": 1 / (p * (1 - p))}, logit(p), 0.0), expit, p * (1 - p)))


def test_preferences_are_turned_to_the_second_model_before_they_are_averaged(tmp_path):
    rows = []
    for row, shift, draw in crossed(2, ["guided", "grad"]):
        left, right = draw.sample(["alexnet", "vgg"], 2)
        for_vgg = max(-2, min(2, round(shift + draw.gauss(0, 1))))
        row |= {"left": left, "right": right, "rating": for_vgg if right == "vgg" else -for_vgg}
        rows.append(row | {"y": float(for_vgg), "cell": row["condition"]})
    columns = ["participant", "stimulus", "item", "condition", "left", "right", "rating"]
    path = written(tmp_path / "answers.csv", rows, columns)
    found = reanalysed(path, "preference", second="vgg", contrast=["grad:guided"])
    for name, condition in found["conditions"].items():
        arm = [row for row in rows if row["condition"] == name]
        agrees(condition, expected(arm, {name: 1.0}, mean(arm, name), 0.0))
        assert condition["distribution"] == {str(v): sum(row["y"] == v for row in arm) for v in range(-2, 3)}
        shares = {"alexnet": lambda y: y < 0, "neither": lambda y: y == 0, "vgg": lambda y: y > 0}
        for model, prefers in shares.items():
            assert condition["prefers"][model] == pytest.approx(sum(prefers(r["y"]) for r in arm) / len(arm), **CLOSE)
        spread = stats.sem([row["y"] for row in arm])
        assert condition["naive"]["standard_error"] == pytest.approx(spread, **CLOSE)
    (contrast,) = found["contrasts"]
    difference = mean(rows, "grad") - mean(rows, "guided")
    wanted = expected(rows, {"grad": 1.0, "guided": -1.0}, difference, 0.0)
    agrees(contrast, wanted | {"p_holm": wanted["p_value"]})
    as_given = [row | {"y": float(row["rating"]), "cell": ""} for row in rows]
    agrees(found["favours_right"], expected(as_given, {"": 1.0}, mean(as_given, ""), 0.0))


PHASES = ["pre", "s1", "s2", "s10", "post"]
LEARNING = ["participant", "stimulus", "item", "condition", "phase", "answer", "model_output"]


def learning(seed=3, people=40):
    draw = random.Random(seed)
    rows = []
    for p in range(people):
        condition, habit = ["none", "grad"][p % 2], draw.gauss(0, 0.5)
        for place, phase in enumerate(PHASES):
            for s in draw.sample(range(30), draw.randint(6, 14)):
                right = draw.random() < expit(0.2 + 0.25 * place + habit + (0.3 if condition == "grad" else 0))
                output = draw.choice(["husky", "wolf"])
                answer = output if right else ({"husky", "wolf"} - {output}).pop()
                row = {"participant": f"p{p}", "stimulus": f"{phase}-{s}", "item": f"{phase}-{s // 2}"}
                row |= {"condition": condition, "phase": phase, "answer": answer, "model_output": output}
                rows.append(row | {"y": float(right), "cell": (condition, phase)})
    return rows


def test_simulatability_has_gain_effect_utility_and_slope(tmp_path):
    rows = learning()
    found = reanalysed(written(tmp_path / "answers.csv", rows, LEARNING), "simulatability")
    m = {(c, phase): mean(rows, (c, phase)) for c in ("none", "grad") for phase in PHASES}
    assert found["sessions"] == ["s1", "s2", "s10"]
    assert found["cells"] == {
        c: {phase: pytest.approx(m[c, phase], **CLOSE) for phase in PHASES} for c in ("none", "grad")
    }

    def checked(part, weights):
        wanted = expected(rows, weights, sum(w * m[cell] for cell, w in weights.items()), 0.0)
        agrees(part, wanted)
        return wanted["p_value"]

    for c in ("none", "grad"):
        checked(found["gain"][c], {(c, "post"): 1, (c, "pre"): -1})
        checked(found["slope"][c], {(c, "s1"): -0.5, (c, "s2"): 0, (c, "s10"): 0.5})
    gain = {("grad", "post"): 1, ("grad", "pre"): -1, ("none", "post"): -1, ("none", "pre"): 1}
    effect = checked(found["effect"], gain)
    checked(found["post_difference"], {("grad", "post"): 1, ("none", "post"): -1})
    slopes = {("grad", "s1"): -0.5, ("grad", "s2"): 0, ("grad", "s10"): 0.5}
    slopes |= {("none", phase): -weight for (_, phase), weight in slopes.items()}
    slope = checked(found["slope_difference"], slopes)

    def utility(part, sessions):
        weights = {("grad", s): 1 / m["grad", s] / len(sessions) for s in sessions}
        weights |= {("none", s): -1 / m["none", s] / len(sessions) for s in sessions}
        estimate = sum(math.log(m["grad", s] / m["none", s]) for s in sessions) / len(sessions)
        on_log = expected(rows, weights, estimate, 0.0)
        agrees(part, through(on_log, math.exp, math.exp(estimate)))
        return on_log["p_value"]

    for session, part in zip(found["sessions"], found["utility"]["by_session"], strict=True):
        assert part["session"] == session
        utility(part, [session])
    k = utility(found["utility"]["mean"], found["sessions"])
    assert list(found["holm"]) == ["effect", "utility", "slope_difference"]
    assert list(found["holm"].values()) == pytest.approx(holm([effect, k, slope]), **CLOSE)


def test_phases_and_conditions_can_be_named_and_what_is_not_there_is_null_with_its_reason(tmp_path):
    rows = [row for row in learning() if row["phase"] not in ("pre", "post")]
    path = written(tmp_path / "answers.csv", rows, LEARNING)
    found = reanalysed(path, "simulatability", sessions=["s1", "s2"])
    assert (found["effect"]["estimate"], found["holm"]["effect"]) == (None, None)
    assert "phase 'post'" in found["effect"]["reason"]
    assert found["holm"]["utility"] is not None
    named = reanalysed(path, "simulatability", reference="grad", pre="s1", post="s10")
    assert named["explained"] == "none"
    assert named["effect"]["estimate"] is not None
    assert named["slope_difference"]["reason"] == "there are not enough sessions"


def test_accuracy_is_the_same_whether_told_by_truth_or_by_a_column_of_right_and_wrong(tmp_path):
    rows = choices()
    truth = reanalysed(written(tmp_path / "a.csv", rows, CHOICE), "accuracy", chance=0.5, contrast=["guided:grad"])
    marked = [row | {"ok": ["wrong", "Right"][int(row["y"])]} for row in rows]
    path = written(tmp_path / "b.csv", marked, ["participant", "stimulus", "item", "condition", "ok"])
    assert reanalysed(path, "accuracy", correct_column="ok", chance=0.5, contrast=["guided:grad"]) == truth
    by_choice = reanalysed(tmp_path / "a.csv", "two_choice", contrast=["guided:grad"])
    assert truth["contrasts"] == by_choice["contrasts"]
    arm = [row for row in rows if row["condition"] == "grad"]
    each = {p: [r["y"] for r in arm if r["participant"] == p] for p in {r["participant"] for r in arm}}
    shares = [sum(found) / len(found) for found in each.values()]
    people = truth["conditions"]["grad"]["by_participant"]
    assert (people["mean"], people["sd"]) == pytest.approx((stats.tmean(shares), stats.tstd(shares)), **CLOSE)
    assert truth["conditions"]["grad"]["accuracy"]["low"] == by_choice["conditions"]["grad"]["low"]


def test_rows_are_left_out_by_rules_that_are_counted_and_every_step_is_told(tmp_path):
    rows = [row | {"trial": ["main", "catch"][n % 9 == 0]} for n, row in enumerate(choices())]
    path = written(tmp_path / "answers.csv", rows, [*CHOICE, "trial"])
    found = reanalysed(path, "two_choice", exclude_where=["trial=catch", "participant=p1|p2"])
    assert [step["rule"] for step in found["flow"]] == [None, "trial=catch", "participant=p1|p2"]
    for before, step in pairwise(found["flow"]):
        assert before["remains"]["answers"] - step["excluded"]["answers"] == step["remains"]["answers"]
    left = [row for row in rows if row["trial"] == "main" and row["participant"] not in ("p1", "p2")]
    assert found["answers"] == found["flow"][-1]["remains"]["answers"] == len(left)
    everything = reanalysed(path, "two_choice")
    assert [step["answers"] for step in found["sensitivity"]] == [s["remains"]["answers"] for s in found["flow"]]
    assert found["sensitivity"][0] == {"after": None, **everything}


def test_columns_are_joined_and_parts_of_names_taken_by_a_pattern(tmp_path):
    rows = [
        row | {"picture": f"{n:04}_{row['item']}_{row['stimulus']}", "a": row["stimulus"][0], "b": row["stimulus"][1:]}
        for n, row in enumerate(choices())
    ]
    plain = reanalysed(written(tmp_path / "a.csv", rows, CHOICE), "accuracy")
    named = ["participant", "picture", "condition", "answer", "truth", "a", "b"]
    options = {"stimulus_column": "a+b", "item_column": "picture", "pattern": ["item=^[0-9]+_([^_]+)_"]}
    assert reanalysed(written(tmp_path / "b.csv", rows, named), "accuracy", **options) == plain


def test_several_files_and_packed_ones_are_read_as_one(tmp_path):
    import gzip

    rows = choices()
    whole = reanalysed(written(tmp_path / "whole.csv", rows, CHOICE), "accuracy")
    one, other = (written(tmp_path / f"{n}.csv", part, CHOICE) for n, part in enumerate((rows[:100], rows[100:])))
    packed = tmp_path / "1.csv.gz"
    packed.write_bytes(gzip.compress(other.read_bytes()))
    target = tmp_path / "both.json"
    call_command("reanalyse", str(one), str(packed), protocol="accuracy", json=target)
    assert json.loads(target.read_text()) == whole
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(CommandError, match="whole gzip file"):
        call_command("reanalyse", str(packed), protocol="accuracy")


HEAD = "participant,stimulus,condition"
WRONG = {
    "unknown key": ("which_one", f"{HEAD},answer,truth\np,s,c,a,a\n", {}, "no protocol 'which_one'"),
    "missing column": ("two_choice", f"{HEAD},first,answer,truth\np,s,c,a,a,a\n", {}, "line 1: no column 'second'"),
    "answer": ("two_choice", f"{HEAD},first,second,answer,truth\np,s,c,a,b,a,b\nq,s,c,a,b,x,b\n", {}, "line 3"),
    "truth": ("two_choice", f"{HEAD},first,second,answer,truth\np,s,c,a,b,a,x\n", {}, "line 2"),
    "one name": ("two_choice", f"{HEAD},first,second,answer,truth\np,s,c,a,a,a,a\n", {}, "line 2"),
    "duplicate": ("accuracy", f"{HEAD},answer,truth\np,s,c,a,a\np,t,c,a,a\np,s,c,b,a\n", {}, "line 4"),
    "empty": ("accuracy", f"{HEAD},answer,truth\np,s,c,a,a\np,,c,a,a\n", {}, "line 3: the stimulus is empty"),
    "rating": ("preference", f"{HEAD},left,right,rating\np,s,c,a,b,1.5\n", {"second": "b"}, "line 2"),
    "third model": ("preference", f"{HEAD},left,right,rating\np,s,c,a,b,1\nq,s,c,b,x,1\n", {"second": "b"}, "line 3"),
    "no second": ("preference", f"{HEAD},left,right,rating\np,s,c,a,b,1\n", {}, "needs the setting 'second'"),
    "output": (
        "simulatability",
        f"{HEAD},phase,answer,model_output\np,s,none,pre,a,a\nq,s,x,pre,a,a\nq,t,x,pre,zebra,a\n",
        {},
        "line 4",
    ),
    "phase twice": (
        "simulatability",
        f"{HEAD},phase,answer,model_output\np,s,none,pre,a,a\np,s,none,post,a,a\np,s,none,pre,a,a\n",
        {},
        "line 4",
    ),
    "reference": ("simulatability", f"{HEAD},phase,answer,model_output\np,s,x,pre,a,a\n", {}, "no condition 'none'"),
    "contrast": ("accuracy", f"{HEAD},answer,truth\np,s,c,a,a\n", {"contrast": ["d:c"]}, "no condition 'd'"),
    "itself": ("accuracy", f"{HEAD},answer,truth\np,s,c,a,a\n", {"contrast": ["c:c"]}, "with itself"),
    "foreign setting": ("accuracy", f"{HEAD},answer,truth\np,s,c,a,a\n", {"second": "b"}, "no setting 'second'"),
    "rule": ("accuracy", f"{HEAD},answer,truth\np,s,c,a,a\n", {"exclude_where": ["nothing"]}, "not a rule"),
    "rule column": ("accuracy", f"{HEAD},answer,truth\np,s,c,a,a\n", {"exclude_where": ["x=1"]}, "no column 'x'"),
    "all left out": ("accuracy", f"{HEAD},answer,truth\np,s,c,a,a\n", {"exclude_where": ["answer=a"]}, "no answers"),
    "pattern": ("accuracy", f"{HEAD},answer,truth\np,s,c,a,a\n", {"pattern": ["stimulus=x(.)"]}, "line 2"),
    "no regex": ("accuracy", f"{HEAD},answer,truth\np,s,c,a,a\n", {"pattern": ["stimulus=("]}, "regular expression"),
    "neither": ("accuracy", f"{HEAD},correct\np,s,c,perhaps\n", {}, "line 2"),
    "no truth": ("accuracy", f"{HEAD},answer\np,s,c,a\n", {}, "'correct'"),
    "chance": ("accuracy", f"{HEAD},answer,truth\np,s,c,a,a\nq,s,c,b,a\n", {"chance": 1.0}, "between 0 and 1"),
}


@pytest.mark.parametrize(("protocol", "text", "options", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(tmp_path, protocol, text, options, said):
    path, target = tmp_path / "answers.csv", tmp_path / "found.json"
    path.write_text(text)
    with pytest.raises(CommandError) as caught:
        call_command("reanalyse", str(path), protocol=protocol, json=target, **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.returncode == 1
    assert not target.exists()


def test_few_participants_or_items_have_no_interval_and_a_share_of_all_a_one_sided_bound(tmp_path):
    rows = choices()
    few = [row for row in rows if int(row["participant"][1:]) < 9]
    found = reanalysed(written(tmp_path / "a.csv", few, CHOICE), "accuracy")["conditions"]["grad"]
    assert (found["low"], found["p_value"]) == (None, None)
    assert "effective participants" in found["reason"]
    items = [row for row in rows if int(row["item"][1:]) < 5]
    found = reanalysed(written(tmp_path / "b.csv", items, CHOICE), "accuracy")["conditions"]["grad"]
    assert found["low"] is None
    assert found["reason"] == "5 items; under 6 the variance between items cannot be estimated"
    right = [row | {"answer": row["truth"]} for row in rows]
    found = reanalysed(written(tmp_path / "c.csv", right, CHOICE), "accuracy")["conditions"]["grad"]
    assert (found["estimate"], found["low"], found["high"]) == (1.0, None, None)
    clusters = min(found["effective_participants"], found["effective_items"])
    assert found["bound"]["side"] == "low"
    assert found["bound"]["value"] == pytest.approx(0.05 ** (1 / clusters))


# --- every key --------------------------------------------------------------------------------------------------------

#: What the contract names at the top, and where it promises an interval; * stands for each key or place.
PROMISED = {
    "two_choice": (
        {"answers", "participants", "stimuli", "items", "chance", "conditions", "contrasts", "chose_first"},
        ["conditions.*", "contrasts.*", "contrasts.*.difference", "chose_first"],
        {
            "conditions.*": {"numerator", "denominator", "naive", "jackknife"},
            "contrasts.*": {"name", "scale", "p_holm"},
        },
    ),
    "preference": (
        {"answers", "participants", "stimuli", "conditions", "contrasts", "favours_right"},
        ["conditions.*", "contrasts.*", "favours_right"],
        {"conditions.*": {"naive", "distribution", "prefers"}, "contrasts.*": {"name", "p_holm"}},
    ),
    "simulatability": (
        {"answers", "participants", "stimuli", "cells", "gain", "effect", "post_difference", "utility", "slope"}
        | {"slope_difference", "holm"},
        ["gain.*", "effect", "post_difference", "utility.by_session.*", "utility.mean", "slope.*", "slope_difference"],
        {"utility.by_session.*": {"session"}, "holm": {"effect", "utility", "slope_difference"}},
    ),
    "accuracy": (
        {"answers", "participants", "stimuli", "items", "conditions", "contrasts"},
        ["conditions.*", "conditions.*.accuracy", "contrasts.*", "contrasts.*.difference"],
        {"conditions.*": {"numerator", "denominator", "naive", "jackknife", "by_participant"}},
    ),
}


def at(found, path):
    """All values at a path with stars."""
    head, _, rest = path.partition(".")
    inner = [found[head]] if head != "*" else list(found.values() if isinstance(found, dict) else found)
    return [value for one in inner for value in (at(one, rest) if rest else [one])]


@pytest.mark.parametrize("protocol", PROMISED)
@pytest.mark.parametrize("people", [26, 4])
def test_every_key_that_the_contract_names_is_there_also_where_there_is_no_interval(tmp_path, protocol, people):
    some = {f"p{n}" for n in range(people)}
    if protocol == "simulatability":
        rows, columns, options = learning(), LEARNING, {}
    elif protocol == "preference":
        rows = [
            row | {"left": "alexnet", "right": "vgg", "rating": draw.randint(-2, 2)}
            for row, _, draw in crossed(5, ["guided", "grad"])
        ]
        columns = ["participant", "stimulus", "item", "condition", "left", "right", "rating"]
        options = {"second": "vgg", "contrast": ["grad:guided"]}
    else:
        rows, columns, options = choices(), CHOICE, {"contrast": ["guided:grad"]}
    rows = [row for row in rows if row["participant"] in some]
    found = reanalysed(written(tmp_path / "answers.csv", rows, columns), protocol, **options)
    top, intervals, keys = PROMISED[protocol]
    assert set(found) >= top
    for path in intervals:
        assert at(found, path)
        for interval in at(found, path):
            assert set(interval) >= INTERVAL, path
            # An interval or the reason why there is none, never both and never neither.
            assert (interval["low"] is None) == (interval["reason"] is not None), path
            assert (interval["low"] is None) == (people < 10), path
    for path, wanted in keys.items():
        assert all(set(one) >= wanted for one in at(found, path)), path

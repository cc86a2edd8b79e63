"""Answers of other people: by condition, against a truth, with items, as counts; and what then cannot be had."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from benchmarks.published_answers import PAGE, missing, sections
from studies.analysis.agreement import panel_agreement
from studies.analysis.answers import Answers
from studies.analysis.crossed_panels import CrossedPanels
from studies.analysis.dawid_skene import positive_share
from studies.analysis.differences import pivotal_difference
from studies.analysis.intervals import pivotal_interval
from studies.analysis.panels import count_panels
from studies.analysis.simulation_model import Scenario, simulate_answers
from studies.management.commands.reanalyse import Command


def reanalyse(path, *more, **options) -> dict:
    target = path.parent / "found.json"
    call_command("reanalyse", str(path), *map(str, more), json=target, **options)
    return json.loads(target.read_text())


@pytest.fixture
def answers(tmp_path):
    """Two conditions of forty images, five of thirty participants each; even images are truly yes."""
    made = simulate_answers(Scenario(40, 30, effect=0.8, effect_sd=0.5), np.random.default_rng(4), conditions=2)
    frame = pd.DataFrame(
        {
            "participant": made.participant,
            "stimulus": made.stimulus,
            "condition": np.array(["whole", "part"])[made.condition],
            "answer": np.array(["no", "yes"])[made.answer],
            "truth": np.where(made.stimulus % 2, "no", "yes"),
        }
    )
    path = tmp_path / "answers.csv"
    frame.to_csv(path, index=False)
    return path


def test_each_condition_has_its_accepted_share_its_yes_share_and_its_accuracy_with_intervals(answers):
    found = reanalyse(answers, contrast=["part:whole"])
    frame = pd.read_csv(answers)
    by_protocol = reanalyse(answers, protocol="accuracy", contrast=["part:whole"])
    whole = Answers.from_frame(frame, condition="condition")
    arms = dict(whole.by_condition())
    assert list(found["conditions"]) == ["whole", "part"]
    for name, condition in found["conditions"].items():
        alone = pivotal_interval(arms[name], 4).as_dict()
        for quantity in ("estimate", "low", "high", "standard_error", "denominator"):
            assert condition["accepted_share"][quantity] == alone[quantity]
            if quantity != "denominator":
                assert condition["accuracy"][quantity] == by_protocol["conditions"][name][quantity]
        assert condition["yes_share"]["low"] < condition["yes_share"]["estimate"] < condition["yes_share"]["high"]
        assert condition["by_participant"] == by_protocol["conditions"][name]["by_participant"]
    (contrast,) = found["contrasts"]
    assert contrast["of"] == "accuracy"
    assert (contrast["estimate"], contrast["p_holm"]) == tuple(
        by_protocol["contrasts"][0][name] for name in ("estimate", "p_holm")
    )
    difference = pivotal_difference(arms["whole"], arms["part"], 4)
    assert contrast["accepted_difference"]["estimate"] == difference["estimate"]


def test_a_file_without_conditions_and_truth_has_the_keys_it_always_had(answers, tmp_path):
    frame = pd.read_csv(answers).query("condition == 'whole'").drop(columns=["condition", "truth"])
    frame.to_csv(tmp_path / "plain.csv", index=False)
    assert not {"conditions", "contrasts", "against_truth"} & set(reanalyse(tmp_path / "plain.csv"))
    with pytest.raises(CommandError, match="no column of conditions"):
        reanalyse(tmp_path / "plain.csv", contrast=["part:whole"])


def test_the_majority_and_the_model_are_held_against_the_truth(answers):
    frame = pd.read_csv(answers).query("condition == 'whole'")
    frame.to_csv(answers, index=False)
    found = reanalyse(answers)["against_truth"]
    panels = (
        frame.assign(yes=frame.answer == "yes").groupby("stimulus").agg(yes=("yes", "sum"), truth=("truth", "first"))
    )
    wrong = int(((panels.yes > 2) != (panels.truth == "yes")).sum())
    assert (found["majority"]["errors"], found["majority"]["stimuli"]) == (wrong, 40)
    frame.iloc[0, list(frame.columns).index("truth")] = "no" if frame.truth.iloc[0] == "yes" else "yes"
    frame.to_csv(answers, index=False)
    with pytest.raises(CommandError, match="truly yes in one row"):
        reanalyse(answers)


def test_stimuli_that_share_an_item_are_one(answers):
    frame = pd.read_csv(answers).query("condition == 'whole'").drop(columns="truth")
    frame.assign(photo=frame.stimulus // 8).to_csv(answers, index=False)
    apart, together = reanalyse(answers), reanalyse(answers, item_column="photo")
    assert together["accepted_share"]["estimate"] == apart["accepted_share"]["estimate"]
    assert together["accepted_share"]["low"] is None
    assert together["accepted_share"]["reason"] == "5 items; under 6 the variance between items cannot be estimated"
    assert apart["accepted_share"]["low"] is not None
    frame.assign(photo=range(len(frame))).to_csv(answers, index=False)
    with pytest.raises(CommandError, match="belongs to two items"):
        reanalyse(answers, item_column="photo")


def test_rows_are_left_out_by_rules_and_the_result_is_told_before_and_after_each(answers):
    frame = pd.read_csv(answers)
    frame.assign(trial=np.where(frame.index % 11 == 0, "catch", "main")).to_csv(answers, index=False)
    found = reanalyse(answers, exclude_where=["trial=catch", "participant=3"], unequal="proportion")
    assert [step["after"] for step in found["sensitivity"]] == [None, "trial=catch", "participant=3"]
    assert [step["yes_share"] for step in found["sensitivity"]][-1] == found["yes_share"]
    assert found["sensitivity"][0]["yes_share"] == (frame.answer == "yes").mean()
    assert found["flow"][1]["excluded"]["answers"] == int((frame.index % 11 == 0).sum())
    assert found["accepted_share"]["panels"]["short"] > 0


def test_the_rectified_error_names_its_estimand_in_words_and_has_both(answers):
    frame = pd.read_csv(answers).query("condition == 'whole'").drop(columns=["condition", "truth"])
    frame.to_csv(answers, index=False)
    counts = {"population": 400, "errors": 40}
    default, new = (
        reanalyse(answers, **counts, **more)["rectified_error"] for more in ({}, {"estimand": "new images"})
    )
    assert (default["estimand"], new["estimand"]) == ("this image set", "new images")
    assert default["estimands"] == new["estimands"]
    for found in (default, new):
        for name in ("estimate", "low", "high", "method"):
            assert found[name] == found["estimands"][found["estimand"]][name]
    assert default["standard_error"] < new["standard_error"]


COUNTED = [
    {"id": 1, "label": "cat", "votes": {"cat": 4, "dog": 1}},
    {"id": 2, "label": "cat", "votes": {"cat": 1, "dog": 4}},
    {"id": 3, "label": "dog", "votes": {"dog": 5}},
    {"id": 4, "label": "dog", "votes": {"cat": 2, "dog": 2}},
]


def test_counts_have_no_interval_over_participants_and_say_why(tmp_path, capsys):
    path = tmp_path / "votes.json"
    path.write_text(json.dumps(COUNTED))
    options = {"stimulus_column": "id", "count_columns": ["votes.cat", "votes.dog"], "threshold": 3}
    found = reanalyse(path, **options)
    assert (found["answers"], found["stimuli"], found["participants"]) == (19, 4, None)
    assert found["decided"] == {
        "threshold": 3,
        "by": {"votes.cat": 1, "votes.dog": 2},
        "by_none": 1,
        "by_several": 0,
    }
    assert found["panels"] == {"4": 1, "5": 3}
    share = found["shares"]["votes.dog"]
    assert (share["numerator"], share["denominator"], share["low"]) == (12, 19, None)
    assert "does not tell who answered" in share["reason"]
    assert "does not tell who answered" in capsys.readouterr().out
    assert "errors" not in found
    given = reanalyse(path, **options, given="votes.cat")
    # Of four, one is decided for cat, as given; two for dog, and one by none.
    assert given["errors"] == {"stimuli": 3, "by": {"votes.cat": 0, "votes.dog": 2}, "by_none": 1, "by_several": 0}
    rows = [(c["id"], answer, n, c["label"]) for c in COUNTED for answer, n in c["votes"].items()]
    table = pd.DataFrame(rows, columns=["stimulus", "answer", "count", "truth"])
    table.to_csv(tmp_path / "votes.csv", index=False)
    listed = reanalyse(tmp_path / "votes.csv", counts=True)
    assert (listed["right"]["numerator"], listed["right"]["denominator"]) == (4 + 1 + 5 + 2, 19)
    most = listed["most_frequent"]
    assert (most["numerator"], most["ties"], most["ties_with_the_right_answer"]) == (2, 1, 1)
    assert listed["unanimous"] == 1


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("stimulus,answer,count\na,x,1.5\n", {}, "line 2: count is '1.5'"),
        ("stimulus,answer,count\na,x,1\na,x,2\n", {}, "line 3: answer 'x' to stimulus 'a' has a second count"),
        ("stimulus,answer,count\na,x,0\n", {}, "there are no answers"),
        ("stimulus,answer,count\na,x,many\n", {}, "line 2: count is 'many'"),
        ("stimulus,x,y\na,1,2\na,0,1\n", {"count_columns": ["x", "y"]}, "line 3: stimulus 'a' has a second row"),
        ("stimulus,x\na,1\n", {"count_columns": ["x"], "given": "z"}, "the given answer 'z' is none of the answers x"),
        ("stimulus,x,truth\na,1,z\n", {"count_columns": ["x"]}, "line 2: the truth 'z' is none of the answers"),
        ('[{"stimulus": "a"}, 3]', {}, "JSON list of objects"),
        ('[{"stimulus": "a"', {}, "not valid JSON"),
        ('[{"stimulus":"a","answer":"x","count":-1}]', {}, "object 1: count is '-1'"),
    ],
)
def test_wrong_counts_are_refused_in_one_line(tmp_path, text, options, said):
    path = tmp_path / "votes"
    path.write_text(text)
    with pytest.raises(CommandError) as caught:
        call_command("reanalyse", str(path), counts=not options, **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_repeated_answers_are_refused_kept_or_left_out(tmp_path):
    path = tmp_path / "answers.csv"
    rows = [f"p{p},s{s},{(p + s) % 3 == 0:d}" for p in range(12) for s in range(8)]
    path.write_text("\n".join(["participant,stimulus,correct", *rows, "p0,s0,0", "p1,s1,1"]) + "\n")
    with pytest.raises(CommandError, match="line 98: participant 'p0' answers stimulus 's0' a second time"):
        reanalyse(path, protocol="accuracy")
    kept, first = (reanalyse(path, protocol="accuracy", repeats=rule) for rule in ("keep", "first"))
    assert (kept["answers"], first["answers"]) == (98, 96)
    assert kept["conditions"]["all"]["numerator"] == first["conditions"]["all"]["numerator"] + 1


def test_the_model_of_careless_people_is_withheld_where_nobody_agrees_beyond_chance():
    rng = np.random.default_rng(0)
    coins, agreed = (simulate_answers(Scenario(60, 40, stimulus_sd=sd, participant_sd=0.5), rng) for sd in (0.0, 2.0))
    for table, reason in ((coins, "includes no agreement beyond chance"), (agreed, None)):
        agreement = panel_agreement(CrossedPanels.of(table, count_panels(table)), draws=0)
        found = positive_share(table, agreement)
        assert (found["estimate"] is None) == (reason is not None)
        assert reason is None or reason in found["reason"]
    assert positive_share(coins)["estimate"] is not None


COMMANDS = [(title, command) for title, commands in sections(PAGE.read_text()) for command, _ in commands]


def test_every_command_of_the_page_on_published_answers_is_one_that_can_be_given():
    lines = [line for _, command in COMMANDS for line in command.replace("\\\n", " ").split("\n")]
    given = [line for line in lines if "manage.py reanalyse" in line]
    assert len(given) >= 13
    parser = Command().create_parser("manage.py", "reanalyse")
    for line in given:
        asked = vars(parser.parse_args(shlex.split(line)[3:]))
        reading = Command().reading(asked)
        assert reading.columns or asked["answers"]
        assert all(re.compile(pattern) for pattern in reading.patterns.values())


@pytest.mark.parametrize(("title", "command"), COMMANDS)
def test_a_set_that_is_not_in_the_folder_is_named(title, command, tmp_path):
    assert missing(command, tmp_path) or "$WORK" in command
    for name in missing(command, tmp_path):
        (tmp_path / name).mkdir()
    assert missing(command, Path(tmp_path)) == []


def test_rows_are_told_apart_by_regular_expressions_over_several_columns(tmp_path):
    path = tmp_path / "answers.csv"
    rows = [f"p{p},n_{shape}1-{texture}2,{said}" for p in range(12) for shape, texture, said in (
        ("cat", "dog", "cat"), ("cat", "cat", "cat"), ("dog", "car", "car"), ("car", "dog", "oven"),
        ("dog", "cat", "dog"), ("car", "cat", "car"), ("oven", "cat", "oven"), ("car", "oven", "car"))]  # fmt: skip
    path.write_text("\n".join(["participant,stimulus,answer", *rows]) + "\n")
    found = reanalyse(
        path,
        protocol="accuracy",
        correct_column="answer+stimulus",
        correct_pattern=r"^([a-z]+)/n_\1\d-",
        exclude_where=[r"stimulus~_([a-z]+)\d-\1\d", r"answer+stimulus!~^([a-z]+)/n_(\1\d-|[a-z]+\d-\1\d)"],
    )
    assert [step["excluded"]["answers"] for step in found["flow"]] == [0, 12, 12]
    assert (found["conditions"]["all"]["numerator"], found["conditions"]["all"]["denominator"]) == (60, 72)


def test_times_in_milliseconds_and_times_that_were_not_measured_are_read(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("participant,stimulus,correct,condition,seconds\na,x,1,c,1500\nb,x,0,d,NaN\nc,x,1,c,500\n")
    found = reanalyse(path, protocol="accuracy", milliseconds=True, without=["condition"])
    assert list(found["conditions"]) == ["all"]
    times = found["response_times"]["all"]
    assert (times["mean"], times["median"], times["missing"]) == (1.0, 1.0, 1)

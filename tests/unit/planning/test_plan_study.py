"""A plan is a table of what a study of each size would give, simulated under stated assumptions."""

import json

import pytest
from django.core.management import CommandError, call_command

SMALL = {"stimuli": [60], "participants": [20, 60], "replicates": 40}


def plan(tmp_path, **options) -> list[dict]:
    target = tmp_path / "plan.json"
    call_command("plan_study", **SMALL | options, json=target)
    return json.loads(target.read_text())


def test_more_participants_make_the_interval_narrower(tmp_path):
    few, many = plan(tmp_path)
    assert many["width"] < few["width"]
    assert (few["answers"], few["power"]) == (300, None)


def test_cost_and_hours_follow_from_pay_and_seconds(tmp_path):
    row = plan(tmp_path, pay=0.1, seconds=6)[0]
    assert row["cost"] == pytest.approx(30)
    assert row["hours"] == pytest.approx(0.5)


def test_two_conditions_have_a_power_that_rises_with_the_effect(tmp_path):
    none, strong = (plan(tmp_path, conditions=2, effect=effect)[1]["power"] for effect in (0.0, 2.0))
    assert none < 0.3 < strong


def test_the_same_seed_gives_the_same_plan(tmp_path):
    assert plan(tmp_path, seed=3) == plan(tmp_path, seed=3)


def test_a_pilot_gives_the_assumptions(tmp_path, capsys):
    pilot = tmp_path / "pilot.csv"
    rows = [f"p{(s + i) % 12},s{s},{'yes' if i < s % 6 else 'no'}" for s in range(24) for i in range(5)]
    pilot.write_text("participant,stimulus,answer\n" + "\n".join(rows) + "\n")
    assert plan(tmp_path, pilot=pilot)[0]["width"]
    assert "From the pilot: mean" in capsys.readouterr().out
    with pytest.raises(CommandError, match="--mean comes from the pilot"):
        plan(tmp_path, pilot=pilot, mean=1.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threshold": 9}, "threshold"),
        ({"replicates": 0}, "at least one replicate"),
        ({"stimulus_sd": -1.0}, "cannot be negative"),
    ],
)
def test_assumptions_that_make_no_sense_are_refused(tmp_path, options, said):
    with pytest.raises(CommandError, match=said):
        plan(tmp_path, **options)


def test_too_few_people_for_a_panel_are_named_in_their_row(tmp_path, capsys):
    row = plan(tmp_path, participants=[3])[0]
    assert row["width"] is None
    assert row["reason"]
    assert row["reason"] in capsys.readouterr().out

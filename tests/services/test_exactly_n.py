"""Exactly N distinct people answer each stimulus, on both engines; and the test can tell when they do not."""

import json

import pytest

pytestmark = pytest.mark.services

CROWD = ["-m", "tests.services.crowd_in_processes", "--processes", "16"]
#: Few stimuli with many slots each: two tabs of one person easily reach for the same stimulus.
CLOSE = ["--stimuli", "6", "--panel", "20", "--people", "64"]


def crowd(installation, *options: str) -> dict:
    done = installation.run(*CROWD, *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def harm(result: dict) -> list[str]:
    """What went wrong, by name; nothing when every panel is exactly full of distinct people."""
    wrong = [name for name in ("over_filled", "met_twice", "repositions", "filled_by_uncounted") if result[name]]
    wrong += [name for name in ("filled_by_another_stimulus", "errors") if result[name]]
    if result["exactly_filled"] != result["stimuli"]:
        wrong.append("not exactly filled")
    if result["counted"] != result["filled_slots"]:
        wrong.append("counted answers without slots")
    return wrong


@pytest.mark.parametrize("options", [["--stimuli", "30"], CLOSE], ids=["thirty-stimuli", "six-stimuli"])
def test_sixteen_processes_fill_every_panel_exactly_with_distinct_people(installation, options):
    result = crowd(installation, *options)
    assert harm(result) == [], result


def test_the_constraints_alone_keep_two_tabs_of_one_person_apart(installation):
    """Whatever the code forgets to lock."""
    result = crowd(installation, *CLOSE, "--drop-lock")
    assert harm(result) == [], result


def test_without_what_protects_it_the_same_crowd_does_harm(installation):
    """PostgreSQL without lock and constraints; SQLite, whose writers queue anyway, without the queue."""
    controls = {"postgresql": ["--drop-lock", "--drop-constraints"], "sqlite": ["--deferred"]}
    assert harm(crowd(installation, *CLOSE, *controls[installation.engine]))

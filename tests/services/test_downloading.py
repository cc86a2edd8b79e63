"""A large export in a process of its own, with real processes and a real database."""

import json

import pytest

pytestmark = pytest.mark.services


def test_a_large_export_comes_from_a_process_that_is_ended_when_its_time_is_over(installation):
    done = installation.run("-m", "tests.services.downloading")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert {f"{found['slug']}/{name}" for name in ("analysis.json", "answers.csv", "recompute.py")} <= set(
        found["names"]
    )
    assert (found["left"], found["by"][0]) == ([], "ada")
    assert found["said"].startswith("it takes longer than 0.01 seconds: have the server's operator write it")

"""Nothing is answered after its study closed, and one clock decides when that was."""

import json

import pytest

pytestmark = pytest.mark.services

PROGRAM = ["-m", "tests.services.closing"]


def said(installation, *options: str) -> dict:
    done = installation.run(*PROGRAM, *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_closing_waits_for_an_answer_on_its_way(installation):
    assert said(installation, "closing") == {"after_closing": False, "counted": True, "state": "closed"}


@pytest.mark.parametrize("installation", ["postgresql"], indirect=True)
def test_without_the_lock_an_answer_is_counted_after_closing(installation):
    assert said(installation, "closing", "--without")["after_closing"]


@pytest.mark.parametrize("installation", ["postgresql"], indirect=True)
def test_a_web_server_with_a_wrong_clock_goes_by_the_databases(installation):
    """Half an hour before its washout is over a second visit is too early everywhere, and nobody sees an error."""
    assert said(installation, "clocks") == {"errors": ["TooEarly", "TooEarly"], "visit": 1}


@pytest.mark.parametrize("installation", ["postgresql"], indirect=True)
def test_by_their_own_clocks_the_second_server_runs_into_a_constraint(installation):
    assert "IntegrityError" in said(installation, "clocks", "--without")["errors"]

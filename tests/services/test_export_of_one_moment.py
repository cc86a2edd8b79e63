"""An export is of one moment and keeps nobody from answering, on both engines; and the test can tell when it is not."""

import json

import pytest

pytestmark = pytest.mark.services


def export(installation, *options: str) -> dict:
    done = installation.run("-m", "tests.services.exporting", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_an_export_is_of_one_moment_and_nobody_waits_for_it(installation):
    assert export(installation) == {
        "waited": False,
        "rows_that_count": 200,
        "rows_that_count_now": 180,
        "recompute_status": 0,
    }


def test_without_what_protects_it_the_files_of_an_export_contradict_each_other(installation):
    assert export(installation, "--many-moments")["recompute_status"] == 1

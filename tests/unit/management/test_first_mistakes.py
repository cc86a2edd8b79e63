"""What somebody meets who has just installed it, or moved it: one line that says what to do, and no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UNREACHABLE = "postgresql://nobody@127.0.0.1:1/quorum"


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({}, "CommandError: The database lacks tables of this version. Make them first: manage.py migrate"),
        ({"DATABASE_URL": UNREACHABLE, "SECRET_KEY": "tests only"}, "CommandError: The database cannot be reached: "),
        (
            {"DATABASE_URL": UNREACHABLE},
            "A setting is wrong: SECRET_KEY must be set when DATABASE_URL or BROKER_URL is.",
        ),
    ],
    ids=["no tables", "no database", "no key"],
)
def test_a_command_ends_in_one_line(environment, line, tmp_path):
    done = subprocess.run(
        [sys.executable, "manage.py", "study_template", "rectified_labeling"],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (said,) = done.stderr.splitlines()
    assert said.startswith(line)

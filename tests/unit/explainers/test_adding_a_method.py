"""The example in docs/how-to/a-new-method.md is a method once it is put where it says, and keeps its promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import explainers
from explainers import base

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "how-to" / "a-new-method.md"

#: A plugin of pytest, so that the method is there before the contract's tests ask which methods there are.
BESIDE_THE_OTHERS = """
import shutil
from pathlib import Path
import explainers
from explainers import base

folder = Path(__file__).parent / "explainers"
for file in base._FOLDER.glob("*.py"):
    shutil.copy(file, folder)
base._FOLDER = folder
explainers.__path__.append(str(folder))
"""


@pytest.fixture
def contract(tmp_path):
    """Run the promises of all methods for the page's one, its text changed: exit status and what pytest printed."""

    def run(changed=lambda text: text, only="leave_one_out"):
        ((name, text),) = re.findall(
            r"^`([^`\s]+)`\n\n```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL
        )
        assert name == "explainers/leave_one_out.py"
        (tmp_path / "explainers").mkdir()
        (tmp_path / name).write_text(changed(text))
        (tmp_path / "beside_the_others.py").write_text(BESIDE_THE_OTHERS)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "beside_the_others", "-p", "no:cacheprovider"]
        command += ["-p", "no:xdist", "-k", only, "tests/contracts/test_methods.py"]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


def test_without_the_file_there_is_no_such_method():
    assert "leave_one_out" not in base.available("explainer")
    assert not (Path(explainers.__file__).parent / "leave_one_out.py").exists()


def test_the_example_keeps_the_promises_of_every_explainer(contract):
    status, printed = contract()
    assert status == 0, printed
    passed = int(re.search(r"(\d+) passed", printed)[1])
    assert passed >= 10, printed


def test_an_example_that_breaks_a_promise_is_found_out(contract):
    status, printed = contract(lambda text: text.replace("lost.any()", "True"), only="leave_one_out and does_not_look")
    assert status == 1, printed
    assert "test_a_classifier_that_does_not_look_is_not_explained[leave_one_out]" in printed

"""Commands end in one line, whatever happens: an interruption with 130, and what nobody thought of with its kind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import toybox
from studies.management.commands.demo import Command

ROOT = Path(__file__).parents[3]

BROKEN = """
import sys
import django.core.management as management

def broken(argv):
    raise {error}

management.execute_from_command_line = broken
sys.argv = ["manage.py", "anything", *{more}]
import runpy
runpy.run_path("manage.py", run_name="__main__")
"""

INTERRUPTED_AT = """
import sys

class Interruption:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interruption())
"""


def run(error: str, *more: str) -> subprocess.CompletedProcess:
    source = BROKEN.format(error=error, more=list(more))
    return subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=False)


def test_what_nobody_thought_of_is_one_line_unless_its_traceback_is_asked_for():
    done = run("ZeroDivisionError('division\\nby zero')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("It stopped unexpectedly: ZeroDivisionError: division by zero (--traceback shows where)\n")
    assert "Traceback" in run("ZeroDivisionError()", "--traceback").stderr


def test_an_interruption_is_one_line_and_130():
    done = run("KeyboardInterrupt()")
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")


@pytest.mark.parametrize(
    ("command", "module", "line"),
    [
        (["manage.py", "migrate"], "django.core.management", "Interrupted."),
        (["-m", "explainers", "lime"], "numpy", "explainers: interrupted"),
    ],
    ids=["manage.py", "explainers"],
)
def test_an_interruption_while_libraries_are_loaded_is_one_line_and_130(tmp_path, command, module, line):
    # Python runs this before anything else; it interrupts the moment that module is asked for.
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED_AT.format(module=module))
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, f"{line}\n")


def test_a_demo_that_is_interrupted_while_it_draws_starts_the_next_time(settings, tmp_path, monkeypatch):
    settings.DATA_DIR, draw = tmp_path, toybox.draw

    def interrupted(folder: Path) -> None:
        (folder / "anchor").mkdir(parents=True)
        (folder / "anchor" / "0001.png").write_bytes(b"half of a picture")
        raise KeyboardInterrupt

    monkeypatch.setattr(toybox, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Command().drawn()
    assert not (tmp_path / "toybox").exists()
    monkeypatch.setattr(toybox, "draw", lambda folder: draw(folder, images_per_class=1))
    folder = Command().drawn()
    assert len(list(folder.glob("*/*.png"))) == len(toybox.CLASSES)
    before = (folder / "rates.csv").stat().st_mtime_ns
    assert Command().drawn() == folder
    assert (folder / "rates.csv").stat().st_mtime_ns == before

"""A study whose work is computed by processes without a database: each step as its command does it."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from explainers.command_line import main

#: Makes every import of what a node does not have an error, and then is the command line of the methods.
WITHOUT_DJANGO = """
import sys
for name in ("django", "celery", "studies", "config"):
    sys.modules[name] = None
from explainers.command_line import main
sys.exit(main())
"""


def list_work(slug: str, path: Path, *options: str) -> str:
    """Write the list to `path`; what is said beside it."""
    lines, said = io.StringIO(), io.StringIO()
    call_command("list_work", slug, *options, stdout=lines, stderr=said)
    path.write_text(lines.getvalue())
    return said.getvalue()


def compute_here(work: Path, out: Path, shard: str = "1/1", *options: str) -> int:
    """The exit status of the command, run in this process; its computations have their catalogue back afterwards."""
    from explainers.computations import inputs

    source = inputs.connected()
    try:
        return main(["compute", str(work), f"--shard={shard}", "--out", str(out), "--device", "cpu", *options])
    finally:
        inputs.connect(source)


def compute_process(work: Path, out: Path, shard: str = "1/1", *options: str) -> subprocess.Popen:
    """The same as a process of its own, which can import nothing of Django, Celery or the application."""
    command = [sys.executable, "-c", WITHOUT_DJANGO, "compute", str(work), "--shard", shard, "--out", str(out)]
    return subprocess.Popen(
        [*command, "--device", "cpu", *options],
        cwd=settings.BASE_DIR,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def take(out: Path, *options: str) -> str:
    """What the command says of what it took."""
    said = io.StringIO()
    call_command("take_results", str(out), *options, stdout=said, stderr=said)
    return said.getvalue()


def entries(path: Path) -> list[dict]:
    """The lines of a list of work, or of an index."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def rewrite(path: Path, lines: list[dict]) -> None:
    """Write them back."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))

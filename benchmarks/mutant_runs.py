"""Running the tests that reach a mutant, in a copy of the tree.

Started as a program in such a copy, this is a server: what every test needs is imported once, and each mutant is tried
in a process forked from that.  Nothing of the tree itself is ever changed.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "mutants"

#: Imported once for all mutants; nothing of ours, since that is what changes.
PRELOADED = (
    "pytest",
    "hypothesis",
    "hypothesis.stateful",
    "django.contrib.admin",
    "django.test",
    "celery",
    "numpy",
    "pandas",
    "scipy.stats",
    "statsmodels.api",
    "matplotlib.figure",
    "pyarrow.parquet",
    "skimage.segmentation",
    "sklearn.linear_model",
    "lxml.html",
    "torch",
    "torchvision",
)
PYTEST = ["-x", "-q", "--no-header", "--nomigrations", "-p", "no:cacheprovider"]
#: A mutant is given this many times what its tests take without it, and so many seconds more: some never end.
PATIENCE, PATIENCE_SECONDS = 5, 60
NOTICED, SURVIVED, TOO_SLOW = "noticed", "survived", "noticed: too slow"


@dataclass(frozen=True)
class Baseline:
    """What an area's tests reach and how long they take, without any mutant.

    reached: by path and line the tests that run it.  seconds: by test.  covered, statements: lines of the area.
    """

    reached: Mapping[str, Mapping[str, list[str]]]
    seconds: Mapping[str, float]
    covered: int
    statements: int

    def tests_of(self, path: str, statement: int, line: int) -> list[str]:
        """The tests that reach the line, or as much of its statement as was counted; the fastest first."""
        lines = self.reached.get(path, {})
        for number in range(line, statement - 1, -1):
            if tests := lines.get(str(number)):
                return sorted(tests, key=lambda test: (self.seconds.get(test, 0.0), test))
        return []


def tracked() -> list[str]:
    """The files that git knows, and new ones that it does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(name for name in names if name and (ROOT / name).is_file())


def copied(folder: Path) -> Path:
    """A copy of the tree."""
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}


# --- without mutants --------------------------------------------------------------------------------------------------


def baseline(area: str, paths: Sequence[str], tests: Sequence[str]) -> Baseline:
    """Run an area's tests as they are; kept until a file of the tree changes.  SystemExit where one of them fails."""
    digest = hashlib.sha256(json.dumps([area, list(paths), list(tests)]).encode())
    for name in tracked():
        if not name.startswith("docs/"):
            digest.update(f"\0{name}\0".encode() + (ROOT / name).read_bytes())
    kept = KEPT / f"{area}.json"
    if kept.exists() and (known := json.loads(kept.read_text())).pop("digest") == digest.hexdigest():
        return Baseline(**known)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        found = _measured(copied(Path(folder)), area, paths, tests)
    KEPT.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"digest": digest.hexdigest(), **asdict(found)}))
    return found


def _measured(tree: Path, area: str, paths: Sequence[str], tests: Sequence[str]) -> Baseline:
    from coverage import Coverage

    sources = [f"--cov={path.removesuffix('.py')}" for path in paths]
    options = [*sources, "--cov-context=test", "--cov-report=", "-vv", "--durations=0"]
    command = [sys.executable, "-m", "pytest", *PYTEST[1:], *options, *tests]
    run = subprocess.run(command, cwd=tree, env=environment(), capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{area}: its tests fail as they are\n{run.stdout[-3000:]}{run.stderr[-1000:]}")
    seconds: dict[str, float] = {}
    for took, test in re.findall(r"^([\d.]+)s (?:call|setup|teardown) +(\S.*)$", run.stdout, re.MULTILINE):
        seconds[test] = seconds.get(test, 0.0) + float(took)
    measured = Coverage(data_file=str(tree / ".coverage"))
    measured.load()
    reached: dict[str, dict[str, list[str]]] = {}
    covered = statements = 0
    for path in files(paths, tree):
        name = str(path.relative_to(tree))
        contexts = measured.get_data().contexts_by_lineno(str(path))
        reached[name] = {
            str(line): sorted({context.partition("|")[0] for context in some} - {""}) for line, some in contexts.items()
        }
        _, all_lines, _, missing, _ = measured.analysis2(str(path))
        statements, covered = statements + len(all_lines), covered + len(all_lines) - len(missing)
    return Baseline(reached, seconds, covered, statements)


def files(paths: Sequence[str], tree: Path = ROOT) -> list[Path]:
    """The Python files of an area."""
    found = [
        path for name in paths for path in ([tree / name] if name.endswith(".py") else (tree / name).rglob("*.py"))
    ]
    return sorted(path for path in found if "__pycache__" not in path.parts)


# --- with one ---------------------------------------------------------------------------------------------------------


class Server:
    """A process in a copy of the tree that tries one mutant after the other."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mutants-")
        self._tree = copied(Path(self._folder.name))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.mutant_runs"],
            cwd=self._tree,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def attempt(self, path: str, source: str, tests: Sequence[str], seconds: float) -> dict[str, Any]:
        """What becomes of the tests with this source in place of the file's: `outcome`, `by` and `seconds`."""
        limit = PATIENCE_SECONDS + PATIENCE * seconds
        asked = {"path": path, "source": source, "tests": list(tests), "limit": limit}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


def serve() -> None:
    """Answer each line of the input, a mutant, with a line that says what became of it."""
    for name in PRELOADED:
        with suppress(ImportError):
            import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        file = Path(asked["path"])
        as_it_is = file.read_text()
        file.write_text(asked["source"])
        try:
            answer = _attempted(asked["tests"], asked["limit"])
        finally:
            file.write_text(as_it_is)
        print(json.dumps(answer), flush=True)


def _attempted(tests: Sequence[str], limit: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        report = Path(folder) / "report"
        started = time.monotonic()
        child = os.fork()
        if not child:
            _run_tests(tests, folder, report)
        status = _waited_for(child, limit)
        # Whatever it started goes with it.
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        took = round(time.monotonic() - started, 1)
        said = report.read_text(errors="replace") if report.exists() else ""
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
    if status is None:
        return {"outcome": TOO_SLOW, "by": "", "seconds": took}
    outcome = SURVIVED if os.waitstatus_to_exitcode(status) == 0 else NOTICED
    return {"outcome": outcome, "by": failed[1] if failed else "", "seconds": took}


def _run_tests(tests: Sequence[str], folder: str, report: Path) -> None:
    """In the child: never returns."""
    code = 1
    try:
        os.setsid()
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        output = os.open(report, os.O_WRONLY | os.O_CREAT)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        import pytest

        code = int(pytest.main([*PYTEST, *tests]))
    finally:
        with suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


def _waited_for(child: int, limit: float) -> int | None:
    """The child's status; None where it is not done in time."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


if __name__ == "__main__":
    serve()

"""Each mishap of tests/browser/test_mishaps.py a hundred times over, in real browsers: how often it ended as it should.

    python -m benchmarks.scenarios [--repeats 100] [--only "offline or killed"] [--processes 3]

Prints one JSON line a scenario, and ends with status 1 when one of them failed once. `--only` is pytest's `-k`, for
doing it in pieces.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent
SCENARIOS = "tests/browser/test_mishaps.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--only", default="")
    parser.add_argument("--processes", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", SCENARIOS, "-k", given.only, f"--count={given.repeats}"]
        command += [f"--numprocesses={given.processes}", f"--junit-xml={report}", "-p", "no:cacheprovider"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    # What pytest-repeat adds to a test's name, alone in brackets or after a parameter of the test's own.
    repeat = re.compile(rf"-?\b\d+-{given.repeats}\b")
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        name = repeat.sub("", case.get("name")).removeprefix("test_").replace("[]", "")
        outcome = next((child.tag for child in case if child.tag in {"failure", "error", "skipped"}), "passed")
        seen[name]["seconds"] += float(case.get("time"))
        seen[name][outcome] += 1
    for name, counts in seen.items():
        seconds = round(counts.pop("seconds") / counts.total(), 2)
        print(json.dumps({"benchmark": "scenarios", "scenario": name, **counts, "seconds each": seconds}))
    if done.returncode:
        raise SystemExit(done.stdout[-5000:] + done.stderr[-2000:])


if __name__ == "__main__":
    main()

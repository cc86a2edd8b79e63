"""Each mishap of tests/browser/test_mishaps.py a hundred times over, in real browsers: how often it ended as it should.

    python -m benchmarks.scenarios [--repeats 100] [--only "offline or killed"] [--processes 3] [--minutes 60]

Prints one JSON line a scenario, and ends with status 1 when one of them failed once. `--only` is pytest's `-k`, for
doing it in pieces; after so many minutes it stops, and prints what has been done until then.
"""

import argparse
import json
import re
import signal
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
    parser.add_argument("--minutes", type=float, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", SCENARIOS, "-k", given.only, f"--count={given.repeats}"]
        command += [f"--numprocesses={given.processes}", f"--junit-xml={report}", "-p", "no:cacheprovider"]
        with (Path(folder) / "output").open("w+") as output:
            run = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
            try:
                run.wait(timeout=60 * given.minutes)
            except subprocess.TimeoutExpired:
                run.send_signal(signal.SIGINT)
                run.wait()
            output.seek(0)
            said = output.read()
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    # What pytest-repeat adds to a test's name, alone in brackets or after a parameter of the test's own.
    repeat = re.compile(rf"-?\b\d+-{given.repeats}\b")
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for case in (case for case in cases if case.get("name")):
        name = repeat.sub("", case.get("name")).removeprefix("test_").replace("[]", "")
        outcome = next((child.tag for child in case if child.tag in {"failure", "error", "skipped"}), "passed")
        seen[name]["seconds"] += float(case.get("time"))
        seen[name][outcome] += 1
    for name, counts in seen.items():
        seconds = round(counts.pop("seconds") / counts.total(), 2)
        print(json.dumps({"benchmark": "scenarios", "scenario": name, **counts, "seconds each": seconds}))
    if any(counts["failure"] or counts["error"] for counts in seen.values()) or not seen:
        raise SystemExit(said[-5000:])


if __name__ == "__main__":
    main()

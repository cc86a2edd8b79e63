"""Each mishap of tests/browser/test_mishaps.py a hundred times over, in real browsers: how often it ended as it should.

    python -m benchmarks.scenarios [--repeats 100] [--only "offline or killed"] [--processes 3] [--minutes 60]

Prints one JSON line a scenario, and ends with status 1 when one of them failed once. `--only` is pytest's `-k`, for
doing it in pieces; once so many minutes are over, no further scenario is begun.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCENARIOS = "tests/browser/test_mishaps.py"


def pytest(*options: str) -> str:
    """What pytest says."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout


def outcomes(said: str) -> dict[str, int]:
    """The numbers of pytest's last line: `98 passed, 2 failed in 71.03s`."""
    *_, last = said.strip().splitlines() or [""]
    return {outcome: int(number) for number, outcome in re.findall(r"(\d+) (passed|failed|errors?|skipped)", last)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--only", default="")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60)
    given = parser.parse_args()
    collected = re.findall(r"^(tests/\S+::\w+)", pytest("--collect-only", "-k", given.only, SCENARIOS), re.MULTILINE)
    # One with parameters is there once for each; all of them are repeated.
    scenarios = Counter(collected)
    began, wrong = time.monotonic(), []
    for scenario, variants in scenarios.items():
        start = time.monotonic()
        if start - began > 60 * given.minutes:
            break
        said = pytest(f"--count={given.repeats}", f"--numprocesses={given.processes}", scenario)
        counts, name = outcomes(said), scenario.partition("::test_")[2]
        print(
            json.dumps(
                {"benchmark": "scenarios", "scenario": name, **counts, "seconds": round(time.monotonic() - start)}
            ),
            flush=True,
        )
        if counts != {"passed": variants * given.repeats}:
            wrong.append(said[-5000:])
    if wrong or not scenarios:
        raise SystemExit("\n".join(wrong) or "no such scenario")


if __name__ == "__main__":
    main()

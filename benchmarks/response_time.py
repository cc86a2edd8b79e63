"""How exactly a page measures a response time: a script that presses a key 500 ms after each picture was painted.

    python -m benchmarks.response_time [--trials 120] [--delay 500]

`error` is what the page stored less the delay asked for, so that it holds the script's own lateness too; `own` is what
it stored less the time that passed from the browser's paint to the key's own time.
"""

import argparse
import json
import time

from .browsing import open_study, painted, participant, quantile, response_times, server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=120)
    parser.add_argument("--delay", type=int, default=500)
    given = parser.parse_args()
    study = open_study(given.trials + 1, side=224)
    passed = []
    with server() as address, participant(study, address) as page:
        for number in range(1, given.trials + 1):
            shown = painted(page, number)
            time.sleep(max(0, (shown + given.delay) / 1000 - time.time()))
            page.keyboard.press("y")
            painted(page, number + 1)
            passed.append(page.evaluate("window.pressed") - shown)
    stored = response_times()
    errors = {
        "error": [time - given.delay for time in stored],
        "own": [time - real for time, real in zip(stored, passed, strict=True)],
    }
    figures = {
        name: {"median": quantile(values, 0.5), "p95 of its size": quantile([abs(value) for value in values], 0.95)}
        for name, values in errors.items()
    }
    print(json.dumps({"benchmark": "response_time", **vars(given), **figures, "goal": 35}))


if __name__ == "__main__":
    main()

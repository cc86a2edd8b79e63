"""From the key that answers to the next picture on the screen, in Chromium, on loopback, at the production server.

python -m benchmarks.key_to_picture [--trials 100] [--side 224]
"""

import argparse
import json
import time

from .browsing import open_study, painted, participant, quantile, server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--side", type=int, default=224)
    given = parser.parse_args()
    study = open_study(given.trials + 1, given.side)
    took = []
    with server() as address, participant(study, address) as page:
        for number in range(1, given.trials + 1):
            painted(page, number)
            # Somebody looks for a moment; the next picture is loaded meanwhile.
            time.sleep(0.3)
            page.keyboard.press("y" if number % 2 else "n")
            shown = painted(page, number + 1)
            took.append(shown - page.evaluate("window.pressed"))
    figures = {name: quantile(took, share) for name, share in {"median": 0.5, "p95": 0.95, "max": 1}.items()}
    print(json.dumps({"benchmark": "key_to_picture", **vars(given), "milliseconds": figures, "goal": 100}))


if __name__ == "__main__":
    main()

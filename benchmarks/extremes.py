"""Participants' pages while every page that computes is asked with the extremes of every setting.

    python -m benchmarks.extremes [--windows 3]

The Procfile's server, on SQLite. The extremes are those of tests/extremes.py: designs, plans, results, galleries,
exports and a check, asked one after the other, and designs and plans again by several windows at once, each of which
asks before the others have their answer.
"""

import argparse
import json
import os
import time

import tests.environment  # noqa: F401  a data folder of its own, before Django looks for one

os.environ["ESTIMATE_SECONDS"] = "30"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

import numpy as np  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from tests import extremes  # noqa: E402
from tests.browser.conftest import Production  # noqa: E402

#: The goal for participants' pages, in milliseconds.
MOST_MS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=3)
    given = parser.parse_args()
    setup_test_environment()
    call_command("migrate", verbosity=0)
    classifier, study = extremes.prepared()
    typed = [*extremes.of_designs(classifier), *extremes.of_plans()]
    read = list(extremes.of_studies(classifier))
    cookies = extremes.researcher_cookies()
    server = Production()
    server.start()
    try:
        for name, requests, windows in (
            ("nothing", [], 1),
            ("typed", typed, 1),
            ("read", read, 1),
            ("at once", typed, given.windows),
        ):
            with extremes.Participants(server.url, study) as people:
                if not requests:
                    time.sleep(20)
                took = extremes.several_at_once(server.url, requests, cookies, windows)
            slowest = sorted(took.items(), key=lambda one: -one[1])[:3]
            quantiles = {share: round(float(np.quantile(people.milliseconds, share))) for share in (0.5, 0.95, 1)}
            print(
                json.dumps(
                    {
                        "benchmark": "extremes",
                        "asked": name,
                        "requests": len(took),
                        "slowest_s": {what: round(seconds, 1) for what, seconds in slowest},
                        "participants": {"pages": len(people.milliseconds), "failures": people.failures[:3]},
                        "milliseconds": {"median": quantiles[0.5], "p95": quantiles[0.95], "max": quantiles[1]},
                        "goal": MOST_MS,
                    }
                ),
                flush=True,
            )
    finally:
        server.kill()


if __name__ == "__main__":
    main()

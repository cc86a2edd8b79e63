"""How long the desk's pages take on a large study, on SQLite: the first load, the slowest of some more, the queries.

    python -m benchmarks.desk [--stimuli 50000] [--panel 2] [--rounds 5]

The study's rows are written directly, with everything in them that a real one has; of each stimulus one slot is filled.
"""

import argparse
import json
import os
import time

import tests.environment  # noqa: F401  a data folder of its own, before Django looks for one

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, reset_queries  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from tests.large import large_study, pages  # noqa: E402
from tests.staff import researcher  # noqa: E402


def timed(client: Client, address: str, rounds: int) -> tuple[float, float, int]:
    """The first and the slowest later load in milliseconds, and the queries of one."""
    took = []
    for _ in range(rounds + 1):
        reset_queries()
        start = time.perf_counter()
        response = client.get(address)
        took.append(1000 * (time.perf_counter() - start))
        assert response.status_code == 200, (address, response.status_code)
    return took[0], max(took[1:]), len(connection.queries)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stimuli", type=int, default=50_000)
    parser.add_argument("--panel", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    setup_test_environment()
    call_command("migrate", verbosity=0)
    study, client = large_study(given.stimuli, given.panel), researcher()
    connection.force_debug_cursor = True
    found = {}
    for name, address in pages(study).items():
        first, slowest, queries = timed(client, address, given.rounds)
        found[name] = {"first_ms": round(first), "slowest_ms": round(slowest), "queries": queries}
    print(json.dumps({"stimuli": given.stimuli, "slots": given.stimuli * given.panel, "pages": found}))


if __name__ == "__main__":
    main()

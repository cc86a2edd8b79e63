"""How long the desk's pages take on a large study, on SQLite: the first load, the slowest of some more, the queries.

    python -m benchmarks.desk [--stimuli 50000] [--panel 2] [--rounds 3] [--only WORDS]

Every page that somebody can open is among them (tests/desk_pages.py), and what some of them load by themselves. The
rows are written directly, with everything in them that real ones have; of each stimulus one slot is filled. First the
libraries are loaded that a web process loads beside the first page of the desk; that time is told by itself. So is the
turn of a worker that counts the answers for a results page, which is there at once and later shows what was counted.
"""

import argparse
import json
import os
import time

import tests.environment  # noqa: F401  a data folder of its own, before Django looks for one

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.core.cache import cache  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, reset_queries  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from studies.operations import preloading  # noqa: E402
from tests import desk_pages  # noqa: E402
from tests.large_study import large_classifier, large_study  # noqa: E402
from tests.logged_in_users import researcher  # noqa: E402

#: The goal for each page.
MOST_MS, MOST_QUERIES = 500, 30


def timed(client: Client, address: str, rounds: int) -> dict[str, float]:
    """The first load, with nothing remembered, and the slowest later one in milliseconds; the queries of the first."""
    cache.clear()
    took, queries = [], 0
    for n in range(rounds + 1):
        reset_queries()
        start = time.perf_counter()
        response = client.get(address)
        b"".join(response) if response.streaming else response.content
        took.append(1000 * (time.perf_counter() - start))
        assert response.status_code == 200, (address, response.status_code)
        queries = queries if n else len(connection.queries)
    return {"first_ms": round(took[0]), "slowest_ms": round(max(took[1:])), "queries": queries}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stimuli", type=int, default=50_000)
    parser.add_argument("--panel", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="Pages whose name has these words.")
    given = parser.parse_args()
    setup_test_environment()
    call_command("migrate", verbosity=0)
    study, client = large_study(given.stimuli, given.panel, large_classifier(given.stimuli)), researcher()
    start = time.perf_counter()
    preloading.load()
    libraries = time.perf_counter() - start
    connection.force_debug_cursor = True
    found, turns = {}, {}
    for page in desk_pages.pages(study):
        if given.only in page.name:
            start = time.perf_counter()
            desk_pages.put(study, page.state)
            if page.state in desk_pages.COUNTED:
                turns[page.state] = round(time.perf_counter() - start, 1)
            reset_queries()
            found[page.name] = timed(client, page.address, given.rounds)
    over = [name for name, one in found.items() if one["first_ms"] > MOST_MS or one["queries"] > MOST_QUERIES]
    slots = given.stimuli * given.panel
    beside = {"libraries_s": round(libraries, 1), "worker_s": turns}
    print(json.dumps({"stimuli": given.stimuli, "slots": slots, **beside, "pages": found}))
    print(json.dumps({"pages": len(found), "over_the_goal": over}))


if __name__ == "__main__":
    main()

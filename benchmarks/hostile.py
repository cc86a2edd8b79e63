"""Thousands of hostile inputs: no error of the server's own, nothing stored, each within 300 MB and two
seconds, or ten for an image: those of phones have 48 million pixels.

Forms, tokens, headers, recruiters' queries, the desk, images, archives, checkpoints, designs and CSV files: every one
that was made by hand (tests/hostile), and as many more as are asked for, always the same from the same seed.  Prints
one JSON line; ends with status 1 and says which input it was where one did harm.  Memory is the peak of this process
above what it had before.

    .venv/bin/python -m benchmarks.hostile --generated 5000
    .venv/bin/python -m benchmarks.hostile --generated 5000 --database postgresql://…/an_empty_database
"""

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

MOST_SECONDS, MOST_SECONDS_AN_IMAGE, MOST_MEGABYTES = 2, 10, 300
#: On a machine that has other work, seconds by the clock say little; but nothing may hang.
WAITING = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generated", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="Inputs of one kind.")
    parser.add_argument("--database", default="", help="An empty database; SQLite in a temporary folder by default.")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="quorum-hostile-"))
    os.environ |= {"DATA_DIR": str(folder), "DATABASE_URL": given.database, "SECRET_KEY": "hostile" * 8}
    os.environ |= {"RECRUIT_KEY": "recruited" * 8, "PLUGIN_APPS": "tests.framing"}
    os.environ |= {"ALLOWED_HOSTS": "testserver", "DJANGO_SETTINGS_MODULE": "config.settings"}
    try:
        run(given, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(given: argparse.Namespace, folder: Path) -> None:
    import django

    django.setup()
    logging.disable(logging.CRITICAL)
    from django.conf import settings
    from django.core.management import call_command

    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    call_command("migrate", verbosity=0)
    from tests import hostile

    (folder / "inputs").mkdir()
    world = hostile.World(folder / "inputs")
    kinds = [kind for kind in hostile.kinds() if given.only in (None, kind)]
    inputs = [one for one in hostile.made() if one.kind in kinds]
    by_hand = len(inputs)
    each, more = divmod(given.generated, len(kinds))
    for number, kind in enumerate(kinds):
        inputs += hostile.generated(kind, each + (number < more), given.seed)
    started = time.monotonic()
    bad, slowest, busiest, largest, told = [], (0.0, ""), (0.0, ""), (0.0, ""), Counter()
    for one in inputs:
        verdict = hostile.attempt(world, one)
        told[one.kind] += 1
        slowest = max(slowest, (round(verdict.seconds, 3), one.name))
        busiest = max(busiest, (round(verdict.processor_seconds, 3), one.name))
        largest = max(largest, (round(verdict.megabytes, 1), one.name))
        problem = verdict.problem
        most = MOST_SECONDS_AN_IMAGE if one.kind == "images" else MOST_SECONDS
        if not problem and (verdict.processor_seconds > most or verdict.seconds > WAITING * most):
            problem = f"took {verdict.seconds:.1f} s, {verdict.processor_seconds:.1f} of a processor"
        if not problem and verdict.megabytes > MOST_MEGABYTES:
            problem = f"took {verdict.megabytes:.0f} MB"
        if problem:
            bad.append(one.name)
            print(f"{one.kind}: {one.name}: {problem}", file=sys.stderr)
    figures = {
        "benchmark": "hostile",
        "engine": settings.DATABASES["default"]["ENGINE"].rpartition(".")[2],
        "seed": given.seed,
        "made_by_hand": by_hand,
        "generated": len(inputs) - by_hand,
        "kinds": dict(told),
        "harmful": len(bad),
        "most_seconds": slowest,
        "most_processor_seconds": busiest,
        "most_megabytes": largest,
        "seconds": round(time.monotonic() - started),
    }
    print(json.dumps(figures, ensure_ascii=False))
    if bad:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
